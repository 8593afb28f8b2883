package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/pressly/goose/v3"

	"github.com/sealock/sealock/internal/errs"
)

// migrate brings the tables up to date. Each migration and the note that it ran are one transaction, so that a
// migration that fails, or is killed, leaves the version before it and can simply be run again.
func migrate(ctx context.Context, db *sql.DB, d dialect) error {
	p, err := goose.NewProvider(d.goose, db, d.migrations,
		goose.WithDisableGlobalRegistry(true), goose.WithTableName("schema_version"), goose.WithLogger(goose.NopLogger()))
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
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("bringing the database to version %d: %w", newest, err)
	}
	return nil
}
