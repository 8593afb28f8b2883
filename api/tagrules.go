package api

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/job"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

func (h *handlers) ListImmutableTagRules(c echo.Context, ref gen.ProjectRef, params gen.ListImmutableTagRulesParams) error {
	return list(c, params.Page, params.PageSize, immutableOf, func(ctx context.Context, who Caller, w window) (l project.List[store.ImmutableRule], err error) {
		page, err := paging(params.Q, params.Sort, recordFields(fields{"priority": numberField("priority")}), map[string]string{
			"id": "id", "priority": "priority", "creation_time": "creation_time", "update_time": "update_time",
		}, w)
		if err != nil {
			return l, err
		}
		return h.Service.ListImmutableRules(ctx, who, projectRef(ref, params.XIsResourceName), page)
	})
}

func (h *handlers) CreateImmutableTagRule(c echo.Context, ref gen.ProjectRef, params gen.CreateImmutableTagRuleParams) error {
	return create(c, func(ctx context.Context, who Caller, req gen.ImmutableRule) (string, error) {
		r, err := h.Service.CreateImmutableRule(ctx, who, projectRef(ref, params.XIsResourceName), immutableChange(req))
		return fmt.Sprintf("/api/v2.0/projects/%d/immutabletagrules/%d", r.ProjectID, r.ID), err
	})
}

func (h *handlers) UpdateImmutableTagRule(c echo.Context, ref gen.ProjectRef, id gen.ImmutableRuleID, params gen.UpdateImmutableTagRuleParams) error {
	return take(c, func(ctx context.Context, who Caller, req gen.ImmutableRule) error {
		return h.Service.UpdateImmutableRule(ctx, who, projectRef(ref, params.XIsResourceName), id, immutableChange(req))
	})
}

func (h *handlers) DeleteImmutableTagRule(c echo.Context, ref gen.ProjectRef, id gen.ImmutableRuleID, params gen.DeleteImmutableTagRuleParams) error {
	return done(c, func(ctx context.Context, who Caller) error {
		return h.Service.DeleteImmutableRule(ctx, who, projectRef(ref, params.XIsResourceName), id)
	})
}

func immutableChange(r gen.ImmutableRule) project.ImmutableChange {
	return project.ImmutableChange{
		Priority: int(value(r.Priority)), Disabled: value(r.Disabled), Action: value(r.Action), Template: value(r.Template),
		TagSelectors: selectors(r.TagSelectors), ScopeSelectors: scopes(r.ScopeSelectors),
	}
}

func selectors(list []gen.TagSelector) (out []store.Selector) {
	for _, s := range list {
		out = append(out, store.Selector{Kind: value(s.Kind), Decoration: value(s.Decoration), Pattern: value(s.Pattern), Extras: value(s.Extras)})
	}
	return out
}

func scopes(by map[string][]gen.TagSelector) map[string][]store.Selector {
	if len(by) == 0 {
		return nil
	}
	out := make(map[string][]store.Selector, len(by))
	for scope, list := range by {
		out[scope] = selectors(list)
	}
	return out
}

func selectorsOf(list []store.Selector) []gen.TagSelector {
	out := make([]gen.TagSelector, 0, len(list))
	for _, s := range list {
		shown := gen.TagSelector{Kind: &s.Kind, Decoration: &s.Decoration, Pattern: &s.Pattern}
		if s.Extras != "" {
			shown.Extras = &s.Extras
		}
		out = append(out, shown)
	}
	return out
}

func scopesOf(by map[string][]store.Selector) map[string][]gen.TagSelector {
	out := make(map[string][]gen.TagSelector, len(by))
	for scope, list := range by {
		out[scope] = selectorsOf(list)
	}
	return out
}

func immutableOf(r store.ImmutableRule) gen.ImmutableRule {
	return gen.ImmutableRule{
		ID: &r.ID, Priority: pointer(int64(r.Rule.Priority)), Disabled: &r.Rule.Disabled, Action: &r.Rule.Action, Template: &r.Rule.Template,
		TagSelectors: selectorsOf(r.Rule.TagSelectors), ScopeSelectors: scopesOf(r.Rule.ScopeSelectors),
	}
}

func (h *handlers) GetRetentionMetadata(c echo.Context) error {
	return reply(c, func(_ context.Context, who Caller) (gen.RetentionMetadata, error) {
		if who.Anonymous() {
			return gen.RetentionMetadata{}, errNobody
		}
		out := gen.RetentionMetadata{
			ScopeSelectors: []gen.RetentionSelectorMetadata{{DisplayText: "Repositories", Kind: job.Doublestar, Decorations: []string{job.RepoMatches, job.RepoExcludes}}},
			TagSelectors:   []gen.RetentionSelectorMetadata{{DisplayText: "Tags", Kind: job.Doublestar, Decorations: []string{job.TagMatches, job.TagExcludes}}},
		}
		for _, t := range job.Templates() {
			shown := gen.RetentionRuleMetadata{RuleTemplate: t.Name, DisplayText: t.Text, Action: job.ActionRetain, Params: []gen.RetentionRuleParamMetadata{}}
			if t.Unit != "" {
				shown.Params = append(shown.Params, gen.RetentionRuleParamMetadata{Type: "int", Unit: t.Unit, Required: true})
			}
			out.Templates = append(out.Templates, shown)
		}
		return out, nil
	})
}

func (h *handlers) CreateRetention(c echo.Context) error {
	return create(c, func(ctx context.Context, who Caller, req gen.RetentionPolicy) (string, error) {
		p, err := retentionPolicy(req)
		if err != nil {
			return "", err
		}
		if p.ProjectID == 0 {
			return "", errs.New(errs.Invalid, "the policy is of no project").WithHint(`write "scope":{"level":"project","ref":1} with the number of the project`)
		}
		made, err := h.Service.CreateRetentionPolicy(ctx, who, p)
		return fmt.Sprintf("/api/v2.0/retentions/%d", made.ID), err
	})
}

func (h *handlers) GetRetention(c echo.Context, id gen.RetentionID) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.RetentionPolicy, error) {
		p, err := h.Service.RetentionPolicy(ctx, who, id)
		return retentionOf(p), err
	})
}

func (h *handlers) UpdateRetention(c echo.Context, id gen.RetentionID) error {
	return take(c, func(ctx context.Context, who Caller, req gen.RetentionPolicy) error {
		p, err := retentionPolicy(req)
		if err != nil {
			return err
		}
		return h.Service.UpdateRetentionPolicy(ctx, who, id, p)
	})
}

func (h *handlers) DeleteRetention(c echo.Context, id gen.RetentionID) error {
	return done(c, func(ctx context.Context, who Caller) error { return h.Service.DeleteRetentionPolicy(ctx, who, id) })
}

func (h *handlers) ListRetentionExecutions(c echo.Context, id gen.RetentionID, params gen.ListRetentionExecutionsParams) error {
	show := func(e project.RetentionExecution) gen.RetentionExecution { return gen.RetentionExecution{ID: &e.ID} }
	return list(c, params.Page, params.PageSize, show, func(ctx context.Context, who Caller, _ window) (project.List[project.RetentionExecution], error) {
		return h.Service.ListRetentionExecutions(ctx, who, id)
	})
}

func (h *handlers) StartRetention(c echo.Context, id gen.RetentionID) error {
	return create(c, func(ctx context.Context, who Caller, _ gen.RetentionStart) (string, error) {
		return "", h.Service.StartRetention(ctx, who, id)
	})
}

func (h *handlers) StopRetention(c echo.Context, id gen.RetentionID, execution gen.ExecutionID) error {
	return take(c, func(ctx context.Context, who Caller, _ gen.RetentionStop) error {
		return h.Service.StopRetention(ctx, who, id, execution)
	})
}

func (h *handlers) ListRetentionTasks(c echo.Context, id gen.RetentionID, execution gen.ExecutionID, params gen.ListRetentionTasksParams) error {
	show := func(t project.RetentionTask) gen.RetentionExecutionTask { return gen.RetentionExecutionTask{ID: &t.ID} }
	return list(c, params.Page, params.PageSize, show, func(ctx context.Context, who Caller, _ window) (project.List[project.RetentionTask], error) {
		return h.Service.ListRetentionTasks(ctx, who, id, execution)
	})
}

func (h *handlers) GetRetentionLog(c echo.Context, id gen.RetentionID, execution gen.ExecutionID, _ gen.TaskID) error {
	return text(c, func(ctx context.Context, who Caller) (string, error) {
		return h.Service.RetentionLog(ctx, who, id, execution)
	})
}

// addRetention names the retention policies of projects in their metadata, as Harbor does.
func (h *handlers) addRetention(ctx context.Context, projects []gen.Project) error {
	ids := make([]int64, len(projects))
	for i, p := range projects {
		ids[i] = p.ProjectID
	}
	policies, err := h.Service.RetentionPoliciesOf(ctx, ids)
	if err != nil {
		return err
	}
	for i := range projects {
		if id := policies[projects[i].ProjectID]; id != 0 {
			projects[i].Metadata.RetentionID = pointer(strconv.FormatInt(id, 10))
		}
	}
	return nil
}

func retentionPolicy(req gen.RetentionPolicy) (store.RetentionPolicy, error) {
	p := store.RetentionPolicy{Algorithm: value(req.Algorithm)}
	if req.Scope != nil {
		if level := value(req.Scope.Level); level != "" && level != levelProject {
			return p, errs.New(errs.Invalid, "there is no level %s", quoted(level)).WithHint("write project")
		}
		p.ProjectID = value(req.Scope.Ref)
	}
	if req.Trigger != nil {
		p.TriggerKind = value(req.Trigger.Kind)
		switch schedule := req.Trigger.Settings["cron"].(type) {
		case nil:
		case string:
			p.Cron = schedule
		default:
			return p, errs.New(errs.Invalid, "the cron of the trigger is no text").WithHint(`write "settings":{"cron":"0 0 0 * * *"}`)
		}
	}
	for _, r := range req.Rules {
		params, err := ruleParams(r.Params)
		if err != nil {
			return p, err
		}
		p.Rules = append(p.Rules, store.TagRule{
			ID: value(r.ID), Priority: int(value(r.Priority)), Disabled: value(r.Disabled), Action: value(r.Action), Template: value(r.Template),
			Params: params, TagSelectors: selectors(r.TagSelectors), ScopeSelectors: scopes(r.ScopeSelectors),
		})
	}
	return p, nil
}

// ruleParams reads the numbers of a rule.
func ruleParams(given map[string]any) (map[string]int64, error) {
	if len(given) == 0 {
		return nil, nil
	}
	params := make(map[string]int64, len(given))
	for name, v := range given {
		n, ok := v.(float64)
		if !ok || n != math.Trunc(n) || math.Abs(n) > 1<<53 {
			return nil, errs.New(errs.Invalid, "the parameter %s is no whole number", quoted(name)).WithHint(`write "params":{"latestPushedK":10}`)
		}
		params[name] = int64(n)
	}
	return params, nil
}

func retentionOf(p store.RetentionPolicy) gen.RetentionPolicy {
	out := gen.RetentionPolicy{
		ID: &p.ID, Algorithm: &p.Algorithm, Rules: make([]gen.RetentionRule, 0, len(p.Rules)),
		Trigger: &gen.RetentionRuleTrigger{Kind: &p.TriggerKind, Settings: map[string]any{"cron": p.Cron}},
		Scope:   &gen.RetentionPolicyScope{Level: pointer(levelProject), Ref: &p.ProjectID},
	}
	for _, r := range p.Rules {
		params := make(map[string]any, len(r.Params))
		for name, n := range r.Params {
			params[name] = n
		}
		out.Rules = append(out.Rules, gen.RetentionRule{
			ID: &r.ID, Priority: pointer(int64(r.Priority)), Disabled: &r.Disabled, Action: &r.Action, Template: &r.Template,
			Params: params, TagSelectors: selectorsOf(r.TagSelectors), ScopeSelectors: scopesOf(r.ScopeSelectors),
		})
	}
	return out
}
