package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// most is how many personal access tokens a user may have in these tests.
const most = 4

// personal returns a personal access token of a user. Its name is its id.
func personal(id string, u store.User) store.PersonalAccessToken {
	return store.PersonalAccessToken{
		ID: id, UserID: u.ID, Name: id, SecretHash: []byte{0, 1, 0xff, '\''}, CreatedAt: when(0), ExpiresAt: when(600),
		Scope: &auth.Permissions{{Project: "team", Repositories: []string{"app/**", "{a,b}"}, Resource: "repository", Actions: []string{"pull", "push"}}},
	}
}

func makePersonal(t *testing.T, s store.Store, tok store.PersonalAccessToken) store.PersonalAccessToken {
	t.Helper()
	made, err := s.CreatePersonalAccessToken(t.Context(), tok, most)
	return must[store.PersonalAccessToken](t, "CreatePersonalAccessToken")(made, err)
}

func personalTokens(t *testing.T, s store.Store) {
	ctx := t.Context()
	alice := user(t, s, "Alice")
	want := personal("one", alice)
	made := makePersonal(t, s, want)
	got := must[store.PersonalAccessToken](t, "PersonalAccessToken")(s.PersonalAccessToken(ctx, "one"))
	want.Seq, want.UserName = got.Seq, "Alice"
	for what, tok := range map[string]store.PersonalAccessToken{"PersonalAccessToken": got, "CreatePersonalAccessToken": made} {
		if diff := cmp.Diff(want, tok); diff != "" {
			t.Errorf("%s differs from what was stored (-want +got):\n%s", what, diff)
		}
	}
	for _, scope := range []*auth.Permissions{nil, {}} {
		tok := personal("scope", alice)
		tok.Scope, tok.ExpiresAt = scope, time.Time{}
		makePersonal(t, s, tok)
		got := must[store.PersonalAccessToken](t, "PersonalAccessToken")(s.PersonalAccessToken(ctx, "scope"))
		if (got.Scope == nil) != (scope == nil) || scope != nil && len(*got.Scope) != 0 || !got.ExpiresAt.IsZero() || !got.Alive(when(1_000_000)) {
			t.Errorf("a token with the scope %v and no end comes back as %+v", scope, got)
		}
		ok(t, "DeletePersonalAccessToken", s.DeletePersonalAccessToken(ctx, "scope"))
	}
	equal(t, "Alive a moment before the end", got.Alive(when(600).Add(-time.Microsecond)), true)
	equal(t, "Alive at the end", got.Alive(when(600)), false)

	_, err := s.PersonalAccessToken(ctx, "ONE")
	kind(t, "PersonalAccessToken of an unknown id", err, errs.NotFound)
	ok(t, "TouchPersonalAccessToken", s.TouchPersonalAccessToken(ctx, "one", when(5), "192.0.2.5"))
	ok(t, "TouchPersonalAccessToken with an earlier time", s.TouchPersonalAccessToken(ctx, "one", when(3), "192.0.2.3"))
	got = must[store.PersonalAccessToken](t, "PersonalAccessToken")(s.PersonalAccessToken(ctx, "one"))
	equal(t, "LastUsedAt", got.LastUsedAt, when(5))
	equal(t, "LastUsedFrom", got.LastUsedFrom, "192.0.2.5")
	kind(t, "TouchPersonalAccessToken of an unknown id", s.TouchPersonalAccessToken(ctx, "two", when(5), ""), errs.NotFound)

	ok(t, "DeletePersonalAccessToken", s.DeletePersonalAccessToken(ctx, "one"))
	kind(t, "DeletePersonalAccessToken again", s.DeletePersonalAccessToken(ctx, "one"), errs.NotFound)
}

func refusedPersonalTokens(t *testing.T, s store.Store) {
	ctx := t.Context()
	alice, bob := user(t, s, "alice"), user(t, s, "bob")
	makePersonal(t, s, personal("one", alice))
	for _, row := range []struct {
		name   string
		change func(*store.PersonalAccessToken)
		want   errs.Kind
	}{
		{"a taken id", func(k *store.PersonalAccessToken) { k.ID = "one" }, errs.Conflict},
		{"a taken name", func(k *store.PersonalAccessToken) { k.Name = "ONE" }, errs.Conflict},
		{"no id", func(k *store.PersonalAccessToken) { k.ID = "" }, errs.Invalid},
		{"no name", func(k *store.PersonalAccessToken) { k.Name = "" }, errs.Invalid},
		{"no secret", func(k *store.PersonalAccessToken) { k.SecretHash = nil }, errs.Invalid},
		{"a name with NUL", func(k *store.PersonalAccessToken) { k.Name = "a\x00b" }, errs.Invalid},
		{"a user that is not there", func(k *store.PersonalAccessToken) { k.UserID = bob.ID + 99 }, errs.NotFound},
	} {
		tok := personal("two", alice)
		row.change(&tok)
		_, err := s.CreatePersonalAccessToken(ctx, tok, most)
		kind(t, "CreatePersonalAccessToken with "+row.name, err, row.want)
	}
	tok := personal("bobs", bob)
	tok.Name = "one"
	makePersonal(t, s, tok) // names are each user's own

	for _, id := range []string{"two", "three", "four"} {
		makePersonal(t, s, personal(id, alice))
	}
	_, err := s.CreatePersonalAccessToken(ctx, personal("five", alice), most)
	kind(t, "CreatePersonalAccessToken beyond the most", err, errs.Precondition)
	late := personal("five", alice)
	late.Name, late.CreatedAt, late.ExpiresAt = "one", when(600), when(700)
	makePersonal(t, s, late) // those that have ended make room, their names too
	equal(t, "CountPersonalAccessTokens", must[int](t, "CountPersonalAccessTokens")(s.CountPersonalAccessTokens(ctx, store.Filter{MemberID: alice.ID})), 1)
	_, err = s.PersonalAccessToken(ctx, "bobs")
	ok(t, "PersonalAccessToken of another user", err)
}

func personalTokenLists(t *testing.T, s store.Store) {
	ctx := t.Context()
	alice, bob := user(t, s, "Alice"), user(t, s, "bob")
	for i, id := range []string{"c", "a", "b"} {
		tok := personal(id, alice)
		tok.CreatedAt = when(10 - i)
		makePersonal(t, s, tok)
	}
	makePersonal(t, s, personal("Bobs", bob))
	ids := func(f store.Filter) (out []string) {
		for _, tok := range all(t, "ListPersonalAccessTokens", s.ListPersonalAccessTokens(ctx, f)) {
			out = append(out, tok.ID)
		}
		return out
	}
	for _, row := range []struct {
		filter store.Filter
		want   []string
	}{
		{store.Filter{}, []string{"c", "a", "b", "Bobs"}},
		{store.Filter{Subject: "alice"}, []string{"c", "a", "b"}},
		{store.Filter{MemberID: bob.ID}, []string{"Bobs"}},
		{store.Filter{Exact: "bobs"}, []string{"Bobs"}},
		{store.Filter{Name: "B"}, []string{"b", "Bobs"}},
		{store.Filter{Subject: "nobody"}, nil},
		{store.Filter{Subject: "alice", Sort: "name"}, []string{"a", "b", "c"}},
		{store.Filter{Subject: "alice", Sort: "creation_time"}, []string{"b", "a", "c"}},
		{store.Filter{Subject: "alice", Sort: "-creation_time"}, []string{"c", "a", "b"}},
	} {
		if got := ids(row.filter); !slices.Equal(got, row.want) {
			t.Errorf("ListPersonalAccessTokens(%+v) = %q, want %q", row.filter, got, row.want)
		}
		equal(t, "CountPersonalAccessTokens", must[int](t, "CountPersonalAccessTokens")(s.CountPersonalAccessTokens(ctx, row.filter)), len(row.want))
	}
	list := func(f store.Filter) []int64 {
		var out []int64
		for _, tok := range all(t, "ListPersonalAccessTokens", s.ListPersonalAccessTokens(ctx, f)) {
			out = append(out, tok.Seq)
		}
		return out
	}
	for _, sort := range []string{"", "name", "-creation_time", "last_used", "expiry"} {
		pages(t, list, func(seq int64) int64 { return seq }, store.Filter{Sort: sort}, 2)
	}
	kind(t, "ListPersonalAccessTokens with a bad order", listError(s.ListPersonalAccessTokens(ctx, store.Filter{Sort: "secret_hash"})), errs.Invalid)
}

// endOfPersonalTokens holds that with a token, or its user, all goes that came from it, and that this is told.
func endOfPersonalTokens(t *testing.T, s store.Store) {
	ctx := t.Context()
	alice, bob := user(t, s, "alice"), user(t, s, "bob")
	for id, u := range map[string]store.User{"one": alice, "two": alice, "bobs": bob} {
		tok := makePersonal(t, s, personal(id, u))
		refresh := token("from-"+id, u)
		refresh.Via = tok.Via()
		ok(t, "CreateRefreshToken", s.CreateRefreshToken(ctx, refresh))
	}
	var e ear
	defer s.Subscribe(e.hear)()
	there := func(what, id string, want bool) {
		t.Helper()
		_, err := s.PersonalAccessToken(ctx, id)
		_, refreshErr := s.RefreshToken(ctx, "from-"+id)
		if (err == nil) != want || (refreshErr == nil) != want {
			t.Errorf("after %s, the token %s is %v and what came from it %v, want it to be there: %v", what, id, err, refreshErr, want)
		}
	}
	ok(t, "TouchPersonalAccessToken", s.TouchPersonalAccessToken(ctx, "one", when(1), "192.0.2.1"))
	ok(t, "DeletePersonalAccessToken", s.DeletePersonalAccessToken(ctx, "one"))
	there("DeletePersonalAccessToken", "one", false)
	there("DeletePersonalAccessToken", "two", true)
	ok(t, "DeleteUser", s.DeleteUser(ctx, alice.ID))
	there("DeleteUser", "two", false)
	there("DeleteUser", "bobs", true)
	made := makePersonal(t, s, personal("more", bob))
	_ = s.DeletePersonalAccessToken(ctx, "nothing")
	want := []store.Change{
		{Kind: store.PersonalAccessTokenChanged, UserID: alice.ID, Token: "one"},
		{Kind: store.UserChanged, UserID: alice.ID, User: "alice"},
		{Kind: store.PersonalAccessTokenChanged, UserID: bob.ID, Token: made.ID},
	}
	if diff := cmp.Diff(want, e.take()); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

// crowdOfPersonalTokens makes many at once: no more than the most come to be, and of one name one.
func crowdOfPersonalTokens(t *testing.T, s store.Store) {
	ctx := t.Context()
	alice := user(t, s, "alice")
	var wg sync.WaitGroup
	for i := range 4 * most {
		wg.Go(func() {
			tok := personal(fmt.Sprint("id", i), alice)
			tok.Name = fmt.Sprint("name", i/2)
			_, err := s.CreatePersonalAccessToken(ctx, tok, most)
			if err != nil && !errs.Is(err, errs.Precondition) && !errs.Is(err, errs.Conflict) {
				t.Errorf("CreatePersonalAccessToken among many = %v, want Precondition or Conflict", err)
			}
		})
	}
	wg.Wait()
	names := map[string]bool{}
	for _, tok := range all(t, "ListPersonalAccessTokens", s.ListPersonalAccessTokens(ctx, store.Filter{})) {
		names[tok.Name] = true
	}
	equal(t, "names", len(names), most)
	equal(t, "CountPersonalAccessTokens", must[int](t, "CountPersonalAccessTokens")(s.CountPersonalAccessTokens(ctx, store.Filter{})), most)
}
