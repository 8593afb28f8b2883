package policy

import (
	"math/rand/v2"
	"testing"

	"github.com/sealock/sealock/auth"
)

func subjectNamed(name string) auth.Subject { return auth.Subject{Name: name} }

// TestRoleSet wants that sets are equal whatever the order of adding, since they are a part of the cache's key.
func TestRoleSet(t *testing.T) {
	ids := []roleID{0, 3, 63, 64, 65, 127, 128, 255, 256, 300, 65_536, 1 << 24}
	var want roleSet
	for _, id := range ids {
		want = want.with(id)
	}
	for range 100 {
		var got roleSet
		for range 3 {
			for _, i := range rand.Perm(len(ids)) {
				got = got.with(ids[i])
			}
		}
		if got != want {
			t.Fatalf("a set of %v = %+v, want %+v", ids, got, want)
		}
	}
	for _, id := range ids {
		if !want.has(id) {
			t.Errorf("has(%d) = false, want true", id)
		}
	}
	for _, id := range []roleID{1, 62, 66, 129, 257, 1<<24 + 1} {
		if want.has(id) {
			t.Errorf("has(%d) = true, want false", id)
		}
	}
}
