package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/pressly/goose/v3"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/schema"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/sealock/sealock/internal/errs"
)

//go:embed migrations/sqlite/*.sql
var sqliteMigrations embed.FS

const (
	// sqliteReaders is how many queries run at once. Each connection has a cache of 2 MB at most.
	sqliteReaders = 4
	// sqliteCheckBelow is the size up to which a database is read through when it is opened. A larger one would hold up
	// the start; its damage is reported when it is touched.
	sqliteCheckBelow = 16 << 20
)

func sqliteDialect() dialect {
	migrations, err := fs.Sub(sqliteMigrations, "migrations/sqlite")
	if err != nil {
		panic(err) // the path is a constant
	}
	return dialect{
		name:       "SQLite",
		bun:        func() schema.Dialect { return sqlitedialect.New() },
		goose:      goose.DialectSQLite3,
		migrations: migrations,
		partial:    true,
		rebind:     func(query string) string { return query },
		fault:      sqliteFault,
		hasTable:   "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?",
		lastID:     "SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = ?",
	}
}

// openSQLite opens the file for one writer and several readers. SQLite has a single writer anyway: one connection
// makes writers wait in Go, in order and with regard to their context, instead of polling for a lock.
func openSQLite(ctx context.Context, path string) (pools, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return pools{}, fmt.Errorf("finding the database: %w", err)
	}
	if err := makePrivate(path); err != nil {
		return pools{}, err
	}
	write, err := sql.Open("sqlite", sqliteDSN(path, "_txlock=immediate"))
	if err != nil {
		return pools{}, fmt.Errorf("opening %q: %w", path, err)
	}
	write.SetMaxOpenConns(1)
	read, err := sql.Open("sqlite", sqliteDSN(path, "_pragma=query_only(1)"))
	if err != nil {
		return pools{}, errors.Join(fmt.Errorf("opening %q: %w", path, err), write.Close())
	}
	read.SetMaxOpenConns(sqliteReaders)
	read.SetMaxIdleConns(sqliteReaders)
	p := pools{write: write, read: read}
	if err := checkSQLite(ctx, write, path); err != nil {
		return pools{}, errors.Join(explainSQLite(path, err), p.close())
	}
	return p, nil
}

// sqliteDSN returns the data source name. WAL lets readers go on while somebody writes. With WAL, synchronous=NORMAL
// keeps the database whole through a power cut and may only lose the last transactions; waiting for the disk at each
// token would cost a thousand times more than the token. The log is carried over at 8,000 pages (32 MB) instead of
// 1,000, because whoever fills it up waits for the disk.
func sqliteDSN(path, more string) string {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path)}
	return u.String() + "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)" +
		"&_pragma=foreign_keys(1)&_pragma=journal_size_limit(67108864)&_pragma=wal_autocheckpoint(8000)&" + more
}

// makePrivate makes sure that the file is there and that nobody else can read it: it holds password hashes. SQLite
// gives its log files the same mode.
func makePrivate(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator chose the path
	if err != nil {
		return unopenable(path, err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	info, err := f.Stat()
	if err != nil {
		return unopenable(path, err)
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if err := f.Chmod(0o600); err != nil {
		return unopenable(path, err)
	}
	return nil
}

func unopenable(path string, err error) error {
	what := err.Error()
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		what = e.Err.Error()
	}
	return errs.New(errs.Unavailable, "the database %q can't be opened for writing: %s", path, what).
		WithHint("make the folder and the file writable for this user, or choose another folder").Because(err)
}

// checkSQLite finds out whether the file is a database that can be read, before anything is written to it.
func checkSQLite(ctx context.Context, db *sql.DB, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() > sqliteCheckBelow {
		var tables int
		return db.QueryRowContext(ctx, "SELECT COUNT(*) FROM sqlite_master").Scan(&tables)
	}
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return damaged{verdict}
	}
	return nil
}

// damaged is the verdict of SQLite's own check.
type damaged struct{ verdict string }

func (d damaged) Error() string { return "database check: " + d.verdict }

// explainSQLite turns what went wrong while opening into what the operator can do about it.
func explainSQLite(path string, err error) error {
	switch sqliteFault(err) {
	case faultDamaged:
		return errs.New(errs.Unavailable, "the database %q is damaged", path).
			WithHint("restore a backup, or move it away to start anew").Because(err)
	case faultUnavailable:
		return errs.New(errs.Unavailable, "the database %q can't be used: %s", path, sqliteReason(err)).
			WithHint("see that no other program holds it, that the disk has room, and that this user may write it").Because(err)
	default:
		return fmt.Errorf("opening %q: %w", path, err)
	}
}

func sqliteReason(err error) string {
	switch e, _ := errors.AsType[*sqlite.Error](err); e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return "another program has locked it"
	case sqlite3.SQLITE_FULL:
		return "the disk is full"
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		return "it may not be written"
	default:
		return "reading or writing it failed"
	}
}

// sqliteFault reads SQLite's result codes; the low byte is the primary one.
func sqliteFault(err error) fault {
	if _, ok := errors.AsType[damaged](err); ok {
		return faultDamaged
	}
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return faultOther
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return faultDuplicate
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return faultReference
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return faultDamaged
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR,
		sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return faultUnavailable
	}
	return faultOther
}
