package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/pki"
	"github.com/sealock/sealock/internal/testkit"
	"github.com/sealock/sealock/settings"
)

// startServe runs serve in this process until the test ends.
func startServe(t *testing.T, flags map[string]string) settings.Config {
	t.Helper()
	given := map[string]string{"data_dir": t.TempDir()}
	for k, v := range flags {
		given[k] = v
	}
	cfg, err := settings.Load(settings.Sources{Environ: []string{"SEALOCK_ADMIN_PASSWORD=" + testPassword}, Flags: given})
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
	renew := func(common string) {
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
	renew("one.example")
	startServe(t, map[string]string{
		"listen": secure, "tls.cert_file": certFile, "tls.key_file": keyFile, "tls.redirect_listen": plain, "external_urls": "https://" + secure,
	})
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
