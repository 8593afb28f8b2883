package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// measureLists compares pages of lists of a small installation with those of a large one, in process and on both kinds of
// databases: the benchmark BenchmarkLists of cmd/sealock, whose metrics become a table.
func measureLists(ctx context.Context, o options, benchmarks string) (string, error) {
	out, err := runBenchmark(ctx, benchmarks, "BenchmarkLists", o.ScaleTime, "SEALOCK_BENCH_PROJECTS="+strconv.Itoa(o.Projects))
	if err != nil {
		return "", err
	}
	few, many := "100", strconv.Itoa(o.Projects)
	lines := [][]string{{"a page of ten", "SQLite, " + few, "SQLite, " + many, "ratio", "PostgreSQL, " + few, "PostgreSQL, " + many, "ratio"}}
	at := map[string]int{}
	for name, m := range readMetrics(out, "BenchmarkLists/") {
		database, list, _ := strings.Cut(name, "/")
		cells := []string{spent(m["ns-few"]), spent(m["ns-many"]), fmt.Sprintf("%.2f", m["ratio"])}
		if database == "sqlite" {
			at[list] = len(lines)
			lines = append(lines, append([]string{strings.ReplaceAll(list, "_", " ")}, append(cells, "", "", "")...))
		} else if row, ok := at[list]; ok {
			copy(lines[row][4:], cells)
		}
	}
	if len(lines) == 1 {
		return "", fmt.Errorf("BenchmarkLists says nothing:\n%s", out)
	}
	return markdown(lines), nil
}
