package project

import (
	"context"
	"strconv"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/job"
	"github.com/sealock/sealock/store"
)

// WebhookExecution and WebhookTask are what a webhook did. There are none before jobs run.
type (
	WebhookExecution struct{ ID int64 }
	WebhookTask      struct{ ID int64 }
)

// ListWebhookPolicies lists the webhook policies of a project. No auth_header is told, here and elsewhere: it is
// [job.Masked] where there is one.
func (s *Service) ListWebhookPolicies(ctx context.Context, c Caller, ref Ref, page Paging) (List[store.WebhookPolicy], error) {
	p, err := s.seesWebhooks(ctx, c, ref, "list")
	if err != nil {
		return List[store.WebhookPolicy]{}, err
	}
	f := page.apply(store.Filter{})
	total, err := s.store.CountWebhookPolicies(ctx, p.ID, f)
	return collect(s.store.ListWebhookPolicies(ctx, p.ID, f), total, err, maskedWebhook)
}

func (s *Service) seesWebhooks(ctx context.Context, c Caller, ref Ref, action string) (store.Project, error) {
	return s.inProject(ctx, c, ref, "notification-policy", action, "see the webhooks of the project")
}

func maskedWebhook(p store.WebhookPolicy) store.WebhookPolicy {
	targets := make([]store.WebhookTarget, len(p.Targets))
	for i, t := range p.Targets {
		if t.AuthHeader != "" {
			t.AuthHeader = job.Masked
		}
		targets[i] = t
	}
	p.Targets = targets
	return p
}

// WebhookPolicy returns a webhook policy of a project. NotFound: it is none of this project.
func (s *Service) WebhookPolicy(ctx context.Context, c Caller, ref Ref, id int64) (store.WebhookPolicy, error) {
	p, err := s.seesWebhooks(ctx, c, ref, "read")
	if err != nil {
		return store.WebhookPolicy{}, err
	}
	w, err := s.store.WebhookPolicy(ctx, p.ID, id)
	return maskedWebhook(w), err
}

// CreateWebhookPolicy keeps a webhook policy of a project. The targets' headers come in clear.
func (s *Service) CreateWebhookPolicy(ctx context.Context, c Caller, ref Ref, n store.WebhookPolicy) (made store.WebhookPolicy, err error) {
	err = s.onProject(ctx, c, ref, func(p store.Project) deed {
		return deed{
			operation: "webhook.create", resource: "project:" + p.Name + "/webhook:" + clipped(n.Name), what: "add webhooks to project " + strconv.Quote(p.Name),
			access: auth.Access{Resource: "notification-policy", Project: p.Name, Action: "create"},
			check: func(context.Context) (err error) {
				n.ProjectID, n.Creator = p.ID, c.Name
				n, err = s.soundWebhook(store.WebhookPolicy{ProjectID: p.ID}, n)
				return err
			},
			do: func(ctx context.Context) (err error) {
				made, err = s.store.CreateWebhookPolicy(ctx, n)
				return err
			},
		}
	})
	return maskedWebhook(made), err
}

// UpdateWebhookPolicy replaces a webhook policy. A header that is [job.Masked] stays, where the address is of the same server.
func (s *Service) UpdateWebhookPolicy(ctx context.Context, c Caller, ref Ref, id int64, n store.WebhookPolicy) error {
	return s.onWebhook(ctx, c, ref, id, "update", func(before store.WebhookPolicy) (func(context.Context) error, error) {
		if _, err := s.soundWebhook(before, n); err != nil {
			return nil, err
		}
		return func(ctx context.Context) error {
			_, err := s.store.UpdateWebhookPolicy(ctx, before.ProjectID, id, func(w *store.WebhookPolicy) error {
				after, err := s.soundWebhook(*w, n)
				after.Creator = w.Creator
				*w = after
				return err
			})
			return err
		}, nil
	})
}

// DeleteWebhookPolicy removes a webhook policy.
func (s *Service) DeleteWebhookPolicy(ctx context.Context, c Caller, ref Ref, id int64) error {
	return s.onWebhook(ctx, c, ref, id, "delete", func(w store.WebhookPolicy) (func(context.Context) error, error) {
		return func(ctx context.Context) error { return s.store.DeleteWebhookPolicy(ctx, w.ProjectID, id) }, nil
	})
}

// onWebhook performs a deed on a webhook policy of a project.
func (s *Service) onWebhook(ctx context.Context, c Caller, ref Ref, id int64, action string,
	prepare func(store.WebhookPolicy) (func(context.Context) error, error),
) error {
	return s.onProject(ctx, c, ref, func(p store.Project) deed {
		w, missing := s.store.WebhookPolicy(ctx, p.ID, id)
		name := w.Name
		if missing != nil {
			name = "#" + itoa(id)
		}
		var do func(context.Context) error
		return deed{
			operation: "webhook." + action, resource: "project:" + p.Name + "/webhook:" + name, what: action + " webhooks of project " + strconv.Quote(p.Name),
			access: auth.Access{Resource: "notification-policy", Project: p.Name, Action: action},
			check: func(context.Context) (err error) {
				if missing != nil {
					return missing
				}
				do, err = prepare(w)
				return err
			},
			do: func(ctx context.Context) error { return do(ctx) },
		}
	})
}

// soundWebhook returns what becomes of a policy whose headers are in clear, or says what is wrong with it.
func (s *Service) soundWebhook(before, n store.WebhookPolicy) (store.WebhookPolicy, error) {
	if err := job.CheckWebhook(n); err != nil {
		return n, err
	}
	if err := checkDescription(n.Description); err != nil {
		return n, err
	}
	targets := make([]store.WebhookTarget, len(n.Targets))
	for i, t := range n.Targets {
		header, err := s.header(before, i, t)
		if err != nil {
			return n, err
		}
		t.AuthHeader = header
		targets[i] = t
	}
	n.Targets, n.ProjectID = targets, before.ProjectID
	return n, nil
}

// header returns the sealed header of a target: a new one, or the one that it has.
func (s *Service) header(before store.WebhookPolicy, i int, t store.WebhookTarget) (string, error) {
	if t.AuthHeader == job.Masked {
		return keptHeader(before, i, t.Address)
	}
	plain := secret.New(t.AuthHeader)
	if err := job.CheckAuthHeader(plain); err != nil {
		return "", err
	}
	return s.sealed(plain, webhookPurpose(before.ProjectID, t.Address))
}

// keptHeader finds the header that a target has already: that of the same place in the list, or another one of the same
// server.
func keptHeader(before store.WebhookPolicy, i int, address string) (string, error) {
	if i < len(before.Targets) && job.SameOrigin(before.Targets[i].Address, address) {
		return before.Targets[i].AuthHeader, nil
	}
	for _, t := range before.Targets {
		if job.SameOrigin(t.Address, address) {
			return t.AuthHeader, nil
		}
	}
	return "", errs.New(errs.Invalid, "the target is another server than before, and its auth_header is not given").
		WithHint("give auth_header anew: a secret is not sent to a server that it was not given for")
}

// webhookPurpose names the server that a header is for.
func webhookPurpose(projectID int64, address string) string {
	return "the webhooks of project " + itoa(projectID) + " at " + job.Origin(address)
}

// WebhookEvents is whether the caller may see what a webhook of the project can be told of.
func (s *Service) WebhookEvents(ctx context.Context, c Caller, ref Ref) error {
	_, err := s.seesWebhooks(ctx, c, ref, "read")
	return err
}

// WebhookTriggers returns what each policy of a project could be told of: nothing was sent yet.
func (s *Service) WebhookTriggers(ctx context.Context, c Caller, ref Ref) ([]store.WebhookPolicy, error) {
	p, err := s.seesWebhooks(ctx, c, ref, "read")
	if err != nil {
		return nil, err
	}
	l, err := collect(s.store.ListWebhookPolicies(ctx, p.ID, store.Filter{Limit: MaxPage}), 0, nil, maskedWebhook)
	return l.Items, err
}

// ListWebhookExecutions lists what a webhook policy did, or returns NotFound.
func (s *Service) ListWebhookExecutions(ctx context.Context, c Caller, ref Ref, policyID int64) (List[WebhookExecution], error) {
	_, err := s.WebhookPolicy(ctx, c, ref, policyID)
	return nothing[WebhookExecution](), err
}

// ListWebhookTasks lists what an execution of a webhook policy was made of, or returns NotFound.
func (s *Service) ListWebhookTasks(ctx context.Context, c Caller, ref Ref, policyID, id int64) (List[WebhookTask], error) {
	_, err := s.WebhookPolicy(ctx, c, ref, policyID)
	if err == nil {
		err = noExecution(id)
	}
	return nothing[WebhookTask](), err
}

// ListWebhookJobs lists what the webhooks of a project did; of a policy alone, where policyID is not 0.
func (s *Service) ListWebhookJobs(ctx context.Context, c Caller, ref Ref) (List[WebhookTask], error) {
	_, err := s.seesWebhooks(ctx, c, ref, "list")
	return nothing[WebhookTask](), err
}
