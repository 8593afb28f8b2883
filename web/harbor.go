package web

import (
	"context"
	"net/http"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/httpx"
	"github.com/sealock/sealock/internal/secret"
)

// The paths by which scripts written for Harbor sign in and out: what pages do, without a page.
const (
	loginPath  = "/c/login"   // POST with the form fields principal and password
	logoutPath = "/c/log_out" // GET, as Harbor has it
)

// addHarbor mounts them.
func (p *Portal) addHarbor() {
	p.mux.HandleFunc(loginPath, p.plain(http.MethodPost, p.logIn))
	p.mux.HandleFunc(logoutPath, p.plain(http.MethodGet, p.logOut))
}

// plain serves what answers 200 and nothing else, or the errors of the API.
func (p *Portal) plain(method string, serve func(ctx context.Context, v *Visit) error) http.HandlerFunc {
	fails := httpx.Errors{Log: p.Log}
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method {
			w.Header().Set("Allow", method)
			fails.WriteAPI(w, r, errs.New(errs.Invalid, "the method %s is not allowed here", r.Method).WithCode("UNSUPPORTED"))
			return
		}
		v := p.newVisit(w, r)
		if err := p.readForm(v, http.MethodPost); err != nil { // also of a GET: this one changes something
			fails.WriteAPI(w, r, err)
			return
		}
		if err := p.recognise(r.Context(), v); err != nil {
			fails.WriteAPI(w, r, err)
			return
		}
		if err := serve(r.Context(), v); err != nil {
			fails.WriteAPI(w, r, err)
		}
	}
}

// logIn begins a session for a script. One that would wait for a hurdle is none: a script can't pass it.
func (p *Portal) logIn(ctx context.Context, v *Visit) error {
	name := v.Form.Get("principal")
	sub, err := p.Authn.Authenticate(ctx, auth.Credential{Name: name, Secret: secret.New(v.Form.Get("password")), Remote: v.Remote})
	if err != nil {
		if errs.Is(err, errs.Unauthenticated) {
			err = errs.As(err).WithHint("check both").WithCode("")
		}
		return v.Refuse(ctx, name, "password", err)
	}
	method := "password"
	if sub.How != "" {
		method = sub.How
	}
	for _, h := range p.Hurdles {
		required, err := h.Required(ctx, sub, method)
		if err != nil {
			return err
		}
		if required {
			return v.Refuse(ctx, name, method, auth.ErrSecondFactor.WithCode(""))
		}
	}
	_, err = v.Begin(ctx, sub, method, "")
	return err
}

// logOut ends the session. Who has none is signed out already.
func (p *Portal) logOut(ctx context.Context, v *Visit) error { return v.end(ctx) }

// end ends the session of a visit on the visitor's own wish.
func (v *Visit) end(ctx context.Context) error {
	if v.Session.ID == "" {
		return nil
	}
	if err := v.record(ctx, "logout", v.Session.Subject, "session", audit.Allowed, "own session"); err != nil {
		return err
	}
	if err := v.portal.forget(ctx, v.Session.ID); err != nil {
		return err
	}
	v.setCookie("sealock", "", -1)
	return nil
}

// Recognise returns who is signed in by the cookie of a request that is for no page, and the token that shows that a
// change comes from a page or a program that can read this server's answers. Without a session that counts it returns
// nobody; an error means that nobody can tell.
func (p *Portal) Recognise(w http.ResponseWriter, r *http.Request) (sub auth.Subject, token string, err error) {
	v := p.newVisit(w, r)
	if err := p.recognise(r.Context(), v); err != nil || !v.SignedIn() {
		return auth.Subject{}, "", err
	}
	return v.Subject, v.formToken(), nil
}
