package proxy_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/httpx"
	"github.com/sealock/sealock/proxy"
	"github.com/sealock/sealock/proxy/embedded/stocktest"
)

// pair is a door before two stock registries: first is the default, second has the project mine and everything that begins
// with m-, and is what mirror.example.com reads from.
type pair struct {
	*door
	first, second *proxy.Separate
	servers       [2]*httptest.Server
}

func openPair(t *testing.T, options ...option) *pair {
	t.Helper()
	m := newMint(t)
	p := &pair{}
	for i := range p.servers {
		p.servers[i] = newStock(t, m)
	}
	p.first, p.second = newSeparate(t, m, p.servers[0].URL), newSeparate(t, m, p.servers[1].URL)
	up, err := proxy.NewSeveral(
		proxy.Member{Upstream: p.first, Minter: m},
		proxy.Member{Name: "second", Upstream: p.second, Projects: []string{"mine", "m-*"}, Hosts: []string{"mirror.example.com"}, Minter: m},
	)
	must(t, err)
	origins, err := httpx.NewOrigins([]string{"http://hub.example.com", "http://mirror.example.com:8080"}, nil)
	must(t, err)
	p.door = open(t, m, up, append([]option{func(c *proxy.Config) { c.Origins = origins }}, options...)...)
	p.policy.table["alice"]["m-app"] = "pull,push,delete"
	return p
}

// at returns a call under a host name.
func at(host string, c call) call {
	c.header = map[string]string{"Host": host, "Accept": manifestType}
	return c
}

const (
	hub       = "hub.example.com"
	mirror    = "mirror.example.com:8080"
	allOf     = "repository:team/app:pull,push,delete repository:mine/app:pull,push,delete repository:m-app/x:pull,push,delete"
	someLayer = "shared by two registries"
)

// someManifest has someLayer for a config.
func someManifest() map[string]any {
	return map[string]any{
		"schemaVersion": 2, "mediaType": manifestType,
		"config": map[string]any{"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digestOf([]byte(someLayer)), "size": len(someLayer)}, "layers": []any{},
	}
}

// wantHome fails unless exactly one of the registries has a tag.
func (p *pair) wantHome(t *testing.T, repository string, home *proxy.Separate) {
	t.Helper()
	for _, s := range []*proxy.Separate{p.first, p.second} {
		got, err := s.TagDigest(t.Context(), repository, "v1")
		if err != nil || (got != "") != (s == home) {
			t.Errorf("%s in a registry that is its home: %v = %q, %v", repository, s == home, got, err)
		}
	}
}

// push pushes an image under the main host name: Locations lead there, and nowhere from here.
func (p *pair) push(t *testing.T, token, repository string) string {
	t.Helper()
	origins := p.config.Origins
	local, err := httpx.NewOrigins([]string{p.srv.URL}, nil)
	must(t, err)
	p.serve(local)
	defer p.serve(origins)
	return p.pushImage(t, token, repository, "v1")
}

func (p *pair) serve(o httpx.Origins) {
	p.config.Origins = o
	p.srv.Config.Handler = httpx.RequestIDs(&counter{}, proxy.New(p.config))
}

func TestEachProjectIsAtHome(t *testing.T) {
	p := openPair(t)
	token := p.token(t, "alice", allOf, 0)
	digests := map[string]string{}
	for repository, home := range map[string]*proxy.Separate{"team/app": p.first, "mine/app": p.second, "m-app/x": p.second} {
		digests[repository] = p.push(t, token, repository)
		p.wantHome(t, repository, home)
		a := p.do(t, at(hub, call{method: "GET", path: "/v2/" + repository + "/manifests/v1", token: token})).want(t, "GET "+repository, 200)
		if digestOf(a.body) != digests[repository] {
			t.Errorf("GET %s = %s, want what was pushed", repository, digestOf(a.body))
		}
		p.do(t, at(hub, call{method: "GET", path: "/v2/" + repository + "/tags/list?n=1", token: token})).want(t, "a page of tags of "+repository, 200)
	}

	// What only the first registry has of the second one's projects is nobody's to see.
	stray := open(t, p.mint, p.first)
	stray.policy.table["alice"]["m-old"] = "pull,push"
	stray.pushImage(t, stray.token(t, "alice", "repository:m-old/x:pull,push", 0), "m-old/x", "v1")
	p.policy.table["alice"]["m-old"] = "pull,push"
	want := []string{"m-app/x", "mine/app", "team/app"}
	for n := 1; n < 5; n++ {
		if got := p.allPages(t, token, n); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
			t.Errorf("catalog in pages of %d = %q, want %q", n, got, want)
		}
	}
	got, _ := p.catalog(t, token, "")
	if !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("catalog = %q, want %q", got, want)
	}

	// The project service reaches each by its name.
	in := proxy.NewInside(p.config.Upstream)
	for repository, digest := range digests {
		if _, body, err := in.Manifest(t.Context(), repository, "v1"); err != nil || digestOf(body) != digest {
			t.Errorf("Manifest(%s) = %s, %v, want %s", repository, digestOf(body), err, digest)
		}
		must(t, in.DeleteManifest(t.Context(), repository, digest))
		p.do(t, at(hub, call{method: "GET", path: "/v2/" + repository + "/manifests/v1", token: token})).want(t, "GET what was deleted from "+repository, 404)
	}
}

func TestMountFromAnotherRegistryIsAnUpload(t *testing.T) {
	p := openPair(t)
	token := p.token(t, "alice", allOf, 0)
	for _, repository := range []string{"team/app", "mine/app"} {
		p.push(t, token, repository)
	}
	layer := digestOf([]byte("layer of team/app"))
	mount := func(to string) call {
		return at(hub, call{method: "POST", path: "/v2/" + to + "/blobs/uploads/?mount=" + layer + "&from=team/app", token: token})
	}
	// Something else of that name in the same registry is not what is meant.
	open(t, p.mint, p.second).pushBlob(t, token, "team/app", []byte("layer of team/app"), 0)
	a := p.do(t, mount("mine/app")).want(t, "a mount from another registry", http.StatusAccepted)
	if !strings.HasPrefix(a.header.Get("Location"), "http://"+hub+"/v2/mine/app/blobs/uploads/") {
		t.Errorf("Location = %q, want an upload of mine/app", a.header.Get("Location"))
	}
	p.do(t, at(hub, call{method: "HEAD", path: "/v2/mine/app/blobs/" + layer, token: token})).want(t, "HEAD what was not mounted", 404)
	err := proxy.NewInside(p.config.Upstream).Mount(t.Context(), "team/app", "mine/app", layer)
	wantKind(t, "Mount between registries", err, errs.NotFound)
	p.policy.table["alice"]["team"] = "pull,push"
	p.do(t, at(hub, call{method: "POST", path: "/v2/team/other/blobs/uploads/?mount=" + layer + "&from=team/app", token: p.token(t, "alice", allOf+" repository:team/other:pull,push", 0)})).
		want(t, "a mount in one registry", http.StatusCreated)
}

// TestHostReadsFromItsRegistry wants reads under a host name from its registry, and writes nowhere else than home.
func TestHostReadsFromItsRegistry(t *testing.T) {
	told := &listener{}
	p := openPair(t, func(c *proxy.Config) { c.Observer = told })
	token := p.token(t, "alice", allOf, 0)
	home := p.push(t, token, "team/app")
	direct := open(t, p.mint, p.second)
	direct.pushBlob(t, token, "team/app", []byte(someLayer), 0)
	mirrored := direct.putManifest(t, token, "team/app", "v1", someManifest()).
		want(t, "pushing into the second registry", 201).header.Get("Docker-Content-Digest")
	told.take()
	for host, want := range map[string]string{mirror: mirrored, hub: home, "unknown.example.com": home} {
		a := p.do(t, at(host, call{method: "GET", path: "/v2/team/app/manifests/v1", token: token})).want(t, "GET at "+host, 200)
		if digestOf(a.body) != want {
			t.Errorf("GET at %s = %s, want %s", host, digestOf(a.body), want)
		}
	}
	told.want(t, "pulls, and nothing that the index does not know", "pull team/app:v1 "+home, "pull team/app:v1 "+home)
	for _, c := range []call{
		{method: "POST", path: "/v2/team/app/blobs/uploads/"},
		{method: "PUT", path: "/v2/team/app/manifests/v1", body: []byte(`{}`)},
		{method: "DELETE", path: "/v2/team/app/manifests/" + mirrored},
	} {
		c.token = token
		a := p.do(t, at(mirror, c)).want(t, c.method+" at the mirror", 403)
		if !strings.Contains(a.text(), "can be read under this host name, and not written") {
			t.Errorf("%s at the mirror says %q, want why", c.method, a.text())
		}
	}
	a := p.do(t, at(mirror, call{method: "POST", path: "/v2/mine/app/blobs/uploads/", token: token})).want(t, "POST where the mirror is home", 202)
	if !strings.HasPrefix(a.header.Get("Location"), "http://"+mirror+"/v2/mine/app/") {
		t.Errorf("Location at the mirror = %q, want the same host", a.header.Get("Location"))
	}
	if more := told.take(); len(more) > 0 {
		t.Errorf("told of reads elsewhere: %q, want nothing", more)
	}
	list := p.do(t, at(mirror, call{method: "GET", path: "/v2/_catalog", token: token})).want(t, "catalog of the mirror", 200)
	if got := strings.TrimSpace(string(list.body)); got != `{"repositories":["team/app"]}` {
		t.Errorf("catalog of the mirror = %s, want what the second registry has", got)
	}
}

// audience makes tokens for another service.
type audience struct {
	*mint
	service string
}

func (a audience) Mint(ctx context.Context, access auth.Scope) (string, error) {
	now := time.Now()
	return a.tokens.Sign(ctx, auth.ClaimSet{
		Issuer: "sealock", Audience: a.service, JTI: "own", NotBefore: now, IssuedAt: now, ExpiresAt: now.Add(time.Minute), Access: access,
	}, auth.HeaderX5C)
}

// A registry with a service of its own gets tokens for it, and clients never notice.
func TestServiceOfItsOwn(t *testing.T) {
	m := newMint(t)
	other := newStockOf(t, m, stocktest.Config{Service: "other"})
	own := audience{m, "other"}
	up, err := proxy.NewSeparate(proxy.SeparateConfig{Name: "other", URL: other.URL, Minter: own, OwnAud: true, Log: quiet()})
	must(t, err)
	t.Cleanup(up.Close)
	several, err := proxy.NewSeveral(proxy.Member{Upstream: newEmbedded(t)}, proxy.Member{Name: "other", Upstream: up, Projects: []string{"mine"}, Minter: own, OwnAud: true})
	must(t, err)
	d := open(t, m, several)
	token := d.token(t, "alice", allOf, 0)
	d.pushImage(t, token, "mine/app", "v1")
	d.pushImage(t, token, "team/app", "v1")
	d.do(t, call{method: "GET", path: "/v2/mine/app/tags/list", token: token}).want(t, "GET tags", 200)

	// A registry that refuses sealock's tokens is nothing that a client mends by asking for another one.
	wrong, err := proxy.NewSeparate(proxy.SeparateConfig{Name: "other", URL: other.URL, Minter: m, OwnAud: true, Log: quiet()})
	must(t, err)
	t.Cleanup(wrong.Close)
	several, err = proxy.NewSeveral(proxy.Member{Upstream: newEmbedded(t)}, proxy.Member{Name: "other", Upstream: wrong, Projects: []string{"mine"}, Minter: m, OwnAud: true})
	must(t, err)
	a := open(t, m, several).do(t, call{method: "GET", path: "/v2/mine/app/tags/list", token: token}).want(t, "GET where sealock's tokens are refused", 503)
	if !strings.Contains(a.text(), `the registry "other" behind sealock refuses sealock's tokens`) {
		t.Errorf("refused tokens of sealock = %q, want that it is their registry's settings", a.text())
	}
}

// What a registry has that a host name leads to belongs to somebody: who makes a project of the name could read it there.
func TestNameIsTakenWhereAHostReads(t *testing.T) {
	p := openPair(t)
	direct := open(t, p.mint, p.second)
	token := p.token(t, "alice", allOf, 0)
	direct.pushBlob(t, token, "team/app", []byte(someLayer), 0)
	direct.putManifest(t, token, "team/app", "v1", someManifest()).want(t, "pushing into the second registry", 201)
	gate := proxy.New(p.config)
	for project, want := range map[string]bool{"team": true, "tea": false, "team-b": false, "mine": false} {
		if got, err := gate.HasRepositories(t.Context(), project); err != nil || got != want {
			t.Errorf("HasRepositories(%s) = %v, %v, want %v", project, got, err, want)
		}
	}
	if got, err := gate.HasContent(t.Context(), "team"); err != nil || got {
		t.Errorf("HasContent(team) = %v, %v, want false: its home has nothing", got, err)
	}
	p.servers[1].Close()
	_, err := gate.HasRepositories(t.Context(), "team")
	wantKind(t, "HasRepositories while nobody can tell", err, errs.Unavailable)
}

// A project that was renamed is pulled under its former name from where it lives now. Its registry never saw that name in a
// token.
func TestFormerNameIsPulledFromHome(t *testing.T) {
	p := openPair(t)
	p.policy.table["alice"]["crew"] = "pull" // team was called crew
	p.push(t, p.token(t, "alice", allOf, 0), "team/app")
	a := p.do(t, at(hub, call{method: "GET", path: "/v2/crew/app/manifests/v1", token: p.token(t, "alice", "repository:crew/app:pull", 0)}))
	a.want(t, "GET under the former name", 200)
}

func TestRenameStaysInOneRegistry(t *testing.T) {
	p := openPair(t)
	ctx := t.Context()
	p.push(t, p.token(t, "alice", allOf, 0), "team/app")
	err := p.config.Upstream.RenameRepositories(ctx, "team", "m-team")
	wantKind(t, "renaming into another registry", err, errs.Unsupported)
	if err != nil && !strings.Contains(err.Error(), "another registry") {
		t.Errorf("renaming into another registry = %v, want why not", err)
	}
	must(t, p.config.Upstream.RenameRepositories(ctx, "empty", "m-empty"))
	gate := proxy.New(p.config)
	for project, want := range map[string]bool{"team": true, "mine": false} {
		if got, err := gate.HasContent(ctx, project); err != nil || got != want {
			t.Errorf("HasContent(%s) = %v, %v, want %v", project, got, err, want)
		}
	}
}

// One registry that is down leaves the others as they are.
func TestOneOfSeveralIsDown(t *testing.T) {
	p := openPair(t)
	token := p.token(t, "alice", allOf, 0)
	p.push(t, token, "team/app")
	p.servers[1].Close()
	p.do(t, at(hub, call{method: "GET", path: "/v2/team/app/manifests/v1", token: token})).want(t, "GET from the one that is well", 200)
	p.do(t, at(hub, call{method: "GET", path: "/v2/mine/app/manifests/v1", token: token})).want(t, "GET from the one that is down", 503)
	p.do(t, at(hub, call{method: "GET", path: "/v2/_catalog?n=5", token: token})).want(t, "a list that would be short", 503)
	if got, err := proxy.New(p.config).HasContent(t.Context(), "team"); err != nil || !got {
		t.Errorf("HasContent(team) = %v, %v, want true: its home is well", got, err)
	}
}

func TestNewSeveralRefuses(t *testing.T) {
	up := newEmbedded(t)
	for name, list := range map[string][]proxy.Member{
		"none":                         {},
		"a project in two":             {{Upstream: up}, {Upstream: up, Projects: []string{"a"}}, {Upstream: up, Projects: []string{"a"}}},
		"a pattern that is none":       {{Upstream: up}, {Upstream: up, Projects: []string{"a["}}},
		"a host that leads to several": {{Upstream: up}, {Upstream: up, Hosts: []string{"a"}}, {Upstream: up, Hosts: []string{"A"}}},
	} {
		if _, err := proxy.NewSeveral(list...); !errs.Is(err, errs.Invalid) {
			t.Errorf("NewSeveral with %s = %v, want an Invalid error", name, err)
		}
	}
}
