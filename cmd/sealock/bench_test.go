package main

import (
	"net/http"
	"testing"
)

// BenchmarkToken measures the whole token end-point of a real system, without the network: a password that was seen
// before, a project member's pull and push, the record on disk.
func BenchmarkToken(b *testing.B) {
	s := startSystem(b, map[string]string{"only": "auth"})
	const target = "/service/token?service=sealock&scope=repository:library/app:pull,push"
	if w := s.call(b, "admin", testPassword, http.MethodGet, target, ""); w.Code != http.StatusOK {
		b.Fatalf("status %d, want 200: %s", w.Code, w.Body)
	}
	b.ReportAllocs()
	b.SetParallelism(16) // as many connections as in the comparison with the floor
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if w := s.call(b, "admin", testPassword, http.MethodGet, target, ""); w.Code != http.StatusOK {
				b.Errorf("status %d, want 200", w.Code)
			}
		}
	})
}
