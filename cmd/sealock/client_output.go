package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// The values of --output.
const (
	outputTable = "table"
	outputJSON  = "json"
)

// printer writes what a command has to tell: for people, or the API's own objects for programs.
type printer struct {
	w    io.Writer
	json bool
}

// table is a list for people.
type table struct {
	head []string
	rows [][]string
}

// add adds a row for each of the values, the first with its name.
func (t *table) add(name string, values ...string) {
	for _, v := range values {
		t.rows = append(t.rows, []string{name, strings.TrimSuffix(v, "\r")})
		name = ""
	}
}

func newPrinter(w io.Writer, output string) (printer, error) {
	switch output {
	case outputTable, outputJSON:
		return printer{w: w, json: output == outputJSON}, nil
	default:
		return printer{}, usagef("--output %q is neither table nor json", output)
	}
}

// print writes v as JSON, or t.
func (p printer) print(v any, t table) error {
	if p.json {
		return p.encode(v)
	}
	w := tabwriter.NewWriter(p.w, 0, 8, 2, ' ', 0)
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			row[i] = printable(cell)
		}
		_, _ = fmt.Fprintln(w, strings.Join(row, "\t")) // kept in memory until Flush, which tells
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return nil
}

// say writes v as JSON, or one sentence.
func (p printer) say(v any, format string, args ...any) error {
	if p.json {
		return p.encode(v)
	}
	if _, err := fmt.Fprintln(p.w, printable(fmt.Sprintf(format, args...))); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return nil
}

func (p printer) encode(v any) error {
	e := json.NewEncoder(p.w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return nil
}

// printable replaces what could move the cursor or hide text: names on the screen come from strangers.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04")
}
