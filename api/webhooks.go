package api

import (
	"context"
	"fmt"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/job"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

func (h *handlers) ListWebhookPolicies(c echo.Context, ref gen.ProjectRef, params gen.ListWebhookPoliciesParams) error {
	return list(c, params.Page, params.PageSize, webhookOf, func(ctx context.Context, who Caller, w window) (l project.List[store.WebhookPolicy], err error) {
		q, err := recordPaging(params.Q, params.Sort, w)
		if err != nil {
			return l, err
		}
		return h.Service.ListWebhookPolicies(ctx, who, projectRef(ref, params.XIsResourceName), q)
	})
}

func (h *handlers) CreateWebhookPolicy(c echo.Context, ref gen.ProjectRef, params gen.CreateWebhookPolicyParams) error {
	return create(c, func(ctx context.Context, who Caller, req gen.WebhookPolicy) (string, error) {
		p, err := h.Service.CreateWebhookPolicy(ctx, who, projectRef(ref, params.XIsResourceName), webhookPolicy(req))
		return fmt.Sprintf("/api/v2.0/projects/%d/webhook/policies/%d", p.ProjectID, p.ID), err
	})
}

func (h *handlers) GetWebhookPolicy(c echo.Context, ref gen.ProjectRef, id gen.WebhookPolicyID, params gen.GetWebhookPolicyParams) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.WebhookPolicy, error) {
		p, err := h.Service.WebhookPolicy(ctx, who, projectRef(ref, params.XIsResourceName), id)
		return webhookOf(p), err
	})
}

func (h *handlers) UpdateWebhookPolicy(c echo.Context, ref gen.ProjectRef, id gen.WebhookPolicyID, params gen.UpdateWebhookPolicyParams) error {
	return take(c, func(ctx context.Context, who Caller, req gen.WebhookPolicy) error {
		return h.Service.UpdateWebhookPolicy(ctx, who, projectRef(ref, params.XIsResourceName), id, webhookPolicy(req))
	})
}

func (h *handlers) DeleteWebhookPolicy(c echo.Context, ref gen.ProjectRef, id gen.WebhookPolicyID, params gen.DeleteWebhookPolicyParams) error {
	return done(c, func(ctx context.Context, who Caller) error {
		return h.Service.DeleteWebhookPolicy(ctx, who, projectRef(ref, params.XIsResourceName), id)
	})
}

func (h *handlers) ListWebhookExecutions(c echo.Context, ref gen.ProjectRef, id gen.WebhookPolicyID, params gen.ListWebhookExecutionsParams) error {
	show := func(e project.WebhookExecution) gen.Execution { return gen.Execution{ID: &e.ID} }
	return list(c, params.Page, params.PageSize, show, func(ctx context.Context, who Caller, _ window) (project.List[project.WebhookExecution], error) {
		if err := checkHistory(params.Q, params.Sort); err != nil {
			return project.List[project.WebhookExecution]{}, err
		}
		return h.Service.ListWebhookExecutions(ctx, who, projectRef(ref, params.XIsResourceName), id)
	})
}

func (h *handlers) ListWebhookTasks(c echo.Context, ref gen.ProjectRef, id gen.WebhookPolicyID, execution gen.ExecutionID, params gen.ListWebhookTasksParams) error {
	show := func(t project.WebhookTask) gen.Task { return gen.Task{ID: &t.ID} }
	return list(c, params.Page, params.PageSize, show, func(ctx context.Context, who Caller, _ window) (project.List[project.WebhookTask], error) {
		if err := checkHistory(params.Q, params.Sort); err != nil {
			return project.List[project.WebhookTask]{}, err
		}
		return h.Service.ListWebhookTasks(ctx, who, projectRef(ref, params.XIsResourceName), id, execution)
	})
}

func (h *handlers) GetWebhookLog(c echo.Context, ref gen.ProjectRef, id gen.WebhookPolicyID, execution gen.ExecutionID, _ gen.TaskID, params gen.GetWebhookLogParams) error {
	return text(c, func(ctx context.Context, who Caller) (string, error) {
		_, err := h.Service.ListWebhookTasks(ctx, who, projectRef(ref, params.XIsResourceName), id, execution)
		return "", err
	})
}

func (h *handlers) ListWebhookTriggers(c echo.Context, ref gen.ProjectRef, params gen.ListWebhookTriggersParams) error {
	return reply(c, func(ctx context.Context, who Caller) ([]gen.WebhookLastTrigger, error) {
		policies, err := h.Service.WebhookTriggers(ctx, who, projectRef(ref, params.XIsResourceName))
		out := []gen.WebhookLastTrigger{}
		for _, p := range policies {
			for _, event := range p.EventTypes {
				out = append(out, gen.WebhookLastTrigger{PolicyName: p.Name, EventType: event, Enabled: p.Enabled, CreationTime: p.CreatedAt.UTC()})
			}
		}
		return out, err
	})
}

func (h *handlers) ListWebhookJobs(c echo.Context, ref gen.ProjectRef, params gen.ListWebhookJobsParams) error {
	show := func(t project.WebhookTask) gen.WebhookJob { return gen.WebhookJob{ID: &t.ID} }
	return list(c, params.Page, params.PageSize, show, func(ctx context.Context, who Caller, _ window) (project.List[project.WebhookTask], error) {
		if err := checkHistory(params.Q, params.Sort); err != nil {
			return project.List[project.WebhookTask]{}, err
		}
		return h.Service.ListWebhookJobs(ctx, who, projectRef(ref, params.XIsResourceName))
	})
}

func (h *handlers) ListWebhookEvents(c echo.Context, ref gen.ProjectRef, params gen.ListWebhookEventsParams) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.SupportedWebhookEventTypes, error) {
		out := gen.SupportedWebhookEventTypes{EventType: job.EventTypes(), NotifyType: job.NotifyTypes()}
		for _, kind := range job.NotifyTypes() {
			out.PayloadFormats = append(out.PayloadFormats, gen.PayloadFormat{NotifyType: kind, Formats: job.PayloadFormats(kind)})
		}
		return out, h.Service.WebhookEvents(ctx, who, projectRef(ref, params.XIsResourceName))
	})
}

func webhookPolicy(req gen.WebhookPolicy) store.WebhookPolicy {
	p := store.WebhookPolicy{Name: value(req.Name), Description: value(req.Description), EventTypes: req.EventTypes, Enabled: value(req.Enabled)}
	for _, t := range req.Targets {
		p.Targets = append(p.Targets, store.WebhookTarget{
			Type: value(t.Type), Address: value(t.Address), AuthHeader: value(t.AuthHeader), SkipCertVerify: value(t.SkipCertVerify),
			PayloadFormat: value(t.PayloadFormat),
		})
	}
	return p
}

func webhookOf(p store.WebhookPolicy) gen.WebhookPolicy {
	out := gen.WebhookPolicy{
		ID: &p.ID, Name: &p.Name, Description: &p.Description, ProjectID: &p.ProjectID, EventTypes: p.EventTypes, Creator: &p.Creator, Enabled: &p.Enabled,
		CreationTime: pointer(p.CreatedAt.UTC()), UpdateTime: pointer(p.UpdatedAt.UTC()),
	}
	for _, t := range p.Targets {
		shown := gen.WebhookTargetObject{Type: &t.Type, Address: &t.Address, SkipCertVerify: &t.SkipCertVerify}
		if t.AuthHeader != "" {
			shown.AuthHeader = &t.AuthHeader
		}
		if t.PayloadFormat != "" {
			shown.PayloadFormat = &t.PayloadFormat
		}
		out.Targets = append(out.Targets, shown)
	}
	return out
}
