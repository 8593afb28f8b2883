package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/pressly/goose/v3"

	"github.com/sealock/sealock/internal/errs"
)

// versionTable is where goose notes which migrations ran.
const versionTable = "schema_version"

// Schema says which version the tables of a database have.
type Schema struct {
	Version int64 // 0: there are none yet
	Newest  int64 // that this program knows
}

// State is the schema in one word: "empty", "behind", "current", or "newer" than this program.
func (s Schema) State() string {
	switch {
	case s.Version == 0:
		return "empty"
	case s.Version < s.Newest:
		return "behind"
	case s.Version > s.Newest:
		return "newer"
	}
	return "current"
}

// Status reads the version of the tables and changes nothing. The errors are those of OpenDatabase.
func Status(ctx context.Context, where Database) (Schema, error) {
	if where.URL.Empty() {
		if _, err := os.Stat(where.Path); errors.Is(err, fs.ErrNotExist) {
			newest, err := newestVersion(sqliteDialect())
			return Schema{Newest: newest}, err
		}
	}
	p, d, err := where.open(ctx)
	if err != nil {
		return Schema{}, err
	}
	defer func() { _ = p.close() }() // nothing was written
	s, err := readSchema(ctx, p.read, d)
	return s, where.explain(d, err)
}

// Migrate brings the tables up to date, as OpenDatabase does, and says which version they had and have now.
func Migrate(ctx context.Context, where Database) (before, after Schema, err error) {
	p, d, err := where.open(ctx)
	if err != nil {
		return Schema{}, Schema{}, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if before, err = readSchema(ctx, p.write, d); err == nil {
		if err = migrate(ctx, p.write, d); err == nil {
			after, err = readSchema(ctx, p.write, d)
		}
	}
	return before, after, where.explain(d, err)
}

func newestVersion(d dialect) (int64, error) {
	names, err := fs.Glob(d.migrations, "*.sql")
	if err != nil {
		return 0, fmt.Errorf("reading the migrations: %w", err)
	}
	var newest int64
	for _, name := range names {
		n, err := goose.NumericComponent(name)
		if err != nil {
			return 0, fmt.Errorf("reading the migrations: %w", err)
		}
		newest = max(newest, n)
	}
	return newest, nil
}

func readSchema(ctx context.Context, db *sql.DB, d dialect) (Schema, error) {
	newest, err := newestVersion(d)
	if err != nil {
		return Schema{}, err
	}
	s := Schema{Newest: newest}
	var tables int
	if err := db.QueryRowContext(ctx, d.hasTable, versionTable).Scan(&tables); err != nil || tables == 0 {
		return s, err
	}
	var version sql.NullInt64
	err = db.QueryRowContext(ctx, "SELECT MAX(version_id) FROM "+versionTable).Scan(&version)
	s.Version = version.Int64
	return s, err
}

// migrate brings the tables up to date, one process at a time. Where the database can, each migration and the note that
// it ran are one transaction, so that a migration that fails, or is killed, leaves the version before it. MySQL can't:
// there, what a migration did is found by the next run, which passes over it. Either way it can simply be run again.
func migrate(ctx context.Context, db *sql.DB, d dialect) error {
	if d.lock != nil {
		conn, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }() // it goes back to the pool
		unlock, err := d.lock(ctx, conn)
		if err != nil {
			return err
		}
		defer unlock()
	}
	if err := mendVersions(ctx, db, d); err != nil {
		return err
	}
	p, err := goose.NewProvider(d.goose, db, d.migrations,
		goose.WithDisableGlobalRegistry(true), goose.WithTableName(versionTable), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return fmt.Errorf("reading the migrations: %w", err)
	}
	current, newest, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("reading the database's version: %w", err)
	}
	if current > newest {
		return errs.New(errs.Precondition, "the database was written by a newer sealock: its version is %d, this one knows %d", current, newest).
			WithHint("install the newer sealock, or restore the backup from before the upgrade")
	}
	if pending, err := p.HasPending(ctx); err == nil && !pending {
		return nil // reading all migrations takes longer than the rest of a start
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("bringing the database to version %d: %w", newest, err)
	}
	return nil
}

// mendVersions writes the first row of the version table where a process was killed between making the one and writing
// the other, which is possible on MySQL.
func mendVersions(ctx context.Context, db *sql.DB, d dialect) error {
	var tables, rows int
	err := db.QueryRowContext(ctx, d.hasTable, versionTable).Scan(&tables)
	if err != nil || tables == 0 {
		return err
	}
	err = db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+versionTable).Scan(&rows)
	if err != nil || rows > 0 {
		return err
	}
	_, err = db.ExecContext(ctx, "INSERT INTO "+versionTable+" (version_id, is_applied) VALUES (0, TRUE)")
	return err
}
