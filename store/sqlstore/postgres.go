package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/schema"

	"github.com/sealock/sealock/internal/errs"
)

//go:embed migrations/postgres/*.sql
var postgresMigrations embed.FS

// postgresLock is the key of the advisory lock that a migration holds: "sealock" in ASCII.
const postgresLock = 0x7365616c6f636b

func postgresDialect() dialect {
	migrations, err := fs.Sub(postgresMigrations, "migrations/postgres")
	if err != nil {
		panic(err) // the path is a constant
	}
	return dialect{
		name:       "PostgreSQL",
		bun:        func() schema.Dialect { return pgdialect.New() },
		goose:      goose.DialectPostgres,
		migrations: migrations,
		partial:    true,
		rowLocks:   true,
		isolation:  sql.LevelReadCommitted,
		rebind:     numbered,
		fault:      postgresFault,
		hasTable:   "SELECT COUNT(*) FROM pg_tables WHERE schemaname = ANY (current_schemas(false)) AND tablename = $1",
		lock:       lockPostgres,
		startAfter: func(ctx context.Context, db *sql.DB, table, key string, id int64) error {
			_, err := db.ExecContext(ctx, "SELECT setval(pg_get_serial_sequence($1, $2), $3)", table, key, id)
			return err
		},
	}
}

// numbered turns each ? into $1, $2, …
func numbered(query string) string {
	var b strings.Builder
	n := 0
	for _, r := range query {
		if r != '?' {
			b.WriteRune(r)
			continue
		}
		n++
		b.WriteString("$" + strconv.Itoa(n))
	}
	return b.String()
}

// openPostgres makes connections to the database that the URL names, in the form that libpq knows.
func openPostgres(ctx context.Context, t target) (pools, error) {
	cfg, err := pgx.ParseConfig(t.url.Reveal())
	if err != nil { // the cause may quote the URL
		return pools{}, errs.New(errs.Invalid, "the URL of the database is none that PostgreSQL knows").
			WithHint("write it like postgres://user:password@host:5432/database?sslmode=verify-full; a special character in the password is written as %%40 (@), %%2F (/), …")
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	// Values are written into the queries, so they must be read as they are written.
	cfg.RuntimeParams["standard_conforming_strings"] = "on"
	cfg.RuntimeParams["client_encoding"] = "UTF8"
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "sealock"
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec // no two queries are the same: to prepare each would take twice as long
	db := stdlib.OpenDB(*cfg)
	p := shared(db)
	var encoding string
	if err := db.QueryRowContext(ctx, "SHOW server_encoding").Scan(&encoding); err != nil {
		return pools{}, errors.Join(err, p.close())
	}
	if encoding != "UTF8" {
		return pools{}, errors.Join(errs.New(errs.Precondition, "the database keeps texts as %s", encoding).
			WithHint("make it with: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"), p.close())
	}
	return p, nil
}

// lockPostgres waits for the lock. It ends with the connection, too.
func lockPostgres(ctx context.Context, conn *sql.Conn) (unlock func(), err error) {
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", int64(postgresLock)); err != nil {
		return nil, fmt.Errorf("waiting for another process that migrates: %w", err)
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_, _ = conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", int64(postgresLock)) // a broken connection has none
	}, nil
}

// postgresFault reads SQLSTATE: the first two characters are the class.
func postgresFault(err error) fault {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return networkFault(err)
	}
	switch e.Code {
	case "23505":
		return faultDuplicate
	case "23503":
		return faultReference
	case "40001", "40P01":
		return faultLost
	case "3D000":
		return faultNoDatabase
	case "42501":
		return faultForbidden
	case "53300":
		return faultCrowded
	case "25006": // read-only: a standby
		return faultUnavailable
	}
	switch e.Code[:min(2, len(e.Code))] {
	case "28":
		return faultLogin
	case "08", "53", "57", "58":
		return faultUnavailable
	case "XX":
		return faultDamaged
	}
	return faultOther
}
