package objectstore

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealock/sealock/e2e/internal/fixture"
	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
)

// GCS starts fake-gcs-server in the place of Google's: the driver knows no other address, so that the program with the driver
// gets a proxy in its environment, behind which Google's names lead to the server, and the server's certificate to trust.
func GCS(t testing.TB) *Store {
	t.Helper()
	dir, addr := proc.Dir(t), proc.FreeAddr(t)
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	cert, key := googleCertificate(t, dir)
	process := proc.Start(t, proc.Server{
		Name: "fake-gcs-server",
		Args: []string{
			need.Tool(t, "fake-gcs-server"), "-scheme", "https", "-host", host, "-port", port, "-backend", "memory", "-public-host", "storage.googleapis.com",
			"-external-url", "https://storage.googleapis.com", "-cert-location", cert, "-private-key-location", key, "-log-level", "warn",
		},
		Env: []string{"HOME=" + dir}, Dir: dir, Ready: proc.Dials(addr),
	})
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"any","token_type":"Bearer","expires_in":3600}`)
	}))
	t.Cleanup(tokens.Close)
	s := &Store{
		Addr: addr, Driver: "gcs", Secret: "keyfile", process: process,
		Values: map[string]string{"bucket": bucket, "keyfile": account(t, dir, tokens.URL), "rootdirectory": "/sealock"},
		Env:    []string{"HTTPS_PROXY=" + tunnel(t, addr), "SSL_CERT_FILE=" + cert},
	}
	s.makeBucket(t)
	return s
}

// makeBucket asks for the bucket.
func (s *Store) makeBucket(t testing.TB) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // it is on this machine
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "https://"+s.Addr+"/storage/v1/b?project=sealock", bytes.NewBufferString(`{"name":"`+bucket+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("making a bucket: %v", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("making a bucket = %s, want 200", resp.Status)
	}
}

// tunnel returns the URL of a proxy that connects everybody to addr, whoever they ask for.
func tunnel(t testing.TB, addr string) string {
	t.Helper()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "only CONNECT", http.StatusMethodNotAllowed)
			return
		}
		to, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", addr)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer to.Close()
		w.WriteHeader(http.StatusOK)
		from, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer from.Close()
		ended := make(chan struct{}, 2)
		for _, pair := range [][2]net.Conn{{from, to}, {to, from}} {
			go func() { _, _ = io.Copy(pair[0], pair[1]); ended <- struct{}{} }()
		}
		<-ended
	}))
	t.Cleanup(proxy.CloseClientConnections)
	t.Cleanup(proxy.Close)
	return proxy.URL
}

// account writes the key file of a service account.
func account(t testing.TB, dir, tokens string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "sealock", "private_key_id": "1", "client_id": "1", "client_email": "sealock@sealock.example",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})), "token_uri": tokens + "/token",
	})
	if err != nil {
		t.Fatal(err)
	}
	return fixture.File(t, filepath.Join(dir, "account.json"), string(text))
}

// googleCertificate writes a certificate for Google's names, which only who is told to trusts.
func googleCertificate(t testing.TB, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "fake-gcs-server"}, DNSNames: []string{"storage.googleapis.com", "www.googleapis.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	file := func(name, kind string, raw []byte) string {
		return fixture.File(t, filepath.Join(dir, name), string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw})))
	}
	return file("google.pem", "CERTIFICATE", raw), file("google.key", "EC PRIVATE KEY", secret)
}
