package api_test

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// state shows all that is kept, but for what every request may leave behind: records of it, and when somebody was seen.
func (w *world) state() string {
	w.t.Helper()
	db, err := sql.Open("sqlite", "file:"+w.file+"?mode=ro")
	must(w.t, db, err)
	defer func() { _ = db.Close() }()
	var b strings.Builder
	for _, table := range w.strings(db, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name") {
		if slices.ContainsFunc([]string{"audit", "sessions", "login_failures", "sqlite_", "goose"}, func(p string) bool { return strings.HasPrefix(table, p) }) {
			continue
		}
		fmt.Fprintf(&b, "%s\n", table)
		for _, row := range w.rows(db, table) {
			fmt.Fprintf(&b, "  %s\n", row)
		}
	}
	return b.String()
}

func (w *world) strings(db *sql.DB, query string) (out []string) {
	w.t.Helper()
	rows, err := db.QueryContext(w.t.Context(), query)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var s string
		must(w.t, s, rows.Scan(&s))
		out = append(out, s)
	}
	must(w.t, out, rows.Err())
	return out
}

func (w *world) rows(db *sql.DB, table string) (out []string) {
	w.t.Helper()
	rows, err := db.QueryContext(w.t.Context(), "SELECT * FROM "+table)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	names, err := rows.Columns()
	must(w.t, names, err)
	for rows.Next() {
		values := make([]any, len(names))
		for i := range values {
			values[i] = new(any)
		}
		must(w.t, values, rows.Scan(values...))
		var b strings.Builder
		for i, name := range names {
			if v, _ := values[i].(*any); !strings.HasPrefix(name, "last_") {
				fmt.Fprintf(&b, "%s=%v ", name, *v)
			}
		}
		out = append(out, b.String())
	}
	must(w.t, out, rows.Err())
	slices.Sort(out)
	return out
}
