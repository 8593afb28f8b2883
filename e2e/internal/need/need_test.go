package need_test

import (
	"testing"

	"github.com/sealock/sealock/e2e/internal/need"
)

func TestRequired(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		list, name string
		want       bool
	}{
		{"", "skopeo", false},
		{"all", "skopeo", true},
		{"crane,skopeo", "skopeo", true},
		{"crane, skopeo", "skopeo", true},
		{"crane", "skopeo", false},
	} {
		if got := need.Required(row.list, row.name); got != row.want {
			t.Errorf("Required(%q, %q) = %v, want %v", row.list, row.name, got, row.want)
		}
	}
}
