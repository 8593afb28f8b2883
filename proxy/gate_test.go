package proxy_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/httpx"
	"github.com/sealock/sealock/proxy"
)

// closed opens a door before an upstream that must not be reached.
func closed(t *testing.T, options ...option) *door {
	t.Helper()
	return open(t, newMint(t), unreachable{t: t}, options...)
}

// unreachable fails the test when a request gets through.
type unreachable struct {
	proxy.Upstream // nil: any other method panics
	t              *testing.T
}

func (u unreachable) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.t.Errorf("%s %s reached the upstream", r.Method, r.URL)
	w.WriteHeader(http.StatusTeapot)
}

func (u unreachable) TakesTokens() bool { return true }

func TestPing(t *testing.T) {
	d := closed(t)
	realm := `Bearer realm="` + d.srv.URL + `/service/token",service="sealock-registry"`
	for _, row := range []struct {
		name, token, challenge string
		header                 map[string]string
		status                 int
	}{
		{"no token", "", realm, nil, 401},
		{"basic", "", realm, map[string]string{"Authorization": "Basic YTpi"}, 401},
		{"empty bearer", "", realm, map[string]string{"Authorization": "Bearer "}, 401},
		{"garbage", "garbage", realm + `,error="invalid_token"`, nil, 401},
		{"expired", d.token(t, "alice", "", -time.Hour), realm + `,error="invalid_token"`, nil, 401},
		{"not yet valid", d.token(t, "alice", "", time.Hour), realm + `,error="invalid_token"`, nil, 401},
		{"of another issuer", newMint(t).token(t, "alice", "", 0), realm + `,error="invalid_token"`, nil, 401},
		{"valid and empty", d.token(t, "alice", "", 0), "", nil, 200},
		{"valid and anonymous", d.token(t, "", "", 0), "", nil, 200},
		{"scheme in lower case", "", "", map[string]string{"Authorization": "bearer " + d.token(t, "alice", "", 0)}, 200},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			a := d.do(t, call{method: method, path: "/v2/", token: row.token, header: row.header})
			if a.status != row.status || a.header.Get("WWW-Authenticate") != row.challenge {
				t.Errorf("%s: %s /v2/ = %d %q, want %d %q", row.name, method, a.status, a.header.Get("WWW-Authenticate"), row.status, row.challenge)
			}
			if a.header.Get("Docker-Distribution-Api-Version") != "registry/2.0" || method == "HEAD" && len(a.body) > 0 {
				t.Errorf("%s: %s /v2/ = %q %s, want the API version, and no body on HEAD", row.name, method, a.body, headerText(a.header))
			}
		}
	}
}

func TestTwoTokensAreNone(t *testing.T) {
	d := closed(t)
	req, err := http.NewRequestWithContext(t.Context(), "GET", d.srv.URL+"/v2/", nil)
	must(t, err)
	req.Header["Authorization"] = []string{"Bearer " + d.token(t, "alice", "", 0), "Bearer " + d.token(t, "bob", "", 0)}
	resp, err := http.DefaultTransport.RoundTrip(req)
	must(t, err)
	must(t, resp.Body.Close())
	if resp.StatusCode != 401 {
		t.Errorf("GET /v2/ with two tokens = %d, want 401", resp.StatusCode)
	}
}

// Without a token each route asks for one with the scope that a stock registry asks for.
func TestChallengeOfEachRoute(t *testing.T) {
	d := closed(t)
	for _, route := range proxy.Routes() {
		path := example(route, "team/app")
		for method := range strings.SplitSeq(route.Allow, ", ") {
			r, err := wire(method, path)
			must(t, err)
			scope, err := proxy.RequiredAccess(r)
			must(t, err)
			a := d.do(t, call{method: method, path: path}).want(t, method+" "+path, 401)
			c, err := auth.ParseChallenge(a.header.Get("WWW-Authenticate"))
			if err != nil || c.Scope.String() != scope.String() || c.Error != "" || c.Realm != d.srv.URL+"/service/token" || c.Service != service {
				t.Errorf("%s %s without a token asks for %+v, %v, want the scope %q", method, path, c, err, scope)
			}
		}
	}
}

func TestOptionsIsAnsweredHere(t *testing.T) {
	d := closed(t)
	for _, route := range proxy.Routes() {
		a := d.do(t, call{method: "OPTIONS", path: example(route, "team/app")}).want(t, "OPTIONS "+route.Path, 200)
		if got, want := a.header.Get("Allow"), route.Allow+", OPTIONS"; got != want {
			t.Errorf("OPTIONS %s allows %q, want %q", route.Path, got, want)
		}
	}
	a := d.do(t, call{method: "POST", path: "/v2/team/app/manifests/v1"}).want(t, "POST of a manifest", 405)
	if got := a.header.Get("Allow"); got != "GET, HEAD, PUT, DELETE" {
		t.Errorf("POST of a manifest allows %q, want the route's methods", got)
	}
}

func TestOldClients(t *testing.T) {
	d := closed(t)
	for _, path := range []string{"/v1", "/v1/", "/v1/_ping", "/v1/repositories/team/app/images"} {
		a := d.do(t, call{method: "GET", path: path}).want(t, "GET "+path, 404)
		if got := a.text(); !strings.Contains(got, "API v2") || !strings.Contains(got, "Docker 1.6 or newer") {
			t.Errorf("GET %s says %q, want API v2 and Docker 1.6", path, got)
		}
	}
	a := d.do(t, call{method: "GET", path: "/v2"}).want(t, "GET /v2", 301)
	if got := a.header.Get("Location"); got != "/v2/" {
		t.Errorf("GET /v2 redirects to %q, want /v2/", got)
	}
}

func TestUnrecognisedNeverReachesTheUpstream(t *testing.T) {
	d := closed(t)
	token := d.token(t, "alice", "repository:team/app:pull,push,delete registry:catalog:*", 0)
	for _, path := range []string{"/v2//", "/v2/_catalog/", "/v2/team/app", "/v2/team//app/tags/list", "/v2/team/app/tags/list/", "/v2/team/../team/app/tags/list", "/v2/Team/app/tags/list"} {
		a := d.do(t, call{method: "GET", path: path, token: token})
		if a.status != 404 && a.status != 400 || a.text() == "" {
			t.Errorf("GET %s = %d %s, want a 404 or 400 registry error", path, a.status, a.body)
		}
	}
}

func TestRefusals(t *testing.T) {
	d := closed(t)
	host := strings.TrimPrefix(d.srv.URL, "http://")
	challenge := func(scope string) string {
		return `Bearer realm="` + d.srv.URL + `/service/token",service="sealock-registry",scope="` + scope + `",error="insufficient_scope"`
	}
	const push = "repository:team/app:pull,push"
	for _, row := range []struct {
		name, subject, scope string
		method, path         string
		status               int
		text, challenge      string
	}{
		{
			"a wider token would do", "alice", "repository:team/app:pull", "POST", "/v2/team/app/blobs/uploads/",
			401, "UNAUTHORIZED the token does not cover " + push + ": ask the token end-point for one that does", challenge(push),
		},
		{
			"a token for another repository", "alice", "repository:team/other:pull", "GET", "/v2/team/app/tags/list",
			401, "UNAUTHORIZED the token does not cover repository:team/app:pull: ask the token end-point for one that does", challenge("repository:team/app:pull"),
		},
		{
			"the project is not there", "bob", "", "POST", "/v2/calico/node/blobs/uploads/",
			403, `DENIED project "calico" does not exist or is not visible to you: create it with "sealock project create calico" or ask its administrator to add you`, "",
		},
		{
			"the project is not visible", "bob", "", "GET", "/v2/mine/app/manifests/v1",
			403, `DENIED project "mine" does not exist or is not visible to you: create it with "sealock project create mine" or ask its administrator to add you`, "",
		},
		{
			"the project is not there, and an administrator sees all", "root", "", "PUT", "/v2/calico/node/manifests/v1",
			403, `DENIED project "calico" does not exist: create it with "sealock project create calico"`, "",
		},
		{
			"pull but not push", "bob", "repository:team/app:pull", "PUT", "/v2/team/app/manifests/v1",
			403, `DENIED you may not push to repository "team/app": an administrator of project "team" can give you a role that may`, "",
		},
		{
			"pull but not delete", "bob", "repository:team/app:pull", "DELETE", "/v2/team/app/manifests/v1",
			403, `DENIED you may not delete from repository "team/app": an administrator of project "team" can give you a role that may`, "",
		},
		{
			"public, pull but not push", "bob", "", "POST", "/v2/public/app/blobs/uploads/",
			403, `DENIED you may not push to repository "public/app": an administrator of project "public" can give you a role that may`, "",
		},
		{
			"no project in the name", "alice", "", "GET", "/v2/node/manifests/v1",
			403, `DENIED repository "node" is in no project: images live in a project: ` + host + `/PROJECT/node`, "",
		},
		{
			"anonymous", "", "", "GET", "/v2/team/app/manifests/v1",
			401, "UNAUTHORIZED you are not logged in, and team/app needs it: run docker login " + host, challenge("repository:team/app:pull"),
		},
		{
			"anonymous, where nothing is", "", "", "GET", "/v2/calico/app/manifests/v1",
			401, "UNAUTHORIZED you are not logged in, and calico/app needs it: run docker login " + host, challenge("repository:calico/app:pull"),
		},
		{
			"anonymous, public, no token for it yet", "", "", "GET", "/v2/public/app/manifests/v1",
			401, "UNAUTHORIZED the token does not cover repository:public/app:pull: ask the token end-point for one that does", challenge("repository:public/app:pull"),
		},
		{
			"someone who is gone", "carol", "", "GET", "/v2/team/app/manifests/v1",
			401, "UNAUTHORIZED the access token is not valid (any more): ask the token end-point for a new one, or run docker login again",
			strings.Replace(challenge("repository:team/app:pull"), "insufficient_scope", "invalid_token", 1),
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := len(d.trail.all())
			a := d.do(t, call{method: row.method, path: row.path, token: d.token(t, row.subject, row.scope, 0)})
			if a.status != row.status || a.text() != row.text || a.header.Get("WWW-Authenticate") != row.challenge {
				t.Errorf("%s %s = %d %q %q\nwant %d %q %q", row.method, row.path, a.status, a.text(), a.header.Get("WWW-Authenticate"), row.status, row.text, row.challenge)
			}
			if got, want := len(d.trail.all())-before, map[bool]int{true: 1}[row.status == 403]; got != want {
				t.Errorf("%s %s wrote %d audit records, want %d", row.method, row.path, got, want)
			}
		})
	}
}

// A refusal without a body lets clients go on to the request that says why.
func TestRefusedHead(t *testing.T) {
	d := closed(t)
	for _, path := range []string{"/v2/calico/node/blobs/" + hexDigest, "/v2/calico/node/manifests/v1"} {
		a := d.do(t, call{method: "HEAD", path: path, token: d.token(t, "bob", "", 0)}).want(t, "HEAD "+path, 404)
		want := `299 - "project 'calico' does not exist or is not visible to you: create it with 'sealock project create calico' or ask its administrator to add you"`
		if got := a.header.Get("Warning"); got != want || len(a.body) > 0 {
			t.Errorf("HEAD %s = %q with the warning %s, want no body and %s", path, a.body, got, want)
		}
	}
	if n := len(d.trail.all()); n != 2 {
		t.Errorf("two refused HEAD requests wrote %d audit records, want 2", n)
	}
}

func TestRefusalIsRecorded(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	proxies, err := httpx.ParseTrustedProxies([]string{"127.0.0.1"})
	must(t, err)
	d := closed(t, func(c *proxy.Config) { c.Now, c.Trusted = func() time.Time { return now }, proxies })
	a := d.do(t, call{
		method: "PUT", path: "/v2/team/app/manifests/v1", token: d.token(t, "bob", "repository:team/app:pull", 0),
		header: map[string]string{"X-Forwarded-For": "203.0.113.9"},
	}).want(t, "a push that is not allowed", 403)
	want := audit.Record{
		Time: now, RequestID: a.header.Get("X-Request-Id"), Actor: "bob", Method: "bearer", Remote: "203.0.113.9",
		Operation: "registry.push", Resource: "repository:team/app:pull,push", Outcome: audit.Refused,
		Reason: `you may not push to repository "team/app" (table)`, JTI: "jti-of-bob",
	}
	if got := d.trail.all(); len(got) != 1 || got[0] != want {
		t.Errorf("audit trail = %+v, want %+v", got, want)
	}
}

func TestWhatCannotBeDecidedOrRecordedIsNotSaid(t *testing.T) {
	d := closed(t)
	c := call{method: "PUT", path: "/v2/calico/node/manifests/v1", token: d.token(t, "bob", "", 0)}
	d.trail.fail = errors.New("disk full")
	if a := d.do(t, c).want(t, "a refusal that can't be recorded", 503); strings.Contains(a.text(), "calico") || strings.Contains(a.text(), "disk") {
		t.Errorf("a refusal that can't be recorded says %q, want neither project nor cause", a.text())
	}
	d.trail.fail, d.policy.fail = nil, errors.New("policy file is broken")
	d.do(t, c).want(t, "a request that can't be decided", 500)
}

// A private project and one that does not exist can't be told apart, whatever is asked.
func TestAbsentAndInvisibleReadTheSame(t *testing.T) {
	d := closed(t)
	for _, subject := range []string{"bob", ""} {
		token := d.token(t, subject, "", 0)
		for _, route := range proxy.Routes() {
			if !strings.Contains(route.Path, "<name>") {
				continue
			}
			for method := range strings.SplitSeq(route.Allow, ", ") {
				there := d.do(t, call{method: method, path: example(route, "mine/app"), token: token})
				absent := d.do(t, call{method: method, path: example(route, "gone/app"), token: token})
				same := func(a answer) string {
					return strings.NewReplacer("mine", "PROJECT", "gone", "PROJECT").Replace(string(a.body) + a.header.Get("WWW-Authenticate") + a.header.Get("Warning"))
				}
				if there.status != absent.status || same(there) != same(absent) {
					t.Errorf("%s %s as %q: invisible %d %s, absent %d %s, want the same", method, route.Path, subject, there.status, same(there), absent.status, same(absent))
				}
			}
		}
	}
}

func TestRealmFollowsTheHost(t *testing.T) {
	proxies, err := httpx.ParseTrustedProxies([]string{"127.0.0.1"})
	must(t, err)
	list := []string{"https://reg.example.com", "http://localhost:8080"}
	for _, row := range []struct {
		name    string
		trusted httpx.TrustedProxies
		header  map[string]string
		want    string
	}{
		{"first", nil, map[string]string{"Host": "reg.example.com"}, "https://reg.example.com"},
		{"second", nil, map[string]string{"Host": "localhost:8080"}, "http://localhost:8080"},
		{"not in the list", nil, map[string]string{"Host": "evil.example"}, "https://reg.example.com"},
		{"a stranger forwards", nil, map[string]string{"Host": "reg.example.com", "X-Forwarded-Host": "localhost:8080"}, "https://reg.example.com"},
		{"a trusted proxy forwards", proxies, map[string]string{"Host": "inside", "X-Forwarded-Host": "localhost:8080"}, "http://localhost:8080"},
		{"a trusted proxy forwards an attack", proxies, map[string]string{"Host": "inside", "X-Forwarded-Host": `x",realm="http://evil`}, "https://reg.example.com"},
	} {
		origins, err := httpx.NewOrigins(list, row.trusted)
		must(t, err)
		d := closed(t, func(c *proxy.Config) { c.Origins = origins })
		a := d.do(t, call{method: "GET", path: "/v2/", header: row.header}).want(t, row.name, 401)
		if got, want := a.header.Get("WWW-Authenticate"), `Bearer realm="`+row.want+`/service/token",service="sealock-registry"`; got != want {
			t.Errorf("%s: challenge = %s, want %s", row.name, got, want)
		}
	}
}
