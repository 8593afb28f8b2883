package proxy_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealock/sealock/proxy"
	"github.com/sealock/sealock/proxy/embedded/stocktest"
)

// replica is an address of a registry that counts what reaches it, by method.
type replica struct {
	srv    *httptest.Server
	mu     sync.Mutex
	seen   map[string]int
	behave atomic.Pointer[http.HandlerFunc]
}

func newReplica(t *testing.T) *replica {
	t.Helper()
	r := &replica{seen: map[string]int{}}
	r.be(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "well") })
	r.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		if req.URL.Path == "/v2/" {
			r.note("check")
			if !strings.HasPrefix(req.Header.Get("Authorization"), "Bearer e") {
				r.note("check without a token")
			}
		} else {
			r.note(req.Method)
		}
		(*r.behave.Load())(w, req)
	}))
	t.Cleanup(r.srv.Close)
	return r
}

func (r *replica) be(h http.HandlerFunc) { r.behave.Store(&h) }

func (r *replica) note(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen[what]++
}

// count returns how often it saw the method since it was asked last.
func (r *replica) count(method string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.seen[method]
	r.seen[method] = 0
	return n
}

// cut ends the connection without an answer.
func cut(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// replicas opens a door before a registry at these addresses. With run, they are asked how they are, very often.
func replicas(t *testing.T, log io.Writer, run bool, urls ...string) (*door, *proxy.Separate) {
	t.Helper()
	m := newMint(t)
	up, err := proxy.NewSeparate(proxy.SeparateConfig{
		Name: "hub", URL: urls[0], More: urls[1:], Minter: m, Log: slog.New(slog.NewTextHandler(log, nil)),
		Health: proxy.Health{Every: 10 * time.Millisecond, Timeout: 100 * time.Millisecond},
	})
	must(t, err)
	t.Cleanup(up.Close)
	if run {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); up.Run(ctx) }()
		t.Cleanup(func() { cancel(); <-done })
	}
	return open(t, m, up), up
}

// until waits for so many addresses to be well.
func until(t *testing.T, up *proxy.Separate, want int) {
	t.Helper()
	got := -1
	for range 1000 {
		if got, _ = up.Addresses(); got == want {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%d addresses are well, want %d", got, want)
}

func get(d *door, t *testing.T) call {
	t.Helper()
	return call{method: "GET", path: "/v2/team/app/tags/list", token: d.token(t, "alice", pushToken, 0)}
}

func TestAddressesTakeTurns(t *testing.T) {
	a, b := newReplica(t), newReplica(t)
	d, _ := replicas(t, io.Discard, false, a.srv.URL, b.srv.URL)
	for range 10 {
		d.do(t, get(d, t)).want(t, "GET", 200)
	}
	if x, y := a.count("GET"), b.count("GET"); x != 5 || y != 5 {
		t.Errorf("10 requests went to the addresses as %d and %d, want 5 and 5", x, y)
	}
}

// Only what may be sent twice is, and only when no answer came.
func TestTryingAgain(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		for name, behave := range map[string]http.HandlerFunc{"cut": cut, "overloaded": status(503), "an answer": status(404)} {
			a, b := newReplica(t), newReplica(t)
			a.be(behave)
			b.be(behave)
			d, _ := replicas(t, io.Discard, false, a.srv.URL, b.srv.URL)
			c := call{method: method, path: "/v2/team/app/manifests/v1", token: d.token(t, "alice", pushToken, 0), header: map[string]string{"Idempotency-Key": "x", "X-Idempotency-Key": "x"}}
			switch method {
			case "POST":
				c.path = "/v2/team/app/blobs/uploads/"
			case "PATCH":
				c.path = "/v2/team/app/blobs/uploads/1"
			case "DELETE":
				c.path = "/v2/team/app/manifests/" + hexDigest
			case "PUT":
				c.body, c.path = []byte("x"), "/v2/team/app/blobs/uploads/1?digest="+hexDigest
			}
			want, safe := 1, method == "GET" || method == "HEAD"
			switch {
			case safe && name == "cut":
				want = 3
			case safe && name == "overloaded":
				want = 2 // there are two addresses
			}
			got := d.do(t, c)
			if x, y := a.count(method), b.count(method); x+y != want {
				t.Errorf("%s that is answered with %s reached the addresses %d + %d times, want %d", method, name, x, y, want)
			}
			if name == "cut" && got.status != 503 {
				t.Errorf("%s that is cut = %d, want 503", method, got.status)
			}
		}
	}
}

// A connection that was used before and is cut is no reason to send a change twice; net/http would for a key in the header.
func TestChangesAreSentOnce(t *testing.T) {
	a := newReplica(t)
	d, _ := replicas(t, io.Discard, false, a.srv.URL)
	token := d.token(t, "alice", pushToken, 0)
	for range 5 {
		a.be(status(202))
		d.do(t, call{method: "POST", path: "/v2/team/app/blobs/uploads/", token: token}).want(t, "POST", 202)
		a.be(cut)
		d.do(t, call{method: "POST", path: "/v2/team/app/blobs/uploads/", token: token, header: map[string]string{"Idempotency-Key": "x"}}).want(t, "POST that is cut", 503)
	}
	if n := a.count("POST"); n != 10 {
		t.Errorf("10 POSTs reached the registry %d times, want 10", n)
	}
}

// A read gets its answer from the address that is well, whichever the turn was.
func TestOneAddressIsDown(t *testing.T) {
	var log syncBuffer
	a, b := newReplica(t), newReplica(t)
	d, up := replicas(t, &log, false, a.srv.URL, b.srv.URL)
	for name, behave := range map[string]http.HandlerFunc{"cut": cut, "overloaded": status(502)} {
		a.be(behave)
		for range 4 {
			if got := d.do(t, get(d, t)); got.status != 200 || string(got.body) != "well" {
				t.Errorf("GET while an address is %s = %d %s, want the other's answer", name, got.status, got.body)
			}
		}
	}
	a.srv.Close()
	for range 4 {
		d.do(t, get(d, t)).want(t, "GET while an address takes no connection", 200)
	}
	if ok, all := up.Addresses(); ok != 1 || all != 2 {
		t.Errorf("%d of %d addresses are well, want 1 of 2 without any check", ok, all)
	}
	b.count("POST")
	for range 4 {
		d.do(t, call{method: "POST", path: "/v2/team/app/blobs/uploads/", token: d.token(t, "alice", pushToken, 0)}).want(t, "POST, that is not tried again", 200)
	}
	if !strings.Contains(log.String(), "an address of a registry is left out") || !strings.Contains(log.String(), "registry=hub") {
		t.Errorf("log = %q, want that an address is left out", log.String())
	}
}

// What accepts connections and does not answer is left out, and comes back.
func TestHealthChecks(t *testing.T) {
	var log syncBuffer
	a, b := newReplica(t), newReplica(t)
	d, up := replicas(t, &log, true, a.srv.URL, b.srv.URL)
	for name, behave := range map[string]http.HandlerFunc{
		"answers 503": status(503),
		"hangs":       func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		a.be(behave)
		until(t, up, 1)
		a.count("GET")
		for range 4 {
			d.do(t, get(d, t)).want(t, "GET while an address "+name, 200)
		}
		if n := a.count("GET"); n != 0 {
			t.Errorf("%d requests went to the address that %s, want none", n, name)
		}
		a.be(status(401)) // as a registry does that wants a token
		until(t, up, 2)
	}
	if a.count("check") == 0 || a.count("check without a token") != 0 {
		t.Error("registries were asked without a token, which they log as a warning each time")
	}
	for _, words := range []string{"is left out", "is well again"} {
		if !strings.Contains(log.String(), words) {
			t.Errorf("log = %q, want %q", log.String(), words)
		}
	}
	a.be(status(503))
	b.be(status(503))
	until(t, up, 0)
	a.count("GET")
	b.count("GET")
	got := d.do(t, get(d, t)).want(t, "GET while all are down", 503)
	if !strings.HasPrefix(got.text(), `UNAVAILABLE the registry "hub" behind sealock does not answer: try again in a moment`) || got.header.Get("Retry-After") == "" {
		t.Errorf("all down = %q %s, want UNAVAILABLE, what to do, and Retry-After", got.text(), headerText(got.header))
	}
	if n := a.count("GET") + b.count("GET"); n != 0 {
		t.Errorf("%d requests reached addresses that are left out, want none", n)
	}
	a.be(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "well") })
	until(t, up, 1)
	d.do(t, get(d, t)).want(t, "GET when one is well again", 200)
}

// A registry that comes back is used at once, whether it is asked or not.
func TestRegistryComesBack(t *testing.T) {
	m := newMint(t)
	root := t.TempDir()
	stock := newStockOf(t, m, stocktest.Config{Service: service, Root: root})
	up := newSeparate(t, m, stock.URL)
	d := open(t, m, up)
	token := d.token(t, "alice", pushToken, 0)
	d.pushImage(t, token, "team/app", "v1")
	at := stock.Listener.Addr().String()
	stock.Close()
	c := call{method: "GET", path: "/v2/team/app/manifests/v1", token: token, header: map[string]string{"Accept": manifestType}}
	d.do(t, c).want(t, "GET while it is down", 503)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", at)
	must(t, err)
	again := &httptest.Server{Listener: l, Config: &http.Server{Handler: stock.Config.Handler}}
	again.Start()
	t.Cleanup(again.Close)
	d.do(t, c).want(t, "GET when it is back", 200)
	if ok, _ := up.Addresses(); ok != 1 {
		t.Error("the address is not well again after an answer")
	}
}

// Two replicas that share a folder are one registry: uploads begun at one go on at the other.
func TestReplicasOfARealRegistry(t *testing.T) {
	m := newMint(t)
	c := stocktest.Config{Service: service, Root: t.TempDir()}
	first, second := newStockOf(t, m, c), newStockOf(t, m, c)
	up, err := proxy.NewSeparate(proxy.SeparateConfig{URL: first.URL, More: []string{second.URL}, Minter: m, Log: quiet()})
	must(t, err)
	t.Cleanup(up.Close)
	d := open(t, m, up)
	token := d.token(t, "alice", pushToken, 0)
	for i := range 3 {
		d.pushImage(t, token, "team/app", fmt.Sprint("v", i))
		d.pushBlob(t, token, "team/app", []byte(fmt.Sprint("in chunks ", i)), 3)
	}
	second.Close()
	for i := range 6 {
		d.do(t, call{method: "GET", path: fmt.Sprint("/v2/team/app/manifests/v", i%3), token: token, header: map[string]string{"Accept": manifestType}}).want(t, "GET with one replica", 200)
	}
}
