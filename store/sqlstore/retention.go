package sqlstore

import (
	"context"
	"slices"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

type retentionRow struct {
	bun.BaseModel `bun:"table:retention_policies,alias:t"`
	rowHead

	ProjectID   int64                     `bun:"project_id"`
	Algorithm   string                    `bun:"algorithm"`
	Rules       jsonText[[]store.TagRule] `bun:"rules"`
	TriggerKind string                    `bun:"trigger_kind"`
	Cron        string                    `bun:"cron"`
}

func newRetentionRow(p store.RetentionPolicy) retentionRow {
	return retentionRow{
		ProjectID: p.ProjectID, Algorithm: p.Algorithm, Rules: jsonText[[]store.TagRule]{p.Rules}, TriggerKind: p.TriggerKind, Cron: p.Cron,
	}
}

func (r retentionRow) record() store.RetentionPolicy {
	return store.RetentionPolicy{
		ID: r.ID, ProjectID: r.ProjectID, Algorithm: r.Algorithm, Rules: r.Rules.v, TriggerKind: r.TriggerKind, Cron: r.Cron,
		CreatedAt: fromMicros(r.CreatedAt), UpdatedAt: fromMicros(r.UpdatedAt),
	}
}

func (r *retentionRow) name() string             { return "" }
func (r *retentionRow) keep(before retentionRow) { r.ProjectID = before.ProjectID }
func (r *retentionRow) within() (string, any)    { return "", nil }

func (r *retentionRow) check() error {
	return checkFields(field{"the algorithm", r.Algorithm, maxName}, r.Rules.field("the rules"), field{"the trigger", r.TriggerKind, maxName}, field{"the schedule", r.Cron, maxName})
}

func retentionKind() plain[retentionRow, *retentionRow, store.RetentionPolicy] {
	return plain[retentionRow, *retentionRow, store.RetentionPolicy]{
		what: "retention policy", row: newRetentionRow,
		missing: func(r retentionRow) error { return notFound("project", r.ProjectID) },
		listing: listing[retentionRow, store.RetentionPolicy]{record: retentionRow.record},
	}
}

// CreateRetentionPolicy stores a new policy. Conflict: the project has one. NotFound: there is no such project.
func (s *Store) CreateRetentionPolicy(ctx context.Context, p store.RetentionPolicy) (store.RetentionPolicy, error) {
	made, err := retentionKind().create(ctx, s, p, nil)
	if errs.Is(err, errs.Conflict) {
		return made, errs.New(errs.Conflict, "the project has a retention policy already").WithHint("change that one")
	}
	return made, err
}

// RetentionPolicy returns the policy with the id, or NotFound.
func (s *Store) RetentionPolicy(ctx context.Context, id int64) (store.RetentionPolicy, error) {
	return retentionKind().get(ctx, s, id, retentionRow{})
}

// RetentionPoliciesOf returns the ids of the policies of projects, by the projects' ids.
func (s *Store) RetentionPoliciesOf(ctx context.Context, projectIDs []int64) (map[int64]int64, error) {
	ids := make(map[int64]int64, len(projectIDs))
	for part := range slices.Chunk(projectIDs, batchSize) {
		var rows []retentionRow
		if err := s.read.NewSelect().Model(&rows).Column("id", "project_id").Where("t.project_id IN (?)", bun.List(part)).Scan(ctx); err != nil {
			return nil, s.failed("looking for retention policies", err)
		}
		for _, r := range rows {
			ids[r.ProjectID] = r.ID
		}
	}
	return ids, nil
}

// UpdateRetentionPolicy runs fn on the stored policy and stores what fn made of it.
func (s *Store) UpdateRetentionPolicy(ctx context.Context, id int64, fn func(*store.RetentionPolicy) error) (store.RetentionPolicy, error) {
	return retentionKind().update(ctx, s, id, retentionRow{}, fn)
}

// DeleteRetentionPolicy removes the policy, or returns NotFound.
func (s *Store) DeleteRetentionPolicy(ctx context.Context, id int64) error {
	return retentionKind().remove(ctx, s, id, retentionRow{}, nil)
}
