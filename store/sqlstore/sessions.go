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

type sessionRow struct {
	bun.BaseModel `bun:"table:sessions,alias:t"`

	Seq        int64  `bun:"seq,pk,autoincrement"`
	ID         string `bun:"id"`
	UserID     int64  `bun:"user_id"`
	Subject    string `bun:"subject"`
	Source     string `bun:"source"`
	Method     string `bun:"method"`
	Pending    string `bun:"pending"`
	Remote     string `bun:"remote"`
	UserAgent  string `bun:"user_agent"`
	CreatedAt  int64  `bun:"created_at"`
	LastSeenAt int64  `bun:"last_seen_at"`
	IdleExpiry int64  `bun:"idle_expiry"` // microseconds
	ExpiresAt  int64  `bun:"expires_at"`
}

func newSessionRow(s store.Session) sessionRow {
	return sessionRow{
		ID: s.ID, UserID: s.UserID, Subject: s.Subject, Source: s.Source, Method: s.Method, Pending: s.Pending,
		Remote: s.Remote, UserAgent: s.UserAgent, CreatedAt: toMicros(s.CreatedAt), LastSeenAt: toMicros(s.LastSeenAt),
		IdleExpiry: s.IdleExpiry.Microseconds(), ExpiresAt: toMicros(s.ExpiresAt),
	}
}

func (r sessionRow) record() store.Session {
	return store.Session{
		ID: r.ID, UserID: r.UserID, Subject: r.Subject, Source: r.Source, Method: r.Method, Pending: r.Pending,
		Remote: r.Remote, UserAgent: r.UserAgent, CreatedAt: fromMicros(r.CreatedAt), LastSeenAt: fromMicros(r.LastSeenAt),
		IdleExpiry: time.Duration(r.IdleExpiry) * time.Microsecond, ExpiresAt: fromMicros(r.ExpiresAt),
	}
}

func (r sessionRow) check() error {
	if r.ID == "" || r.UserID == 0 || r.Subject == "" {
		return errs.New(errs.Invalid, "a session needs an id and a user")
	}
	return checkFields(field{"the session's id", r.ID, maxName}, field{"the session's subject", r.Subject, maxName},
		field{"the session's source", r.Source, maxName}, field{"the session's method", r.Method, maxName},
		field{"what the session waits for", r.Pending, maxName}, field{"the client's address", r.Remote, maxName},
		field{"the client's name", r.UserAgent, maxName})
}

func sessionListing() listing[sessionRow, store.Session] {
	return listing[sessionRow, store.Session]{
		table: "sessions",
		id:    column[sessionRow]{"t.seq", func(r sessionRow) any { return r.Seq }},
		filter: func(q *bun.SelectQuery, f store.Filter) *bun.SelectQuery {
			if f.MemberID != 0 {
				q = q.Where("t.user_id = ?", f.MemberID)
			}
			return q
		},
		record: sessionRow.record,
	}
}

// CreateSession stores a session. Conflict: the id is taken, or the user was changed since it was authenticated.
// NotFound: the user is gone. Invalid: id or user is missing.
func (s *Store) CreateSession(ctx context.Context, session store.Session) error {
	row := newSessionRow(session)
	if err := row.check(); err != nil {
		return err
	}
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := s.unchanged(ctx, tx, session.Subject, session.UserID, session.UserAsOf); err != nil {
			return err
		}
		_, err := tx.NewInsert().Model(&row).Exec(ctx)
		return err
	})
	switch {
	case err == nil || errs.Is(err, errs.Conflict):
		return err
	case s.dialect.fault(err) == faultDuplicate:
		return taken("session", row.ID[:min(8, len(row.ID))])
	case s.dialect.fault(err) == faultReference:
		return notFound("user", row.Subject)
	default:
		return s.failed("creating a session", err)
	}
}

// Session returns the session with the id, or NotFound. Whether it is still alive is for the caller to see.
func (s *Store) Session(ctx context.Context, id string) (store.Session, error) {
	if !storable(id) {
		return store.Session{}, errNoSession()
	}
	var row sessionRow
	err := s.read.NewSelect().Model(&row).Where("t.id = ?", id).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return store.Session{}, errNoSession()
	}
	if err != nil {
		return store.Session{}, s.failed("reading a session", err)
	}
	return row.record(), nil
}

func errNoSession() error { return errs.New(errs.NotFound, "there is no such session") }

// ListSessions lists sessions in the order of their making.
func (s *Store) ListSessions(ctx context.Context, f store.Filter) iter.Seq2[store.Session, error] {
	return sessionListing().all(ctx, s, f)
}

// TouchSession notes a use; an earlier one never replaces a later one. NotFound: no such session.
func (s *Store) TouchSession(ctx context.Context, id string, at time.Time) error {
	if !storable(id) {
		return errNoSession()
	}
	n, err := s.deleted(s.write.NewUpdate().Model((*sessionRow)(nil)).Set("last_seen_at = ?", toMicros(at)).
		Where("id = ?", id).Where("last_seen_at < ?", toMicros(at)).Exec(ctx))
	if err != nil || n == 1 {
		return s.failed("noting the use of a session", err)
	}
	_, err = s.Session(ctx, id) // gone, or used later than that
	return err
}

// DeleteSession ends a session, or returns NotFound.
func (s *Store) DeleteSession(ctx context.Context, id string) error {
	if !storable(id) {
		return errNoSession()
	}
	n, err := s.deleted(s.write.NewDelete().Model((*sessionRow)(nil)).Where("id = ?", id).Exec(ctx))
	if err == nil && n == 0 {
		return errNoSession()
	}
	return s.failed("ending a session", err)
}

// DeleteSessionsOf ends the sessions of a user but one, and returns how many.
func (s *Store) DeleteSessionsOf(ctx context.Context, userID int64, except string) (int, error) {
	n, err := s.deleted(s.write.NewDelete().Model((*sessionRow)(nil)).Where("user_id = ?", userID).Where("id <> ?", except).Exec(ctx))
	return n, s.failed("ending sessions", err)
}
