package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
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
				flush(w)
				time.Sleep(time.Millisecond)
			}
		})
		token := d.token(t, "alice", pushToken, 0)
		for range 10 {
			c := d.dial(t)
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
	http.DefaultClient.CloseIdleConnections()
	for range 100 {
		if runtime.NumGoroutine() <= start {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	b := make([]byte, 1<<20)
	t.Errorf("goroutines = %d, want at most the %d from before\n%s", runtime.NumGoroutine(), start, b[:runtime.Stack(b, true)])
}
