package storetest

import (
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// factor changes the second factor of a user.
func factor(t *testing.T, s store.Store, u store.User, fn func(f *store.SecondFactor)) store.SecondFactor {
	t.Helper()
	return must[store.SecondFactor](t, "UpdateSecondFactor")(s.UpdateSecondFactor(t.Context(), u.ID, func(f *store.SecondFactor) error {
		fn(f)
		return nil
	}))
}

func passkey(id string) store.Passkey {
	return store.Passkey{Credential: []byte(id), Name: "Schlüssel '1'", Record: `{"id":"x"}`, CreatedAt: when(1), LastUsedAt: when(1)}
}

func secondFactors(t *testing.T, s store.Store) {
	ctx := t.Context()
	alice, bob := user(t, s, "alice"), user(t, s, "bob")
	get := func(u store.User) store.SecondFactor {
		t.Helper()
		return must[store.SecondFactor](t, "SecondFactor")(s.SecondFactor(ctx, u.ID))
	}
	same := func(what string, got, want store.SecondFactor) {
		t.Helper()
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(store.Passkey{}, "ID")); diff != "" {
			t.Errorf("the second factor %s (-want +got):\n%s", what, diff)
		}
	}
	same("of somebody without one", get(alice), store.SecondFactor{})
	_, err := s.UpdateSecondFactor(ctx, 1<<40, func(*store.SecondFactor) error { return nil })
	kind(t, "UpdateSecondFactor of nobody", err, errs.NotFound)

	want := store.SecondFactor{
		TOTP:          store.TOTP{Secret: "v1.sealed", Since: when(2), Step: 1 << 40},
		Passkeys:      []store.Passkey{passkey("\x00\xff'"), passkey("two")},
		RecoveryCodes: []string{"aa", "bb"}, Failures: 3, FailedAt: when(3),
	}
	same("as stored", factor(t, s, alice, func(f *store.SecondFactor) { *f = want }), want)
	same("as read", get(alice), want)
	same("of another", get(bob), store.SecondFactor{})

	_, err = s.UpdateSecondFactor(ctx, bob.ID, func(f *store.SecondFactor) error {
		f.Passkeys = append(f.Passkeys, passkey("two"))
		return nil
	})
	kind(t, "UpdateSecondFactor with a passkey of another", err, errs.Conflict)
	_, err = s.UpdateSecondFactor(ctx, bob.ID, func(f *store.SecondFactor) error {
		f.Passkeys = append(f.Passkeys, get(alice).Passkeys[0])
		return nil
	})
	kind(t, "UpdateSecondFactor with the number of another's passkey", err, errs.NotFound)
	_, err = s.UpdateSecondFactor(ctx, bob.ID, func(f *store.SecondFactor) error {
		f.Passkeys = append(f.Passkeys, store.Passkey{Name: "empty"})
		return nil
	})
	kind(t, "UpdateSecondFactor with an empty passkey", err, errs.Invalid)
	same("after a refusal", get(bob), store.SecondFactor{})

	second := get(alice).Passkeys[1]
	factor(t, s, alice, func(f *store.SecondFactor) {
		f.TOTP, f.RecoveryCodes, f.Failures = store.TOTP{}, []string{"bb"}, 0
		f.Passkeys = f.Passkeys[1:]
		f.Passkeys[0].Name, f.Passkeys[0].LastUsedAt = "phone", when(9)
	})
	second.Name, second.LastUsedAt = "phone", when(9)
	got := get(alice)
	same("after changes", got, store.SecondFactor{Passkeys: []store.Passkey{second}, RecoveryCodes: []string{"bb"}, FailedAt: when(3)})
	equal(t, "the passkey's number", got.Passkeys[0].ID, second.ID)

	equal(t, "PasskeyOwner", must[int64](t, "PasskeyOwner")(s.PasskeyOwner(ctx, []byte("two"))), alice.ID)
	for _, gone := range []string{"\x00\xff'", "three", ""} {
		_, err := s.PasskeyOwner(ctx, []byte(gone))
		kind(t, "PasskeyOwner of a passkey that is not kept", err, errs.NotFound)
	}
	ok(t, "DeleteUser", s.DeleteUser(ctx, alice.ID))
	same("of somebody who is gone", get(alice), store.SecondFactor{})
	factor(t, s, bob, func(f *store.SecondFactor) { f.Passkeys = []store.Passkey{passkey("two")} })
}

// factorFlag holds the user's record to what there is, and what was made before to its end.
func factorFlag(t *testing.T, s store.Store) {
	ctx := t.Context()
	u := user(t, s, "Alice")
	ok(t, "CreateRefreshToken", s.CreateRefreshToken(ctx, token("password", u)))
	late := token("late", u)
	late.UserAsOf = u.UpdatedAt
	var e ear
	defer s.Subscribe(e.hear)()
	flag := func(what string, want, told bool) {
		t.Helper()
		byID := must[store.User](t, "User")(s.User(ctx, u.ID))
		byName := must[store.User](t, "UserByName")(s.UserByName(ctx, "alice"))
		if byID.SecondFactor != want || byName.SecondFactor != want {
			t.Errorf("after %s, the user's SecondFactor = %t by id and %t by name, want %t", what, byID.SecondFactor, byName.SecondFactor, want)
		}
		var changes []store.Change
		if told {
			changes = []store.Change{{Kind: store.UserChanged, UserID: u.ID, User: "Alice"}}
		}
		if diff := cmp.Diff(changes, e.take()); diff != "" {
			t.Errorf("changes after %s (-want +got):\n%s", what, diff)
		}
	}
	tokens := func(what string, want int) {
		t.Helper()
		equal(t, "refresh tokens after "+what, must[int](t, "CountRefreshTokens")(s.CountRefreshTokens(ctx, store.Filter{MemberID: u.ID})), want)
	}
	factor(t, s, u, func(f *store.SecondFactor) { f.TOTP.Secret, f.RecoveryCodes = "sealed", []string{"aa"} })
	flag("an app that was not confirmed", false, false)
	tokens("an app that was not confirmed", 1)
	factor(t, s, u, func(f *store.SecondFactor) { f.TOTP.Since = when(0) })
	flag("an app", true, true)
	tokens("an app", 0)
	kind(t, "CreateRefreshToken for the user as it was", s.CreateRefreshToken(ctx, late), errs.Conflict)
	ok(t, "CreateRefreshToken", s.CreateRefreshToken(ctx, token("session", u)))
	factor(t, s, u, func(f *store.SecondFactor) { f.Passkeys = append(f.Passkeys, passkey("one")) })
	flag("another factor", true, false)
	tokens("another factor", 1)
	must[store.User](t, "UpdateUser")(s.UpdateUser(ctx, u.ID, func(u *store.User) error { u.SecondFactor = false; return nil }))
	flag("an update of the user", true, false)
	factor(t, s, u, func(f *store.SecondFactor) { f.TOTP = store.TOTP{} })
	flag("one factor less", true, false)
	factor(t, s, u, func(f *store.SecondFactor) { f.Passkeys = nil })
	flag("the last factor's end", false, true)
	tokens("the last factor's end", 1)
	made := must[store.User](t, "CreateUser")(s.CreateUser(ctx, store.User{Name: "bob", SecondFactor: true}))
	equal(t, "SecondFactor of a new user", made.SecondFactor, false)
}

// oneTime lets many present the same one-time code: one of them wins.
func oneTime(t *testing.T, s store.Store) {
	u := user(t, s, "alice")
	factor(t, s, u, func(f *store.SecondFactor) { f.TOTP = store.TOTP{Secret: "sealed", Since: when(0), Step: 41} })
	var won atomic.Int32
	together(8, func(int) {
		var good bool
		_, err := s.UpdateSecondFactor(t.Context(), u.ID, func(f *store.SecondFactor) error {
			if good = f.TOTP.Step < 42; good {
				f.TOTP.Step = 42
			}
			return nil
		})
		if err != nil {
			t.Errorf("UpdateSecondFactor = %v, want no error", err)
		}
		if good {
			won.Add(1)
		}
	})
	equal(t, "those who used the code", won.Load(), 1)
}
