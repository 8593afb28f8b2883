package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// token returns a refresh token of a user.
func token(id string, u store.User) store.RefreshToken {
	return store.RefreshToken{
		ID: id, SecretHash: []byte{0, 1, 0xff, '\''}, Subject: u.Name, UserID: u.ID, Via: "pat:one", Service: "registry", ClientID: "docker",
		Remote: "192.0.2.1", CreatedAt: when(0), LastUsedAt: when(0), IdleExpiry: 90 * time.Minute, ExpiresAt: when(600),
	}
}

func refreshTokens(t *testing.T, s store.Store) {
	ctx := t.Context()
	alice := user(t, s, "Alice")
	want := token("one", alice)
	ok(t, "CreateRefreshToken", s.CreateRefreshToken(ctx, want))
	got := must[store.RefreshToken](t, "RefreshToken")(s.RefreshToken(ctx, "one"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("RefreshToken differs from what was stored (-want +got):\n%s", diff)
	}
	kind(t, "CreateRefreshToken with a taken id", s.CreateRefreshToken(ctx, want), errs.Conflict)
	kind(t, "CreateRefreshToken with nothing", s.CreateRefreshToken(ctx, store.RefreshToken{}), errs.Invalid)
	asOf := token("as-of", alice)
	asOf.UserAsOf = alice.UpdatedAt
	ok(t, "CreateRefreshToken for the user as it is", s.CreateRefreshToken(ctx, asOf))
	ok(t, "DeleteRefreshToken", s.DeleteRefreshToken(ctx, "as-of"))
	must[store.User](t, "UpdateUser")(s.UpdateUser(ctx, alice.ID, func(u *store.User) error { u.PasswordHash = "changed"; return nil }))
	kind(t, "CreateRefreshToken for the user as it was", s.CreateRefreshToken(ctx, asOf), errs.Conflict)
	_, err := s.RefreshToken(ctx, "as-of")
	kind(t, "RefreshToken that was not made", err, errs.NotFound)
	_, err = s.RefreshToken(ctx, "ONE")
	kind(t, "RefreshToken of an unknown id", err, errs.NotFound)

	ok(t, "TouchRefreshToken", s.TouchRefreshToken(ctx, "one", when(5)))
	ok(t, "TouchRefreshToken with an earlier time", s.TouchRefreshToken(ctx, "one", when(3)))
	got = must[store.RefreshToken](t, "RefreshToken")(s.RefreshToken(ctx, "one"))
	equal(t, "LastUsedAt", got.LastUsedAt, when(5))
	kind(t, "TouchRefreshToken of an unknown id", s.TouchRefreshToken(ctx, "two", when(5)), errs.NotFound)

	ok(t, "CreateRefreshToken", s.CreateRefreshToken(ctx, token("two", alice)))
	ok(t, "CreateRefreshToken", s.CreateRefreshToken(ctx, token("three", store.User{Name: "ldap-user"})))
	ids := func(f store.Filter) (out []string) {
		for _, tok := range all(t, "ListRefreshTokens", s.ListRefreshTokens(ctx, f)) {
			out = append(out, tok.ID)
		}
		equal(t, "CountRefreshTokens", must[int](t, "CountRefreshTokens")(s.CountRefreshTokens(ctx, f)), len(out))
		return out
	}
	for _, row := range []struct {
		filter store.Filter
		want   []string
	}{
		{store.Filter{}, []string{"one", "two", "three"}},
		{store.Filter{Subject: "alice"}, []string{"one", "two"}},
		{store.Filter{Subject: "ldap-user"}, []string{"three"}},
		{store.Filter{MemberID: alice.ID}, []string{"one", "two"}},
		{store.Filter{Subject: "nobody"}, nil},
	} {
		if got := ids(row.filter); !slices.Equal(got, row.want) {
			t.Errorf("ListRefreshTokens(%+v) = %q, want %q", row.filter, got, row.want)
		}
	}
	ok(t, "DeleteRefreshToken", s.DeleteRefreshToken(ctx, "two"))
	kind(t, "DeleteRefreshToken again", s.DeleteRefreshToken(ctx, "two"), errs.NotFound)
	n := must[int](t, "DeleteRefreshTokensOf")(s.DeleteRefreshTokensOf(ctx, "ALICE"))
	equal(t, "DeleteRefreshTokensOf", n, 1)
	equal(t, "DeleteRefreshTokensOf again", must[int](t, "DeleteRefreshTokensOf")(s.DeleteRefreshTokensOf(ctx, "alice")), 0)
	if got := ids(store.Filter{}); !slices.Equal(got, []string{"three"}) {
		t.Errorf("ListRefreshTokens at the end = %q, want three", got)
	}
}

func expiredTokens(t *testing.T, s store.Store) {
	ctx := t.Context()
	u := user(t, s, "alice")
	idle, over, alive := token("idle", u), token("over", u), token("alive", u)
	idle.IdleExpiry = 9 * time.Minute
	over.ExpiresAt = when(10)
	for _, tok := range []store.RefreshToken{idle, over, alive} {
		ok(t, "CreateRefreshToken", s.CreateRefreshToken(ctx, tok))
	}
	ok(t, "RevokeToken", s.RevokeToken(ctx, store.RevokedToken{JTI: "old", ExpiresAt: when(10)}))
	ok(t, "RevokeToken", s.RevokeToken(ctx, store.RevokedToken{JTI: "new", ExpiresAt: when(11)}))
	equal(t, "DropExpiredTokens before anything expires", must[int](t, "DropExpiredTokens")(s.DropExpiredTokens(ctx, when(8))), 0)
	equal(t, "DropExpiredTokens", must[int](t, "DropExpiredTokens")(s.DropExpiredTokens(ctx, when(10))), 3)
	_, err := s.RefreshToken(ctx, "alive")
	ok(t, "RefreshToken that is alive", err)
	equal(t, "RevokedTokens", len(all(t, "RevokedTokens", s.RevokedTokens(ctx, when(0)))), 1)
}

func revokedTokens(t *testing.T, s store.Store) {
	ctx := t.Context()
	for i, jti := range []string{"c", "a", "b"} {
		ok(t, "RevokeToken", s.RevokeToken(ctx, store.RevokedToken{JTI: jti, ExpiresAt: when(10 * i)}))
	}
	ok(t, "RevokeToken again", s.RevokeToken(ctx, store.RevokedToken{JTI: "b", ExpiresAt: when(20)}))
	kind(t, "RevokeToken without an id", s.RevokeToken(ctx, store.RevokedToken{}), errs.Invalid)
	got := map[string]time.Time{}
	for _, r := range all(t, "RevokedTokens", s.RevokedTokens(ctx, when(0))) {
		got[r.JTI] = r.ExpiresAt
	}
	want := map[string]time.Time{"a": when(10), "b": when(20)} // c ends at that very time
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("RevokedTokens (-want +got):\n%s", diff)
	}
	equal(t, "RevokedTokens later", len(all(t, "RevokedTokens", s.RevokedTokens(ctx, when(99)))), 0)
}
