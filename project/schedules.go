package project

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// Job is one of the server's own jobs that run at times.
type Job struct {
	Name     string // Harbor's, under which its schedule is kept
	Resource string // in the policy's words
	what     string // for people
	check    map[string]func(any) error
}

// GarbageCollection frees the space of what nothing refers to any more.
func GarbageCollection() Job {
	return Job{
		Name: "GARBAGE_COLLECTION", Resource: "garbage-collection", what: "garbage collection",
		check: map[string]func(any) error{"delete_untagged": isTruth, "dry_run": isTruth, "workers": within(1, 5)},
	}
}

// AuditPurge drops old records of the audit trail.
func AuditPurge() Job {
	return Job{
		Name: "PURGE_AUDIT_LOG", Resource: "purge-audit", what: "audit purge",
		check: map[string]func(any) error{
			"dry_run": isTruth, "audit_retention_hour": within(1, 240_000), "include_event_types": isText, "include_operations": isText,
		},
	}
}

func isTruth(v any) error {
	if _, ok := v.(bool); !ok {
		return errs.New(errs.Invalid, "is no truth value").WithHint("write true or false")
	}
	return nil
}

func isText(v any) error {
	if s, ok := v.(string); !ok || len(s) > 1000 {
		return errs.New(errs.Invalid, "is no text of at most 1000 bytes").WithHint("write names joined by commas")
	}
	return nil
}

func within(low, high int) func(any) error {
	return func(v any) error {
		if n, ok := v.(float64); !ok || n != float64(int(n)) || int(n) < low || int(n) > high {
			return errs.New(errs.Invalid, "is out of bounds").WithHint("write a number from %d to %d", low, high)
		}
		return nil
	}
}

// NewSchedule is when a job is to run, and how.
type NewSchedule struct {
	Type       string // Hourly, Daily, Weekly, Custom; None takes the schedule away, Manual is now
	Cron       string // with six fields; only Custom needs it
	Parameters map[string]any
}

// What a schedule may be, besides Manual.
const (
	scheduleNone   = "None"
	scheduleCustom = "Custom"
	scheduleManual = "Manual"
)

// usualCrons are the times of the types that have one.
func usualCrons() map[string]string {
	return map[string]string{"Hourly": "0 0 * * * *", "Daily": "0 0 0 * * *", "Weekly": "0 0 0 * * 0"}
}

// ParseCron reads an expression of six fields, the first of which is the seconds, in UTC. Invalid: it is none, it has no
// time to come, or it would run more often than each minute.
func ParseCron(expr string) (cron.Schedule, error) {
	const hint = "write six fields, seconds first: 0 30 2 * * * is half past two each night"
	if n := len(strings.Fields(expr)); n != 6 || strings.Contains(expr, "TZ=") {
		return nil, errs.New(errs.Invalid, "the cron expression %s does not have six fields", clip(expr)).WithHint(hint)
	}
	// The year is bounded by the library; what it reads past its own grammar it reports.
	schedule, err := cron.NewParser(cron.Second | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(expr)
	if err != nil {
		return nil, errs.New(errs.Invalid, "the cron expression %s can't be read", clip(expr)).WithHint(hint).Because(err)
	}
	if seconds := strings.Fields(expr)[0]; seconds == "" || strings.ContainsAny(seconds, "*/,-?") {
		return nil, errs.New(errs.Invalid, "the cron expression %s is for more than one second of a minute", clip(expr)).WithHint("begin it with 0")
	}
	if schedule.Next(time.Unix(0, 0).UTC()).IsZero() {
		return nil, errs.New(errs.Invalid, "the time of the cron expression %s never comes", clip(expr)).WithHint(hint)
	}
	return schedule, nil
}

// NextRun returns when a schedule comes next after a time; zero: it is none that runs.
func NextRun(s store.Schedule, after time.Time) time.Time {
	schedule, err := ParseCron(s.Cron)
	if err != nil {
		return time.Time{}
	}
	return schedule.Next(after.UTC())
}

// record returns the schedule as it is kept.
func (n NewSchedule) record(j Job) (store.Schedule, error) {
	r := store.Schedule{Job: j.Name, Type: n.Type, Cron: strings.TrimSpace(n.Cron)}
	usual := usualCrons()
	if r.Cron == "" {
		r.Cron = usual[n.Type]
	}
	if _, known := usual[n.Type]; !known && n.Type != scheduleCustom {
		return r, errs.New(errs.Invalid, "a schedule can't be of the type %s", clip(n.Type)).WithHint("use Hourly, Daily, Weekly, Custom, Manual or None")
	}
	if _, err := ParseCron(r.Cron); err != nil {
		return r, err
	}
	for _, name := range slices.Sorted(maps.Keys(n.Parameters)) {
		check, known := j.check[name]
		if !known {
			delete(n.Parameters, name) // Harbor's clients send all sorts
			continue
		}
		if err := check(n.Parameters[name]); err != nil {
			return r, errs.New(errs.Invalid, "the parameter %s of %s %s", name, j.what, errs.As(err).Message).WithHint("%s", errs.As(err).Hint)
		}
	}
	if n.Parameters == nil {
		n.Parameters = map[string]any{}
	}
	text, err := json.Marshal(n.Parameters)
	r.Parameters = string(text)
	return r, err
}

// Schedule returns the schedule of a job; false: it has none.
func (s *Service) Schedule(ctx context.Context, c Caller, j Job) (store.Schedule, bool, error) {
	err := s.require(ctx, c, auth.Access{Resource: j.Resource, Action: "read"}, "see the schedule of "+j.what, askSystemAdmin)
	if err != nil {
		return store.Schedule{}, false, err
	}
	found, err := s.store.Schedule(ctx, j.Name)
	if errs.Is(err, errs.NotFound) {
		return store.Schedule{}, false, nil
	}
	return found, err == nil, err
}

// ListSchedules lists the schedules of all jobs.
func (s *Service) ListSchedules(ctx context.Context, c Caller, p Paging) (List[store.Schedule], error) {
	if err := s.require(ctx, c, auth.Access{Resource: "jobservice-monitor", Action: "list"}, "list schedules", askSystemAdmin); err != nil {
		return List[store.Schedule]{}, err
	}
	f := p.apply(store.Filter{})
	total, err := s.store.CountSchedules(ctx, f)
	return collect(s.store.ListSchedules(ctx, f), total, err, asIs)
}

// CreateSchedule gives a job a schedule. Conflict: it has one. Unsupported: it is to run now.
func (s *Service) CreateSchedule(ctx context.Context, c Caller, j Job, n NewSchedule) error {
	var r store.Schedule
	return s.perform(ctx, c, s.scheduleDeed(j, "create", n, &r, func(ctx context.Context) error {
		if _, err := s.store.Schedule(ctx, j.Name); err == nil {
			return errs.New(errs.Conflict, "%s has a schedule already", j.what).WithHint("change it by PUT")
		} else if !errs.Is(err, errs.NotFound) || n.Type == scheduleNone {
			return ignoreMissing(err)
		}
		_, err := s.store.CreateSchedule(ctx, r)
		return err
	}))
}

// SetSchedule gives a job another schedule, its first, or none. Unsupported: it is to run now.
func (s *Service) SetSchedule(ctx context.Context, c Caller, j Job, n NewSchedule) error {
	var r store.Schedule
	return s.perform(ctx, c, s.scheduleDeed(j, "update", n, &r, func(ctx context.Context) error {
		if n.Type == scheduleNone {
			return ignoreMissing(s.store.DeleteSchedule(ctx, j.Name))
		}
		_, err := s.store.UpdateSchedule(ctx, j.Name, func(kept *store.Schedule) error {
			kept.Type, kept.Cron, kept.Parameters = r.Type, r.Cron, r.Parameters
			return nil
		})
		if errs.Is(err, errs.NotFound) {
			_, err = s.store.CreateSchedule(ctx, r)
		}
		return err
	}))
}

func ignoreMissing(err error) error {
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}

func (s *Service) scheduleDeed(j Job, action string, n NewSchedule, r *store.Schedule, do func(context.Context) error) deed {
	return deed{
		operation: "schedule." + action, resource: "schedule:" + j.Name, what: "change the schedule of " + j.what, remedy: askSystemAdmin,
		access: auth.Access{Resource: j.Resource, Action: action},
		check: func(context.Context) (err error) {
			switch n.Type {
			case scheduleManual:
				return errs.New(errs.Unsupported, "%s can't be started: this server runs no jobs yet", j.what).
					WithHint("a schedule of another type is kept until it does")
			case scheduleNone:
				return nil
			}
			*r, err = n.record(j)
			return err
		},
		do: do,
	}
}
