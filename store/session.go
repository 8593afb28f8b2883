package store

import (
	"context"
	"iter"
	"time"
)

// Session is somebody who is signed in to the web pages.
type Session struct {
	ID         string // SHA-256 of what the cookie holds, in hex
	UserID     int64
	Subject    string
	Source     string // the user source that vouched for it
	Method     string // with what it proved who it is, as the audit trail names it
	Pending    string // what has to be passed before the session counts; "" when it does
	Remote     string
	UserAgent  string
	CreatedAt  time.Time
	LastSeenAt time.Time
	IdleExpiry time.Duration // it dies when it is not used for so long
	ExpiresAt  time.Time     // and in any case then

	// UserAsOf is when the user's record was last changed as it was authenticated; it is not kept. Zero: not known.
	UserAsOf time.Time
}

// AliveAt reports whether the session is neither over nor forgotten.
func (s Session) AliveAt(t time.Time) bool {
	return t.Before(s.ExpiresAt) && t.Before(s.LastSeenAt.Add(s.IdleExpiry))
}

// Sessions keeps sessions. They end with their user.
type Sessions interface {
	// CreateSession keeps a new session. Conflict: the id is taken, or the user is not as it was at s.UserAsOf.
	CreateSession(ctx context.Context, s Session) error
	// Session returns the session with the id, dead or alive.
	Session(ctx context.Context, id string) (Session, error)
	// ListSessions lists sessions, of the user MemberID if that is set, in the order of their making.
	ListSessions(ctx context.Context, f Filter) iter.Seq2[Session, error]
	// TouchSession notes a use. An earlier use never replaces a later one.
	TouchSession(ctx context.Context, id string, at time.Time) error
	DeleteSession(ctx context.Context, id string) error
	// DeleteSessionsOf drops all sessions of a user but the one with the id except ("": all). It returns how many.
	DeleteSessionsOf(ctx context.Context, userID int64, except string) (int, error)
}
