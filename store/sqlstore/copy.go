package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/sealock/sealock/internal/errs"
)

// copyRows is how many rows are copied at a time: the largest that a row can be (an audit record of 150 KB) must fit
// as often into a packet of MySQL's (16 MB).
const copyRows = 100

// tableKey is a table and the column that its rows are read in the order of.
type tableKey struct {
	name, key string
	counts    bool // the key is given by the database
}

// copied are all tables, each after those that it refers to.
func copied() []tableKey {
	return []tableKey{
		{"users", "id", true},
		{"second_factors", "user_id", false},
		{"passkeys", "id", true},
		{"projects", "id", true},
		{"project_names", "id", true},
		{"user_groups", "id", true},
		{"group_members", "id", true},
		{"members", "id", true},
		{"robots", "id", true},
		{"refresh_tokens", "seq", true},
		{"personal_access_tokens", "seq", true},
		{"revoked_tokens", "jti", false},
		{"device_codes", "id", false},
		{"sessions", "seq", true},
		{"external_identities", "id", true},
		{"login_failures", "id", false},
		{"known_logins", "id", false},
		{"policy_revisions", "id", true},
		{"schedules", "id", true},
		{"configurations", "name", false},
		{"repositories", "id", true},
		{"artifacts", "id", true},
		{"artifact_children", "id", true},
		{"tags", "id", true},
		{"artifact_blobs", "id", true},
		{"project_blobs", "id", true},
		{"project_usage", "id", true},
		{"registries", "id", true},
		{"replication_policies", "id", true},
		{"webhook_policies", "id", true},
		{"retention_policies", "id", true},
		{"immutable_rules", "id", true},
		{"labels", "id", true},
		{"artifact_labels", "id", true},
		{"reindex", "id", false},
		{"audit_log", "id", true},
		{"audit_register", "id", false},
		{"audit_chains", "id", false},
		{"audit_anchors", "id", false},
	}
}

// Copy copies the SQLite database in the file at path to an empty database on a server and returns how many records
// that were. All of it arrives or, when an error is returned, nothing. progress may be nil; it is told how many rows of
// a table are copied. While it runs, nobody can write to the file. The errors are those of OpenDatabase, and
// Precondition: the target is not empty.
func Copy(ctx context.Context, path string, to Database, progress func(table string, n, of int)) (n int, err error) {
	if to.URL.Empty() {
		return 0, errs.New(errs.Invalid, "a database is copied to a server only").WithHint("a file can be copied as it is while sealock is stopped")
	}
	source, err := Open(ctx, path, Options{}) // of the same version as the target
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	target, err := OpenDatabase(ctx, to, Options{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	if progress == nil {
		progress = func(string, int, int) {}
	}
	c := copying{target: target, progress: progress}
	if n, err = c.run(ctx, source); err != nil {
		return 0, to.explain(target.dialect, err)
	}
	return n, nil
}

// copying is one run of Copy.
type copying struct {
	target   *Store
	from, to *sql.Tx
	progress func(table string, n, of int)
}

func (c *copying) run(ctx context.Context, source *Store) (total int, err error) {
	if c.from, err = source.pools.write.BeginTx(ctx, nil); err != nil {
		return 0, source.failed("reading the source", err)
	}
	defer func() { _ = c.from.Rollback() }() // it was only read
	if err := c.prepare(ctx); err != nil {
		return 0, err
	}
	if c.to, err = c.target.pools.write.BeginTx(ctx, nil); err != nil {
		return 0, err
	}
	defer func() { _ = c.to.Rollback() }() // without effect after the commit
	for _, t := range copied() {
		n, err := c.table(ctx, t)
		if err != nil {
			return 0, fmt.Errorf("copying %s: %w", t.name, err)
		}
		total += n
	}
	return total, c.to.Commit()
}

// prepare sees that the target is empty and lets it count on from where the source is: ids are never used twice.
func (c *copying) prepare(ctx context.Context) error {
	for _, t := range copied() {
		var rows int
		if err := c.target.pools.write.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+t.name).Scan(&rows); err != nil {
			return err
		}
		if rows > 0 {
			return errs.New(errs.Precondition, "the database to copy to is not empty: it has %d %s", rows, strings.ReplaceAll(t.name, "_", " ")).
				WithHint("make a new one and copy to that")
		}
	}
	for _, t := range copied() {
		var last int64
		if !t.counts {
			continue
		}
		if err := c.from.QueryRowContext(ctx, sqliteDialect().lastID, t.name).Scan(&last); err != nil {
			return err
		}
		if last == 0 {
			continue
		}
		if err := c.target.dialect.startAfter(ctx, c.target.pools.write, t.name, t.key, last); err != nil {
			return err
		}
	}
	return nil
}

// table copies the rows of one table and counts them on the other side.
func (c *copying) table(ctx context.Context, t tableKey) (n int, err error) {
	var of int
	if err := c.from.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+t.name).Scan(&of); err != nil {
		return 0, err
	}
	var after any
	for {
		rows, err := c.read(ctx, t, after)
		if err != nil {
			return 0, err
		}
		if len(rows.values) > 0 {
			if err := c.write(ctx, t, rows); err != nil {
				return 0, err
			}
			n, after = n+len(rows.values), rows.last
			c.progress(t.name, n, of)
		}
		if len(rows.values) < copyRows {
			break
		}
	}
	var arrived int
	if err := c.to.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+t.name).Scan(&arrived); err != nil {
		return 0, err
	}
	if arrived != of || n != of {
		return 0, errs.New(errs.Internal, "%d of %d rows of %s arrived", arrived, of, t.name).WithHint("nothing was copied; see that nothing else writes to either database")
	}
	return n, nil
}

// rowBatch is some rows of a table.
type rowBatch struct {
	columns []string
	values  [][]any
	last    any // the key of the last row
}

func (c *copying) read(ctx context.Context, t tableKey, after any) (_ rowBatch, err error) {
	where, args := "", []any{}
	if after != nil {
		where, args = " WHERE "+t.key+" > ?", append(args, after)
	}
	rows, err := c.from.QueryContext(ctx, fmt.Sprintf("SELECT * FROM %s%s ORDER BY %s LIMIT %d", t.name, where, t.key, copyRows), args...)
	if err != nil {
		return rowBatch{}, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return rowBatch{}, err
	}
	b := rowBatch{columns: columns}
	for rows.Next() {
		row, places := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			places[i] = &row[i]
		}
		if err := rows.Scan(places...); err != nil {
			return rowBatch{}, err
		}
		b.values = append(b.values, row)
		for i, name := range columns {
			switch name {
			case t.key:
				b.last = row[i]
			case "actor": // an older sealock kept longer ones
				if actor, ok := row[i].(string); ok {
					row[i] = legible(cut(actor, maxAuditActor))
				}
			}
		}
	}
	return b, rows.Err()
}

func (c *copying) write(ctx context.Context, t tableKey, b rowBatch) error {
	row := "(" + strings.TrimSuffix(strings.Repeat("?, ", len(b.columns)), ", ") + ")"
	query := "INSERT INTO " + t.name + " (" + strings.Join(b.columns, ", ") + ") VALUES " + row + strings.Repeat(", "+row, len(b.values)-1)
	args := make([]any, 0, len(b.values)*len(b.columns))
	for _, values := range b.values {
		args = append(args, values...)
	}
	_, err := c.to.ExecContext(ctx, c.target.dialect.rebind(query), args...)
	return err
}
