package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/sealock/sealock/auth"
)

// TestPullRulesAtTheDoor tells a project by the API what nobody may pull, and pulls: it counts with the next request, also
// for what was pulled before.
func TestPullRulesAtTheDoor(t *testing.T) {
	s := startSystem(t, nil)
	s.api(t, "POST", "/projects", `{"project_name":"team"}`, 201)
	token, _ := s.granted(t, "admin", testPassword, "repository:team/app:pull,push,delete")
	p := pushes{s, t, token}
	digest := p.image("team/app", "v1", "amd64")
	pull := func(what string, status int, words ...string) {
		t.Helper()
		for _, reference := range []string{"v1", digest, "v1"} {
			w := p.send(http.MethodGet, "/v2/team/app/manifests/"+reference, "", "", status)
			for _, word := range words {
				if !strings.Contains(w.Body.String(), word) {
					t.Errorf("%s says %s, want %q in it", what, w.Body, word)
				}
			}
		}
	}
	pull("without rules", 200)
	s.api(t, "PUT", "/projects/team", `{"metadata":{"enable_content_trust_cosign":"true"}}`, 200)
	pull("without a signature", 412, "DENIED", "enable_content_trust_cosign")
	s.api(t, "PUT", "/projects/team/metadatas/enable_content_trust_cosign", `{"enable_content_trust_cosign":"false"}`, 200)
	pull("where no signature is asked for", 200)

	s.api(t, "POST", "/projects/team/metadatas", `{"deny_pull_labels":"broken"}`, 200)
	pull("without the label", 200)
	at := s.api(t, "POST", "/labels", `{"name":"broken","scope":"g"}`, 201).Header().Get("Location")
	s.api(t, "POST", "/projects/team/repositories/app/artifacts/v1/labels", `{"id":`+at[strings.LastIndex(at, "/")+1:]+`}`, 200)
	pull("with the label", 412, "DENIED", "deny_pull_labels", "broken")
	s.api(t, "DELETE", "/projects/team/metadatas/deny_pull_labels", "", 200)
	pull("after the rule", 200)

	s.api(t, "POST", "/projects/team/metadatas", `{"deny_pull_younger":"1h"}`, 200)
	pull("what is too young", 412, "DENIED", "deny_pull_younger")
	s.api(t, "PUT", "/projects/team/metadatas/deny_pull_younger", `{"deny_pull_younger":"never"}`, 400)
	p.send(http.MethodGet, "/v2/team/app/manifests/v2", "", "", 404)
}

// TestPullLimitAtTheDoor sets a limit and goes over it.
func TestPullLimitAtTheDoor(t *testing.T) {
	s := startSystem(t, map[string]string{"pulls.per_user": "2", "pulls.window": "1h", "pulls.exempt": "10.0.0.0/8"})
	s.api(t, "POST", "/projects", `{"project_name":"team"}`, 201)
	token, _ := s.granted(t, "admin", testPassword, "repository:team/app:pull,push")
	p := pushes{s, t, token}
	p.image("team/app", "v1", "amd64")
	for _, left := range []string{"1;w=3600", "0;w=3600"} {
		w := p.send(http.MethodGet, "/v2/team/app/manifests/v1", "", "", 200)
		if got := w.Header().Get("RateLimit-Remaining"); got != left || w.Header().Get("RateLimit-Limit") != "2;w=3600" || w.Header().Get("Docker-RateLimit-Source") != "admin" {
			t.Errorf("a pull leaves %q of %q for %q, want %q of 2;w=3600 for admin", got, w.Header().Get("RateLimit-Limit"), w.Header().Get("Docker-RateLimit-Source"), left)
		}
	}
	w := p.send(http.MethodGet, "/v2/team/app/manifests/v1", "", "", 429)
	if !strings.Contains(w.Body.String(), "TOOMANYREQUESTS") || w.Header().Get("Retry-After") == "" {
		t.Errorf("a pull too many = %s, Retry-After %q, want TOOMANYREQUESTS and a time", w.Body, w.Header().Get("Retry-After"))
	}
}

// TestPullLimitOfAddresses counts who is not logged in by the address that a trusted proxy tells, and nobody else's word.
func TestPullLimitOfAddresses(t *testing.T) {
	const proxied, stranger = "10.1.2.3:4711", "10.9.9.9:4711"
	s := startSystem(t, map[string]string{"pulls.per_address": "1", "pulls.window": "1h", "pulls.exempt": "203.0.113.64/26", "trusted_proxies": "10.1.2.3"})
	s.api(t, "POST", "/projects", `{"project_name":"open","metadata":{"public":"true"}}`, 201)
	token, _ := s.granted(t, "admin", testPassword, "repository:open/app:pull,push")
	pushes{s, t, token}.image("open/app", "v1", "amd64")
	nobody, _ := s.granted(t, "", "", "repository:open/app:pull")
	for _, row := range []struct {
		what, from, forwarded string
		status                int
		source                string
	}{
		{"the first pull", proxied, "203.0.113.7", 200, "203.0.113.7"},
		{"another from there", proxied, "203.0.113.7", 429, "203.0.113.7"},
		{"what a client says before the proxy", proxied, "198.51.100.1, 203.0.113.7", 429, "203.0.113.7"},
		{"from elsewhere", proxied, "203.0.113.8", 200, "203.0.113.8"},
		{"from where nothing is counted", proxied, "203.0.113.70", 200, ""},
		{"past the proxy", stranger, "203.0.113.9", 200, "10.9.9.9"},
		{"past the proxy under another name", stranger, "203.0.113.10", 429, "10.9.9.9"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v2/open/app/manifests/v1", http.NoBody)
		r.RemoteAddr = row.from
		r.Header = http.Header{"Authorization": {"Bearer " + nobody}, "X-Forwarded-For": {row.forwarded}, "Accept": {manifestType}}
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		if got := w.Header().Get("Docker-RateLimit-Source"); w.Code != row.status || got != row.source {
			t.Errorf("%s = %d %s, counted for %q, want %d for %q", row.what, w.Code, w.Body, got, row.status, row.source)
		}
	}
}

// TestUploadOutlivesItsTokenAtTheDoor uploads with a token that ends on the way, before both kinds of registries; a member
// who is removed meanwhile can't go on.
func TestUploadOutlivesItsTokenAtTheDoor(t *testing.T) {
	for _, kind := range []string{"embedded", "separate"} {
		t.Run(kind, func(t *testing.T) {
			flags := map[string]string{"data_dir": t.TempDir()}
			if kind == "separate" {
				flags["registry.url"] = stockRegistry(t, flags["data_dir"])
			}
			s := startSystem(t, flags)
			member, _ := withAlice(t, s)
			send := func(what, method, location, token, body string, want int) string {
				t.Helper()
				_, path, _ := strings.Cut(location, "/v2/")
				r := httptest.NewRequestWithContext(t.Context(), method, "/v2/"+path, strings.NewReader(body))
				r.Header.Set("Authorization", "Bearer "+token)
				r.Header.Set("Content-Type", "application/octet-stream")
				w := httptest.NewRecorder()
				s.handler.ServeHTTP(w, r)
				if w.Code != want {
					t.Fatalf("%s = %d %s, want %d", what, w.Code, w.Body, want)
				}
				return w.Header().Get("Location")
			}
			token, _ := s.granted(t, "alice", "wonderland-1", wanted)
			over := s.ended(t, token)
			location := send("starting an upload", http.MethodPost, "/v2/team/app/blobs/uploads/", token, "", 202)
			send("starting one with a token that has ended", http.MethodPost, "/v2/team/app/blobs/uploads/", over, "", 401)
			location = send("a chunk", http.MethodPatch, location, over, "con", 202)
			location = send("another", http.MethodPatch, location, over, "tent", 202)
			send("the end", http.MethodPut, location+"&digest="+digest.FromString("content").String(), over, "", 201)

			location = send("starting an upload", http.MethodPost, "/v2/team/app/blobs/uploads/", token, "", 202)
			s.api(t, http.MethodDelete, member, "", 200)
			send("a chunk of who is no member any more", http.MethodPatch, location, over, "con", 403)
		})
	}
}

// ended returns the same token as it would be if it had just ended.
func (s *system) ended(t *testing.T, token string) string {
	t.Helper()
	c, err := s.tokens.Verify(t.Context(), token, s.cfg.Token.Service)
	if err != nil {
		t.Fatal(err)
	}
	c.ExpiresAt = time.Now().Add(-15 * time.Second) // more than clocks are forgiven
	over, err := s.tokens.Sign(t.Context(), c, auth.HeaderX5C)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.tokens.Verify(t.Context(), over, s.cfg.Token.Service); err == nil {
		t.Fatal("the token is good still")
	}
	return over
}

// TestProtectedTags protects tags by lines of the policy: developers push and delete what they like but those, and
// maintainers those, too.
func TestProtectedTags(t *testing.T) {
	s := startSystem(t, nil)
	member, _ := withAlice(t, s)
	file := filepath.Join(s.cfg.Policy.Dir, "policy.csv")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := "\np, developer, repository, team/**:release-*, push, deny\np, developer, repository, team/**:release-*, delete, deny\n"
	if err := os.WriteFile(file, append(text, lines...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.policy.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	token, _ := s.granted(t, "alice", "wonderland-1", wanted)
	p := pushes{s, t, token}
	p.image("team/app", "v1", "amd64")
	body := p.send(http.MethodGet, "/v2/team/app/manifests/v1", "", "", 200).Body.String()
	if got := p.put("team/app", "release-1", body, 403).Body.String(); !strings.Contains(got, `you may not push to tag \"release-1\"`) {
		t.Errorf("a push to a protected tag says %s, want why", got)
	}
	p.put("team/app", "v2", body, 201)
	s.api(t, http.MethodPut, member, `{"role_id":4}`, 200)
	p.put("team/app", "release-1", body, 201)
}
