package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/patdb"
)

// makePAT makes a personal access token over the API.
func makePAT(tb testing.TB, s *system, name, password, body string) (id, secret string) {
	tb.Helper()
	w := s.call(tb, name, password, "POST", "/api/v2.0/personal-access-tokens", body)
	var made struct{ ID, Secret string }
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || w.Code != http.StatusCreated {
		tb.Fatalf("making a token of %s = %d %s", body, w.Code, w.Body)
	}
	return made.ID, made.Secret
}

// offline gets a refresh token, as docker does, and returns it with the access token.
func offline(tb testing.TB, s *system, name, password, scope string) (refresh, access string) {
	tb.Helper()
	w := s.call(tb, name, password, "GET", "/service/token?service=sealock&offline_token=true&scope="+url.QueryEscape(scope), "")
	var answer struct {
		Token        string
		RefreshToken string `json:"refresh_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.RefreshToken == "" {
		tb.Fatalf("a token for %s = %d %s, want a refresh token with it", name, w.Code, w.Body)
	}
	return answer.RefreshToken, answer.Token
}

func refreshed(tb testing.TB, s *system, refresh, scope string) int {
	tb.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "service": {"sealock"}, "client_id": {"docker"}, "refresh_token": {refresh}, "scope": {scope}}
	return s.call(tb, "", "", "POST", "/service/token", form.Encode()).Code
}

func door(tb testing.TB, s *system, token string) int {
	tb.Helper()
	return s.call(tb, "bearer", token, "GET", "/v2/team/app/tags/list", "").Code
}

// TestPATIsNarrow holds that a token gives no more than its scope and its user both allow.
func TestPATIsNarrow(t *testing.T) {
	s := startSystem(t, nil)
	member, _ := withAlice(t, s)
	_, pull := makePAT(t, s, "alice", "wonderland-1", `{"name":"pull","scope":[{"project":"team","repositories":["app"],"actions":["pull"]}]}`)
	_, whole := makePAT(t, s, "alice", "wonderland-1", `{"name":"whole","scope":[{"project":"*","resource":"*","actions":["*"]}]}`)
	grants := func(what, secret, scope, want string) {
		t.Helper()
		if _, got := s.granted(t, "alice", secret, scope); got != want {
			t.Errorf("%s: a token for %s grants %q, want %q", what, scope, got, want)
		}
	}
	grants("to pull", pull, wanted, "repository:team/app:pull")
	grants("to pull, elsewhere", pull, "repository:team/other:pull", "")
	grants("to pull, in public", pull, "repository:library/app:pull", "")
	grants("for all", whole, wanted, wanted)
	grants("for all, what alice may not", whole, "repository:team/app:delete", "")
	s.api(t, "PUT", member, `{"role_id":3}`, 200)
	grants("for all, of a guest", whole, wanted, "repository:team/app:pull")
	if _, got := s.granted(t, "admin", whole, wanted); got != "Unauthorized" {
		t.Errorf("alice's token with admin's name grants %q, want Unauthorized", got)
	}
	for path, want := range map[string]int{"/users/current": 200, "/projects/team": 403, "/users": 403, "/personal-access-tokens": 403} {
		if w := s.call(t, "alice", pull, "GET", "/api/v2.0"+path, ""); w.Code != want && (want != 403 || w.Code != 404) {
			t.Errorf("GET %s with a token to pull = %d %s, want %d", path, w.Code, w.Body, want)
		}
	}
}

// TestPATEndsAtOnce holds that with a token ends, with the next request, what was got with it: by revocation and with its
// user, and of that token alone.
func TestPATEndsAtOnce(t *testing.T) {
	s := startSystem(t, nil)
	_, user := withAlice(t, s)
	id, one := makePAT(t, s, "alice", "wonderland-1", `{"name":"one","never":true}`)
	_, two := makePAT(t, s, "alice", "wonderland-1", `{"name":"two"}`)
	refresh1, access1 := offline(t, s, "alice", one, wanted)
	refresh2, access2 := offline(t, s, "alice", two, wanted)
	want := func(when string, refresh, access string, good bool) {
		t.Helper()
		wantDoor, wantToken := http.StatusUnauthorized, http.StatusUnauthorized
		if good {
			wantDoor, wantToken = http.StatusNotFound, http.StatusOK // nothing is in the repository
		}
		if got := door(t, s, access); got != wantDoor {
			t.Errorf("%s: the door says %d to the access token, want %d", when, got, wantDoor)
		}
		got := refreshed(t, s, refresh, wanted)
		if got != wantToken && (good || got != http.StatusBadRequest) {
			t.Errorf("%s: the refresh token gets %d, want %d", when, got, wantToken)
		}
	}
	want("at first", refresh1, access1, true)
	want("at first", refresh2, access2, true)
	if w := s.call(t, "alice", "wonderland-1", "DELETE", "/api/v2.0/personal-access-tokens/"+id, ""); w.Code != 200 {
		t.Fatalf("revoking = %d %s", w.Code, w.Body)
	}
	want("revoked", refresh1, access1, false)
	want("another one revoked", refresh2, access2, true)
	if _, got := s.granted(t, "alice", one, wanted); got != "Unauthorized" {
		t.Errorf("a revoked token gets %q, want Unauthorized", got)
	}
	if n, err := s.store.CountRefreshTokens(t.Context(), store.Filter{Subject: "alice"}); n != 1 || err != nil {
		t.Errorf("%d refresh tokens are kept, %v, want the one of the other token", n, err)
	}
	s.api(t, "DELETE", user, "", 200)
	want("with alice", refresh2, access2, false)
}

// TestPATEnds holds that what comes from a token ends when it does.
func TestPATEnds(t *testing.T) {
	s := startSystem(t, nil)
	withAlice(t, s)
	end := time.Now().Add(40 * time.Second).UTC().Truncate(time.Second)
	id, secret := makePAT(t, s, "alice", "wonderland-1", `{"name":"one","expires_at":"`+end.Format(time.RFC3339)+`"}`)
	refresh, access := offline(t, s, "alice", secret, wanted)
	claims, err := s.tokens.Verify(t.Context(), access, "sealock")
	if err != nil || claims.ExpiresAt.After(end) || claims.Via != "pat:"+id {
		t.Errorf("an access token ends at %s and comes from %q, %v, want not after %s, and from the token", claims.ExpiresAt, claims.Via, err, end)
	}
	kept, err := s.store.RefreshToken(t.Context(), auth.RefreshTokenID(refresh))
	if err != nil || kept.ExpiresAt.After(end) || kept.Via != "pat:"+id {
		t.Errorf("the refresh token is %+v, %v, want that it ends with the personal access token", kept, err)
	}
	used, err := s.store.PersonalAccessToken(t.Context(), id)
	if err != nil || used.LastUsedAt.IsZero() || used.LastUsedFrom != "192.0.2.1" {
		t.Errorf("the last use is %s from %q, %v, want now from 192.0.2.1", used.LastUsedAt, used.LastUsedFrom, err)
	}
}

// TestPATMakesNoPAT holds that what could be revoked makes nothing that would stay, through the real API.
func TestPATMakesNoPAT(t *testing.T) {
	s := startSystem(t, nil)
	withAlice(t, s)
	_, secret := makePAT(t, s, "alice", "wonderland-1", `{"name":"one","never":true}`)
	for what, body := range map[string]string{"another": `{"name":"two"}`, "a small one": `{"name":"two","scope":[{"project":"team","actions":["pull"]}]}`} {
		if w := s.call(t, "alice", secret, "POST", "/api/v2.0/personal-access-tokens", body); w.Code != http.StatusForbidden {
			t.Errorf("a token makes %s: %d %s, want 403", what, w.Code, w.Body)
		}
	}
	w := s.call(t, "alice", "wonderland-1", "GET", "/service/token?service=sealock-api", "")
	var answer struct{ Token string }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Token == "" {
		t.Fatalf("an access token for the API = %d %s", w.Code, w.Body)
	}
	if w := s.call(t, "bearer", answer.Token, "POST", "/api/v2.0/personal-access-tokens", `{"name":"two"}`); w.Code != http.StatusForbidden {
		t.Errorf("an access token makes one: %d %s, want 403", w.Code, w.Body)
	}
	_, password := makePAT(t, s, "admin", testPassword, `{"name":"admins","scope":[{"project":"team","resource":"*","actions":["*"]}]}`)
	if w := s.call(t, "admin", password, "GET", "/api/v2.0/users", ""); w.Code != http.StatusForbidden {
		t.Errorf("an administrator's token for one project lists users: %d, want 403", w.Code)
	}
}

func TestPATOfAnotherSourcesUser(t *testing.T) {
	st, corp, chain, users := sourcesWorld(t)
	bob, err := enter(t, chain, "bob", "corp-password")
	if err != nil {
		t.Fatal(err)
	}
	key := auth.PersonalAccessTokens().New()
	if _, err := st.CreatePersonalAccessToken(t.Context(), store.PersonalAccessToken{
		ID: key.ID, UserID: bob.ID, Name: "x", SecretHash: key.Hash, CreatedAt: time.Now(),
	}, 1); err != nil {
		t.Fatal(err)
	}
	login := auth.Login{Recognizers: []auth.Recognizer{patdb.New(st, users, time.Now)}, Passwords: chain}
	for _, name := range []string{"bob", "bob@corp"} {
		sub, err := login.Authenticate(t.Context(), auth.Credential{Name: name, Secret: key.Text})
		if err != nil || sub.Name != "bob@corp" {
			t.Errorf("bob's token as %q = %q, %v, want bob@corp", name, sub.Name, err)
		}
	}
	users.accounts["corp"].known.InvalidateAll()
	corp.down = true
	if _, err := login.Authenticate(t.Context(), auth.Credential{Name: "bob", Secret: key.Text}); err == nil || errors.Is(err, auth.ErrBadCredential) {
		t.Errorf("a token while its user's source is down = %v, want that it can't tell", err)
	}
	corp.down = false
	delete(corp.passwords, "bob")
	if _, err := login.Authenticate(t.Context(), auth.Credential{Name: "bob", Secret: key.Text}); !errors.Is(err, auth.ErrBadCredential) {
		t.Errorf("a token of who is gone from the source = %v, want ErrBadCredential", err)
	}
}
