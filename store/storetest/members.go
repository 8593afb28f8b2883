package storetest

import (
	"errors"
	"slices"
	"testing"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

func members(t *testing.T, s store.Store) {
	ctx := t.Context()
	alice, p := user(t, s, "Alice"), project(t, s, "team")
	m := member(t, s, p, alice, store.RoleDeveloper)
	want := store.Member{
		ID: m.ID, ProjectID: p.ID, ProjectName: "team", UserID: alice.ID, UserName: "Alice", Role: store.RoleDeveloper,
		CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
	}
	equal(t, "AddMember", m, want)
	equal(t, "Member", must[store.Member](t, "Member")(s.Member(ctx, p.ID, m.ID)), m)
	equal(t, "MemberRole", must[store.Role](t, "MemberRole")(s.MemberRole(ctx, p.ID, alice.ID)), store.RoleDeveloper)

	add := func(projectID, userID int64, role store.Role) error {
		_, err := s.AddMember(ctx, store.Member{ProjectID: projectID, UserID: userID, Role: role})
		return err
	}
	kind(t, "AddMember again", add(p.ID, alice.ID, store.RoleGuest), errs.Conflict)
	kind(t, "AddMember of an unknown user", add(p.ID, alice.ID+1, store.RoleGuest), errs.NotFound)
	kind(t, "AddMember of no user", add(p.ID, 0, store.RoleGuest), errs.NotFound)
	kind(t, "AddMember to an unknown project", add(p.ID+1, alice.ID, store.RoleGuest), errs.NotFound)
	kind(t, "AddMember with no role", add(p.ID, alice.ID, 0), errs.Invalid)
	kind(t, "AddMember with an unknown role", add(p.ID, alice.ID, 6), errs.Invalid)

	got, err := s.UpdateMember(ctx, p.ID, m.ID, func(m *store.Member) error {
		m.ID, m.UserID, m.ProjectID, m.UserName, m.Role = 99, 99, 99, "mallory", store.RoleMaintainer
		return nil
	})
	ok(t, "UpdateMember", err)
	want.Role, want.UpdatedAt = store.RoleMaintainer, got.UpdatedAt
	equal(t, "UpdateMember", got, want)
	equal(t, "MemberRole", must[store.Role](t, "MemberRole")(s.MemberRole(ctx, p.ID, alice.ID)), store.RoleMaintainer)
	sentinel := errors.New("no")
	if _, err := s.UpdateMember(ctx, p.ID, m.ID, func(m *store.Member) error { m.Role = 1; return sentinel }); !errors.Is(err, sentinel) {
		t.Errorf("UpdateMember with a failing function = %v, want its error", err)
	}
	_, err = s.UpdateMember(ctx, p.ID, m.ID, func(m *store.Member) error { m.Role = 6; return nil })
	kind(t, "UpdateMember to an unknown role", err, errs.Invalid)
	equal(t, "Member after failed updates", must[store.Member](t, "Member")(s.Member(ctx, p.ID, m.ID)), got)

	ok(t, "RemoveMember", s.RemoveMember(ctx, p.ID, m.ID))
	kind(t, "RemoveMember again", s.RemoveMember(ctx, p.ID, m.ID), errs.NotFound)
	_, err = s.MemberRole(ctx, p.ID, alice.ID)
	kind(t, "MemberRole of a removed member", err, errs.NotFound)
	ok(t, "AddMember after RemoveMember", add(p.ID, alice.ID, store.RoleGuest))
}

// foreignMembers holds ids of one project against another: what is not in a project is not found there.
func foreignMembers(t *testing.T, s store.Store) {
	ctx := t.Context()
	alice, p, other := user(t, s, "alice"), project(t, s, "team"), project(t, s, "other")
	m := member(t, s, p, alice, store.RoleGuest)
	_, err := s.Member(ctx, other.ID, m.ID)
	kind(t, "Member of another project", err, errs.NotFound)
	_, err = s.UpdateMember(ctx, other.ID, m.ID, func(m *store.Member) error { m.Role = store.RoleProjectAdmin; return nil })
	kind(t, "UpdateMember of another project", err, errs.NotFound)
	kind(t, "RemoveMember of another project", s.RemoveMember(ctx, other.ID, m.ID), errs.NotFound)
	equal(t, "Member", must[store.Member](t, "Member")(s.Member(ctx, p.ID, m.ID)), m)
}

func memberLists(t *testing.T, s store.Store) {
	ctx := t.Context()
	p, other := project(t, s, "team"), project(t, s, "other")
	for _, row := range []struct {
		name string
		role store.Role
	}{{"carol", store.RoleGuest}, {"Alice", store.RoleProjectAdmin}, {"bob", store.RoleGuest}} {
		u := user(t, s, row.name)
		member(t, s, p, u, row.role)
		member(t, s, other, u, store.RoleMaintainer)
	}
	carol := must[store.User](t, "UserByName")(s.UserByName(ctx, "carol"))
	for _, row := range []struct {
		name   string
		filter store.Filter
		want   []string
	}{
		{"all", store.Filter{}, []string{"carol", "Alice", "bob"}},
		{"by name", store.Filter{Sort: "name"}, []string{"Alice", "bob", "carol"}},
		{"by falling name", store.Filter{Sort: "-name"}, []string{"carol", "bob", "Alice"}},
		{"by role", store.Filter{Sort: "role"}, []string{"Alice", "carol", "bob"}},
		{"with a name", store.Filter{Name: "AL"}, []string{"Alice"}},
		{"with exactly a name", store.Filter{Exact: "ALICE"}, []string{"Alice"}},
		{"with a role", store.Filter{Role: store.RoleGuest}, []string{"carol", "bob"}},
		{"of a user", store.Filter{MemberID: carol.ID}, []string{"carol"}},
		{"second page", store.Filter{Sort: "name", Offset: 1, Limit: 1}, []string{"bob"}},
	} {
		var got []string
		for _, m := range all(t, "ListMembers "+row.name, s.ListMembers(ctx, p.ID, row.filter)) {
			got = append(got, m.UserName)
			equal(t, "ListMembers "+row.name+": ProjectName", m.ProjectName, "team")
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("ListMembers %s = %q, want %q", row.name, got, row.want)
		}
	}
	n := must[int](t, "CountMembers")(s.CountMembers(ctx, p.ID, store.Filter{Role: store.RoleGuest, Limit: 1}))
	equal(t, "CountMembers of guests", n, 2)
	equal(t, "ListMembers of an unknown project", len(all(t, "ListMembers", s.ListMembers(ctx, 999, store.Filter{}))), 0)

	first := all(t, "ListMembers", s.ListMembers(ctx, p.ID, store.Filter{Sort: "name", Limit: 1}))[0]
	rest := all(t, "ListMembers after the first", s.ListMembers(ctx, p.ID, store.Filter{Sort: "name", After: first.ID}))
	if len(rest) != 2 || rest[0].UserName != "bob" || rest[1].UserName != "carol" {
		t.Errorf("ListMembers by name after %q = %v, want bob and carol", first.UserName, rest)
	}
}

// memberships holds what a membership can say besides a role of Harbor's: a role of the policy file, and for which
// repositories.
func memberships(t *testing.T, s store.Store) {
	ctx := t.Context()
	alice, dev, p, other := user(t, s, "alice"), group(t, s, "dev"), project(t, s, "team"), project(t, s, "other")
	const only = store.Patterns("app/**\ntools/{a,b}*")
	releaser := store.CustomRole("releaser")
	mine, err := s.AddMember(ctx, store.Member{ProjectID: p.ID, UserID: alice.ID, Role: releaser, Custom: "releaser", Only: only})
	ok(t, "AddMember", err)
	equal(t, "AddMember", mine, store.Member{
		ID: mine.ID, ProjectID: p.ID, ProjectName: "team", UserID: alice.ID, UserName: "alice", Role: releaser, Custom: "releaser", Only: only,
		CreatedAt: mine.CreatedAt, UpdatedAt: mine.UpdatedAt,
	})
	equal(t, "Member", must[store.Member](t, "Member")(s.Member(ctx, p.ID, mine.ID)), mine)
	equal(t, "MemberRole", must[store.Role](t, "MemberRole")(s.MemberRole(ctx, p.ID, alice.ID)), releaser)
	_, err = s.AddMember(ctx, store.Member{ProjectID: p.ID, GroupID: dev.ID, Role: store.RoleGuest, Only: "docs"})
	ok(t, "AddMember of a group", err)
	_, err = s.AddMember(ctx, store.Member{ProjectID: other.ID, GroupID: dev.ID, Role: store.CustomRole("auditor"), Custom: "auditor"})
	ok(t, "AddMember of a group to another project", err)

	roles := func(what string, projectID, userID int64, groups []int64, want ...store.MemberRole) {
		t.Helper()
		if got, err := s.MemberRoles(ctx, projectID, userID, groups); err != nil || !slices.Equal(got, want) {
			t.Errorf("MemberRoles of %s = %+v, %v, want %+v", what, got, err, want)
		}
	}
	guest, release := store.MemberRole{Role: store.RoleGuest, Only: "docs"}, store.MemberRole{Role: releaser, Custom: "releaser", Only: only}
	roles("a user", p.ID, alice.ID, nil, release)
	roles("a user in a group", p.ID, alice.ID, []int64{dev.ID}, guest, release)
	roles("a group elsewhere", other.ID, alice.ID, []int64{dev.ID}, store.MemberRole{Role: store.CustomRole("auditor"), Custom: "auditor"})
	limited := func(what string, userID int64, groups, projects []int64, want ...int64) {
		t.Helper()
		if got, err := s.LimitedProjects(ctx, userID, groups, projects); err != nil || !slices.Equal(got, want) {
			t.Errorf("LimitedProjects of %s = %v, %v, want %v", what, got, err, want)
		}
	}
	limited("a user", alice.ID, nil, nil, p.ID)
	limited("a user in a group, each once", alice.ID, []int64{dev.ID}, nil, p.ID)
	limited("a group", 0, []int64{dev.ID}, nil, p.ID)
	limited("a user, of these", alice.ID, nil, []int64{p.ID, other.ID}, p.ID)
	limited("a user, of others", alice.ID, []int64{dev.ID}, []int64{other.ID})
	limited("nobody", 0, nil, nil)
	custom := func(want ...string) {
		t.Helper()
		if got, err := s.CustomRoles(ctx); err != nil || !slices.Equal(got, want) {
			t.Errorf("CustomRoles() = %q, %v, want %q", got, err, want)
		}
	}
	custom("auditor", "releaser")

	told := 0
	defer s.Subscribe(func(c store.Change) {
		if c.Kind == store.MemberChanged && c.UserID == alice.ID {
			told++
		}
	})()
	update := func(fn func(m *store.Member)) error {
		_, err := s.UpdateMember(ctx, p.ID, mine.ID, func(m *store.Member) error { fn(m); return nil })
		return err
	}
	ok(t, "UpdateMember of the patterns", update(func(m *store.Member) { m.Only = "docs" }))
	roles("a user for other repositories", p.ID, alice.ID, nil, store.MemberRole{Role: releaser, Custom: "releaser", Only: "docs"})
	ok(t, "UpdateMember to a role of Harbor's", update(func(m *store.Member) { m.Role, m.Custom, m.Only = store.RoleGuest, "", "" }))
	roles("a user with another role", p.ID, alice.ID, nil, store.MemberRole{Role: store.RoleGuest})
	ok(t, "UpdateMember to the same", update(func(m *store.Member) { m.Role = store.RoleGuest }))
	equal(t, "changes told", told, 2)
	custom("auditor")

	for what, m := range map[string]store.Member{
		"a role of Harbor's with a name":    {Role: store.RoleGuest, Custom: "releaser"},
		"a role with the number of another": {Role: store.CustomRole("auditor"), Custom: "releaser"},
		"a role without its name":           {Role: releaser},
		"a name that can't be kept":         {Role: store.CustomRole("a\x00"), Custom: "a\x00"},
	} {
		kind(t, "UpdateMember to "+what, update(func(to *store.Member) { to.Role, to.Custom = m.Role, m.Custom }), errs.Invalid)
	}
	roles("a user after failed updates", p.ID, alice.ID, nil, store.MemberRole{Role: store.RoleGuest})
}
