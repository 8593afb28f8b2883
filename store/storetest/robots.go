package storetest

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

func pulling(projects ...string) (p auth.Permissions) {
	for _, name := range projects {
		p = append(p, auth.Permission{Project: name, Repositories: []string{"app/**"}, Resource: "repository", Actions: []string{"pull"}})
	}
	return p
}

func newRobot(name string) store.Robot {
	return store.Robot{Name: name, Days: -1, Creator: "alice", Secret: store.RobotSecret{ID: "one", Hash: "hash"}}
}

func robot(t *testing.T, s store.Store, r store.Robot) store.Robot {
	t.Helper()
	return must[store.Robot](t, "CreateRobot("+r.Name+")")(s.CreateRobot(t.Context(), r))
}

func robots(t *testing.T, s store.Store) {
	ctx := t.Context()
	team := project(t, s, "team")
	want := newRobot("team+ci")
	want.ProjectID, want.Description, want.Disabled, want.Days, want.ExpiresAt = team.ID, "builds", true, 30, when(30)
	want.Permissions = pulling("team")
	want.Old = store.RobotSecret{ID: "two", Hash: "hash 2", Ends: when(1)}
	got := robot(t, s, want)
	if got.ID == 0 || got.CreatedAt.IsZero() || !got.UpdatedAt.Equal(got.CreatedAt) {
		t.Errorf("CreateRobot = %+v, want an id and times", got)
	}
	want.ID, want.ProjectName, want.CreatedAt, want.UpdatedAt = got.ID, "team", got.CreatedAt, got.UpdatedAt
	byID := must[store.Robot](t, "Robot")(s.Robot(ctx, got.ID))
	byName := must[store.Robot](t, "RobotByName")(s.RobotByName(ctx, "TEAM+ci"))
	for what, r := range map[string]store.Robot{"CreateRobot": got, "Robot": byID, "RobotByName": byName} {
		if diff := cmp.Diff(want, r); diff != "" {
			t.Errorf("%s differs from what was stored (-want +got):\n%s", what, diff)
		}
	}
	_, err := s.CreateRobot(ctx, newRobot("Team+CI"))
	kind(t, "CreateRobot with a taken name", err, errs.Conflict)
	_, err = s.CreateRobot(ctx, store.Robot{Name: "nothing"})
	kind(t, "CreateRobot without a secret", err, errs.Invalid)
	_, err = s.CreateRobot(ctx, store.Robot{Secret: want.Secret})
	kind(t, "CreateRobot without a name", err, errs.Invalid)
	lost := newRobot("lost")
	lost.ProjectID = team.ID + 900
	_, err = s.CreateRobot(ctx, lost)
	kind(t, "CreateRobot in no project", err, errs.NotFound)
	lost.ProjectID, lost.Permissions = 0, pulling("nowhere")
	_, err = s.CreateRobot(ctx, lost)
	kind(t, "CreateRobot with a permission in no project", err, errs.NotFound)
	for _, name := range []string{"nobody", "", "\x00", strings.Repeat("x", 5000)} {
		_, err = s.RobotByName(ctx, name)
		kind(t, "RobotByName of nobody", err, errs.NotFound)
	}
	ok(t, "DeleteRobot", s.DeleteRobot(ctx, got.ID))
	kind(t, "DeleteRobot again", s.DeleteRobot(ctx, got.ID), errs.NotFound)
	_, err = s.Robot(ctx, got.ID)
	kind(t, "Robot that is gone", err, errs.NotFound)
}

func robotUpdates(t *testing.T, s store.Store) {
	ctx := t.Context()
	team, other := project(t, s, "team"), project(t, s, "other")
	r := newRobot("team+ci")
	r.ProjectID, r.Permissions = team.ID, pulling("team")
	r = robot(t, s, r)
	var e ear
	defer s.Subscribe(e.hear)()
	heard := func(what string, want ...store.Change) {
		t.Helper()
		if diff := cmp.Diff(want, e.take()); diff != "" {
			t.Errorf("changes after %s (-want +got):\n%s", what, diff)
		}
	}
	change := store.Change{Kind: store.RobotChanged, RobotID: r.ID, Robot: r.Name}
	got := must[store.Robot](t, "UpdateRobot")(s.UpdateRobot(ctx, r.ID, func(r *store.Robot) error {
		r.Disabled, r.Old, r.Secret = true, r.Secret, store.RobotSecret{ID: "two", Hash: "new"}
		r.Permissions = pulling("team", "other", "*", "")
		r.ID, r.ProjectID, r.CreatedAt = 4711, other.ID, when(0)
		return nil
	}))
	want := r
	want.Disabled, want.Old, want.Secret, want.Permissions = true, r.Secret, store.RobotSecret{ID: "two", Hash: "new"}, pulling("team", "other", "*", "")
	want.UpdatedAt = got.UpdatedAt
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("UpdateRobot (-want +got):\n%s", diff)
	}
	heard("UpdateRobot", change)
	must[store.Robot](t, "UpdateRobot")(s.UpdateRobot(ctx, r.ID, func(*store.Robot) error { return nil }))
	heard("no change")
	_, err := s.UpdateRobot(ctx, r.ID, func(r *store.Robot) error { r.Permissions = pulling("nowhere"); return nil })
	kind(t, "UpdateRobot with a permission in no project", err, errs.NotFound)
	_, err = s.UpdateRobot(ctx, r.ID+900, func(*store.Robot) error { return nil })
	kind(t, "UpdateRobot of none", err, errs.NotFound)

	ok(t, "TouchRobot", s.TouchRobot(ctx, r.ID, when(5), "192.0.2.1"))
	ok(t, "TouchRobot within a minute", s.TouchRobot(ctx, r.ID, when(5).Add(59*time.Second), "192.0.2.2"))
	ok(t, "TouchRobot with an earlier time", s.TouchRobot(ctx, r.ID, when(3), "192.0.2.3"))
	touched := must[store.Robot](t, "Robot")(s.Robot(ctx, r.ID))
	equal(t, "LastUsedAt", touched.LastUsedAt, when(5))
	equal(t, "LastUsedFrom", touched.LastUsedFrom, "192.0.2.1")
	equal(t, "UpdatedAt after a use", touched.UpdatedAt, got.UpdatedAt)
	ok(t, "TouchRobot a minute later", s.TouchRobot(ctx, r.ID, when(6), "192.0.2.2"))
	equal(t, "LastUsedFrom", must[store.Robot](t, "Robot")(s.Robot(ctx, r.ID)).LastUsedFrom, "192.0.2.2")
	heard("uses")
	ok(t, "DeleteRobot", s.DeleteRobot(ctx, r.ID))
	heard("DeleteRobot", change)
}

// robotsOfProjects: what a robot may do in a project ends with the project, and not with its name.
func robotsOfProjects(t *testing.T, s store.Store) {
	ctx := t.Context()
	team, other := project(t, s, "team"), project(t, s, "other")
	own := newRobot("team+ci")
	own.ProjectID, own.Permissions = team.ID, pulling("team")
	own = robot(t, s, own)
	system := newRobot("ci")
	system.Permissions = pulling("team", "other", "*")
	system = robot(t, s, system)
	_, err := s.UpdateProject(ctx, other.ID, func(p *store.Project) error { p.Name = "crew"; return nil })
	ok(t, "UpdateProject", err)
	got := must[store.Robot](t, "Robot")(s.Robot(ctx, system.ID))
	if diff := cmp.Diff(pulling("team", "crew", "*"), got.Permissions); diff != "" {
		t.Errorf("Permissions after a rename (-want +got):\n%s", diff)
	}
	ok(t, "DeleteProject", s.DeleteProject(ctx, team.ID))
	_, err = s.Robot(ctx, own.ID)
	kind(t, "Robot of a project that is gone", err, errs.NotFound)
	project(t, s, "team")
	got = must[store.Robot](t, "RobotByName")(s.RobotByName(ctx, "ci"))
	if diff := cmp.Diff(pulling("crew", "*"), got.Permissions); diff != "" {
		t.Errorf("Permissions when another project has the name (-want +got):\n%s", diff)
	}
}

func robotLists(t *testing.T, s store.Store) {
	ctx := t.Context()
	team, other := project(t, s, "team"), project(t, s, "other")
	for name, p := range map[string]store.Project{"team+b": team, "team+a": team, "other+a": other, "system": {}} {
		r := newRobot(name)
		r.ProjectID, r.Permissions = p.ID, pulling(p.Name)
		robot(t, s, r)
	}
	for _, row := range []struct {
		filter store.Filter
		want   []string
	}{
		{store.Filter{Sort: "name"}, []string{"other+a", "system", "team+a", "team+b"}},
		{store.Filter{Sort: "-name", Limit: 2, Offset: 1}, []string{"team+a", "system"}},
		{store.Filter{Sort: "name", Project: team.ID}, []string{"team+a", "team+b"}},
		{store.Filter{System: true}, []string{"system"}},
		{store.Filter{Sort: "name", Name: "+A"}, []string{"other+a", "team+a"}},
		{store.Filter{Exact: "TEAM+b"}, []string{"team+b"}},
		{store.Filter{Exact: "team"}, nil},
	} {
		var got []string
		for _, r := range all(t, "ListRobots", s.ListRobots(ctx, row.filter)) {
			got = append(got, r.Name)
			equal(t, "permissions of "+r.Name, len(r.Permissions), 1)
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("ListRobots(%+v) = %q, want %q", row.filter, got, row.want)
		}
		row.filter.Limit, row.filter.Offset = 0, 0
		if n := must[int](t, "CountRobots")(s.CountRobots(ctx, row.filter)); n < len(got) {
			t.Errorf("CountRobots(%+v) = %d, want at least %d", row.filter, n, len(got))
		}
	}
	kind(t, "ListRobots in an unknown order", listError(s.ListRobots(ctx, store.Filter{Sort: "secret_hash"})), errs.Invalid)
}

// robotRotations: of several who change one robot at once, each sees what the one before made of it.
func robotRotations(t *testing.T, s store.Store) {
	r := robot(t, s, newRobot("ci"))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := s.UpdateRobot(t.Context(), r.ID, func(r *store.Robot) error { r.Description += "x"; return nil }); err != nil {
				t.Errorf("UpdateRobot = %v, want no error", err)
			}
			if err := s.TouchRobot(t.Context(), r.ID, when(1), "192.0.2.1"); err != nil {
				t.Errorf("TouchRobot = %v, want no error", err)
			}
		})
	}
	wg.Wait()
	got := must[store.Robot](t, "Robot")(s.Robot(t.Context(), r.ID))
	equal(t, "Description after 8 changes", got.Description, "xxxxxxxx")
	equal(t, "LastUsedAt", got.LastUsedAt, when(1))
}
