package objectstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/sealock/sealock/e2e/internal/cert"
	"github.com/sealock/sealock/e2e/internal/fixture"
	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
)

// googles is the name that the driver asks for.
const googles = "storage.googleapis.com"

// GCS starts fake-gcs-server in the place of Google's: the driver knows no other address, so that the program with the driver
// gets a proxy in its environment, behind which Google's names lead to the server, and the server's certificate to trust.
func GCS(t testing.TB) *Store {
	t.Helper()
	dir, addr := proc.Dir(t), proc.FreeAddr(t)
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := filepath.Join(dir, "google.pem"), filepath.Join(dir, "google.key")
	cert.Make(t, certFile, keyFile, googles, "www.googleapis.com")
	process := proc.Start(t, proc.Server{
		Name: "fake-gcs-server",
		Args: []string{
			need.Tool(t, "fake-gcs-server"), "-scheme", "https", "-host", host, "-port", port, "-backend", "memory", "-public-host", googles,
			"-external-url", "https://" + googles, "-cert-location", certFile, "-private-key-location", keyFile, "-log-level", "warn",
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
		Env:    []string{"HTTPS_PROXY=" + tunnel(t, addr), "SSL_CERT_FILE=" + certFile},
	}
	s.makeBucket(t, certFile)
	return s
}

// makeBucket asks for the bucket.
func (s *Store) makeBucket(t testing.TB, certFile string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cert.Trusted(t, certFile), ServerName: googles}}}
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
