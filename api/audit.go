package api

import (
	"context"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

func (h *handlers) ListAuditLogs(c echo.Context, params gen.ListAuditLogsParams) error {
	return list(c, params.Page, params.PageSize, auditLogOf, func(ctx context.Context, who Caller, w window) (project.List[audit.Record], error) {
		if err := h.allow(ctx, who, deed{resource: "audit-log", action: "list"}); err != nil {
			return project.List[audit.Record]{}, err
		}
		f, err := auditFilter(params)
		if err != nil {
			return project.List[audit.Record]{}, err
		}
		return h.auditPage(ctx, f, w)
	})
}

func (h *handlers) auditPage(ctx context.Context, f store.Filter, w window) (l project.List[audit.Record], err error) {
	if l.Total, err = h.Audit.CountAudit(ctx, f); err != nil {
		return l, err
	}
	paging := w.paging(f.Sort)
	f.Offset, f.Limit = paging.Offset, paging.Limit
	for r, err := range h.Audit.ListAudit(ctx, f) {
		if err != nil {
			return l, err
		}
		l.Items = append(l.Items, r)
	}
	return l, nil
}

func auditFilter(params gen.ListAuditLogsParams) (store.Filter, error) {
	terms, err := parseQuery(params.Q, "username")
	if err != nil {
		return store.Filter{}, err
	}
	var f store.Filter
	for _, t := range terms {
		if t.fuzzy {
			return store.Filter{}, errs.New(errs.Invalid, "the audit trail can't be narrowed by a part of a name").WithHint("write q=username=alice")
		}
		f.Subject = t.value
	}
	f.Sort, err = parseSort(params.Sort, map[string]string{"op_time": "time", "id": "id"})
	return f, err
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
		out := gen.Decision{
			JTI: r.JTI, OpTime: r.Time.UTC(), Username: r.Actor, Method: r.Method, Remote: r.Remote, RequestID: optional(r.RequestID),
			Scope: r.Resource, Outcome: string(r.Outcome), Reason: r.Reason,
		}
		return out, h.replayed(ctx, r, &out)
	})
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
	kind, operation, ok := strings.Cut(r.Operation, ".")
	if !ok {
		operation = kind
	}
	resource := r.Resource
	if typ, name, ok := strings.Cut(r.Resource, ":"); ok && typ == kind {
		resource = name
	}
	return gen.AuditLog{
		ID: r.ID, Username: r.Actor, Operation: operation, ResourceType: kind, Resource: resource, OpTime: r.Time.UTC(),
		Outcome: string(r.Outcome), Reason: optional(r.Reason), Method: optional(r.Method), Remote: optional(r.Remote),
		RequestID: optional(r.RequestID), JTI: optional(r.JTI),
	}
}
