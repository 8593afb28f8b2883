package store

import (
	"context"
	"iter"
	"time"
)

// Schedule is when a job of the server's own is to run. A job has one at most.
type Schedule struct {
	ID         int64
	Job        string // GARBAGE_COLLECTION, …: unique
	Type       string // Hourly, Daily, …: as it was asked for
	Cron       string // with six fields
	Parameters string // of the job, a JSON object
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// Schedules keeps schedules.
type Schedules interface {
	// CreateSchedule keeps a schedule. Conflict: the job has one.
	CreateSchedule(ctx context.Context, s Schedule) (Schedule, error)
	Schedule(ctx context.Context, job string) (Schedule, error)
	ListSchedules(ctx context.Context, f Filter) iter.Seq2[Schedule, error]
	CountSchedules(ctx context.Context, f Filter) (int, error)
	UpdateSchedule(ctx context.Context, job string, fn func(*Schedule) error) (Schedule, error)
	DeleteSchedule(ctx context.Context, job string) error
}

// Configurations keeps what an administrator changed at run time: values by name.
type Configurations interface {
	Configuration(ctx context.Context) (map[string]string, error)
	// UpdateConfiguration runs fn on what is kept inside a transaction and keeps what fn made of it. Conflict: somebody else
	// changed the same in the same moment.
	UpdateConfiguration(ctx context.Context, fn func(map[string]string) error) (map[string]string, error)
}
