package proxy_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/httpx"
	"github.com/sealock/sealock/proxy"
)

const pushToken = "repository:team/app:pull,push,delete"

// before opens a door before a handler that plays the upstream, where a stock registry can't be made to behave so.
func before(t *testing.T, h http.HandlerFunc, options ...option) *door {
	t.Helper()
	up := httptest.NewServer(h)
	t.Cleanup(up.Close)
	m := newMint(t)
	return open(t, m, newSeparate(t, m, up.URL), options...)
}

func TestNewSeparateRefuses(t *testing.T) {
	for _, url := range []string{"", "127.0.0.1:5000", "unix:///x", "http://h/base", "http://u:p@h", "http://h?x=1", "http://[::1"} {
		if _, err := proxy.NewSeparate(proxy.SeparateConfig{URL: url, Log: quiet()}); !errs.Is(err, errs.Invalid) {
			t.Errorf("NewSeparate(%q) = %v, want an Invalid error", url, err)
		}
	}
}

// What a client says about forwarding never decides where it is sent (protocol.md section 5).
func TestLocationMatchesTheOrigin(t *testing.T) {
	proxies, err := httpx.ParseTrustedProxies([]string{"127.0.0.1"})
	must(t, err)
	for _, row := range []struct {
		name    string
		trusted httpx.TrustedProxies
		header  map[string]string
		want    string
	}{
		{"host only", nil, map[string]string{"Host": "reg.example.com"}, "https://reg.example.com"},
		{"other host of ours", nil, map[string]string{"Host": "localhost:8080"}, "http://localhost:8080"},
		{"unknown host", nil, map[string]string{"Host": "evil.example"}, "https://reg.example.com"},
		{"a stranger's proto", nil, map[string]string{"Host": "localhost:8080", "X-Forwarded-Proto": "https"}, "http://localhost:8080"},
		{"a stranger's host", nil, map[string]string{"Host": "localhost:8080", "X-Forwarded-Host": "a:8443, b"}, "http://localhost:8080"},
		{"a stranger's Forwarded", nil, map[string]string{"Host": "localhost:8080", "Forwarded": `proto=https;host="f:444"`}, "http://localhost:8080"},
		{"a Forwarded that does not parse", nil, map[string]string{"Host": "localhost:8080", "Forwarded": `host=f:444`}, "http://localhost:8080"},
		{"port and prefix", nil, map[string]string{"Host": "localhost:8080", "X-Forwarded-Port": "1", "X-Forwarded-Prefix": "/x"}, "http://localhost:8080"},
		{"a trusted proxy's proto", proxies, map[string]string{"Host": "reg.example.com", "X-Forwarded-Proto": "https"}, "https://reg.example.com"},
		{"a trusted proxy's list", proxies, map[string]string{"Host": "reg.example.com", "X-Forwarded-Proto": "https,http"}, "https://reg.example.com"},
		{"a trusted proxy's host", proxies, map[string]string{"Host": "inside:1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "localhost:8080"}, "http://localhost:8080"},
		{"a trusted proxy's Forwarded", proxies, map[string]string{"Host": "localhost:8080", "Forwarded": `proto=https;host="f:444"`}, "http://localhost:8080"},
	} {
		origins, err := httpx.NewOrigins([]string{"https://reg.example.com", "http://localhost:8080"}, row.trusted)
		must(t, err)
		use := func(c *proxy.Config) { c.Origins, c.Trusted = origins, row.trusted }
		m := newMint(t)
		for name, d := range map[string]*door{
			"embedded": open(t, m, newEmbedded(t), use),
			"separate": open(t, m, newSeparate(t, m, newStock(t, m).URL), use),
		} {
			a := d.do(t, call{method: "POST", path: "/v2/team/app/blobs/uploads/", token: d.token(t, "alice", pushToken, 0), header: row.header}).want(t, row.name, 202)
			if got, want := a.header.Get("Location"), row.want+"/v2/team/app/blobs/uploads/"; !strings.HasPrefix(got, want) {
				t.Errorf("%s, %s: Location = %q, want %s…", row.name, name, got, want)
			}
		}
	}
}

// What goes upstream is the client's request without what a client must not say.
func TestWhatTheUpstreamSees(t *testing.T) {
	seen := make(chan *http.Request, 1)
	d := before(t, func(_ http.ResponseWriter, r *http.Request) { seen <- r })
	token := d.token(t, "alice", pushToken, 0)
	a := d.do(t, call{method: "GET", path: "/v2/team/app/manifests/v1?ns=docker.io", token: token, header: map[string]string{
		"Accept": "a/b", "Forwarded": "host=x", "X-Forwarded-For": "6.6.6.6", "X-Forwarded-Prefix": "/x", "X-Forwarded-Ssl": "on", "X-Real-Ip": "6.6.6.6",
		"Connection": "Authorization, Upgrade", "Upgrade": "h2c", "X-Request-Id": "forged",
	}}).want(t, "GET manifest", 200)
	r := <-seen
	want := map[string]string{
		"Accept": "a/b", "Forwarded": "", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "",
		"X-Forwarded-Prefix": "", "X-Forwarded-Ssl": "", "X-Real-Ip": "", "Upgrade": "", "Connection": "", "X-Request-Id": a.header.Get("X-Request-Id"), "Accept-Encoding": "",
	}
	for name, value := range want {
		if got := strings.Join(r.Header[name], "|"); got != value {
			t.Errorf("upstream sees %s: %q, want %q", name, got, value)
		}
	}
	if r.Host != strings.TrimPrefix(d.srv.URL, "http://") || r.RequestURI != "/v2/team/app/manifests/v1?ns=docker.io" {
		t.Errorf("upstream sees %s on %s, want the client's path and host", r.RequestURI, r.Host)
	}
}

// Nothing behind the gate of an embedded registry reads tokens, so none gets there.
func TestTokensStayAtTheGate(t *testing.T) {
	up := &witness{}
	d := open(t, newMint(t), up)
	d.do(t, call{method: "GET", path: "/v2/team/app/tags/list", token: d.token(t, "alice", pushToken, 0)}).want(t, "GET tags", 200)
	if got := up.seen.Header.Get("Authorization"); got != "" {
		t.Errorf("the embedded registry sees the token %q, want none", got)
	}
}

// witness is an upstream without tokens that keeps the last request.
type witness struct {
	proxy.Upstream
	seen *http.Request
}

func (u *witness) ServeHTTP(_ http.ResponseWriter, r *http.Request) { u.seen = r }
func (u *witness) TakesTokens() bool                                { return false }

func TestRedirectsArePassedOn(t *testing.T) {
	const elsewhere = "https://bucket.example/blob?signature=x"
	d := before(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere, http.StatusTemporaryRedirect)
	})
	a := d.do(t, call{method: "GET", path: "/v2/team/app/blobs/" + hexDigest, token: d.token(t, "alice", pushToken, 0)}).want(t, "GET blob in an object store", 307)
	if got := a.header.Get("Location"); got != elsewhere {
		t.Errorf("Location = %q, want %q untouched", got, elsewhere)
	}
}

func TestAddressesOfTheUpstreamAreMended(t *testing.T) {
	var up string
	d := before(t, func(w http.ResponseWriter, r *http.Request) {
		up = fmt.Sprint("http://", r.Context().Value(http.LocalAddrContextKey))
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://realm.invalid/token",service="sealock-registry",scope="repository:team/app:pull",error="invalid_token"`)
		w.Header().Set("Location", up+"/v2/team/app/blobs/uploads/1?_state=x")
		w.WriteHeader(http.StatusUnauthorized)
	})
	a := d.do(t, call{method: "GET", path: "/v2/team/app/tags/list", token: d.token(t, "alice", pushToken, 0)}).want(t, "a 401 of the upstream", 401)
	want := `Bearer realm="` + d.srv.URL + `/service/token",service="sealock-registry",scope="repository:team/app:pull",error="invalid_token"`
	if got := a.header.Get("WWW-Authenticate"); got != want {
		t.Errorf("challenge = %s, want %s", got, want)
	}
	if got, want := a.header.Get("Location"), d.srv.URL+"/v2/team/app/blobs/uploads/1?_state=x"; got != want {
		t.Errorf("Location = %q, want %q", got, want)
	}
}

// A stock registry that trusts other keys refuses what the gate lets in: the client learns to ask again, the operator why.
func TestUpstreamThatTrustsOtherKeys(t *testing.T) {
	m := newMint(t)
	var log syncBuffer
	up, err := proxy.NewSeparate(proxy.SeparateConfig{URL: newStock(t, newMint(t)).URL, Minter: m, Log: slog.New(slog.NewTextHandler(&log, nil))})
	must(t, err)
	t.Cleanup(up.Close)
	d := open(t, m, up)
	a := d.do(t, call{method: "GET", path: "/v2/team/app/tags/list", token: d.token(t, "alice", pushToken, 0)}).want(t, "a token that the upstream refuses", 401)
	if got := a.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, `Bearer realm="`+d.srv.URL+`/service/token"`) {
		t.Errorf("challenge = %s, want our realm", got)
	}
	if !strings.Contains(log.String(), "sealock registry-config") {
		t.Errorf("log = %q, want what to compare", log.String())
	}
	d.do(t, call{method: "GET", path: "/v2/_catalog", token: d.token(t, "alice", "", 0)}).want(t, "a catalog that the upstream refuses", 503)
}

// syncBuffer is a buffer that several goroutines may write.
type syncBuffer struct {
	mu  chan struct{}
	buf bytes.Buffer
}

func (b *syncBuffer) lock() func() {
	if b.mu == nil {
		b.mu = make(chan struct{}, 1)
	}
	b.mu <- struct{}{}
	return func() { <-b.mu }
}

func (b *syncBuffer) Write(p []byte) (int, error) { defer b.lock()(); return b.buf.Write(p) }
func (b *syncBuffer) String() string              { defer b.lock()(); return b.buf.String() }

func TestHTTP2Client(t *testing.T) {
	m := newMint(t)
	d := open(t, m, newSeparate(t, m, newStock(t, m).URL))
	srv := httptest.NewUnstartedServer(proxy.New(d.config))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	origins, err := httpx.NewOrigins([]string{srv.URL}, nil)
	must(t, err)
	d.config.Origins = origins
	srv.Config.Handler = proxy.New(d.config)
	d.srv = srv
	d.pushImage(t, d.token(t, "alice", pushToken, 0), "team/app", "v1")
	req, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+"/v2/", nil)
	must(t, err)
	resp, err := srv.Client().Do(req)
	must(t, err)
	must(t, resp.Body.Close())
	if resp.ProtoMajor != 2 || !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), `Bearer realm="https://`) {
		t.Errorf("over TLS = %s %s, want HTTP/2 and a realm with https", resp.Proto, resp.Header.Get("WWW-Authenticate"))
	}
}

func TestUpstreamOverTLS(t *testing.T) {
	up := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
	t.Cleanup(up.Close)
	m := newMint(t)
	c := proxy.SeparateConfig{URL: up.URL, Minter: m, Log: quiet()}
	for _, row := range []struct {
		name   string
		config *tls.Config
		status int
	}{
		{"a CA that is trusted", &tls.Config{RootCAs: authority(up), MinVersion: tls.VersionTLS12}, 200},
		{"a CA that is not", nil, 503},
	} {
		c.TLS = row.config
		s, err := proxy.NewSeparate(c)
		must(t, err)
		t.Cleanup(s.Close)
		d := open(t, m, s)
		d.do(t, call{method: "GET", path: "/v2/team/app/tags/list", token: d.token(t, "alice", pushToken, 0)}).want(t, row.name, row.status)
	}
}

// authority returns the CA of a test server.
func authority(srv *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	return pool
}

// An upgrade would open a connection past the gate: it is neither asked for nor granted.
func TestUpgradeIsNotPassed(t *testing.T) {
	d := before(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "h2c")
		w.WriteHeader(http.StatusSwitchingProtocols)
	})
	a := d.do(t, call{
		method: "GET", path: "/v2/team/app/tags/list", token: d.token(t, "alice", pushToken, 0),
		header: map[string]string{"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": ""},
	})
	if a.status == http.StatusSwitchingProtocols {
		t.Error("an upgrade was passed to the client, want an error")
	}
}

func TestCatalogOfOddUpstreams(t *testing.T) {
	for name, row := range map[string]struct {
		answer func(n, last string) (int, string, bool)
		status int
	}{
		"lower maximum": {func(n, last string) (int, string, bool) {
			if n != "" {
				return 400, `{"errors":[{"code":"PAGINATION_NUMBER_INVALID"}]}`, false
			}
			return 200, map[string]string{"": `{"repositories":["team/a"]}`, "team/a": `{"repositories":["team/b"]}`}[last], last == ""
		}, 200},
		"repeats itself": {func(string, string) (int, string, bool) { return 200, `{"repositories":["team/a"]}`, true }, 503},
		"no JSON":        {func(string, string) (int, string, bool) { return 200, `<html>`, false }, 503},
		"an error":       {func(string, string) (int, string, bool) { return 500, `{}`, false }, 503},
	} {
		t.Run(name, func(t *testing.T) {
			d := before(t, func(w http.ResponseWriter, r *http.Request) {
				status, body, more := row.answer(r.URL.Query().Get("n"), r.URL.Query().Get("last"))
				if more {
					w.Header().Set("Link", `</v2/_catalog?last=x>; rel="next"`)
				}
				w.WriteHeader(status)
				_, _ = io.WriteString(w, body)
			})
			a := d.do(t, call{method: "GET", path: "/v2/_catalog", token: d.token(t, "bob", "", 0)}).want(t, "catalog", row.status)
			if row.status == 200 && strings.TrimSpace(string(a.body)) != `{"repositories":["team/a","team/b"]}` {
				t.Errorf("catalog = %s, want team/a and team/b", a.body)
			}
		})
	}
}
