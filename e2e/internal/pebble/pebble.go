// Package pebble runs a real ACME CA for a test, Let's Encrypt's small one, and a DNS server in which every name leads to this
// machine. It knows nothing of sealock.
package pebble

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealock/sealock/e2e/internal/cert"
	"github.com/sealock/sealock/e2e/internal/fixture"
	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
)

// Options say what CA is wanted. It looks at the ports as others do at 80 and 443.
type Options struct {
	HTTPPort, TLSPort int
	Life              time.Duration     // of certificates; 90 days if zero
	Accounts          map[string]string // keys by id; where there are any, a client needs one
}

// CA is one that runs until the test ends.
type CA struct {
	Directory string // URL
	CAFile    string // of the directory
	RootFile  string // of the certificates that it gives
}

// Start starts a CA.
func Start(t testing.TB, o Options) *CA {
	t.Helper()
	program, names := need.Tool(t, "pebble"), need.Tool(t, "pebble-challtestsrv")
	dir := proc.Dir(t)
	dns, management := proc.FreeAddr(t), proc.FreeAddr(t)
	proc.Start(t, proc.Server{
		Name: "pebble-challtestsrv",
		Args: []string{
			names, "-dnsserver", dns, "-management", management, "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "",
			"-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "",
		},
		Env: os.Environ(), Ready: proc.Dials(dns),
	})
	if o.Life == 0 {
		o.Life = 90 * 24 * time.Hour
	}
	listen, admin := proc.FreeAddr(t), proc.FreeAddr(t)
	certFile, keyFile := filepath.Join(dir, "directory.pem"), filepath.Join(dir, "directory.key")
	cert.Make(t, certFile, keyFile, "127.0.0.1")
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": listen, "managementListenAddress": admin, "certificate": certFile, "privateKey": keyFile,
		"httpPort": o.HTTPPort, "tlsPort": o.TLSPort, "keyAlgorithm": "ecdsa",
		"externalAccountBindingRequired": len(o.Accounts) > 0, "externalAccountMACKeys": o.Accounts,
		"retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles":   map[string]any{"default": map[string]any{"description": "the one", "validityPeriod": int(o.Life.Seconds())}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	proc.Start(t, proc.Server{
		Name: "pebble", Args: []string{program, "-strict", "-config", fixture.File(t, filepath.Join(dir, "pebble.json"), string(config)), "-dnsserver", dns},
		Env: append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_AUTHZREUSE=0"), Ready: proc.Dials(listen),
	})
	ca := &CA{Directory: "https://" + listen + "/dir", CAFile: certFile}
	ca.RootFile = fixture.File(t, filepath.Join(dir, "root.pem"), string(root(t, admin, certFile)))
	return ca
}

// root fetches the certificate that the CA signs with, which is a new one at each start.
func root(t testing.TB, admin, caFile string) []byte {
	t.Helper()
	trip := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: cert.Trusted(t, caFile), MinVersion: tls.VersionTLS12}}
	defer trip.CloseIdleConnections()
	var body []byte
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(25 * time.Millisecond) {
		resp, err := (&http.Client{Transport: trip}).Get("https://" + admin + "/roots/0") //nolint:noctx // it is short
		if err == nil {
			body, err = io.ReadAll(resp.Body)
			_ = resp.Body.Close()
		}
		if err == nil {
			return body
		}
		if time.Now().After(deadline) {
			t.Fatalf("fetching the CA's root: %v", err)
		}
	}
}
