package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

func group(t *testing.T, s store.Store, name string) store.Group {
	t.Helper()
	return must[store.Group](t, "CreateGroup("+name+")")(s.CreateGroup(t.Context(), store.Group{Name: name}))
}

func mapped(t *testing.T, s store.Store, source, key string) store.Group {
	t.Helper()
	g, err := s.CreateGroup(t.Context(), store.Group{Name: key, Type: store.GroupLDAP, Source: source, Key: key})
	return must[store.Group](t, "CreateGroup("+key+" of "+source+")")(g, err)
}

func groupMember(t *testing.T, s store.Store, p store.Project, g store.Group, role store.Role) store.Member {
	t.Helper()
	m, err := s.AddMember(t.Context(), store.Member{ProjectID: p.ID, GroupID: g.ID, Role: role})
	return must[store.Member](t, "AddMember("+p.Name+", "+g.Name+")")(m, err)
}

func groups(t *testing.T, s store.Store) {
	ctx := t.Context()
	dev := group(t, s, "Dev")
	equal(t, "CreateGroup", dev, store.Group{ID: dev.ID, Name: "Dev", Key: "dev", CreatedAt: dev.CreatedAt, UpdatedAt: dev.UpdatedAt})
	equal(t, "Group", must[store.Group](t, "Group")(s.Group(ctx, dev.ID)), dev)
	equal(t, "GroupByKey of one kept here", must[store.Group](t, "GroupByKey")(s.GroupByKey(ctx, "", "DEV")), dev)
	corp := mapped(t, s, "corp", "cn=Dev,dc=x")
	equal(t, "GroupByKey of a source", must[store.Group](t, "GroupByKey")(s.GroupByKey(ctx, "corp", "cn=Dev,dc=x")), corp)
	mapped(t, s, "other", "cn=Dev,dc=x")
	for what, key := range map[string][2]string{
		"another case": {"corp", "cn=dev,dc=x"}, "another source": {"none", "cn=Dev,dc=x"}, "a space": {"corp", "cn=Dev,dc=x "}, "nothing": {"corp", ""},
	} {
		_, err := s.GroupByKey(ctx, key[0], key[1])
		kind(t, "GroupByKey with "+what, err, errs.NotFound)
	}
	for what, row := range map[string]struct {
		group store.Group
		want  errs.Kind
	}{
		"a taken name":        {store.Group{Name: "DEV"}, errs.Conflict},
		"a taken key":         {store.Group{Name: "x", Type: store.GroupLDAP, Source: "corp", Key: "cn=Dev,dc=x"}, errs.Conflict},
		"no name":             {store.Group{}, errs.Invalid},
		"no key":              {store.Group{Name: "x", Type: store.GroupOIDC, Source: "sso"}, errs.Invalid},
		"no source":           {store.Group{Name: "x", Type: store.GroupOIDC, Key: "x"}, errs.Invalid},
		"a source but local":  {store.Group{Name: "x", Source: "sso", Key: "x"}, errs.Invalid},
		"an unknown type":     {store.Group{Name: "x", Type: 4, Source: "sso", Key: "x"}, errs.Invalid},
		"too long a name":     {store.Group{Name: strings.Repeat("x", 256)}, errs.Invalid},
		"too long a key":      {store.Group{Name: "x", Type: store.GroupOIDC, Source: "sso", Key: strings.Repeat("x", 601)}, errs.Invalid},
		"a NUL in the key":    {store.Group{Name: "x", Type: store.GroupOIDC, Source: "sso", Key: "x\x00"}, errs.Invalid},
		"a NUL in the source": {store.Group{Name: "x", Type: store.GroupOIDC, Source: "s\x00", Key: "x"}, errs.Invalid},
	} {
		_, err := s.CreateGroup(ctx, row.group)
		kind(t, "CreateGroup with "+what, err, row.want)
	}
	long := strings.Repeat("日", 600)
	equal(t, "GroupByKey of a long key", must[store.Group](t, "GroupByKey")(s.GroupByKey(ctx, "corp", longKey(t, s, long).Key)).Key, long)
	_, err := s.Group(ctx, 999)
	kind(t, "Group of an unknown id", err, errs.NotFound)
}

// longKey makes a group whose key is too long for a name.
func longKey(t *testing.T, s store.Store, key string) store.Group {
	t.Helper()
	g, err := s.CreateGroup(t.Context(), store.Group{Name: "long", Type: store.GroupLDAP, Source: "corp", Key: key})
	return must[store.Group](t, "CreateGroup")(g, err)
}

func groupUpdates(t *testing.T, s store.Store) {
	ctx := t.Context()
	dev, corp := group(t, s, "dev"), mapped(t, s, "corp", "k")
	group(t, s, "ops")
	rename := func(g store.Group, name string) (store.Group, error) {
		return s.UpdateGroup(ctx, g.ID, func(g *store.Group) error {
			g.ID, g.Type, g.Source, g.Key, g.Name = 99, store.GroupOIDC, "evil", "evil", name
			return nil
		})
	}
	got := must[store.Group](t, "UpdateGroup")(rename(dev, "Crew"))
	equal(t, "UpdateGroup of one kept here", got, store.Group{ID: dev.ID, Name: "Crew", Key: "crew", CreatedAt: dev.CreatedAt, UpdatedAt: got.UpdatedAt})
	equal(t, "GroupByKey of the new name", must[store.Group](t, "GroupByKey")(s.GroupByKey(ctx, "", "crew")), got)
	_, err := s.GroupByKey(ctx, "", "dev")
	kind(t, "GroupByKey of the old name", err, errs.NotFound)
	other := must[store.Group](t, "UpdateGroup")(rename(corp, "ops"))
	equal(t, "UpdateGroup of a source's", other, store.Group{
		ID: corp.ID, Name: "ops", Type: store.GroupLDAP, Source: "corp", Key: "k", CreatedAt: corp.CreatedAt, UpdatedAt: other.UpdatedAt,
	})
	_, err = rename(dev, "OPS")
	kind(t, "UpdateGroup to a taken name", err, errs.Conflict)
	_, err = rename(dev, "")
	kind(t, "UpdateGroup to no name", err, errs.Invalid)
	_, err = rename(store.Group{ID: 999}, "x")
	kind(t, "UpdateGroup of an unknown one", err, errs.NotFound)
	no := errors.New("no")
	if _, err := s.UpdateGroup(ctx, dev.ID, func(*store.Group) error { return no }); !errors.Is(err, no) {
		t.Errorf("UpdateGroup with a failing function = %v, want its error", err)
	}
	equal(t, "Group after failed updates", must[store.Group](t, "Group")(s.Group(ctx, dev.ID)), got)
}

func groupLists(t *testing.T, s store.Store) {
	ctx := t.Context()
	for i := range 30 {
		group(t, s, fmt.Sprintf("g%02d", (i*7)%30))
		mapped(t, s, "corp", fmt.Sprintf("cn=g%02d", i))
	}
	list := func(f store.Filter) []store.Group { return all(t, "ListGroups", s.ListGroups(ctx, f)) }
	for _, sort := range []string{"", "-id", "name", "-name", "creation_time"} {
		pages(t, list, func(g store.Group) int64 { return g.ID }, store.Filter{Sort: sort}, 7)
	}
	equal(t, "ListGroups by name: the first", list(store.Filter{Sort: "name"})[0].Name, "cn=g00")
	equal(t, "ListGroups with a name", len(list(store.Filter{Name: "G0"})), 20)
	equal(t, "ListGroups with exactly a name", len(list(store.Filter{Exact: "G07"})), 1)
	equal(t, "ListGroups with a key", len(list(store.Filter{Key: "cn=g07"})), 1)
	equal(t, "ListGroups with LIKE's characters", len(list(store.Filter{Name: "g_"})), 0)
	equal(t, "CountGroups", must[int](t, "CountGroups")(s.CountGroups(ctx, store.Filter{Name: "cn=", Limit: 3})), 30)
	kind(t, "ListGroups with a bad order", listError(s.ListGroups(ctx, store.Filter{Sort: "group_key"})), errs.Invalid)
	kind(t, "ListGroupMembers with a bad order", listError(s.ListGroupMembers(ctx, 1, store.Filter{Sort: "password_hash"})), errs.Invalid)
}

func groupMembers(t *testing.T, s store.Store) {
	ctx := t.Context()
	dev, corp, alice, bob := group(t, s, "dev"), mapped(t, s, "corp", "k"), user(t, s, "alice"), user(t, s, "bob")
	user(t, s, "carol")
	ok(t, "AddGroupMember", s.AddGroupMember(ctx, dev.ID, bob.ID))
	ok(t, "AddGroupMember", s.AddGroupMember(ctx, dev.ID, alice.ID))
	kind(t, "AddGroupMember again", s.AddGroupMember(ctx, dev.ID, alice.ID), errs.Conflict)
	kind(t, "AddGroupMember to no group", s.AddGroupMember(ctx, 999, alice.ID), errs.NotFound)
	kind(t, "AddGroupMember of no user", s.AddGroupMember(ctx, dev.ID, 999), errs.NotFound)
	kind(t, "AddGroupMember to a source's group", s.AddGroupMember(ctx, corp.ID, alice.ID), errs.Invalid)
	kind(t, "RemoveGroupMember of a source's group", s.RemoveGroupMember(ctx, corp.ID, alice.ID), errs.Invalid)
	got := all(t, "ListGroupMembers", s.ListGroupMembers(ctx, dev.ID, store.Filter{Sort: "name"}))
	if len(got) != 2 || got[0] != alice || got[1] != bob {
		t.Errorf("ListGroupMembers = %v, want alice and bob", got)
	}
	equal(t, "ListGroupMembers with a name", len(all(t, "ListGroupMembers", s.ListGroupMembers(ctx, dev.ID, store.Filter{Name: "li"}))), 1)
	equal(t, "CountGroupMembers", must[int](t, "CountGroupMembers")(s.CountGroupMembers(ctx, dev.ID, store.Filter{})), 2)
	ok(t, "RemoveGroupMember", s.RemoveGroupMember(ctx, dev.ID, alice.ID))
	kind(t, "RemoveGroupMember again", s.RemoveGroupMember(ctx, dev.ID, alice.ID), errs.NotFound)
	ok(t, "DeleteUser", s.DeleteUser(ctx, bob.ID))
	equal(t, "CountGroupMembers after DeleteUser", must[int](t, "CountGroupMembers")(s.CountGroupMembers(ctx, dev.ID, store.Filter{})), 0)
}

// groupIDs asks for the groups of subjects, with keys that are hostile, many, or another source's.
func groupIDs(t *testing.T, s store.Store) {
	ctx := t.Context()
	alice := user(t, s, "alice")
	a := mapped(t, s, "corp", "cn=a")
	dev, ops := group(t, s, "dev"), group(t, s, "ops")
	b, quote := mapped(t, s, "corp", "cn=b"), mapped(t, s, "corp", `o'"\%?$1`)
	mapped(t, s, "other", "cn=a")
	ok(t, "AddGroupMember", s.AddGroupMember(ctx, ops.ID, alice.ID))
	ok(t, "AddGroupMember", s.AddGroupMember(ctx, dev.ID, alice.ID))
	many := []string{"cn=b"}
	for i := range 1200 {
		many = append(many, fmt.Sprint("cn=unknown", i))
	}
	for _, row := range []struct {
		name   string
		userID int64
		source string
		keys   []string
		want   []int64
	}{
		{"a user of the database", alice.ID, "", nil, []int64{dev.ID, ops.ID}},
		{"both kinds", alice.ID, "corp", []string{"cn=b", "cn=a", "cn=none"}, []int64{a.ID, dev.ID, ops.ID, b.ID}},
		{"keys without a source", alice.ID, "", []string{"cn=a", "dev"}, []int64{dev.ID, ops.ID}},
		{"nobody here", 0, "corp", []string{"cn=a", "cn=a"}, []int64{a.ID}},
		{"nobody at all", 0, "", []string{""}, nil},
		{"another case", 0, "corp", []string{"CN=A", "cn=a "}, nil},
		{"hostile keys", 0, "corp", []string{`o'"\%?$1`, "x\x00", "\xff", "%", "') OR 1=1 --"}, []int64{quote.ID}},
		{"many keys", 0, "corp", append(many, "cn=a"), []int64{a.ID, b.ID}},
		{"another source", alice.ID + 1, "none", []string{"cn=a"}, nil},
	} {
		got, err := s.UserGroups(ctx, row.userID, row.source, row.keys)
		if err != nil || !slices.Equal(got.IDs, row.want) {
			t.Errorf("UserGroups of %s = %v, %v, want %v", row.name, got, err, row.want)
		}
		if local := slices.Equal(got.Local, []string{dev.Name, ops.Name}); local != (row.userID == alice.ID) {
			t.Errorf("UserGroups of %s names the groups %q kept here, want those of alice alone", row.name, got.Local)
		}
	}
}

// groupsAsMembers holds what groups are in projects: roles add up, lists know them, deletions take them along.
func groupsAsMembers(t *testing.T, s store.Store) {
	ctx := t.Context()
	alice, dev, corp, p, other := user(t, s, "alice"), group(t, s, "Dev"), mapped(t, s, "corp", "k"), project(t, s, "team"), project(t, s, "other")
	m := groupMember(t, s, p, dev, store.RoleGuest)
	equal(t, "AddMember", m, store.Member{
		ID: m.ID, ProjectID: p.ID, ProjectName: "team", GroupID: dev.ID, GroupName: "Dev", Role: store.RoleGuest, CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
	})
	equal(t, "Member", must[store.Member](t, "Member")(s.Member(ctx, p.ID, m.ID)), m)
	add := func(m store.Member) error { _, err := s.AddMember(ctx, m); return err }
	kind(t, "AddMember again", add(store.Member{ProjectID: p.ID, GroupID: dev.ID, Role: store.RoleMaintainer}), errs.Conflict)
	kind(t, "AddMember of no group", add(store.Member{ProjectID: p.ID, GroupID: 999, Role: store.RoleGuest}), errs.NotFound)
	kind(t, "AddMember of both", add(store.Member{ProjectID: p.ID, GroupID: corp.ID, UserID: alice.ID, Role: store.RoleGuest}), errs.Invalid)
	groupMember(t, s, p, corp, store.RoleProjectAdmin)
	groupMember(t, s, other, corp, store.RoleMaintainer)
	member(t, s, p, alice, store.RoleGuest)

	roles := func(what string, userID int64, groupIDs []int64, want ...store.Role) {
		t.Helper()
		found, err := s.MemberRoles(ctx, p.ID, userID, groupIDs)
		var got []store.Role
		for _, r := range found {
			got = append(got, r.Role)
			equal(t, "MemberRoles of "+what, r, store.MemberRole{Role: r.Role})
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("MemberRoles of %s = %v, %v, want %v", what, got, err, want)
		}
	}
	roles("a user", alice.ID, nil, store.RoleGuest)
	roles("nobody", 0, nil)
	roles("a stranger", alice.ID+1, []int64{999})
	roles("a group", 0, []int64{dev.ID}, store.RoleGuest)
	roles("a user in groups", alice.ID, []int64{dev.ID, corp.ID}, store.RoleProjectAdmin, store.RoleGuest)

	var names []string
	for _, m := range all(t, "ListMembers", s.ListMembers(ctx, p.ID, store.Filter{Sort: "-name"})) {
		names = append(names, m.Name())
	}
	if want := []string{"k", "Dev", "alice"}; !slices.Equal(names, want) {
		t.Errorf("ListMembers by falling name = %q, want %q", names, want)
	}
	list := func(f store.Filter) []store.Member { return all(t, "ListMembers", s.ListMembers(ctx, p.ID, f)) }
	pages(t, list, func(m store.Member) int64 { return m.ID }, store.Filter{Sort: "name"}, 1)
	equal(t, "ListMembers with a name", len(list(store.Filter{Name: "DE"})), 1)
	equal(t, "ListMembers with exactly a name", len(list(store.Filter{Exact: "dev"})), 1)
	equal(t, "ListMembers with a role", len(list(store.Filter{Role: store.RoleGuest})), 2)

	changed, err := s.UpdateMember(ctx, p.ID, m.ID, func(m *store.Member) error { m.Role, m.GroupID, m.UserID = store.RoleDeveloper, corp.ID, 1; return nil })
	ok(t, "UpdateMember", err)
	equal(t, "UpdateMember: GroupID", changed.GroupID, dev.ID)
	roles("a group with another role", 0, []int64{dev.ID}, store.RoleDeveloper)

	visible := func(f store.Filter) int { return must[int](t, "CountProjects")(s.CountProjects(ctx, f)) }
	private := false
	equal(t, "CountProjects of a user", visible(store.Filter{MemberID: alice.ID}), 1)
	equal(t, "CountProjects of a user in a group", visible(store.Filter{MemberID: alice.ID, GroupIDs: []int64{corp.ID, dev.ID}}), 2)
	equal(t, "CountProjects of private ones", visible(store.Filter{MemberID: alice.ID, GroupIDs: []int64{corp.ID}, Public: &private}), 2)
	equal(t, "CountProjects of another group", visible(store.Filter{MemberID: alice.ID + 1, GroupIDs: []int64{999}}), 0)

	ok(t, "DeleteGroup", s.DeleteGroup(ctx, corp.ID))
	kind(t, "DeleteGroup again", s.DeleteGroup(ctx, corp.ID), errs.NotFound)
	roles("a deleted group", 0, []int64{corp.ID})
	equal(t, "CountMembers after DeleteGroup", must[int](t, "CountMembers")(s.CountMembers(ctx, p.ID, store.Filter{})), 2)
	equal(t, "CountMembers elsewhere after DeleteGroup", must[int](t, "CountMembers")(s.CountMembers(ctx, other.ID, store.Filter{})), 0)
	ok(t, "RemoveMember", s.RemoveMember(ctx, p.ID, m.ID))
	roles("a removed group", alice.ID, []int64{dev.ID}, store.RoleGuest)
	again := group(t, s, "corp")
	if again.ID <= corp.ID {
		t.Errorf("a new group has the id %d of one that is gone, want a higher one than %d", again.ID, corp.ID)
	}
	p2, err := s.CreateProject(ctx, store.Project{Name: "third"}, store.Member{GroupID: dev.ID, Role: store.RoleGuest})
	ok(t, "CreateProject with a group", err)
	ok(t, "DeleteProject", s.DeleteProject(ctx, p2.ID))
	equal(t, "Group after DeleteProject", must[store.Group](t, "Group")(s.Group(ctx, dev.ID)), dev)
}

func hostileGroups(t *testing.T, s store.Store) {
	ctx := t.Context()
	names := []string{`o'brien`, `"quoted"`, `100%`, `under_score`, `back\slash`, `'; DROP TABLE user_groups; --`, `?`, `$1`, `日本語`, `ß`, "a ", "a", "emoji🚢", "{}"}
	for _, name := range names {
		group(t, s, name)
		mapped(t, s, "corp", name)
	}
	for _, name := range names {
		for _, source := range []string{"", "corp"} {
			g, err := s.GroupByKey(ctx, source, name)
			if err != nil || g.Name != name || g.Source != source {
				t.Errorf("GroupByKey(%q, %q) = %+v, %v, want that group", source, name, g, err)
			}
		}
		equal(t, "ListGroups(Exact: "+name+")", len(all(t, "ListGroups", s.ListGroups(ctx, store.Filter{Exact: name}))), 2)
	}
	for _, bad := range []string{"x\x00", "\xff"} {
		_, err := s.CreateGroup(ctx, store.Group{Name: bad})
		kind(t, "CreateGroup", err, errs.Invalid)
		_, err = s.GroupByKey(ctx, bad, "a")
		kind(t, "GroupByKey of a bad source", err, errs.NotFound)
		_, err = s.GroupByKey(ctx, "", bad)
		kind(t, "GroupByKey of a bad key", err, errs.NotFound)
		for _, f := range []store.Filter{{Name: bad}, {Exact: bad}, {Key: bad}} {
			equal(t, "ListGroups", len(all(t, "ListGroups", s.ListGroups(ctx, f))), 0)
		}
	}
}

func groupChanges(t *testing.T, s store.Store) {
	ctx := t.Context()
	alice, p := user(t, s, "alice"), project(t, s, "team")
	var e ear
	defer s.Subscribe(e.hear)()
	expect := func(what string, want ...store.Change) {
		t.Helper()
		if got := e.take(); !slices.Equal(got, want) {
			t.Errorf("changes after %s = %+v, want %+v", what, got, want)
		}
	}
	dev := group(t, s, "dev")
	change := store.Change{Kind: store.GroupChanged, GroupID: dev.ID, GroupKey: "dev"}
	expect("CreateGroup", change)
	joined := change
	joined.UserID = alice.ID
	ok(t, "AddGroupMember", s.AddGroupMember(ctx, dev.ID, alice.ID))
	expect("AddGroupMember", joined)
	_ = s.AddGroupMember(ctx, dev.ID, alice.ID)
	_ = s.RemoveGroupMember(ctx, dev.ID, 999)
	_, _ = s.UpdateGroup(ctx, dev.ID, func(*store.Group) error { return nil })
	_, _ = s.CreateGroup(ctx, store.Group{Name: "DEV"})
	expect("nothing")
	m := groupMember(t, s, p, dev, store.RoleGuest)
	expect("AddMember", store.Change{Kind: store.MemberChanged, GroupID: dev.ID, ProjectID: p.ID, Project: "team"})
	ok(t, "RemoveMember", s.RemoveMember(ctx, p.ID, m.ID))
	expect("RemoveMember", store.Change{Kind: store.MemberChanged, GroupID: dev.ID, ProjectID: p.ID, Project: "team"})
	ok(t, "RemoveGroupMember", s.RemoveGroupMember(ctx, dev.ID, alice.ID))
	expect("RemoveGroupMember", joined)
	_, err := s.UpdateGroup(ctx, dev.ID, func(g *store.Group) error { g.Name = "ops"; return nil })
	ok(t, "UpdateGroup", err)
	expect("UpdateGroup", change, store.Change{Kind: store.GroupChanged, GroupID: dev.ID, GroupKey: "ops"})
	corp := mapped(t, s, "corp", "k")
	expect("CreateGroup of a source's", store.Change{Kind: store.GroupChanged, GroupID: corp.ID, Source: "corp", GroupKey: "k"})
	ok(t, "DeleteGroup", s.DeleteGroup(ctx, corp.ID))
	expect("DeleteGroup", store.Change{Kind: store.GroupChanged, GroupID: corp.ID, Source: "corp", GroupKey: "k"})
}

// groupRaces lets many make the same group, join it, and delete it while others join.
func groupRaces(t *testing.T, s store.Store) {
	ctx := t.Context()
	p := project(t, s, "team")
	users := make([]store.User, 12)
	for i := range users {
		users[i] = user(t, s, fmt.Sprint("u", i))
	}
	var won atomic.Int32
	together(12, func(i int) {
		if _, err := s.CreateGroup(ctx, store.Group{Name: []string{"Dev", "dev"}[i%2]}); err == nil {
			won.Add(1)
		} else {
			kind(t, "CreateGroup of the same name", err, errs.Conflict)
		}
	})
	equal(t, "CreateGroup of the same name: winners", won.Load(), 1)
	dev := must[store.Group](t, "GroupByKey")(s.GroupByKey(ctx, "", "dev"))
	together(12, func(i int) { ok(t, "AddGroupMember", s.AddGroupMember(ctx, dev.ID, users[i].ID)) })
	equal(t, "CountGroupMembers", must[int](t, "CountGroupMembers")(s.CountGroupMembers(ctx, dev.ID, store.Filter{})), 12)
	groupMember(t, s, p, dev, store.RoleGuest)
	together(12, func(i int) {
		var err error
		switch i % 3 {
		case 0:
			err = s.DeleteGroup(ctx, dev.ID)
		case 1:
			err = s.RemoveGroupMember(ctx, dev.ID, users[i].ID)
		default:
			_, err = s.AddMember(ctx, store.Member{ProjectID: p.ID, GroupID: dev.ID, Role: store.RoleGuest})
			if errs.Is(err, errs.Conflict) {
				err = nil
			}
		}
		if err != nil {
			kind(t, "what comes after DeleteGroup", err, errs.NotFound)
		}
	})
	equal(t, "CountMembers after DeleteGroup", must[int](t, "CountMembers")(s.CountMembers(ctx, p.ID, store.Filter{})), 0)
	for _, u := range users {
		if groups := must[store.UserGroups](t, "UserGroups")(s.UserGroups(ctx, u.ID, "", nil)); len(groups.IDs)+len(groups.Local) != 0 {
			t.Errorf("UserGroups after DeleteGroup = %v, want none", groups)
		}
	}
}
