// Package sqlstoretest gives tests new SQLite databases without running the migrations for each.
package sqlstoretest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/sealock/sealock/store/sqlstore"
)

// Open returns the store of a new database, which is closed with the test.
func Open(t testing.TB) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(context.Background(), File(t), sqlstore.Options{})
	if err != nil {
		t.Fatalf("opening a new database: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// File returns the path of a new database in a folder of its own. It has all tables, and nobody has it open.
func File(t testing.TB) string {
	t.Helper()
	content, err := migrated()
	if err != nil {
		t.Fatalf("making a new database: %v", err)
	}
	path := filepath.Join(t.TempDir(), "sealock.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatalf("making a new database: %v", err)
	}
	return path
}

// migrated runs the migrations once: they take longer than most tests.
var migrated = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "sealock-database-")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "sealock.db")
	s, err := sqlstore.Open(context.Background(), path, sqlstore.Options{})
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	content, err := os.ReadFile(path) //nolint:gosec // made above
	return content, errors.Join(err, os.RemoveAll(dir))
})
