package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/sealock"
)

// TestRun takes every measurement with a handful of requests: what a later make bench prints must not fail for a
// reason that has nothing to do with speed.
func TestRun(t *testing.T) {
	t.Parallel()
	binary := os.Getenv(sealock.BinaryEnv)
	if binary == "" {
		var err error
		if binary, err = sealock.Build(t.TempDir()); err != nil {
			t.Fatal(err)
		}
	}
	binary, err := filepath.Abs(binary)
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"nginx", "docker-registry"} {
		need.Tool(t, tool)
	}
	var out strings.Builder
	o := options{Sealock: binary, Rounds: 1, Turn: 5 * time.Second, Requests: 8, Connections: 2, Blob: 1 << 20, Lines: 100, Memberships: 100, Projects: 100, ScaleTime: "1x", Pushes: 2, IdleConnections: 3, BusyConnections: 2}
	if err := run(t.Context(), o, &out); err != nil {
		t.Fatalf("run: %v", err)
	}
	for _, want := range []string{"start to first token, new", "start to first token, used", "idle after the start", "idle after a push", "password seen", "anonymous", "refresh", "100 policy lines", "loading", "100 memberships", "audit records: first page", "GET of a manifest by tag", "each client another", "GET of a blob of 1 MiB", "2 small pushes", "3 idle and 2 busy connections"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("run printed\n%swant a row with %q", out.String(), want)
		}
	}
}
