package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/httpx"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

// Page is what answers one method at one path. It is called only for those whom it is for: who is not signed in is sent
// to the sign-in page and back, and a form that did not come from a page of ours is refused before.
type Page struct {
	Method string // GET (then HEAD too) or POST
	Path   string // a pattern of http.ServeMux without the method; {$} ends one that would take in what follows
	Open   bool   // for everybody; forms of nobody's session are held to the browser's word alone
	Hurdle string // for sessions that wait for this hurdle, and no others
	Serve  func(ctx context.Context, v *Visit) (Answer, error)
}

// Visit is one request for a page.
type Visit struct {
	Request   *http.Request
	Form      url.Values // of the query for GET, of the body for POST
	Origin    httpx.Origin
	Remote    string
	RequestID string

	Subject auth.Subject  // nobody, unless a session counts or waits for this page's hurdle
	Session store.Session // of the subject

	key    []byte // what the session's cookie holds
	portal *Portal
	w      http.ResponseWriter
}

// Caller is who visits, as the services want to know it.
func (v *Visit) Caller() project.Caller {
	return project.Caller{Subject: v.Subject, Method: "session", Remote: v.Remote, RequestID: v.RequestID}
}

// SignedIn reports whether somebody is, with everything passed.
func (v *Visit) SignedIn() bool { return v.Session.ID != "" && v.Session.Pending == "" }

// Next is where the person wanted to go before something came between, always a path of this server.
func (v *Visit) Next() string { return localPath(v.Form.Get("next")) }

// Answer is what a page gives back: a template with what it shows, or a place to go on to.
type Answer struct {
	Page    string // the file in templates, without .html
	Title   string
	Data    any    // .Data in the template
	Problem error  // shown above the page; it sets the status
	Notice  string // shown above the page
	Status  int    // 0: 200, or what Problem says

	// To is where the browser goes instead. What came from a client goes through [Visit.Next] first.
	To string
}

// maxForm is how many bytes a form may have.
const maxForm = 64 << 10

func (p *Portal) newVisit(w http.ResponseWriter, r *http.Request) *Visit {
	return &Visit{
		Request: r, Form: r.URL.Query(), Origin: p.Origins.Of(r), Remote: p.Proxies.ClientIP(r), RequestID: httpx.RequestID(w),
		portal: p, w: w,
	}
}

// serve finds the page for the method and lets in whom it is for.
func (p *Portal) serve(w http.ResponseWriter, r *http.Request, methods map[string]Page) {
	v := p.newVisit(w, r)
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	page, ok := methods[method]
	if !ok {
		w.Header().Set("Allow", allowed(methods))
		p.write(r.Context(), v, Answer{}, errs.New(errs.Invalid, "the method %s is not allowed here", r.Method).WithCode("UNSUPPORTED"))
		return
	}
	answer, err := p.visit(r.Context(), v, page)
	p.write(r.Context(), v, answer, err)
}

func allowed(methods map[string]Page) string {
	var list []string
	for m := range methods {
		list = append(list, m)
		if m == http.MethodGet {
			list = append(list, http.MethodHead)
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func (p *Portal) visit(ctx context.Context, v *Visit, page Page) (Answer, error) {
	if err := p.readForm(v, page.Method); err != nil {
		return Answer{}, err
	}
	if err := p.recognise(ctx, v); err != nil {
		return Answer{}, err
	}
	waiting := v.Session.Pending
	if waiting != "" && waiting != page.Hurdle {
		v.Subject = auth.Subject{} // nobody yet
	}
	switch {
	case page.Open:
	case v.Session.ID == "":
		return toSignIn(v), nil
	case waiting != page.Hurdle:
		return p.goOn(v), nil
	}
	if page.Method == http.MethodPost && v.Session.ID != "" && !v.ownForm() {
		return Answer{}, errs.New(errs.Denied, "this form is out of date").WithHint("go back, reload the page and try again")
	}
	return page.Serve(ctx, v)
}

// readForm reads what was sent and refuses what another site's page sends.
func (p *Portal) readForm(v *Visit, method string) error {
	if method != http.MethodPost {
		return nil
	}
	if !p.Origins.FromOwnPage(v.Request) {
		return errs.New(errs.Denied, "another site's page asks for a change").
			WithHint("use this server's own pages; external_urls must name the address in the browser")
	}
	v.Request.Body = http.MaxBytesReader(v.w, v.Request.Body, maxForm)
	if err := v.Request.ParseForm(); err != nil {
		return errs.New(errs.Invalid, "the form can't be read").WithHint("go back and try again").Because(err)
	}
	v.Form = v.Request.PostForm
	return nil
}

// goOn sends somebody whose session waits for something to where that is passed, and others where they wanted to go.
func (p *Portal) goOn(v *Visit) Answer {
	for _, h := range p.Hurdles {
		if h.Name() == v.Session.Pending {
			return Answer{To: withNext(h.Path(), v.wanted())}
		}
	}
	return Answer{To: v.Next()}
}

// toSignIn sends somebody to the sign-in page and then back here.
func toSignIn(v *Visit) Answer { return Answer{To: withNext("/sign-in", v.wanted())} }

// wanted is where a visitor who is stopped goes afterwards: back here, or where the page would have led on.
func (v *Visit) wanted() string {
	if next := v.Form.Get("next"); next != "" || v.Request.Method == http.MethodPost {
		return localPath(next)
	}
	return localPath(v.Request.URL.RequestURI())
}

func withNext(path, next string) string {
	if next == home {
		return path
	}
	return path + "?" + url.Values{"next": {next}}.Encode()
}
