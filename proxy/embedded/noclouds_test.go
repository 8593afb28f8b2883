//go:build race || noclouds

package embedded_test

import (
	"strings"
	"testing"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/proxy/embedded"
)

// A program that was built without the drivers of clouds says so.
func TestBuiltWithoutClouds(t *testing.T) {
	for _, driver := range []string{"s3", "azure", "gcs"} {
		c := config(t.TempDir())
		c.Storage = map[string]map[string]any{driver: {"bucket": "b"}}
		_, err := embedded.New(t.Context(), c)
		if !errs.Is(err, errs.Unsupported) || !strings.Contains(errs.As(err).Hint, "noclouds") {
			t.Errorf("New on %s = %v, want it to say what this program was built without", driver, err)
		}
	}
}
