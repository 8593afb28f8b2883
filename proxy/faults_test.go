package proxy_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestUpstreamDown(t *testing.T) {
	m := newMint(t)
	gone := httptest.NewServer(nil)
	gone.Close()
	d := open(t, m, newSeparate(t, m, gone.URL))
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
		c, rw, err := http.NewResponseController(w).Hijack()
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
		flush(w)
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
			flush(w)
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
			c := d.dial(t)
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
	c := d.dial(t)
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
		c := d.dial(t)
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

// A client that closes its half of the connection while the registry stands still is told that it may try again.
func TestHalfClosedClient(t *testing.T) {
	d := before(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	token := d.token(t, "alice", pushToken, 0)
	for _, path := range []string{"manifests/v1", "blobs/" + hexDigest, "tags/list", "blobs/uploads/1"} {
		c := d.dial(t)
		must(t, c.SetDeadline(time.Now().Add(10*time.Second)))
		fmt.Fprintf(c, "GET /v2/team/app/%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", path, token)
		if half, ok := c.(*net.TCPConn); !ok || half.CloseWrite() != nil {
			t.Fatalf("a connection is %T, want one that can be closed by half", c)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Errorf("GET %s got no answer: %v", path, err)
			continue
		}
		body, err := io.ReadAll(resp.Body)
		must(t, err)
		must(t, resp.Body.Close())
		must(t, c.Close())
		if a := (answer{resp.StatusCode, resp.Header, body}); a.status != http.StatusServiceUnavailable || !strings.HasPrefix(a.text(), "UNAVAILABLE") || a.header.Get("Retry-After") == "" {
			t.Errorf("GET %s = %d %s, want 503 UNAVAILABLE with Retry-After", path, a.status, a.body)
		}
	}
}

// Whatever goes wrong, nothing is left behind: no goroutine, no connection. It is looked at after each.
func TestNothingLeaks(t *testing.T) {
	slow := func(w http.ResponseWriter, r *http.Request) { // both ways, until the other side is gone
		_, _ = io.Copy(io.Discard, r.Body)
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1000)); err != nil {
				return
			}
			flush(w)
			time.Sleep(time.Millisecond)
		}
	}
	const patch = "PATCH /v2/team/app/blobs/uploads/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
	const get = "GET /v2/team/app/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %s\r\n\r\n"
	goes := func(_ *testing.T, c net.Conn) {
		time.Sleep(5 * time.Millisecond)
		_ = c.Close() // it is read from no more
	}
	waits := func(t *testing.T, c net.Conn) {
		t.Helper()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("there is no answer, and no end")
		}
		_ = c.Close() // all of it was read
	}
	for _, fault := range []struct {
		name     string
		registry http.HandlerFunc
		says     func(token string) string
		then     func(t *testing.T, c net.Conn)
	}{
		{"clients go in mid-push", slow, func(token string) string { return fmt.Sprintf(patch, token) + "Content-Length: 1000\r\n\r\nonly this" }, goes},
		{"clients go in mid-pull", slow, func(token string) string { return fmt.Sprintf(get, "blobs/"+hexDigest, token) }, goes},
		{"clients go while others wait for the same", slow, func(token string) string { return fmt.Sprintf(get, "manifests/v1", token) }, goes},
		{"clients half-close", slow, func(token string) string { return fmt.Sprintf(get, "blobs/"+hexDigest, token) }, func(t *testing.T, c net.Conn) {
			t.Helper()
			if half, ok := c.(*net.TCPConn); !ok || half.CloseWrite() != nil {
				t.Errorf("a connection is %T, want one that can be closed by half", c)
			}
			waits(t, c)
		}},
		{"a body is broken", slow, func(token string) string {
			return fmt.Sprintf(patch, token) + "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nnonsense\r\n"
		}, waits},
		{"the registry hangs up", cut, func(token string) string { return fmt.Sprintf(get, "tags/list", token) }, waits},
		{"the registry hangs up in mid-pull", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte("half"))
			flush(w)
			panic(http.ErrAbortHandler)
		}, func(token string) string { return fmt.Sprintf(get, "blobs/"+hexDigest, token) }, waits},
		{"the registry answers before it has read all", status(http.StatusServiceUnavailable), func(token string) string {
			return fmt.Sprintf(patch, token) + "Connection: close\r\nContent-Length: 1000000\r\n\r\nonly this"
		}, waits},
	} {
		start := runtime.NumGoroutine()
		t.Run(fault.name, func(t *testing.T) {
			d := before(t, fault.registry)
			token := d.token(t, "alice", pushToken, 0)
			var clients sync.WaitGroup
			for range 10 {
				c := d.dial(t)
				_, err := io.WriteString(c, fault.says(token))
				must(t, err)
				clients.Go(func() { fault.then(t, c) })
			}
			clients.Wait()
		})
		settle(t, fault.name, start)
	}
}

// settle waits until there are no more goroutines than at the start.
func settle(t *testing.T, after string, start int) {
	t.Helper()
	for range 200 {
		if runtime.NumGoroutine() <= start {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	b := make([]byte, 1<<20)
	t.Errorf("%s: goroutines = %d, want at most the %d from before\n%s", after, runtime.NumGoroutine(), start, b[:runtime.Stack(b, true)])
}
