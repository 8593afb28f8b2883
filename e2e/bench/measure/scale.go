package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sealock/sealock/e2e/internal/need"
)

// measureScale compares decisions and tokens of a small installation with those of a large one, in process: the benchmark
// BenchmarkScale of cmd/sealock, whose metrics become rows.
func measureScale(ctx context.Context, o options, benchmarks string) ([]row, error) {
	out, err := runBenchmark(ctx, benchmarks, "BenchmarkScale", o.ScaleTime, "SEALOCK_BENCH_LINES="+strconv.Itoa(o.Lines), "SEALOCK_BENCH_MEMBERSHIPS="+strconv.Itoa(o.Memberships))
	if err != nil {
		return nil, err
	}
	found := map[string]metrics{}
	for name, m := range readMetrics(out, "BenchmarkScale/") {
		found[name] = m
	}
	lines, members := fmt.Sprintf("10 and %d policy lines", o.Lines), fmt.Sprintf("10 and %d memberships", o.Memberships)
	rows := []row{
		scaleRow("a decision, "+lines, found["lines/decision"], "≤ 2"),
		scaleRow("- a token for a password", found["lines/token"], ""),
		{What: "- loading the larger one", Sealock: spent(found["lines/load"]["ns-load"]), Target: "< 2 s"},
		scaleRow("- 999 of 1000 decisions, before and while it loads", found["lines/load"], ""),
		scaleRow("a decision, "+members, found["memberships/decision"], "≤ 1.2"),
		scaleRow("- a token for a password", found["memberships/token"], "≤ 1.2"),
		scaleRow("- a decision that reads the same one anew", found["memberships/reread"], ""),
		scaleRow("- a decision that reads any one from the disk", found["memberships/cold"], ""),
	}
	for _, r := range rows {
		if r.Sealock == "" {
			return nil, fmt.Errorf("BenchmarkScale says nothing of %q:\n%s", r.What, out)
		}
	}
	return rows, nil
}

func scaleRow(what string, m metrics, target string) row {
	if m == nil {
		return row{What: what}
	}
	return row{What: what, Floor: spent(m["ns-few"]), Sealock: spent(m["ns-many"]), Ratio: fmt.Sprintf("%.2f", m["ratio"]), Target: target}
}

// spent renders nanoseconds; "" for none.
func spent(ns float64) string {
	if ns == 0 {
		return ""
	}
	d := time.Duration(ns)
	switch {
	case d < 10*time.Microsecond:
		return fmt.Sprintf("%.2f µs", ns/1e3)
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.0f µs", ns/1e3)
	}
	return fmt.Sprintf("%.0f ms", ns/1e6)
}

// metrics are what one benchmark reports, by unit.
type metrics map[string]float64

// buildBenchmarks compiles those of cmd/sealock. What clouds bring takes no part in them.
func buildBenchmarks(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "benchmarks")
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-tags", "noclouds", "-o", path, "./cmd/sealock") //nolint:gosec // a fixed command
	cmd.Dir = need.Repository()
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the benchmarks: %w\n%s", err, out)
	}
	return path, nil
}

// runBenchmark runs one of a program's benchmarks and returns what it prints.
func runBenchmark(ctx context.Context, program, name, benchtime string, environ ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, "-test.run", "^$", "-test.bench", "^"+name+"$", "-test.benchtime", benchtime, "-test.timeout", "1h") //nolint:gosec // it was just built
	cmd.Dir = filepath.Join(need.Repository(), "cmd", "sealock")
	cmd.Env = append(os.Environ(), environ...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("running %s: %w\n%s", name, err, out)
	}
	return out, nil
}

// readMetrics reads what go test prints of sub-benchmarks, in order, with their names behind the prefix.
func readMetrics(out []byte, prefix string) iter.Seq2[string, metrics] {
	return func(yield func(string, metrics) bool) {
		lines := bufio.NewScanner(bytes.NewReader(out))
		for lines.Scan() {
			fields := strings.Fields(lines.Text())
			if len(fields) < 4 || !strings.HasPrefix(fields[0], prefix) {
				continue
			}
			name := strings.TrimPrefix(fields[0], prefix)
			if i := strings.LastIndexByte(name, '-'); i >= 0 { // the number of processors
				name = name[:i]
			}
			m := metrics{}
			for i := 2; i+1 < len(fields); i += 2 {
				if value, err := strconv.ParseFloat(fields[i], 64); err == nil {
					m[fields[i+1]] = value
				}
			}
			if !yield(name, m) {
				return
			}
		}
	}
}
