package auth

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
)

// GrantType is how a client proves who is asking (RFC 6749).
type GrantType string

// The grant types. GrantBasic stands for the GET flow of the registry token specification.
const (
	GrantBasic    GrantType = "basic"
	GrantPassword GrantType = "password"
	GrantRefresh  GrantType = "refresh_token"
	GrantDevice   GrantType = "urn:ietf:params:oauth:grant-type:device_code"    // RFC 8628
	GrantExchange GrantType = "urn:ietf:params:oauth:grant-type:token-exchange" // RFC 8693
)

// APIService is the service of access tokens for sealock's own REST API. Tokens for a registry are not accepted
// there, because whoever runs that registry sees them.
const APIService = "sealock-api"

// Service is a party that access tokens are for: the aud claim.
type Service struct {
	Name   string
	Header Header
}

// IssuerConfig says what tokens look like and how long they live.
type IssuerConfig struct {
	Issuer          string
	Services        []Service
	Life            time.Duration // of an access token, at least MinTokenLife
	RefreshIdle     time.Duration // a refresh token dies when unused for so long
	RefreshAbsolute time.Duration // and in any case after so long
}

// MinTokenLife is the shortest life of an access token: clients take anything shorter for a minute all the same.
const MinTokenLife = time.Minute

// Issuer is the token service: it finds out who is asking, lets the policy narrow what is asked for, signs the
// answer and records the decision.
type Issuer struct {
	cfg      IssuerConfig
	services map[string]Service
	authn    Authenticator
	holders  Holders
	authz    Authorizer
	signer   Signer
	refresh  RefreshTokens
	guesses  Guesses
	trail    audit.Recorder
	now      func() time.Time

	assertions Authenticator
	verifier   Verifier
}

// IssuerDeps is what an Issuer works with.
type IssuerDeps struct {
	Authenticator Authenticator
	Holders       Holders
	Authorizer    Authorizer
	Signer        Signer
	RefreshTokens RefreshTokens
	Guesses       Guesses // nil: nobody counts them
	Trail         audit.Recorder
	Now           func() time.Time

	// Assertions says whom a JWT of another issuer is of that is exchanged; nil: none is trusted.
	Assertions Authenticator
	// Verifier verifies own access tokens that are exchanged; nil: none are.
	Verifier Verifier
}

// Guesses counts secrets that nobody knows for the address that presented them. A [Lockout] is one.
type Guesses interface {
	WrongSecret(ctx context.Context, remote string, presented secret.Text) error
}

// NewIssuer returns the token service.
func NewIssuer(cfg IssuerConfig, d IssuerDeps) *Issuer {
	i := &Issuer{
		cfg: cfg, services: make(map[string]Service, len(cfg.Services)),
		authn: d.Authenticator, holders: d.Holders, authz: d.Authorizer, signer: d.Signer,
		refresh: d.RefreshTokens, guesses: d.Guesses, trail: d.Trail, now: d.Now, assertions: d.Assertions, verifier: d.Verifier,
	}
	for _, s := range cfg.Services {
		i.services[s.Name] = s
	}
	return i
}

// TokenRequest is one request to the token end-point, parsed.
type TokenRequest struct {
	Grant        GrantType
	Credential   *Credential // nil: none was presented
	RefreshToken secret.Text
	DeviceCode   secret.Text
	SubjectToken secret.Text // what is exchanged (RFC 8693)
	Service      string
	Scope        Scope
	Offline      bool // a refresh token is wanted too
	ClientID     string
	Remote       string
	RequestID    string

	device *DeviceCode // the approved one that the request is for; only Devices sets it
}

// TokenAnswer is what the client gets.
type TokenAnswer struct {
	AccessToken  secret.Text
	RefreshToken secret.Text // empty unless asked for and granted
	Scope        Scope       // what was granted
	ExpiresIn    time.Duration
	IssuedAt     time.Time
}

// Issue decides about one request and records the decision before anybody learns of it. A narrowed or empty grant is
// an answer, not an error. Errors are of the kinds Unauthenticated, Invalid, TooMany and Unavailable.
func (i *Issuer) Issue(ctx context.Context, req TokenRequest) (TokenAnswer, error) {
	rec := audit.Record{
		Time: i.now(), RequestID: req.RequestID, Remote: req.Remote, Operation: "token",
		Method: string(req.Grant), Resource: recorded(req.Scope), Outcome: audit.Refused,
	}
	answer, err := i.issue(ctx, req, &rec)
	if err != nil {
		e := errs.As(err)
		rec.Reason = e.Message
		if e.Kind == errs.Internal || e.Kind == errs.Unavailable {
			rec.Outcome = audit.Failed
		}
	}
	if auditErr := i.trail.Record(ctx, rec); auditErr != nil {
		return TokenAnswer{}, errs.New(errs.Unavailable, "the decision can't be recorded").WithHint("try again soon").Because(auditErr)
	}
	return answer, err
}

// maxRecorded is how much of a requested scope the trail keeps, in bytes: strangers decide how long it is.
const maxRecorded = 2 << 10

func recorded(s Scope) string {
	text := s.String()
	if len(text) <= maxRecorded {
		return text
	}
	return fmt.Sprintf("%s… (%d resources)", text[:maxRecorded], len(s))
}

// issue takes the decision and notes in rec what there is to say of it.
func (i *Issuer) issue(ctx context.Context, req TokenRequest, rec *audit.Record) (TokenAnswer, error) {
	service, ok := i.services[req.Service]
	if !ok {
		err := i.unknownService(req.Service)
		if req.Grant == GrantExchange && req.Service != "" {
			err = err.WithCode("invalid_target")
		}
		return TokenAnswer{}, err
	}
	sub, most, err := i.subject(ctx, req, rec)
	if err != nil {
		return TokenAnswer{}, err
	}
	rec.Actor, sub.Remote = sub.Name, req.Remote
	if sub.How != "" && rec.Method != string(GrantRefresh) {
		rec.Method = sub.How
	}
	decision, err := i.decide(ctx, sub, req, service)
	if err != nil {
		return TokenAnswer{}, err
	}
	if most != nil {
		decision = most.narrow(decision)
	}
	claims, err := i.claims(sub, service, decision.Granted)
	if err != nil {
		return TokenAnswer{}, err
	}
	token, err := i.signer.Sign(ctx, claims, service.Header)
	if err != nil {
		return TokenAnswer{}, err
	}
	answer := TokenAnswer{AccessToken: secret.New(token), Scope: claims.Access, ExpiresIn: claims.ExpiresAt.Sub(claims.IssuedAt), IssuedAt: claims.IssuedAt}
	if req.Offline && !sub.Anonymous() {
		if answer.RefreshToken, err = i.refreshToken(ctx, sub, req, rec.Method); err != nil {
			return TokenAnswer{}, err
		}
	}
	rec.JTI, rec.Reason, rec.Outcome = claims.JTI, decision.Reason, audit.Allowed
	if sub.For != "" {
		rec.Reason += "; for " + sub.For
	}
	if !claims.Access.Covers(req.Scope) {
		rec.Outcome = audit.Narrowed
	}
	return answer, nil
}

func (i *Issuer) unknownService(name string) *errs.Error {
	if name == "" {
		return errs.New(errs.Invalid, "the parameter service is missing").
			WithHint("point the registry's auth.token.service at one of %s", i.serviceNames()).WithCode("invalid_request")
	}
	return errs.New(errs.Invalid, "the service %q is not one of this server's", clip(name)).
		WithHint("it knows %s; add others under token.services", i.serviceNames()).WithCode("invalid_request")
}

func (i *Issuer) serviceNames() string {
	names := make([]string, 0, len(i.cfg.Services))
	for _, s := range i.cfg.Services {
		if s.Name != APIService {
			names = append(names, s.Name)
		}
	}
	return strings.Join(names, ", ")
}

// subject finds out who is asking, and what its token may say at most if another token is exchanged for it. Whoever
// presented something is never taken for anonymous.
func (i *Issuer) subject(ctx context.Context, req TokenRequest, rec *audit.Record) (Subject, *exchanged, error) {
	if req.Grant == GrantExchange {
		return i.exchange(ctx, req, rec)
	}
	sub, err := i.presented(ctx, req, rec)
	return sub, nil, err
}

// presented returns the subject of a credential or a refresh token, or the anonymous one.
func (i *Issuer) presented(ctx context.Context, req TokenRequest, rec *audit.Record) (Subject, error) {
	token := presentedRefresh(req)
	switch {
	case req.device != nil:
		rec.Actor, rec.Method = req.device.Subject, deviceMethod
		return i.approver(ctx, *req.device)
	case req.Grant == GrantDevice:
		return Subject{}, errDeviceCode // nobody approved it
	case req.Grant == GrantRefresh || !token.Empty():
		rec.Method = string(GrantRefresh)
		sub, err := i.refreshed(ctx, token, req.Service, rec)
		if errors.Is(err, errInvalidGrant) && rec.Actor == "" && i.guesses != nil { // it is nobody's
			if countErr := i.guesses.WrongSecret(ctx, req.Remote, token); countErr != nil {
				return Subject{}, countErr
			}
		}
		return sub, err
	case req.Credential != nil:
		rec.Actor = Presented(req.Credential.Name)
		return i.authn.Authenticate(ctx, *req.Credential)
	case !i.authz.AnonymousAllowed():
		rec.Method = "anonymous"
		return Subject{}, errs.New(errs.Unauthenticated, "this registry serves signed-in users only").WithHint("run docker login first")
	}
	rec.Method = "anonymous"
	return Subject{}, nil
}

// RefreshTokenUser is the user name with which clients of Azure's registries present a refresh token as the password.
const RefreshTokenUser = "00000000-0000-0000-0000-000000000000"

// presentedRefresh returns the refresh token of a request, if it has one.
func presentedRefresh(req TokenRequest) secret.Text {
	if c := req.Credential; c != nil && (c.Name == "" || c.Name == RefreshTokenUser) {
		return c.Secret // containerd repeats a refused refresh token as the password of nobody
	}
	return req.RefreshToken
}

// refreshed returns the subject of a refresh token, as it is now. The token is not rotated: clients keep the first
// one they got (protocol.md 3.5).
func (i *Issuer) refreshed(ctx context.Context, presented secret.Text, service string, rec *audit.Record) (Subject, error) {
	now := i.now()
	t, err := findRefresh(ctx, i.refresh, presented, now)
	if err != nil {
		return Subject{}, err
	}
	rec.Actor = t.Subject
	if t.Service != service {
		return Subject{}, errInvalidGrant
	}
	sub, err := i.holders.Holder(ctx, t.Subject, t.Via)
	if errs.Is(err, errs.Unauthenticated) || err == nil && sub.ID != t.UserID {
		return Subject{}, errInvalidGrant // the user is gone, or another one has its name
	}
	if err != nil {
		return Subject{}, err
	}
	if now.Sub(t.LastUsedAt) >= touchEvery {
		if err := i.refresh.TouchRefreshToken(ctx, t.ID, now); err != nil {
			return Subject{}, fmt.Errorf("noting the use of a refresh token: %w", err)
		}
	}
	return sub.EndingBy(t.ExpiresAt), nil
}

// touchEvery bounds how often a refresh token's last use is written: a busy client would make it a hot row.
const touchEvery = time.Minute

// decide lets the policy narrow the request. Tokens for the REST API carry no scope: it asks the policy each time.
func (i *Issuer) decide(ctx context.Context, sub Subject, req TokenRequest, service Service) (Decision, error) {
	if service.Name == APIService || len(req.Scope) == 0 {
		return Decision{Reason: "no scope"}, nil
	}
	d, err := i.authz.Authorize(ctx, sub, req.Scope)
	if err != nil {
		return Decision{}, errs.New(errs.Unavailable, "the policy can't be asked").WithHint("try again soon").Because(err)
	}
	return d, nil
}

// claims says what a token says. It never outlives the credential that it is issued for.
func (i *Issuer) claims(sub Subject, service Service, granted Scope) (ClaimSet, error) {
	now := i.now().UTC().Truncate(time.Second)
	end := now.Add(i.cfg.Life)
	if !sub.Until.IsZero() && sub.Until.Before(end) {
		end = sub.Until.UTC().Truncate(time.Second)
	}
	if !end.After(now) {
		return ClaimSet{}, ErrBadCredential.Because(fmt.Errorf("the credential of %q ended at %s", sub.Name, sub.Until))
	}
	return ClaimSet{
		Issuer: i.cfg.Issuer, Subject: sub.Name, Audience: service.Name,
		IssuedAt: now, NotBefore: now, ExpiresAt: end,
		JTI: newJTI(i.now()), Access: granted, Via: sub.Via,
	}, nil
}

// newJTI returns a UUID of version 7 (RFC 9562 section 5.7) in hex digits: the time in milliseconds and 74 random bits.
// What is recorded of a token can so be found without an index, which would be a page more to write for each.
func newJTI(now time.Time) string {
	var b [16]byte
	rand.Read(b[:])
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<16|uint64(b[6]&0x0f|0x70)<<8|uint64(b[7]))
	b[8] = b[8]&0x3f | 0x80
	return hex.EncodeToString(b[:])
}

// JTITime returns when the token of an id was issued. It is false for an id that does not say.
func JTITime(jti string) (time.Time, bool) {
	b, err := hex.DecodeString(jti)
	if err != nil || len(b) != 16 || b[6]>>4 != 7 || b[8]>>6 != 2 {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(b[:8]) >> 16)), true
}

// refreshToken returns a refresh token for the subject: a new one, or the one that it came with, which must not breed
// others that outlive it.
func (i *Issuer) refreshToken(ctx context.Context, sub Subject, req TokenRequest, method string) (secret.Text, error) {
	if method == string(GrantRefresh) {
		return presentedRefresh(req), nil
	}
	id, key := newRefreshSecret()
	now := i.now().UTC()
	end := now.Add(i.cfg.RefreshAbsolute)
	if !sub.Until.IsZero() && sub.Until.Before(end) {
		end = sub.Until
	}
	err := i.refresh.CreateRefreshToken(ctx, RefreshToken{
		ID: id, SecretHash: hashSecret(key), Subject: sub.Name, UserID: sub.ID, Via: sub.Via, Service: req.Service,
		ClientID: clip(req.ClientID), Remote: req.Remote, CreatedAt: now, LastUsedAt: now,
		IdleExpiry: i.cfg.RefreshIdle, ExpiresAt: end, UserAsOf: sub.AsOf,
	})
	if errs.Is(err, errs.Conflict) {
		return secret.Text{}, errs.New(errs.Unavailable, "the account was changed at this moment").WithHint("try again").Because(err)
	}
	if err != nil {
		return secret.Text{}, fmt.Errorf("keeping refresh token: %w", err)
	}
	return joinRefresh(id, key), nil
}

// Mint makes an access token for sealock's own requests to a registry that it stands before.
func (i *Issuer) Mint(ctx context.Context, service string, access Scope) (string, error) {
	s, ok := i.services[service]
	if !ok {
		return "", i.unknownService(service)
	}
	c, err := i.claims(Subject{Name: internalSubject}, s, access)
	if err != nil {
		return "", err
	}
	c.ExpiresAt = c.IssuedAt.Add(MinTokenLife)
	return i.signer.Sign(ctx, c, s.Header)
}

// internalSubject is what registries see as the author of sealock's own requests. No user can have this name.
const internalSubject = "sealock/internal"
