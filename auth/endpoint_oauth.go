package auth

import (
	"errors"
	"net/http"
	"strings"

	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/httpx"
	"github.com/sealock/sealock/internal/secret"
)

// jwks serves the public keys (RFC 7517), with libtrust key ids: what the kid of every token says.
func (e *Endpoint) jwks(w http.ResponseWriter, r *http.Request) {
	if !readOnly(w, r) {
		e.Errors.WriteToken(w, r, methodNotAllowed(r))
		return
	}
	keys, err := e.Tokens.PublicKeys(r.Context())
	if err != nil {
		e.Errors.WriteToken(w, r, err)
		return
	}
	text, err := JWKS(keys)
	if err != nil {
		e.Errors.WriteToken(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	_, _ = w.Write(text) // the client is gone if this fails
}

// metadata serves the authorization server's description (RFC 8414 section 2) for the origin that was asked.
func (e *Endpoint) metadata(w http.ResponseWriter, r *http.Request) {
	if !readOnly(w, r) {
		e.Errors.WriteToken(w, r, methodNotAllowed(r))
		return
	}
	origin := e.Origins.Of(r).String()
	basic := []string{"client_secret_basic"}
	e.write(w, r, map[string]any{
		"issuer":                                        origin,
		"token_endpoint":                                origin + PathToken,
		"jwks_uri":                                      origin + PathJWKS,
		"device_authorization_endpoint":                 origin + PathDevice,
		"revocation_endpoint":                           origin + PathRevoke,
		"introspection_endpoint":                        origin + PathIntrospect,
		"grant_types_supported":                         []GrantType{GrantPassword, GrantRefresh, GrantDevice, GrantExchange},
		"response_types_supported":                      []string{},
		"token_endpoint_auth_methods_supported":         []string{"none"},
		"revocation_endpoint_auth_methods_supported":    []string{"none"},
		"introspection_endpoint_auth_methods_supported": basic,
		"service_documentation":                         "https://distribution.github.io/distribution/spec/auth/token/",
	})
}

// readOnly reports whether the method is GET or HEAD, and says so to the client when it is not.
func readOnly(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	return false
}

// presented reads the token parameter of a revocation or an introspection.
func (e *Endpoint) presented(w http.ResponseWriter, r *http.Request) (secret.Text, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		return secret.Text{}, methodNotAllowed(r)
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxTokenForm)
	if err := r.ParseForm(); err != nil {
		return secret.Text{}, badRequest("the body is no form of at most %d bytes", maxTokenForm).Because(err)
	}
	token := r.PostForm["token"]
	if len(token) != 1 || token[0] == "" {
		return secret.Text{}, badRequest("the parameter token is missing or stands more than once")
	}
	return secret.New(token[0]), nil
}

// revoke ends a refresh token or an access token (RFC 7009). Holding the token is proof enough of the right to end
// it; an unknown token is answered like a known one.
func (e *Endpoint) revoke(w http.ResponseWriter, r *http.Request) {
	token, err := e.presented(w, r)
	if err == nil {
		err = e.end(r, w, token)
	}
	if err != nil {
		e.Errors.WriteToken(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}

func (e *Endpoint) end(r *http.Request, w http.ResponseWriter, token secret.Text) error {
	ctx, i := r.Context(), e.Issuer
	rec := audit.Record{
		Time: i.now(), RequestID: httpx.RequestID(w), Remote: e.ClientIP(r),
		Operation: "token.revoke", Method: "possession", Outcome: audit.Allowed,
	}
	t, err := findRefresh(ctx, i.refresh, token, i.now())
	if err == nil {
		rec.Actor, rec.Resource = t.Subject, "refresh_token:"+t.ID
		if err := i.trail.Record(ctx, rec); err != nil {
			return errs.New(errs.Unavailable, "the revocation can't be recorded").WithHint("try again soon").Because(err)
		}
		return i.refresh.DeleteRefreshToken(ctx, t.ID)
	}
	if !errors.Is(err, errInvalidGrant) {
		return err
	}
	claims, err := e.Tokens.parse(e.Tokens.lateParser, token.Reveal()) // one that has ended may still end an upload
	if err != nil {
		return nil //nolint:nilerr // not ours, or over already: there is nothing to revoke (RFC 7009 section 2.2)
	}
	rec.Actor, rec.Resource, rec.JTI = claims.Subject, "access_token", claims.JTI
	if err := i.trail.Record(ctx, rec); err != nil {
		return errs.New(errs.Unavailable, "the revocation can't be recorded").WithHint("try again soon").Because(err)
	}
	return e.Tokens.Revoke(ctx, e.Revocations, RevokedToken{JTI: claims.JTI, ExpiresAt: claims.ExpiresAt})
}

// introspection is the answer about a live token (RFC 7662 section 2.2).
type introspection struct {
	Active    bool   `json:"active"`
	Scope     string `json:"scope,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	Username  string `json:"username,omitempty"`
	TokenType string `json:"token_type,omitempty"`
	ExpiresAt int64  `json:"exp,omitempty"`
	IssuedAt  int64  `json:"iat,omitempty"`
	NotBefore int64  `json:"nbf,omitempty"`
	Subject   string `json:"sub,omitempty"`
	Audience  string `json:"aud,omitempty"`
	Issuer    string `json:"iss,omitempty"`
	JTI       string `json:"jti,omitempty"`
}

// introspect tells what a token is good for (RFC 7662), to the subject that it is for and to system administrators.
// To all others every token looks dead.
func (e *Endpoint) introspect(w http.ResponseWriter, r *http.Request) {
	token, err := e.presented(w, r)
	if err != nil {
		e.Errors.WriteToken(w, r, err)
		return
	}
	asker, err := e.asker(w, r)
	if err != nil {
		e.Errors.WriteToken(w, r, err)
		return
	}
	found, err := e.look(r, token)
	if err != nil {
		e.Errors.WriteToken(w, r, err)
		return
	}
	if found.Subject != asker.Name && !asker.SysAdmin {
		found = introspection{}
	}
	e.write(w, r, found)
}

// asker authenticates whoever wants to know, as RFC 7662 section 2.1 demands, and records a refusal: it may be a guess.
func (e *Endpoint) asker(w http.ResponseWriter, r *http.Request) (Subject, error) {
	sub, claimed, err := e.authenticate(r)
	if err == nil {
		return sub, nil
	}
	auditErr := e.Issuer.trail.Record(r.Context(), audit.Record{
		Time: e.Issuer.now(), RequestID: httpx.RequestID(w), Remote: e.ClientIP(r), Actor: claimed,
		Operation: "token.introspect", Method: string(GrantBasic), Outcome: audit.Refused, Reason: errs.As(err).Message,
	})
	if auditErr != nil {
		return Subject{}, errs.New(errs.Unavailable, "the refusal can't be recorded").WithHint("try again soon").Because(auditErr)
	}
	return Subject{}, err
}

// authenticate returns who asks, and who the client says that it is.
func (e *Endpoint) authenticate(r *http.Request) (sub Subject, claimed string, err error) {
	headers := r.Header.Values("Authorization")
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && len(headers) == 1 {
		claims, err := e.Tokens.Verify(r.Context(), token, APIService)
		if err != nil {
			return Subject{}, "", err
		}
		sub, err = Bearer(r.Context(), e.Issuer.holders, claims)
		if err == nil && sub.Anonymous() {
			err = ErrInvalidToken
		}
		return sub, claims.Subject, err
	}
	cred, err := oneBasic(headers)
	if err != nil {
		return Subject{}, "", err
	}
	cred.Remote = e.ClientIP(r)
	sub, err = e.Issuer.authn.Authenticate(r.Context(), cred)
	return sub, Presented(cred.Name), err
}

// oneBasic reads the only Authorization header. Of two, two readers could choose differently.
func oneBasic(headers []string) (Credential, error) {
	if len(headers) != 1 {
		return Credential{}, badBasic("there is not one Authorization header but %d", len(headers))
	}
	return ParseBasic(headers[0])
}

// look finds a live token of either kind. One whose holder, or the credential that it came from, is gone opens nothing
// any more.
func (e *Endpoint) look(r *http.Request, token secret.Text) (introspection, error) {
	t, err := findRefresh(r.Context(), e.Issuer.refresh, token, e.Issuer.now())
	if err == nil {
		sub, err := e.Issuer.holders.Holder(r.Context(), t.Subject, t.Via)
		if err != nil || sub.ID != t.UserID {
			return introspection{}, unlessGone(err)
		}
		end := t.ExpiresAt
		if idle := t.LastUsedAt.Add(t.IdleExpiry); idle.Before(end) {
			end = idle
		}
		return introspection{
			Active: true, Username: t.Subject, Subject: t.Subject, Audience: t.Service, ClientID: t.ClientID,
			TokenType: "refresh_token", IssuedAt: t.CreatedAt.Unix(), ExpiresAt: end.Unix(), Issuer: e.Issuer.cfg.Issuer,
		}, nil
	}
	if !errors.Is(err, errInvalidGrant) {
		return introspection{}, err
	}
	claims, err := e.Tokens.parse(e.Tokens.parser, token.Reveal())
	if err != nil || e.Tokens.revoked.has(claims.JTI) {
		return introspection{}, nil //nolint:nilerr // dead is an answer, not an error (RFC 7662 section 2.2)
	}
	if _, err := Bearer(r.Context(), e.Issuer.holders, claims); err != nil {
		return introspection{}, unlessGone(err)
	}
	return introspection{
		Active: true, Scope: claims.Access.String(), Username: claims.Subject, Subject: claims.Subject,
		TokenType: "Bearer", ExpiresAt: claims.ExpiresAt.Unix(), IssuedAt: claims.IssuedAt.Unix(),
		NotBefore: claims.NotBefore.Unix(), Audience: claims.Audience, Issuer: claims.Issuer, JTI: claims.JTI,
	}, nil
}

// unlessGone returns an error that does not say that the holder is gone: that is an answer.
func unlessGone(err error) error {
	if errs.Is(err, errs.Unauthenticated) {
		return nil
	}
	return err
}
