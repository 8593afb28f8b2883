package storetest

import (
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealock/sealock/store"
)

// ear remembers the changes that it hears of.
type ear struct {
	mu    sync.Mutex
	heard []store.Change
}

func (e *ear) hear(c store.Change) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = append(e.heard, c)
}

// take returns what was heard since the last time.
func (e *ear) take() []store.Change {
	e.mu.Lock()
	defer e.mu.Unlock()
	heard := e.heard
	e.heard = nil
	return heard
}

func subscribers(t *testing.T, s store.Store) {
	ctx := t.Context()
	var e, other ear
	cancel := s.Subscribe(e.hear)
	defer s.Subscribe(other.hear)()
	expect := func(what string, want ...store.Change) {
		t.Helper()
		got := e.take()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("changes after %s (-want +got):\n%s", what, diff)
		}
		if diff := cmp.Diff(got, other.take()); diff != "" {
			t.Errorf("the second subscriber heard something else after %s:\n%s", what, diff)
		}
	}
	u := user(t, s, "alice")
	expect("CreateUser", store.Change{Kind: store.UserChanged, UserID: u.ID, User: "alice"})
	_, err := s.UpdateUser(ctx, u.ID, func(u *store.User) error { u.PasswordHash = "new"; return nil })
	ok(t, "UpdateUser", err)
	expect("UpdateUser", store.Change{Kind: store.UserChanged, UserID: u.ID, User: "alice"})
	_, err = s.UpdateUser(ctx, u.ID, func(u *store.User) error { u.Name = "bob"; return nil })
	ok(t, "UpdateUser", err)
	expect("a rename", store.Change{Kind: store.UserChanged, UserID: u.ID, User: "alice"}, store.Change{Kind: store.UserChanged, UserID: u.ID, User: "bob"})

	p := project(t, s, "team")
	expect("CreateProject", store.Change{Kind: store.ProjectChanged, ProjectID: p.ID, Project: "team"})
	_, err = s.UpdateProject(ctx, p.ID, func(p *store.Project) error { p.Name = "crew"; return nil })
	ok(t, "UpdateProject", err)
	expect("a rename", store.Change{Kind: store.ProjectChanged, ProjectID: p.ID, Project: "team"}, store.Change{Kind: store.ProjectChanged, ProjectID: p.ID, Project: "crew"})

	m := member(t, s, p, u, store.RoleGuest)
	change := store.Change{Kind: store.MemberChanged, UserID: u.ID, ProjectID: p.ID, Project: "crew"}
	expect("AddMember", change)
	_, err = s.UpdateMember(ctx, p.ID, m.ID, func(m *store.Member) error { m.Role = store.RoleDeveloper; return nil })
	ok(t, "UpdateMember", err)
	expect("UpdateMember", change)
	ok(t, "RemoveMember", s.RemoveMember(ctx, p.ID, m.ID))
	expect("RemoveMember", change)
	ok(t, "DeleteProject", s.DeleteProject(ctx, p.ID))
	expect("DeleteProject", store.Change{Kind: store.ProjectChanged, ProjectID: p.ID, Project: "crew"})
	ok(t, "DeleteUser", s.DeleteUser(ctx, u.ID))
	expect("DeleteUser", store.Change{Kind: store.UserChanged, UserID: u.ID, User: "bob"})

	cancel()
	cancel() // twice is no error
	user(t, s, "carol")
	if got := e.take(); len(got) != 0 {
		t.Errorf("changes after cancel = %v, want none", got)
	}
}

// silence holds that what did not happen is not told, and that a change is there when it is told.
func silence(t *testing.T, s store.Store) {
	ctx := t.Context()
	u, p := user(t, s, "alice"), project(t, s, "team")
	m := member(t, s, p, u, store.RoleGuest)
	var e ear
	defer s.Subscribe(e.hear)()
	no := errors.New("no")
	_, _ = s.UpdateUser(ctx, u.ID, func(u *store.User) error { u.Name = "x"; return no })
	_, _ = s.UpdateProject(ctx, p.ID, func(p *store.Project) error { p.Name = "x"; return no })
	_, _ = s.UpdateMember(ctx, p.ID, m.ID, func(m *store.Member) error { m.Role = store.RoleDeveloper; return no })
	_, _ = s.CreateUser(ctx, store.User{Name: "ALICE"})
	_, _ = s.CreateProject(ctx, store.Project{Name: "team"})
	_, _ = s.AddMember(ctx, store.Member{ProjectID: p.ID, UserID: u.ID, Role: store.RoleGuest})
	_ = s.DeleteUser(ctx, 99)
	_ = s.DeleteProject(ctx, 99)
	_ = s.RemoveMember(ctx, p.ID, 99)
	_, _ = s.UpdateUser(ctx, u.ID, func(*store.User) error { return nil })
	_, _ = s.UpdateProject(ctx, p.ID, func(*store.Project) error { return nil })
	_, _ = s.UpdateMember(ctx, p.ID, m.ID, func(*store.Member) error { return nil })
	if got := e.take(); len(got) != 0 {
		t.Errorf("changes after nothing changed = %v, want none", got)
	}
}
