package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

type factorRow struct {
	bun.BaseModel `bun:"table:second_factors,alias:t"`

	UserID        int64  `bun:"user_id,pk"`
	TOTPSecret    string `bun:"totp_secret"`
	TOTPSince     int64  `bun:"totp_since"` // 0: not yet
	TOTPStep      int64  `bun:"totp_step"`
	RecoveryCodes string `bun:"recovery_codes"` // one a word
	Failures      int    `bun:"failures"`
	FailedAt      int64  `bun:"failed_at"` // 0: never
}

type passkeyRow struct {
	bun.BaseModel `bun:"table:passkeys,alias:t"`

	ID         int64  `bun:"id,pk,autoincrement"`
	Credential []byte `bun:"credential"`
	UserID     int64  `bun:"user_id"`
	Name       string `bun:"name"`
	Record     string `bun:"record"`
	CreatedAt  int64  `bun:"created_at"`
	LastUsedAt int64  `bun:"last_used_at"`
}

// maxCredential is how long the id of a WebAuthn credential can be (section 4), maxPasskey how long what is kept of one
// may be: attestation statements hold chains of certificates.
const (
	maxCredential = 1023
	maxPasskey    = 64 << 10
)

func newFactorRow(userID int64, f store.SecondFactor) factorRow {
	return factorRow{
		UserID: userID, TOTPSecret: f.TOTP.Secret, TOTPSince: optionalMicros(f.TOTP.Since), TOTPStep: f.TOTP.Step,
		RecoveryCodes: strings.Join(f.RecoveryCodes, " "), Failures: f.Failures, FailedAt: optionalMicros(f.FailedAt),
	}
}

func newPasskeyRow(userID int64, p store.Passkey) passkeyRow {
	return passkeyRow{
		ID: p.ID, Credential: p.Credential, UserID: userID, Name: p.Name, Record: p.Record,
		CreatedAt: toMicros(p.CreatedAt), LastUsedAt: toMicros(p.LastUsedAt),
	}
}

func (r passkeyRow) check() error {
	if len(r.Credential) == 0 || len(r.Credential) > maxCredential {
		return errs.New(errs.Invalid, "a passkey needs an id of 1 to %d bytes", maxCredential).WithHint("use another authenticator")
	}
	return checkFields(field{"the name of the passkey", r.Name, maxName}, field{"the passkey", r.Record, maxPasskey})
}

func factorRecord(r factorRow, passkeys []passkeyRow) store.SecondFactor {
	f := store.SecondFactor{
		TOTP:          store.TOTP{Secret: r.TOTPSecret, Since: optionalTime(r.TOTPSince), Step: r.TOTPStep},
		RecoveryCodes: strings.Fields(r.RecoveryCodes), Failures: r.Failures, FailedAt: optionalTime(r.FailedAt),
	}
	if len(f.RecoveryCodes) == 0 {
		f.RecoveryCodes = nil
	}
	for _, p := range passkeys {
		f.Passkeys = append(f.Passkeys, store.Passkey{
			ID: p.ID, Credential: p.Credential, Name: p.Name, Record: p.Record,
			CreatedAt: fromMicros(p.CreatedAt), LastUsedAt: fromMicros(p.LastUsedAt),
		})
	}
	return f
}

// SecondFactor returns what the user has besides a password; the zero value for nothing.
func (s *Store) SecondFactor(ctx context.Context, userID int64) (store.SecondFactor, error) {
	row, passkeys, err := s.factorRows(ctx, s.read, userID)
	if err != nil {
		return store.SecondFactor{}, s.failed("reading a second factor", err)
	}
	return factorRecord(row, passkeys), nil
}

func (s *Store) factorRows(ctx context.Context, db bun.IDB, userID int64) (row factorRow, passkeys []passkeyRow, err error) {
	err = db.NewSelect().Model(&row).Where("t.user_id = ?", userID).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		row, err = factorRow{}, nil
	}
	if err == nil {
		err = db.NewSelect().Model(&passkeys).Where("t.user_id = ?", userID).Order("t.id").Scan(ctx)
	}
	return row, passkeys, err
}

// PasskeyOwner returns the id of the user whose passkey it is, or NotFound.
func (s *Store) PasskeyOwner(ctx context.Context, credential []byte) (userID int64, err error) {
	err = s.read.NewSelect().Model((*passkeyRow)(nil)).Column("user_id").Where("t.credential = ?", credential).Scan(ctx, &userID)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, errs.New(errs.NotFound, "passkey not found")
	}
	return userID, s.failed("looking for a passkey", err)
}

// UpdateSecondFactor runs fn on what the user has and stores what fn made of it. The user's row is locked meanwhile: of
// two who present the same one-time code, one comes second. NotFound: no such user. Conflict: a passkey is kept already.
func (s *Store) UpdateSecondFactor(ctx context.Context, userID int64, fn func(*store.SecondFactor) error) (store.SecondFactor, error) {
	var user userRow
	var after store.SecondFactor
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		if user, err = s.userRow(ctx, s.locked(tx.NewSelect()), userID); err != nil {
			return err
		}
		row, passkeys, err := s.factorRows(ctx, tx, userID)
		if err != nil {
			return err
		}
		after = factorRecord(row, passkeys)
		if err := fn(&after); err != nil {
			return err
		}
		if err := s.keepFactor(ctx, tx, row, newFactorRow(userID, after)); err != nil {
			return err
		}
		if err := s.keepPasskeys(ctx, tx, userID, passkeys, after.Passkeys); err != nil {
			return err
		}
		return s.switchFactor(ctx, tx, user, after.On())
	})
	switch {
	case err == nil:
	case s.dialect.fault(err) == faultDuplicate:
		return store.SecondFactor{}, errs.New(errs.Conflict, "this passkey is registered already").WithHint("use another one")
	default:
		return store.SecondFactor{}, s.failed("changing a second factor", err)
	}
	if user.SecondFactor != after.On() {
		s.changes.publish(store.Change{Kind: store.UserChanged, UserID: userID, User: user.Name})
	}
	return after, nil
}

func (s *Store) keepFactor(ctx context.Context, tx bun.Tx, before, after factorRow) (err error) {
	switch {
	case after == before:
	case after == factorRow{UserID: after.UserID}:
		_, err = tx.NewDelete().Model(&after).WherePK().Exec(ctx)
	case before.UserID == 0:
		_, err = tx.NewInsert().Model(&after).Exec(ctx)
	default:
		_, err = tx.NewUpdate().Model(&after).WherePK().Exec(ctx)
	}
	return err
}

// keepPasskeys stores the differences, and writes the ids of new ones into after.
func (s *Store) keepPasskeys(ctx context.Context, tx bun.Tx, userID int64, before []passkeyRow, after []store.Passkey) error {
	for i := range after {
		row := newPasskeyRow(userID, after[i])
		if err := row.check(); err != nil {
			return err
		}
		old := slices.IndexFunc(before, func(b passkeyRow) bool { return b.ID == row.ID })
		switch {
		case row.ID == 0:
			if _, err := tx.NewInsert().Model(&row).Exec(ctx); err != nil {
				return err
			}
			after[i].ID = row.ID
		case old < 0:
			return notFound("passkey", row.ID)
		case !row.same(before[old]):
			if _, err := tx.NewUpdate().Model(&row).WherePK().Exec(ctx); err != nil {
				return err
			}
		}
	}
	for _, b := range before {
		if slices.ContainsFunc(after, func(p store.Passkey) bool { return p.ID == b.ID }) {
			continue
		}
		if _, err := tx.NewDelete().Model(&b).WherePK().Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (r passkeyRow) same(o passkeyRow) bool {
	return bytes.Equal(r.Credential, o.Credential) && r.Name == o.Name && r.Record == o.Record &&
		r.CreatedAt == o.CreatedAt && r.LastUsedAt == o.LastUsedAt
}

// switchFactor lets the user's record say whether a password alone is enough. What was made with the password alone ends
// when it is no longer; the new time of change keeps out what is being made with it (unchanged).
func (s *Store) switchFactor(ctx context.Context, tx bun.Tx, user userRow, on bool) error {
	if user.SecondFactor == on {
		return nil
	}
	_, err := tx.NewUpdate().Model((*userRow)(nil)).Set("second_factor = ?", on).Set("updated_at = ?", s.stamp()).
		Where("id = ?", user.ID).Exec(ctx)
	if err != nil || !on {
		return err
	}
	_, err = tx.NewDelete().Model((*tokenRow)(nil)).Where("user_id = ?", user.ID).Exec(ctx)
	return err
}
