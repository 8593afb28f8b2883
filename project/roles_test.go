package project_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

// invented are the roles of a policy file: what they may do is resource:action.
type invented map[string]string

func (r invented) CustomRoles() (names []string) {
	for name := range r {
		names = append(names, name)
	}
	return names
}

func (r invented) RoleRights(role, of string) auth.Permissions {
	resource, actions, _ := strings.Cut(r[role], ":")
	return auth.Permissions{{Project: of, Resource: resource, Actions: strings.Split(actions, ",")}}
}

// TestCustomRoles gives roles of the policy file to members: by name or number, and never one that may do more than who
// gives it.
func TestCustomRoles(t *testing.T) {
	f := newFixture(t)
	ctx, team, words := t.Context(), named("team"), invented{"reader": "member:list,read", "releaser": "repository:push"}
	f.Service = f.WithRoles(words)
	reader, releaser := store.CustomRole("reader"), store.CustomRole("releaser")
	m, err := f.AddMember(ctx, f.as("alice"), team, project.NewMember{UserName: "carol", RoleName: "reader"})
	f.ok("AddMember with a role by name", err)
	if m.Role != reader || m.Custom != "reader" || m.RoleName() != "reader" || m.Role < 1000 {
		t.Errorf("AddMember = %+v, want the role reader and its number", m)
	}
	set := func(who string, to project.RoleIn) error { return f.SetMemberRole(ctx, f.as(who), team, m.ID, to) }
	f.kind("SetMemberRole to what alice may not herself", set("alice", project.RoleIn{Name: "releaser"}), errs.Denied)
	f.kind("SetMemberRole to that by number", set("alice", project.RoleIn{Role: releaser}), errs.Denied)
	bounded := f.as("admin")
	bounded.Bounds = &auth.Permissions{{Project: "team", Resource: "member", Actions: []string{"update"}}, {Project: "team", Resource: "project", Actions: []string{"read"}}}
	f.kind("SetMemberRole with a credential that is not good for that", f.SetMemberRole(ctx, bounded, team, m.ID, project.RoleIn{Name: "releaser"}), errs.Denied)
	f.kind("SetMemberRole by carol", set("carol", project.RoleIn{Name: "reader"}), errs.NotFound)
	f.kind("SetMemberRole to no role", set("alice", project.RoleIn{Name: "captain"}), errs.Invalid)
	f.kind("SetMemberRole to a name in another case", set("alice", project.RoleIn{Name: "Reader"}), errs.Invalid)
	f.kind("SetMemberRole to a number that is none", set("alice", project.RoleIn{Role: 1001}), errs.Invalid)
	f.kind("SetMemberRole to a name and another's number", set("alice", project.RoleIn{Name: "reader", Role: releaser}), errs.Invalid)
	f.ok("SetMemberRole to a role of Harbor's by name", set("alice", project.RoleIn{Name: "LimitedGuest"}))
	f.ok("SetMemberRole by number", set("alice", project.RoleIn{Role: reader}))
	f.ok("SetMemberRole by a system administrator", set("admin", project.RoleIn{Name: "releaser", Role: releaser}))
	if roles, err := f.RolesIn(ctx, f.as("carol"), f.ids["project:team"]); err != nil || !slices.Equal(roles, []store.MemberRole{{Role: releaser, Custom: "releaser"}}) {
		t.Errorf("RolesIn of carol = %+v, %v, want releaser", roles, err)
	}

	list := func(who string) (names []string) {
		roles, err := f.Roles(ctx, f.as(who))
		f.ok("Roles", err)
		for _, r := range roles {
			name := r.Name
			if r.Gone {
				name += " is gone"
			}
			names = append(names, name)
		}
		return names
	}
	harbor := []string{"projectAdmin", "maintainer", "developer", "guest", "limitedGuest"}
	if got, want := list("bob"), append(slices.Clone(harbor), "reader", "releaser"); !slices.Equal(got, want) {
		t.Errorf("Roles by bob = %q, want %q", got, want)
	}
	delete(words, "releaser")
	if got, want := list("admin"), append(slices.Clone(harbor), "reader", "releaser is gone"); !slices.Equal(got, want) {
		t.Errorf("Roles by admin when the policy has one no more = %q, want %q", got, want)
	}
	if got, want := list("bob"), append(slices.Clone(harbor), "reader"); !slices.Equal(got, want) {
		t.Errorf("Roles by bob, then = %q, want %q", got, want)
	}
	if m, err = f.Member(ctx, f.as("alice"), team, m.ID); err != nil || !f.Gone(m) {
		t.Errorf("Gone(%+v) = false, want the role to be gone", m)
	}
	f.kind("SetMemberRole to what the policy has no more", set("admin", project.RoleIn{Role: releaser}), errs.Invalid)
	f.ok("RemoveMember with a role that is gone", f.RemoveMember(ctx, f.as("alice"), team, m.ID))
	_, err = f.Roles(ctx, f.as(""))
	f.kind("Roles by nobody", err, errs.Unauthenticated)
}

// TestMembersOfSomeRepositories limits memberships: a change without patterns leaves them, and an administrator of some
// repositories is no administrator of the project.
func TestMembersOfSomeRepositories(t *testing.T) {
	f := newFixture(t)
	ctx, team := t.Context(), named("team")
	m, err := f.AddMember(ctx, f.as("alice"), team, project.NewMember{UserName: "carol", Role: store.RoleDeveloper, Only: []string{"app/**", "tools"}})
	f.ok("AddMember", err)
	is := func(what string, role store.Role, only ...string) {
		t.Helper()
		got, err := f.store.Member(ctx, m.ProjectID, m.ID)
		if err != nil || got.Role != role || !slices.Equal(got.Only.List(), only) {
			t.Errorf("the member after %s = %+v, %v, want role %d for %q", what, got, err, role, only)
		}
	}
	set := func(to project.RoleIn) error { return f.SetMemberRole(ctx, f.as("alice"), team, m.ID, to) }
	is("AddMember", store.RoleDeveloper, "app/**", "tools")
	f.ok("SetMemberRole as Harbor's clients do", set(project.RoleIn{Role: store.RoleGuest}))
	is("a change of the role", store.RoleGuest, "app/**", "tools")
	f.ok("SetMemberRole for others", set(project.RoleIn{Role: store.RoleGuest, Only: []string{"docs"}}))
	is("a change of the patterns", store.RoleGuest, "docs")
	long := slices.Repeat([]string{"a"}, store.MaxPatterns+1)
	for what, only := range map[string][]string{
		"no pattern": {"["}, "nothing": {""}, "a path from the root": {"/app"}, "two lines": {"a\nb"}, "too many": long,
	} {
		f.kind("SetMemberRole for "+what, set(project.RoleIn{Role: store.RoleGuest, Only: only}), errs.Invalid)
		_, err := f.AddMember(ctx, f.as("alice"), team, project.NewMember{UserName: "helpdesk", Role: store.RoleGuest, Only: only})
		f.kind("AddMember for "+what, err, errs.Invalid)
	}
	f.ok("SetMemberRole to an administrator of some", set(project.RoleIn{Role: store.RoleProjectAdmin}))
	alice := f.ids["team/alice"]
	f.kind("RemoveMember of the last administrator of the project", f.RemoveMember(ctx, f.as("alice"), team, alice), errs.Precondition)
	f.kind("SetMemberRole of the last administrator to one of some", f.SetMemberRole(ctx, f.as("alice"), team, alice,
		project.RoleIn{Role: store.RoleProjectAdmin, Only: []string{"app"}}), errs.Precondition)
	f.kind("AddMember by an administrator of some", f.SetMemberRole(ctx, f.as("carol"), team, alice, project.RoleIn{Role: store.RoleGuest}), errs.NotFound)
	f.ok("SetMemberRole for the whole project", set(project.RoleIn{Role: store.RoleProjectAdmin, Only: []string{}}))
	is("lifting the limit", store.RoleProjectAdmin)
	f.ok("RemoveMember of one of two administrators", f.RemoveMember(ctx, f.as("alice"), team, alice))
}

// TestStandingInSomeRepositories wants memberships for some repositories apart from the others, with every change seen by
// the next call.
func TestStandingInSomeRepositories(t *testing.T) {
	f := newDirectory(t)
	ctx := t.Context()
	alice, dev, team := f.user("alice"), f.group("dev"), f.project("team", false)
	some := func(sub auth.Subject, roles []string, want ...project.Limited) {
		t.Helper()
		for range 2 {
			got, err := f.dir.Standing(ctx, sub, "team")
			same := slices.EqualFunc(got.Some, want, func(a, b project.Limited) bool { return a.Role == b.Role && slices.Equal(a.Only, b.Only) })
			if err != nil || !same || !slices.Equal(got.Roles, roles) {
				t.Errorf("Standing(alice, team) = %+v, %v, want %q and %v", got, err, roles, want)
			}
		}
	}
	some(alice, nil)
	m, err := f.store.AddMember(ctx, store.Member{ProjectID: team.ID, UserID: alice.ID, Role: store.RoleDeveloper, Only: "app/**\ntools"})
	if err != nil {
		t.Fatal(err)
	}
	apps := project.Limited{Role: "developer", Only: []string{"app/**", "tools"}}
	some(alice, nil, apps)
	f.groupMember(team, dev, store.RoleGuest)
	some(in(alice, dev), []string{"guest"}, apps)
	origins, err := f.dir.Origins(ctx, in(alice, dev), "team")
	if want := []project.Origin{{Role: "developer", From: "member list, for app/**, tools alone"}, {Role: "guest", From: "group dev"}}; err != nil || !slices.Equal(origins, want) {
		t.Errorf("Origins(alice, team) = %v, %v, want %v", origins, err, want)
	}
	change := func(to store.Member) {
		t.Helper()
		if _, err := f.store.UpdateMember(ctx, team.ID, m.ID, func(m *store.Member) error {
			m.Role, m.Custom, m.Only = to.Role, to.Custom, to.Only
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	change(store.Member{Role: store.RoleDeveloper, Only: "docs"})
	some(alice, nil, project.Limited{Role: "developer", Only: []string{"docs"}})
	change(store.Member{Role: store.CustomRole("pilot"), Custom: "pilot"})
	some(in(alice, dev), []string{"guest", "pilot"})
	change(store.Member{Role: store.RoleDeveloper})
	some(alice, []string{"developer"})
}
