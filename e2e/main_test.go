package e2e_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/sealock/sealock/e2e/internal/proc"
	"github.com/sealock/sealock/e2e/internal/sealock"
)

func TestMain(m *testing.M) {
	proc.Supervise()
	os.Exit(run(m))
}

// run builds sealock once for all tests.
func run(m *testing.M) int {
	if os.Getenv(sealock.BinaryEnv) != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "sealock-e2e-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "making a folder:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary, err := sealock.Build(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := os.Setenv(sealock.BinaryEnv, binary); err != nil {
		fmt.Fprintln(os.Stderr, "setting the environment:", err)
		return 1
	}
	return m.Run()
}
