package policy

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/sealock/sealock/auth"
)

// Draft is a policy that is not in force.
type Draft struct{ gen *generation }

// NewDraft reads a policy. The findings say what is wrong with it or doubtful; with a fault among them there is no draft,
// and an error of the kind Invalid that names the first.
func NewDraft(t Text) (*Draft, []Finding, error) {
	g, findings, err := compile(textSource(t))
	if bad := faults(findings); err == nil && len(bad) > 0 {
		err = refusal(bad)
	}
	if err != nil {
		return nil, findings, fmt.Errorf("reading policy: %w", err)
	}
	return &Draft{g}, findings, nil
}

// textSource makes of a text what would be read from its files. An empty model stands for the default one.
func textSource(t Text) source {
	src := source{model: []byte(t.Model), rules: []byte(t.Rules), file: PolicyFile}
	if t.Model == "" {
		src.model = embedded(ModelFile)
	}
	return src
}

// Decide answers as [Engine.Decide] would if the draft were in force.
func (d *Draft) Decide(ctx context.Context, members Membership, sub auth.Subject, access auth.Access, at time.Time) (auth.Ruling, error) {
	return decide(ctx, d.asker(members, sub, at), access)
}

// ExplainedAction is an action on a repository that was asked for, and why it is granted or not.
type ExplainedAction struct {
	Name   string
	Action auth.Action
	Explanation
}

// Replay answers as [Engine.Authorize] would if the draft were in force, and explains it for each action on a repository.
func (d *Draft) Replay(ctx context.Context, members Membership, sub auth.Subject, requested auth.Scope, at time.Time) (auth.Decision, []ExplainedAction, error) {
	decision, err := authorize(ctx, d.asker(members, sub, at), requested)
	if err != nil {
		return auth.Decision{}, nil, err
	}
	var all []ExplainedAction
	for _, r := range requested {
		project, ok := auth.Project(r.Name)
		if r.Type != auth.TypeRepository || !ok {
			continue
		}
		for _, action := range tokenActions(nil, r.Actions) {
			access := auth.Access{Resource: string(r.Type), Project: project, Repository: r.Name, Action: string(action)}
			x, err := explain(ctx, d.asker(members, sub, at), access)
			if err != nil {
				return auth.Decision{}, nil, err
			}
			all = append(all, ExplainedAction{Name: r.Name, Action: action, Explanation: x})
		}
	}
	return decision, all, nil
}

func (d *Draft) asker(members Membership, sub auth.Subject, at time.Time) asker {
	return asker{gen: d.gen, members: members, sub: sub, base: d.gen.roleSet(sub), given: d.gen.given(sub), at: moment{addr: addressOf(sub.Remote), now: at}}
}

// Asked is something that was asked for, as the audit trail has it.
type Asked struct {
	Subject auth.Subject
	Scope   auth.Scope
}

// Difference is what a subject may do under one policy and not under the other.
type Difference struct {
	Subject    string
	Repository string
	Gains      []auth.Action
	Loses      []auth.Action
	Old, New   string // the reasons
}

// Compare says who would gain and lose what, of all that was asked for, if the policy were the second and not the first.
// Memberships are as they are now. Each subject and repository is told of once.
func Compare(ctx context.Context, members Membership, before, after *Draft, asked iter.Seq2[Asked, error], at time.Time) ([]Difference, error) {
	type pair struct{ subject, repository string }
	seen := map[pair]bool{}
	var all []Difference
	for a, err := range asked {
		if err != nil {
			return nil, err
		}
		for _, r := range a.Scope {
			if key := (pair{a.Subject.Name, r.Name}); r.Type != auth.TypeRepository || seen[key] {
				continue
			} else {
				seen[key] = true
			}
			d, err := compareOne(ctx, members, before, after, a.Subject, r.Name, at)
			if err != nil {
				return nil, err
			}
			if len(d.Gains)+len(d.Loses) > 0 {
				all = append(all, d)
			}
		}
	}
	slices.SortFunc(all, func(a, b Difference) int {
		if c := strings.Compare(a.Subject, b.Subject); c != 0 {
			return c
		}
		return strings.Compare(a.Repository, b.Repository)
	})
	return all, nil
}

func compareOne(ctx context.Context, members Membership, before, after *Draft, sub auth.Subject, repository string, at time.Time) (Difference, error) {
	d := Difference{Subject: sub.Name, Repository: repository}
	project, _ := auth.Project(repository)
	for _, action := range []auth.Action{auth.ActionPull, auth.ActionPush, actionOverwrite, auth.ActionDelete} {
		access := auth.Access{Resource: string(auth.TypeRepository), Project: project, Repository: repository, Action: string(action)}
		old, err := before.Decide(ctx, members, sub, access, at)
		if err != nil {
			return d, err
		}
		fresh, err := after.Decide(ctx, members, sub, access, at)
		if err != nil {
			return d, err
		}
		switch {
		case old.Allowed && !fresh.Allowed:
			d.Loses = append(d.Loses, action)
		case !old.Allowed && fresh.Allowed:
			d.Gains = append(d.Gains, action)
		default:
			continue
		}
		if d.Old == "" {
			d.Old, d.New = old.Reason, fresh.Reason
		}
	}
	return d, nil
}
