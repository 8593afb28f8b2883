package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sealock/sealock/settings"
)

// BenchmarkToken measures the whole token end-point of a real system, without the network: a password that was seen
// before, a project member's pull and push, the record on disk.
func BenchmarkToken(b *testing.B) {
	ctx, cancel := context.WithCancel(context.Background())
	cfg, err := settings.Load(settings.Sources{
		Environ: []string{"SEALOCK_ADMIN_PASSWORD=administrators-secret"},
		Flags:   map[string]string{"data_dir": b.TempDir(), "only": "auth"},
	})
	if err != nil {
		b.Fatal(err)
	}
	s, err := newSystem(ctx, cfg, quiet())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cancel(); _ = s.close() })
	if _, err := s.firstStart(ctx); err != nil {
		b.Fatal(err)
	}
	ask := func() int {
		req := httptest.NewRequestWithContext(ctx, http.MethodGet, "/service/token?service=sealock&scope=repository:library/app:pull,push", nil)
		req.SetBasicAuth("admin", "administrators-secret")
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, req)
		return w.Code
	}
	if code := ask(); code != http.StatusOK {
		b.Fatalf("status %d, want 200", code)
	}
	b.ReportAllocs()
	b.SetParallelism(16) // as many connections as in the comparison with the floor
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if code := ask(); code != http.StatusOK {
				b.Errorf("status %d, want 200", code)
			}
		}
	})
}
