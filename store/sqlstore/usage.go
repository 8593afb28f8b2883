package sqlstore

import (
	"context"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/store"
)

// usedField is what projects are sorted and narrowed by that is summed up only when somebody does so.
const usedField = "used"

// usageBatch is how many projects are summed up in one transaction.
const usageBatch = 200

// sumUp sums up what projects hold, where a list of them is sorted or narrowed by that and pushes have changed it since.
func (s *Store) sumUp(ctx context.Context, f store.Filter) error {
	if strings.TrimPrefix(f.Sort, "-") != usedField && !slices.ContainsFunc(f.Where, func(c store.Condition) bool { return c.Field == usedField }) {
		return nil
	}
	after := int64(0)
	for {
		var ids []int64
		err := s.read.NewSelect().Table("project_usage").ColumnExpr("DISTINCT project_id").Where("changed = 1 AND project_id > ?", after).
			OrderExpr("project_id").Limit(usageBatch).Scan(ctx, &ids)
		if err != nil || len(ids) == 0 {
			return s.failed("summing up what projects hold", err)
		}
		if err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error { return sumUpOf(ctx, tx, ids) }); err != nil {
			return s.failed("summing up what projects hold", err)
		}
		after = ids[len(ids)-1]
	}
}

// sumUpOf holds the projects first, so that nobody who has summed up less writes later. What a push changes after the marks
// are gone is marked again.
func sumUpOf(ctx context.Context, tx bun.Tx, ids []int64) error {
	for _, change := range []*bun.UpdateQuery{
		tx.NewUpdate().Table("projects").Set("used_bytes = used_bytes").Where("id IN (?)", bun.List(ids)),
		tx.NewUpdate().Table("project_usage").Set("changed = 0").Where("project_id IN (?) AND changed = 1", bun.List(ids)),
		tx.NewUpdate().Table("projects").
			Set("used_bytes = COALESCE((SELECT SUM(u.bytes) FROM project_usage AS u WHERE u.project_id = projects.id), 0)").Where("id IN (?)", bun.List(ids)),
	} {
		if _, err := change.Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}
