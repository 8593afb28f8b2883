package auth

import (
	"testing"
	"time"
)

// TestJTI wants ids that say when they were given, to the millisecond, and that are never the same.
func TestJTI(t *testing.T) {
	seen := map[string]bool{}
	for i := range 1000 {
		at := time.UnixMilli(1_900_000_000_000 + int64(i/10)).UTC()
		id := newJTI(at)
		got, ok := JTITime(id)
		if !ok || !got.Equal(at) || seen[id] || len(id) != 32 {
			t.Fatalf("JTITime(%s) = %v, %v, want %v and an id that is new", id, got, ok, at)
		}
		seen[id] = true
	}
	for _, other := range []string{"", "j7", "00112233445546778899aabbccddeeff", "0011223344557677c899aabbccddeeff", "00112233445576778899aabbccddee"} {
		if got, ok := JTITime(other); ok {
			t.Errorf("JTITime(%q) = %v, want none", other, got)
		}
	}
}
