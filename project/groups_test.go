package project_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

// provider is a source "sso" whose groups are called by their names.
func provider() []project.Source { return []project.Source{{Name: "sso", Groups: store.GroupOIDC}} }

// inGroups returns a caller as a member of the groups.
func (f *fixture) inGroups(name string, groups ...store.Group) project.Caller {
	c := f.as(name)
	for _, g := range groups {
		c.GroupIDs = append(c.GroupIDs, g.ID)
	}
	return c
}

func (f *fixture) group(name string) store.Group {
	f.t.Helper()
	g, err := f.CreateGroup(f.t.Context(), f.as("admin"), project.GroupRef{Name: name})
	f.ok("CreateGroup", err)
	return g
}

// TestGroupDeeds does everything to groups as somebody who may and as others, and reads the trail.
func TestGroupDeeds(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	admin := f.as("admin")
	dev := f.group("dev")
	f.recorded("CreateGroup", "admin|group.create|group:dev|allowed|")
	f.ok("RenameGroup", f.RenameGroup(ctx, admin, dev.ID, "crew"))
	f.recorded("RenameGroup", "admin|group.update|group:dev|allowed|")
	f.ok("AddGroupMember", f.AddGroupMember(ctx, admin, dev.ID, project.NewMember{UserName: "bob"}))
	f.recorded("AddGroupMember", "admin|group.member.create|group:crew/member:bob|allowed|")
	l, err := f.ListGroupMembers(ctx, admin, dev.ID, project.Paging{})
	if err != nil || len(l.Items) != 1 || l.Items[0] != (store.User{ID: f.ids["bob"], Name: "bob"}) {
		t.Errorf("ListGroupMembers = %+v, %v, want bob's id and name", l, err)
	}
	for _, who := range []string{"alice", "helpdesk", ""} {
		want, c := errs.Denied, f.as(who)
		if who == "" {
			want = errs.Unauthenticated
		}
		for _, id := range []int64{dev.ID, 999} { // whether there is one does not show
			for what, err := range map[string]error{
				"RenameGroup": f.RenameGroup(ctx, c, id, "x"), "DeleteGroup": f.DeleteGroup(ctx, c, id),
				"AddGroupMember":    f.AddGroupMember(ctx, c, id, project.NewMember{UserName: "alice"}),
				"RemoveGroupMember": f.RemoveGroupMember(ctx, c, id, f.ids["bob"]),
			} {
				f.kind(what+" by "+who, err, want)
			}
			_, err := f.Group(ctx, c, id)
			f.kind("Group by "+who, err, want)
			_, err = f.ListGroupMembers(ctx, c, id, project.Paging{})
			f.kind("ListGroupMembers by "+who, err, want)
		}
		_, err := f.CreateGroup(ctx, c, project.GroupRef{Name: "mine"})
		f.kind("CreateGroup by "+who, err, want)
		_, err = f.ListGroups(ctx, c, project.GroupQuery{})
		f.kind("ListGroups by "+who, err, want)
	}
	f.trail.take()
	f.ok("RemoveGroupMember", f.RemoveGroupMember(ctx, admin, dev.ID, f.ids["bob"]))
	f.ok("DeleteGroup", f.DeleteGroup(ctx, admin, dev.ID))
	f.recorded("both", "admin|group.member.delete|group:crew/member:bob|allowed|", "admin|group.delete|group:crew|allowed|")
	for _, name := range []string{"", "a b", "x@corp", "a/b", "group:x", "\x00", "аdmin"} {
		_, err := f.CreateGroup(ctx, admin, project.GroupRef{Name: name})
		f.kind("CreateGroup("+name+")", err, errs.Invalid)
	}
	_, err = f.CreateGroup(ctx, admin, project.GroupRef{Name: "x", Type: store.GroupOIDC})
	f.kind("CreateGroup of no source", err, errs.Invalid)
}

// TestGroupsNeedARecord holds that no change of groups is made that can't be recorded, the recording of a source's
// group by the way included.
func TestGroupsNeedARecord(t *testing.T) {
	f := newFixture(t)
	f.Service = f.WithSources(provider(), nil)
	ctx := t.Context()
	dev := f.group("dev")
	f.ok("AddGroupMember", f.AddGroupMember(ctx, f.as("admin"), dev.ID, project.NewMember{UserName: "bob"}))
	heard := 0
	defer f.store.Subscribe(func(store.Change) { heard++ })()
	f.trail.err = errTrail
	admin, alice := f.as("admin"), f.as("alice")
	for what, err := range map[string]error{
		"RenameGroup": f.RenameGroup(ctx, admin, dev.ID, "x"), "DeleteGroup": f.DeleteGroup(ctx, admin, dev.ID),
		"AddGroupMember":    f.AddGroupMember(ctx, admin, dev.ID, project.NewMember{UserName: "alice"}),
		"RemoveGroupMember": f.RemoveGroupMember(ctx, admin, dev.ID, f.ids["bob"]),
		"AddMember": func() error {
			_, err := f.AddMember(ctx, alice, named("team"), project.NewMember{Group: &project.GroupRef{Name: "new", Type: store.GroupOIDC}, Role: store.RoleGuest})
			return err
		}(),
	} {
		f.kind(what+" that can't be recorded", err, errs.Unavailable)
	}
	if heard != 0 {
		t.Errorf("%d changes were made without a record, want none", heard)
	}
}

// TestMemberGroups makes groups members, one of a source that nobody spoke of among them.
func TestMemberGroups(t *testing.T) {
	f := newFixture(t)
	f.Service = f.WithSources(provider(), nil)
	ctx := t.Context()
	team, alice := named("team"), f.as("alice")
	dev := f.group("dev")
	f.trail.take()
	add := func(c project.Caller, r project.GroupRef) error {
		_, err := f.AddMember(ctx, c, team, project.NewMember{Group: &r, Role: store.RoleMaintainer})
		return err
	}
	f.ok("AddMember of a group", add(alice, project.GroupRef{Name: "DEV"}))
	f.recorded("AddMember of a group", "alice|member.create|project:team/member:group:DEV|allowed|projectAdmin")
	f.ok("AddMember of a source's", add(alice, project.GroupRef{Name: "Platform Team", Type: store.GroupOIDC}))
	f.recorded("AddMember of a source's", "alice|member.create|project:team/member:group:Platform Team|allowed|projectAdmin",
		"alice|group.create|group:sso:Platform Team|allowed|to be a member")
	f.kind("AddMember of it again", add(alice, project.GroupRef{Name: "Platform Team", Type: store.GroupOIDC}), errs.Conflict)
	f.kind("AddMember by one who may not", add(f.as("bob"), project.GroupRef{Name: "dev"}), errs.Denied)
	f.kind("AddMember by id", add(alice, project.GroupRef{ID: dev.ID}), errs.Invalid)
	if _, err := f.store.GroupByKey(ctx, "sso", "Platform Team"); err != nil {
		t.Errorf("GroupByKey of the recorded one = %v, want it", err)
	}

	// carol is nothing by herself.
	carol := f.inGroups("carol", dev)
	_, err := f.Project(ctx, f.as("carol"), team)
	f.kind("Project by carol without her group", err, errs.NotFound)
	_, err = f.Project(ctx, carol, team)
	f.ok("Project by carol", err)
	l, err := f.ListProjects(ctx, carol, project.Query{})
	if err != nil || l.Total != 2 {
		t.Errorf("ListProjects of carol = %+v, %v, want team and open", l, err)
	}
	roles, err := f.RolesIn(ctx, f.inGroups("bob", dev), f.ids["project:team"])
	if want := []store.MemberRole{{Role: store.RoleMaintainer}, {Role: store.RoleGuest}}; err != nil || !slices.Equal(roles, want) {
		t.Errorf("RolesIn of bob = %v, %v, want %v", roles, err, want)
	}
}

// TestLastAdminByGroup holds which groups stand for an administrator who is left.
func TestLastAdminByGroup(t *testing.T) {
	f := newFixture(t)
	f.Service = f.WithSources(provider(), nil)
	ctx := t.Context()
	team, alice := named("team"), f.as("alice")
	remove := func() error { return f.RemoveMember(ctx, alice, team, f.ids["team/alice"]) }
	empty := f.group("empty")
	add := func(r project.GroupRef) {
		_, err := f.AddMember(ctx, alice, team, project.NewMember{Group: &r, Role: store.RoleProjectAdmin})
		f.ok("AddMember", err)
	}
	add(project.GroupRef{Name: "empty"})
	f.kind("RemoveMember with an empty group left", remove(), errs.Precondition)
	f.ok("AddGroupMember", f.AddGroupMember(ctx, f.as("admin"), empty.ID, project.NewMember{UserName: "bob"}))
	f.ok("RemoveMember with bob's group left", remove())
	f.kind("RemoveMember of the last group", func() error {
		for m, err := range f.store.ListMembers(ctx, f.ids["project:team"], store.Filter{Role: store.RoleProjectAdmin}) {
			f.ok("ListMembers", err)
			return f.RemoveMember(ctx, f.inGroups("bob", empty), team, m.ID)
		}
		return errors.New("there is no administrator")
	}(), errs.Precondition)
}

// TestDirectoriesAreForAdministrators asks for a directory as others.
func TestDirectoriesAreForAdministrators(t *testing.T) {
	f := newFixture(t)
	asked := false
	f.Service = f.WithSources(nil, func(context.Context, project.LDAPSettings) error { asked = true; return nil })
	ctx := t.Context()
	for _, who := range []string{"alice", "helpdesk"} {
		_, err := f.PingLDAP(ctx, f.as(who), "", &project.LDAPSettings{URL: "ldaps://internal"})
		f.kind("PingLDAP by "+who, err, errs.Denied)
		_, err = f.SearchLDAPUsers(ctx, f.as(who), "", "a")
		f.kind("SearchLDAPUsers by "+who, err, errs.Denied)
		_, err = f.SearchLDAPGroups(ctx, f.as(who), "", "a", "")
		f.kind("SearchLDAPGroups by "+who, err, errs.Denied)
		f.kind("ImportLDAPUsers by "+who, f.ImportLDAPUsers(ctx, f.as(who), "", []string{"a"}), errs.Denied)
	}
	if asked {
		t.Error("a directory was asked for somebody who may not")
	}
	f.kind("ImportLDAPUsers without a directory", f.ImportLDAPUsers(ctx, f.as("admin"), "", []string{"a"}), errs.Invalid)
}
