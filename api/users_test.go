package api_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/sealock/sealock/store"
)

// TestUsersOfSources makes users of other sources before they come, and gives them no password.
func TestUsersOfSources(t *testing.T) {
	w := newWorld(t)
	const users = "/api/v2.0/users"
	made := w.want(w.as(admin, "POST", users, `{"username":"zoe@sso","realname":"Zoe"}`), http.StatusCreated, "POST of a user of a source")
	w.holds(w.want(w.as(admin, "GET", made.header.Get("Location"), ""), http.StatusOK, "GET of it"), "it", `"username":"zoe@sso"`, `"realname":"Zoe"`, `"sysadmin_flag":false`)
	w.want(w.as(admin, "POST", users, `{"username":"ZOE@sso"}`), http.StatusConflict, "POST of it again")
	w.want(w.as(admin, "PUT", made.header.Get("Location")+"/password", `{"new_password":"Correct-horse-1"}`), http.StatusPreconditionFailed, "PUT of a password")
	for _, bad := range []string{
		`{"username":"yan@sso","password":"Correct-horse-1"}`, `{"username":"yan@nowhere"}`, `{"username":"yan@database"}`, `{"username":"@sso"}`,
		`{"username":"y an@sso"}`, `{"username":"yan"}`, `{"username":"yan","password":""}`, `{}`, `{"password":"Correct-horse-1"}`,
	} {
		w.want(w.as(admin, "POST", users, bad), http.StatusBadRequest, "POST of %s", bad)
	}
	w.want(w.as(mia, "POST", users, `{"username":"yan@sso"}`), http.StatusForbidden, "POST by who is no administrator")
}

// TestSignOutUser ends sessions, and refresh tokens where they are named.
func TestSignOutUser(t *testing.T) {
	w := newWorld(t)
	now := time.Now()
	err := w.store.CreateSession(t.Context(), store.Session{
		ID: "davessession", UserID: w.users[dave].ID, Subject: dave, CreatedAt: now, LastSeenAt: now, IdleExpiry: time.Hour, ExpiresAt: now.Add(time.Hour),
	})
	must(t, 0, err)
	left := func(what string, sessions, tokens int) {
		t.Helper()
		n := 0
		for _, err := range w.store.ListSessions(t.Context(), store.Filter{MemberID: w.users[dave].ID}) {
			must(t, 0, err)
			n++
		}
		refresh, err := w.store.CountRefreshTokens(t.Context(), store.Filter{Subject: dave})
		if must(t, 0, err); n != sessions || refresh != tokens {
			t.Errorf("%s: %d sessions and %d refresh tokens, want %d and %d", what, n, refresh, sessions, tokens)
		}
	}
	path := w.userPath(dave, "/sessions")
	left("at first", 1, 1)
	w.want(w.as(mia, "DELETE", path, ""), http.StatusForbidden, "DELETE by another")
	w.want(w.as(admin, "DELETE", path+"?refresh_tokens=maybe", ""), http.StatusBadRequest, "DELETE with nonsense")
	left("after refusals", 1, 1)
	w.want(w.as(admin, "DELETE", path, ""), http.StatusOK, "DELETE")
	left("signed out", 0, 1)
	w.want(w.as(admin, "DELETE", path+"?refresh_tokens=true", ""), http.StatusOK, "DELETE with refresh tokens")
	left("signed out of clients", 0, 0)
}
