package project

import (
	"context"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/job"
	"github.com/sealock/sealock/store"
)

// Words of immutable tag rules.
const (
	immutableAction   = "immutable"
	immutableTemplate = "immutable_template"
)

// ImmutableChange is what is said of an immutable tag rule. Without selectors, a rule keeps those that it has.
type ImmutableChange struct {
	Priority       int
	Disabled       bool
	Action         string // "" is the only one
	Template       string // "" is the only one
	TagSelectors   []store.Selector
	ScopeSelectors map[string][]store.Selector
}

// Immutable reports whether the rules of a project keep a tag of one of its repositories as it is: it can't be pushed
// anew nor deleted. The repository's name is without the project. One rule is enough, and each selector of it has to
// agree. It is asked with each push: it looks at nothing but the rules.
func Immutable(rules []store.ImmutableRule, repository, tag string) bool {
	for _, r := range rules {
		if about(r, repository) && job.Selected(r.Rule.TagSelectors, tag) {
			return true
		}
	}
	return false
}

// about reports whether a rule keeps any tags of a repository.
func about(r store.ImmutableRule, repository string) bool {
	return !r.Rule.Disabled && len(r.Rule.TagSelectors) > 0 && len(r.Rule.ScopeSelectors[job.ScopeRepository]) > 0 &&
		job.Selected(r.Rule.ScopeSelectors[job.ScopeRepository], repository)
}

// ListImmutableRules lists the immutable tag rules of a project.
func (s *Service) ListImmutableRules(ctx context.Context, c Caller, ref Ref, page Paging) (List[store.ImmutableRule], error) {
	p, err := s.inProject(ctx, c, ref, "immutable-tag", "list", "list the immutable tag rules of the project")
	if err != nil {
		return List[store.ImmutableRule]{}, err
	}
	f := page.apply(store.Filter{})
	total, err := s.store.CountImmutableRules(ctx, p.ID, f)
	return collect(s.store.ListImmutableRules(ctx, p.ID, f), total, err, asIs)
}

// CreateImmutableRule keeps a rule. Invalid: it can't work. Precondition: the project has as many as it may.
func (s *Service) CreateImmutableRule(ctx context.Context, c Caller, ref Ref, n ImmutableChange) (made store.ImmutableRule, err error) {
	err = s.onProject(ctx, c, ref, func(p store.Project) deed {
		var rule store.TagRule
		return deed{
			operation: "immutable-rule.create", resource: "project:" + p.Name + "/immutable-rule", what: "add immutable tag rules to the project",
			access: auth.Access{Resource: "immutable-tag", Project: p.Name, Action: "create"},
			check: func(context.Context) (err error) {
				rule, err = n.apply(store.TagRule{})
				return err
			},
			do: func(ctx context.Context) (err error) {
				made, err = s.store.CreateImmutableRule(ctx, store.ImmutableRule{ProjectID: p.ID, Rule: rule}, job.MaxTagRules)
				return err
			},
		}
	})
	return made, err
}

// apply returns what becomes of a rule, or says what is wrong with it.
func (n ImmutableChange) apply(r store.TagRule) (store.TagRule, error) {
	if n.Action != "" && n.Action != immutableAction {
		return r, errs.New(errs.Invalid, "there is no action %s", clip(n.Action)).WithHint("write immutable")
	}
	if n.Template != "" && n.Template != immutableTemplate {
		return r, errs.New(errs.Invalid, "there is no template %s", clip(n.Template)).WithHint("write immutable_template")
	}
	r.Action, r.Template, r.Priority, r.Disabled = immutableAction, immutableTemplate, n.Priority, n.Disabled
	if len(n.TagSelectors) > 0 || len(n.ScopeSelectors) > 0 {
		r.TagSelectors, r.ScopeSelectors = n.TagSelectors, n.ScopeSelectors
	}
	return r, job.CheckSelectors(r)
}

// UpdateImmutableRule changes a rule of a project. NotFound: it is none of this project.
func (s *Service) UpdateImmutableRule(ctx context.Context, c Caller, ref Ref, id int64, n ImmutableChange) error {
	return s.onImmutableRule(ctx, c, ref, id, "update", func(r store.ImmutableRule) error {
		_, err := n.apply(r.Rule)
		return err
	}, func(ctx context.Context, p store.Project) error {
		_, err := s.store.UpdateImmutableRule(ctx, p.ID, id, func(r *store.ImmutableRule) (err error) {
			r.Rule, err = n.apply(r.Rule)
			return err
		})
		return err
	})
}

// DeleteImmutableRule removes a rule of a project. NotFound: it is none of this project.
func (s *Service) DeleteImmutableRule(ctx context.Context, c Caller, ref Ref, id int64) error {
	return s.onImmutableRule(ctx, c, ref, id, "delete", func(store.ImmutableRule) error { return nil },
		func(ctx context.Context, p store.Project) error { return s.store.DeleteImmutableRule(ctx, p.ID, id) })
}

// onImmutableRule performs a deed on a rule of a project.
func (s *Service) onImmutableRule(ctx context.Context, c Caller, ref Ref, id int64, action string,
	check func(store.ImmutableRule) error, do func(context.Context, store.Project) error,
) error {
	return s.onProject(ctx, c, ref, func(p store.Project) deed {
		return deed{
			operation: "immutable-rule." + action, resource: "project:" + p.Name + "/immutable-rule:#" + itoa(id), what: action + " immutable tag rules of the project",
			access: auth.Access{Resource: "immutable-tag", Project: p.Name, Action: action},
			check: func(ctx context.Context) error {
				r, err := s.store.ImmutableRule(ctx, p.ID, id)
				if err != nil {
					return err
				}
				return check(r)
			},
			do: func(ctx context.Context) error { return do(ctx, p) },
		}
	})
}
