// Package testkit owns the real programs that tests run beside the code: it finds them, starts servers of them in
// folders and on ports of their own, and ends them. It does not know what is tested.
package testkit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Need returns the path of a program. Where it is missing the test is skipped with a line that says what to install,
// and fails where the environment variable SEALOCK_REQUIRE is "all" or names the program, as in CI.
func Need(t testing.TB, tool string) string {
	t.Helper()
	path := find(tool)
	if path != "" {
		return path
	}
	line := tool + " is not installed: run hack/tools.sh --for unit as root, or install what brings it"
	if required(os.Getenv("SEALOCK_REQUIRE"), tool) {
		t.Fatal(line)
	}
	t.Skip(line)
	return ""
}

// required reports whether a list, parted by commas or spaces, names the tool.
func required(list, tool string) bool {
	names := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
	return slices.Contains(names, "all") || slices.Contains(names, tool)
}

// find looks where servers are, too, which is not on everybody's PATH.
func find(tool string) string {
	if path, err := exec.LookPath(tool); err == nil {
		return path
	}
	folders := []string{"/usr/sbin", "/sbin", "/usr/local/sbin"}
	postgres, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is a good one
	for _, dir := range append(folders, postgres...) {
		if path, err := exec.LookPath(filepath.Join(dir, tool)); err == nil {
			return path
		}
	}
	return ""
}

// FreePort returns a port of 127.0.0.1 that nothing listened on a moment ago. Connections don't come from it, as they do from
// those that the kernel gives.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 200 {
		port := 10000 + rand.IntN(8000) //nolint:gosec // no secret
		l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = l.Close() // it is free again
			return port
		}
	}
	t.Fatal("no free port between 10000 and 18000")
	return 0
}

var errEnded = errors.New("it ended by itself")
