package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"time"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

type revisionRow struct {
	bun.BaseModel `bun:"table:policy_revisions,alias:t"`

	ID          int64  `bun:"id,pk,autoincrement"`
	Time        int64  `bun:"time"`
	Author      string `bun:"author"`
	Comment     string `bun:"comment"`
	Model       string `bun:"model"`
	Rules       string `bun:"rules"`
	Fingerprint string `bun:"fingerprint"`
}

func (r revisionRow) record() store.PolicyRevision {
	return store.PolicyRevision{
		ID: r.ID, Time: fromMicros(r.Time), Author: r.Author, Comment: r.Comment, Model: r.Model, Rules: r.Rules, Fingerprint: r.Fingerprint,
	}
}

func (r revisionRow) check() error {
	if len(r.Model) > store.MaxPolicyText || len(r.Rules) > store.MaxPolicyText {
		return errs.New(errs.Invalid, "the policy is longer than %d bytes", store.MaxPolicyText).WithHint("give roles to members of projects, in place of a rule for each of them")
	}
	return checkFields(field{"the author", r.Author, maxName}, field{"the comment", r.Comment, 2000},
		field{"the model", r.Model, store.MaxPolicyText}, field{"the policy", r.Rules, store.MaxPolicyText})
}

func revisionListing() listing[revisionRow, store.PolicyRevision] {
	return listing[revisionRow, store.PolicyRevision]{
		table:  "policy revisions",
		newest: true,
		id:     column[revisionRow]{"t.id", func(r revisionRow) any { return r.ID }},
		filter: func(q *bun.SelectQuery, f store.Filter) *bun.SelectQuery {
			q = q.ExcludeColumn("model", "rules")
			if f.Subject != "" {
				q = q.Where("t.author = ?", f.Subject)
			}
			return q
		},
		record: revisionRow.record,
	}
}

// AppendPolicyRevision keeps a revision. Invalid: a text is too long, or can't be kept. Precondition: the newest one has
// another fingerprint than over, if that is given.
func (s *Store) AppendPolicyRevision(ctx context.Context, r store.PolicyRevision, over string) (store.PolicyRevision, error) {
	row := revisionRow{Time: s.stamp(), Author: r.Author, Comment: r.Comment, Model: r.Model, Rules: r.Rules, Fingerprint: r.Fingerprint}
	if err := row.check(); err != nil {
		return store.PolicyRevision{}, err
	}
	for {
		var last revisionRow
		err := s.read.NewSelect().Model(&last).Column("id", "fingerprint").Order("t.id DESC").Limit(1).Scan(ctx)
		switch {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return store.PolicyRevision{}, s.failed("keeping a policy revision", err)
		case over != "" && last.Fingerprint != over:
			return store.PolicyRevision{}, errs.New(errs.Precondition, "the policy was changed meanwhile").WithHint("read it again, and make your change to what is there now")
		}
		// The id says which revision this one follows: of two that follow the same one, the second is refused.
		row.ID = last.ID + 1
		err = s.again(ctx, func() error {
			_, err := s.write.NewInsert().Model(&row).Exec(ctx)
			return err
		})
		if s.dialect.fault(err) != faultDuplicate {
			return row.record(), s.failed("keeping a policy revision", err)
		}
	}
}

// PolicyRevision returns the revision with the id, or NotFound.
func (s *Store) PolicyRevision(ctx context.Context, id int64) (store.PolicyRevision, error) {
	return s.revision(ctx, func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("t.id = ?", id) }, id)
}

// LatestPolicyRevision returns the newest revision, or NotFound.
func (s *Store) LatestPolicyRevision(ctx context.Context) (store.PolicyRevision, error) {
	return s.revision(ctx, func(q *bun.SelectQuery) *bun.SelectQuery { return q.Order("t.id DESC").Limit(1) }, "of any time")
}

// PolicyRevisionAt returns the revision that was the newest at a time, or NotFound.
func (s *Store) PolicyRevisionAt(ctx context.Context, at time.Time) (store.PolicyRevision, error) {
	return s.revision(ctx, func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("t.time <= ?", toMicros(at)).Order("t.id DESC").Limit(1)
	}, "of "+at.UTC().Format(time.RFC3339))
}

func (s *Store) revision(ctx context.Context, which func(*bun.SelectQuery) *bun.SelectQuery, key any) (store.PolicyRevision, error) {
	var row revisionRow
	err := which(s.read.NewSelect().Model(&row)).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return store.PolicyRevision{}, notFound("policy revision", key)
	}
	if err != nil {
		return store.PolicyRevision{}, s.failed("reading a policy revision", err)
	}
	return row.record(), nil
}

// ListPolicyRevisions lists revisions, the newest first, without their texts.
func (s *Store) ListPolicyRevisions(ctx context.Context, f store.Filter) iter.Seq2[store.PolicyRevision, error] {
	return revisionListing().all(ctx, s, f)
}

// CountPolicyRevisions counts the revisions that the filter lets through, whatever its page.
func (s *Store) CountPolicyRevisions(ctx context.Context, f store.Filter) (int, error) {
	return revisionListing().count(ctx, s, f)
}
