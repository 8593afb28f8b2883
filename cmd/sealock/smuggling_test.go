package main

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/transport"
	"github.com/sealock/sealock/proxy"
)

// recording is a registry that fails the test when something reaches it that the gate does not recognise, or that names
// another host than the server's.
type recording struct {
	t    *testing.T
	host string
	own  string       // the host that the server itself asks, in another process
	next http.Handler // nil: every answer is 404

	mu    sync.Mutex
	heard []string
}

func (r *recording) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	own := req.Header.Get("User-Agent") == proxy.InsideAgent || req.Host == r.own // a client that says so is refused
	if _, err := proxy.RequiredAccess(req); err != nil {
		r.t.Errorf("%s %q reached the registry: %v", req.Method, req.RequestURI, err)
	}
	if !own && req.Host != r.host {
		r.t.Errorf("%s %s reached the registry as %q, want %q", req.Method, req.RequestURI, req.Host, r.host)
	}
	if !own && (req.Header.Get("X-Forwarded-Host") != "" || req.Header.Get("Forwarded") != "") {
		r.t.Errorf("%s %s reached the registry with what the client said about forwarding", req.Method, req.RequestURI)
	}
	if !own {
		r.mu.Lock()
		r.heard = append(r.heard, req.Method+" "+req.RequestURI)
		r.mu.Unlock()
	}
	if r.next != nil {
		r.next.ServeHTTP(w, req)
		return
	}
	w.WriteHeader(http.StatusNotFound)
}

// take returns what was heard since the last time.
func (r *recording) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	heard := r.heard
	r.heard = nil
	return heard
}

// watched is an embedded registry that is recorded.
type watched struct {
	proxy.Upstream
	*recording
}

func (w watched) ServeHTTP(rw http.ResponseWriter, r *http.Request) { w.recording.ServeHTTP(rw, r) }

// doorway is a whole system behind a real socket, and what reaches its registry.
type doorway struct {
	addr  string
	token string
	*recording
}

func openDoorway(t *testing.T, separate bool) *doorway {
	t.Helper()
	d, l, server := newDoorway(t, "http", separate)
	serveUntilEnd(t, server, transport.Framed(l))
	return d
}

// newDoorway is what a listener and a server still have to be put together for.
func newDoorway(t *testing.T, scheme string, separate bool) (*doorway, net.Listener, *http.Server) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &doorway{addr: l.Addr().String()}
	d.recording = &recording{t: t, host: d.addr}
	flags := map[string]string{"external_urls": scheme + "://" + d.addr}
	if separate {
		stock := httptest.NewServer(d.recording)
		t.Cleanup(stock.Close)
		flags["registry.url"], d.own = stock.URL, stock.Listener.Addr().String()
	}
	s := startSystem(t, flags)
	if !separate {
		d.next = s.gate.Upstream
		config := s.gate.Config
		config.Upstream = watched{s.gate.Upstream, d.recording}
		s.gate = proxy.New(config)
	}
	s.api(t, "POST", "/projects", `{"project_name":"team"}`, 201)
	d.token, _ = s.granted(t, "admin", testPassword, "repository:team/app:pull,push,delete registry:catalog:*")
	return d, l, newHTTPServer(s.handler, nil, s.cfg.Limits, slog.New(slog.DiscardHandler))
}

func serveUntilEnd(t *testing.T, server *http.Server, l net.Listener) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }() // until it is closed
	t.Cleanup(func() { _ = server.Close(); <-done })
}

// speak sends these bytes and returns the status of each answer, until the server hangs up or has no more to say.
func (d *doorway) speak(t *testing.T, raw string) (statuses []int) {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", d.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	go func() { _, _ = io.WriteString(c, raw) }() // it ends with the connection
	method, _, _ := strings.Cut(raw, " ")
	for in := bufio.NewReader(c); ; method = "GET" {
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return statuses
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		statuses = append(statuses, resp.StatusCode)
		if half, ok := c.(*net.TCPConn); ok { // before an answer it would end the request
			_ = half.CloseWrite()
		}
	}
}

// target fills a route's path.
func target(r proxy.Route) string {
	hex := "sha256:" + strings.Repeat("ab", 32)
	return strings.NewReplacer("<name>", "team/app", "<reference>", "v1", "<digest>", hex, "<id>", "c9a0-42").Replace(r.Path)
}

// head writes a request without a body, with these lines at the end of its head.
func (d *doorway) head(method, path string, lines ...string) string {
	return d.headTo(d.addr, method, path, lines...)
}

func (d *doorway) headTo(host, method, path string, lines ...string) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n%s\r\n", method, path, host, d.token, strings.Join(append(lines, ""), "\r\n"))
}

// tricks are requests that two readers could read in two ways, by what they try.
func tricks() map[string]func(d *doorway, method, path string) string {
	all := map[string]func(d *doorway, method, path string) string{}
	lines := func(name string, l ...string) {
		all[name] = func(d *doorway, method, path string) string { return d.head(method, path, l...) + "0\r\n\r\n" }
	}
	lines("two lengths", "Content-Length: 5", "Content-Length: 0")
	lines("the same length twice", "Content-Length: 5", "Content-Length: 5")
	lines("a length beside chunks", "Content-Length: 5", "Transfer-Encoding: chunked")
	lines("chunks beside a length", "Transfer-Encoding: chunked", "X-A: b", "Content-Length: 5")
	lines("chunks beside a length in capitals", "TRANSFER-ENCODING: CHUNKED", "CONTENT-LENGTH: 5")
	lines("a length in two lines", "Content-Length:", " 5")
	lines("chunks in two lines", "Transfer-Encoding:", "\tchunked")
	lines("a list of lengths", "Content-Length: 5, 0")
	lines("a signed length", "Content-Length: +5")
	lines("a negative length", "Content-Length: -1")
	lines("a length in hex", "Content-Length: 0x5")
	lines("an empty length", "Content-Length:")
	lines("two encodings", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked")
	lines("a list of encodings", "Transfer-Encoding: identity, chunked")
	lines("an unknown encoding", "Transfer-Encoding: xchunked")
	lines("an encoding that is none", "Transfer-Encoding: identity")
	lines("an encoding with a tab", "Transfer-Encoding: chunked\x0b")
	lines("an encoding with a blank before the colon", "Transfer-Encoding : chunked")
	lines("a length with a blank before the colon", "Content-Length : 5")
	lines("a header without a name", ": x")
	lines("a header without a colon", "Transfer-Encoding chunked")
	lines("a NUL", "X-A: a\x00b")
	lines("a bare CR", "X-A: a\rX-B: b")
	lines("a blank in a name", "X A: b")
	lines("two hosts", "Host: evil.example")
	lines("two tokens", "Authorization: Bearer x")
	lines("a large header", "X-A: "+strings.Repeat("a", 128<<10))
	lines("many headers", strings.TrimSuffix(strings.Repeat("X-A: "+strings.Repeat("a", 1000)+"\r\n", 128), "\r\n"))
	host := func(name, host string) {
		all[name] = func(d *doorway, method, path string) string { return d.headTo(host, method, path) }
	}
	host("a host that is not listed", "evil.example")
	host("a host that begins as one that is", "127.0.0.1.evil.example")
	host("a host with a path", "127.0.0.1/x")
	host("a host with a user", "x@127.0.0.1")
	host("no host", "")
	for name, change := range spellings() {
		all[name] = func(d *doorway, method, p string) string { return d.head(method, change(p)) }
	}
	all["another version"] = func(d *doorway, method, path string) string {
		return strings.Replace(d.head(method, path), "HTTP/1.1", "HTTP/9.9", 1)
	}
	all["the absolute form of this host"] = func(d *doorway, method, path string) string {
		return d.head(method, "http://"+d.addr+path)
	}
	all["a long target"] = func(d *doorway, method, path string) string {
		return d.head(method, path+"?x="+strings.Repeat("a", 128<<10))
	}
	return all
}

// spellings are other ways to write a path.
func spellings() map[string]func(string) string {
	last := func(with string) func(string) string {
		return func(p string) string {
			i := strings.LastIndex(strings.TrimSuffix(p, "/"), "/")
			return p[:i] + with + p[i+1:]
		}
	}
	after := func(with string) func(string) string { return func(p string) string { return p + with } }
	begin := func(with string) func(string) string {
		return func(p string) string { return strings.Replace(p, "/v2/", with, 1) }
	}
	return map[string]func(string) string{
		"a double slash":         begin("/v2//"),
		"a double slash inside":  last("//"),
		"a dot":                  begin("/v2/./"),
		"two dots":               begin("/v2/x/../"),
		"two dots at the end":    after("/.."),
		"an escaped slash":       last("%2f"),
		"an escaped slash upper": last("%2F"),
		"an escaped letter":      begin("/%762/"),
		"an escaped newline":     after("%0d%0aHost:%20evil"),
		"an escaped NUL":         after("%00"),
		"a slash at the end":     after("/"),
		"capitals":               strings.ToUpper,
		"a backslash":            last(`\`),
		"a semicolon":            after(";x"),
		"a fragment":             after("#x"),
		"the absolute form":      func(p string) string { return "http://evil.example" + p },
		"no slash":               func(p string) string { return strings.TrimPrefix(p, "/") },
		"a blank":                after(" x"),
	}
}

// TestTricksAreRefused sends every trick to every route in every method, with a token that would open it: each is refused, alike
// by every route, and the registry hears of none.
func TestTricksAreRefused(t *testing.T) {
	for _, separate := range []bool{false, true} {
		t.Run(fmt.Sprintf("separate=%v", separate), func(t *testing.T) {
			d := openDoorway(t, separate)
			for name, trick := range tricks() {
				answers := map[string]bool{}
				for _, route := range proxy.Routes() {
					for method := range strings.SplitSeq(route.Allow, ", ") {
						statuses := d.speak(t, trick(d, method, target(route)))
						if len(statuses) > 0 {
							answers[fmt.Sprint(statuses)] = true
						}
						if len(statuses) == 0 && !strings.HasPrefix(name, "many headers") && !strings.HasPrefix(name, "a large header") && name != "a long target" {
							t.Errorf("%s: %s %s has no answer, want a refusal", name, method, route.Path)
						}
						for _, s := range statuses {
							if s < 400 || s >= 500 && s != http.StatusHTTPVersionNotSupported && s != http.StatusNotImplemented {
								t.Errorf("%s: %s %s = %v, want it refused", name, method, route.Path, statuses)
							}
						}
						if heard := d.take(); len(heard) > 0 {
							t.Errorf("%s: %s %s reached the registry as %q, want nothing to", name, method, route.Path, heard)
						}
					}
				}
				// In the path of some routes it is a wrong name, of others no path at all.
				if spellings()[name] != nil && len(answers) == 2 && answers["[400]"] && answers["[404]"] {
					continue
				}
				if len(answers) > 1 {
					t.Errorf("%s is answered with %v, want each route to refuse it alike", name, slices.Sorted(maps.Keys(answers)))
				}
			}
		})
	}
}

// TestHonestRequestsReachTheRegistry shows that what the tricks are made of is let through without them, once, and that
// what a client says of hosts, methods and paths in headers counts for nothing.
func TestHonestRequestsReachTheRegistry(t *testing.T) {
	for _, separate := range []bool{false, true} {
		t.Run(fmt.Sprintf("separate=%v", separate), func(t *testing.T) {
			d := openDoorway(t, separate)
			for _, route := range proxy.Routes() {
				if slices.Contains([]proxy.Kind{proxy.KindBase, proxy.KindCatalog, proxy.KindReferrers}, route.Kind) { // the gate answers by itself
					continue
				}
				for method := range strings.SplitSeq(route.Allow, ", ") {
					d.speak(t, d.head(method, target(route), "X-Forwarded-Host: evil.example", "Forwarded: host=evil.example", "X-Original-URL: /v2/other/app/tags/list",
						"X-Rewrite-URL: /v2/other/app/tags/list", "X-HTTP-Method-Override: DELETE", "Content-Length: 0", "Connection: close, Authorization"))
					if heard, want := d.take(), method+" "+target(route); len(heard) != 1 || heard[0] != want {
						t.Errorf("%s of %s reached the registry as %q, want %q", method, route.Path, heard, want)
					}
				}
			}
		})
	}
}

// TestNothingIsSmuggledInABody sends requests inside of bodies, whose length is told in two ways: what comes after a body is
// a request of its own, which has no token.
func TestNothingIsSmuggledInABody(t *testing.T) {
	for _, separate := range []bool{false, true} {
		t.Run(fmt.Sprintf("separate=%v", separate), func(t *testing.T) {
			d := openDoorway(t, separate)
			inner := "GET /v2/team/other/tags/list HTTP/1.1\r\nHost: " + d.addr + "\r\n\r\n"
			for _, route := range proxy.Routes() {
				for method := range strings.SplitSeq(route.Allow, ", ") {
					for name, raw := range map[string]string{
						"a length beside chunks": d.head(method, target(route), fmt.Sprintf("Content-Length: %d", len(inner)+5), "Transfer-Encoding: chunked") + "0\r\n\r\n" + inner,
						"chunks beside a length": d.head(method, target(route), "Transfer-Encoding: chunked", "Content-Length: 4") + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(inner), inner),
						"a length alone":         d.head(method, target(route), fmt.Sprintf("Content-Length: %d", len(inner))) + inner,
						"a broken chunk":         d.head(method, target(route), "Transfer-Encoding: chunked") + "0x5\r\nhello\r\n0\r\n\r\n" + inner,
						"a chunk that is short":  d.head(method, target(route), "Transfer-Encoding: chunked") + "3\r\nhello\r\n0\r\n\r\n" + inner,
						"no chunks at all":       strings.Replace(d.head(method, target(route), "Transfer-Encoding: chunked", "Content-Length: 0"), "HTTP/1.1", "HTTP/1.0", 1) + inner,
					} {
						statuses := d.speak(t, raw)
						for _, s := range statuses[min(1, len(statuses)):] {
							if s != http.StatusUnauthorized && s != http.StatusBadRequest {
								t.Errorf("%s: %s %s = %v, want what follows to be refused", name, method, route.Path, statuses)
							}
						}
						for _, heard := range d.take() {
							if strings.Contains(heard, "other") {
								t.Errorf("%s: %s %s smuggled %q to the registry", name, method, route.Path, heard)
							}
						}
					}
				}
			}
		})
	}
}

// TestHalfClosedClients asks each route with a connection that is closed by half as soon as the request is sent. Whatever is given up then,
// the client reads the answer that it would have got, or that it may try again.
func TestHalfClosedClients(t *testing.T) {
	for _, separate := range []bool{false, true} {
		t.Run(fmt.Sprintf("separate=%v", separate), func(t *testing.T) {
			d := openDoorway(t, separate)
			for _, route := range proxy.Routes() {
				for method := range strings.SplitSeq(route.Allow, ", ") {
					raw := d.head(method, target(route), "Content-Length: 0")
					open := d.speak(t, raw)
					for range 5 {
						c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", d.addr)
						if err != nil {
							t.Fatal(err)
						}
						_ = c.SetDeadline(time.Now().Add(30 * time.Second))
						_, _ = io.WriteString(c, raw) // the answer shows
						if half, ok := c.(*net.TCPConn); !ok || half.CloseWrite() != nil {
							t.Fatalf("a connection is %T, want one that can be closed by half", c)
						}
						resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
						if err != nil {
							t.Fatalf("%s %s, half-closed: %v, want an answer", method, route.Path, err)
						}
						body, err := io.ReadAll(resp.Body)
						_, _ = resp.Body.Close(), c.Close()
						again := resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "" && (method == "HEAD" || strings.Contains(string(body), "UNAVAILABLE"))
						if err != nil || !again && (len(open) != 1 || resp.StatusCode != open[0]) {
							t.Errorf("%s %s, half-closed = %s %s %v, want %v, or that it can be tried again", method, route.Path, resp.Status, body, err, open)
						}
					}
				}
			}
		})
	}
}
