package auth

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/maypok86/otter/v2"

	"github.com/sealock/sealock/internal/errs"
)

// MaxTokenLength is how long a token may get, in bytes: the buffers of common proxies refuse longer headers
// (protocol.md, finding 16).
const MaxTokenLength = 8 << 10

// verifyLeeway allows for clocks that differ between replicas.
const verifyLeeway = 10 * time.Second

// Tokens signs and verifies access tokens with the keys of a ring.
type Tokens struct {
	ring    *KeyRing
	issuer  string
	now     func() time.Time
	revoked *revokedSet
	seen    *otter.Cache[[sha256.Size]byte, ClaimSet]
	parser  *jwt.Parser

	late       time.Duration // how long after its end a token may count
	lateParser *jwt.Parser
}

// NewTokens returns a signer and verifier for tokens of the issuer.
func NewTokens(ring *KeyRing, issuer string, now func() time.Time) *Tokens {
	t := &Tokens{
		ring: ring, issuer: issuer, now: now,
		revoked: &revokedSet{until: map[string]time.Time{}},
		seen:    otter.Must(&otter.Options[[sha256.Size]byte, ClaimSet]{MaximumSize: 10_000}),
		parser:  newParser(issuer, verifyLeeway, now),
	}
	return t.WithLate(0)
}

// WithLate lets VerifyLate accept tokens that ended no longer ago than this. What is revoked is remembered for as long.
func (t *Tokens) WithLate(late time.Duration) *Tokens {
	t.late, t.lateParser = late, newParser(t.issuer, late+verifyLeeway, t.now)
	return t
}

func newParser(issuer string, leeway time.Duration, now func() time.Time) *jwt.Parser {
	return jwt.NewParser(
		jwt.WithValidMethods([]string{ES256, RS256, EdDSA}),
		jwt.WithIssuer(issuer),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(leeway),
		jwt.WithTimeFunc(now),
	)
}

// wireClaims is a ClaimSet as JSON: aud a string and times integers, as registries up to 2.8 insist.
type wireClaims struct {
	Issuer    string `json:"iss"`
	Subject   string `json:"sub"`
	Audience  string `json:"aud"`
	ExpiresAt int64  `json:"exp"`
	NotBefore int64  `json:"nbf"`
	IssuedAt  int64  `json:"iat"`
	JTI       string `json:"jti"`
	Access    Scope  `json:"access"`
	Via       string `json:"via,omitempty"` // ours alone: registries pass over what they do not know
}

// The methods of jwt.Claims, so that the library checks times, issuer and audience.

func (c *wireClaims) GetExpirationTime() (*jwt.NumericDate, error) {
	return numericDate(c.ExpiresAt), nil
}

func (c *wireClaims) GetIssuedAt() (*jwt.NumericDate, error) { return numericDate(c.IssuedAt), nil }

func (c *wireClaims) GetNotBefore() (*jwt.NumericDate, error) { return numericDate(c.NotBefore), nil }
func (c *wireClaims) GetIssuer() (string, error)              { return c.Issuer, nil }
func (c *wireClaims) GetSubject() (string, error)             { return c.Subject, nil }
func (c *wireClaims) GetAudience() (jwt.ClaimStrings, error) {
	return jwt.ClaimStrings{c.Audience}, nil
}

func numericDate(seconds int64) *jwt.NumericDate {
	if seconds == 0 {
		return nil
	}
	return jwt.NewNumericDate(time.Unix(seconds, 0))
}

// Sign returns the compact form of a token with the claims, or an [errs.Invalid] error when it gets longer than
// [MaxTokenLength].
func (t *Tokens) Sign(_ context.Context, c ClaimSet, h Header) (string, error) {
	access := c.Access
	if access == nil {
		access = Scope{}
	}
	claims, err := json.Marshal(wireClaims{
		Issuer: c.Issuer, Subject: c.Subject, Audience: c.Audience,
		ExpiresAt: c.ExpiresAt.Unix(), NotBefore: c.NotBefore.Unix(), IssuedAt: c.IssuedAt.Unix(),
		JTI: c.JTI, Access: access, Via: c.Via,
	})
	if err != nil {
		return "", fmt.Errorf("encoding claims: %w", err)
	}
	token, err := t.ring.keys.Load().current.sign(claims, h)
	if err != nil {
		return "", err
	}
	if len(token) > MaxTokenLength {
		return "", errs.New(errs.Invalid, "a token for %d resources is %d bytes long, more than the %d that proxies let through", len(access), len(token), MaxTokenLength).
			WithHint("ask for fewer repositories at once").WithCode("invalid_scope")
	}
	return token, nil
}

// PublicKeys lists the ring's keys.
func (t *Tokens) PublicKeys(ctx context.Context) ([]PublicKey, error) { return t.ring.PublicKeys(ctx) }

// Verify returns the claims of a token that this server issued for the service, or [ErrInvalidToken]. A signature is
// verified once and remembered; expiry and revocation are checked each time.
func (t *Tokens) Verify(_ context.Context, token, service string) (ClaimSet, error) {
	return t.verify(token, service, 0, t.parser)
}

// VerifyLate is Verify for a token that ended no longer ago than late, nor than WithLate lets it.
func (t *Tokens) VerifyLate(_ context.Context, token, service string, late time.Duration) (ClaimSet, error) {
	return t.verify(token, service, min(late, t.late), t.lateParser)
}

func (t *Tokens) verify(token, service string, late time.Duration, parser *jwt.Parser) (ClaimSet, error) {
	if len(token) > MaxTokenLength {
		return ClaimSet{}, ErrInvalidToken.Because(fmt.Errorf("token of %d bytes", len(token)))
	}
	sum := sha256.Sum256([]byte(token))
	claims, ok := t.seen.GetIfPresent(sum)
	if !ok {
		var err error
		if claims, err = t.parse(parser, token); err != nil {
			return ClaimSet{}, err
		}
		if first := t.now().Add(verifyLeeway); claims.NotBefore.After(first) || claims.IssuedAt.After(first) {
			return ClaimSet{}, ErrInvalidToken.Because(fmt.Errorf("good from %s on", claims.NotBefore)) // a late parser forgives it
		}
		t.seen.Set(sum, claims)
	}
	switch {
	case claims.Audience != service:
		return ClaimSet{}, ErrInvalidToken.Because(fmt.Errorf("audience is %q, want %q", claims.Audience, service))
	case t.now().After(claims.ExpiresAt.Add(late + verifyLeeway)):
		return ClaimSet{}, ErrInvalidToken.Because(fmt.Errorf("expired at %s", claims.ExpiresAt))
	case t.revoked.has(claims.JTI):
		return ClaimSet{}, ErrInvalidToken.Because(fmt.Errorf("token %s is revoked", claims.JTI))
	}
	return claims, nil
}

// parse checks form, signature, issuer and times.
func (t *Tokens) parse(parser *jwt.Parser, token string) (ClaimSet, error) {
	var c wireClaims
	if _, err := parser.ParseWithClaims(token, &c, t.key); err != nil {
		return ClaimSet{}, ErrInvalidToken.Because(err)
	}
	return ClaimSet{
		Issuer: c.Issuer, Subject: c.Subject, Audience: c.Audience,
		ExpiresAt: time.Unix(c.ExpiresAt, 0), NotBefore: time.Unix(c.NotBefore, 0), IssuedAt: time.Unix(c.IssuedAt, 0),
		JTI: c.JTI, Access: c.Access, Via: c.Via,
	}, nil
}

// key finds the ring's key that a token names. Keys that a token brings along (x5c, jwk) are never trusted here.
func (t *Tokens) key(token *jwt.Token) (any, error) {
	id, _ := token.Header["kid"].(string)
	key, ok := t.ring.keys.Load().byID[id]
	if !ok {
		return nil, fmt.Errorf("unknown key %q", clip(id))
	}
	if token.Method.Alg() != key.Algorithm {
		return nil, fmt.Errorf("key %s is for %s, not %s", id, key.Algorithm, token.Method.Alg())
	}
	return key.Private.Public(), nil
}

// revokedSet is what must not be accepted although its signature is good.
type revokedSet struct {
	mu    sync.RWMutex
	until map[string]time.Time
}

func (s *revokedSet) has(jti string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, ok := s.until[jti]
	return ok
}

func (s *revokedSet) add(t RevokedToken) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until[t.JTI] = t.ExpiresAt
}

// prune forgets tokens that have ended by themselves.
func (s *revokedSet) prune(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for jti, end := range s.until {
		if now.After(end.Add(2 * verifyLeeway)) {
			delete(s.until, jti)
		}
	}
}

// Revoke makes a token invalid at every door of sealock's from now on. Registries that verify tokens by themselves
// accept it until its end.
func (t *Tokens) Revoke(ctx context.Context, kept Revocations, r RevokedToken) error {
	r.ExpiresAt = r.ExpiresAt.Add(t.late)
	if err := kept.RevokeToken(ctx, r); err != nil {
		return fmt.Errorf("revoking token: %w", err)
	}
	t.revoked.add(r)
	return nil
}

// SyncRevocations takes over what this server or another replica has revoked.
func (t *Tokens) SyncRevocations(ctx context.Context, kept Revocations) error {
	now := t.now()
	for r, err := range kept.RevokedTokens(ctx, now.Add(-2*verifyLeeway)) {
		if err != nil {
			return fmt.Errorf("reading revoked tokens: %w", err)
		}
		t.revoked.add(r)
	}
	t.revoked.prune(now)
	return nil
}
