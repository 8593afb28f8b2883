package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"time"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

type lockRow struct {
	bun.BaseModel `bun:"table:login_failures,alias:t"`

	ID          string `bun:"id,pk"`
	Kind        string `bun:"kind"`
	Account     string `bun:"account"`
	Address     string `bun:"address"`
	Failures    int64  `bun:"failures"`
	Salt        []byte `bun:"salt"`
	Tags        []byte `bun:"tags"`
	LockedUntil int64  `bun:"locked_until"` // 0: never locked
	FirstAt     int64  `bun:"first_at"`
	LastAt      int64  `bun:"last_at"`
}

type knownRow struct {
	bun.BaseModel `bun:"table:known_logins,alias:t"`

	ID      string `bun:"id,pk"`
	Account string `bun:"account"`
	LastAt  int64  `bun:"last_at"`
}

// maxKnownAddresses is how many addresses are remembered of an account: the latest.
const maxKnownAddresses = 256

func newLockRow(f store.LoginFailures) lockRow {
	return lockRow{
		ID: f.ID, Kind: string(f.Kind), Account: f.Account, Address: f.Address, Failures: int64(f.Failures),
		Salt: present(f.Salt), Tags: present(f.Tags), LockedUntil: microsOrZero(f.LockedUntil), FirstAt: microsOrZero(f.FirstAt), LastAt: microsOrZero(f.LastAt),
	}
}

// present returns b, or for nil what is no NULL.
func present(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// microsOrZero keeps the zero time, which would be far before the year 1970, as 0.
func microsOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return toMicros(t)
}

func timeOrZero(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return fromMicros(n)
}

func (r lockRow) record() store.LoginFailures {
	f := store.LoginFailures{
		LockKey:  store.LockKey{ID: r.ID, Kind: auth.LockKind(r.Kind), Account: r.Account, Address: r.Address},
		Failures: int(r.Failures), LockedUntil: timeOrZero(r.LockedUntil), FirstAt: timeOrZero(r.FirstAt), LastAt: timeOrZero(r.LastAt),
	}
	if len(r.Salt) > 0 {
		f.Salt = r.Salt
	}
	if len(r.Tags) > 0 {
		f.Tags = r.Tags
	}
	return f
}

func checkLockKey(k store.LockKey) error {
	if k.ID == "" || k.Kind == "" {
		return errs.New(errs.Invalid, "failed logins need an id and a kind")
	}
	return checkFields(field{"the id of the failed logins", k.ID, 64}, field{"their kind", string(k.Kind), 20},
		field{"the account", k.Account, maxName}, field{"the address", k.Address, 100})
}

// KnownLogin returns when the account of the pair signed in from its address last; the zero time is never.
func (s *Store) KnownLogin(ctx context.Context, pair store.LockKey) (time.Time, error) {
	var at int64
	err := s.read.NewSelect().Model((*knownRow)(nil)).Column("last_at").Where("id = ?", pair.ID).Scan(ctx, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	return timeOrZero(at), s.failed("reading known logins", err)
}

// LoginFailures returns the failures of each key, in the order of the keys.
func (s *Store) LoginFailures(ctx context.Context, keys ...store.LockKey) ([]store.LoginFailures, error) {
	out := make([]store.LoginFailures, len(keys))
	ids := make([]string, len(keys))
	for i, k := range keys {
		out[i].LockKey, ids[i] = k, k.ID
	}
	if len(keys) == 0 {
		return out, nil
	}
	var rows []lockRow
	if err := s.read.NewSelect().Model(&rows).Where("id IN (?)", bun.List(ids)).Scan(ctx); err != nil {
		return nil, s.failed("reading failed logins", err)
	}
	for _, r := range rows {
		for i := range out {
			if out[i].ID == r.ID {
				out[i] = r.record()
			}
		}
	}
	return out, nil
}

// CountLoginFailure runs fn on the failures of each key in one transaction, and stores what it made of them. The keys
// are locked in their order: who gives them in the same order as everybody never waits in a circle.
func (s *Store) CountLoginFailure(ctx context.Context, keys []store.LockKey, fn func(*store.LoginFailures)) error {
	for _, k := range keys {
		if err := checkLockKey(k); err != nil {
			return err
		}
	}
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		for _, k := range keys {
			if err := s.countFailure(ctx, tx, k, fn); err != nil {
				return err
			}
		}
		return nil
	})
	return s.failed("counting a failed login", err)
}

// countFailure makes the row first, so that there is one to lock: two that begin at once would each count one.
func (s *Store) countFailure(ctx context.Context, tx bun.Tx, k store.LockKey, fn func(*store.LoginFailures)) error {
	empty := newLockRow(store.LoginFailures{LockKey: k})
	if _, err := tx.NewInsert().Model(&empty).Ignore().Exec(ctx); err != nil {
		return err
	}
	var row lockRow
	if err := s.locked(tx.NewSelect().Model(&row).Where("id = ?", k.ID)).Scan(ctx); err != nil {
		return err
	}
	f := row.record()
	fn(&f)
	f.LockKey = k
	row = newLockRow(f)
	_, err := tx.NewUpdate().Model(&row).WherePK().Exec(ctx)
	return err
}

// NoteLogin remembers that the account of the pair signed in from its address, and forgets the pair's failures.
func (s *Store) NoteLogin(ctx context.Context, pair store.LockKey, at time.Time) error {
	if err := checkLockKey(pair); err != nil {
		return err
	}
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.NewDelete().Model((*lockRow)(nil)).Where("id = ?", pair.ID).Exec(ctx); err != nil {
			return err
		}
		n, err := s.deleted(tx.NewUpdate().Model((*knownRow)(nil)).Set("last_at = ?", toMicros(at)).Where("id = ?", pair.ID).Exec(ctx))
		if err != nil || n > 0 {
			return err
		}
		row := knownRow{ID: pair.ID, Account: pair.Account, LastAt: toMicros(at)}
		if _, err := tx.NewInsert().Model(&row).Ignore().Exec(ctx); err != nil {
			return err
		}
		return dropOldest(ctx, tx, pair.Account)
	})
	return s.failed("noting a login", err)
}

// dropOldest forgets the addresses of an account that it did not use for longest, if there are too many.
func dropOldest(ctx context.Context, tx bun.Tx, account string) error {
	var ids []string
	err := tx.NewSelect().Model((*knownRow)(nil)).Column("id").Where("account = ?", account).
		OrderExpr("last_at DESC, id").Offset(maxKnownAddresses).Limit(maxKnownAddresses).Scan(ctx, &ids)
	if err != nil || len(ids) == 0 {
		return err
	}
	_, err = tx.NewDelete().Model((*knownRow)(nil)).Where("id IN (?)", bun.List(ids)).Exec(ctx)
	return err
}

// DropLoginFailures forgets failures whose last one, and whose lock, is older than before, logins older than
// knownBefore, and of more than keep keys those with the fewest failures, the oldest first.
func (s *Store) DropLoginFailures(ctx context.Context, before, knownBefore time.Time, keep int) (total int, err error) {
	defer func() { err = s.failed("dropping failed logins", err) }()
	for _, q := range []*bun.DeleteQuery{
		s.write.NewDelete().Model((*lockRow)(nil)).Where("last_at <= ? AND locked_until <= ?", toMicros(before), toMicros(before)),
		s.write.NewDelete().Model((*knownRow)(nil)).Where("last_at <= ?", toMicros(knownBefore)),
	} {
		var n int
		if err = s.again(ctx, func() (err error) { n, err = s.deleted(q.Exec(ctx)); return err }); err != nil {
			return 0, err
		}
		total += n
	}
	rows, err := s.read.NewSelect().Model((*lockRow)(nil)).Count(ctx)
	for excess := int(rows) - keep; err == nil && excess > 0; excess -= dropBatch {
		var n int
		n, err = s.dropFewest(ctx, min(excess, dropBatch))
		total += n
	}
	return total, err
}

// dropBatch is how many rows a query names.
const dropBatch = 500

func (s *Store) dropFewest(ctx context.Context, n int) (dropped int, err error) {
	err = s.again(ctx, func() error {
		var ids []string
		err := s.read.NewSelect().Model((*lockRow)(nil)).Column("id").OrderExpr("failures, last_at, id").Limit(int64(n)).Scan(ctx, &ids)
		if err != nil || len(ids) == 0 {
			return err
		}
		dropped, err = s.deleted(s.write.NewDelete().Model((*lockRow)(nil)).Where("id IN (?)", bun.List(ids)).Exec(ctx))
		return err
	})
	return dropped, err
}

func lockListing(now time.Time) listing[lockRow, store.LoginFailures] {
	return listing[lockRow, store.LoginFailures]{
		table: "lockouts",
		id:    column[lockRow]{"t.id", func(r lockRow) any { return r.ID }},
		sorts: map[string]column[lockRow]{
			"locked_until": {"t.locked_until", func(r lockRow) any { return r.LockedUntil }},
			"failures":     {"t.failures", func(r lockRow) any { return r.Failures }},
		},
		filter: func(q *bun.SelectQuery, f store.Filter) *bun.SelectQuery {
			q = q.Where("t.locked_until > ?", toMicros(now))
			if f.Subject != "" {
				q = q.Where("t.account = ?", f.Subject)
			}
			if f.Exact != "" {
				q = q.Where("t.address = ?", f.Exact)
			}
			return q
		},
		record: lockRow.record,
	}
}

// ListLockouts lists what is locked at the time.
func (s *Store) ListLockouts(ctx context.Context, now time.Time, f store.Filter) iter.Seq2[store.LoginFailures, error] {
	return lockListing(now).all(ctx, s, f)
}

// CountLockouts counts what is locked at the time.
func (s *Store) CountLockouts(ctx context.Context, now time.Time, f store.Filter) (int, error) {
	return lockListing(now).count(ctx, s, f)
}

// Lockout returns the failures of the key with the id, locked or not, or NotFound.
func (s *Store) Lockout(ctx context.Context, id string) (store.LoginFailures, error) {
	if !storable(id) {
		return store.LoginFailures{}, notFound("lockout", id)
	}
	var row lockRow
	err := s.read.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return store.LoginFailures{}, notFound("lockout", id)
	}
	return row.record(), s.failed("reading a lockout", err)
}

// DeleteLockout forgets the failures of the key with the id, or returns NotFound.
func (s *Store) DeleteLockout(ctx context.Context, id string) error {
	if !storable(id) {
		return notFound("lockout", id)
	}
	n, err := s.deleted(s.write.NewDelete().Model((*lockRow)(nil)).Where("id = ?", id).Exec(ctx))
	if err != nil {
		return s.failed("lifting a lockout", err)
	}
	if n == 0 {
		return notFound("lockout", id)
	}
	return nil
}
