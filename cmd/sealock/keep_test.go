package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
)

func (p pushes) put(repository, tag, body string, want int) *httptest.ResponseRecorder {
	p.t.Helper()
	return p.send(http.MethodPut, "/v2/"+repository+"/manifests/"+tag, manifestType, body, want)
}

// TestQuotaAtTheDoor pushes over a limit, raises it by the API, and pushes again.
func TestQuotaAtTheDoor(t *testing.T) {
	s := startSystem(t, nil)
	location := s.api(t, "POST", "/projects", `{"project_name":"team","storage_limit":1000}`, 201).Header().Get("Location")
	quota := "/quotas/" + location[strings.LastIndex(location, "/")+1:]
	token, _ := s.granted(t, "admin", testPassword, "repository:team/app:pull,push,delete")
	p := pushes{s, t, token}
	image := func(layers ...string) string {
		return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]}`, manifestType, p.blob("team/app", "{}"), strings.Join(layers, ","))
	}
	small := image(p.blob("team/app", "small"))
	p.put("team/app", "v1", small, 201)
	large := image(p.blob("team/app", strings.Repeat("x", 500)))
	used, adds := len(small)+len("{}")+len("small"), len(large)+500
	want := fmt.Sprintf(`has no room for %d B more: it holds %d B of its quota of 1000 B`, adds, used)
	if got := p.put("team/app", "v2", large, 403).Body.String(); !strings.Contains(got, want) {
		t.Errorf("a push over the limit says %s, want %q", got, want)
	}
	p.put("team/app", "again", small, 201)
	s.api(t, "PUT", quota, fmt.Sprintf(`{"hard":{"storage":%d}}`, used+adds), 200)
	p.put("team/app", "v2", large, 201)
	var q struct{ Used struct{ Storage int } }
	if err := json.Unmarshal(s.api(t, "GET", quota, "", 200).Body.Bytes(), &q); err != nil || q.Used.Storage != used+adds {
		t.Errorf("the project holds %d bytes (%v), want %d: what the door counted", q.Used.Storage, err, used+adds)
	}
	p.send(http.MethodPost, "/v2/team/app/blobs/uploads/", "", "", 403)
	s.api(t, "PUT", "/configurations", `{"quota_per_project_enable":false}`, 200)
	p.send(http.MethodPost, "/v2/team/app/blobs/uploads/", "", "", 202)
}

// TestConcurrentPushesBelowAQuota pushes many images at once: none waits for another, and none fails.
func TestConcurrentPushesBelowAQuota(t *testing.T) {
	s := startSystem(t, nil)
	s.api(t, "POST", "/projects", `{"project_name":"team","storage_limit":1000000}`, 201)
	token, _ := s.granted(t, "admin", testPassword, "repository:team/app:pull,push")
	var wg sync.WaitGroup
	for n := range 32 {
		wg.Go(func() {
			send := func(method, path, contentType, body string, want int) string {
				req := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
				req.Header.Set("Authorization", "Bearer "+token)
				req.Header.Set("Content-Type", contentType)
				w := httptest.NewRecorder()
				s.handler.ServeHTTP(w, req)
				if w.Code != want {
					t.Errorf("%s %s of push %d = %d %s, want %d", method, path, n, w.Code, w.Body, want)
				}
				_, path, _ = strings.Cut(w.Header().Get("Location"), "/v2/")
				return "/v2/" + path
			}
			content := fmt.Sprintf(`{"author":"%d"}`, n)
			d := digest.FromString(content)
			location := send("POST", "/v2/team/app/blobs/uploads/", "application/octet-stream", "", 202)
			send("PUT", location+"&digest="+d.String(), "application/octet-stream", content, 201)
			body := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},"layers":[]}`, manifestType, d, len(content))
			send("PUT", fmt.Sprintf("/v2/team/app/manifests/v%d", n), manifestType, body, 201)
		})
	}
	wg.Wait()
}

// TestImmutableTagAtTheDoor pushes and deletes under a rule, and without it.
func TestImmutableTagAtTheDoor(t *testing.T) {
	s := startSystem(t, nil)
	s.api(t, "POST", "/projects", `{"project_name":"team"}`, 201)
	token, _ := s.granted(t, "admin", testPassword, "repository:team/app:pull,push,delete")
	p := pushes{s, t, token}
	one := p.image("team/app", "v1", "amd64")
	rule := s.api(t, "POST", "/projects/team/immutabletagrules", `{"tag_selectors":[{"kind":"doublestar","decoration":"matches","pattern":"v*"}],
		"scope_selectors":{"repository":[{"kind":"doublestar","decoration":"repoMatches","pattern":"app"}]}}`, 201).Header().Get("Location")
	other := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[]}`, manifestType, p.blob("team/app", "{}"))
	for what, w := range map[string]*httptest.ResponseRecorder{
		"a push":             p.put("team/app", "v1", other, 412),
		"a delete":           p.send(http.MethodDelete, "/v2/team/app/manifests/v1", "", "", 412),
		"a delete by digest": p.send(http.MethodDelete, "/v2/team/app/manifests/"+one, "", "", 412),
	} {
		if !strings.Contains(w.Body.String(), `tag \"v1\" of repository \"team/app\" is immutable`) {
			t.Errorf("%s says %s, want the tag and the repository", what, w.Body)
		}
	}
	p.image("team/app", "v1", "amd64")
	p.put("team/app", "latest", other, 201)
	layer := digest.FromString("layer of amd64").String()
	p.send(http.MethodDelete, "/v2/team/app/blobs/"+layer, "", "", 412)

	// A part of an index that an immutable tag stands for, and an image that the index of images has lost.
	part := p.image("team/app", "arm64", "arm64")
	const indexType = "application/vnd.oci.image.index.v1+json"
	size := len(p.send(http.MethodGet, "/v2/team/app/manifests/"+part, "", "", 200).Body.String())
	many := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`, indexType, manifestType, part, size)
	p.send(http.MethodPut, "/v2/team/app/manifests/v2", indexType, many, 201)
	p.send(http.MethodDelete, "/v2/team/app/manifests/"+part, "", "", 412)
	repository, err := s.store.RepositoryByName(t.Context(), "team/app")
	if err == nil {
		err = s.store.DeleteRepository(t.Context(), repository.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, kept := range []string{one, part, digest.FromString(many).String()} {
		p.send(http.MethodDelete, "/v2/team/app/manifests/"+kept, "", "", 412)
	}
	p.send(http.MethodDelete, "/v2/team/app/manifests/"+digest.FromString(other).String(), "", "", 202)
	s.api(t, "DELETE", strings.TrimPrefix(rule, "/api/v2.0"), "", 200)
	p.put("team/app", "v1", other, 201)
	p.send(http.MethodDelete, "/v2/team/app/manifests/"+one, "", "", 202)
}
