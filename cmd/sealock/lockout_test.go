package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/testkit"
	"github.com/sealock/sealock/settings"
	"github.com/sealock/sealock/store"
)

// Two servers on one PostgreSQL share the locks, and what lifts them.
func TestServersShareLocks(t *testing.T) {
	database := testkit.Postgres(t).Database(t)
	a := startSystem(t, map[string]string{"store.url": database, "lockout.first": "30m"})
	b := startSystem(t, map[string]string{"store.url": database, "lockout.first": "30m"})
	guess := func(s *system, password string) *httptest.ResponseRecorder {
		return s.call(t, "zoe", password, http.MethodGet, "/service/token?service=sealock", "")
	}
	for i := range 5 {
		if w := guess([]*system{a, b}[i%2], fmt.Sprint("guess", i)); w.Code != http.StatusUnauthorized {
			t.Fatalf("guess %d = %d %s, want 401", i, w.Code, w.Body)
		}
	}
	for _, s := range []*system{a, b} {
		if w := guess(s, "another"); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
			t.Errorf("a locked account = %d %s, want 429 with Retry-After", w.Code, w.Body)
		}
	}
	for l, err := range a.store.ListLockouts(t.Context(), time.Now(), store.Filter{Subject: "zoe"}) {
		if err != nil {
			t.Fatal(err)
		}
		a.api(t, http.MethodDelete, "/lockouts/"+l.ID, "", http.StatusOK)
	}
	if w := guess(b, "another"); w.Code != http.StatusUnauthorized {
		t.Errorf("after the lift = %d %s, want 401", w.Code, w.Body)
	}
}

// badWorld has the database, a file and a command for sources; the command notes how it is called.
func badWorld(t *testing.T) (s *system, calls string) {
	t.Helper()
	dir := t.TempDir()
	calls = filepath.Join(dir, "calls")
	hook := "echo \"$#:$*\" >>" + calls + "\ncat >/dev/null\nexit 44\n"
	for name, text := range map[string]string{
		"hook":  hook,
		"users": "carol:$2a$04$abcdefghijklmnopqrstuuOjbzlUO2GQ2vMcYRDqzkpsqvV3dXKre\n",
		"sealock.yaml": "data_dir: " + dir + "/data\nlockout: {address_failures: 0}\nsources:\n- type: database\n- {name: file, type: htpasswd, file: " + dir +
			"/users}\n- {name: exec, type: external, command: [/bin/sh, " + dir + "/hook]}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return startLoaded(t, settings.Sources{
		File: filepath.Join(dir, "sealock.yaml"), Environ: []string{"SEALOCK_ADMIN_PASSWORD=" + testPassword}, SourceTypes: sourceTypes(),
	}), calls
}

const canary = "canary-1f7b-secret"

// badNames are names that somebody may try, none of which is a user's.
func badNames() map[string]string {
	return map[string]string{
		"cyrillic": "\u0430dmin", "zero width": "ad\u200bmin", "right to left": "\u202enimda", "soft hyphen": "ad\u00admin", "C1 control": "admin\u0085",
		"full width colon": "admin\uff1a", "long": strings.Repeat("x", 10_000), "long and wide": strings.Repeat("ü", 5_000),
		"LDAP star": "*", "LDAP filter": ")(uid=*", "LDAP or": "admin)(&)", "LDAP escape": `\00`, "LDAP DN": "cn=admin,dc=example,dc=org",
		"path": "../../etc/passwd", "absolute path": "/etc/passwd", "flag": "-rf", "long flag": "--help", "substitution": "$(id)", "backquote": "`id`", "quote": `";id;'`,
		"SQL": "admin' OR '1'='1", "percent": "%s%n%00", "blank": "admin ", "blanks": " admin", "source": "admin@exec", "no source": "@exec", "at": "@", "empty": "",
		"token": "sealock_pat_" + canary, "JWT": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9." + canary,
	}
}

// Bad input is refused in so many words and leaves one record without a secret; nothing else comes of it.
func TestBadCredentials(t *testing.T) {
	s, calls := badWorld(t)
	basic := func(text string) []string {
		return []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(text))}
	}
	headers := map[string][]string{
		"no colon": basic("admin"), "no base64": {"Basic !" + canary}, "nothing": {""}, "scheme": {"Basic"}, "another scheme": {"Digest " + canary},
		"two": {basic("admin:" + testPassword)[0], basic("admin:" + testPassword)[0]}, "NUL": basic("admin\x00:" + canary), "NUL in the secret": basic("admin:\x00" + testPassword),
		"newline": basic("admin\n:" + canary), "escape": basic("\x1b[2J:" + canary), "no UTF-8": basic("\xff\xfe:" + canary), "empty password": basic("admin:"),
		"huge": basic("admin:" + strings.Repeat("x", 1<<20)), "line break in base64": {"Basic YWRtaW46\r\nYQ=="},
	}
	for name, text := range badNames() {
		headers["name: "+name] = basic(text + ":" + canary)
	}
	for what, values := range headers {
		for _, target := range []string{"/service/token?service=sealock", "/api/v2.0/users/current"} {
			req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
			req.Header["Authorization"] = values
			s.wantOneRefusal(t, what+" at "+target, req, http.StatusUnauthorized)
		}
	}
	bodies := map[string]string{
		"huge": "grant_type=password&service=sealock&username=admin&password=" + strings.Repeat("x", 1<<20), "bad escape": "grant_type=password&username=%zz&password=" + canary,
		"no grant": "username=admin&password=" + canary, "two names": "grant_type=password&service=sealock&username=admin&username=admin&password=" + canary,
	}
	for what, body := range bodies {
		s.wantOneRefusal(t, what+" body", form(t, body), http.StatusBadRequest)
	}
	for what, name := range badNames() {
		body := url.Values{"grant_type": {"password"}, "service": {"sealock"}, "username": {name}, "password": {canary}}.Encode()
		s.wantOneRefusal(t, what+" in a form", form(t, body), http.StatusUnauthorized)
	}
	n, err := s.store.CountUsers(t.Context(), store.Filter{})
	if err != nil || n != 1 {
		t.Errorf("%d users afterwards, %v, want the administrator alone", n, err)
	}
	// The hook gets names by its input and never as arguments, where a flag or a newline would mean something.
	said, err := os.ReadFile(calls)
	if err != nil || strings.Trim(string(said), "0:\n") != "" {
		t.Errorf("the hook was called with the arguments %.200q, %v, want none", said, err)
	}
}

func form(t *testing.T, body string) *http.Request {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/service/token", strings.NewReader(body))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req
}

func (s *system) wantOneRefusal(t *testing.T, what string, req *http.Request, status int) {
	t.Helper()
	before, err := s.store.CountAudit(t.Context(), store.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, req)
	locked := status == http.StatusUnauthorized && w.Code == http.StatusTooManyRequests // names that are one account
	if w.Code != status && !locked || strings.Contains(w.Body.String(), canary) {
		t.Errorf("%s = %d %.200s, want %d without the secret", what, w.Code, w.Body, status)
	}
	after, err := s.store.CountAudit(t.Context(), store.Filter{})
	if err != nil || after != before+1 {
		t.Errorf("%s leaves %d records, %v, want one", what, after-before, err)
	}
	for r, err := range s.store.ListAudit(t.Context(), store.Filter{Limit: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		if text := fmt.Sprintf("%+v", r); r.Outcome != audit.Refused || strings.Contains(text, canary) || len(r.Actor) > 100 || !utf8.ValidString(text) {
			t.Errorf("%s leaves the record %+v, want a refusal, clipped and without the secret", what, r)
		}
	}
}

// Names that look like others can't be given to anybody.
func TestLookAlikesCannotBeMade(t *testing.T) {
	s := startSystem(t, nil)
	for what, name := range badNames() {
		body := fmt.Sprintf(`{"username":%q,"password":"Canary-1f7b-secret"}`, name)
		if w := s.call(t, "admin", testPassword, http.MethodPost, "/api/v2.0/users", body); w.Code < 400 || w.Code >= 500 {
			if what != "flag" && what != "long flag" && what != "token" && what != "JWT" {
				t.Errorf("making the user %s = %d %s, want a refusal", what, w.Code, w.Body)
			}
		}
	}
}
