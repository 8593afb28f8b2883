package proxy

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/httpx"
)

// TokenPath is where the token end-point is served, on the same origin as the registry: several clients refuse a realm
// on another one (protocol.md 3.9).
const TokenPath = "/service/token"

// Config is what a [Gate] is made of. All fields are required except Trusted, Pulls, Observer, and those
// from ReadOnly on.
type Config struct {
	Service    string // the audience of tokens, as challenges name it
	Origins    httpx.Origins
	Trusted    httpx.TrustedProxies
	Verifier   auth.Verifier
	Holders    auth.Holders
	Authorizer auth.Authorizer
	Decider    auth.Decider // for what a token can't say
	Projects   Projects
	Recorder   audit.Recorder
	Pulls      func(audit.Record) // takes note of pulls, and keeps nobody waiting; nil where none are recorded
	Upstream   Upstream           // one registry, or [Several]
	Observer   Observer           // of what comes, goes and is pulled; nil for none
	Errors     httpx.Errors
	Now        func() time.Time
	ReadOnly   func() bool // whether nothing may be changed at the moment; nil: never
	Keeper     Keeper      // of immutable tags and quotas; nil where there are none
	PullRules  PullRules   // nil where there are none
	Limiter    *Limiter    // of pulls; nil: any number
	Passes     *Passes     // let uploads go on whose token has ended; nil: they don't
	KnownHosts bool        // whether a request has to name one of Origins
	Referrers  Referrers   // what lists of referrers are made of; nil: the upstream is asked
}

// Gate is the handler for /v2 and /v1. A request goes route → gate → forward; each step may refuse it. The only body
// that is read is a manifest's.
type Gate struct {
	Config

	registries *Several
	inside     *Inside
}

// Projects knows what projects are called, and when they were made: a token from before was issued for another one of
// the name.
type Projects interface {
	// Known returns what the project that has the name, or had it, is called now; "" if there is none.
	Known(ctx context.Context, project string) (name string, since time.Time, err error)
}

// New returns a gate.
func New(c Config) *Gate {
	all, ok := c.Upstream.(*Several)
	if !ok {
		all = oneOf(c.Upstream)
	}
	return &Gate{Config: c, registries: all, inside: NewInside(all)}
}

// visit is one request on its way through the gate.
type visit struct {
	Request
	w      http.ResponseWriter
	r      *http.Request
	origin httpx.Origin
	claims auth.ClaimSet
	to     destination
	moved  bool    // Repository is not what the client calls it
	capped *capped // an upload that may be too long; nil for none
	ruled  bool    // rules of the project are about the pull
	pass   string  // lets the upload go on; "" for none
	late   bool    // the token has ended, and the upload goes on by its pass
}

// ServeHTTP answers /v2 and everything below it, and /v1.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/v2":
		w.Header().Set(httpx.APIVersionHeader, httpx.APIVersion)
		http.Redirect(w, r, "/v2/", http.StatusMovedPermanently)
		return
	case r.URL.Path == "/v1" || strings.HasPrefix(r.URL.Path, "/v1/"):
		g.Errors.WriteRegistry(w, r, errV1())
		return
	}
	v := &visit{w: w, r: r, origin: g.Origins.Of(r)}
	if g.KnownHosts && !g.Origins.Know(r) {
		g.Errors.WriteRegistry(w, r, errHost(r.Host, v.origin))
		return
	}
	if err := g.serve(r.Context(), v); err != nil {
		g.Errors.WriteRegistry(w, r, err)
	}
}

func (g *Gate) serve(ctx context.Context, v *visit) (err error) {
	if v.Request, err = ParseRequest(v.r); err != nil {
		if allow := v.Kind.allow(); allow != "" {
			v.w.Header().Set("Allow", allow)
		}
		return err
	}
	if v.Method == http.MethodOptions {
		v.w.Header().Set(httpx.APIVersionHeader, httpx.APIVersion)
		v.w.Header().Set("Allow", v.Kind.allow()+", OPTIONS")
		v.w.WriteHeader(http.StatusOK)
		return nil
	}
	v.to = g.registries.decide(v.origin.Host, v.Request)
	if v.claims, err = g.authenticate(ctx, v); err != nil {
		return err
	}
	switch v.Kind {
	case KindBase:
		if _, err := g.subject(ctx, v); err != nil {
			return err
		}
		writePong(v)
		return nil
	case KindCatalog:
		return g.serveCatalog(ctx, v)
	case KindTags, KindManifest, KindBlob, KindUploads, KindUpload, KindReferrers:
	}
	sub, err := g.admit(ctx, v)
	if err != nil {
		return err
	}
	if g.ReadOnly != nil && v.Method != http.MethodGet && v.Method != http.MethodHead && g.ReadOnly() {
		return errReadOnly()
	}
	if err := g.limit(v, sub); err != nil {
		return err
	}
	if err := g.admitTag(ctx, v, sub); err != nil {
		return err
	}
	if err := g.follow(ctx, v); err != nil {
		return err
	}
	if v.to.strays {
		return v.to.errStrays(v.Repository)
	}
	g.partMount(v)
	switch {
	case v.Kind == KindReferrers && g.Referrers != nil && !v.to.away:
		return g.serveReferrers(ctx, v)
	case v.pagedTags():
		return g.serveTags(ctx, v)
	}
	if err := g.admitPull(ctx, v); err != nil {
		return err
	}
	if g.straight(v, sub) {
		return nil
	}
	out, err := g.outbound(ctx, v)
	if err != nil {
		return err
	}
	var sent manifestSent
	if v.Kind == KindManifest && v.Method == http.MethodPut {
		if sent, err = inspect(out); err != nil {
			return err
		}
		if err := g.admitOverwrite(ctx, v, sub, sent.digest); err != nil {
			return err
		}
		if err := g.admitManifest(ctx, v, sub, sent); err != nil {
			return err
		}
	}
	if err := g.admitKept(ctx, v, sub, sent.digest); err != nil {
		return err
	}
	if err := g.admitUpload(ctx, v, sub, out); err != nil {
		return err
	}
	return g.forward(ctx, v, sub, out, sent)
}

// writePong answers the ping with which clients look for a registry and try a token.
func writePong(v *visit) {
	h := v.w.Header()
	h.Set(httpx.APIVersionHeader, httpx.APIVersion)
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", "2")
	if v.Method != http.MethodHead {
		_, _ = v.w.Write([]byte("{}")) // a client that hung up needs no answer
	}
}

// authenticate reads and checks the bearer token.
func (g *Gate) authenticate(ctx context.Context, v *visit) (auth.ClaimSet, error) {
	token, ok := bearer(v.r.Header)
	if !ok {
		g.challenge(v, v.Access(), "")
		return auth.ClaimSet{}, errs.New(errs.Unauthenticated, "authentication required").WithHint("run docker login %s", v.origin.Host)
	}
	claims, err := g.Verifier.Verify(ctx, token, g.Service)
	if errs.Is(err, errs.Unauthenticated) && g.passes(ctx, v, token) {
		return v.claims, nil
	}
	if errs.Is(err, errs.Unauthenticated) {
		g.challenge(v, v.Access(), "invalid_token")
	}
	return claims, err
}

// bearer returns the token of the header Authorization. Several headers are none: two readers could pick two tokens.
func bearer(h http.Header) (string, bool) {
	values := h["Authorization"]
	if len(values) != 1 {
		return "", false
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	token = strings.TrimLeft(token, " ")
	return token, token != ""
}

// challenge tells the client where to ask for a token and for which scope.
func (g *Gate) challenge(v *visit, scope auth.Scope, code string) {
	c := auth.Challenge{Realm: v.origin.String() + TokenPath, Service: g.Service, Scope: scope, Error: code}
	v.w.Header().Set("WWW-Authenticate", c.String())
}

// admit lets the request in if the token covers it and the policy still allows it: a member may have been removed since
// the token was issued, and a project may be another one of the same name.
func (g *Gate) admit(ctx context.Context, v *visit) (auth.Subject, error) {
	sub, err := g.subject(ctx, v)
	if err != nil {
		return auth.Subject{}, err
	}
	if err := g.admitAge(ctx, v); err != nil {
		return auth.Subject{}, err
	}
	if v.claims.Access.Covers(v.Access()) {
		if ok, err := g.grants(ctx, sub, v.Access()); ok || err != nil {
			return sub, err
		}
	}
	if v.From != "" {
		return sub, g.admitMount(ctx, v, sub)
	}
	return sub, g.refuse(ctx, v, sub, v.Access())
}

// admitAge refuses a token from before the project was made. The client gets a new one, if it may have one.
func (g *Gate) admitAge(ctx context.Context, v *visit) error {
	for _, r := range v.Access() {
		project, _ := auth.Project(r.Name)
		_, since, err := g.Projects.Known(ctx, project)
		if err != nil {
			return err
		}
		if v.claims.Issued().Before(since) {
			g.challenge(v, v.Access(), "invalid_token")
			return auth.ErrInvalidToken.Because(fmt.Errorf("project %q is younger than the token", project))
		}
	}
	return nil
}

// follow lets a pull from a project that was renamed find what it is called now. The policy allows nothing but pulls there.
func (g *Gate) follow(ctx context.Context, v *visit) error {
	project, _ := auth.Project(v.Repository)
	now, _, err := g.Projects.Known(ctx, project)
	if err != nil || now == "" || now == project {
		return err
	}
	if v.Method != http.MethodGet && v.Method != http.MethodHead {
		return renamed(project, now)
	}
	v.Repository = now + strings.TrimPrefix(v.Repository, project)
	v.moved = true
	v.to = g.registries.decide(v.origin.Host, v.Request)
	return nil
}

// subject returns who the token is for, as they are now. A token of someone who is gone is no longer valid.
func (g *Gate) subject(ctx context.Context, v *visit) (auth.Subject, error) {
	sub, err := auth.Bearer(ctx, g.Holders, v.claims)
	if errs.Is(err, errs.Unauthenticated) {
		g.challenge(v, v.Access(), "invalid_token")
		return auth.Subject{}, auth.ErrInvalidToken.Because(err)
	}
	sub.Remote = g.Trusted.ClientIP(v.r)
	return sub, err
}

// grants reports whether the policy lets the subject do all of the scope.
func (g *Gate) grants(ctx context.Context, sub auth.Subject, scope auth.Scope) (bool, error) {
	d, err := g.Authorizer.Authorize(ctx, sub, scope)
	return err == nil && d.Granted.Covers(scope), err
}

func errReadOnly() error {
	return errs.New(errs.Denied, "the registry is read-only at the moment").WithHint("pulling works; ask an administrator of this server when it ends")
}

func errHost(host string, known httpx.Origin) error {
	return errs.New(errs.Denied, "this server is not called %q", clip(host)).
		WithHint("use %s; its administrator can add another name to external_urls", known.Host)
}

func errV1() error {
	return errs.New(errs.NotFound, "this is a registry of API v2").WithHint("use Docker 1.6 or newer, or another client that speaks API v2").WithCode("UNSUPPORTED")
}
