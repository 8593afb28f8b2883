package api

import (
	"context"
	"crypto/hmac"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/httpx"
	"github.com/sealock/sealock/project"
)

// request is one request and who it comes from. It takes echo.Context's place on the way from the first middleware to
// the handler, so that who asks is a field with a type and not a value to be fished for.
type request struct {
	echo.Context
	asker
}

// asker is who asks, and how that was found out.
type asker struct {
	who    auth.Subject
	method string // as [audit.Record] names it
	claim  string // who the client says it is, as long as that is not found out
}

// authenticate establishes who asks before anything else is looked at. A credential that is not good is an error, also
// where none is needed: a client that means to be somebody must not be told what anybody may see.
func authenticate(d Deps) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			a, err := d.asker(c.Response(), c.Request())
			if err != nil {
				return d.refuse(c, a, err)
			}
			return next(&request{Context: c, asker: a})
		}
	}
}

// refuse puts a credential that was not good on record, for those who look for somebody that tries out passwords.
func (d Deps) refuse(c echo.Context, a asker, err error) error {
	if !errs.Is(err, errs.Unauthenticated) && !errs.Is(err, errs.TooMany) {
		return err
	}
	record := audit.Record{
		Time: d.Now(), RequestID: httpx.RequestID(c.Response()), Actor: a.claim, Method: a.method, Remote: c.RealIP(),
		Operation: "login", Resource: "api", Outcome: audit.Refused, Reason: errs.As(err).Message,
	}
	if failed := d.Recorder.Record(c.Request().Context(), record); failed != nil {
		return errNoRecord(failed)
	}
	return inOurWords(err)
}

// asker reads the Authorization header; without one, the session's cookie.
func (d Deps) asker(w http.ResponseWriter, r *http.Request) (asker, error) {
	headers := r.Header.Values("Authorization")
	switch len(headers) {
	case 0:
		return d.session(w, r)
	case 1:
	default:
		// Two readers could choose differently.
		return asker{}, errs.New(errs.Unauthenticated, "there is more than one Authorization header").WithHint("send one")
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if strings.EqualFold(scheme, "Bearer") {
		return d.bearer(r.Context(), strings.TrimSpace(token))
	}
	cred, err := auth.ParseBasic(headers[0])
	if err != nil {
		return asker{method: "password"}, err
	}
	cred.Remote = d.Proxies.ClientIP(r)
	who, err := d.Authn.Authenticate(r.Context(), cred)
	method := "password"
	if who.How != "" {
		method = who.How
	}
	return asker{who: who, method: method, claim: auth.Presented(cred.Name)}, err
}

// csrfHeader has the session's token in each answer to it, and in each of its changes, as with Harbor.
const csrfHeader = "X-Harbor-CSRF-Token"

// session recognises who is signed in to the pages. A browser sends its cookie with whatever a page asks of it, so a
// change has to carry what only those can know who read an answer.
func (d Deps) session(w http.ResponseWriter, r *http.Request) (asker, error) {
	a := asker{method: "anonymous"}
	sub, token, err := d.Sessions.Recognise(w, r)
	if err != nil || token == "" {
		return a, err
	}
	w.Header().Set(csrfHeader, token)
	a = asker{who: sub, method: "session"}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
	default:
		if !hmac.Equal([]byte(r.Header.Get(csrfHeader)), []byte(token)) {
			return a, errs.New(errs.Denied, "a change by a session has to carry the session's token").
				WithHint("send the header %s as the last answer had it, or send user name and password instead of the cookie", csrfHeader)
		}
	}
	return a, nil
}

// bearer accepts access tokens for the API alone: whoever runs a registry sees those that are for it.
func (d Deps) bearer(ctx context.Context, token string) (asker, error) {
	a := asker{method: "bearer"}
	claims, err := d.Verifier.Verify(ctx, token, auth.APIService)
	if err != nil {
		return a, err
	}
	if claims.Subject == "" {
		return asker{method: "anonymous"}, nil
	}
	a.claim = claims.Subject
	a.who, err = auth.Bearer(ctx, d.Holders, claims)
	a.who = a.who.EndingBy(claims.ExpiresAt) // nothing that is made with the token may outlive it
	return a, err
}

// inOurWords replaces hints that speak of docker login.
func inOurWords(err error) error {
	e := errs.As(err)
	if e.Code == auth.ErrSecondFactor.Code {
		return e.WithCode("")
	}
	if e.Kind == errs.TooMany {
		return e
	}
	if e.Code == auth.ErrInvalidToken.Code {
		return e.WithHint("ask /service/token for a new one with service=%s", auth.APIService)
	}
	return e.WithHint("check both").WithCode("")
}

// asked returns the request that a handler of the generated interface was called with.
func asked(c echo.Context) (*request, error) {
	r, ok := c.(*request)
	if !ok {
		return nil, errs.New(errs.Internal, "a request came past the authentication")
	}
	return r, nil
}

// Caller is who asks, as the services want to know it.
type Caller = project.Caller

// ctx returns the request's context: for deadlines and the client that hangs up, never for values.
func (r *request) ctx() context.Context { return r.Request().Context() }

// caller returns who asks.
func (r *request) caller() Caller {
	who := r.who
	who.Remote = r.RealIP()
	return Caller{Subject: who, Method: r.method, Remote: r.RealIP(), RequestID: httpx.RequestID(r.Response())}
}
