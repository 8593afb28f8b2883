package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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
		"Connection": "Authorization, Upgrade", "Upgrade": "h2c", "X-Request-Id": "forged", "Range": "bytes=0-1",
	}}).want(t, "GET manifest", 200)
	r := <-seen
	want := map[string]string{
		"Accept": "a/b", "Range": "bytes=0-1", "Forwarded": "", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "",
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
		up = "http://" + r.Context().Value(http.LocalAddrContextKey).(net.Addr).String()
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

func TestUpstreamDown(t *testing.T) {
	m := newMint(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, l.Close())
	d := open(t, m, newSeparate(t, m, "http://"+l.Addr().String()))
	token := d.token(t, "alice", pushToken, 0)
	for _, c := range []call{
		{method: "GET", path: "/v2/team/app/manifests/v1", token: token},
		{method: "POST", path: "/v2/team/app/blobs/uploads/", token: token},
		{method: "PUT", path: "/v2/team/app/manifests/v1", token: token, body: bytes.Repeat([]byte("x"), 1<<20)},
		{method: "GET", path: "/v2/_catalog", token: token},
	} {
		a := d.do(t, c).want(t, c.method+" "+c.path, 503)
		if !strings.HasPrefix(a.text(), "UNAVAILABLE the registry behind sealock does not answer: try again in a moment") || a.header.Get("Retry-After") == "" {
			t.Errorf("%s %s = %q %s, want UNAVAILABLE, what to do, and Retry-After", c.method, c.path, a.text(), headerText(a.header))
		}
		if strings.Contains(a.text(), "127.0.0.1") {
			t.Errorf("%s %s shows where the upstream is: %q", c.method, c.path, a.text())
		}
	}
	d.do(t, call{method: "GET", path: "/v2/", token: token}).want(t, "the ping", 200)
}

func TestUpstreamAnswersGarbage(t *testing.T) {
	d := before(t, func(w http.ResponseWriter, _ *http.Request) {
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		_, _ = rw.WriteString("SSH-2.0-OpenSSH\r\n")
		_ = rw.Flush()
		_ = c.Close()
	})
	d.do(t, call{method: "GET", path: "/v2/team/app/tags/list", token: d.token(t, "alice", pushToken, 0)}).want(t, "garbage", 503)
}

// A pull that the upstream cuts is cut for the client too: a short blob must not look whole.
func TestPullIsCutWithTheUpstream(t *testing.T) {
	d := before(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte("half"))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	req, err := http.NewRequestWithContext(t.Context(), "GET", d.srv.URL+"/v2/team/app/blobs/"+hexDigest, nil)
	must(t, err)
	req.Header.Set("Authorization", "Bearer "+d.token(t, "alice", pushToken, 0))
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err == nil || string(b) != "half" {
		t.Errorf("a pull that the upstream cuts = %q, %v, want half and an error", b, err)
	}
}

// Bodies stream: the upstream reads the first half before the client has sent the second, and the other way round.
func TestBodiesStream(t *testing.T) {
	got := make(chan string)
	d := before(t, func(w http.ResponseWriter, r *http.Request) {
		b := make([]byte, 5)
		for range 2 {
			_, err := io.ReadFull(r.Body, b)
			got <- fmt.Sprint(string(b), err)
		}
		for _, s := range []string{"one", "two"} {
			_, _ = io.WriteString(w, s)
			w.(http.Flusher).Flush()
			got <- s
		}
	})
	body, send := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), "PATCH", d.srv.URL+"/v2/team/app/blobs/uploads/1", body)
	must(t, err)
	req.Header.Set("Authorization", "Bearer "+d.token(t, "alice", pushToken, 0))
	go func() {
		for range 2 {
			_, _ = io.WriteString(send, "hello")
			if s := <-got; s != "hello<nil>" {
				t.Errorf("upstream read %q, want hello", s)
			}
		}
		_ = send.Close()
	}()
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	b := make([]byte, 3)
	for _, want := range []string{"one", "two"} {
		<-got
		if _, err := io.ReadFull(resp.Body, b); err != nil || string(b) != want {
			t.Errorf("client read %q, %v, want %s", b, err, want)
		}
	}
}

// A client that hangs up in the middle of an upload leaves nothing behind, and the upload can be gone on with.
func TestClientCutsAnUpload(t *testing.T) {
	eachUpstream(t, func(t *testing.T, d *door) {
		token := d.token(t, "alice", pushToken, 0)
		start := d.do(t, call{method: "POST", path: "/v2/team/app/blobs/uploads/", token: token}).want(t, "starting an upload", 202)
		location := start.header.Get("Location")
		for range 3 {
			c, err := net.Dial("tcp", d.srv.Listener.Addr().String())
			must(t, err)
			fmt.Fprintf(c, "PATCH %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000\r\n\r\nonly this",
				strings.TrimPrefix(location, d.srv.URL), token)
			time.Sleep(20 * time.Millisecond)
			must(t, c.Close())
		}
		blob := []byte("the whole blob")
		d.pushBlob(t, token, "team/app", blob, 5)
		a := d.do(t, call{method: "GET", path: "/v2/team/app/blobs/" + digestOf(blob), token: token}).want(t, "pulling after cuts", 200)
		if !bytes.Equal(a.body, blob) {
			t.Errorf("pulling after cuts = %q, want %q", a.body, blob)
		}
	})
}

// A chunked body that breaks its own framing is the client's fault, and said so.
func TestBrokenBodyIsNotTheUpstreamsFault(t *testing.T) {
	d := before(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	c, err := net.Dial("tcp", d.srv.Listener.Addr().String())
	must(t, err)
	defer c.Close()
	fmt.Fprintf(c, "PATCH /v2/team/app/blobs/uploads/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nnonsense\r\n", d.token(t, "alice", pushToken, 0))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	must(t, err)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a broken body = %d, want 400", resp.StatusCode)
	}
}

// A refused request with Expect: 100-continue never sends its body; an admitted one is told to.
func TestExpectContinue(t *testing.T) {
	var read atomic.Int64
	d := before(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		read.Add(n)
		w.WriteHeader(http.StatusCreated)
	})
	for _, row := range []struct {
		name, token string
		want        []string
	}{
		{"refused", d.token(t, "bob", "", 0), []string{"HTTP/1.1 403 Forbidden"}},
		{"no token", "", []string{"HTTP/1.1 401 Unauthorized"}},
		{"admitted", d.token(t, "alice", pushToken, 0), []string{"HTTP/1.1 100 Continue", "HTTP/1.1 201 Created"}},
	} {
		c, err := net.Dial("tcp", d.srv.Listener.Addr().String())
		must(t, err)
		must(t, c.SetDeadline(time.Now().Add(5*time.Second)))
		fmt.Fprintf(c, "PUT /v2/team/app/manifests/v1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n", row.token)
		r := bufio.NewReader(c)
		for _, want := range row.want {
			line, err := r.ReadString('\n')
			must(t, err)
			if strings.TrimSpace(line) != want {
				t.Errorf("%s: answer = %q, want %q", row.name, line, want)
			}
			for strings.TrimSpace(line) != "" {
				line, err = r.ReadString('\n')
				must(t, err)
			}
			if want == "HTTP/1.1 100 Continue" {
				_, err := io.WriteString(c, "0123456789")
				must(t, err)
			}
		}
		must(t, c.Close())
	}
	if read.Load() != 10 {
		t.Errorf("upstream read %d bytes, want the 10 of the admitted request", read.Load())
	}
}

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
	resp, err := srv.Client().Get(srv.URL + "/v2/")
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
		{"a CA that is trusted", up.Client().Transport.(*http.Transport).TLSClientConfig, 200},
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

// Whatever goes wrong, nothing is left behind: no goroutine, no connection.
func TestNothingLeaks(t *testing.T) {
	start := runtime.NumGoroutine()
	t.Run("faults", func(t *testing.T) {
		d := before(t, func(w http.ResponseWriter, r *http.Request) { // slow both ways, until the other side is gone
			_, _ = io.Copy(io.Discard, r.Body)
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1000)); err != nil {
					return
				}
				w.(http.Flusher).Flush()
				time.Sleep(time.Millisecond)
			}
		})
		token := d.token(t, "alice", pushToken, 0)
		for range 10 {
			c, err := net.Dial("tcp", d.srv.Listener.Addr().String())
			must(t, err)
			fmt.Fprintf(c, "PATCH /v2/team/app/blobs/uploads/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 1000\r\n\r\nonly this", token)
			time.Sleep(5 * time.Millisecond)
			must(t, c.Close())
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			req, err := http.NewRequestWithContext(ctx, "GET", d.srv.URL+"/v2/team/app/blobs/"+hexDigest, nil)
			must(t, err)
			req.Header.Set("Authorization", "Bearer "+token)
			if resp, err := http.DefaultTransport.RoundTrip(req); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				must(t, resp.Body.Close())
			}
			cancel()
		}
	})
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	for range 100 {
		if runtime.NumGoroutine() <= start {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	b := make([]byte, 1<<20)
	t.Errorf("goroutines = %d, want at most the %d from before\n%s", runtime.NumGoroutine(), start, b[:runtime.Stack(b, true)])
}
