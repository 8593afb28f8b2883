package web

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/httpx"
)

// Deps is what the pages are made of. All fields but those that are marked are required.
type Deps struct {
	Authn    auth.Authenticator // whoever signs in with name and password
	Holders  auth.Holders
	Sessions Sessions
	Tokens   PersonalTokens
	Trail    audit.Recorder
	Origins  httpx.Origins
	Proxies  httpx.TrustedProxies // may be nil
	Log      *slog.Logger
	Now      func() time.Time

	SessionIdle     func() time.Duration
	SessionAbsolute time.Duration

	HasCA   bool     // there is a certificate at /ca.crt to trust
	Hurdles []Hurdle // what has to be passed after a sign-in, in this order; may be nil
	Pages   []Page   // pages besides the portal's own; may be nil
	Links   []Link   // other ways to sign in; may be nil
}

// Link is another way to sign in, as the sign-in page shows it.
type Link struct {
	Title string // "Example Corp"
	Path  string // of a page that takes ?next=
}

// Hurdle is what somebody still has to pass after the password, or the word of a provider, before the session counts:
// a second factor. Until then the session opens nothing but the hurdle's own pages.
type Hurdle interface {
	// Name is what the session keeps meanwhile, and what the hurdle's pages say in [Page.Hurdle].
	Name() string
	// Path is the page that it is passed on. It takes ?next= and hands it to [Visit.Passed].
	Path() string
	// Required reports whether the subject, who came in by the method, has to pass it. An error lets nobody in.
	Required(ctx context.Context, sub auth.Subject, method string) (bool, error)
}

// Portal serves the pages.
type Portal struct {
	Deps
	pages  map[string]map[string]Page // by path and method
	mux    *http.ServeMux
	views  views
	static static
}

// New puts the pages together. An error means that they do not fit together.
func New(d Deps) (*Portal, error) {
	p := &Portal{Deps: d, pages: map[string]map[string]Page{}, mux: http.NewServeMux()}
	var err error
	if p.static, err = newStatic(); err != nil {
		return nil, err
	}
	if p.views, err = newViews(p.static.url); err != nil {
		return nil, err
	}
	for _, page := range slices.Concat(p.own(), d.Pages) {
		if err := p.add(page); err != nil {
			return nil, err
		}
	}
	p.mux.Handle(staticPrefix, p.static)
	p.addHarbor()
	return p, nil
}

// own are the portal's own pages.
func (p *Portal) own() []Page {
	return []Page{
		{Method: http.MethodGet, Path: "/{$}", Open: true, Serve: p.welcome},
		{Method: http.MethodGet, Path: "/sign-in", Open: true, Serve: p.signInForm},
		{Method: http.MethodPost, Path: "/sign-in", Open: true, Serve: p.signIn},
		{Method: http.MethodPost, Path: "/sign-out", Open: true, Serve: p.signOut},
		{Method: http.MethodGet, Path: "/account", Serve: p.account},
		{Method: http.MethodPost, Path: "/account/sessions/end", Serve: p.endSessions},
		{Method: http.MethodPost, Path: "/account/tokens", Serve: p.makeToken},
		{Method: http.MethodPost, Path: "/account/tokens/revoke", Serve: p.revokeToken},
	}
}

func (p *Portal) add(page Page) error {
	methods := p.pages[page.Path]
	if methods == nil {
		methods = map[string]Page{}
		p.pages[page.Path] = methods
		p.mux.HandleFunc(page.Path, func(w http.ResponseWriter, r *http.Request) { p.serve(w, r, methods) })
	}
	if _, taken := methods[page.Method]; taken || page.Serve == nil {
		return errs.New(errs.Internal, "the page %s %s is there twice or serves nothing", page.Method, page.Path)
	}
	methods[page.Method] = page
	return nil
}

// Paths are the patterns of all pages, as [http.ServeMux] writes them.
func (p *Portal) Paths() []string {
	paths := []string{staticPrefix, loginPath, logoutPath}
	for path := range p.pages {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

// Serves reports whether there is a page for the request, be it for another method.
func (p *Portal) Serves(r *http.Request) bool {
	_, pattern := p.mux.Handler(r)
	return pattern != ""
}

// ServeHTTP answers requests for pages.
func (p *Portal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	securityHeaders(w.Header())
	p.mux.ServeHTTP(w, r)
}

// securityHeaders are right for every page. Without any inline style or script, nothing that slips into a page runs.
// Referrer-Policy is not no-referrer: browsers then send "Origin: null" with our own forms.
func securityHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "+
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}
