package api

import (
	"context"
	"fmt"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/job"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

func (h *handlers) ListReplicationPolicies(c echo.Context, params gen.ListReplicationPoliciesParams) error {
	return list(c, params.Page, params.PageSize, replicationOf, func(ctx context.Context, who Caller, w window) (l project.List[project.Replication], err error) {
		q, err := byName(params.Q, params.Sort, params.Name, w)
		if err != nil {
			return l, err
		}
		return h.Service.ListReplicationPolicies(ctx, who, q)
	})
}

func (h *handlers) CreateReplicationPolicy(c echo.Context) error {
	return create(c, func(ctx context.Context, who Caller, req gen.ReplicationPolicyReq) (string, error) {
		p, err := replicationPolicy(req)
		if err != nil {
			return "", err
		}
		made, err := h.Service.CreateReplicationPolicy(ctx, who, p)
		return fmt.Sprintf("/api/v2.0/replication/policies/%d", made.ID), err
	})
}

func (h *handlers) GetReplicationPolicy(c echo.Context, id gen.PolicyID) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.ReplicationPolicy, error) {
		p, err := h.Service.ReplicationPolicy(ctx, who, id)
		return replicationOf(p), err
	})
}

func (h *handlers) UpdateReplicationPolicy(c echo.Context, id gen.PolicyID) error {
	return take(c, func(ctx context.Context, who Caller, req gen.ReplicationPolicyReq) error {
		p, err := replicationPolicy(req)
		if err != nil {
			return err
		}
		return h.Service.UpdateReplicationPolicy(ctx, who, id, p)
	})
}

func (h *handlers) DeleteReplicationPolicy(c echo.Context, id gen.PolicyID) error {
	return done(c, func(ctx context.Context, who Caller) error { return h.Service.DeleteReplicationPolicy(ctx, who, id) })
}

func (h *handlers) ListReplicationExecutions(c echo.Context, params gen.ListReplicationExecutionsParams) error {
	show := func(e project.ReplicationExecution) gen.ReplicationExecution {
		return gen.ReplicationExecution{ID: &e.ID}
	}
	return list(c, params.Page, params.PageSize, show, func(ctx context.Context, who Caller, _ window) (project.List[project.ReplicationExecution], error) {
		if err := checkHistory(nil, params.Sort); err != nil {
			return project.List[project.ReplicationExecution]{}, err
		}
		return h.Service.ListReplicationExecutions(ctx, who)
	})
}

func (h *handlers) StartReplication(c echo.Context) error {
	return create(c, func(ctx context.Context, who Caller, req gen.StartReplicationExecution) (string, error) {
		return "", h.Service.StartReplication(ctx, who, value(req.PolicyID))
	})
}

func (h *handlers) GetReplicationExecution(c echo.Context, id gen.ExecutionID) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.ReplicationExecution, error) {
		e, err := h.Service.ReplicationExecution(ctx, who, id)
		return gen.ReplicationExecution{ID: &e.ID}, err
	})
}

func (h *handlers) StopReplication(c echo.Context, id gen.ExecutionID) error {
	return done(c, func(ctx context.Context, who Caller) error { return h.Service.StopReplication(ctx, who, id) })
}

func (h *handlers) ListReplicationTasks(c echo.Context, id gen.ExecutionID, params gen.ListReplicationTasksParams) error {
	show := func(t project.ReplicationTask) gen.ReplicationTask { return gen.ReplicationTask{ID: &t.ID} }
	return list(c, params.Page, params.PageSize, show, func(ctx context.Context, who Caller, _ window) (project.List[project.ReplicationTask], error) {
		if err := checkHistory(nil, params.Sort); err != nil {
			return project.List[project.ReplicationTask]{}, err
		}
		return h.Service.ListReplicationTasks(ctx, who, id)
	})
}

func (h *handlers) GetReplicationLog(c echo.Context, id gen.ExecutionID, _ gen.TaskID) error {
	return text(c, func(ctx context.Context, who Caller) (string, error) { return h.Service.ReplicationLog(ctx, who, id) })
}

// checkHistory refuses what a list of what jobs did can't be narrowed or sorted by. There is nothing in it yet.
func checkHistory(q, sort *string) error {
	allowed := recordFields(fields{
		"status": textField("status"), "trigger": textField("trigger"), "event_type": textField("event_type"), "policy_id": numberField("policy_id"),
		"start_time": timeField("start_time"), "end_time": timeField("end_time"),
	})
	if _, err := parseQuery(q, allowed); err != nil {
		return err
	}
	_, err := parseSort(sort, map[string]string{
		"id": "id", "status": "status", "trigger": "trigger", "start_time": "start_time", "end_time": "end_time",
		"creation_time": "creation_time", "update_time": "update_time",
	})
	return err
}

// replicationPolicy reads a policy. A registry with the number 0 is this server, as with Harbor; what is left out is as with
// Harbor, too.
func replicationPolicy(req gen.ReplicationPolicyReq) (store.ReplicationPolicy, error) {
	p := store.ReplicationPolicy{
		Name: value(req.Name), Description: value(req.Description), DestNamespace: value(req.DestNamespace), DestNamespaceReplaceCount: -1,
		ReplicateDeletion: value(req.Deletion), Override: value(req.Override), Enabled: value(req.Enabled), Speed: int(value(req.Speed)),
		CopyByChunk: value(req.CopyByChunk), SingleActive: value(req.SingleActiveReplication),
	}
	if req.ReplicateDeletion != nil {
		p.ReplicateDeletion = *req.ReplicateDeletion
	}
	if req.DestNamespaceReplaceCount != nil {
		p.DestNamespaceReplaceCount = int(*req.DestNamespaceReplaceCount)
	}
	if req.SrcRegistry != nil {
		p.SrcRegistryID = value(req.SrcRegistry.ID)
	}
	if req.DestRegistry != nil {
		p.DestRegistryID = value(req.DestRegistry.ID)
	}
	if req.Trigger != nil {
		p.TriggerType = value(req.Trigger.Type)
		if req.Trigger.TriggerSettings != nil {
			p.Cron = value(req.Trigger.TriggerSettings.Cron)
		}
	}
	for _, f := range req.Filters {
		read, err := replicationFilter(f)
		if err != nil {
			return p, err
		}
		p.Filters = append(p.Filters, read)
	}
	return p, nil
}

// replicationFilter reads a filter, whose value is a list for labels and a text for all others.
func replicationFilter(f gen.ReplicationFilter) (store.ReplicationFilter, error) {
	out := store.ReplicationFilter{Type: value(f.Type), Decoration: value(f.Decoration)}
	switch v := f.Value.(type) {
	case nil:
		return out, nil
	case string:
		if out.Type != job.FilterLabel {
			out.Value = v
			return out, nil
		}
	case []any:
		if out.Type != job.FilterLabel {
			break
		}
		for _, one := range v {
			name, ok := one.(string)
			if !ok {
				return out, badFilter(out.Type)
			}
			out.Labels = append(out.Labels, name)
		}
		return out, nil
	}
	return out, badFilter(out.Type)
}

func badFilter(kind string) error {
	return errs.New(errs.Invalid, "the value of a filter of the type %s is of another type", quoted(kind)).
		WithHint(`write "value":"v*", or "value":["stable"] for labels`)
}

func replicationOf(p project.Replication) gen.ReplicationPolicy {
	out := gen.ReplicationPolicy{
		ID: p.ID, Name: p.Name, Description: p.Description, DestNamespace: p.DestNamespace, DestNamespaceReplaceCount: int64(p.DestNamespaceReplaceCount),
		Trigger: gen.ReplicationTrigger{Type: &p.TriggerType, TriggerSettings: &gen.ReplicationTriggerSettings{Cron: &p.Cron}},
		Filters: make([]gen.ReplicationFilter, 0, len(p.Filters)), ReplicateDeletion: p.ReplicateDeletion, Deletion: p.ReplicateDeletion,
		Override: p.Override, Enabled: p.Enabled, Speed: int64(p.Speed), CopyByChunk: p.CopyByChunk, SingleActiveReplication: p.SingleActive,
		CreationTime: p.CreatedAt.UTC(), UpdateTime: p.UpdatedAt.UTC(),
	}
	if p.Src != nil {
		out.SrcRegistry = pointer(registryOf(*p.Src))
	}
	if p.Dest != nil {
		out.DestRegistry = pointer(registryOf(*p.Dest))
	}
	for _, f := range p.Filters {
		shown := gen.ReplicationFilter{Type: &f.Type, Value: f.Value}
		if f.Type == job.FilterLabel {
			shown.Value = f.Labels
		}
		if f.Decoration != "" {
			shown.Decoration = &f.Decoration
		}
		out.Filters = append(out.Filters, shown)
	}
	return out
}
