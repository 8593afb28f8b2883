package oidc

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/sealock/sealock/internal/errs"
)

// Started is a sign-in that waits for the person to come back from the provider. It belongs to one browser.
type Started struct {
	Redirect string `json:"redirect"`
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
}

// Start returns where the browser has to go, and what has to be kept until it comes back to the redirect URL.
func (s *Source) Start(ctx context.Context, redirect string) (to string, _ Started, err error) {
	p, err := s.provider(ctx)
	if err != nil {
		return "", Started{}, s.down(err)
	}
	kept := Started{Redirect: redirect, State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier()}
	options := []oauth2.AuthCodeOption{gooidc.Nonce(kept.Nonce), oauth2.S256ChallengeOption(kept.Verifier)}
	for key, value := range s.cfg.Extra {
		options = append(options, oauth2.SetAuthURLParam(key, value))
	}
	return s.oauth(p, redirect).AuthCodeURL(kept.State, options...), kept, nil
}

// Person is somebody as the provider describes them.
type Person struct {
	Subject  string // the issuer and its sub
	Name     string
	Groups   []string
	SysAdmin bool
	Renewal  string // a refresh token, if there is one
}

// Finish reads what the browser came back with, and returns who it is. Errors: Denied when the provider or what it says
// does not let the person in, Invalid when the answer does not belong to what was started, Unavailable when the provider
// can't be asked.
func (s *Source) Finish(ctx context.Context, kept Started, answer url.Values) (Person, error) {
	p, err := s.provider(ctx)
	if err != nil {
		return Person{}, s.down(err)
	}
	if err := s.checkAnswer(p, kept, answer); err != nil {
		return Person{}, err
	}
	ctx = gooidc.ClientContext(ctx, s.client)
	token, err := s.oauth(p, kept.Redirect).Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(kept.Verifier))
	if err != nil {
		return Person{}, s.exchangeFailed(err)
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return Person{}, denied("the provider sent no ID token", errors.New("no id_token in the answer"))
	}
	id, err := p.verifier.Verify(ctx, raw)
	if err != nil {
		return Person{}, denied("the provider's word could not be verified", err)
	}
	if !same(id.Nonce, kept.Nonce) {
		return Person{}, denied("the provider's word could not be verified", errors.New("the nonce is another"))
	}
	if id.AccessTokenHash != "" {
		if err := id.VerifyAccessToken(token.AccessToken); err != nil {
			return Person{}, denied("the provider's word could not be verified", err)
		}
	}
	return s.person(ctx, p, id, token)
}

// checkAnswer holds what came back to what was started. The state comes first: nothing else of a stranger's link is read.
func (s *Source) checkAnswer(p *provider, kept Started, answer url.Values) error {
	if kept.State == "" || !same(answer.Get("state"), kept.State) {
		return errs.New(errs.Invalid, "this answer does not belong to a sign-in that was begun here").WithHint("sign in again")
	}
	// Another provider's answer in this one's place (RFC 9207).
	if iss, named := answer["iss"]; named && (len(iss) != 1 || iss[0] != s.cfg.Issuer) || !named && p.saysIss {
		return errs.New(errs.Invalid, "the answer comes from another provider").WithHint("sign in again").
			Because(fmt.Errorf("iss is %q, want %q", iss, s.cfg.Issuer))
	}
	if code := answer.Get("error"); code != "" {
		return errs.New(errs.Denied, "the provider did not sign you in (%s)", legible(code)).WithHint("try again, or ask whoever runs the provider").
			Because(fmt.Errorf("the provider says %s: %s", legible(code), legible(answer.Get("error_description"))))
	}
	if answer.Get("code") == "" {
		return errs.New(errs.Invalid, "the provider's answer holds no code").WithHint("sign in again")
	}
	return nil
}

// person reads the claims, and asks for those that the ID token leaves out.
func (s *Source) person(ctx context.Context, p *provider, id *gooidc.IDToken, token *oauth2.Token) (Person, error) {
	c := claims{}
	if err := id.Claims(&c); err != nil {
		return Person{}, denied("the provider's word can't be read", err)
	}
	if len(id.Audience) > 1 && c.text("azp") != s.cfg.ClientID {
		return Person{}, denied("the provider's word could not be verified", errors.New("azp is another client"))
	}
	return s.described(ctx, p, id.Subject, c, token)
}

func (s *Source) described(ctx context.Context, p *provider, subject string, c claims, token *oauth2.Token) (Person, error) {
	if (c.text(s.cfg.Username) == "" || s.cfg.Groups != "" && !c.has(s.cfg.Groups)) && p.UserInfoEndpoint() != "" {
		info, err := p.UserInfo(ctx, oauth2.StaticTokenSource(token))
		if err != nil {
			return Person{}, s.down(fmt.Errorf("asking for user info: %w", err))
		}
		if info.Subject != subject {
			return Person{}, denied("the provider's word could not be verified", errors.New("user info is about another subject"))
		}
		more := claims{}
		if err := info.Claims(&more); err != nil {
			return Person{}, denied("the provider's word can't be read", err)
		}
		c = c.with(more)
	}
	groups := c.groups(s.cfg.Groups)
	who := Person{
		Subject: s.cfg.Issuer + " " + subject, Name: c.text(s.cfg.Username), Renewal: token.RefreshToken,
		Groups: s.counted(groups), SysAdmin: s.cfg.AdminGroup != "" && slices.Contains(groups, s.cfg.AdminGroup),
	}
	switch verified, said := c["email_verified"]; {
	case who.Name == "":
		return Person{}, denied("the provider does not say what you are called", fmt.Errorf("no claim %q", s.cfg.Username))
	case s.cfg.Username == "email" && said && verified != true && verified != "true":
		return Person{}, denied("your e-mail address is not verified", errors.New("email_verified is false"))
	case len(groups) > maxGroups:
		return Person{}, denied("you are in too many groups", fmt.Errorf("%d groups", len(groups)))
	}
	return who, nil
}

// exchangeFailed tells what a provider refuses from what it can't answer.
func (s *Source) exchangeFailed(err error) error {
	if refused(err) {
		return denied("the provider did not accept the sign-in", withoutBody(err))
	}
	return s.down(withoutBody(err))
}

// refused reports whether the provider answered that a grant is not good (RFC 6749 section 5.2).
func refused(err error) bool {
	e, ok := errors.AsType[*oauth2.RetrieveError](err)
	return ok && e.ErrorCode == "invalid_grant"
}

// withoutBody keeps what a provider's answer holds out of the log: it may repeat a code or a token.
func withoutBody(err error) error {
	if e, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		status := 0
		if e.Response != nil {
			status = e.Response.StatusCode
		}
		return fmt.Errorf("the token end-point answers %d %s: %s", status, legible(e.ErrorCode), legible(e.ErrorDescription))
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("the token end-point can't be asked: %w", e.Err)
	}
	return errors.New("the token end-point's answer can't be read")
}

func denied(message string, cause error) error {
	return errs.New(errs.Denied, "%s", message).WithHint("try again, or ask whoever runs this server").Because(cause)
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// legible cuts what a stranger may have written, for messages and logs.
func legible(s string) string {
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f {
			return -1
		}
		return c
	}, s)
	return s[:min(len(s), 200)]
}

// claims are what a provider says of a person.
type claims map[string]any

// value finds a claim by its whole name, or through objects by the parts of it.
func (c claims) value(name string) (any, bool) {
	if v, ok := c[name]; ok {
		return v, true
	}
	first, rest, ok := strings.Cut(name, ".")
	if !ok {
		return nil, false
	}
	inner, isObject := c[first].(map[string]any)
	if !isObject {
		return nil, false
	}
	return claims(inner).value(rest)
}

func (c claims) has(name string) bool { _, ok := c.value(name); return ok }

func (c claims) text(name string) string {
	v, _ := c.value(name)
	s, _ := v.(string)
	return s
}

// groups reads a list of names. One that is no list is a single group; what is no text is none.
func (c claims) groups(name string) (list []string) {
	if name == "" {
		return nil
	}
	v, _ := c.value(name)
	switch v := v.(type) {
	case string:
		if v != "" {
			list = append(list, v)
		}
	case []any:
		for _, one := range v {
			if s, ok := one.(string); ok && s != "" {
				list = append(list, s)
			}
		}
	}
	return list
}

// with adds what the ID token does not say. What it says stands: it is signed.
func (c claims) with(more claims) claims {
	for key, value := range more {
		if _, said := c[key]; !said {
			c[key] = value
		}
	}
	return c
}

// Encode is how Started is kept.
func (k Started) Encode() ([]byte, error) { return json.Marshal(k) }

// ReadStarted reads what Encode wrote.
func ReadStarted(text []byte) (k Started, err error) { return k, json.Unmarshal(text, &k) }
