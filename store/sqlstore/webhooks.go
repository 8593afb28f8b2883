package sqlstore

import (
	"context"
	"iter"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

type webhookRow struct {
	bun.BaseModel `bun:"table:webhook_policies,alias:t"`
	rowHead

	ProjectID   int64                           `bun:"project_id"`
	Name        string                          `bun:"name"`
	NameKey     string                          `bun:"name_key"`
	Description string                          `bun:"description"`
	Targets     jsonText[[]store.WebhookTarget] `bun:"targets"`
	EventTypes  jsonText[[]string]              `bun:"event_types"`
	Creator     string                          `bun:"creator"`
	Enabled     bool                            `bun:"enabled"`
}

func newWebhookRow(p store.WebhookPolicy) webhookRow {
	return webhookRow{
		ProjectID: p.ProjectID, Name: p.Name, NameKey: store.NameKey(p.Name), Description: p.Description,
		Targets: jsonText[[]store.WebhookTarget]{p.Targets}, EventTypes: jsonText[[]string]{p.EventTypes}, Creator: p.Creator, Enabled: p.Enabled,
	}
}

func (r webhookRow) record() store.WebhookPolicy {
	return store.WebhookPolicy{
		ID: r.ID, ProjectID: r.ProjectID, Name: r.Name, Description: r.Description, Targets: r.Targets.v, EventTypes: r.EventTypes.v,
		Creator: r.Creator, Enabled: r.Enabled, CreatedAt: fromMicros(r.CreatedAt), UpdatedAt: fromMicros(r.UpdatedAt),
	}
}

func (r *webhookRow) name() string           { return r.Name }
func (r *webhookRow) keep(before webhookRow) { r.ProjectID = before.ProjectID }
func (r *webhookRow) within() (string, any)  { return "t.project_id", r.ProjectID }

func (r *webhookRow) check() error {
	if r.Name == "" {
		return errs.New(errs.Invalid, "a webhook policy needs a name").WithHint("give one")
	}
	return checkFields(field{"the policy's name", r.Name, maxName}, field{"the policy's name", r.NameKey, maxName},
		field{"the description", r.Description, maxRemark}, r.Targets.field("the targets"), r.EventTypes.field("the types of events"),
		field{"the creator", r.Creator, 4 * maxName})
}

// webhookKind is for the policies of a project.
func webhookKind(projectID int64) plain[webhookRow, *webhookRow, store.WebhookPolicy] {
	return plain[webhookRow, *webhookRow, store.WebhookPolicy]{
		what: "webhook policy", row: newWebhookRow,
		missing: func(r webhookRow) error { return notFound("project", r.ProjectID) },
		listing: listing[webhookRow, store.WebhookPolicy]{
			table: "webhook policies",
			id:    column[webhookRow]{"t.id", func(r webhookRow) any { return r.ID }},
			sorts: headSorts(map[string]column[webhookRow]{
				"name": {"t.name_key", func(r webhookRow) any { return r.NameKey }},
			}),
			fields: headFields(map[string]narrowing{"name": writtenName()}),
			filter: func(q *bun.SelectQuery, f store.Filter) *bun.SelectQuery {
				return filterNames(q.Where("t.project_id = ?", projectID), f)
			},
			record: webhookRow.record,
		},
	}
}

// CreateWebhookPolicy stores a new policy. Conflict: the name is taken. NotFound: there is no such project.
func (s *Store) CreateWebhookPolicy(ctx context.Context, p store.WebhookPolicy) (store.WebhookPolicy, error) {
	return webhookKind(p.ProjectID).create(ctx, s, p, nil)
}

// WebhookPolicy returns the policy with the id in the project, or NotFound.
func (s *Store) WebhookPolicy(ctx context.Context, projectID, id int64) (store.WebhookPolicy, error) {
	return webhookKind(projectID).get(ctx, s, id, webhookRow{ProjectID: projectID})
}

// ListWebhookPolicies lists policies of a project. They can be sorted by id, name, creation_time and update_time.
func (s *Store) ListWebhookPolicies(ctx context.Context, projectID int64, f store.Filter) iter.Seq2[store.WebhookPolicy, error] {
	return webhookKind(projectID).all(ctx, s, f)
}

// CountWebhookPolicies counts the policies that the filter lets through, whatever its page.
func (s *Store) CountWebhookPolicies(ctx context.Context, projectID int64, f store.Filter) (int, error) {
	return webhookKind(projectID).count(ctx, s, f)
}

// UpdateWebhookPolicy runs fn on the stored policy and stores what fn made of it. Conflict: the new name is taken.
func (s *Store) UpdateWebhookPolicy(ctx context.Context, projectID, id int64, fn func(*store.WebhookPolicy) error) (store.WebhookPolicy, error) {
	return webhookKind(projectID).update(ctx, s, id, webhookRow{ProjectID: projectID}, fn)
}

// DeleteWebhookPolicy removes the policy, or returns NotFound.
func (s *Store) DeleteWebhookPolicy(ctx context.Context, projectID, id int64) error {
	return webhookKind(projectID).remove(ctx, s, id, webhookRow{ProjectID: projectID}, nil)
}
