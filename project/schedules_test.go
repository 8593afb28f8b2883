package project_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

func TestNextRun(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.FixedZone("far", 9*3600)) // a Tuesday, 18:04:05 in UTC
	for _, row := range []struct{ cron, want string }{
		{"0 0 * * * *", "2030-01-01T19:00:00Z"},
		{"0 0 0 * * *", "2030-01-02T00:00:00Z"},
		{"0 0 0 * * 0", "2030-01-06T00:00:00Z"},
		{"30 15 2 * * mon-fri", "2030-01-02T02:15:30Z"},
		{"0 0 0 29 2 ?", "2032-02-29T00:00:00Z"},
		{"", "0001-01-01T00:00:00Z"},
	} {
		if got := project.NextRun(store.Schedule{Cron: row.cron}, now).Format(time.RFC3339); got != row.want {
			t.Errorf("NextRun(%q) = %s, want %s", row.cron, got, row.want)
		}
	}
}

// FuzzParseCron: an expression is refused with a remedy, or has times to come that are a minute apart at least.
func FuzzParseCron(f *testing.F) {
	for _, s := range []string{"0 0 0 * * *", "0 30 2 * * 1-5", "* * * * * *", "0 0 0 31 2 *", "CRON_TZ=UTC 0 0 0 * *", "@daily", "0 0 0 * * * *", "0 */5 * * * *", "60 0 0 * * *", "0 0 0 0-99999999999 * *"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		schedule, err := project.ParseCron(expr)
		if err != nil {
			if !errs.Is(err, errs.Invalid) || errs.As(err).Hint == "" {
				t.Errorf("ParseCron(%q) = %v, want Invalid with a remedy", expr, err)
			}
			return
		}
		first := schedule.Next(time.Unix(1_900_000_000, 0).UTC())
		if second := schedule.Next(first); !second.IsZero() && second.Sub(first) < time.Minute {
			t.Errorf("ParseCron(%q) comes at %s and %s, want a minute between them", expr, first, second)
		}
	})
}

func TestScheduleRights(t *testing.T) {
	f := newFixture(t)
	ctx, gc, daily := t.Context(), project.GarbageCollection(), project.NewSchedule{Type: "Daily"}
	f.kind("CreateSchedule by alice", f.CreateSchedule(ctx, f.as("alice"), gc, daily), errs.Denied)
	f.recorded("that", "alice|schedule.create|schedule:GARBAGE_COLLECTION|refused|")
	f.kind("CreateSchedule by anonymous", f.CreateSchedule(ctx, f.as(""), gc, daily), errs.Unauthenticated)
	f.trail.take()
	f.ok("CreateSchedule", f.CreateSchedule(ctx, f.as("admin"), gc, daily))
	f.recorded("that", "admin|schedule.create|schedule:GARBAGE_COLLECTION|allowed|")
	f.kind("running it", f.SetSchedule(ctx, f.as("admin"), gc, project.NewSchedule{Type: "Manual"}), errs.Unsupported)
	f.recorded("that", "admin|schedule.update|schedule:GARBAGE_COLLECTION|refused|")
	f.trail.err = errTrail
	f.kind("SetSchedule that can't be recorded", f.SetSchedule(ctx, f.as("admin"), gc, project.NewSchedule{Type: "None"}), errs.Unavailable)
	f.trail.err = nil
	s, there, err := f.Schedule(ctx, f.as("admin"), gc)
	if err != nil || !there || s.Cron != "0 0 0 * * *" {
		t.Errorf("Schedule = %v, %v, %v, want the one that was made", s, there, err)
	}
	if _, _, err := f.Schedule(ctx, f.as("bob"), gc); !errs.Is(err, errs.Denied) {
		t.Errorf("Schedule for bob = %v, want Denied", err)
	}
}

// rule is what an administrator decides, as a value.
type rule struct {
	admins  bool
	storage int64
	days    int
}

func (r rule) AdminsCreateProjects() bool { return r.admins }
func (r rule) DefaultStorage() int64      { return r.storage }
func (r rule) QuotasCount() bool          { return true }
func (r rule) RobotDays() int             { return r.days }

func TestRules(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	f.Service = f.WithRules(rule{admins: true, storage: 700})
	_, err := f.CreateProject(ctx, f.as("carol"), project.NewProject{Name: "fresh"})
	f.kind("CreateProject where administrators alone may", err, errs.Denied)
	f.recorded("that", "carol|project.create|project:fresh|refused|only system administrators")
	p, err := f.CreateProject(ctx, f.as("admin"), project.NewProject{Name: "fresh"})
	if err != nil || p.StorageLimit != 700 {
		t.Errorf("CreateProject by admin = %+v, %v, want one that may hold 700 bytes", p, err)
	}
}

func TestSetQuota(t *testing.T) {
	f := newFixture(t)
	ctx, team := t.Context(), f.ids["project:team"]
	f.kind("SetQuota by the project's administrator", f.SetQuota(ctx, f.as("alice"), team, 1), errs.Denied)
	f.recorded("that", "alice|quota.update|project:team/quota|refused|")
	f.ok("SetQuota", f.SetQuota(ctx, f.as("admin"), team, 1000))
	f.recorded("that", "admin|quota.update|project:team/quota|allowed|")
	for _, bad := range []int64{0, -2, project.MaxStorage + 1} {
		f.kind("SetQuota out of bounds", f.SetQuota(ctx, f.as("admin"), team, bad), errs.Invalid)
	}
	f.kind("SetQuota of no project", f.SetQuota(ctx, f.as("admin"), 4711, 1), errs.NotFound)
	q, err := f.Quota(ctx, f.as("admin"), team)
	if err != nil || q.Hard() != 1000 || q.Used != 0 {
		t.Errorf("Quota = %+v, %v, want 1000 and 0", q, err)
	}
	f.ok("SetQuota to any number", f.SetQuota(ctx, f.as("admin"), team, -1))
	if q, err = f.Quota(ctx, f.as("admin"), team); err != nil || q.Hard() != -1 {
		t.Errorf("Quota = %+v, %v, want -1", q, err)
	}
}

func TestCheckMetadata(t *testing.T) {
	for _, row := range []struct{ name, value, says string }{
		{"public", "true", ""},
		{"severity", "critical", ""},
		{"proxy_speed_kb", "-1", ""},
		{"proxy_cache_filter_pattern", "library/**", ""},
		{"public", "1", "true"},
		{"severity", "", "one of"},
		{"proxy_speed_kb", "-2", "number"},
		{"max_upstream_conn", "99999999999", "number"},
		{"retention_id", "1", "retentions"},
		{"Public", "true", "there are"},
		{"", "x", "there are"},
		{"proxy_cache_filter_kind", strings.Repeat("x", 256), "255"},
	} {
		err := project.CheckMetadata(map[string]string{row.name: row.value})
		if (row.says == "") != (err == nil) || err != nil && !strings.Contains(errs.As(err).Public(), row.says) {
			t.Errorf("CheckMetadata(%q, %q) = %v, want it to say %q", row.name, row.value, err, row.says)
		}
	}
}
