package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/transport"
	"github.com/sealock/sealock/settings"
)

const testPassword = "administrators-secret"

// startSystem puts a whole system together in a folder of the test's, with its first start done.
func startSystem(tb testing.TB, flags map[string]string) *system {
	tb.Helper()
	given := map[string]string{"data_dir": tb.TempDir()}
	for k, v := range flags {
		given[k] = v
	}
	return startLoaded(tb, settings.Sources{Environ: []string{"SEALOCK_ADMIN_PASSWORD=" + testPassword}, Flags: given})
}

// startLoaded is startSystem for settings that are read from somewhere.
func startLoaded(tb testing.TB, from settings.Sources) *system {
	tb.Helper()
	return startLogged(tb, quiet(), from)
}

// startLogged is startLoaded with a log that is looked at.
func startLogged(tb testing.TB, log *slog.Logger, from settings.Sources) *system {
	tb.Helper()
	cfg, err := settings.Load(from)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s, err := newSystem(ctx, cfg, log, &transport.Legacy{})
	if err != nil {
		cancel()
		tb.Fatal(err)
	}
	done := make(chan struct{})
	tb.Cleanup(func() {
		cancel()
		<-done
		if err := s.close(); err != nil {
			tb.Errorf("close() = %v", err)
		}
	})
	if _, err := s.firstStart(ctx); err != nil {
		close(done)
		tb.Fatal(err)
	}
	go func() { defer close(done); s.run(ctx) }()
	return s
}

// call sends a request to the system as name, or as nobody, and returns the answer.
func (s *system) call(tb testing.TB, name, password, method, target, body string) *httptest.ResponseRecorder {
	tb.Helper()
	req := httptest.NewRequestWithContext(tb.Context(), method, target, strings.NewReader(body))
	switch {
	case strings.HasPrefix(target, "/api/"):
		req.Header.Set("Content-Type", "application/json")
	case method == http.MethodPost:
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if name == "bearer" {
		req.Header.Set("Authorization", "Bearer "+password)
	} else if name != "" {
		req.SetBasicAuth(name, password)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, req)
	return w
}

// api calls the REST API as the administrator and wants the status.
func (s *system) api(tb testing.TB, method, path, body string, status int) *httptest.ResponseRecorder {
	tb.Helper()
	w := s.call(tb, "admin", testPassword, method, "/api/v2.0"+path, body)
	if w.Code != status {
		tb.Fatalf("%s %s = %d %s, want %d", method, path, w.Code, w.Body, status)
	}
	return w
}

// granted asks for a token and returns the scope that was granted, or the status if that is not 200.
func (s *system) granted(tb testing.TB, name, password, scope string) (token, got string) {
	tb.Helper()
	w := s.call(tb, name, password, http.MethodGet, "/service/token?service=sealock&scope="+url.QueryEscape(scope), "")
	if w.Code != http.StatusOK {
		return "", http.StatusText(w.Code)
	}
	var answer struct{ Token, Scope string }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		tb.Fatal(err)
	}
	return answer.Token, answer.Scope
}

// withAlice makes the user alice, a developer of the project team.
func withAlice(tb testing.TB, s *system) (member, user string) {
	tb.Helper()
	user = s.api(tb, "POST", "/users", `{"username":"alice","password":"wonderland-1"}`, 201).Header().Get("Location")
	s.api(tb, "POST", "/projects", `{"project_name":"team"}`, 201)
	member = s.api(tb, "POST", "/projects/team/members", `{"role_id":2,"member_user":{"username":"alice"}}`, 201).Header().Get("Location")
	return strings.TrimPrefix(member, "/api/v2.0"), strings.TrimPrefix(user, "/api/v2.0")
}

const wanted = "repository:team/app:pull,push"

// What changes counts with the very next token, whatever was remembered before.
func TestChangesCountAtOnce(t *testing.T) {
	s := startSystem(t, nil)
	member, user := withAlice(t, s)
	step := func(what, password, want string) {
		t.Helper()
		if _, got := s.granted(t, "alice", password, wanted); got != want {
			t.Errorf("%s: a token for %s grants %q, want %q", what, wanted, got, want)
		}
	}
	step("at first", "wonderland-1", wanted)
	step("again, from memory", "wonderland-1", wanted)
	s.api(t, "PUT", member, `{"role_id":3}`, 200)
	step("as a guest", "wonderland-1", "repository:team/app:pull")
	s.api(t, "DELETE", member, "", 200)
	step("without a membership", "wonderland-1", "")
	s.api(t, "PUT", "/projects/team", `{"metadata":{"public":"true"}}`, 200)
	step("in a public project", "wonderland-1", "repository:team/app:pull")
	s.api(t, "PUT", user+"/password", `{"new_password":"wonderland-2"}`, 200)
	step("with the old password", "wonderland-1", "Unauthorized")
	step("with the new one", "wonderland-2", "repository:team/app:pull")
	s.api(t, "DELETE", "/projects/team", "", 200)
	step("without the project", "wonderland-2", "")
	s.api(t, "DELETE", user, "", 200)
	step("of a user that is gone", "wonderland-2", "Unauthorized")
}

// A policy file that is saved counts soon, and a bad one changes nothing.
func TestPolicyFileIsWatched(t *testing.T) {
	s := startSystem(t, nil)
	withAlice(t, s)
	file := filepath.Join(s.cfg.Policy.Dir, "policy.csv")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	await := func(what, rule, want string) {
		t.Helper()
		if err := os.WriteFile(file, append(text[:len(text):len(text)], rule...), 0o600); err != nil {
			t.Fatal(err)
		}
		var got string
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			if _, got = s.granted(t, "alice", "wonderland-1", wanted); got == want {
				return
			}
		}
		t.Errorf("%s: grants %q, want %q", what, got, want)
	}
	await("a denial", "p, developer, repository, team/**, push, deny\n", "repository:team/app:pull")
	await("the denial gone", "", wanted)
	restriction := func() string {
		var info struct {
			Creation string `json:"project_creation_restriction"`
		}
		if err := json.Unmarshal(s.api(t, "GET", "/systeminfo", "", 200).Body.Bytes(), &info); err != nil {
			t.Fatal(err)
		}
		return info.Creation
	}
	if got := restriction(); got != "everyone" {
		t.Errorf("project creation by the default policy = %q, want everyone", got)
	}
	await("a denial of projects too", "p, developer, repository, team/**, push, deny\np, authenticated, project, @system, create, deny\n", "repository:team/app:pull")
	if got := restriction(); got != "adminonly" {
		t.Errorf("project creation where the policy denies it = %q, want adminonly", got)
	}
	await("that gone", "", wanted)
	if err := os.WriteFile(file, []byte("p, developer, repository, **, pull, perhaps\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	if _, got := s.granted(t, "alice", "wonderland-1", wanted); got != wanted {
		t.Errorf("after a bad file: grants %q, want %q by the old one", got, wanted)
	}
}

// A token that is revoked opens the door no more.
func TestRevokedTokenAtTheDoor(t *testing.T) {
	s := startSystem(t, nil)
	token, _ := s.granted(t, "admin", testPassword, "repository:library/app:pull")
	if w := s.call(t, "bearer", token, "GET", "/v2/library/app/tags/list", ""); w.Code != http.StatusNotFound {
		t.Fatalf("tags of an empty repository = %d %s, want 404 behind the door", w.Code, w.Body)
	}
	if w := s.call(t, "", "", "POST", "/service/token/revoke", url.Values{"token": {token}}.Encode()); w.Code != http.StatusOK {
		t.Fatalf("revoking = %d %s", w.Code, w.Body)
	}
	w := s.call(t, "bearer", token, "GET", "/v2/library/app/tags/list", "")
	if w.Code != http.StatusUnauthorized || !strings.Contains(w.Header().Get("WWW-Authenticate"), `error="invalid_token"`) {
		t.Errorf("a revoked token = %d %s, want 401 invalid_token", w.Code, w.Header().Get("WWW-Authenticate"))
	}
}

// Tokens for a registry are no key to the API, nor the other way round.
func TestTokensKeepToTheirService(t *testing.T) {
	s := startSystem(t, nil)
	registry, _ := s.granted(t, "admin", testPassword, wanted)
	if w := s.call(t, "bearer", registry, "GET", "/api/v2.0/users", ""); w.Code != http.StatusUnauthorized {
		t.Errorf("the API with a registry's token = %d, want 401", w.Code)
	}
	w := s.call(t, "admin", testPassword, "GET", "/service/token?service=sealock-api", "")
	var answer struct{ Token string }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if w := s.call(t, "bearer", answer.Token, "GET", "/v2/", ""); w.Code != http.StatusUnauthorized {
		t.Errorf("the door with an API token = %d, want 401", w.Code)
	}
	if w := s.call(t, "bearer", answer.Token, "GET", "/api/v2.0/users", ""); w.Code != http.StatusOK {
		t.Errorf("the API with an API token = %d, want 200", w.Code)
	}
}

// The root page helps whoever opens the address in a browser.
func TestWelcomePage(t *testing.T) {
	s := startSystem(t, nil)
	w := s.call(t, "", "", "GET", "http://localhost:8080/", "")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "docker login localhost:8080") || w.Header().Get("Content-Security-Policy") == "" {
		t.Errorf("GET / = %d %s, want a page that says docker login localhost:8080", w.Code, w.Body)
	}
	if w := s.call(t, "", "", "GET", "/nowhere", ""); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), `"errors"`) {
		t.Errorf("GET /nowhere = %d %s, want 404 with errors", w.Code, w.Body)
	}
}

// A token is worth no more than what its subject may do now: not for a removed member, a deleted user or a project
// that is another one by now.
func TestOldTokensAtTheDoor(t *testing.T) {
	s := startSystem(t, nil)
	member, user := withAlice(t, s)
	token, got := s.granted(t, "alice", "wonderland-1", wanted)
	if got != wanted {
		t.Fatalf("granted %q, want %q", got, wanted)
	}
	push := func(what string, want int) {
		t.Helper()
		if w := s.call(t, "bearer", token, "POST", "/v2/team/app/blobs/uploads/", ""); w.Code != want {
			t.Errorf("%s: an upload = %d %s, want %d", what, w.Code, w.Body, want)
		}
	}
	push("as a developer", http.StatusAccepted)
	s.api(t, "DELETE", member, "", 200)
	push("without a membership", http.StatusForbidden)
	s.api(t, "POST", "/projects/team/members", `{"role_id":2,"member_user":{"username":"alice"}}`, 201)
	push("as a developer again", http.StatusAccepted)
	s.api(t, "DELETE", "/projects/team", "", 200)
	push("without the project", http.StatusForbidden)
	s.api(t, "POST", "/projects", `{"project_name":"team"}`, 201)
	push("in another project of that name", http.StatusUnauthorized)
	s.api(t, "DELETE", user, "", 200)
	push("of a user that is gone", http.StatusUnauthorized)
	if w := s.call(t, "bearer", token, "GET", "/v2/", ""); w.Code != http.StatusUnauthorized {
		t.Errorf("the ping of a user that is gone = %d, want 401", w.Code)
	}
}

// Logins and changes of the password at the same time leave no refresh token of the old one.
func TestPasswordChangeEndsLoginsUnderWay(t *testing.T) {
	s := startSystem(t, nil)
	_, user := withAlice(t, s)
	const login = "/service/token?service=sealock&offline_token=true"
	if w := s.call(t, "alice", "wonderland-1", "GET", login, ""); w.Code != http.StatusOK {
		t.Fatalf("login = %d %s", w.Code, w.Body)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					s.call(t, "alice", "wonderland-1", "GET", login, "")
				}
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	s.api(t, "PUT", user+"/password", `{"new_password":"wonderland-2"}`, 200)
	time.Sleep(50 * time.Millisecond)
	close(stop)
	wg.Wait()
	w := s.api(t, "GET", "/refresh-tokens?username=alice", "", 200)
	if body := strings.TrimSpace(w.Body.String()); body != "[]" {
		t.Errorf("refresh tokens after the change of the password: %s, want none", body)
	}
}

// What another site's page makes a browser send changes nothing.
func TestCrossSiteChanges(t *testing.T) {
	s := startSystem(t, nil)
	for header, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
		req := httptest.NewRequestWithContext(t.Context(), "POST", "http://localhost:8080/api/v2.0/keys/rotate", nil)
		req.Header.Set(header, value)
		req.SetBasicAuth("admin", testPassword)
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, req)
		if w.Code != http.StatusForbidden {
			t.Errorf("POST with %s: %s = %d %s, want 403", header, value, w.Code, w.Body)
		}
	}
}

// Two servers never share a data folder.
func TestDataFolderIsLocked(t *testing.T) {
	s := startSystem(t, nil)
	_, err := newSystem(t.Context(), s.cfg, quiet(), &transport.Legacy{})
	if err == nil || !strings.Contains(err.Error(), "is in use by another sealock") {
		t.Errorf("newSystem() on the same folder = %v, want that it is in use", err)
	}
}

// A place in a list that no list can have had is refused, and costs nothing.
func TestHostilePlacesInLists(t *testing.T) {
	s := startSystem(t, nil)
	token, _ := s.granted(t, "admin", testPassword, "repository:library/app:pull")
	for _, target := range []string{
		"/v2/_catalog?last=" + strings.Repeat("/", 10_000), "/v2/_catalog?last=%00", "/v2/_catalog?last=..",
		"/v2/library/app/tags/list?last=%00", "/v2/library/app/tags/list?last=" + strings.Repeat("a", 5_000),
	} {
		if w := s.call(t, "bearer", token, "GET", target, ""); w.Code != http.StatusBadRequest || strings.Contains(w.Body.String(), s.cfg.DataDir) {
			t.Errorf("GET %.50s… = %d %s, want 400 without a path", target, w.Code, w.Body)
		}
	}
}
