package e2e_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealock/sealock/e2e/internal/client"
	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
	"github.com/sealock/sealock/e2e/internal/registry"
	"github.com/sealock/sealock/e2e/internal/sealock"
)

// servedBy reports whether a registry has a repository in its folder.
func servedBy(r *registry.Registry, repository string) bool {
	_, err := os.Stat(filepath.Join(r.Storage(), "docker/registry/v2/repositories", repository))
	return err == nil
}

// TestSeveralRegistries has a 2.8 for everything and a 3.1 for some projects and a host name behind one sealock. Clients notice
// nothing of it, until one of them ends.
func TestSeveralRegistries(t *testing.T) {
	t.Parallel()
	need.Tool(t, "crane")
	addr, first, second := proc.FreeAddr(t), proc.FreeAddr(t), proc.FreeAddr(t)
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	other := "localhost:" + port
	server := sealock.Prepare(t, sealock.Options{Addr: addr, Settings: fmt.Sprintf(`
external_urls: ["http://%s", "http://%s"]
registry:
  url: http://%s
registries:
  - {name: second, url: "http://%s", projects: [mine, "m-*"], hosts: ["%s"], service: second}
token:
  services:
    - {name: second, key_header: x5c}
upstreams: {check_every: 200ms, check_timeout: 1s}
`, addr, other, first, second, other)})
	one := registry.Start(t, registry.Debian28, first, server.RegistryConfig(t))
	two := registry.Start(t, registry.V31, second, server.RegistryConfig(t, "--service", "second"))
	server.Start(t)
	server.LogIn(t)
	for _, project := range []string{"team", "mine", "m-app"} {
		server.AddProject(t, project)
	}
	d := newDesk(t, server)
	must(t, d.login("admin", adminPassword))

	for repository, at := range map[string][2]bool{"team/app": {true, false}, "mine/app": {false, true}, "m-app/x": {false, true}} {
		must(t, d.push(repository))
		must(t, d.pull(repository))
		if got := [2]bool{servedBy(one, repository), servedBy(two, repository)}; got != at {
			t.Errorf("%s is in the registries: %v, want %v", repository, got, at)
		}
	}
	// Between registries the client's mount becomes an upload.
	for _, to := range []string{"mine/copy", "team/copy"} {
		must(t, d.Run("crane", "copy", "--insecure", d.ref("team/app").String(), d.ref(to).String()))
		must(t, d.Run("crane", "copy", "--insecure", d.ref("mine/app").String(), d.ref(to+"2").String()))
		must(t, d.pull(to))
	}
	want := "m-app/x mine/app mine/copy mine/copy2 team/app team/copy team/copy2"
	list := strings.Fields(said(t, d.Run("crane", "catalog", "--insecure", addr)))
	slices.Sort(list)
	if got := strings.Join(list, " "); got != want {
		t.Errorf("catalog = %s, want %s", got, want)
	}

	// The project service finds and deletes what each has, by its name.
	for _, repository := range []string{"team/copy", "mine/copy"} {
		if out := server.CLI(t, "artifact", "list", repository, "--output", "json"); !strings.Contains(out, `"1.0.0"`) {
			t.Errorf("the artifacts of %s = %s, want 1.0.0", repository, out)
		}
		server.CLI(t, "tag", "delete", repository+":1.0.0")
		if out := d.pull(repository); out.Err == nil {
			t.Errorf("%s can be pulled after its tag was deleted", repository)
		}
	}

	// Under the other host name the second registry is read, and written where it is at home.
	there := &desk{client.NewSession(t, other, client.Engines{}), driver(t, "crane")}
	must(t, there.login("admin", adminPassword))
	must(t, there.push("mine/there"))
	must(t, d.pull("mine/there"))
	if out := there.push("team/there"); out.Err == nil || !strings.Contains(out.String(), "can be read under this host name") {
		t.Errorf("a push to another registry's host: %s, want why not", out)
	}

	two.Stop()
	if out := d.pull("mine/app"); out.Err == nil || !strings.Contains(out.String(), `registry "second" behind sealock does not answer`) {
		t.Errorf("a pull from a registry that has ended: %s, want which one", out)
	}
	must(t, d.pull("team/app"))
	must(t, d.push("team/meanwhile"))
	unhealthy(t, server, "registry:second")
	two.Again(t)
	must(t, d.pull("mine/app"))
	must(t, d.push("mine/after"))
	server.CLI(t, "health", server.URL)
	server.Said(t, "an address of a registry is left out", 1)
	server.Said(t, "an address of a registry is well again", 1)
}

// unhealthy wants one component to be ill, and the others well.
func unhealthy(t *testing.T, server *sealock.Server, component string) {
	t.Helper()
	out := proc.Run(proc.Command{Args: []string{sealock.Binary(t), "health", server.URL}, Env: []string{"PATH=" + need.Path()}})
	if out.Err == nil || strings.Count(out.Stdout, `"unhealthy"`) != 2 || !strings.Contains(out.Stdout, `"name":"`+component+`"`) {
		t.Errorf("health = %s, want %s to be ill alone", out, component)
	}
}

// TestRedirectingStorage has a registry that sends its clients elsewhere for blobs. By the setting they go there themselves, or
// get them from sealock; either way no token leaves the house.
func TestRedirectingStorage(t *testing.T) {
	t.Parallel()
	need.Tool(t, "crane")
	for _, redirects := range []string{"pass", "follow"} {
		t.Run(redirects, func(t *testing.T) {
			t.Parallel()
			var root atomic.Pointer[string]
			var own, others, leaks atomic.Int64
			bucket := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "" {
					leaks.Add(1)
				}
				if r.UserAgent() == "sealock/inside" {
					own.Add(1)
				} else {
					others.Add(1)
				}
				http.FileServer(http.Dir(*root.Load())).ServeHTTP(w, r)
			}))
			t.Cleanup(bucket.Close)
			addr, behind := proc.FreeAddr(t), proc.FreeAddr(t)
			server := sealock.Prepare(t, sealock.Options{Addr: addr, Settings: fmt.Sprintf("registry: {url: \"http://%s\", redirects: %s}\n", behind, redirects)})
			stock := registry.Start(t, registry.Debian28, behind, server.RegistryConfig(t)+fmt.Sprintf(`
middleware:
  storage:
    - name: redirect
      options: {baseurl: "%s/"}
`, bucket.URL))
			storage := stock.Storage()
			root.Store(&storage)
			server.Start(t)
			server.LogIn(t)
			server.AddProject(t, "team")
			d := newDesk(t, server)
			must(t, d.login("admin", adminPassword))
			must(t, d.push("team/app"))
			own.Store(0)
			must(t, d.pull("team/app"))
			if redirects == "pass" && (others.Load() == 0 || own.Load() != 0) || redirects == "follow" && (others.Load() != 0 || own.Load() == 0) {
				t.Errorf("the storage was asked %d times by sealock and %d times by others", own.Load(), others.Load())
			}
			if leaks.Load() != 0 {
				t.Errorf("%d requests to the storage had a token", leaks.Load())
			}
		})
	}
}

// TestReplicasOfARegistry ends one of two registries that share their storage: reads go on.
func TestReplicasOfARegistry(t *testing.T) {
	t.Parallel()
	need.Tool(t, "crane")
	addr, first, second := proc.FreeAddr(t), proc.FreeAddr(t), proc.FreeAddr(t)
	server := sealock.Prepare(t, sealock.Options{Addr: addr, Settings: fmt.Sprintf(
		"registry: {url: \"http://%s\", urls: [\"http://%s\"]}\nupstreams: {check_every: 200ms, check_timeout: 1s}\n", first, second)})
	one := registry.Start(t, registry.V31, first, server.RegistryConfig(t))
	two := registry.StartReplica(t, one, second)
	server.Start(t)
	server.LogIn(t)
	server.AddProject(t, "team")
	d := newDesk(t, server)
	must(t, d.login("admin", adminPassword))
	for i := range 3 {
		must(t, d.push(fmt.Sprint("team/app", i)))
	}
	two.Stop()
	for i := range 3 {
		must(t, d.pull(fmt.Sprint("team/app", i)))
	}
	server.Said(t, "an address of a registry is left out", 1)
	must(t, d.push("team/one-is-left"))
	if out := server.CLI(t, "health", server.URL); !strings.Contains(out, "1 of 2 addresses are left out") {
		t.Errorf("health = %s, want how many addresses are left out", out)
	}
	one.Stop()
	start := time.Now()
	if out := d.pull("team/app0"); out.Err == nil || !strings.Contains(out.String(), "does not answer") {
		t.Errorf("a pull when all have ended: %s, want that", out)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("it took %s to say so", took)
	}
	two.Again(t)
	must(t, d.pull("team/app0"))
}
