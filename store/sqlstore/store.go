package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/store"
)

// Options are the settings of a Store. The zero value is right.
type Options struct {
	Now func() time.Time // the clock; nil is time.Now
}

// Store keeps records in an SQL database. It is safe for concurrent use.
type Store struct {
	dialect dialect
	pools   pools
	write   *bun.DB
	read    *bun.DB
	now     func() time.Time
	hot     hotQueries
	changes changes
}

var _ store.Store = (*Store)(nil)

// Open opens the SQLite database in the file at path, makes it if there is none, and brings its tables up to date.
// Errors that the operator can do something about are of the type errs.Error: the file can't be written (Unavailable),
// is damaged (Unavailable), or was written by a newer sealock (Precondition).
func Open(ctx context.Context, path string, opts Options) (*Store, error) {
	p, err := openSQLite(ctx, path)
	if err != nil {
		return nil, err
	}
	s, err := newStore(ctx, p, sqliteDialect(), opts)
	if err != nil {
		return nil, errors.Join(explainSQLite(path, err), p.close())
	}
	return s, nil
}

func newStore(ctx context.Context, p pools, d dialect, opts Options) (*Store, error) {
	if err := migrate(ctx, p.write, d); err != nil {
		return nil, err
	}
	now := opts.Now
	if now == nil {
		now = time.Now
	}
	s := &Store{dialect: d, pools: p, write: bun.NewDB(p.write, d.bun()), read: bun.NewDB(p.read, d.bun()), now: now}
	if err := s.hot.prepare(ctx, p, d); err != nil {
		return nil, fmt.Errorf("preparing queries: %w", err)
	}
	return s, nil
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.pools.read.PingContext(ctx); err != nil {
		return s.failed("asking the database", err)
	}
	return nil
}

// Close ends the connections. Nothing may be asked of the store any more.
func (s *Store) Close() error {
	if err := firstError(s.hot.close(), s.pools.close()); err != nil {
		return fmt.Errorf("closing the database: %w", err)
	}
	return nil
}

// inTx runs fn in a transaction of the writer and commits if fn returns nil. fn must not use the Store: on SQLite it
// holds the only writer.
func (s *Store) inTx(ctx context.Context, fn func(ctx context.Context, tx bun.Tx) error) error {
	return s.write.RunInTx(ctx, &sql.TxOptions{}, fn)
}

// locked makes q lock the rows that it finds until the transaction ends.
func (s *Store) locked(q *bun.SelectQuery) *bun.SelectQuery {
	if s.dialect.rowLocks {
		return q.For("UPDATE")
	}
	return q
}

// stamp is the time now as the database keeps it.
func (s *Store) stamp() int64 { return s.now().UnixMicro() }

// toMicros and fromMicros turn times into the numbers that are kept, and back. Numbers mean the same in every
// database, whatever its time zone and the width of its time type.
func toMicros(t time.Time) int64 { return t.UnixMicro() }

func fromMicros(n int64) time.Time { return time.UnixMicro(n).UTC() }
