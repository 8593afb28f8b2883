package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

func lockKeys() (account, address, pair store.LockKey) {
	return auth.NewLockKey(auth.LockAccount, "alice", ""), auth.NewLockKey(auth.LockAddress, "", "192.0.2.7"),
		auth.NewLockKey(auth.LockPair, "alice", "192.0.2.7")
}

// failing counts a failure that locks until a time.
func failing(t *testing.T, s store.Store, until, at time.Time, keys ...store.LockKey) {
	t.Helper()
	ok(t, "CountLoginFailure", s.CountLoginFailure(t.Context(), keys, func(f *store.LoginFailures) {
		f.Failures++
		f.Salt, f.Tags = []byte{0, 1, 0xff, '\''}, append(f.Tags, 0, byte(f.Failures&0xff))
		f.LockedUntil, f.LastAt = until, at
		if f.FirstAt.IsZero() {
			f.FirstAt = at
		}
	}))
}

func loginFailures(t *testing.T, s store.Store) {
	ctx := t.Context()
	account, address, pair := lockKeys()
	read := func() []store.LoginFailures {
		t.Helper()
		return must[[]store.LoginFailures](t, "LoginFailures")(s.LoginFailures(ctx, address, account, pair))
	}
	want := []store.LoginFailures{{LockKey: address}, {LockKey: account}, {LockKey: pair}}
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("LoginFailures of nobody (-want +got):\n%s", diff)
	}
	failing(t, s, time.Time{}, when(1), account, address)
	failing(t, s, when(9), when(2), account)
	want[0] = store.LoginFailures{LockKey: address, Failures: 1, Salt: []byte{0, 1, 0xff, '\''}, Tags: []byte{0, 1}, FirstAt: when(1), LastAt: when(1)}
	want[1] = store.LoginFailures{LockKey: account, Failures: 2, Salt: []byte{0, 1, 0xff, '\''}, Tags: []byte{0, 1, 0, 2}, FirstAt: when(1), LastAt: when(2), LockedUntil: when(9)}
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("LoginFailures after two (-want +got):\n%s", diff)
	}
	got := must[store.LoginFailures](t, "Lockout")(s.Lockout(ctx, account.ID))
	if diff := cmp.Diff(want[1], got); diff != "" {
		t.Errorf("Lockout differs (-want +got):\n%s", diff)
	}
	equal(t, "LoginFailures of no key", len(must[[]store.LoginFailures](t, "LoginFailures")(s.LoginFailures(ctx))), 0)
	kind(t, "CountLoginFailure without a key", s.CountLoginFailure(ctx, []store.LockKey{{}}, func(*store.LoginFailures) {}), errs.Invalid)
	ok(t, "DeleteLockout", s.DeleteLockout(ctx, account.ID))
	kind(t, "DeleteLockout again", s.DeleteLockout(ctx, account.ID), errs.NotFound)
	for _, id := range []string{account.ID, "", "\x00", "\xff", "'"} {
		_, err := s.Lockout(ctx, id)
		kind(t, fmt.Sprintf("Lockout(%q)", id), err, errs.NotFound)
		kind(t, fmt.Sprintf("DeleteLockout(%q)", id), s.DeleteLockout(ctx, id), errs.NotFound)
	}
}

func knownLogins(t *testing.T, s store.Store) {
	ctx := t.Context()
	_, _, pair := lockKeys()
	known := func(k store.LockKey) time.Time {
		t.Helper()
		return must[time.Time](t, "KnownLogin")(s.KnownLogin(ctx, k))
	}
	equal(t, "KnownLogin before any", known(pair), time.Time{})
	failing(t, s, when(9), when(0), pair)
	for _, minute := range []int{1, 7} {
		ok(t, "NoteLogin", s.NoteLogin(ctx, pair, when(minute)))
		equal(t, "KnownLogin", known(pair), when(minute))
	}
	equal(t, "failures of the pair after a login",
		must[[]store.LoginFailures](t, "LoginFailures")(s.LoginFailures(ctx, pair))[0].Failures, 0)

	at := func(i int) store.LockKey { return auth.NewLockKey(auth.LockPair, "bob", fmt.Sprint("198.51.100.", i)) }
	for i := range 258 {
		ok(t, "NoteLogin", s.NoteLogin(ctx, at(i), when(i)))
	}
	for i, want := range map[int]bool{0: false, 1: false, 2: true, 257: true} {
		equal(t, fmt.Sprint("address ", i, " of 258 is remembered"), !known(at(i)).IsZero(), want)
	}
	equal(t, "KnownLogin of another account", known(pair), when(7))
}

func lockoutLists(t *testing.T, s store.Store) {
	ctx := t.Context()
	account, address, pair := lockKeys()
	failing(t, s, when(10), when(0), account, pair)
	failing(t, s, when(20), when(0), address)
	for _, row := range []struct {
		now    time.Time
		filter store.Filter
		want   []store.LockKey
	}{
		{when(0), store.Filter{Sort: "-locked_until", Limit: 1}, []store.LockKey{address}},
		{when(9), store.Filter{Subject: "alice"}, []store.LockKey{account, pair}},
		{when(9), store.Filter{Exact: "192.0.2.7"}, []store.LockKey{address, pair}},
		{when(10), store.Filter{}, []store.LockKey{address}},
		{when(20), store.Filter{}, nil},
		{when(0), store.Filter{Subject: "al%"}, nil},
		{when(0), store.Filter{Subject: "\x00"}, nil},
	} {
		var got []string
		for _, f := range all(t, "ListLockouts", s.ListLockouts(ctx, row.now, row.filter)) {
			got = append(got, string(f.Kind))
		}
		var want []string
		for _, k := range row.want {
			want = append(want, string(k.Kind))
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("ListLockouts(%v, %+v) = %q, want %q", row.now, row.filter, got, want)
		}
	}
	equal(t, "CountLockouts", must[int](t, "CountLockouts")(s.CountLockouts(ctx, when(0), store.Filter{Limit: 1})), 3)
	kind(t, "ListLockouts by a secret", listError(s.ListLockouts(ctx, when(0), store.Filter{Sort: "tags"})), errs.Invalid)
}

func droppedLockouts(t *testing.T, s store.Store) {
	ctx := t.Context()
	key := func(i int) store.LockKey { return auth.NewLockKey(auth.LockAccount, fmt.Sprint("user", i), "") }
	for i := range 9 {
		for range 1 + i%3 {
			failing(t, s, time.Time{}, when(i), key(i))
		}
	}
	failing(t, s, when(30), when(0), key(9)) // locked for long
	_, _, pair := lockKeys()
	ok(t, "NoteLogin", s.NoteLogin(ctx, pair, when(3)))
	drop := func(before, known int, keep int) int {
		t.Helper()
		return must[int](t, "DropLoginFailures")(s.DropLoginFailures(ctx, when(before), when(known), keep))
	}
	equal(t, "DropLoginFailures before any is old", drop(-1, 2, 100), 0)
	equal(t, "DropLoginFailures of two and a known login", drop(1, 3, 100), 3)
	equal(t, "DropLoginFailures of too many", drop(1, 3, 4), 4)
	var left []int
	for i := range 10 {
		if must[[]store.LoginFailures](t, "LoginFailures")(s.LoginFailures(ctx, key(i)))[0].Failures > 0 {
			left = append(left, i)
		}
	}
	if !slices.Equal(left, []int{2, 5, 7, 8}) {
		t.Errorf("after DropLoginFailures %v are left, want 2 5 7 8: those with most failures, and of them the latest", left)
	}
}

// noLostFailure counts from many sides at once: each failure is one, also the first of all.
func noLostFailure(t *testing.T, s store.Store) {
	ctx := t.Context()
	account, address, pair := lockKeys()
	together(16, func(int) {
		for range 4 {
			ok(t, "CountLoginFailure", s.CountLoginFailure(ctx, []store.LockKey{account, address}, func(f *store.LoginFailures) { f.Failures++ }))
			ok(t, "NoteLogin", s.NoteLogin(ctx, pair, when(1)))
		}
	})
	for _, f := range must[[]store.LoginFailures](t, "LoginFailures")(s.LoginFailures(ctx, account, address)) {
		equal(t, "failures of the "+string(f.Kind)+" after 64 at once", f.Failures, 64)
	}
}
