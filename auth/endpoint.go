package auth

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/httpx"
	"github.com/sealock/sealock/internal/secret"
)

// maxTokenForm bounds the body of a POST to the token end-point.
const maxTokenForm = 128 << 10

// Endpoint serves the token end-point and its OAuth 2.0 companions over HTTP: it parses, calls the [Issuer] and
// renders.
type Endpoint struct {
	Issuer      *Issuer
	Devices     *Devices
	Tokens      *Tokens
	Revocations Revocations
	Errors      httpx.Errors
	Origins     httpx.Origins
	ClientIP    func(*http.Request) string
}

// The paths of the token end-point.
const ( //nolint:gosec // paths, no secrets
	PathToken      = "/service/token"
	PathTokenShort = "/token"
	PathJWKS       = "/service/token/jwks.json"
	PathDevice     = "/service/device_authorization"
	PathRevoke     = "/service/token/revoke"
	PathIntrospect = "/service/token/introspect"
	PathMetadata   = "/.well-known/oauth-authorization-server"

	PathRefreshExchange = "/oauth2/exchange" // as Azure's registries have it
	PathTokenOAuth2     = "/oauth2/token"
)

// Routes lists the paths and what serves them.
func (e *Endpoint) Routes() map[string]http.Handler {
	return map[string]http.Handler{
		PathToken:      http.HandlerFunc(e.token),
		PathTokenShort: http.HandlerFunc(e.token),
		PathJWKS:       http.HandlerFunc(e.jwks),
		PathDevice:     http.HandlerFunc(e.device),
		PathRevoke:     http.HandlerFunc(e.revoke),
		PathIntrospect: http.HandlerFunc(e.introspect),
		PathMetadata:   http.HandlerFunc(e.metadata),

		PathRefreshExchange: http.HandlerFunc(e.refreshExchange),
		PathTokenOAuth2:     http.HandlerFunc(e.token),
	}
}

// tokenBody renders the answer to both flows. token and access_token are the same, because clients read one or the
// other. Nothing in it needs to be escaped: tokens are base64url, times and scopes have their own grammars. It is put
// together by hand because it is the largest part of what a token costs after the signature.
func tokenBody(a TokenAnswer, grant GrantType) []byte {
	token, refresh := a.AccessToken.Reveal(), a.RefreshToken.Reveal()
	b := make([]byte, 0, 2*len(token)+len(refresh)+256)
	b = append(append(b, `{"token":"`...), token...)
	b = append(append(b, `","access_token":"`...), token...)
	b = append(b, `","token_type":"Bearer","expires_in":`...)
	b = strconv.AppendInt(b, int64(a.ExpiresIn/time.Second), 10)
	b = a.IssuedAt.AppendFormat(append(b, `,"issued_at":"`...), time.RFC3339)
	b = a.Scope.appendTo(append(b, `","scope":"`...))
	if grant == GrantExchange {
		b = append(b, `","issued_token_type":"`+tokenTypeAccess...)
	}
	if refresh != "" {
		b = append(append(b, `","refresh_token":"`...), refresh...)
	}
	return append(b, `"}`...)
}

// token serves GET (distribution token specification) and POST (OAuth 2.0, RFC 6749 sections 4.3 and 6).
func (e *Endpoint) token(w http.ResponseWriter, r *http.Request) {
	req, err := e.parse(w, r)
	if err != nil {
		e.Errors.WriteToken(w, r, e.unreadable(w, r, "token", err))
		return
	}
	issue := e.Issuer.Issue
	if req.Grant == GrantDevice {
		issue = e.Devices.Token
	}
	answer, err := issue(r.Context(), req)
	if err != nil {
		e.Errors.WriteToken(w, r, err)
		return
	}
	send(w, r, tokenBody(answer, req.Grant))
}

// unreadable puts a request that can't be read on record, for those who look for somebody that tries things out. It
// returns what to answer.
func (e *Endpoint) unreadable(w http.ResponseWriter, r *http.Request, operation string, err error) error {
	auditErr := e.Issuer.trail.Record(r.Context(), audit.Record{
		Time: e.Issuer.now(), RequestID: httpx.RequestID(w), Remote: e.ClientIP(r), Operation: operation,
		Outcome: audit.Refused, Reason: errs.As(err).Message,
	})
	if auditErr != nil {
		return errs.New(errs.Unavailable, "the refusal can't be recorded").WithHint("try again soon").Because(auditErr)
	}
	return err
}

// parse reads either flow.
func (e *Endpoint) parse(w http.ResponseWriter, r *http.Request) (TokenRequest, error) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return e.parseGet(w, r)
	case http.MethodPost:
		return e.parsePost(w, r)
	}
	w.Header().Set("Allow", "GET, HEAD, POST")
	return TokenRequest{}, methodNotAllowed(r)
}

func (e *Endpoint) parseGet(w http.ResponseWriter, r *http.Request) (TokenRequest, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return TokenRequest{}, badRequest("the query is malformed").Because(err)
	}
	req, err := e.common(w, r, query)
	if err != nil {
		return TokenRequest{}, err
	}
	req.Grant = GrantBasic
	req.Offline = query.Get("offline_token") == "true" || query.Get("access_type") == "offline"
	if headers := r.Header.Values("Authorization"); len(headers) > 0 {
		cred, err := oneBasic(headers)
		if err != nil {
			return TokenRequest{}, err
		}
		cred.Remote = req.Remote
		req.Credential = &cred
	}
	return req, nil
}

func (e *Endpoint) parsePost(w http.ResponseWriter, r *http.Request) (TokenRequest, error) {
	form, err := e.form(w, r)
	if err != nil {
		return TokenRequest{}, err
	}
	req, err := e.common(w, r, form)
	if err != nil {
		return TokenRequest{}, err
	}
	req.Offline = form.Get("access_type") == "offline" || form.Get("offline_token") == "true"
	req.Grant = GrantType(form.Get("grant_type"))
	switch req.Grant {
	case GrantPassword:
		cred := Credential{Name: form.Get("username"), Secret: secret.New(form.Get("password")), Remote: req.Remote}
		if !plain(cred.Name) || !plain(cred.Secret.Reveal()) || cred.Name == "" {
			return TokenRequest{}, ErrBadCredential
		}
		req.Credential = &cred
	case GrantRefresh:
		req.RefreshToken = secret.New(form.Get("refresh_token"))
	case GrantDevice:
		req.DeviceCode = secret.New(form.Get("device_code"))
	case GrantExchange:
		if err := parseExchange(form, &req); err != nil {
			return TokenRequest{}, err
		}
	default:
		return TokenRequest{}, badRequest("the grant type %q is not supported", clip(string(req.Grant))).
			WithHint("send grant_type=password, refresh_token, %s or %s in the form", GrantDevice, GrantExchange).WithCode("unsupported_grant_type")
	}
	return req, nil
}

// form reads the body of a POST. The URL's query is never a part of it: secrets do not belong there.
func (e *Endpoint) form(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxTokenForm)
	if err := r.ParseForm(); err != nil {
		return nil, badRequest("the body is no form of at most %d bytes", maxTokenForm).
			WithHint("send application/x-www-form-urlencoded").Because(err)
	}
	return r.PostForm, nil
}

// common reads what both flows share. A parameter other than scope that stands twice is refused (RFC 6749 section
// 3.2): two readers could choose differently.
func (e *Endpoint) common(w http.ResponseWriter, r *http.Request, v url.Values) (TokenRequest, error) {
	for name, values := range v {
		if name != "scope" && len(values) > 1 {
			return TokenRequest{}, badRequest("the parameter %q stands more than once", clip(name))
		}
	}
	scope, err := ParseScope(v["scope"])
	if err != nil {
		return TokenRequest{}, err
	}
	return TokenRequest{
		Service: v.Get("service"), Scope: scope, ClientID: v.Get("client_id"),
		Remote: e.ClientIP(r), RequestID: httpx.RequestID(w),
	}, nil
}

func badRequest(format string, args ...any) *errs.Error {
	return errs.New(errs.Invalid, format, args...).WithCode("invalid_request")
}

// methodNotAllowed carries the code that gives it the status 405.
func methodNotAllowed(r *http.Request) error {
	return errs.New(errs.Invalid, "method %s is not allowed on %s", clip(r.Method), clip(r.URL.Path)).WithCode("UNSUPPORTED")
}

// write sends a value as JSON.
func (e *Endpoint) write(w http.ResponseWriter, r *http.Request, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		e.Errors.WriteToken(w, r, err)
		return
	}
	send(w, r, text)
}

// send sends JSON that no cache may keep (RFC 6749 section 5.1).
func send(w http.ResponseWriter, r *http.Request, text []byte) {
	h := w.Header()
	h["Content-Type"] = []string{"application/json"}
	h["Cache-Control"] = []string{"no-store"}
	h["Content-Length"] = []string{strconv.Itoa(len(text))}
	if r.Method != http.MethodHead {
		_, _ = w.Write(text)
	}
}
