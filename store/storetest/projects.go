package storetest

import (
	"errors"
	"slices"
	"testing"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

func projects(t *testing.T, s store.Store) {
	ctx := t.Context()
	alice := user(t, s, "alice")
	p := must[store.Project](t, "CreateProject")(s.CreateProject(ctx, store.Project{ID: 1 << 40, Name: "team", OwnerID: alice.ID, Public: true}))
	want := store.Project{ID: p.ID, Name: "team", OwnerID: alice.ID, OwnerName: "alice", Public: true, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt}
	equal(t, "CreateProject", p, want)
	if p.ID == 0 || p.ID == 1<<40 || p.CreatedAt.IsZero() {
		t.Errorf("CreateProject = %+v, want an id and times of the store's own", p)
	}
	equal(t, "Project", must[store.Project](t, "Project")(s.Project(ctx, p.ID)), p)
	equal(t, "ProjectByName", must[store.Project](t, "ProjectByName")(s.ProjectByName(ctx, "team")), p)
	equal(t, "ListProjects", all(t, "ListProjects", s.ListProjects(ctx, store.Filter{}))[0], p)

	_, err := s.CreateProject(ctx, store.Project{Name: "team"})
	kind(t, "CreateProject with a taken name", err, errs.Conflict)
	_, err = s.CreateProject(ctx, store.Project{})
	kind(t, "CreateProject without a name", err, errs.Invalid)
	_, err = s.CreateProject(ctx, store.Project{Name: "other", OwnerID: alice.ID + 1})
	kind(t, "CreateProject of an unknown owner", err, errs.NotFound)
	_, err = s.Project(ctx, p.ID+1)
	kind(t, "Project of an unknown id", err, errs.NotFound)
	_, err = s.ProjectByName(ctx, "TEAM")
	kind(t, "ProjectByName of another case", err, errs.NotFound)
	equal(t, "CountProjects", must[int](t, "CountProjects")(s.CountProjects(ctx, store.Filter{})), 1)
}

func projectUpdates(t *testing.T, s store.Store) {
	ctx := t.Context()
	alice := user(t, s, "alice")
	p, other := project(t, s, "team"), project(t, s, "other")
	got, err := s.UpdateProject(ctx, p.ID, func(p *store.Project) error {
		p.ID, p.CreatedAt, p.OwnerName = 99, when(0), "mallory"
		p.Public, p.OwnerID, p.Name = true, alice.ID, "crew"
		return nil
	})
	ok(t, "UpdateProject", err)
	want := p
	want.Public, want.OwnerID, want.OwnerName, want.Name, want.UpdatedAt = true, alice.ID, "alice", "crew", got.UpdatedAt
	equal(t, "UpdateProject", got, want)
	equal(t, "Project after UpdateProject", must[store.Project](t, "Project")(s.Project(ctx, p.ID)), got)

	sentinel := errors.New("no")
	_, err = s.UpdateProject(ctx, p.ID, func(p *store.Project) error { p.Public = false; return sentinel })
	if !errors.Is(err, sentinel) {
		t.Errorf("UpdateProject with a failing function = %v, want its error", err)
	}
	equal(t, "Project after a failed UpdateProject", must[store.Project](t, "Project")(s.Project(ctx, p.ID)), got)
	_, err = s.UpdateProject(ctx, other.ID, func(p *store.Project) error { p.Name = "crew"; return nil })
	kind(t, "UpdateProject to a taken name", err, errs.Conflict)
	_, err = s.UpdateProject(ctx, other.ID, func(p *store.Project) error { p.OwnerID = alice.ID + 1; return nil })
	kind(t, "UpdateProject to an unknown owner", err, errs.NotFound)
	_, err = s.UpdateProject(ctx, 12345, func(*store.Project) error { return nil })
	kind(t, "UpdateProject of an unknown id", err, errs.NotFound)
}

func firstMembers(t *testing.T, s store.Store) {
	ctx := t.Context()
	alice := user(t, s, "alice")
	p, err := s.CreateProject(ctx, store.Project{Name: "team"}, store.Member{UserID: alice.ID, Role: store.RoleProjectAdmin})
	ok(t, "CreateProject with a member", err)
	equal(t, "MemberRole", must[store.Role](t, "MemberRole")(s.MemberRole(ctx, p.ID, alice.ID)), store.RoleProjectAdmin)

	_, err = s.CreateProject(ctx, store.Project{Name: "other"}, store.Member{UserID: alice.ID + 1, Role: store.RoleProjectAdmin})
	kind(t, "CreateProject with an unknown user", err, errs.NotFound)
	_, err = s.CreateProject(ctx, store.Project{Name: "other"}, store.Member{UserID: alice.ID, Role: 42})
	kind(t, "CreateProject with an unknown role", err, errs.Invalid)
	_, err = s.ProjectByName(ctx, "other")
	kind(t, "ProjectByName after CreateProject failed", err, errs.NotFound)
}

func visibleProjects(t *testing.T, s store.Store) {
	ctx := t.Context()
	alice := user(t, s, "alice")
	for _, p := range []store.Project{{Name: "open", Public: true}, {Name: "mine"}, {Name: "theirs"}, {Name: "mine-open", Public: true}} {
		p := must[store.Project](t, "CreateProject")(s.CreateProject(ctx, p))
		if p.Name == "mine" || p.Name == "mine-open" {
			member(t, s, p, alice, store.RoleGuest)
		}
	}
	yes, no := true, false
	for _, row := range []struct {
		name   string
		filter store.Filter
		want   []string
	}{
		{"everything", store.Filter{}, []string{"open", "mine", "theirs", "mine-open"}},
		{"public", store.Filter{Public: &yes}, []string{"open", "mine-open"}},
		{"private", store.Filter{Public: &no}, []string{"mine", "theirs"}},
		{"public or of a member", store.Filter{MemberID: alice.ID}, []string{"open", "mine", "mine-open"}},
		{"public and of a member", store.Filter{MemberID: alice.ID, Public: &yes}, []string{"mine-open"}},
		{"private and of a member", store.Filter{MemberID: alice.ID, Public: &no}, []string{"mine"}},
		{"public or of a stranger", store.Filter{MemberID: alice.ID + 1}, []string{"open", "mine-open"}},
		{"by a part of the name", store.Filter{MemberID: alice.ID, Name: "INE"}, []string{"mine", "mine-open"}},
		{"by the name", store.Filter{MemberID: alice.ID, Exact: "mine"}, []string{"mine"}},
		{"by a name that is not visible", store.Filter{MemberID: alice.ID, Exact: "theirs"}, nil},
	} {
		var got []string
		for _, p := range all(t, "ListProjects "+row.name, s.ListProjects(ctx, row.filter)) {
			got = append(got, p.Name)
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("ListProjects %s = %q, want %q", row.name, got, row.want)
		}
		n := must[int](t, "CountProjects")(s.CountProjects(ctx, row.filter))
		equal(t, "CountProjects "+row.name, n, len(row.want))
	}
}

func projectDeletion(t *testing.T, s store.Store) {
	ctx := t.Context()
	alice, p, other := user(t, s, "alice"), project(t, s, "team"), project(t, s, "other")
	m := member(t, s, p, alice, store.RoleDeveloper)
	member(t, s, other, alice, store.RoleGuest)
	ok(t, "DeleteProject", s.DeleteProject(ctx, p.ID))
	kind(t, "DeleteProject again", s.DeleteProject(ctx, p.ID), errs.NotFound)
	_, err := s.ProjectByName(ctx, "team")
	kind(t, "ProjectByName of a deleted project", err, errs.NotFound)
	_, err = s.MemberRole(ctx, p.ID, alice.ID)
	kind(t, "MemberRole in a deleted project", err, errs.NotFound)
	_, err = s.Member(ctx, p.ID, m.ID)
	kind(t, "Member of a deleted project", err, errs.NotFound)
	equal(t, "MemberRole elsewhere", must[store.Role](t, "MemberRole")(s.MemberRole(ctx, other.ID, alice.ID)), store.RoleGuest)

	again := project(t, s, "team")
	if again.ID == p.ID {
		t.Errorf("CreateProject gives the id %d of a deleted project again", again.ID)
	}
	_, err = s.MemberRole(ctx, again.ID, alice.ID)
	kind(t, "MemberRole in a new project of the same name", err, errs.NotFound)
}
