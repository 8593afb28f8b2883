// Command measure measures sealock on this machine and prints a table: tokens a second beside the smallest server that
// could answer (floor), the time from start to the first token, and memory.
//
// It owns the measurements and starts what it measures. What counts are ratios of one run: both servers get the same
// requests in turns. It fails where something does not work, never because something is slow, and writes nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o := options{}
	flag.StringVar(&o.Sealock, "sealock", "../bin/sealock", "the sealock to measure")
	flag.IntVar(&o.Rounds, "rounds", 5, "how often each server gets its turn")
	flag.DurationVar(&o.Turn, "turn", 3*time.Second, "how long a turn is at most")
	flag.IntVar(&o.Requests, "requests", 50_000, "requests in a turn at most")
	flag.IntVar(&o.Connections, "connections", 32, "connections that are kept open")
	flag.DurationVar(&o.Idle, "idle", 5*time.Second, "how long to wait before memory is read")
	flag.Int64Var(&o.Blob, "blob", 64<<20, "size of the blob that is pushed, in bytes")
	flag.IntVar(&o.Lines, "lines", 100_000, "lines of the large policy")
	flag.IntVar(&o.Memberships, "memberships", 1_000_000, "memberships in the large store")
	flag.IntVar(&o.Projects, "projects", 100_000, "projects, and a tenth of the artifacts and of the audit records, in the large store of lists")
	flag.StringVar(&o.ScaleTime, "scale-time", "2s", "how long each comparison of a small and a large installation takes, or 1x")
	flag.IntVar(&o.Pushes, "pushes", 1000, "small images that are pushed in a turn")
	flag.IntVar(&o.IdleConnections, "idle-connections", 1000, "connections that are open and idle while others are busy")
	flag.IntVar(&o.BusyConnections, "busy-connections", 200, "connections that are busy meanwhile")
	flag.StringVar(&o.Only, "only", "", "measure only this: doors")
	flag.Parse()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		stop()
		os.Exit(1)
	}
}

// options say what to measure and how long.
type options struct {
	Sealock     string // the binary
	Rounds      int
	Turn        time.Duration
	Requests    int
	Connections int
	Idle        time.Duration
	Blob        int64
	Lines       int
	Memberships int
	Projects    int
	ScaleTime   string
	Pushes      int

	IdleConnections, BusyConnections int

	Only string
}

// run measures everything and prints the table.
func run(ctx context.Context, o options, stdout io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "sealock-bench-")
	if err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	doors, err := measureDoors(ctx, o, dir)
	if err != nil {
		return err
	}
	if o.Only == "doors" {
		_, err = fmt.Fprintf(stdout, "%s\n%s", o.machine(), doors)
		return err
	}
	floor, err := buildFloor(ctx, dir)
	if err != nil {
		return err
	}
	var t table
	starts, err := measureStarts(ctx, o, dir)
	if err != nil {
		return err
	}
	t.add(starts...)
	memory, err := measureMemory(ctx, o, dir)
	if err != nil {
		return err
	}
	t.add(memory...)
	tokens, err := measureTokens(ctx, o, dir, floor)
	if err != nil {
		return err
	}
	t.add(tokens...)
	benchmarks, err := buildBenchmarks(ctx, dir)
	if err != nil {
		return err
	}
	scale, err := measureScale(ctx, o, benchmarks)
	if err != nil {
		return err
	}
	t.add(scale...)
	lists, err := measureLists(ctx, o, benchmarks)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s\n%s\n%s\n%s", o.machine(), t.String(), lists, doors)
	return err
}

// machine says where and how it was measured.
func (o options) machine() string {
	return fmt.Sprintf("%s, %s/%s, %d cores; %d connections, %d rounds of at most %s in turns\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), o.Connections, o.Rounds, o.Turn)
}

// buildFloor compiles the smallest server. The working directory is in its module.
func buildFloor(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "floor")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", path, "github.com/sealock/sealock/e2e/bench/floor") //nolint:gosec // a fixed command
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building floor: %w\n%s", err, out)
	}
	return path, nil
}
