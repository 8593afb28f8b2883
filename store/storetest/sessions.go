package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

func session(id string, u store.User) store.Session {
	return store.Session{
		ID: id, UserID: u.ID, Subject: u.Name, Source: "database", Method: "password", Pending: "second-factor", Remote: "192.0.2.1",
		UserAgent: "Lynx/2.9", CreatedAt: when(0), LastSeenAt: when(0), IdleExpiry: 90 * time.Minute, ExpiresAt: when(600),
	}
}

func sessions(t *testing.T, s store.Store) {
	ctx := t.Context()
	alice, bob := user(t, s, "alice"), user(t, s, "bob")
	want := session("one", alice)
	ok(t, "CreateSession", s.CreateSession(ctx, want))
	got := must[store.Session](t, "Session")(s.Session(ctx, "one"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Session differs from what was stored (-want +got):\n%s", diff)
	}
	kind(t, "CreateSession with a taken id", s.CreateSession(ctx, want), errs.Conflict)
	kind(t, "CreateSession with nothing", s.CreateSession(ctx, store.Session{}), errs.Invalid)
	kind(t, "CreateSession for nobody", s.CreateSession(ctx, session("lost", store.User{ID: 4711, Name: "gone"})), errs.NotFound)
	for _, id := range []string{"", "ONE", "one ", "\x00", "two"} {
		_, err := s.Session(ctx, id)
		kind(t, "Session of an unknown id", err, errs.NotFound)
		kind(t, "TouchSession of an unknown id", s.TouchSession(ctx, id, when(9)), errs.NotFound)
		kind(t, "DeleteSession of an unknown id", s.DeleteSession(ctx, id), errs.NotFound)
	}
	ok(t, "TouchSession", s.TouchSession(ctx, "one", when(5)))
	ok(t, "TouchSession with an earlier time", s.TouchSession(ctx, "one", when(3)))
	equal(t, "LastSeenAt", must[store.Session](t, "Session")(s.Session(ctx, "one")).LastSeenAt, when(5))

	for _, id := range []string{"two", "three"} {
		ok(t, "CreateSession", s.CreateSession(ctx, session(id, alice)))
	}
	ok(t, "CreateSession", s.CreateSession(ctx, session("bobs", bob)))
	equal(t, "DeleteSessionsOf", must[int](t, "DeleteSessionsOf")(s.DeleteSessionsOf(ctx, alice.ID, "two")), 2)
	if got := sessionIDs(t, s, store.Filter{}); !slices.Equal(got, []string{"two", "bobs"}) {
		t.Errorf("ListSessions() = %q, want two and bobs", got)
	}
	if got := sessionIDs(t, s, store.Filter{MemberID: alice.ID}); !slices.Equal(got, []string{"two"}) {
		t.Errorf("ListSessions(alice) = %q, want two", got)
	}
	ok(t, "DeleteSession", s.DeleteSession(ctx, "two"))
	ok(t, "DeleteUser", s.DeleteUser(ctx, bob.ID))
	if got := sessionIDs(t, s, store.Filter{}); got != nil {
		t.Errorf("ListSessions() at the end = %q, want none: a session ends with its user", got)
	}
}

// sessionsOfTheChanged holds that no session begins for a user that was changed since it was authenticated, and that
// the dead are forgotten.
func sessionsOfTheChanged(t *testing.T, s store.Store) {
	ctx := t.Context()
	alice := user(t, s, "alice")
	late := session("late", alice)
	late.UserAsOf = alice.UpdatedAt
	must[store.User](t, "UpdateUser")(s.UpdateUser(ctx, alice.ID, func(u *store.User) error { u.PasswordHash = "new"; return nil }))
	kind(t, "CreateSession for the user as it was", s.CreateSession(ctx, late), errs.Conflict)
	for id, change := range map[string]func(*store.Session){
		"alive":     func(*store.Session) {},
		"over":      func(x *store.Session) { x.ExpiresAt = when(59) },
		"forgotten": func(x *store.Session) { x.IdleExpiry = time.Hour },
	} {
		x := session(id, alice)
		change(&x)
		ok(t, "CreateSession", s.CreateSession(ctx, x))
		equal(t, id+" AliveAt(60)", x.AliveAt(when(60)), id == "alive")
	}
	equal(t, "DropExpiredTokens", must[int](t, "DropExpiredTokens")(s.DropExpiredTokens(ctx, when(60))), 2)
	if got := sessionIDs(t, s, store.Filter{}); !slices.Equal(got, []string{"alive"}) {
		t.Errorf("ListSessions() = %q, want alive", got)
	}
}

func sessionIDs(t *testing.T, s store.Store, f store.Filter) (ids []string) {
	t.Helper()
	for _, x := range all(t, "ListSessions", s.ListSessions(t.Context(), f)) {
		ids = append(ids, x.ID)
	}
	return ids
}
