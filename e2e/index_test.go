package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealock/sealock/e2e/internal/client"
	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
	"github.com/sealock/sealock/e2e/internal/registry"
	"github.com/sealock/sealock/e2e/internal/sealock"
)

// indexed returns what the index of a server holds, as its API tells: tags, as "repository:tag|digest|pulls".
func indexed(t *testing.T, server *sealock.Server) []string {
	t.Helper()
	s := &harborScript{t: t, server: server, calls: &sentCalls{of: map[string]bool{}}, user: "admin", password: sealock.AdminPassword, moving: true}
	pulls := map[string]any{}
	for _, r := range s.all("/repositories?page_size=100") {
		pulls[fmt.Sprint(r["name"])] = r["pull_count"]
	}
	var rows []string
	for _, p := range s.all("/projects?page_size=100") {
		for _, a := range s.all(fmt.Sprintf("/projects/%.0f/artifacts?with_tag=true&page_size=100", p["project_id"])) {
			tags, _ := a["tags"].([]any)
			for _, tag := range tags {
				name := inner(fields{"tag": tag}, "tag")["name"]
				rows = append(rows, fmt.Sprintf("%s:%s|%s|%v", a["repository_name"], name, a["digest"], pulls[fmt.Sprint(a["repository_name"])]))
			}
		}
	}
	slices.Sort(rows)
	return rows
}

// awaitIndex waits for what a registry tells in its own time.
func awaitIndex(t *testing.T, server *sealock.Server, what string, ok func(rows []string) bool) {
	t.Helper()
	var rows []string
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if rows = indexed(t, server); ok(rows) {
			return
		}
	}
	t.Errorf("the index after %s: %q", what, rows)
}

func has(prefix string) func(rows []string) bool {
	return func(rows []string) bool {
		for _, row := range rows {
			if strings.HasPrefix(row, prefix) {
				return true
			}
		}
		return false
	}
}

func hasNot(prefix string) func(rows []string) bool {
	return func(rows []string) bool { return !has(prefix)(rows) }
}

// TestIndexByTheDoor logs in with docker, pushes and pulls with crane, and looks into the index.
func TestIndexByTheDoor(t *testing.T) {
	t.Parallel()
	server := serve(t, "")
	server.AddProject(t, "team")
	d := newDesk(t, server)
	must(t, d.login("admin", adminPassword))
	must(t, d.push("team/app"))
	if rows := indexed(t, server); !has("team/app:1.0.0|sha256:")(rows) {
		t.Errorf("the index after a push: %q, want the tag in it at once", rows)
	}
	must(t, d.pull("team/app"))
	awaitIndex(t, server, "a pull", func(rows []string) bool { return has("team/app:1.0.0|")(rows) && !strings.HasSuffix(rows[0], "|0") })
}

// TestIndexByNotifications has stock registries that clients reach directly tell what they have.
func TestIndexByNotifications(t *testing.T) {
	t.Parallel()
	for _, kind := range []registry.Kind{registry.Debian28, registry.V30, registry.V31} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			upstream := proc.FreeAddr(t)
			server := sealock.Prepare(t, sealock.Options{
				Addr: proc.FreeAddr(t), Flags: []string{"--only", "auth"},
				Settings: fmt.Sprintf("registry:\n  url: http://%s\n  notifications:\n    secret: the-registrys-own-secret-1\n", upstream),
			})
			registry.Start(t, kind, upstream, server.RegistryConfig(t))
			server.Start(t)
			server.LogIn(t)
			server.AddProject(t, "team")
			need.Tool(t, "skopeo")
			s, skopeo := client.NewSession(t, upstream, client.Engines{}), driver(t, "skopeo")
			if skopeo.Login != nil {
				must(t, skopeo.Login(s, "admin", adminPassword))
			}
			ref := client.Ref{Host: upstream, Repository: "team/app", Tag: "1.0.0"}
			must(t, skopeo.Push(s, ref, unique(string(kind))))
			awaitIndex(t, server, "a push", has("team/app:1.0.0|sha256:"))
			before := indexed(t, server)
			if len(before) != 1 || !strings.HasSuffix(before[0], "|0") {
				t.Errorf("the index after a push and no pull: %q, want no pull in it: the server's own look is none", before)
			}
			digest, out := skopeo.Pull(s, ref, "")
			must(t, out)
			awaitIndex(t, server, "a pull", func(rows []string) bool { return len(rows) > 0 && !strings.HasSuffix(rows[0], "|0") })
			must(t, skopeo.Delete(s, ref, digest.Digest))
			awaitIndex(t, server, "a delete", hasNot("team/app:1.0.0"))
			if text, err := server.Output(); err != nil || strings.Contains(text, "the-registrys-own-secret") {
				t.Errorf("the log holds the secret, or can't be read: %v", err)
			}
		})
	}
}

// adopted is how sealock reindex says a walk stands.
type adopted struct {
	State                                                   string
	Total, Repositories, Artifacts, Tags, Projects, Skipped int64
}

// TestReindexAdoptsRegistry fills a registry before sealock comes, cuts the walk off in the middle, and goes on.
func TestReindexAdoptsRegistry(t *testing.T) {
	t.Parallel()
	const repositories = 250
	for _, kind := range []registry.Kind{registry.Debian28, registry.V31} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			upstream := proc.FreeAddr(t)
			registry.Start(t, kind, upstream, "")
			var wg sync.WaitGroup
			for first := range 8 {
				wg.Go(func() {
					for n := first; n < repositories; n += 8 {
						fill(t, upstream, fmt.Sprintf("old%d/app%03d", n%2, n))
					}
				})
			}
			wg.Wait()
			fill(t, upstream, "loner")
			server := serve(t, fmt.Sprintf("registry:\n  url: http://%s\n", upstream))
			server.CLI(t, "reindex", "--detach")
			var st adopted
			for st.Repositories == 0 || st.State != "running" {
				if st = status(t, server); st.State == "done" {
					t.Fatal("the walk was over before it could be cut off: have more repositories")
				}
			}
			server.Kill(t)
			server.Start(t)
			if after := status(t, server); after.State != "running" || after.Repositories < st.Repositories || after.Repositories >= repositories {
				t.Errorf("the walk after the server was killed = %+v, want it to go on from %+v", after, st)
			}
			if err := json.Unmarshal([]byte(server.CLI(t, "reindex", "--output", "json")), &st); err != nil {
				t.Fatal(err)
			}
			if want := (adopted{"done", repositories + 1, repositories + 1, repositories, repositories, 2, 1}); st != want {
				t.Errorf("the walk = %+v, want %+v", st, want)
			}
			if rows := indexed(t, server); len(rows) != repositories || !has("old1/app249:1.0.0|sha256:")(rows) {
				t.Errorf("the index has %d tags, want %d", len(rows), repositories)
			}
			d := newDesk(t, server)
			must(t, d.login("admin", adminPassword))
			must(t, d.pull("old1/app249"))
			must(t, d.push("old0/new"))
		})
	}
}

func status(t *testing.T, server *sealock.Server) (st adopted) {
	t.Helper()
	raw := server.CLI(t, "reindex", "--status", "--output", "json")
	if err := json.Unmarshal([]byte(raw), &st); err != nil {
		t.Fatalf("reading %s: %v", raw, err)
	}
	return st
}

// fill puts a small image into a registry that asks nobody for a token. Several may at once.
func fill(t *testing.T, host, repository string) {
	t.Helper()
	config, layer := []byte(`{"architecture":"amd64","os":"linux","author":"`+repository+`","rootfs":{"type":"layers","diff_ids":[]}}`), bytes.Repeat([]byte{0}, 1024)
	blob := func(mediaType string, content []byte) string {
		digest := fmt.Sprintf("sha256:%x", sha256.Sum256(content))
		location := fillWith(t, http.MethodPost, "http://"+host+"/v2/"+repository+"/blobs/uploads/", "", nil, http.StatusAccepted)
		fillWith(t, http.MethodPut, location+"&digest="+digest, "application/octet-stream", content, http.StatusCreated)
		return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, mediaType, digest, len(content))
	}
	const manifest = "application/vnd.oci.image.manifest.v1+json"
	body := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]}`, manifest,
		blob("application/vnd.oci.image.config.v1+json", config), blob("application/vnd.oci.image.layer.v1.tar", layer))
	fillWith(t, http.MethodPut, "http://"+host+"/v2/"+repository+"/manifests/1.0.0", manifest, []byte(body), http.StatusCreated)
}

// fillWith sends a request and returns the Location of its answer.
func fillWith(t *testing.T, method, url, contentType string, body []byte, want int) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Error(err)
		return ""
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body) // for the message only
	if resp.StatusCode != want {
		t.Errorf("%s %s = %d %s, want %d", method, url, resp.StatusCode, text, want)
	}
	return resp.Header.Get("Location")
}
