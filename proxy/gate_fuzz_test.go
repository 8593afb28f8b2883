package proxy_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/proxy"
)

// critic is an upstream that fails the test when it gets a request that RequiredAccess does not recognise, or that needs
// another scope than the client's did.
type critic struct {
	proxy.Upstream // nil: any other method panics
	t              *testing.T
	asked          auth.Scope
	known          bool
}

func (c *critic) TakesTokens() bool { return true }

func (c *critic) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	scope, err := proxy.RequiredAccess(r)
	switch {
	case err != nil:
		c.t.Errorf("%s %q reached the upstream: %v", r.Method, r.RequestURI, err)
	case !c.known:
		c.t.Errorf("%s %q reached the upstream for a request that is not recognised", r.Method, r.RequestURI)
	case !c.asked.Covers(scope):
		c.t.Errorf("%s %q reached the upstream and needs %s, and the client's request %s", r.Method, r.RequestURI, scope, c.asked)
	case r.URL.RequestURI() != r.RequestURI:
		c.t.Errorf("%s %q reached the upstream with the URL %q", r.Method, r.RequestURI, r.URL)
	case strings.Contains("&"+r.URL.RawQuery, "&_sealock="):
		c.t.Errorf("%s %q reached the upstream with a pass", r.Method, r.RequestURI)
	}
	w.Header().Set("Location", r.URL.Path)
	w.WriteHeader(http.StatusAccepted)
}

// FuzzGate sends what a connection may carry to a gate, from somebody who may do everything: nothing reaches the upstream
// that RequiredAccess does not recognise, before the gate and behind it.
func FuzzGate(f *testing.F) {
	head := func(method, target, header string) {
		f.Add(method + " " + target + " HTTP/1.1\r\nHost: h\r\n" + header + "\r\n")
	}
	head(http.MethodPatch, "/v2/team/app/blobs/uploads/_sealock=", "")
	for _, route := range proxy.Routes() {
		for method := range strings.SplitSeq(route.Allow, ", ") {
			head(method, example(route, "team/app"), "")
		}
	}
	head("POST", "/v2/team/app/blobs/uploads/?mount="+hexDigest+"&from=public/app", "")
	head("PATCH", "/v2/team/app/blobs/uploads/x?_sealock=a&_state=b", "Transfer-Encoding: chunked\r\n")
	head("PATCH", "/v2/team/app/blobs/uploads/x?%5fsealock=a", "Content-Length: 3\r\n")
	head("GET", "/v2/team%2fapp/tags/list", "")
	head("GET", "http://evil/v2/team/app/tags/list", "")
	head("PUT", "/v2/team/app/manifests/v1?tag=x", "Content-Type: a/b\r\nConnection: Authorization\r\n")

	m := newMint(f)
	up := &critic{}
	d := open(f, m, up, func(c *proxy.Config) {
		c.Passes = &proxy.Passes{Verifier: m.tokens, Key: secret.New(passKey), Minter: m}
	})
	gate := proxy.New(d.config)
	f.Fuzz(func(t *testing.T, raw string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
		if err != nil {
			return
		}
		scope, err := proxy.RequiredAccess(r)
		up.t, up.asked, up.known = t, scope, err == nil
		access := scope.String()
		if len(access) > 500 || strings.HasPrefix(access, "registry:") {
			return // a token has a bound, and the gate answers for the catalog by itself
		}
		r.RemoteAddr = "192.0.2.1:1"
		r.Header.Set("Authorization", "Bearer "+m.token(t, "alice", access, 0))
		gate.ServeHTTP(httptest.NewRecorder(), r)
	})
}
