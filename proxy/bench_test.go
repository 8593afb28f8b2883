package proxy_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sealock/sealock/proxy"
)

// nowhere is an upstream that answers at once, to measure what stands before it.
type nowhere struct{ proxy.Upstream }

func (nowhere) ServeHTTP(http.ResponseWriter, *http.Request) {}
func (nowhere) TakesTokens() bool                            { return false }

// BenchmarkGate measures a manifest request up to the upstream: route, gate and what is prepared to forward.
func BenchmarkGate(b *testing.B) {
	d := open(b, newMint(b), nowhere{})
	benchmark(b, d, "/v2/team/app/manifests/v1")
}

// BenchmarkPing measures what every client asks first.
func BenchmarkPing(b *testing.B) { benchmark(b, open(b, newMint(b), nowhere{}), "/v2/") }

// BenchmarkEmbeddedManifest measures a manifest by tag from the embedded registry, without the network.
func BenchmarkEmbeddedManifest(b *testing.B) {
	d := open(b, newMint(b), newEmbedded(b))
	d.pushImage(b, d.token(b, "alice", pushToken, 0), "team/app", "v1")
	benchmark(b, d, "/v2/team/app/manifests/v1")
}

// BenchmarkSeparateManifest measures a manifest by tag from a stock registry over loopback.
func BenchmarkSeparateManifest(b *testing.B) {
	m := newMint(b)
	d := open(b, m, newSeparate(b, m, newStock(b, m).URL))
	d.pushImage(b, d.token(b, "alice", pushToken, 0), "team/app", "v1")
	benchmark(b, d, "/v2/team/app/manifests/v1")
}

func benchmark(b *testing.B, d *door, path string) {
	gate := proxy.New(d.config)
	r := httptest.NewRequestWithContext(b.Context(), "GET", path, nil)
	r.Header.Set("Authorization", "Bearer "+d.token(b, "alice", pushToken, 0))
	r.Header.Set("Accept", manifestType)
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		gate.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatalf("GET %s = %d %s, want 200", path, w.Code, w.Body)
		}
	}
}
