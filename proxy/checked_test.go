package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// pulled is what a client has of a pull: a status and a body that looks whole, or the error with which it was cut.
type pulled struct {
	status int
	header http.Header
	body   []byte
	err    error
}

func (d *door) pull(t *testing.T, path, token string) pulled {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.srv.URL+path, nil)
	must(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := d.srv.Client().Transport.RoundTrip(req)
	if err != nil {
		return pulled{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return pulled{resp.StatusCode, resp.Header, body, err}
}

// raw is a registry that answers each request with these bytes, the request's path put in for %s, and hangs up.
func raw(t *testing.T, answer func(path string) string) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b := make([]byte, 16<<10)
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			n, _ := c.Read(b)
			_, path, _ := strings.Cut(string(b[:n]), " ")
			path, _, _ = strings.Cut(path, " ")
			_, _ = io.WriteString(c, answer(path))
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return "http://" + l.Addr().String()
}

// TestEvilRegistry lets a registry answer in every wrong way: the client gets a refusal that it can act on or sees
// the connection cut, and never a body that looks whole and is not what was asked for.
func TestEvilRegistry(t *testing.T) {
	blob := bytes.Repeat([]byte("0123456789abcdef"), 10_000)
	manifest := []byte(`{"schemaVersion":2,"mediaType":"` + manifestType + `"}`)
	for name, row := range map[string]struct {
		answer func(body, digest string) string
		whole  bool // the client gets all of it, and is right to
	}{
		"all right":                     {func(b, d string) string { return ok(b, "Docker-Content-Digest: "+d) }, true},
		"all right, without its digest": {func(b, _ string) string { return ok(b) }, true},
		"all right, in chunks": {func(b, d string) string {
			return fmt.Sprintf("HTTP/1.1 200 OK\r\nDocker-Content-Digest: %s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", d, len(b), b)
		}, true},
		"all right, until the end of the connection": {func(b, d string) string { return "HTTP/1.0 200 OK\r\nDocker-Content-Digest: " + d + "\r\n\r\n" + b }, true},
		"something before it": {func(b, d string) string {
			return strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 100) + ok(b, "Docker-Content-Digest: "+d)
		}, true},
		"a wrong last byte":  {func(b, d string) string { return ok(b[:len(b)-1]+"X", "Docker-Content-Digest: "+d) }, false},
		"a wrong first byte": {func(b, d string) string { return ok("X"+b[1:], "Docker-Content-Digest: "+d) }, false},
		"another digest":     {func(b, _ string) string { return ok(b+"x", "Docker-Content-Digest: "+digestOf([]byte(b+"x"))) }, false},
		"something else":     {func(_, _ string) string { return ok("something else") }, false},
		"nothing":            {func(_, d string) string { return ok("", "Docker-Content-Digest: "+d) }, false},
		"a shorter length": {func(b, d string) string {
			return strings.Replace(ok(b, "Docker-Content-Digest: "+d), fmt.Sprint(len(b)), fmt.Sprint(len(b)-1), 1)
		}, false},
		"a longer length": {func(b, d string) string {
			return strings.Replace(ok(b, "Docker-Content-Digest: "+d), fmt.Sprint(len(b)), fmt.Sprint(len(b)+1), 1)
		}, false},
		"two lengths": {func(b, d string) string { return ok(b, "Docker-Content-Digest: "+d, "Content-Length: 1") }, false},
		"a cut chunk": {func(b, _ string) string {
			return fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s", len(b), b[:len(b)/2])
		}, false},
		"no last chunk": {func(b, _ string) string {
			return fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(b), b)
		}, false},
		"a chunk that is none": {func(b, _ string) string {
			return fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n%s\r\n", b)
		}, false},
		"half until the end": {func(b, d string) string {
			return "HTTP/1.0 200 OK\r\nDocker-Content-Digest: " + d + "\r\n\r\n" + b[:len(b)/2]
		}, false},
		"chunks of half": {func(b, _ string) string {
			return fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(b)/2, b[:len(b)/2])
		}, false},
		"no status":      {func(b, _ string) string { return strings.Replace(ok(b), "200 OK", "000", 1) }, false},
		"status of four": {func(b, _ string) string { return strings.Replace(ok(b), "200 OK", "2000 OK", 1) }, false},
		"no HTTP":        {func(_, _ string) string { return "SSH-2.0-OpenSSH_9.2\r\n" }, false},
		"silence":        {func(_, _ string) string { return "" }, false},
		"TLS":            {func(_, _ string) string { return "\x15\x03\x01\x00\x02\x02\x16" }, false},
		"half of a head": {func(_, d string) string { return "HTTP/1.1 200 OK\r\nDocker-Content-Digest: " + d }, false},
		"a head without end": {func(_, _ string) string {
			return "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: "+strings.Repeat("a", 1000)+"\r\n", 12<<10)
		}, false},
		"a header with a NUL": {func(b, _ string) string { return ok(b, "X-A: a\x00b") }, false},
		"hints without end":   {func(_, _ string) string { return strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 1000) }, false},
		"a switch of protocol": {func(_, _ string) string {
			return "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello"
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMint(t)
			d := open(t, m, newSeparate(t, m, raw(t, func(path string) string {
				if strings.Contains(path, "/blobs/") {
					return row.answer(string(blob), digestOf(blob))
				}
				return row.answer(string(manifest), digestOf(manifest))
			})))
			token := d.token(t, "alice", pushToken, 0)
			for path, want := range map[string][]byte{"/v2/team/app/blobs/" + digestOf(blob): blob, "/v2/team/app/manifests/" + digestOf(manifest): manifest} {
				got := d.pull(t, path, token)
				switch whole := got.err == nil && got.status == http.StatusOK; {
				case row.whole && (!whole || !bytes.Equal(got.body, want)):
					t.Errorf("%s = %d %.80q, %v, want what was asked for", path, got.status, got.body, got.err)
				case !row.whole && whole && name != "a shorter length" && name != "two lengths":
					t.Errorf("%s = %.80q, which looks whole, want a refusal or a cut", path, got.body)
				case !row.whole && whole && !bytes.Equal(got.body, want):
					t.Errorf("%s = %.80q, want a refusal or a cut", path, got.body)
				case !row.whole && got.err == nil && (got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || !strings.HasPrefix(answer{body: got.body}.text(), "UNAVAILABLE ")):
					t.Errorf("%s = %d %s %s, want 503 UNAVAILABLE and Retry-After", path, got.status, got.body, headerText(got.header))
				case !row.whole && got.err != nil && (strings.Contains(path, "manifests") || errors.Is(got.err, io.EOF)):
					t.Errorf("%s was cut (%v), want it refused while nothing of it has come", path, got.err)
				}
			}
		})
	}
}

func ok(body string, lines ...string) string {
	head := append([]string{"HTTP/1.1 200 OK", "Content-Type: " + manifestType, fmt.Sprintf("Content-Length: %d", len(body))}, lines...)
	return strings.Join(head, "\r\n") + "\r\n\r\n" + body
}

// TestManifestsWithoutEnd shows that no registry makes the door keep more than a manifest can have.
func TestManifestsWithoutEnd(t *testing.T) {
	d := before(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Docker-Content-Digest", hexDigest)
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	if got := d.pull(t, "/v2/team/app/manifests/v1", d.token(t, "alice", pushToken, 0)); got.err != nil || got.status != http.StatusServiceUnavailable {
		t.Errorf("a manifest without end = %d, %v, want 503", got.status, got.err)
	}
}

// A long manifest is passed on as it comes: many clients that read slowly would fill the memory with what is held for them. It is
// still held to its digest.
func TestLongManifestIsNotHeld(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 32<<10)
	for name, row := range map[string]struct {
		last byte
		cut  bool
	}{"right": {'f', false}, "a wrong last byte": {'X', true}} {
		came := make(chan struct{})
		d := before(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", manifestType)
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			_, _ = w.Write(body[:len(body)/2])
			_ = http.NewResponseController(w).Flush()
			select {
			case <-came:
			case <-r.Context().Done():
			}
			_, _ = w.Write(body[len(body)/2 : len(body)-1])
			_, _ = w.Write([]byte{row.last})
		})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // it would be waited for in vain
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.srv.URL+"/v2/team/app/manifests/"+digestOf(body), nil)
		must(t, err)
		req.Header.Set("Authorization", "Bearer "+d.token(t, "alice", pushToken, 0))
		resp, err := d.srv.Client().Transport.RoundTrip(req)
		must(t, err)
		defer resp.Body.Close()
		half := make([]byte, len(body)/4)
		if _, err := io.ReadFull(resp.Body, half); err != nil {
			t.Fatalf("%s: the first part of a long manifest = %v, want it before the last one", name, err)
		}
		close(came)
		rest, err := io.ReadAll(resp.Body)
		if whole := err == nil; whole == row.cut || whole && !bytes.Equal(append(half, rest...), body) {
			t.Errorf("%s: a long manifest = %d bytes, %v, want it cut: %v", name, len(half)+len(rest), err, row.cut)
		}
	}
}

// What has a digest of something else than its bytes, or of none, is the client's to judge.
func TestUncheckedPulls(t *testing.T) {
	for name, head := range map[string]map[string]string{
		"a signed manifest of old": {"Content-Type": "application/vnd.docker.distribution.manifest.v1+prettyjws", "Docker-Content-Digest": hexDigest},
		"packed on the way":        {"Content-Encoding": "gzip", "Docker-Content-Digest": hexDigest},
		"no digest":                {},
		"a digest that is none":    {"Docker-Content-Digest": "sha256:x"},
	} {
		d := before(t, func(w http.ResponseWriter, _ *http.Request) {
			for k, v := range head {
				w.Header().Set(k, v)
			}
			_, _ = io.WriteString(w, "body")
		})
		if got := d.pull(t, "/v2/team/app/manifests/v1", d.token(t, "alice", pushToken, 0)); got.err != nil || got.status != 200 || string(got.body) != "body" {
			t.Errorf("%s = %d %q, %v, want the body as it came", name, got.status, got.body, got.err)
		}
	}
}
