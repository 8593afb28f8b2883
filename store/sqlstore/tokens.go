package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"time"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

type tokenRow struct {
	bun.BaseModel `bun:"table:refresh_tokens,alias:t"`

	Seq        int64  `bun:"seq,pk,autoincrement"`
	ID         string `bun:"id"`
	SecretHash []byte `bun:"secret_hash"`
	Subject    string `bun:"subject"`
	SubjectKey string `bun:"subject_key"`
	UserID     int64  `bun:"user_id,nullzero"`
	Via        string `bun:"via"`
	Service    string `bun:"service"`
	ClientID   string `bun:"client_id"`
	Remote     string `bun:"remote"`
	CreatedAt  int64  `bun:"created_at"`
	LastUsedAt int64  `bun:"last_used_at"`
	IdleExpiry int64  `bun:"idle_expiry"` // microseconds
	ExpiresAt  int64  `bun:"expires_at"`
}

type revokedRow struct {
	bun.BaseModel `bun:"table:revoked_tokens,alias:t"`

	JTI       string `bun:"jti,pk"`
	ExpiresAt int64  `bun:"expires_at"`
}

func newTokenRow(t store.RefreshToken) tokenRow {
	return tokenRow{
		ID: t.ID, SecretHash: t.SecretHash, Subject: t.Subject, SubjectKey: store.NameKey(t.Subject), UserID: t.UserID,
		Via: t.Via, Service: t.Service, ClientID: t.ClientID, Remote: t.Remote, CreatedAt: toMicros(t.CreatedAt),
		LastUsedAt: toMicros(t.LastUsedAt), IdleExpiry: t.IdleExpiry.Microseconds(), ExpiresAt: toMicros(t.ExpiresAt),
	}
}

func (r tokenRow) record() store.RefreshToken {
	return store.RefreshToken{
		ID: r.ID, SecretHash: r.SecretHash, Subject: r.Subject, UserID: r.UserID, Via: r.Via, Service: r.Service, ClientID: r.ClientID,
		Remote: r.Remote, CreatedAt: fromMicros(r.CreatedAt), LastUsedAt: fromMicros(r.LastUsedAt),
		IdleExpiry: time.Duration(r.IdleExpiry) * time.Microsecond, ExpiresAt: fromMicros(r.ExpiresAt),
	}
}

func (r tokenRow) check() error {
	if r.ID == "" || len(r.SecretHash) == 0 || r.Subject == "" {
		return errs.New(errs.Invalid, "a refresh token needs an id, a secret and a subject")
	}
	return checkFields(field{"the token's id", r.ID, maxName}, field{"the token's subject", r.Subject, maxName},
		field{"the token's subject", r.SubjectKey, maxName}, field{"the token's service", r.Service, maxName},
		field{"the token's credential", r.Via, maxName}, field{"the client's id", r.ClientID, maxName}, field{"the client's address", r.Remote, maxName})
}

func tokenListing() listing[tokenRow, store.RefreshToken] {
	return listing[tokenRow, store.RefreshToken]{
		table: "refresh tokens",
		id:    column[tokenRow]{"t.seq", func(r tokenRow) any { return r.Seq }},
		sorts: map[string]column[tokenRow]{
			"creation_time": {"t.created_at", func(r tokenRow) any { return r.CreatedAt }},
			"last_used":     {"t.last_used_at", func(r tokenRow) any { return r.LastUsedAt }},
			"expiry":        {"t.expires_at", func(r tokenRow) any { return r.ExpiresAt }},
		},
		filter: func(q *bun.SelectQuery, f store.Filter) *bun.SelectQuery {
			if f.Subject != "" {
				q = q.Where("t.subject_key = ?", store.NameKey(f.Subject))
			}
			if f.MemberID != 0 {
				q = q.Where("t.user_id = ?", f.MemberID)
			}
			return q
		},
		record: tokenRow.record,
	}
}

// CreateRefreshToken stores a refresh token. Conflict: the id is taken. NotFound: the user is gone. Invalid: id,
// secret or subject is missing.
func (s *Store) CreateRefreshToken(ctx context.Context, t store.RefreshToken) error {
	row := newTokenRow(t)
	if err := row.check(); err != nil {
		return err
	}
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := s.unchanged(ctx, tx, t.Subject, t.UserID, t.UserAsOf); err != nil {
			return err
		}
		_, err := tx.NewInsert().Model(&row).Exec(ctx)
		return err
	})
	switch {
	case err == nil || errs.Is(err, errs.Conflict):
		return err
	case s.dialect.fault(err) == faultDuplicate:
		return taken("refresh token", row.ID)
	case s.dialect.fault(err) == faultReference:
		return notFound("user", row.Subject)
	default:
		return s.failed("creating a refresh token", err)
	}
}

// unchanged returns a Conflict if a user is not as it was when it was authenticated: tokens and sessions of before are
// dropped with a password, and none may slip in after that.
func (s *Store) unchanged(ctx context.Context, tx bun.Tx, subject string, userID int64, asOf time.Time) error {
	if userID == 0 || asOf.IsZero() {
		return nil
	}
	var changed int64
	err := s.locked(tx.NewSelect().Model((*userRow)(nil)).Column("updated_at").Where("id = ?", userID)).Scan(ctx, &changed)
	if errors.Is(err, sql.ErrNoRows) || err == nil && changed != toMicros(asOf) {
		return errs.New(errs.Conflict, "user %q was changed meanwhile", subject).WithHint("log in again")
	}
	return err
}

// RefreshToken returns the refresh token with the id, or NotFound. Whether it is still alive is for the caller to see.
func (s *Store) RefreshToken(ctx context.Context, id string) (store.RefreshToken, error) {
	if !storable(id) {
		return store.RefreshToken{}, notFound("refresh token", id)
	}
	var r tokenRow
	var userID sql.NullInt64
	err := s.hot.refreshToken.QueryRowContext(ctx, id).Scan(&r.Seq, &r.ID, &r.SecretHash, &r.Subject, &userID, &r.Via, &r.Service,
		&r.ClientID, &r.Remote, &r.CreatedAt, &r.LastUsedAt, &r.IdleExpiry, &r.ExpiresAt)
	if errors.Is(err, sql.ErrNoRows) {
		return store.RefreshToken{}, notFound("refresh token", id)
	}
	if err != nil {
		return store.RefreshToken{}, s.failed("reading a refresh token", err)
	}
	r.UserID = userID.Int64
	return r.record(), nil
}

// ListRefreshTokens lists refresh tokens in the order of their making, or sorted by creation_time, last_used or expiry.
func (s *Store) ListRefreshTokens(ctx context.Context, f store.Filter) iter.Seq2[store.RefreshToken, error] {
	return tokenListing().all(ctx, s, f)
}

// CountRefreshTokens counts the refresh tokens that the filter lets through, whatever its page.
func (s *Store) CountRefreshTokens(ctx context.Context, f store.Filter) (int, error) {
	return tokenListing().count(ctx, s, f)
}

// TouchRefreshToken notes a use; an earlier one never replaces a later one. NotFound: no such token.
func (s *Store) TouchRefreshToken(ctx context.Context, id string, at time.Time) error {
	if !storable(id) {
		return notFound("refresh token", id)
	}
	res, err := s.hot.touchToken.ExecContext(ctx, toMicros(at), id, toMicros(at))
	if err != nil {
		return s.failed("noting the use of a refresh token", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		return s.failed("noting the use of a refresh token", err)
	}
	_, err = s.RefreshToken(ctx, id) // gone, or used later than that
	return err
}

// DeleteRefreshToken drops a refresh token, or returns NotFound.
func (s *Store) DeleteRefreshToken(ctx context.Context, id string) error {
	if !storable(id) {
		return notFound("refresh token", id)
	}
	n, err := s.deleted(s.write.NewDelete().Model((*tokenRow)(nil)).Where("id = ?", id).Exec(ctx))
	if err != nil {
		return s.failed("deleting a refresh token", err)
	}
	if n == 0 {
		return notFound("refresh token", id)
	}
	return nil
}

// DeleteRefreshTokensOf drops all refresh tokens of a subject, without regard to case, and returns how many.
func (s *Store) DeleteRefreshTokensOf(ctx context.Context, subject string) (int, error) {
	if !storable(subject) {
		return 0, nil
	}
	n, err := s.deleted(s.write.NewDelete().Model((*tokenRow)(nil)).Where("subject_key = ?", store.NameKey(subject)).Exec(ctx))
	return n, s.failed("deleting refresh tokens", err)
}

// DropExpiredTokens forgets refresh tokens, revocations, sessions and device codes that are past their end, and returns
// how many.
func (s *Store) DropExpiredTokens(ctx context.Context, now time.Time) (int, error) {
	at := toMicros(now)
	total := 0
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		n, err := s.deleted(tx.NewDelete().Model((*tokenRow)(nil)).
			Where("expires_at <= ? OR last_used_at + idle_expiry <= ?", at, at).Exec(ctx))
		if err != nil {
			return err
		}
		total = n
		for _, model := range []any{(*revokedRow)(nil), (*deviceRow)(nil)} {
			m, err := s.deleted(tx.NewDelete().Model(model).Where("expires_at <= ?", at).Exec(ctx))
			if err != nil {
				return err
			}
			total += m
		}
		k, err := s.deleted(tx.NewDelete().Model((*sessionRow)(nil)).
			Where("expires_at <= ? OR last_seen_at + idle_expiry <= ?", at, at).Exec(ctx))
		total += k
		return err
	})
	if err != nil {
		return 0, s.failed("dropping expired tokens", err)
	}
	return total, nil
}

func (s *Store) deleted(res sql.Result, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	return int(n), err
}

// RevokeToken notes that an access token must not be accepted any more. Revoking it again is no error.
func (s *Store) RevokeToken(ctx context.Context, t store.RevokedToken) error {
	if t.JTI == "" {
		return errs.New(errs.Invalid, "a revoked token needs an id")
	}
	if err := checkFields(field{"the token's id", t.JTI, maxName}); err != nil {
		return err
	}
	row := revokedRow{JTI: t.JTI, ExpiresAt: toMicros(t.ExpiresAt)}
	err := s.again(ctx, func() error {
		_, err := s.write.NewInsert().Model(&row).Exec(ctx)
		return err
	})
	if s.dialect.fault(err) == faultDuplicate {
		return nil
	}
	return s.failed("revoking a token", err)
}

// RevokedTokens lists the revoked tokens that end after now.
func (s *Store) RevokedTokens(ctx context.Context, now time.Time) iter.Seq2[store.RevokedToken, error] {
	return listing[revokedRow, store.RevokedToken]{
		table: "revoked tokens",
		id:    column[revokedRow]{"t.jti", func(r revokedRow) any { return r.JTI }},
		filter: func(q *bun.SelectQuery, _ store.Filter) *bun.SelectQuery {
			return q.Where("t.expires_at > ?", toMicros(now))
		},
		record: func(r revokedRow) store.RevokedToken {
			return store.RevokedToken{JTI: r.JTI, ExpiresAt: fromMicros(r.ExpiresAt)}
		},
	}.all(ctx, s, store.Filter{})
}
