package api_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// session signs somebody in as a script written for Harbor does, and returns the cookie.
func (w *world) session(name string) *http.Cookie {
	w.t.Helper()
	form := url.Values{"principal": {name}, "password": {password}}
	r := httptest.NewRequestWithContext(w.t.Context(), http.MethodPost, "/c/login", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer := httptest.NewRecorder()
	w.portal.ServeHTTP(answer, r)
	cookies := answer.Result().Cookies()
	if answer.Code != http.StatusOK || len(cookies) != 1 {
		w.t.Fatalf("POST /c/login as %s = %d %s, want 200 and a cookie", name, answer.Code, answer.Body)
	}
	return cookies[0]
}

const csrfHeader = "X-Harbor-CSRF-Token"

// TestEachChangeBySessionNeedsItsToken sends every operation that changes something with a session's cookie: without the
// token, and with somebody else's.
func TestEachChangeBySessionNeedsItsToken(t *testing.T) {
	w := newWorld(t)
	cookie := w.session(admin).String()
	csrf := w.send("GET", "/api/v2.0/users/current", "", "Cookie", cookie).header.Get(csrfHeader)
	theirs := w.send("GET", "/api/v2.0/users/current", "", "Cookie", w.session(alice).String()).header.Get(csrfHeader)
	if csrf == "" || csrf == theirs {
		t.Fatalf("the tokens of two sessions are %q and %q, want two", csrf, theirs)
	}
	before := w.state()
	for _, op := range operations(t, loadDocument(t)) {
		if op.method == http.MethodGet || op.method == http.MethodHead {
			continue
		}
		for _, token := range []string{"", "x", theirs} {
			got := w.send(op.method, w.path(op), op.example(t), "Cookie", cookie, csrfHeader, token)
			if got.status != http.StatusForbidden || got.code() != "FORBIDDEN" || got.header.Get(csrfHeader) != csrf {
				t.Errorf("%s by a session with the token %q = %d %s, want 403 and the token", op, token, got.status, got.body)
			}
		}
	}
	w.wantSameState(before, "a session without its token")
	w.want(w.send("PUT", w.userPath(admin, "/sysadmin"), `{"sysadmin_flag":false}`, "Cookie", cookie, csrfHeader, csrf), 412, "a change with the token")
	w.want(w.send("DELETE", "/api/v2.0/labels/1", "", "Cookie", cookie, csrfHeader, csrf), 200, "another one")
}

// A session is somebody: what it reads is what this one may read.
func TestSessionIsWhoSignedIn(t *testing.T) {
	w := newWorld(t)
	cookie := w.session(dave)
	a := w.want(w.send("GET", "/api/v2.0/users/current", "", "Cookie", cookie.String()), 200, "GET current by a session")
	if !strings.Contains(a.body, `"username":"dave"`) {
		t.Errorf("GET current by dave's session = %s, want dave", a.body)
	}
	w.want(w.send("GET", "/api/v2.0/users", "", "Cookie", cookie.String()), 403, "GET users by dave's session")
	w.want(w.send("GET", "/api/v2.0/users", "", "Cookie", cookie.Name+"=AAAA"), 401, "GET users by no session")
	if a := w.send("GET", "/api/v2.0/users", "", "Cookie", cookie.String(), "Authorization", basic(admin, password)); a.status != 200 || a.header.Get(csrfHeader) != "" {
		t.Errorf("GET users with a cookie and a password = %d %v, want the password to count", a.status, a.header)
	}
	w.want(w.as(admin, "DELETE", w.userPath(dave, "/sessions"), ""), 200, "signing dave out")
	w.want(w.send("GET", "/api/v2.0/users/current", "", "Cookie", cookie.String()), 401, "GET current after that")
}
