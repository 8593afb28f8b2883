package project_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/clock"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/sqlstore"
)

// counted is a store that counts what the Directory asks, and can hold an answer up.
type counted struct {
	*sqlstore.Store
	asked atomic.Int64
	after func() // called when the project has been read, before the answer goes back
}

func (c *counted) ProjectByName(ctx context.Context, name string) (store.Project, error) {
	c.asked.Add(1)
	return c.Store.ProjectByName(ctx, name)
}

func (c *counted) MemberRoles(ctx context.Context, projectID, userID int64, groupIDs []int64) ([]store.MemberRole, error) {
	c.asked.Add(1)
	roles, err := c.Store.MemberRoles(ctx, projectID, userID, groupIDs)
	if c.after != nil {
		c.after()
	}
	return roles, err
}

type directoryFixture struct {
	t     testing.TB
	store *counted
	clock *clock.Manual
	dir   *project.Directory
}

func newDirectory(t testing.TB) *directoryFixture {
	f := &directoryFixture{t: t, store: &counted{Store: open(t)}, clock: clock.NewManual(time.Unix(1_900_000_000, 0))}
	f.dir = project.NewDirectory(f.store, f.clock)
	t.Cleanup(f.dir.Close)
	return f
}

func (f *directoryFixture) user(name string) auth.Subject {
	f.t.Helper()
	u, err := f.store.CreateUser(f.t.Context(), store.User{Name: name})
	if err != nil {
		f.t.Fatal(err)
	}
	return auth.Subject{Name: u.Name, ID: u.ID}
}

func (f *directoryFixture) project(name string, public bool) store.Project {
	f.t.Helper()
	p, err := f.store.CreateProject(f.t.Context(), store.Project{Name: name, Public: public})
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

func (f *directoryFixture) member(p store.Project, sub auth.Subject, role store.Role) store.Member {
	f.t.Helper()
	m, err := f.store.AddMember(f.t.Context(), store.Member{ProjectID: p.ID, UserID: sub.ID, Role: role})
	if err != nil {
		f.t.Fatal(err)
	}
	return m
}

// is asks twice, so that an answer from memory is the same as the one before it.
func (f *directoryFixture) is(sub auth.Subject, name string, want project.Standing) {
	f.t.Helper()
	for range 2 {
		got, err := f.dir.Standing(f.t.Context(), sub, name)
		if err != nil || got.Exists != want.Exists || got.Public != want.Public || !slices.Equal(got.Roles, want.Roles) {
			f.t.Errorf("Standing(%q, %q) = %+v, %v, want %+v", sub.Name, name, got, err, want)
		}
	}
}

var (
	nothing = project.Standing{}
	private = project.Standing{Exists: true}
	public  = project.Standing{Exists: true, Public: true}
)

func with(roles ...string) project.Standing {
	return project.Standing{Exists: true, Roles: roles}
}

func (f *directoryFixture) group(name string) store.Group {
	f.t.Helper()
	g, err := f.store.CreateGroup(f.t.Context(), store.Group{Name: name})
	if err != nil {
		f.t.Fatal(err)
	}
	return g
}

func (f *directoryFixture) groupMember(p store.Project, g store.Group, role store.Role) store.Member {
	f.t.Helper()
	m, err := f.store.AddMember(f.t.Context(), store.Member{ProjectID: p.ID, GroupID: g.ID, Role: role})
	if err != nil {
		f.t.Fatal(err)
	}
	return m
}

// in returns the subject as a member of the groups.
func in(sub auth.Subject, groups ...store.Group) auth.Subject {
	for _, g := range groups {
		sub.GroupIDs = append(sub.GroupIDs, g.ID)
	}
	return sub
}

// TestOrigins wants each role of a member named with where it comes from: the member list, or which group.
func TestOrigins(t *testing.T) {
	f := newDirectory(t)
	alice, dev, ops := f.user("alice"), f.group("dev"), f.group("ops")
	team := f.project("team", false)
	f.member(team, alice, store.RoleGuest)
	f.groupMember(team, dev, store.RoleDeveloper)
	for name, want := range map[string][]project.Origin{
		"team": {{Role: "guest", From: "member list"}, {Role: "developer", From: "group dev"}}, "gone": nil,
	} {
		got, err := f.dir.Origins(t.Context(), in(alice, dev, ops), name)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Origins(alice, %s) = %v, %v, want %v", name, got, err, want)
		}
	}
}

// TestStandingByGroups holds that roles add up, that an answer is for the groups that the subject has, and that a
// group's change counts with the very next call.
func TestStandingByGroups(t *testing.T) {
	f := newDirectory(t)
	ctx := t.Context()
	alice, stranger := f.user("alice"), auth.Subject{Name: "ci"}
	dev, ops := f.group("dev"), f.group("ops")
	team := f.project("team", false)
	f.is(in(alice, dev, ops), "team", private)
	m := f.groupMember(team, dev, store.RoleGuest)
	f.is(in(alice, dev, ops), "team", with("guest"))
	f.is(in(stranger, dev), "team", with("guest"))
	f.is(alice, "team", private)
	f.is(in(alice, ops), "team", private)
	f.groupMember(team, ops, store.RoleMaintainer)
	own := f.member(team, alice, store.RoleDeveloper)
	f.is(in(alice, dev, ops), "team", with("maintainer", "developer", "guest"))
	f.is(in(alice, dev), "team", with("developer", "guest"))
	f.is(in(stranger, dev, ops), "team", with("maintainer", "guest"))
	update(t, f, m, store.RoleMaintainer)
	f.is(in(alice, dev, ops), "team", with("maintainer", "developer"))
	if err := f.store.RemoveMember(ctx, team.ID, own.ID); err != nil {
		t.Fatal(err)
	}
	f.is(in(alice, dev, ops), "team", with("maintainer"))
	if err := f.store.RemoveMember(ctx, team.ID, m.ID); err != nil {
		t.Fatal(err)
	}
	f.is(in(alice, dev), "team", private)
	f.is(in(alice, ops), "team", with("maintainer"))
	if err := f.store.DeleteGroup(ctx, ops.ID); err != nil {
		t.Fatal(err)
	}
	f.is(in(alice, dev, ops), "team", private)
}

// TestGroupIsNotOvertaken takes a group's membership away while an answer that still has it is on its way.
func TestGroupIsNotOvertaken(t *testing.T) {
	f := newDirectory(t)
	dev := f.group("dev")
	alice := in(f.user("alice"), dev)
	team := f.project("team", false)
	f.groupMember(team, dev, store.RoleProjectAdmin)
	f.store.after = func() {
		f.store.after = nil
		if err := f.store.DeleteGroup(t.Context(), dev.ID); err != nil {
			t.Error(err)
		}
	}
	if _, err := f.dir.Standing(t.Context(), alice, "team"); err != nil {
		t.Fatal(err)
	}
	f.is(alice, "team", private)
}

// TestStanding changes everything that an answer rests on: the very next call knows.
func TestStanding(t *testing.T) {
	f := newDirectory(t)
	ctx := t.Context()
	alice, bob, nobody := f.user("alice"), f.user("bob"), auth.Subject{}
	stranger := auth.Subject{Name: "ldap-user"} // has no id in the store
	f.is(alice, "team", nothing)
	team := f.project("team", false)
	f.is(alice, "team", private)
	f.is(stranger, "team", private)
	m := f.member(team, alice, store.RoleGuest)
	f.is(alice, "team", with("guest"))
	f.is(bob, "team", private)
	f.is(nobody, "team", private)
	update(t, f, m, store.RoleMaintainer)
	f.is(alice, "team", with("maintainer"))
	setPublic(t, f, team, true)
	f.is(bob, "team", public)
	f.is(nobody, "team", public)
	f.is(alice, "team", project.Standing{Exists: true, Public: true, Roles: []string{"maintainer"}})
	setPublic(t, f, team, false)
	if err := f.store.RemoveMember(ctx, team.ID, m.ID); err != nil {
		t.Fatal(err)
	}
	f.is(alice, "team", private)

	f.member(team, bob, store.RoleProjectAdmin)
	f.is(bob, "team", with("projectAdmin"))
	if err := f.store.DeleteUser(ctx, bob.ID); err != nil {
		t.Fatal(err)
	}
	f.is(bob, "team", private)

	f.member(team, alice, store.RoleLimitedGuest)
	f.is(alice, "team", with("limitedGuest"))
	f.is(alice, "crew", nothing)
	rename(t, f, team, "crew")
	f.is(alice, "team", nothing)
	f.is(alice, "crew", with("limitedGuest"))
	if err := f.store.DeleteProject(ctx, team.ID); err != nil {
		t.Fatal(err)
	}
	f.is(alice, "crew", nothing)
	f.project("crew", false)
	f.is(alice, "crew", private) // a member of the old one only
}

func update(t *testing.T, f *directoryFixture, m store.Member, role store.Role) {
	t.Helper()
	_, err := f.store.UpdateMember(t.Context(), m.ProjectID, m.ID, func(m *store.Member) error { m.Role = role; return nil })
	if err != nil {
		t.Fatal(err)
	}
}

func setPublic(t *testing.T, f *directoryFixture, p store.Project, public bool) {
	t.Helper()
	_, err := f.store.UpdateProject(t.Context(), p.ID, func(p *store.Project) error { p.Public = public; return nil })
	if err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, f *directoryFixture, p store.Project, name string) {
	t.Helper()
	_, err := f.store.UpdateProject(t.Context(), p.ID, func(p *store.Project) error { p.Name = name; return nil })
	if err != nil {
		t.Fatal(err)
	}
}

// TestStandingIsRemembered counts what is asked of the store, for answers of every kind.
func TestStandingIsRemembered(t *testing.T) {
	f := newDirectory(t)
	alice, bob := f.user("alice"), f.user("bob")
	f.member(f.project("team", false), alice, store.RoleGuest)
	ask := func(what string, sub auth.Subject, name string, want int64) {
		t.Helper()
		before := f.store.asked.Load()
		for range 10 {
			if _, err := f.dir.Standing(t.Context(), sub, name); err != nil {
				t.Fatal(err)
			}
		}
		if got := f.store.asked.Load() - before; got != want {
			t.Errorf("10 calls about %s ask the store %d times, want %d", what, got, want)
		}
	}
	ask("a member", alice, "team", 2)
	ask("a stranger", bob, "team", 2)
	ask("somebody in a group", in(alice, f.group("dev")), "team", 2)
	ask("anonymous", auth.Subject{}, "team", 1)
	ask("no project", alice, "other", 1)
	for _, name := range []string{"", "Team", "a/b", "..", "a\x00b", string(make([]byte, 1000))} {
		ask(fmt.Sprintf("the impossible name %.20q", name), alice, name, 0)
	}
	f.clock.Advance(4 * time.Second)
	ask("a member four seconds later", alice, "team", 0)
	f.clock.Advance(2 * time.Second) // another process may have changed it
	ask("a member six seconds later", alice, "team", 2)
	f.user("carol")
	f.project("unrelated", false)
	ask("a member after something else changed", alice, "team", 0)
}

// TestStandingIsNotOvertaken takes a membership away while an answer that still has it is on its way.
func TestStandingIsNotOvertaken(t *testing.T) {
	f := newDirectory(t)
	alice := f.user("alice")
	team := f.project("team", false)
	m := f.member(team, alice, store.RoleProjectAdmin)
	f.store.after = func() {
		f.store.after = nil
		if err := f.store.RemoveMember(t.Context(), team.ID, m.ID); err != nil {
			t.Error(err)
		}
	}
	if _, err := f.dir.Standing(t.Context(), alice, "team"); err != nil {
		t.Fatal(err)
	}
	f.is(alice, "team", private)
}

// TestRevokedIsRefusedAtOnce gives and takes a membership while many others ask.
func TestRevokedIsRefusedAtOnce(t *testing.T) {
	f := newDirectory(t)
	ctx := t.Context()
	alice := f.user("alice")
	team := f.project("team", false)
	stop := make(chan struct{})
	var others sync.WaitGroup
	for range 2 {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					if _, err := f.dir.Standing(ctx, alice, "team"); err != nil {
						t.Errorf("Standing = %v", err)
						return
					}
				}
			}
		})
	}
	for range 40 {
		m := f.member(team, alice, store.RoleGuest)
		f.is(alice, "team", with("guest"))
		if err := f.store.RemoveMember(ctx, team.ID, m.ID); err != nil {
			t.Fatal(err)
		}
		f.is(alice, "team", private)
	}
	close(stop)
	others.Wait()
}

func TestStandingWithoutStore(t *testing.T) {
	f := newDirectory(t)
	alice := f.user("alice")
	f.project("team", true)
	_ = f.store.Close()
	if got, err := f.dir.Standing(t.Context(), alice, "team"); err == nil || got.Exists {
		t.Errorf("Standing with a closed store = %+v, %v, want an error", got, err)
	}
}

// BenchmarkStanding tells what an answer costs from memory and from the store, with few and with many records.
func BenchmarkStanding(b *testing.B) {
	for _, n := range []int{10, 3000} {
		f := newDirectory(b)
		var sub auth.Subject
		for i := range n {
			sub = f.user(fmt.Sprint("user", i))
			f.member(f.project(fmt.Sprint("project", i), false), sub, store.RoleDeveloper)
		}
		name := fmt.Sprint("project", n-1)
		b.Run(fmt.Sprintf("memory/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if s, err := f.dir.Standing(b.Context(), sub, name); err != nil || len(s.Roles) != 1 {
						b.Error(s, err)
					}
				}
			})
		})
		b.Run(fmt.Sprintf("store/%d", n), func(b *testing.B) {
			for b.Loop() {
				f.clock.Advance(time.Minute)
				if s, err := f.dir.Standing(b.Context(), sub, name); err != nil || len(s.Roles) != 1 {
					b.Fatal(s, err)
				}
			}
		})
	}
}
