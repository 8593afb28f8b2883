package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/httpx"
	"github.com/sealock/sealock/project"
)

// request is one request and who it comes from. It takes echo.Context's place on the way from the first middleware to
// the handler, so that who asks is a field with a type and not a value to be fished for.
type request struct {
	echo.Context
	who    auth.Subject
	method string // as [audit.Record] names it
}

// authenticate establishes who asks before anything else is looked at. A credential that is not good is an error, also
// where none is needed: a client that means to be somebody must not be told what anybody may see.
func authenticate(d Deps) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := &request{Context: c}
			var err error
			if r.who, r.method, err = d.subject(c.Request()); err != nil {
				return err
			}
			return next(r)
		}
	}
}

// subject reads the Authorization header.
func (d Deps) subject(r *http.Request) (auth.Subject, string, error) {
	headers := r.Header.Values("Authorization")
	switch len(headers) {
	case 0:
		return auth.Subject{}, "anonymous", nil
	case 1:
	default:
		// Two readers could choose differently.
		return auth.Subject{}, "", errs.New(errs.Unauthenticated, "there is more than one Authorization header").WithHint("send one")
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if strings.EqualFold(scheme, "Bearer") {
		return d.bearer(r.Context(), strings.TrimSpace(token))
	}
	cred, err := auth.ParseBasic(headers[0])
	if err != nil {
		return auth.Subject{}, "", err
	}
	cred.Remote = d.Proxies.ClientIP(r)
	who, err := d.Authn.Authenticate(r.Context(), cred)
	return who, "password", inOurWords(err)
}

// bearer accepts access tokens for the API alone: whoever runs a registry sees those that are for it.
func (d Deps) bearer(ctx context.Context, token string) (auth.Subject, string, error) {
	claims, err := d.Verifier.Verify(ctx, token, auth.APIService)
	if err != nil {
		return auth.Subject{}, "", inOurWords(err)
	}
	if claims.Subject == "" {
		return auth.Subject{}, "anonymous", nil
	}
	who, err := d.Resolver.Resolve(ctx, claims.Subject)
	return who, "bearer", inOurWords(err)
}

// inOurWords replaces hints that speak of docker login.
func inOurWords(err error) error {
	if err == nil || !errs.Is(err, errs.Unauthenticated) {
		return err
	}
	e := errs.As(err)
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
	return Caller{Subject: r.who, Method: r.method, Remote: r.RealIP(), RequestID: httpx.RequestID(r.Response())}
}
