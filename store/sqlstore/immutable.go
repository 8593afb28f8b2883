package sqlstore

import (
	"context"
	"iter"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

type immutableRow struct {
	bun.BaseModel `bun:"table:immutable_rules,alias:t"`
	rowHead

	ProjectID int64                   `bun:"project_id"`
	Priority  int64                   `bun:"priority"`
	Disabled  bool                    `bun:"disabled"`
	Rule      jsonText[store.TagRule] `bun:"rule"`
}

func newImmutableRow(r store.ImmutableRule) immutableRow {
	row := immutableRow{ProjectID: r.ProjectID, Priority: int64(r.Rule.Priority), Disabled: r.Rule.Disabled, Rule: jsonText[store.TagRule]{r.Rule}}
	row.Rule.v.ID, row.Rule.v.Priority, row.Rule.v.Disabled = 0, 0, false // have columns
	return row
}

func (r immutableRow) record() store.ImmutableRule {
	rule := r.Rule.v
	rule.ID, rule.Priority, rule.Disabled = r.ID, int(r.Priority), r.Disabled
	return store.ImmutableRule{ID: r.ID, ProjectID: r.ProjectID, Rule: rule, CreatedAt: fromMicros(r.CreatedAt), UpdatedAt: fromMicros(r.UpdatedAt)}
}

func (r *immutableRow) name() string             { return "" }
func (r *immutableRow) keep(before immutableRow) { r.ProjectID = before.ProjectID }
func (r *immutableRow) within() (string, any)    { return "t.project_id", r.ProjectID }
func (r *immutableRow) check() error             { return checkFields(r.Rule.field("the rule")) }

// immutableKind is for the rules of a project.
func immutableKind(projectID int64) plain[immutableRow, *immutableRow, store.ImmutableRule] {
	return plain[immutableRow, *immutableRow, store.ImmutableRule]{
		what: "immutable tag rule", row: newImmutableRow,
		missing: func(r immutableRow) error { return notFound("project", r.ProjectID) },
		listing: listing[immutableRow, store.ImmutableRule]{
			table: "immutable tag rules",
			id:    column[immutableRow]{"t.id", func(r immutableRow) any { return r.ID }},
			sorts: headSorts(map[string]column[immutableRow]{
				"priority": {"t.priority", func(r immutableRow) any { return r.Priority }},
			}),
			fields: headFields(map[string]narrowing{"priority": {kind: store.Number, sql: "t.priority"}}),
			filter: func(q *bun.SelectQuery, _ store.Filter) *bun.SelectQuery {
				return q.Where("t.project_id = ?", projectID)
			},
			record: immutableRow.record,
		},
	}
}

// CreateImmutableRule stores a new rule. NotFound: there is no such project. Precondition: it has most rules already.
func (s *Store) CreateImmutableRule(ctx context.Context, r store.ImmutableRule, most int) (store.ImmutableRule, error) {
	return immutableKind(r.ProjectID).create(ctx, s, r, func(ctx context.Context, tx bun.Tx) error {
		if _, err := s.lockProject(ctx, tx, r.ProjectID); err != nil {
			return err
		}
		n, err := tx.NewSelect().Model((*immutableRow)(nil)).Where("t.project_id = ?", r.ProjectID).Count(ctx)
		if err == nil && int(n) >= most {
			return errs.New(errs.Precondition, "the project has %d immutable tag rules already", n).WithHint("delete one, or widen one with a pattern such as {a,b}")
		}
		return err
	})
}

// ImmutableRule returns the rule with the id in the project, or NotFound.
func (s *Store) ImmutableRule(ctx context.Context, projectID, id int64) (store.ImmutableRule, error) {
	return immutableKind(projectID).get(ctx, s, id, immutableRow{ProjectID: projectID})
}

// ListImmutableRules lists rules of a project. They can be sorted by id, priority, creation_time and update_time: there
// are so few that none of it needs an index.
func (s *Store) ListImmutableRules(ctx context.Context, projectID int64, f store.Filter) iter.Seq2[store.ImmutableRule, error] {
	return immutableKind(projectID).all(ctx, s, f)
}

// CountImmutableRules counts the rules of a project, whatever the filter's page.
func (s *Store) CountImmutableRules(ctx context.Context, projectID int64, f store.Filter) (int, error) {
	return immutableKind(projectID).count(ctx, s, f)
}

// UpdateImmutableRule runs fn on the stored rule and stores what fn made of it.
func (s *Store) UpdateImmutableRule(ctx context.Context, projectID, id int64, fn func(*store.ImmutableRule) error) (store.ImmutableRule, error) {
	return immutableKind(projectID).update(ctx, s, id, immutableRow{ProjectID: projectID}, fn)
}

// DeleteImmutableRule removes the rule, or returns NotFound.
func (s *Store) DeleteImmutableRule(ctx context.Context, projectID, id int64) error {
	return immutableKind(projectID).remove(ctx, s, id, immutableRow{ProjectID: projectID}, nil)
}
