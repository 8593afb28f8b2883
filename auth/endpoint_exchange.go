package auth

import (
	"net/http"
	"net/url"

	"github.com/sealock/sealock/internal/secret"
)

// parseExchange reads what is particular to a token exchange (RFC 8693 section 2.1).
func parseExchange(form url.Values, req *TokenRequest) error {
	if form.Get("actor_token") != "" || form.Get("actor_token_type") != "" {
		return badRequest("actor_token is not supported").WithHint("exchange the subject's token alone: nobody acts for another here")
	}
	switch form.Get("subject_token_type") {
	case tokenTypeAccess, tokenTypeID, tokenTypeJWT:
	default:
		return badRequest("the subject_token_type %q is not supported", clip(form.Get("subject_token_type"))).
			WithHint("send %s, %s or %s", tokenTypeJWT, tokenTypeID, tokenTypeAccess)
	}
	switch form.Get("requested_token_type") {
	case "", tokenTypeAccess, tokenTypeJWT:
	default:
		return badRequest("the requested_token_type %q is not supported", clip(form.Get("requested_token_type"))).
			WithHint("send %s, or leave it away", tokenTypeAccess)
	}
	if req.SubjectToken = secret.New(form.Get("subject_token")); req.SubjectToken.Empty() {
		return badRequest("the parameter subject_token is missing")
	}
	return target(form, req)
}

// target lets audience and resource name the service, too.
func target(form url.Values, req *TokenRequest) error {
	for _, name := range []string{"audience", "resource"} {
		value := form.Get(name)
		if value == "" {
			continue
		}
		if req.Service != "" && req.Service != value {
			return badRequest("the parameters service, audience and resource name different services").
				WithHint("send one of them").WithCode("invalid_target")
		}
		req.Service = value
	}
	return nil
}

// refreshExchange serves the exchange of a JWT for a refresh token as Azure's registries do it: whoever holds it presents it
// at /oauth2/token, or as the password of [RefreshTokenUser].
func (e *Endpoint) refreshExchange(w http.ResponseWriter, r *http.Request) {
	req, err := e.parseRefreshExchange(w, r)
	if err != nil {
		e.Errors.WriteToken(w, r, err)
		return
	}
	answer, err := e.Issuer.Issue(r.Context(), req)
	if err != nil {
		e.Errors.WriteToken(w, r, err)
		return
	}
	e.write(w, r, map[string]string{"refresh_token": answer.RefreshToken.Reveal()})
}

func (e *Endpoint) parseRefreshExchange(w http.ResponseWriter, r *http.Request) (TokenRequest, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return TokenRequest{}, methodNotAllowed(r)
	}
	form, err := e.form(w, r)
	if err != nil {
		return TokenRequest{}, err
	}
	req, err := e.common(w, r, form)
	if err != nil {
		return TokenRequest{}, err
	}
	if grant := form.Get("grant_type"); grant != "access_token" {
		return TokenRequest{}, badRequest("the grant type %q is not supported", clip(grant)).
			WithHint("send grant_type=access_token, or use %s", PathToken).WithCode("unsupported_grant_type")
	}
	req.Grant, req.Offline, req.Scope = GrantExchange, true, nil
	if req.SubjectToken = secret.New(form.Get("access_token")); req.SubjectToken.Empty() {
		return TokenRequest{}, badRequest("the parameter access_token is missing")
	}
	return req, nil
}
