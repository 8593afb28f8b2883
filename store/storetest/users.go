package storetest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

func users(t *testing.T, s store.Store) {
	ctx := t.Context()
	in := store.User{ //nolint:gosec // no credential
		ID: 4711, Name: "Alice", Email: "alice@example.com", RealName: "Alice Liddell", Comment: "rabbit hole",
		PasswordHash: "$argon2id$…", SysAdmin: true, CreatedAt: when(0), UpdatedAt: when(0),
	}
	before := time.Now().Add(-time.Minute)
	u := must[store.User](t, "CreateUser")(s.CreateUser(ctx, in))
	if u.ID == 0 || u.ID == 4711 || u.CreatedAt.Before(before) || !u.CreatedAt.Equal(u.UpdatedAt) || u.CreatedAt.Location() != time.UTC {
		t.Errorf("CreateUser = %+v, want an id and times of the store's own", u)
	}
	in.ID, in.CreatedAt, in.UpdatedAt = u.ID, u.CreatedAt, u.UpdatedAt
	equal(t, "CreateUser", u, in)
	equal(t, "User", must[store.User](t, "User")(s.User(ctx, u.ID)), u)
	equal(t, "UserByName", must[store.User](t, "UserByName")(s.UserByName(ctx, "Alice")), u)

	_, err := s.User(ctx, u.ID+1)
	kind(t, "User of an unknown id", err, errs.NotFound)
	_, err = s.UserByName(ctx, "bob")
	kind(t, "UserByName of an unknown name", err, errs.NotFound)
	_, err = s.CreateUser(ctx, store.User{})
	kind(t, "CreateUser without a name", err, errs.Invalid)
	_, err = s.CreateUser(ctx, store.User{Name: strings.Repeat("a", 256)})
	kind(t, "CreateUser with a name of 256 characters", err, errs.Invalid)
	if _, err = s.CreateUser(ctx, store.User{Name: strings.Repeat("é", 255)}); err != nil {
		t.Errorf("CreateUser with a name of 255 characters = %v, want no error", err)
	}
	equal(t, "CountUsers", must[int](t, "CountUsers")(s.CountUsers(ctx, store.Filter{})), 2)
}

func userNames(t *testing.T, s store.Store) {
	ctx := t.Context()
	u := user(t, s, "Ärger")
	for _, same := range []string{"Ärger", "ärger", "ÄRGER", "A\u0308rger"} {
		_, err := s.CreateUser(ctx, store.User{Name: same})
		kind(t, "CreateUser("+same+")", err, errs.Conflict)
		found, err := s.UserByName(ctx, same)
		ok(t, "UserByName("+same+")", err)
		equal(t, "UserByName("+same+").Name", found.Name, u.Name)
	}
	other := user(t, s, "Arger")
	_, err := s.UpdateUser(ctx, other.ID, func(u *store.User) error { u.Name = "ärger"; return nil })
	kind(t, "UpdateUser to a taken name", err, errs.Conflict)
	renamed, err := s.UpdateUser(ctx, u.ID, func(u *store.User) error { u.Name = "ÄRGER"; return nil })
	ok(t, "UpdateUser to another case of the same name", err)
	equal(t, "UpdateUser.Name", renamed.Name, "ÄRGER")
}

func userUpdates(t *testing.T, s store.Store) {
	ctx := t.Context()
	u := user(t, s, "alice")
	got, err := s.UpdateUser(ctx, u.ID, func(u *store.User) error {
		u.ID, u.CreatedAt, u.UpdatedAt = 99, when(0), when(0)
		u.Email, u.SysAdmin, u.PasswordHash = "a@example.com", true, "hash"
		return nil
	})
	ok(t, "UpdateUser", err)
	want := u
	want.Email, want.SysAdmin, want.PasswordHash, want.UpdatedAt = "a@example.com", true, "hash", got.UpdatedAt
	equal(t, "UpdateUser", got, want)
	if got.UpdatedAt.Before(u.UpdatedAt) {
		t.Errorf("UpdateUser.UpdatedAt = %v, want no earlier than %v", got.UpdatedAt, u.UpdatedAt)
	}
	equal(t, "User after UpdateUser", must[store.User](t, "User")(s.User(ctx, u.ID)), got)

	sentinel := errors.New("no")
	_, err = s.UpdateUser(ctx, u.ID, func(u *store.User) error { u.Email = "lost"; return sentinel })
	if !errors.Is(err, sentinel) {
		t.Errorf("UpdateUser with a failing function = %v, want its error", err)
	}
	equal(t, "User after a failed UpdateUser", must[store.User](t, "User")(s.User(ctx, u.ID)), got)

	_, err = s.UpdateUser(ctx, u.ID, func(u *store.User) error { u.Name = ""; return nil })
	kind(t, "UpdateUser to no name", err, errs.Invalid)
	_, err = s.UpdateUser(ctx, u.ID+1, func(*store.User) error {
		t.Error("UpdateUser of an unknown id calls its function")
		return nil
	})
	kind(t, "UpdateUser of an unknown id", err, errs.NotFound)
}

func lastSysAdmin(t *testing.T, s store.Store) {
	ctx := t.Context()
	first := must[store.User](t, "CreateUser")(s.CreateUser(ctx, store.User{Name: "first", SysAdmin: true}))
	user(t, s, "other")
	demote := func(u *store.User) error { u.SysAdmin = false; return nil }
	_, err := s.UpdateUser(ctx, first.ID, demote)
	kind(t, "UpdateUser that demotes the last system administrator", err, errs.Precondition)
	kind(t, "DeleteUser of the last system administrator", s.DeleteUser(ctx, first.ID), errs.Precondition)

	second := must[store.User](t, "CreateUser")(s.CreateUser(ctx, store.User{Name: "second", SysAdmin: true}))
	_, err = s.UpdateUser(ctx, first.ID, demote)
	ok(t, "UpdateUser that demotes one of two", err)
	ok(t, "DeleteUser of a former system administrator", s.DeleteUser(ctx, first.ID))
	kind(t, "DeleteUser of the one that is left", s.DeleteUser(ctx, second.ID), errs.Precondition)
}

func userDeletion(t *testing.T, s store.Store) {
	ctx := t.Context()
	alice, bob := user(t, s, "alice"), user(t, s, "bob")
	p := must[store.Project](t, "CreateProject")(s.CreateProject(ctx, store.Project{Name: "team", OwnerID: alice.ID}))
	equal(t, "Project.OwnerName", p.OwnerName, "alice")
	m := member(t, s, p, alice, store.RoleProjectAdmin)
	member(t, s, p, bob, store.RoleGuest)
	ok(t, "CreateRefreshToken", s.CreateRefreshToken(ctx, token("a", alice)))
	ok(t, "CreateRefreshToken", s.CreateRefreshToken(ctx, token("b", bob)))

	ok(t, "DeleteUser", s.DeleteUser(ctx, alice.ID))
	kind(t, "DeleteUser again", s.DeleteUser(ctx, alice.ID), errs.NotFound)
	_, err := s.UserByName(ctx, "alice")
	kind(t, "UserByName of a deleted user", err, errs.NotFound)
	_, err = s.Member(ctx, p.ID, m.ID)
	kind(t, "Member of a deleted user", err, errs.NotFound)
	_, err = s.MemberRole(ctx, p.ID, alice.ID)
	kind(t, "MemberRole of a deleted user", err, errs.NotFound)
	_, err = s.RefreshToken(ctx, "a")
	kind(t, "RefreshToken of a deleted user", err, errs.NotFound)
	_, err = s.RefreshToken(ctx, "b")
	ok(t, "RefreshToken of another user", err)
	equal(t, "CountMembers", must[int](t, "CountMembers")(s.CountMembers(ctx, p.ID, store.Filter{})), 1)
	p = must[store.Project](t, "Project")(s.Project(ctx, p.ID))
	equal(t, "Project.OwnerID after its owner is gone", p.OwnerID, 0)
	equal(t, "Project.OwnerName after its owner is gone", p.OwnerName, "")

	if again := user(t, s, "alice"); again.ID == alice.ID {
		t.Errorf("CreateUser gives the id %d of a deleted user again", again.ID)
	}
	kind(t, "CreateRefreshToken of a deleted user", s.CreateRefreshToken(ctx, token("c", alice)), errs.NotFound)
}
