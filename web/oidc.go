package web

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
)

// Provider signs people in somewhere else (OpenID Connect). What it starts belongs to one browser, and is kept there,
// sealed, until the person comes back.
type Provider interface {
	Name() string  // the user source's; a part of its pages' paths
	Title() string // what people call it
	// Start returns where the browser has to go, and what has to be kept until it comes back to the redirect URL.
	Start(ctx context.Context, redirect string) (to string, kept []byte, err error)
	// Finish reads what the browser came back with, and returns who it is.
	Finish(ctx context.Context, kept []byte, answer url.Values) (auth.Subject, error)
}

// Box seals what is kept in a browser. A [seal.Box] does.
type Box interface {
	Seal(text []byte, purpose string) []byte
	Open(box []byte, purpose string) ([]byte, error)
}

const (
	awayCookie = "sealock-away"
	awayLife   = 10 * time.Minute // how long somebody may take at the provider
	methodOIDC = "oidc"
)

// away is a sign-in whose person is at the provider.
type away struct {
	Next  string    `json:"next"`
	Until time.Time `json:"until"`
	Kept  []byte    `json:"kept"`
}

// ProviderPages are the pages of a provider: the way there, and the way back.
func ProviderPages(p Provider, box Box, now func() time.Time) []Page {
	pages := providerPages{p, box, now}
	return []Page{
		{Method: http.MethodGet, Path: providerPath(p) + "/login", Open: true, Serve: pages.leave},
		{Method: http.MethodGet, Path: providerPath(p) + "/callback", Open: true, Serve: pages.comeBack},
	}
}

// ProviderLink is how the sign-in page leads to a provider.
func ProviderLink(p Provider) Link { return Link{Title: p.Title(), Path: providerPath(p) + "/login"} }

func providerPath(p Provider) string { return "/oidc/" + url.PathEscape(p.Name()) }

type providerPages struct {
	provider Provider
	box      Box
	now      func() time.Time
}

// purpose binds what is kept to the provider, so that an answer of one is never held to what was started at another.
func (p providerPages) purpose() string { return "sign-in at " + p.provider.Name() }

// leave sends the browser to the provider.
func (p providerPages) leave(ctx context.Context, v *Visit) (Answer, error) {
	to, kept, err := p.provider.Start(ctx, v.Origin.String()+providerPath(p.provider)+"/callback")
	if err != nil {
		return Answer{}, v.Refuse(ctx, "@"+p.provider.Name(), methodOIDC, err)
	}
	text, err := json.Marshal(away{Next: v.Next(), Until: p.now().Add(awayLife), Kept: kept})
	if err != nil {
		return Answer{}, err
	}
	v.setCookie(awayCookie, base64.RawURLEncoding.EncodeToString(p.box.Seal(text, p.purpose())), int(awayLife/time.Second))
	return Answer{To: to}, nil
}

// comeBack signs in whom the provider vouches for. What was kept is good for one answer.
func (p providerPages) comeBack(ctx context.Context, v *Visit) (Answer, error) {
	kept, ok := p.kept(v)
	v.setCookie(awayCookie, "", -1)
	if !ok {
		return Answer{}, v.Refuse(ctx, "@"+p.provider.Name(), methodOIDC, errs.New(errs.Invalid, "this sign-in was not begun in this browser, or took too long").
			WithHint("sign in again; the browser must accept cookies"))
	}
	sub, err := p.provider.Finish(ctx, kept.Kept, v.Form)
	if err != nil {
		return Answer{}, v.Refuse(ctx, "@"+p.provider.Name(), methodOIDC, err)
	}
	return v.Begin(ctx, sub, methodOIDC, kept.Next)
}

// kept reads the cookie that was set on the way out.
func (p providerPages) kept(v *Visit) (k away, ok bool) {
	cookies := v.Request.CookiesNamed(hostCookie(awayCookie, v.secure()))
	if len(cookies) != 1 {
		return away{}, false
	}
	sealed, err := base64.RawURLEncoding.DecodeString(cookies[0].Value)
	if err != nil {
		return away{}, false
	}
	text, err := p.box.Open(sealed, p.purpose())
	if err != nil || json.Unmarshal(text, &k) != nil {
		return away{}, false
	}
	return k, len(k.Kept) > 0 && p.now().Before(k.Until)
}
