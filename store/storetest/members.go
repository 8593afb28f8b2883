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
