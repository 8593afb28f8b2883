package auth

import (
	"context"
	"crypto"
	"time"

	"github.com/sealock/sealock/internal/errs"
)

// ClaimSet is what an access token says (distribution token specification, "Claim Set"). Audience is one string and
// the times are whole seconds, because registries up to 2.8 refuse anything else.
type ClaimSet struct {
	Issuer    string
	Subject   string // "" for anonymous
	Audience  string // the service that the token is for
	ExpiresAt time.Time
	NotBefore time.Time
	IssuedAt  time.Time
	JTI       string
	Access    Scope
	Via       string // the credential that the token ends with; "" for none
}

// Issued returns when the token was issued, more exactly than whole seconds where its id says it, and never too early.
func (c ClaimSet) Issued() time.Time {
	if at, ok := JTITime(c.JTI); ok && at.Truncate(time.Second).Equal(c.IssuedAt) {
		return at.Add(time.Millisecond)
	}
	return c.IssuedAt.Add(time.Second)
}

// Header says which key reference a signed token carries, because registries differ in what they look up
// (protocol.md section 2).
type Header string

// The forms of a token's header.
const (
	// HeaderX5C sends the leaf certificate: for registries with a rootcertbundle (2.8, 3.x). Leaf keys may rotate freely.
	HeaderX5C Header = "x5c"
	// HeaderKeyID sends the kid alone: for registries 3.x with a jwks file, which refuse any x5c.
	HeaderKeyID Header = "kid"
)

// Signer makes access tokens.
type Signer interface {
	Sign(ctx context.Context, c ClaimSet, h Header) (string, error)
	// PublicKeys lists the keys whose tokens may be in use now or next.
	PublicKeys(ctx context.Context) ([]PublicKey, error)
}

// PublicKey is a key that verifies tokens.
type PublicKey struct {
	ID        string // libtrust fingerprint: SHA-256 of the SubjectPublicKeyInfo, 240 bits in base32
	Algorithm string // JWS alg: ES256, RS256 or EdDSA
	Key       crypto.PublicKey
}

// Verifier checks access tokens that this server issued.
//
// Errors that a caller must tell apart: [ErrInvalidToken]. Any other means that no answer could be given.
type Verifier interface {
	Verify(ctx context.Context, token, service string) (ClaimSet, error)
}

// LateVerifier checks access tokens that may have ended a while ago, and are as they should be in all other ways.
type LateVerifier interface {
	// VerifyLate is Verifier's Verify for a token that ended no longer ago than late.
	VerifyLate(ctx context.Context, token, service string, late time.Duration) (ClaimSet, error)
}

// ErrInvalidToken says that an access token is malformed, expired, revoked, of another issuer or for another service.
var ErrInvalidToken = errs.New(errs.Unauthenticated, "the access token is not valid (any more)").
	WithHint("ask the token end-point for a new one, or run docker login again").WithCode("invalid_token")

// Minter makes short-lived access tokens for sealock's own requests to an upstream registry.
type Minter interface {
	Mint(ctx context.Context, access Scope) (string, error)
}
