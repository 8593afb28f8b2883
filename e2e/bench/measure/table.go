package main

import (
	"fmt"
	"slices"
	"strings"
)

// row is a line of the table. Empty cells are left empty.
type row struct{ What, Floor, Sealock, Ratio, Target string }

// table is what the benchmark prints, in Markdown.
type table struct{ rows []row }

func (t *table) add(rows ...row) { t.rows = append(t.rows, rows...) }

// String renders the table with columns of equal width.
func (t *table) String() string {
	lines := [][]string{{"what", "floor", "sealock", "ratio", "target"}}
	for _, r := range t.rows {
		lines = append(lines, []string{r.What, r.Floor, r.Sealock, r.Ratio, r.Target})
	}
	return markdown(lines)
}

// markdown renders lines of cells, of which the first is the head.
func markdown(lines [][]string) string {
	lines = slices.Insert(lines, 1, make([]string, len(lines[0])))
	width := make([]int, len(lines[0]))
	for _, cells := range lines {
		for i, c := range cells {
			width[i] = max(width[i], len([]rune(c)))
		}
	}
	var b strings.Builder
	for n, cells := range lines {
		for i, c := range cells {
			fill := " "
			if n == 1 {
				fill = "-"
			}
			fmt.Fprintf(&b, "|%s%s%s%s", fill, c, strings.Repeat(fill, width[i]-len([]rune(c))), fill)
		}
		b.WriteString("|\n")
	}
	return b.String()
}

// median of a list that is not empty.
func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}
