package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// maxScope is how long the scope of a personal access token may be, as JSON.
const maxScope = 8000

type personalRow struct {
	bun.BaseModel `bun:"table:personal_access_tokens,alias:t"`

	Seq          int64  `bun:"seq,pk,autoincrement"`
	ID           string `bun:"id"`
	UserID       int64  `bun:"user_id"`
	Name         string `bun:"name"`
	NameKey      string `bun:"name_key"`
	SecretHash   []byte `bun:"secret_hash"`
	Scope        string `bun:"scope"` // JSON; "" is all that the user may
	CreatedAt    int64  `bun:"created_at"`
	ExpiresAt    int64  `bun:"expires_at"`   // 0: never
	LastUsedAt   int64  `bun:"last_used_at"` // 0: not yet
	LastUsedFrom string `bun:"last_used_from"`
	UserName     string `bun:"user_name,scanonly"`
}

func newPersonalRow(t store.PersonalAccessToken) (personalRow, error) {
	r := personalRow{
		ID: t.ID, UserID: t.UserID, Name: t.Name, NameKey: store.NameKey(t.Name), SecretHash: t.SecretHash, CreatedAt: toMicros(t.CreatedAt),
		ExpiresAt: perhapsMicros(t.ExpiresAt), LastUsedAt: perhapsMicros(t.LastUsedAt), LastUsedFrom: t.LastUsedFrom,
	}
	if t.Scope != nil {
		text, err := json.Marshal(*t.Scope)
		if err != nil {
			return personalRow{}, fmt.Errorf("writing the scope of a personal access token: %w", err)
		}
		r.Scope = string(text)
	}
	return r, r.check()
}

func (r personalRow) check() error {
	if r.ID == "" || len(r.SecretHash) == 0 {
		return errs.New(errs.Invalid, "a personal access token needs an id and a secret")
	}
	if r.Name == "" {
		return errs.New(errs.Invalid, "a personal access token needs a name").WithHint("give one that says what it is for")
	}
	return checkFields(field{"the token's id", r.ID, maxName}, field{"the token's name", r.Name, maxName}, field{"the token's name", r.NameKey, maxName},
		field{"the token's scope", r.Scope, maxScope}, field{"the client's address", r.LastUsedFrom, maxName})
}

// record reads the row. A scope that can't be read is nothing at all, and not everything.
func (r personalRow) record() store.PersonalAccessToken {
	t := store.PersonalAccessToken{
		Seq: r.Seq, ID: r.ID, UserID: r.UserID, UserName: r.UserName, Name: r.Name, SecretHash: r.SecretHash, CreatedAt: fromMicros(r.CreatedAt),
		ExpiresAt: perhapsTime(r.ExpiresAt), LastUsedAt: perhapsTime(r.LastUsedAt), LastUsedFrom: r.LastUsedFrom,
	}
	if r.Scope != "" {
		scope := auth.Permissions{}
		if err := json.Unmarshal([]byte(r.Scope), &scope); err != nil {
			scope = auth.Permissions{}
		}
		t.Scope = &scope
	}
	return t
}

// perhapsMicros and perhapsTime are for times that may be missing.
func perhapsMicros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return toMicros(t)
}

func perhapsTime(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return fromMicros(n)
}

func personalListing() listing[personalRow, store.PersonalAccessToken] {
	return listing[personalRow, store.PersonalAccessToken]{
		table: "personal access tokens",
		id:    column[personalRow]{"t.seq", func(r personalRow) any { return r.Seq }},
		sorts: map[string]column[personalRow]{
			"name":          {"t.name_key", func(r personalRow) any { return r.NameKey }},
			"creation_time": {"t.created_at", func(r personalRow) any { return r.CreatedAt }},
			"last_used":     {"t.last_used_at", func(r personalRow) any { return r.LastUsedAt }},
			"expiry":        {"t.expires_at", func(r personalRow) any { return r.ExpiresAt }},
		},
		filter: filterPersonal,
		columns: func(q *bun.SelectQuery) *bun.SelectQuery {
			return q.ColumnExpr("t.*").ColumnExpr("u.name AS user_name")
		},
		record: personalRow.record,
	}
}

func filterPersonal(q *bun.SelectQuery, f store.Filter) *bun.SelectQuery {
	q = q.Join("JOIN users AS u ON u.id = t.user_id")
	if f.Name != "" {
		q = contains(q, "t.name_key", store.NameKey(f.Name))
	}
	if f.Exact != "" {
		q = q.Where("t.name_key = ?", store.NameKey(f.Exact))
	}
	if f.Subject != "" {
		q = q.Where("u.name_key = ?", store.NameKey(f.Subject))
	}
	if f.MemberID != 0 {
		q = q.Where("t.user_id = ?", f.MemberID)
	}
	return q
}

// CreatePersonalAccessToken stores a new token, and clears away those of its user that have ended when it was made.
// Conflict: the name or the id is taken. Precondition: the user has most of them already. NotFound: the user is gone.
func (s *Store) CreatePersonalAccessToken(ctx context.Context, t store.PersonalAccessToken, most int) (store.PersonalAccessToken, error) {
	t.LastUsedAt, t.LastUsedFrom = time.Time{}, ""
	row, err := newPersonalRow(t)
	if err != nil {
		return store.PersonalAccessToken{}, err
	}
	err = s.inTx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		row.Seq = 0
		if row.UserName, err = s.roomForPersonal(ctx, tx, row, most); err != nil {
			return err
		}
		_, err = tx.NewInsert().Model(&row).Exec(ctx)
		return err
	})
	switch {
	case err == nil:
		s.changes.publish(row.change())
		return row.record(), nil
	case s.dialect.fault(err) == faultDuplicate:
		return store.PersonalAccessToken{}, taken("personal access token", row.Name)
	default:
		return store.PersonalAccessToken{}, s.failed("creating a personal access token", err)
	}
}

// roomForPersonal sees that the row's user may have one more, and returns its name. The user is locked meanwhile: two at
// once must not both be the last one.
func (s *Store) roomForPersonal(ctx context.Context, tx bun.Tx, row personalRow, most int) (user string, err error) {
	owner, err := s.userRow(ctx, s.locked(tx.NewSelect()), row.UserID)
	if err != nil {
		return "", err
	}
	if _, err := tx.NewDelete().Model((*personalRow)(nil)).
		Where("user_id = ? AND expires_at <> 0 AND expires_at <= ?", row.UserID, row.CreatedAt).Exec(ctx); err != nil {
		return "", err
	}
	n, err := tx.NewSelect().Model((*personalRow)(nil)).Where("t.user_id = ?", row.UserID).Count(ctx)
	if err == nil && int(n) >= most {
		err = errs.New(errs.Precondition, "user %q has %d personal access tokens already", owner.Name, n).WithHint("revoke one that is not needed any more")
	}
	return owner.Name, err
}

func (r personalRow) change() store.Change {
	return store.Change{Kind: store.PersonalAccessTokenChanged, UserID: r.UserID, Token: r.ID}
}

// PersonalAccessToken returns the token with the id, or NotFound. Whether it is still alive is for the caller to see.
func (s *Store) PersonalAccessToken(ctx context.Context, id string) (store.PersonalAccessToken, error) {
	if !storable(id) {
		return store.PersonalAccessToken{}, notFound("personal access token", id)
	}
	var r personalRow
	err := s.hot.personalToken.QueryRowContext(ctx, id).Scan(&r.Seq, &r.ID, &r.UserID, &r.Name, &r.SecretHash, &r.Scope, &r.CreatedAt,
		&r.ExpiresAt, &r.LastUsedAt, &r.LastUsedFrom, &r.UserName)
	if errors.Is(err, sql.ErrNoRows) {
		return store.PersonalAccessToken{}, notFound("personal access token", id)
	}
	if err != nil {
		return store.PersonalAccessToken{}, s.failed("reading a personal access token", err)
	}
	return r.record(), nil
}

// ListPersonalAccessTokens lists tokens in the order of their making, or sorted by name, creation_time, last_used or
// expiry (those that never end first).
func (s *Store) ListPersonalAccessTokens(ctx context.Context, f store.Filter) iter.Seq2[store.PersonalAccessToken, error] {
	return personalListing().all(ctx, s, f)
}

// CountPersonalAccessTokens counts the tokens that the filter lets through, whatever its page.
func (s *Store) CountPersonalAccessTokens(ctx context.Context, f store.Filter) (int, error) {
	return personalListing().count(ctx, s, f)
}

// TouchPersonalAccessToken notes a use; an earlier one never replaces a later one. NotFound: no such token.
func (s *Store) TouchPersonalAccessToken(ctx context.Context, id string, at time.Time, from string) error {
	if !storable(id) {
		return notFound("personal access token", id)
	}
	if err := checkFields(field{"the client's address", from, maxName}); err != nil {
		return err
	}
	res, err := s.hot.touchPersonal.ExecContext(ctx, toMicros(at), from, id, toMicros(at))
	if err != nil {
		return s.failed("noting the use of a personal access token", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		return s.failed("noting the use of a personal access token", err)
	}
	_, err = s.PersonalAccessToken(ctx, id) // gone, or used later than that
	return err
}

// DeletePersonalAccessToken drops a token together with the refresh tokens that came from it, or returns NotFound.
func (s *Store) DeletePersonalAccessToken(ctx context.Context, id string) error {
	t, err := s.PersonalAccessToken(ctx, id)
	if err != nil {
		return err
	}
	err = s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		n, err := s.deleted(tx.NewDelete().Model((*personalRow)(nil)).Where("id = ?", id).Exec(ctx))
		if err == nil && n == 0 {
			return notFound("personal access token", id) // another was faster
		}
		if err == nil {
			_, err = tx.NewDelete().Model((*tokenRow)(nil)).Where("via = ?", t.Via()).Exec(ctx)
		}
		return err
	})
	if err != nil {
		return s.failed("deleting a personal access token", err)
	}
	s.changes.publish(store.Change{Kind: store.PersonalAccessTokenChanged, UserID: t.UserID, Token: id})
	return nil
}
