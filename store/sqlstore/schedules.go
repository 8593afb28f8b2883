package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"iter"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// Bounds of a schedule's texts.
const (
	maxJob        = 100
	maxCron       = 200
	maxParameters = 4000
)

type scheduleRow struct {
	bun.BaseModel `bun:"table:schedules,alias:t"`

	ID         int64  `bun:"id,pk,autoincrement"`
	Job        string `bun:"job"`
	Type       string `bun:"type"`
	Cron       string `bun:"cron"`
	Parameters string `bun:"parameters"`
	CreatedAt  int64  `bun:"created_at"`
	UpdatedAt  int64  `bun:"updated_at"`
}

func newScheduleRow(s store.Schedule) scheduleRow {
	return scheduleRow{
		ID: s.ID, Job: s.Job, Type: s.Type, Cron: s.Cron, Parameters: s.Parameters,
		CreatedAt: toMicros(s.CreatedAt), UpdatedAt: toMicros(s.UpdatedAt),
	}
}

func (r scheduleRow) record() store.Schedule {
	return store.Schedule{
		ID: r.ID, Job: r.Job, Type: r.Type, Cron: r.Cron, Parameters: r.Parameters,
		CreatedAt: fromMicros(r.CreatedAt), UpdatedAt: fromMicros(r.UpdatedAt),
	}
}

func (r scheduleRow) check() error {
	if r.Job == "" {
		return errs.New(errs.Invalid, "a schedule needs a job").WithHint("name one")
	}
	return checkFields(field{"the job", r.Job, maxJob}, field{"the type of the schedule", r.Type, maxJob},
		field{"the cron expression", r.Cron, maxCron}, field{"the job's parameters", r.Parameters, maxParameters})
}

func scheduleListing() listing[scheduleRow, store.Schedule] {
	return listing[scheduleRow, store.Schedule]{
		table: "schedules",
		id:    column[scheduleRow]{"t.id", func(r scheduleRow) any { return r.ID }},
		filter: func(q *bun.SelectQuery, f store.Filter) *bun.SelectQuery {
			if f.Exact != "" {
				q = q.Where("t.job = ?", f.Exact)
			}
			return q
		},
		record: scheduleRow.record,
	}
}

// CreateSchedule keeps a schedule. Conflict: the job has one. Invalid: a text is too long, or can't be kept.
func (s *Store) CreateSchedule(ctx context.Context, sched store.Schedule) (store.Schedule, error) {
	row := newScheduleRow(sched)
	row.ID, row.CreatedAt = 0, s.stamp()
	row.UpdatedAt = row.CreatedAt
	if err := row.check(); err != nil {
		return store.Schedule{}, err
	}
	err := s.again(ctx, func() error {
		_, err := s.write.NewInsert().Model(&row).Exec(ctx)
		return err
	})
	if s.dialect.fault(err) == faultDuplicate {
		return store.Schedule{}, errs.New(errs.Conflict, "%s has a schedule already", show(row.Job)).WithHint("change that one")
	}
	return row.record(), s.failed("keeping a schedule", err)
}

// Schedule returns the schedule of the job, or NotFound.
func (s *Store) Schedule(ctx context.Context, job string) (store.Schedule, error) {
	row, err := s.scheduleRow(ctx, s.read.NewSelect(), job)
	return row.record(), err
}

func (s *Store) scheduleRow(ctx context.Context, q *bun.SelectQuery, job string) (row scheduleRow, err error) {
	if !storable(job) {
		return row, notFound("schedule", job)
	}
	err = q.Model(&row).Where("t.job = ?", job).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return row, notFound("schedule", job)
	}
	return row, s.failed("reading a schedule", err)
}

// ListSchedules lists schedules in the order of their ids.
func (s *Store) ListSchedules(ctx context.Context, f store.Filter) iter.Seq2[store.Schedule, error] {
	return scheduleListing().all(ctx, s, f)
}

// CountSchedules counts the schedules that the filter lets through, whatever its page.
func (s *Store) CountSchedules(ctx context.Context, f store.Filter) (int, error) {
	return scheduleListing().count(ctx, s, f)
}

// UpdateSchedule runs fn on the stored schedule and stores what fn made of it, or returns NotFound. The job stays.
func (s *Store) UpdateSchedule(ctx context.Context, job string, fn func(*store.Schedule) error) (store.Schedule, error) {
	var after scheduleRow
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		before, err := s.scheduleRow(ctx, s.locked(tx.NewSelect()), job)
		if err != nil {
			return err
		}
		changed := before.record()
		if err := fn(&changed); err != nil {
			return err
		}
		after = newScheduleRow(changed)
		after.ID, after.Job, after.CreatedAt, after.UpdatedAt = before.ID, before.Job, before.CreatedAt, before.UpdatedAt
		if after == before {
			return nil
		}
		after.UpdatedAt = s.stamp()
		if err := after.check(); err != nil {
			return err
		}
		_, err = tx.NewUpdate().Model(&after).WherePK().Exec(ctx)
		return err
	})
	if err != nil {
		return store.Schedule{}, s.failed("changing a schedule", err)
	}
	return after.record(), nil
}

// DeleteSchedule removes the schedule of the job, or returns NotFound.
func (s *Store) DeleteSchedule(ctx context.Context, job string) error {
	if !storable(job) {
		return notFound("schedule", job)
	}
	var n int64
	err := s.again(ctx, func() error {
		res, err := s.write.NewDelete().Model((*scheduleRow)(nil)).Where("job = ?", job).Exec(ctx)
		if err == nil {
			n, err = res.RowsAffected()
		}
		return err
	})
	if err == nil && n == 0 {
		return notFound("schedule", job)
	}
	return s.failed("deleting a schedule", err)
}
