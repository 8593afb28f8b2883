package web_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/sealock/sealock/web"
)

// logIn posts what a script written for Harbor posts.
func (b *browser) logIn(name, password string, header ...string) answer {
	b.w.t.Helper()
	return b.send(http.MethodPost, "/c/login", url.Values{"principal": {name}, "password": {password}}, header...)
}

func TestScriptsSignIn(t *testing.T) {
	w := newWorld(t, false, nil)
	b := w.browser()
	if a := b.logIn("alice", "wrong"); a.status != http.StatusUnauthorized || !strings.Contains(a.body, `"code":"UNAUTHORIZED"`) || len(a.cookies) > 0 {
		t.Errorf("a wrong password = %d %s, want 401 in errors[]", a.status, a.body)
	}
	if a := b.logIn("alice", password, "Origin", "https://elsewhere.example.com"); a.status != http.StatusForbidden || len(a.cookies) > 0 {
		t.Errorf("another site's page = %d %s, want 403", a.status, a.body)
	}
	if a := b.get("/c/login"); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != http.MethodPost {
		t.Errorf("GET /c/login = %d, want 405 with Allow", a.status)
	}
	if a := b.logIn("alice", password); a.status != http.StatusOK || a.body != "" || len(a.cookies) != 1 {
		t.Fatalf("the right password = %d %q with %v, want 200, a cookie and nothing else", a.status, a.body, a.cookies)
	}
	if !b.signedIn() {
		t.Error("nobody is signed in after /c/login, want alice to be")
	}
	if a := b.send(http.MethodGet, "/c/log_out", nil, "Sec-Fetch-Site", "cross-site"); a.status != http.StatusForbidden || !b.signedIn() {
		t.Errorf("another site's link to sign out = %d, want 403 and the session to stay", a.status)
	}
	if a := b.get("/c/log_out"); a.status != http.StatusOK || b.signedIn() {
		t.Errorf("GET /c/log_out = %d, want 200 and nobody signed in", a.status)
	}
	if a := b.get("/c/log_out"); a.status != http.StatusOK {
		t.Errorf("GET /c/log_out again = %d, want 200", a.status)
	}
	want := []string{
		"logout portal alice session allowed", "login portal alice password allowed", "login portal alice password refused",
	}
	if got := w.trail(); !slices.Equal(got, want) {
		t.Errorf("the trail = %q, want %q", got, want)
	}
}

// A script can't pass a second factor: it gets no session that waits for one.
func TestScriptsDoNotPassHurdles(t *testing.T) {
	w := newWorld(t, false, func(d *web.Deps) { d.Hurdles = []web.Hurdle{gate{"gate", true}} })
	b := w.browser()
	if a := b.logIn("alice", password); a.status != http.StatusUnauthorized || len(a.cookies) > 0 || !strings.Contains(a.body, "second factor") {
		t.Errorf("who has a hurdle to pass = %d %s with %v, want 401 that says so", a.status, a.body, a.cookies)
	}
}
