//go:build !race

package embedded_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sealock/sealock/proxy/embedded"
)

// TestCloudsAreAsked starts with the block of each cloud, whose own servers only the long tests have: the driver is there, takes its block
// and asks, and clients are told to try again when it is refused.
func TestCloudsAreAsked(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	account := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
	for _, row := range []struct {
		driver string
		block  func(url string) map[string]any
		path   string // that is asked for
	}{
		{"s3", func(url string) map[string]any {
			return map[string]any{"bucket": "registry-example", "region": "eu-central-1", "regionendpoint": url, "forcepathstyle": true, "secure": false, "accesskey": "a", "secretkey": "b"}
		}, "/registry-example"},
		{"azure", func(url string) map[string]any {
			return map[string]any{
				"accountname": "a", "accountkey": "c2VjcmV0", "container": "registry-example", "serviceurl": url,
				"credentials": map[any]any{"type": "shared_key"}, "max_retries": 1,
			}
		}, "/registry-example"},
		{"gcs", func(url string) map[string]any { // of which the driver knows one address alone, and asks for a token first
			return map[string]any{"bucket": "registry-example", "credentials": map[any]any{
				"type": "service_account", "private_key": account, "private_key_id": "1", "client_email": "a@registry.example", "client_id": "1", "token_uri": url + "/token",
			}}
		}, "/token"},
	} {
		t.Run(row.driver, func(t *testing.T) {
			var asked atomic.Pointer[string]
			cloud := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Store(&r.URL.Path)
				w.WriteHeader(http.StatusForbidden)
			}))
			defer cloud.Close()
			c := config(t.TempDir())
			c.Storage = map[string]map[string]any{row.driver: row.block(cloud.URL)}
			reg, err := embedded.New(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = reg.Shutdown() }()
			w := ask(reg, http.MethodGet, "/v2/team/app/manifests/v1", nil)
			if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "UNAVAILABLE") {
				t.Errorf("GET of a manifest = %d %s, want 503 UNAVAILABLE", w.Code, w.Body)
			}
			if path := asked.Load(); path == nil {
				t.Error("the cloud was asked for nothing")
			} else if !strings.HasPrefix(*path, row.path) {
				t.Errorf("the cloud was asked for %s, want %s", *path, row.path)
			}
		})
	}
}
