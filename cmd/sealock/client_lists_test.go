package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// handlerTransport brings the requests of a client to a handler.
type handlerTransport struct{ http.Handler }

func (h handlerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	served := req.Clone(req.Context())
	served.RequestURI = req.URL.RequestURI()
	if served.Body == nil {
		served.Body = http.NoBody
	}
	h.ServeHTTP(w, served)
	return w.Result(), nil
}

// typed runs a command for somebody and returns one field of each object that it prints as JSON.
func (s *system) typed(t *testing.T, name, password, field string, args ...string) []string {
	t.Helper()
	var out bytes.Buffer
	env := &environment{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, HTTP: handlerTransport{s.handler}}
	token, err := askToken(t.Context(), env, login{URL: defaultServer}, url.Values{"grant_type": {"password"}, "username": {name}, "password": {password}})
	if err != nil {
		t.Fatal(err)
	}
	env.Getenv = func(variable string) string {
		return map[string]string{"SEALOCK_ACCESS_TOKEN": token.AccessToken}[variable]
	}
	if err := run(t.Context(), env, append(args, "--output", "json")); err != nil {
		t.Fatalf("sealock %s: %v", strings.Join(args, " "), err)
	}
	var items []map[string]any
	if err := json.Unmarshal(out.Bytes(), &items); err != nil {
		t.Fatalf("sealock %s prints %s: %v", strings.Join(args, " "), &out, err)
	}
	values := make([]string, len(items))
	for i, item := range items {
		values[i] = fmt.Sprint(item[field])
	}
	slices.Sort(values)
	return values
}

// TestListsAreWhole lists what fills more than a page: also where the policy hides all of the first one.
func TestListsAreWhole(t *testing.T) {
	t.Parallel()
	s := startSystem(t, nil)
	member, _ := withAlice(t, s)
	s.api(t, "PUT", member, `{"role_id":2,"repositories":["z*"]}`, 200)
	var scope, repositories, seen, digests, tags []string
	for i := range largePage + 5 {
		name := fmt.Sprintf("team/a%03d", i)
		if i >= largePage {
			name = fmt.Sprintf("team/z%03d", i)
			seen = append(seen, name)
		}
		repositories = append(repositories, name)
		scope = append(scope, "repository:"+name+":pull,push")
		tags = append(tags, fmt.Sprintf("v%03d", i))
	}
	for chunk := range slices.Chunk(repositories, 20) {
		first := slices.Index(repositories, chunk[0])
		token, _ := s.granted(t, "admin", testPassword, strings.Join(scope[first:first+len(chunk)], " "))
		for _, name := range chunk {
			digests = []string{pushes{s, t, token}.small(name, "v1", "")}
		}
	}
	token, _ := s.granted(t, "admin", testPassword, "repository:team/z100:pull,push repository:team/z104:pull,push")
	p := pushes{s, t, token}
	for _, tag := range tags {
		digests = append(digests, p.small("team/z100", tag, tag))
		p.small("team/z104", tag, "")
	}
	slices.Sort(digests)

	for _, c := range []struct {
		who, password, field string
		args                 []string
		want                 []string
	}{
		{"admin", testPassword, "name", []string{"repository", "list", "team"}, repositories},
		{"admin", testPassword, "name", []string{"repository", "list"}, repositories},
		{"alice", "wonderland-1", "name", []string{"repository", "list", "team"}, seen},
		{"alice", "wonderland-1", "name", []string{"repository", "list"}, seen},
		{"alice", "wonderland-1", "name", []string{"repository", "list", "--name", "z10"}, seen},
		{"admin", testPassword, "digest", []string{"artifact", "list", "team/z100", "--tag", "v"}, digests},
		{"admin", testPassword, "name", []string{"tag", "list", "team/z100"}, withV1(tags)},
		{"admin", testPassword, "name", []string{"tag", "list", "team/z104"}, withV1(tags)},
		{"admin", testPassword, "name", []string{"tag", "list", "team/z104:v007"}, withV1(tags)},
	} {
		if got := s.typed(t, c.who, c.password, c.field, c.args...); !slices.Equal(got, c.want) {
			t.Errorf("sealock %s for %s lists %d: %q, want %d: %q", strings.Join(c.args, " "), c.who, len(got), got, len(c.want), c.want)
		}
	}
}

// withV1 adds the tag that every repository has.
func withV1(tags []string) []string {
	return slices.Sorted(slices.Values(append(slices.Clone(tags), "v1")))
}

// small pushes an image of two bytes, which differs by the text, and returns its digest.
func (p pushes) small(repository, tag, text string) string {
	p.t.Helper()
	d := digest.FromString("{}").String()
	if tag == "v1" {
		p.blob(repository, "{}")
	}
	body := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.empty.v1+json","size":2,"digest":%q},"layers":[],"annotations":{"text":%q}}`,
		manifestType, d, text)
	return p.send(http.MethodPut, "/v2/"+repository+"/manifests/"+tag, manifestType, body, 201).Header().Get("Docker-Content-Digest")
}
