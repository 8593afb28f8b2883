package web

import (
	"context"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
)

// signInView is what the sign-in page shows.
type signInView struct {
	Name  string
	Links []Link
}

// notices are what the sign-in page may be asked to say: no text of a link's maker is ever shown.
func notices(code string) string {
	if code == "signed-out" {
		return "You are signed out."
	}
	return ""
}

func (p *Portal) signInForm(_ context.Context, v *Visit) (Answer, error) {
	if v.SignedIn() {
		return Answer{To: v.Next()}, nil
	}
	return p.signInPage(v, "", nil), nil
}

// signInPage shows the form, with the other ways to sign in leading to the same place.
func (p *Portal) signInPage(v *Visit, name string, problem error) Answer {
	view := signInView{Name: name}
	for _, l := range p.Links {
		view.Links = append(view.Links, Link{Title: l.Title, Path: withNext(l.Path, v.Next())})
	}
	return Answer{Page: "sign-in", Title: "Sign in", Data: view, Problem: problem, Notice: notices(v.Form.Get("said"))}
}

// signIn takes name and password.
func (p *Portal) signIn(ctx context.Context, v *Visit) (Answer, error) {
	name := v.Form.Get("name")
	cred := auth.Credential{Name: name, Secret: secret.New(v.Form.Get("password")), Remote: v.Remote}
	if name == "" || cred.Secret.Empty() {
		return p.signInPage(v, name, errs.New(errs.Invalid, "name and password are needed")), nil
	}
	sub, err := p.Authn.Authenticate(ctx, cred)
	if err != nil {
		if errs.Is(err, errs.Unauthenticated) {
			err = errs.As(err).WithHint("check both").WithCode("")
		}
		return p.signInPage(v, auth.Presented(name), v.Refuse(ctx, name, "password", err)), nil
	}
	method := "password"
	if sub.How != "" {
		method = sub.How
	}
	answer, err := v.Begin(ctx, sub, method, v.Form.Get("next"))
	if err != nil {
		return p.signInPage(v, auth.Presented(name), err), nil
	}
	return answer, nil
}

// signOut ends the session. Who has none is signed out already.
func (p *Portal) signOut(ctx context.Context, v *Visit) (Answer, error) {
	return Answer{To: "/sign-in?said=signed-out"}, v.end(ctx)
}
