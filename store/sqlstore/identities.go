package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

type identityRow struct {
	bun.BaseModel `bun:"table:external_identities,alias:t"`

	ID        int64  `bun:"id,pk,autoincrement"`
	UserID    int64  `bun:"user_id"`
	Source    string `bun:"source"`
	Subject   string `bun:"subject"`
	Groups    string `bun:"group_list"` // JSON
	SysAdmin  bool   `bun:"sysadmin"`
	Renewal   []byte `bun:"renewal"`
	Ended     bool   `bun:"ended"`
	LoginAt   int64  `bun:"login_at"`
	CheckedAt int64  `bun:"checked_at"`
}

func newIdentityRow(i store.Identity) (identityRow, error) {
	groups, err := json.Marshal(i.Groups)
	if err != nil {
		return identityRow{}, err
	}
	row := identityRow{
		UserID: i.UserID, Source: i.Source, Subject: i.Subject, Groups: string(groups), SysAdmin: i.SysAdmin,
		Renewal: i.Renewal, Ended: i.Ended, LoginAt: toMicros(i.LoginAt), CheckedAt: toMicros(i.CheckedAt),
	}
	if row.Renewal == nil {
		row.Renewal = []byte{}
	}
	return row, row.check()
}

// maxSubject is how long issuer and sub may be together, in ASCII: what every database has an index for.
const maxSubject = 1000

func (r identityRow) check() error {
	if r.UserID == 0 || r.Source == "" || r.Subject == "" {
		return errs.New(errs.Invalid, "an identity needs a user, a source and a subject")
	}
	for _, c := range r.Subject {
		if c < ' ' || c >= 0x7f {
			return errs.New(errs.Invalid, "the provider's subject is not ASCII").WithHint("OpenID Connect wants it to be")
		}
	}
	if len(r.Renewal) > 60_000 {
		return errs.New(errs.Invalid, "the provider's refresh token is too long")
	}
	return checkFields(field{"the identity's source", r.Source, maxName}, field{"the provider's subject", r.Subject, maxSubject},
		field{"the list of groups", r.Groups, 4 << 20})
}

func (r identityRow) record() (store.Identity, error) {
	i := store.Identity{
		UserID: r.UserID, Source: r.Source, Subject: r.Subject, SysAdmin: r.SysAdmin, Ended: r.Ended,
		LoginAt: fromMicros(r.LoginAt), CheckedAt: fromMicros(r.CheckedAt),
	}
	if len(r.Renewal) > 0 {
		i.Renewal = r.Renewal
	}
	if err := json.Unmarshal([]byte(r.Groups), &i.Groups); err != nil {
		return store.Identity{}, fmt.Errorf("reading the groups of an identity: %w", err)
	}
	return i, nil
}

// PutIdentity stores what a provider says of a user. Conflict: the user is somebody else there, or the subject is another
// user's. NotFound: no such user.
func (s *Store) PutIdentity(ctx context.Context, i store.Identity) error {
	row, err := newIdentityRow(i)
	if err != nil {
		return err
	}
	err = s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		before, err := s.identityRow(ctx, s.locked(tx.NewSelect()).Where("t.user_id = ?", i.UserID))
		if errs.Is(err, errs.NotFound) {
			row.ID = 0
			_, err = tx.NewInsert().Model(&row).Exec(ctx)
			return err
		}
		if err != nil {
			return err
		}
		if before.Source != row.Source || before.Subject != row.Subject {
			return errOtherIdentity()
		}
		row.ID = before.ID
		_, err = tx.NewUpdate().Model(&row).WherePK().Exec(ctx)
		return err
	})
	switch s.dialect.fault(err) {
	case faultDuplicate:
		return errOtherIdentity()
	case faultReference:
		return notFound("user", i.UserID)
	default:
		return s.failed("keeping an identity", err)
	}
}

func errOtherIdentity() error {
	return errs.New(errs.Conflict, "this user belongs to somebody else at the provider").WithHint("delete the user first, if that person is gone")
}

func (s *Store) identityRow(ctx context.Context, q *bun.SelectQuery) (identityRow, error) {
	var row identityRow
	err := q.Model(&row).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return identityRow{}, errs.New(errs.NotFound, "there is no such identity")
	}
	return row, s.failed("reading an identity", err)
}

// Identity returns the identity of a subject of a source, or NotFound.
func (s *Store) Identity(ctx context.Context, source, subject string) (store.Identity, error) {
	if !storable(source) || !storable(subject) {
		return store.Identity{}, errs.New(errs.NotFound, "there is no such identity")
	}
	row, err := s.identityRow(ctx, s.read.NewSelect().Where("t.source = ? AND t.subject = ?", source, subject))
	if err != nil {
		return store.Identity{}, err
	}
	return row.record()
}

// IdentityOf returns the identity of a user, or NotFound.
func (s *Store) IdentityOf(ctx context.Context, userID int64) (store.Identity, error) {
	row, err := s.identityRow(ctx, s.read.NewSelect().Where("t.user_id = ?", userID))
	if err != nil {
		return store.Identity{}, err
	}
	return row.record()
}

// UpdateIdentity runs fn on the stored identity and stores what fn made of it. NotFound: the user has none.
func (s *Store) UpdateIdentity(ctx context.Context, userID int64, fn func(*store.Identity) error) (after store.Identity, err error) {
	err = s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		before, err := s.identityRow(ctx, s.locked(tx.NewSelect()).Where("t.user_id = ?", userID))
		if err != nil {
			return err
		}
		if after, err = before.record(); err != nil {
			return err
		}
		if err := fn(&after); err != nil {
			return err
		}
		after.UserID, after.Source, after.Subject = before.UserID, before.Source, before.Subject
		row, err := newIdentityRow(after)
		if err != nil {
			return err
		}
		row.ID = before.ID
		_, err = tx.NewUpdate().Model(&row).WherePK().Exec(ctx)
		return err
	})
	if err != nil {
		return store.Identity{}, s.failed("changing an identity", err)
	}
	return after, nil
}
