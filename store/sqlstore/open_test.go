package sqlstore_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/sqlstore"
)

// raw opens a database file without any of the store's care.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func exec(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query); err != nil {
		t.Fatalf("%s = %v", query, err)
	}
}

// filled makes a database with some users in it, and closes it.
func filled(t *testing.T, path string) {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), path, sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"alice", "bob"} {
		if _, err := s.CreateUser(t.Context(), store.User{Name: name, Comment: strings.Repeat("x", 2000)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?c#d%e'.db") // a path is never read as something else
	filled(t, path)
	s, err := sqlstore.Open(t.Context(), path, sqlstore.Options{})
	if err != nil {
		t.Fatalf("Open of a database that is there = %v, want a store", err)
	}
	defer func() { _ = s.Close() }()
	if n, err := s.CountUsers(t.Context(), store.Filter{}); n != 2 || err != nil {
		t.Errorf("CountUsers after Open = %d, %v, want 2", n, err)
	}
}

func TestFilesArePrivate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sealock.db")
	if err := os.WriteFile(path, nil, 0o666); err != nil { // as a careless restore leaves it
		t.Fatal(err)
	}
	s, err := sqlstore.Open(t.Context(), path, sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 2 {
		t.Errorf("an open database has %d files, want its log, too", len(files))
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("mode of %q = %v, want -rw-------", f.Name(), info.Mode())
		}
	}
}

func TestOpenFailures(t *testing.T) {
	for _, row := range []struct {
		name  string
		spoil func(t *testing.T, path string)
		kind  errs.Kind
		want  string
	}{
		{"no database", func(t *testing.T, path string) { write(t, path, []byte(strings.Repeat("not a database ", 100))) }, errs.Unavailable, "is damaged: restore a backup"},
		{"a few bytes", func(t *testing.T, path string) { write(t, path, []byte("hm")) }, errs.Unavailable, "is damaged: restore a backup"},
		{"damaged page", func(t *testing.T, path string) { overwrite(t, path, 4096*2, 4096*6) }, errs.Unavailable, "is damaged: restore a backup"},
		{"damaged catalogue", func(t *testing.T, path string) { overwrite(t, path, 100, 4096) }, errs.Unavailable, "is damaged: restore a backup"},
		{"cut off", func(t *testing.T, path string) { cut(t, path) }, errs.Unavailable, "is damaged: restore a backup"},
		{"newer sealock", func(t *testing.T, path string) {
			filled(t, path)
			exec(t, raw(t, path), "INSERT INTO schema_version (version_id, is_applied) VALUES (9000, 1)")
		}, errs.Precondition, "written by a newer sealock: its version is 9000"},
		{"a folder", func(t *testing.T, path string) { mkdir(t, path) }, errs.Unavailable, "can't be opened for writing: is a directory: make the folder"},
		{"no folder", func(t *testing.T, path string) {
			if err := os.Remove(filepath.Dir(path)); err != nil {
				t.Fatal(err)
			}
		}, errs.Unavailable, "can't be opened for writing: no such file or directory: make the folder"},
		{"locked", func(t *testing.T, path string) {
			filled(t, path)
			db := raw(t, path)
			db.SetMaxOpenConns(1)
			exec(t, db, "PRAGMA locking_mode = EXCLUSIVE")
			exec(t, db, "BEGIN EXCLUSIVE")
		}, errs.Unavailable, "another program has locked it"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "sealock.db")
			row.spoil(t, path)
			s, err := sqlstore.Open(t.Context(), path, sqlstore.Options{})
			if err == nil {
				_ = s.Close()
				t.Fatalf("Open of %s = no error, want one", row.name)
			}
			if !errs.Is(err, row.kind) {
				t.Errorf("Open of %s = %v, want an error of kind %q", row.name, err, row.kind)
			}
			if got := errs.As(err).Public(); !strings.Contains(got, row.want) || strings.Contains(got, "\n") {
				t.Errorf("Open of %s says %q, want one line with %q", row.name, got, row.want)
			}
		})
	}
}

func TestOpenUnwritable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("nothing is unwritable for root: run the tests as another user, too")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	_, err := sqlstore.Open(t.Context(), filepath.Join(dir, "sealock.db"), sqlstore.Options{})
	if got := errs.As(err).Public(); !strings.Contains(got, "permission denied: make the folder") {
		t.Errorf("Open in a read-only folder says %q, want the remedy", got)
	}
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

// overwrite fills a part of a good database with rubbish.
func overwrite(t *testing.T, path string, from, to int) {
	t.Helper()
	filled(t, path)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := from; i < min(to, len(b)); i++ {
		b[i] = 0xa5
	}
	write(t, path, b)
}

func cut(t *testing.T, path string) {
	t.Helper()
	filled(t, path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()/2); err != nil {
		t.Fatal(err)
	}
}

// TestMigrationIsWhole lets a migration fail half-way. Nothing of it may stay, and it must run when the cause is gone.
func TestMigrationIsWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sealock.db")
	db := raw(t, path)
	exec(t, db, "CREATE TABLE refresh_tokens (in_the_way INTEGER)")
	if s, err := sqlstore.Open(t.Context(), path, sqlstore.Options{}); err == nil {
		_ = s.Close()
		t.Fatal("Open with a table in the way = no error, want one")
	}
	var n int
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM sqlite_master WHERE name IN ('users', 'projects', 'members')").Scan(&n); err != nil || n != 0 {
		t.Errorf("a failed migration leaves %d tables (%v), want none", n, err)
	}
	exec(t, db, "DROP TABLE refresh_tokens")
	s, err := sqlstore.Open(t.Context(), path, sqlstore.Options{})
	if err != nil {
		t.Fatalf("Open after a failed migration = %v, want a store", err)
	}
	_ = s.Close()
}

// TestDamageWhileOpen spoils the file under a running store: the answer names no path and is no internal error.
func TestDamageWhileOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sealock.db")
	filled(t, path)
	s, err := sqlstore.Open(t.Context(), path, sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, info.Size()-4096), 4096); err != nil {
		t.Fatal(err)
	}
	_, err = s.UserByName(t.Context(), "alice") // the readers have nothing in memory yet
	if !errs.Is(err, errs.Unavailable) || strings.Contains(errs.As(err).Public(), path) {
		t.Errorf("UserByName in a damaged database = %v, want Unavailable without the path", err)
	}
}

// TestHotQueriesUseIndexes holds that no query on the token path reads a whole table.
func TestHotQueriesUseIndexes(t *testing.T) {
	s := open(t)
	for _, query := range sqlstore.HotQueries() {
		for _, step := range plan(t, s, query) {
			if !strings.HasPrefix(step, "SEARCH") {
				t.Errorf("plan of %s = %q, want a search in an index", query, step)
			}
		}
	}
}

// plan returns the steps that SQLite takes for a query.
func plan(t *testing.T, s *sqlstore.Store, query string) (steps []string) {
	t.Helper()
	args := make([]any, strings.Count(query, "?"))
	for i := range args {
		args[i] = 1
	}
	rows, err := s.Reader().QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatalf("EXPLAIN QUERY PLAN %s = %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil || len(steps) == 0 {
		t.Fatalf("EXPLAIN QUERY PLAN %s = %d steps, %v", query, len(steps), err)
	}
	return steps
}
