package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

type deviceRow struct {
	bun.BaseModel `bun:"table:device_codes,alias:t"`

	ID         string `bun:"id,pk"`
	SecretHash []byte `bun:"secret_hash"`
	UserCode   string `bun:"user_code"`
	ClientID   string `bun:"client_id"`
	Service    string `bun:"service"`
	Scope      string `bun:"scope"`
	Remote     string `bun:"remote"`
	Status     string `bun:"status"`
	Subject    string `bun:"subject"`
	UserID     int64  `bun:"user_id,nullzero"`
	UserAsOf   int64  `bun:"user_as_of"`
	Interval   int64  `bun:"poll_interval"` // microseconds
	PolledAt   int64  `bun:"polled_at"`
	CreatedAt  int64  `bun:"created_at"`
	ExpiresAt  int64  `bun:"expires_at"`
}

func newDeviceRow(c store.DeviceCode) deviceRow {
	return deviceRow{
		ID: c.ID, SecretHash: c.SecretHash, UserCode: c.UserCode, ClientID: c.ClientID, Service: c.Service, Scope: c.Scope,
		Remote: c.Remote, Status: string(c.Status), Subject: c.Subject, UserID: c.UserID, UserAsOf: toMicros(c.UserAsOf),
		Interval: c.Interval.Microseconds(), PolledAt: toMicros(c.PolledAt), CreatedAt: toMicros(c.CreatedAt), ExpiresAt: toMicros(c.ExpiresAt),
	}
}

func (r deviceRow) record() store.DeviceCode {
	return store.DeviceCode{
		ID: r.ID, SecretHash: r.SecretHash, UserCode: r.UserCode, ClientID: r.ClientID, Service: r.Service, Scope: r.Scope,
		Remote: r.Remote, Status: auth.DeviceStatus(r.Status), Subject: r.Subject, UserID: r.UserID, UserAsOf: fromMicros(r.UserAsOf),
		Interval: time.Duration(r.Interval) * time.Microsecond, PolledAt: fromMicros(r.PolledAt),
		CreatedAt: fromMicros(r.CreatedAt), ExpiresAt: fromMicros(r.ExpiresAt),
	}
}

// maxDeviceScope is how long a device code's scope may be, in characters.
const maxDeviceScope = 2000

func (r deviceRow) check() error {
	if r.ID == "" || len(r.SecretHash) == 0 || r.UserCode == "" {
		return errs.New(errs.Invalid, "a device code needs an id, a secret and a user code")
	}
	return checkFields(field{"the device code's id", r.ID, maxName}, field{"the user code", r.UserCode, maxName},
		field{"the client's id", r.ClientID, maxName}, field{"the service", r.Service, maxName},
		field{"the scope", r.Scope, maxDeviceScope}, field{"the client's address", r.Remote, maxName},
		field{"the subject", r.Subject, maxName})
}

// CreateDeviceCode stores a device code. Conflict: the id or the user code is taken. TooMany: as many as the limits
// allow are alive when it is made. Invalid: id, secret or user code is missing.
func (s *Store) CreateDeviceCode(ctx context.Context, c store.DeviceCode, limits store.DeviceLimits) error {
	row := newDeviceRow(c)
	if err := row.check(); err != nil {
		return err
	}
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := deviceRoom(ctx, tx, row, limits); err != nil {
			return err
		}
		_, err := tx.NewInsert().Model(&row).Exec(ctx)
		return err
	})
	switch {
	case s.dialect.fault(err) == faultDuplicate:
		return taken("device code", row.ID)
	case s.dialect.fault(err) == faultReference:
		return notFound("user", row.Subject)
	}
	return s.failed("creating a device code", err)
}

// deviceRoom returns TooMany if there is no room for one more device code. It counts no further than it must.
func deviceRoom(ctx context.Context, tx bun.Tx, row deviceRow, limits store.DeviceLimits) error {
	alive := func() *bun.SelectQuery {
		return tx.NewSelect().Model((*deviceRow)(nil)).ColumnExpr("1").Where("t.expires_at > ?", row.CreatedAt)
	}
	for _, bound := range []struct {
		q     *bun.SelectQuery
		most  int64
		where string
	}{
		{alive().Where("t.remote = ?", row.Remote), int64(limits.PerRemote), "from this address"},
		{alive(), int64(limits.All), "already"},
	} {
		n, err := tx.NewSelect().TableExpr("(?) AS alive", bound.q.Limit(bound.most)).Count(ctx)
		if err != nil {
			return err
		}
		if n >= bound.most {
			return errs.New(errs.TooMany, "%d device logins are under way %s", n, bound.where).WithHint("approve one, or try again in some minutes")
		}
	}
	return nil
}

// DeviceCode returns the device code with the id, or NotFound. Whether it is still alive is for the caller to see.
func (s *Store) DeviceCode(ctx context.Context, id string) (store.DeviceCode, error) {
	return s.deviceCode(ctx, s.read.NewSelect(), "t.id = ?", id)
}

// DeviceCodeByUserCode returns the device code that has the user code, or NotFound.
func (s *Store) DeviceCodeByUserCode(ctx context.Context, userCode string) (store.DeviceCode, error) {
	return s.deviceCode(ctx, s.read.NewSelect(), "t.user_code = ?", userCode)
}

func (s *Store) deviceCode(ctx context.Context, q *bun.SelectQuery, where, key string) (store.DeviceCode, error) {
	if !storable(key) {
		return store.DeviceCode{}, notFound("device code", "")
	}
	var row deviceRow
	err := q.Model(&row).Where(where, key).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return store.DeviceCode{}, notFound("device code", "") // a user code is half a secret
	}
	if err != nil {
		return store.DeviceCode{}, s.failed("reading a device code", err)
	}
	return row.record(), nil
}

// UpdateDeviceCode runs fn on the stored device code and stores what fn made of what can change: Status, Subject,
// UserID, UserAsOf, Interval and PolledAt. NotFound: no such code, or no such user.
func (s *Store) UpdateDeviceCode(ctx context.Context, id string, fn func(*store.DeviceCode) error) (store.DeviceCode, error) {
	var after deviceRow
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		c, err := s.deviceCode(ctx, s.locked(tx.NewSelect()), "t.id = ?", id)
		if err != nil {
			return err
		}
		before := newDeviceRow(c)
		changed := c
		if err := fn(&changed); err != nil {
			return err
		}
		c.Status, c.Subject, c.UserID, c.UserAsOf = changed.Status, changed.Subject, changed.UserID, changed.UserAsOf
		c.Interval, c.PolledAt = changed.Interval, changed.PolledAt
		after = newDeviceRow(c)
		if err := after.check(); err != nil || sameAnswer(before, after) {
			return err
		}
		_, err = tx.NewUpdate().Model(&after).WherePK().
			Column("status", "subject", "user_id", "user_as_of", "poll_interval", "polled_at").Exec(ctx)
		return err
	})
	if s.dialect.fault(err) == faultReference {
		return store.DeviceCode{}, notFound("user", after.Subject)
	}
	if err != nil {
		return store.DeviceCode{}, s.failed("changing a device code", err)
	}
	return after.record(), nil
}

func sameAnswer(a, b deviceRow) bool {
	return a.Status == b.Status && a.Subject == b.Subject && a.UserID == b.UserID && a.UserAsOf == b.UserAsOf &&
		a.Interval == b.Interval && a.PolledAt == b.PolledAt
}
