package auth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
)

// Types of tokens (RFC 8693 section 3).
const ( //nolint:gosec // names of types, no secrets
	tokenTypeAccess = "urn:ietf:params:oauth:token-type:access_token"
	tokenTypeID     = "urn:ietf:params:oauth:token-type:id_token"
	tokenTypeJWT    = "urn:ietf:params:oauth:token-type:jwt"
)

// exchanged is an access token of our own that another one is made from: the other says no more.
type exchanged struct{ access Scope }

// narrow takes from a decision what the exchanged token does not say.
func (x exchanged) narrow(d Decision) Decision {
	out := Decision{Reason: d.Reason + "; within the exchanged token"}
	for _, r := range d.Granted {
		var kept []Action
		for _, action := range r.Actions {
			if x.access.Covers(Scope{{Type: r.Type, Name: r.Name, Actions: []Action{action}}}) {
				kept = append(kept, action)
			}
		}
		if len(kept) > 0 {
			r.Actions = kept
			out.Granted = append(out.Granted, r)
		}
	}
	return out
}

// exchange finds out whose token is exchanged: one of our own access tokens, or a JWT of an issuer that is trusted. It
// is never taken for a password.
func (i *Issuer) exchange(ctx context.Context, req TokenRequest, rec *audit.Record) (Subject, *exchanged, error) {
	rec.Method = "token_exchange"
	if i.verifier != nil {
		if service, own := i.ownToken(req.SubjectToken.Reveal()); own {
			sub, most, err := i.exchangeOwn(ctx, req, service, rec)
			return sub, most, inExchange(err)
		}
	}
	if i.assertions == nil {
		return Subject{}, nil, badRequest("no issuer is trusted here").WithHint("add a rule under workloads")
	}
	sub, err := i.assertions.Authenticate(ctx, Credential{Secret: req.SubjectToken, Remote: req.Remote})
	return sub, nil, inExchange(err)
}

// exchangeOwn returns the subject of an access token, and what the token says. The new one is for the same service: who
// runs a registry sees the tokens for it, and must not make any for another. It does not outlive the old one, and breeds none that could.
func (i *Issuer) exchangeOwn(ctx context.Context, req TokenRequest, service string, rec *audit.Record) (Subject, *exchanged, error) {
	claims, err := i.verifier.Verify(ctx, req.SubjectToken.Reveal(), service)
	if err != nil {
		return Subject{}, nil, err
	}
	rec.Actor = claims.Subject
	if claims.Audience != req.Service {
		return Subject{}, nil, badRequest("the token is for another service than %q", clip(req.Service)).
			WithHint("exchange it for one for its own service, or present the credential that it came from").WithCode("invalid_target")
	}
	if req.Offline {
		return Subject{}, nil, badRequest("an access token can't be exchanged for a refresh token, which would outlive it").
			WithHint("ask without access_type=offline")
	}
	if claims.Subject == "" {
		return Subject{}, nil, ErrInvalidToken
	}
	sub, err := Bearer(ctx, i.holders, claims)
	if err != nil {
		return Subject{}, nil, err
	}
	sub.Via, sub.How = claims.Via, "" // the method of the record says that it was an exchange
	return sub.EndingBy(claims.ExpiresAt), &exchanged{claims.Access}, nil
}

// ownToken reports whether a token says that it is one of ours, and for which service. Nothing of it is verified.
func (i *Issuer) ownToken(token string) (service string, own bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > MaxTokenLength {
		return "", false
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", false
	}
	var said struct {
		Issuer   any `json:"iss"`
		Audience any `json:"aud"`
	}
	if json.Unmarshal(raw, &said) != nil || said.Issuer != i.cfg.Issuer {
		return "", false
	}
	service, _ = said.Audience.(string)
	return service, true
}

// inExchange says a refusal in the words of RFC 8693 section 2.2.2, where a token that is not accepted is a bad request.
func inExchange(err error) error {
	if !errs.Is(err, errs.Unauthenticated) {
		return err
	}
	refusal := *errs.As(err)
	refusal.Kind, refusal.Code = errs.Invalid, "invalid_request"
	return &refusal
}
