// Package image_test builds the container image and runs what stands under examples/.
//
// It owns what an operator finds ready-made in the repository. No image is pulled: the base to build on is made of
// this machine's own Go, and of the examples everything runs that needs no other image.
package image_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
	"github.com/sealock/sealock/e2e/internal/sealock"
)

func TestMain(m *testing.M) {
	proc.Supervise()
	os.Exit(run(m))
}

// run builds sealock once for all tests, unless that was done before.
func run(m *testing.M) int {
	if os.Getenv(sealock.BinaryEnv) != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "sealock-image-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "making a folder:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary, err := sealock.Build(dir)
	if err == nil {
		err = os.Setenv(sealock.BinaryEnv, binary)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// password is the administrator's, on servers that live as long as a test.
const password = "Admin-image-12345"

// repository returns a path in the repository.
func repository(parts ...string) string {
	return filepath.Join(append([]string{need.Repository()}, parts...)...)
}

// environment is that of a program that has a home of its own.
func environment(home string, more ...string) []string {
	return append([]string{"PATH=" + need.Path(), "HOME=" + home, "TMPDIR=" + home}, more...)
}

// must fails the test when a command has failed, and returns what it printed.
func must(t *testing.T, out proc.Output) string {
	t.Helper()
	if out.Err != nil {
		t.Fatal(out)
	}
	return out.Stdout
}
