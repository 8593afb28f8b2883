package api

import (
	_ "embed"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/httpx"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/settings"
)

// Deps is what the API is made of. All fields are required.
type Deps struct {
	Service      *project.Service
	Audit        AuditTrail
	Keys         KeyRing
	Policy       PolicyAdmin
	History      PolicyHistory
	Health       HealthCheck
	ProviderPing ProviderPing
	Info         Info
	Decider      auth.Decider
	Recorder     audit.Recorder
	Words        []Word // that the policy has

	Configuration *settings.Runtime
	Volumes       func() (Volume, error) // of the data folder

	Authn    auth.Authenticator
	Verifier auth.Verifier
	Holders  auth.Holders
	Sessions Sessions
	Errors   httpx.Errors
	Origins  httpx.Origins
	Proxies  httpx.TrustedProxies
	Now      func() time.Time
}

// Prefix is where the API is mounted.
const Prefix = "/api/"

//go:embed openapi.yaml
var document []byte

// New returns the API, to be mounted at [Prefix].
func New(d Deps) http.Handler {
	e := echo.New()
	// echo v4 would otherwise believe any client's X-Forwarded-For.
	e.IPExtractor = d.Proxies.ClientIP
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		if !answerFormer(e, err, c) {
			writeError(d.Errors, err, c)
		}
	}
	e.Use(answerHeaders, ownSite(d), authenticate(d), wholePath, whileReadOnly(d))
	r := &router{EchoRouter: e, gets: map[string]echo.HandlerFunc{}}
	gen.RegisterHandlers(r, &handlers{Deps: d, document: sync.OnceValues(documentJSON)})
	r.addHeads(e)
	return e
}

// router notes which paths can be got, so that HEAD can be answered there too: RFC 9110 section 9.1 wants it, and
// monitors ask for nothing else.
type router struct {
	gen.EchoRouter
	gets map[string]echo.HandlerFunc
}

func (r *router) GET(path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) *echo.Route {
	if _, own := r.gets[path]; !own {
		r.gets[path] = h
	}
	if bare, ok := strings.CutSuffix(path, "/"); ok { // see POST
		r.GET(bare, h, m...)
	}
	return r.EchoRouter.GET(path, h, m...)
}

// HEAD notes a path that has a HEAD of its own.
func (r *router) HEAD(path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) *echo.Route {
	r.gets[path] = nil
	return r.EchoRouter.HEAD(path, h, m...)
}

// POST serves a path that ends in a slash without it, too: clients of Harbor send /projects/1/metadatas either way.
func (r *router) POST(path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) *echo.Route {
	if bare, ok := strings.CutSuffix(path, "/"); ok {
		r.EchoRouter.POST(bare, h, m...)
	}
	return r.EchoRouter.POST(path, h, m...)
}

func (r *router) addHeads(e *echo.Echo) {
	for path, h := range r.gets {
		if h != nil {
			e.HEAD(path, h) // net/http drops the body
		}
	}
}

// answerHeaders are right for every answer: what is told depends on who asks and when.
func answerHeaders(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		return next(c)
	}
}

// wholePath keeps echo's last path parameter from taking in what follows it: /users/1/x is nothing, not the user "1/x".
// An encoded slash stays a part of the parameter.
func wholePath(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if strings.Count(c.Path(), "/") != strings.Count(c.Request().URL.EscapedPath(), "/") {
			return echo.ErrNotFound
		}
		return next(c)
	}
}

// writeError is the one place where a handler's error becomes an answer.
func writeError(x httpx.Errors, err error, c echo.Context) {
	w := c.Response()
	if w.Committed {
		return
	}
	if errs.Is(err, errs.Unauthenticated) {
		// RFC 9110 section 11.6.1 asks for a challenge; this one every HTTP client understands.
		w.Header().Set("WWW-Authenticate", `Basic realm="sealock", charset="UTF-8"`)
	}
	x.WriteAPI(w, c.Request(), translate(err, c.Request()))
}

// translate puts the errors of echo and of the generated code into our words.
func translate(err error, r *http.Request) error {
	var e *echo.HTTPError
	if !errors.As(err, &e) {
		return err
	}
	const hint = "the document at /api/v2.0/openapi.json has all operations"
	switch e.Code {
	case http.StatusNotFound:
		return errs.New(errs.NotFound, "there is nothing at this path").WithHint(hint)
	case http.StatusMethodNotAllowed:
		return errs.New(errs.Invalid, "the method %s is not allowed here", r.Method).WithHint(hint).WithCode("UNSUPPORTED")
	case http.StatusBadRequest:
		// The generated code says which parameter is wrong before the colon, and Go's own words after it. They quote what
		// was sent, which may be a secret in the wrong place: the log must not have them either.
		what, _, _ := strings.Cut(messageOf(e), ":")
		return errs.New(errs.Invalid, "%s", strings.Replace(what, "Invalid", "invalid", 1)).WithHint(hint)
	}
	return errs.As(err)
}

func messageOf(e *echo.HTTPError) string {
	s, _ := e.Message.(string)
	return s
}
