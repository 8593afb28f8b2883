package storetest

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

func schedules(t *testing.T, s store.Store) {
	ctx := t.Context()
	made := must[store.Schedule](t, "CreateSchedule")(s.CreateSchedule(ctx, store.Schedule{
		ID: 77, Job: "GARBAGE_COLLECTION", Type: "Daily", Cron: "0 0 0 * * *", Parameters: `{"workers":1}`, CreatedAt: when(1),
	}))
	want := store.Schedule{ID: made.ID, Job: "GARBAGE_COLLECTION", Type: "Daily", Cron: "0 0 0 * * *", Parameters: `{"workers":1}`, CreatedAt: made.CreatedAt, UpdatedAt: made.UpdatedAt}
	equal(t, "CreateSchedule", made, want)
	if made.ID == 0 || made.ID == 77 || made.CreatedAt.IsZero() || made.CreatedAt.Equal(when(1)) {
		t.Errorf("CreateSchedule = %+v, want an id and times of the store's own", made)
	}
	equal(t, "Schedule", must[store.Schedule](t, "Schedule")(s.Schedule(ctx, "GARBAGE_COLLECTION")), made)
	_, err := s.CreateSchedule(ctx, store.Schedule{Job: "GARBAGE_COLLECTION"})
	kind(t, "CreateSchedule of a job that has one", err, errs.Conflict)
	for _, bad := range []store.Schedule{{}, {Job: "a\x00"}, {Job: "j", Cron: strings.Repeat("x", 201)}, {Job: "j", Parameters: strings.Repeat("x", 4001)}} {
		_, err = s.CreateSchedule(ctx, bad)
		kind(t, "CreateSchedule with a bad text", err, errs.Invalid)
	}
	other := must[store.Schedule](t, "CreateSchedule")(s.CreateSchedule(ctx, store.Schedule{Job: "PURGE_AUDIT_LOG", Type: "Hourly"}))
	if diff := cmp.Diff([]store.Schedule{made, other}, all(t, "ListSchedules", s.ListSchedules(ctx, store.Filter{}))); diff != "" {
		t.Errorf("ListSchedules (-want +got):\n%s", diff)
	}
	equal(t, "CountSchedules of a job", must[int](t, "CountSchedules")(s.CountSchedules(ctx, store.Filter{Exact: "PURGE_AUDIT_LOG"})), 1)

	changed, err := s.UpdateSchedule(ctx, "GARBAGE_COLLECTION", func(s *store.Schedule) error {
		s.ID, s.Job, s.Type, s.CreatedAt = 99, "OTHER", "Weekly", when(0)
		return nil
	})
	ok(t, "UpdateSchedule", err)
	want.Type, want.UpdatedAt = "Weekly", changed.UpdatedAt
	equal(t, "UpdateSchedule", changed, want)
	equal(t, "Schedule after UpdateSchedule", must[store.Schedule](t, "Schedule")(s.Schedule(ctx, "GARBAGE_COLLECTION")), changed)
	sentinel := errors.New("no")
	if _, err = s.UpdateSchedule(ctx, "GARBAGE_COLLECTION", func(s *store.Schedule) error { s.Type = "x"; return sentinel }); !errors.Is(err, sentinel) {
		t.Errorf("UpdateSchedule with a failing function = %v, want its error", err)
	}
	equal(t, "Schedule after a failed UpdateSchedule", must[store.Schedule](t, "Schedule")(s.Schedule(ctx, "GARBAGE_COLLECTION")), changed)

	ok(t, "DeleteSchedule", s.DeleteSchedule(ctx, "GARBAGE_COLLECTION"))
	kind(t, "DeleteSchedule again", s.DeleteSchedule(ctx, "GARBAGE_COLLECTION"), errs.NotFound)
	kind(t, "DeleteSchedule that can't be", s.DeleteSchedule(ctx, "\x00"), errs.NotFound)
	_, err = s.Schedule(ctx, "GARBAGE_COLLECTION")
	kind(t, "Schedule of a job that has none", err, errs.NotFound)
	_, err = s.UpdateSchedule(ctx, "GARBAGE_COLLECTION", func(*store.Schedule) error { return nil })
	kind(t, "UpdateSchedule of a job that has none", err, errs.NotFound)
}

func configurations(t *testing.T, s store.Store) {
	ctx := t.Context()
	kept := func() map[string]string {
		return must[map[string]string](t, "Configuration")(s.Configuration(ctx))
	}
	update := func(change map[string]string, gone ...string) error {
		_, err := s.UpdateConfiguration(ctx, func(m map[string]string) error {
			for k, v := range change {
				m[k] = v
			}
			for _, k := range gone {
				delete(m, k)
			}
			return nil
		})
		return err
	}
	equal(t, "Configuration of a new store", len(kept()), 0)
	ok(t, "UpdateConfiguration", update(map[string]string{"read_only": "true", "banner_message": "Grüße <b>"}))
	ok(t, "UpdateConfiguration", update(map[string]string{"read_only": "false", "session_timeout": "60"}, "banner_message"))
	if diff := cmp.Diff(map[string]string{"read_only": "false", "session_timeout": "60"}, kept()); diff != "" {
		t.Errorf("Configuration (-want +got):\n%s", diff)
	}
	sentinel := errors.New("no")
	_, err := s.UpdateConfiguration(ctx, func(m map[string]string) error { delete(m, "read_only"); return sentinel })
	if !errors.Is(err, sentinel) {
		t.Errorf("UpdateConfiguration with a failing function = %v, want its error", err)
	}
	for _, bad := range []map[string]string{{"": "x"}, {"banner_message": "a\x00"}, {"banner_message": strings.Repeat("x", 4001)}} {
		kind(t, "UpdateConfiguration with a bad text", update(bad), errs.Invalid)
	}
	equal(t, "Configuration after failures", kept()["read_only"], "false")
}

// projectWords are what a project is told by name, and how much it may hold.
func projectWords(t *testing.T, s store.Store) {
	ctx := t.Context()
	words := store.NewMetadata(map[string]string{"severity": "high", "auto_scan": "true"})
	p := must[store.Project](t, "CreateProject")(s.CreateProject(ctx, store.Project{Name: "team", Metadata: words, StorageLimit: 1 << 40}))
	if p.Metadata != words || p.StorageLimit != 1<<40 {
		t.Errorf("CreateProject = %+v, want what it was told", p)
	}
	equal(t, "ProjectByName", must[store.Project](t, "ProjectByName")(s.ProjectByName(ctx, "team")), p)
	equal(t, "Project", must[store.Project](t, "Project")(s.Project(ctx, p.ID)), p)
	got, err := s.UpdateProject(ctx, p.ID, func(p *store.Project) error {
		p.Metadata, p.StorageLimit = p.Metadata.With("severity", "low"), 0
		return nil
	})
	ok(t, "UpdateProject", err)
	if diff := cmp.Diff(map[string]string{"severity": "low", "auto_scan": "true"}, got.Metadata.Map()); diff != "" || got.StorageLimit != 0 {
		t.Errorf("UpdateProject = %+v, want what it was told: %s", got, diff)
	}
	_, err = s.UpdateProject(ctx, p.ID, func(p *store.Project) error {
		p.Metadata = p.Metadata.With("proxy_cache_filter_pattern", strings.Repeat("ä", 4000))
		return nil
	})
	kind(t, "UpdateProject with metadata that are too long", err, errs.Invalid)
	for i, limit := range []int64{30, 10, 20} {
		must[store.Project](t, "CreateProject")(s.CreateProject(ctx, store.Project{Name: string(rune('a' + i)), StorageLimit: limit}))
	}
	var names []string
	for _, p := range all(t, "ListProjects", s.ListProjects(ctx, store.Filter{Sort: "-storage_limit"})) {
		names = append(names, p.Name)
	}
	equal(t, "ListProjects by -storage_limit", strings.Join(names, " "), "a c b team")
}
