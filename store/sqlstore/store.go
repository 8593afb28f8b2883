package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/store"
)

// Options are the settings of a Store. The zero value is right.
type Options struct {
	Now       func() time.Time // the clock; nil is time.Now
	AuditKeys audit.Keys       // what the chains of audit records are made with; none is a key that everybody knows
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
	counts  *counts
	chain   chain
}

var _ store.Store = (*Store)(nil)

// Open opens the SQLite database in the file at path, makes it if there is none, and brings its tables up to date.
// Errors that the operator can do something about are of the type errs.Error: the file can't be written (Unavailable),
// is damaged (Unavailable), or was written by a newer sealock (Precondition).
func Open(ctx context.Context, path string, opts Options) (*Store, error) {
	return OpenDatabase(ctx, Database{Path: path}, opts)
}

// OpenDatabase opens a database and brings its tables up to date. The errors are those of Open and, for a server: it
// does not answer or has no connection left (Unavailable), refuses the user, does not have the database, or does not
// let the user make tables there (Precondition), the URL is none (Invalid). None of them quotes the password.
func OpenDatabase(ctx context.Context, where Database, opts Options) (*Store, error) {
	p, d, err := where.open(ctx)
	if err != nil {
		return nil, err
	}
	s, err := newStore(ctx, p, d, opts)
	if err != nil {
		return nil, errors.Join(where.explain(d, err), p.close())
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
	s := &Store{dialect: d, pools: p, write: bun.NewDB(p.write, d.bun()), read: bun.NewDB(p.read, d.bun()), now: now, chain: chain{keys: opts.AuditKeys}}
	if err := s.hot.prepare(ctx, p, d); err != nil {
		return nil, fmt.Errorf("preparing queries: %w", err)
	}
	s.counts = newCounts()
	s.Subscribe(s.counts.tell)
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
	s.counts.close()
	if err := firstError(s.hot.close(), s.pools.close()); err != nil {
		return fmt.Errorf("closing the database: %w", err)
	}
	return nil
}

// inTx runs fn in a transaction of the writer and commits if fn returns nil. fn must not use the Store: on SQLite it
// holds the only writer. Where transactions can stand in each other's way, fn may be called several times.
func (s *Store) inTx(ctx context.Context, fn func(ctx context.Context, tx bun.Tx) error) error {
	return s.again(ctx, func() error {
		return s.write.RunInTx(ctx, &sql.TxOptions{Isolation: s.dialect.isolation}, fn)
	})
}

// attempts is how often a transaction is tried that loses against others. One of those who stand in each other's way
// always gets through, so that this many need more writers at the same rows than there are connections.
const attempts = 20

// again repeats what lost against another transaction and was undone by the database.
func (s *Store) again(ctx context.Context, fn func() error) error {
	for n := 1; ; n++ {
		err := fn()
		if n == attempts || s.dialect.fault(err) != faultLost {
			return err
		}
		wait := time.NewTimer(rand.N(time.Duration(n) * 5 * time.Millisecond)) //nolint:gosec // it parts those who collided
		select {
		case <-ctx.Done():
			wait.Stop()
			return ctx.Err()
		case <-wait.C:
		}
	}
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

// optionalMicros and optionalTime do so for times that may be none, which are 0.
func optionalMicros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return toMicros(t)
}

func optionalTime(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return fromMicros(n)
}
