package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/pki"
	"github.com/sealock/sealock/internal/testkit"
	"github.com/sealock/sealock/settings"
)

// startServe runs serve in this process until the test ends, with these flags and settings from a file.
func startServe(t *testing.T, flags map[string]string, lines ...string) settings.Config {
	t.Helper()
	given := map[string]string{"data_dir": t.TempDir()}
	for k, v := range flags {
		given[k] = v
	}
	from := settings.Sources{Environ: []string{"SEALOCK_ADMIN_PASSWORD=" + testPassword}, Flags: given}
	if len(lines) > 0 {
		from.File = filepath.Join(t.TempDir(), "sealock.yaml")
		if err := os.WriteFile(from.File, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := settings.Load(from)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	env := &environment{Stdout: io.Discard, Stderr: io.Discard, Getenv: func(name string) string {
		return map[string]string{"GOGC": "100"}[name]
	}}
	go func() { ended <- serve(ctx, env, cfg) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve() = %v", err)
		}
	})
	return cfg
}

// A server on a unix socket is asked there, also by the health command.
func TestUnixSocketServes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	cfg := startServe(t, map[string]string{"listen": "unix:" + path, "external_urls": "https://registry.example.com"})
	base, client, err := ownServer(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := await(&client, base+"/api/v2.0/health", 30*time.Second); err != nil {
		t.Errorf("the server on a unix socket: %v", err)
	}
}

// Where clients are sent to TLS, one whose body does not come has its connection ended as elsewhere: each holds a file, and they
// are the whole server's.
func TestRedirectWaitsForNoBody(t *testing.T) {
	plain, secure := fmt.Sprintf("127.0.0.1:%d", testkit.FreePort(t)), fmt.Sprintf("127.0.0.1:%d", testkit.FreePort(t))
	startServe(t, map[string]string{
		"listen": secure, "tls.self_signed": "true", "tls.redirect_listen": plain, "external_urls": "https://" + secure, "limits.stall": "1s",
	})
	still := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+plain+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := still.Do(req)
		if err == nil {
			_ = resp.Body.Close() // that it answers is enough
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", plain)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(c, "PATCH /v2/a/b/blobs/uploads/x HTTP/1.1\r\nHost: "+plain+"\r\nContent-Length: 10\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection of a body that does not come is open after 30 s, want it closed after limits.stall")
	}
}

// A client over plain HTTP is sent to TLS, and a certificate that is replaced is shown without a restart.
func TestRedirectAndNewCertificate(t *testing.T) {
	plain, secure := fmt.Sprintf("127.0.0.1:%d", testkit.FreePort(t)), fmt.Sprintf("127.0.0.1:%d", testkit.FreePort(t))
	dir := t.TempDir()
	root, err := pki.NewRoot("test", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	otherCert, otherKey := filepath.Join(dir, "other.crt"), filepath.Join(dir, "other.key")
	issue := func(certFile, keyFile, common string) {
		t.Helper()
		key, err := pki.NewECKey()
		if err != nil {
			t.Fatal(err)
		}
		template := x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{common}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
		leaf, err := root.Certify(key.Public(), template, time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		text, err := pki.KeyPEM(key)
		if err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string][]byte{certFile: pki.CertificatePEM(leaf), keyFile: text} {
			if err := pki.WriteFile(name, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	renew := func(common string) { t.Helper(); issue(certFile, keyFile, common) }
	renew("one.example")
	issue(otherCert, otherKey, "mirror.example")
	startServe(t, map[string]string{
		"listen": secure, "tls.cert_file": certFile, "tls.key_file": keyFile, "tls.redirect_listen": plain, "external_urls": "https://" + secure,
	}, fmt.Sprintf("tls: {certificates: [{cert_file: %q, key_file: %q}]}", otherCert, otherKey))
	pool := x509.NewCertPool()
	pool.AddCert(root.Certificate)
	trip := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	client := &http.Client{Transport: trip}
	if err := await(client, "http://"+plain+"/api/v2.0/ping", 30*time.Second); err != nil {
		t.Fatalf("asked over plain HTTP: %v", err)
	}
	shown := func() *http.Response {
		t.Helper()
		trip.CloseIdleConnections()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+plain+"/api/v2.0/ping?x=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close() // the head is what counts
		return resp
	}
	resp := shown() //nolint:bodyclose // shown closes it
	if got, want := resp.Request.URL.String(), "https://"+secure+"/api/v2.0/ping?x=1"; got != want || resp.ProtoMajor != 2 {
		t.Errorf("a client over plain HTTP ends at %s over %s, want %s over HTTP/2", got, resp.Proto, want)
	}
	// Another name has the certificate of its own, and over TLS a request with two lengths is refused too.
	for name, want := range map[string]string{"mirror.example": "mirror.example", "one.example": "one.example"} {
		c, err := (&tls.Dialer{Config: &tls.Config{RootCAs: pool, ServerName: name, MinVersion: tls.VersionTLS12}}).DialContext(t.Context(), "tcp", secure)
		if err != nil {
			t.Fatalf("a client that asks for %s: %v", want, err)
		}
		if got := says(t, c, twoLengths); got != "400" {
			t.Errorf("two lengths over TLS = %s, want 400", got)
		}
	}
	renew("two.example")
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if shown().TLS.PeerCertificates[0].DNSNames[0] == "two.example" { //nolint:bodyclose // the same
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the old certificate is shown 30 s after it was replaced")
		}
	}
}

const (
	twoLengths = "GET /api/v2.0/ping HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n"
	forwarded  = "PROXY TCP4 203.0.113.7 127.0.0.1 1234 443\r\n"
)

// says sends text and returns the status of the answer, or what became of the connection.
func says(t *testing.T, c net.Conn, text string) string {
	t.Helper()
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(c, text) // the answer shows
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	switch {
	case err == nil:
		_ = resp.Body.Close() // the head is what counts
		return fmt.Sprint(resp.StatusCode)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "kept waiting"
	}
	return "cut"
}

// TestTheDoorItself asks the server that serve starts, with all that is between its socket and its handler: the PROXY protocol, heads
// with two lengths, and clients that are too slow, in whichever way.
func TestTheDoorItself(t *testing.T) {
	addr := fmt.Sprintf("127.0.0.1:%d", testkit.FreePort(t))
	startServe(t, map[string]string{"listen": addr, "external_urls": "http://" + addr}, "proxy_protocol: [127.0.0.1]", "limits: {header: 1s, stall: 1s, min_rate: 1000}")
	connect := func(ctx context.Context, first string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err == nil {
			_, err = io.WriteString(c, first)
		}
		return c, err
	}
	dial := func(first string) net.Conn {
		t.Helper()
		c, err := connect(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return connect(ctx, forwarded)
	}}}
	base := "http://" + addr
	if err := await(client, base+"/api/v2.0/ping", 30*time.Second); err != nil {
		t.Fatalf("asked with the PROXY protocol: %v", err)
	}
	send := func(method, to, authorization string, body io.Reader) (*http.Response, []byte) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, to, body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", authorization)
		req.Header.Set("Content-Type", "application/octet-stream")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatalf("%s %s: %v", method, to, err)
		}
		defer resp.Body.Close()
		all, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatalf("%s %s: %v", method, to, err)
		}
		return resp, all
	}
	const scope = "repository:library/app:pull,push"
	req := &http.Request{Header: http.Header{}}
	req.SetBasicAuth("admin", testPassword)
	_, text := send(http.MethodGet, base+"/service/token?service=sealock&scope="+url.QueryEscape(scope), req.Header.Get("Authorization"), nil) //nolint:bodyclose // send closes it
	var given struct{ Token string }
	if err := json.Unmarshal(text, &given); err != nil || given.Token == "" {
		t.Fatalf("asking for a token = %s, %v", text, err)
	}
	bearer := "Bearer " + given.Token
	begin := func() *url.URL {
		t.Helper()
		resp, text := send(http.MethodPost, base+"/v2/library/app/blobs/uploads/", bearer, nil) //nolint:bodyclose // send closes it
		at, err := resp.Location()
		if err != nil {
			t.Fatalf("beginning an upload = %s %s, %v", resp.Status, text, err)
		}
		return at
	}

	// A client that is slow and steady gets all its time: three times what any wait may take.
	body, w := io.Pipe()
	go func() {
		for range 15 {
			time.Sleep(200 * time.Millisecond)
			_, _ = w.Write(make([]byte, 1000)) // it fails with the request
		}
		_ = w.Close()
	}()
	if resp, text := send(http.MethodPatch, begin().String(), bearer, body); resp.StatusCode != http.StatusAccepted { //nolint:bodyclose // send closes it
		t.Errorf("a body that is slow and steady = %s %s, want 202", resp.Status, text)
	}

	blob := bytes.Repeat([]byte("0123456789abcdef"), 4<<20) // more than the kernel keeps for a connection
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(blob))
	at := begin()
	if resp, text := send(http.MethodPut, at.String()+"&digest="+digest, bearer, bytes.NewReader(blob)); resp.StatusCode != http.StatusCreated { //nolint:bodyclose // send closes it
		t.Fatalf("pushing a blob = %s %s, want 201", resp.Status, text)
	}

	t.Run("who does not take an answer", func(t *testing.T) {
		t.Parallel()
		c := dial(forwarded)
		defer c.Close()
		fmt.Fprintf(c, "GET /v2/library/app/blobs/%s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nConnection: close\r\n\r\n", digest, addr, bearer)
		time.Sleep(5 * time.Second)
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		if n, err := io.Copy(io.Discard, c); n >= int64(len(blob)) || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a client that took nothing for five times the stall gets %d bytes, %v, want it cut", n, err)
		}
	})
	standing := begin()
	for _, row := range []struct{ name, first, text, want string }{
		{"with the PROXY protocol", forwarded, "GET /api/v2.0/ping HTTP/1.1\r\nHost: x\r\n\r\n", "200"},
		{"without it", "", "GET /api/v2.0/ping HTTP/1.1\r\nHost: x\r\n\r\n", "cut"},
		{"two lengths", forwarded, twoLengths, "400"},
		{"half a head", forwarded, "GET /api/v2.0/ping HTTP/1.1\r\nHost: x\r\n", "cut"},
		{"a body that stands still", forwarded, fmt.Sprintf("PATCH %s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nContent-Length: 1000\r\n\r\nx", standing.RequestURI(), addr, bearer), "no 202"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			got := says(t, dial(row.first), row.text)
			if row.want == "no 202" && got != "202" && got != "kept waiting" {
				return
			}
			if got != row.want {
				t.Errorf("%q after %q = %s, want %s", row.text, row.first, got, row.want)
			}
		})
	}
}

// TestBodiesHaveTheirTime holds that a layer of 20 GB may take an hour by what is set without any settings.
func TestBodiesHaveTheirTime(t *testing.T) {
	limits := settings.Default().Limits
	if s := newHTTPServer(http.NotFoundHandler(), nil, limits, quiet()); s.ReadTimeout != 0 || s.WriteTimeout != 0 || s.ReadHeaderTimeout <= 0 || s.IdleTimeout <= 0 {
		t.Errorf("bodies may take %s and %s, heads %s, idle connections %s: want no limit for bodies alone", s.ReadTimeout, s.WriteTimeout, s.ReadHeaderTimeout, s.IdleTimeout)
	}
	if rate := 20_000_000_000 / 3600; limits.MinRate > rate {
		t.Errorf("min_rate = %d, want no more than the %d of 20 GB in an hour", limits.MinRate, rate)
	}
}

// deadlined is a writer that is told by when a body has to be there.
type deadlined struct {
	*httptest.ResponseRecorder

	by time.Time
}

func (w *deadlined) SetReadDeadline(by time.Time) error { w.by = by; return nil }

// TestShortBodiesHaveLessTime holds that only what is the registry's may take as long as it likes.
func TestShortBodiesHaveLessTime(t *testing.T) {
	handler := patient(pace(settings.Default().Limits), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, row := range []struct {
		method, path, body string
		bounded            bool
	}{
		{http.MethodPost, "/api/v2.0/projects", "{}", true},
		{http.MethodPost, "/service/token", "grant_type=password", true},
		{http.MethodPut, "/v2x/", "x", true},
		{http.MethodGet, "/api/v2.0/projects", "", false}, // the connection may be idle long after it
		{http.MethodPatch, "/v2/team/app/blobs/uploads/x", "x", false},
	} {
		w := &deadlined{ResponseRecorder: httptest.NewRecorder()}
		start := time.Now()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), row.method, row.path, strings.NewReader(row.body)))
		if left := w.by.Sub(start); row.bounded != (left > 0 && left <= 31*time.Second) {
			t.Errorf("%s %s has to be there in %s, want a bound of %s: %v", row.method, row.path, left, bodyPatience, row.bounded)
		}
	}
}
