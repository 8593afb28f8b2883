package api

import (
	"context"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

func (h *handlers) ListAuditLogs(c echo.Context, params gen.ListAuditLogsParams) error {
	return auditList(h, c, params.Page, params.PageSize, params.After, params.Q, params.Sort, auditLogOf, h.wholeTrail)
}

func (h *handlers) ListAuditLogExts(c echo.Context, params gen.ListAuditLogExtsParams) error {
	return auditList(h, c, params.Page, params.PageSize, params.After, params.Q, params.Sort, auditLogExtOf, h.wholeTrail)
}

func (h *handlers) ListProjectLogs(c echo.Context, ref gen.ProjectRef, params gen.ListProjectLogsParams) error {
	return auditList(h, c, params.Page, params.PageSize, params.After, params.Q, params.Sort, auditLogOf, h.trailOf(projectRef(ref, params.XIsResourceName)))
}

func (h *handlers) ListProjectAuditLogExts(c echo.Context, ref gen.ProjectRef, params gen.ListProjectAuditLogExtsParams) error {
	return auditList(h, c, params.Page, params.PageSize, params.After, params.Q, params.Sort, auditLogExtOf, h.trailOf(projectRef(ref, params.XIsResourceName)))
}

// ListDecisions lists what was decided about tokens.
func (h *handlers) ListDecisions(c echo.Context, params gen.ListDecisionsParams) error {
	return auditList(h, c, params.Page, params.PageSize, params.After, params.Q, params.Sort, decisionOf,
		func(ctx context.Context, who Caller, f store.Filter) (store.Filter, error) {
			kind, verb := f.Audit.Kind, f.Audit.Operation
			named := func(c store.Condition) bool { return c.Field == "kind" || c.Field == "verb" }
			if kind != "" && kind != tokenOperation || verb != "" && verb != tokenOperation || slices.ContainsFunc(f.Where, named) {
				return f, errs.New(errs.Invalid, "decisions are about tokens alone").WithHint("leave operation and resource_type out")
			}
			f.Audit.Kind, f.Audit.Operation = tokenOperation, tokenOperation
			return h.wholeTrail(ctx, who, f)
		})
}

// tokenOperation is what the issue of a token is recorded as.
const tokenOperation = "token"

// narrowing lets the caller read a trail, and narrows a filter to it.
type narrowing func(ctx context.Context, who Caller, f store.Filter) (store.Filter, error)

func (h *handlers) wholeTrail(ctx context.Context, who Caller, f store.Filter) (store.Filter, error) {
	return f, h.allow(ctx, who, deed{resource: "audit-log", action: "list"})
}

func (h *handlers) trailOf(ref project.Ref) narrowing {
	return func(ctx context.Context, who Caller, f store.Filter) (store.Filter, error) {
		return h.Service.LogOf(ctx, who, ref, f)
	}
}

// auditList answers with a page of records. Whether the caller may is found out before the filter is looked at.
func auditList[T any](h *handlers, c echo.Context, page, size, after *int64, q, sort *string, show func(audit.Record) T, narrow narrowing) error {
	return list(c, page, size, show, func(ctx context.Context, who Caller, w window) (l project.List[audit.Record], err error) {
		f, fault := auditFilter(q, sort)
		if f, err = narrow(ctx, who, f); err != nil {
			return l, err
		}
		if fault != nil {
			return l, fault
		}
		f.After = value(after)
		return h.auditPage(ctx, f, w)
	})
}

// auditPage reads a page, and one record more. Where the count is not to the last, what has been seen says more: on the last page
// the total is right, and on each other one it is more than what was shown so far.
func (h *handlers) auditPage(ctx context.Context, f store.Filter, w window) (l project.List[audit.Record], err error) {
	if l.Total, err = h.Audit.CountAudit(ctx, f); err != nil {
		return l, err
	}
	paging := w.paging(f.Sort)
	f.Offset, f.Limit = paging.Offset, paging.Limit+1
	for r, err := range h.Audit.ListAudit(ctx, f) {
		if err != nil {
			return l, err
		}
		l.Items = append(l.Items, r)
	}
	seen := paging.Offset + len(l.Items)
	switch {
	case len(l.Items) > paging.Limit:
		l.Items, l.Total = l.Items[:paging.Limit], max(l.Total, seen)
	case len(l.Items) > 0 && (f.After == 0 || w.number > 1):
		l.Total = seen
	}
	if len(l.Items) > 0 {
		l.Last = l.Items[len(l.Items)-1].ID
	}
	return l, nil
}

// auditFilter reads the q and sort parameters of lists of records.
func auditFilter(q, sort *string) (f store.Filter, err error) {
	where, err := parseQuery(q, fields{
		"id": numberField("id"), "op_time": timeField("time"), "username": textField("actor"), "operation": textField("verb"),
		"resource_type": textField("kind"), "resource": textField("resource"),
	})
	if err != nil {
		return f, err
	}
	for _, c := range where {
		if !auditOne(&f, c) {
			f.Where = append(f.Where, c)
		}
	}
	f.Sort, err = parseSort(sort, map[string]string{"op_time": "time", "id": "id"})
	return f, err
}

// auditOne notes a condition for one value, and for a part of a resource, where records are found by it at once.
func auditOne(f *store.Filter, c store.Condition) bool {
	if c.Field == "resource" && c.Part != "" {
		f.Audit.Part = c.Part
		return true
	}
	one, ok := c.One()
	text, is := one.(string)
	to := map[string]*string{"actor": &f.Subject, "verb": &f.Audit.Operation, "kind": &f.Audit.Kind, "resource": &f.Audit.Resource}[c.Field]
	if !ok || !is || to == nil {
		return false
	}
	*to = text
	return true
}

// GetDecision shows what was recorded of a token, and the policy's answer once more.
func (h *handlers) GetDecision(c echo.Context, jti gen.JTI) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.Decision, error) {
		for _, want := range []deed{{resource: "audit-log", action: "list"}, {resource: "policy", action: "read"}} {
			if err := h.allow(ctx, who, want); err != nil {
				return gen.Decision{}, err
			}
		}
		r, err := h.Audit.TokenAudit(ctx, jti)
		if err != nil {
			return gen.Decision{}, err
		}
		out := decisionOf(r)
		return out, h.replayed(ctx, r, &out)
	})
}

func decisionOf(r audit.Record) gen.Decision {
	return gen.Decision{
		JTI: r.JTI, OpTime: r.Time.UTC(), Username: r.Actor, Method: r.Method, Remote: r.Remote, RequestID: optional(r.RequestID),
		Scope: r.Resource, Outcome: string(r.Outcome), Reason: r.Reason,
	}
}

// replayed adds the replay of a record.
func (h *handlers) replayed(ctx context.Context, r audit.Record, out *gen.Decision) error {
	then, err := h.History.PolicyRevisionAt(ctx, r.Time)
	if errs.Is(err, errs.NotFound) {
		out.NoReplay = optional("the policy's history does not go back so far")
		return nil
	}
	if err != nil {
		return err
	}
	out.PolicyRevision = &then.ID
	replay, err := h.Policy.Replay(ctx, r, PolicyText{Model: then.Model, Policy: then.Rules})
	if errs.Is(err, errs.NotFound) {
		out.NoReplay = optional(errs.As(err).Message)
		return nil
	}
	if err != nil {
		return err
	}
	// Of a workload, the record says for whom it acted, too.
	same := replay.Reason == r.Reason || strings.HasPrefix(r.Reason, replay.Reason+"; for ")
	out.Replay = &gen.DecisionReplay{Same: same, Granted: replay.Granted.String(), Reason: replay.Reason, Actions: []gen.DecisionAction{}}
	for _, a := range replay.Actions {
		out.Replay.Actions = append(out.Replay.Actions, gen.DecisionAction{Name: a.Name, Action: string(a.Action), Explanation: explanationOf(a.Explanation)})
	}
	return nil
}

// auditLogOf writes a record in Harbor's shape: "project.create" on "project:team" is create, project, team.
func auditLogOf(r audit.Record) gen.AuditLog {
	kind, operation := audit.Split(r.Operation)
	return gen.AuditLog{
		ID: r.ID, Username: r.Actor, Operation: operation, ResourceType: kind, Resource: plainResource(r, kind), OpTime: r.Time.UTC(),
		Outcome: string(r.Outcome), Reason: optional(r.Reason), Method: optional(r.Method), Remote: optional(r.Remote),
		RequestID: optional(r.RequestID), JTI: optional(r.JTI),
	}
}

// auditLogExtOf writes a record in the newer of Harbor's shapes.
func auditLogExtOf(r audit.Record) gen.AuditLogExt {
	kind, operation := audit.Split(r.Operation)
	description := strings.TrimSpace(r.Operation + " " + r.Resource)
	if r.Reason != "" {
		description += ": " + r.Reason
	}
	return gen.AuditLogExt{
		ID: r.ID, Username: r.Actor, Operation: operation, ResourceType: kind, Resource: plainResource(r, kind), OpTime: r.Time.UTC(),
		OperationDescription: description, OperationResult: r.Outcome == audit.Allowed || r.Outcome == audit.Narrowed,
	}
}

// plainResource is the resource without its kind, where that says the same as the operation.
func plainResource(r audit.Record, kind string) string {
	if typ, name, ok := strings.Cut(r.Resource, ":"); ok && typ == kind {
		return name
	}
	return r.Resource
}

func (h *handlers) ListAuditLogEventTypes(c echo.Context) error {
	return reply(c, func(_ context.Context, who Caller) ([]gen.AuditLogEventType, error) {
		if who.Anonymous() {
			return nil, errNobody
		}
		var all []gen.AuditLogEventType
		for _, o := range audit.Operations() {
			kind, verb := audit.Split(o)
			name := verb
			if kind != verb {
				name = verb + "_" + kind
			}
			all = append(all, gen.AuditLogEventType{EventType: name})
		}
		return all, nil
	})
}
