package store

import (
	"context"
	"time"
)

// Identity is who a user is at the provider that vouches for it. A name may pass to another person there; the subject
// never does.
type Identity struct {
	UserID    int64
	Source    string   // the user source
	Subject   string   // the issuer and its sub
	Groups    []string // as the provider said last
	SysAdmin  bool     // by the provider's word
	Renewal   []byte   // what the provider is asked again with, sealed; none: it can't be asked
	Ended     bool     // the provider did not know the person any more when it was asked
	LoginAt   time.Time
	CheckedAt time.Time // when the provider was last asked
}

// Identities keeps identities. They end with their user.
type Identities interface {
	// PutIdentity keeps what a provider says at a login. Conflict: the user is somebody else there, or the subject is
	// another user here.
	PutIdentity(ctx context.Context, i Identity) error
	// Identity returns the identity of a subject of a source.
	Identity(ctx context.Context, source, subject string) (Identity, error)
	// IdentityOf returns the identity of a user.
	IdentityOf(ctx context.Context, userID int64) (Identity, error)
	// UpdateIdentity runs fn on the stored identity inside a transaction and stores what fn made of it. Whose it is
	// stays as it was.
	UpdateIdentity(ctx context.Context, userID int64, fn func(*Identity) error) (Identity, error)
}
