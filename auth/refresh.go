package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"iter"
	"strings"
	"time"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
)

// RefreshToken is a refresh token as it is kept: the secret itself is known to its holder only.
type RefreshToken struct {
	ID         string // public part, shown in lists
	SecretHash []byte // SHA-256 of the secret; no slow hash is needed for 256 random bits
	Subject    string // the subject's name
	UserID     int64  // 0 where the user source is not the store
	Via        string // the credential that it came from and ends with; "" for a password
	Service    string // the only service that it mints access tokens for
	ClientID   string // what the client called itself
	Remote     string // the address it was issued to
	CreatedAt  time.Time
	LastUsedAt time.Time
	IdleExpiry time.Duration // unused for so long, it is dead
	ExpiresAt  time.Time     // dead from then on, used or not

	// UserAsOf is which state of the user was authenticated; it is not kept. A store makes no token for a user that has
	// changed since (Conflict): it would survive the change of a password.
	UserAsOf time.Time
}

// Alive reports whether the token may still be used.
func (t RefreshToken) Alive(now time.Time) bool {
	return now.Before(t.ExpiresAt) && now.Before(t.LastUsedAt.Add(t.IdleExpiry))
}

// RevokedToken is an access token that must not be accepted any more; it can be forgotten after ExpiresAt.
type RevokedToken struct {
	JTI       string
	ExpiresAt time.Time
}

// RefreshTokens keeps refresh tokens. An unknown id gives an error of the kind NotFound.
type RefreshTokens interface {
	CreateRefreshToken(ctx context.Context, t RefreshToken) error
	RefreshToken(ctx context.Context, id string) (RefreshToken, error)
	TouchRefreshToken(ctx context.Context, id string, at time.Time) error
	DeleteRefreshToken(ctx context.Context, id string) error
}

// Revocations keeps access tokens that were revoked before their end.
type Revocations interface {
	RevokeToken(ctx context.Context, t RevokedToken) error
	RevokedTokens(ctx context.Context, now time.Time) iter.Seq2[RevokedToken, error]
}

// refreshPrefix makes a leaked refresh token recognisable to people and secret scanners.
const refreshPrefix = "sealock_rt_"

// errInvalidGrant is the one answer for a refresh token that is unknown, expired, revoked or another service's
// (RFC 6749 section 5.2).
var errInvalidGrant = errs.New(errs.Unauthenticated, "the refresh token is unknown, expired, revoked or for another service").
	WithHint("run docker login again").WithCode("invalid_grant")

// newRefreshSecret makes the public id and the secret of a refresh token.
func newRefreshSecret() (id string, key secret.Text) {
	var b [42]byte
	rand.Read(b[:]) // crypto/rand never fails (Go 1.24)
	id = strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:10]))
	return id, secret.New(base64.RawURLEncoding.EncodeToString(b[10:]))
}

// joinRefresh returns what the client holds.
func joinRefresh(id string, key secret.Text) secret.Text {
	return secret.New(refreshPrefix + id + "_" + key.Reveal())
}

// splitRefresh reads what a client presents.
func splitRefresh(t secret.Text) (id string, key secret.Text, ok bool) {
	rest, ok := strings.CutPrefix(t.Reveal(), refreshPrefix)
	id, k, ok2 := strings.Cut(rest, "_")
	if !ok || !ok2 || len(id) != 16 || len(k) != 43 {
		return "", secret.Text{}, false
	}
	return id, secret.New(k), true
}

// RefreshTokenID returns the public part of what is presented as an id: of a whole refresh token, its id alone.
func RefreshTokenID(s string) string {
	rest, whole := strings.CutPrefix(s, refreshPrefix)
	if !whole {
		return s
	}
	id, _, _ := strings.Cut(rest, "_")
	return id
}

func hashSecret(t secret.Text) []byte {
	h := sha256.Sum256([]byte(t.Reveal()))
	return h[:]
}

// findRefresh returns the live refresh token that a client presents, or errInvalidGrant.
func findRefresh(ctx context.Context, tokens RefreshTokens, presented secret.Text, now time.Time) (RefreshToken, error) {
	id, key, ok := splitRefresh(presented)
	if !ok {
		return RefreshToken{}, errInvalidGrant
	}
	t, err := tokens.RefreshToken(ctx, id)
	if errs.Is(err, errs.NotFound) {
		return RefreshToken{}, errInvalidGrant
	}
	if err != nil {
		return RefreshToken{}, err
	}
	if subtle.ConstantTimeCompare(t.SecretHash, hashSecret(key)) != 1 || !t.Alive(now) {
		return RefreshToken{}, errInvalidGrant
	}
	return t, nil
}
