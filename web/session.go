package web

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// Sessions keeps who is signed in. A [store.Store] does.
type Sessions interface {
	CreateSession(ctx context.Context, s store.Session) error
	Session(ctx context.Context, id string) (store.Session, error)
	ListSessions(ctx context.Context, f store.Filter) iter.Seq2[store.Session, error]
	TouchSession(ctx context.Context, id string, at time.Time) error
	DeleteSession(ctx context.Context, id string) error
	DeleteSessionsOf(ctx context.Context, userID int64, except string) (int, error)
}

const (
	sessionKey = 32               // bytes of the cookie: random, and known to nobody else
	waitLife   = 10 * time.Minute // of a session that waits for a hurdle
	touchEvery = time.Minute      // a busy browser would make its session a hot row
	maxAgent   = 200              // characters of a browser's name that are kept
)

// sessionCookie is the cookie's name. With the prefix, browsers take it from this host alone, over TLS and for all paths:
// no neighbour below the same domain can plant one.
func sessionCookie(secure bool) string { return hostCookie("sealock", secure) }

func hostCookie(name string, secure bool) string {
	if secure {
		return "__Host-" + name
	}
	return name
}

func (v *Visit) secure() bool { return v.Origin.Scheme == "https" }

func (v *Visit) setCookie(name, value string, maxAge int) {
	http.SetCookie(v.w, &http.Cookie{ //nolint:gosec // Secure wherever the pages are
		Name: hostCookie(name, v.secure()), Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: v.secure(), SameSite: http.SameSiteLaxMode,
	})
}

func sessionID(key []byte) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:])
}

// recognise finds the session that the cookie names, and its subject as it is now. One that is over, or whose subject is
// gone or not the same any more, is ended. An error means that nobody can tell.
func (p *Portal) recognise(ctx context.Context, v *Visit) error {
	cookie, err := v.Request.Cookie(sessionCookie(v.secure()))
	if err != nil {
		return nil //nolint:nilerr // there is none
	}
	key, err := base64.RawURLEncoding.Strict().DecodeString(cookie.Value)
	if err != nil || len(key) != sessionKey {
		return nil //nolint:nilerr // none of ours
	}
	s, err := p.Sessions.Session(ctx, sessionID(key))
	if errs.Is(err, errs.NotFound) {
		v.setCookie("sealock", "", -1)
		return nil
	}
	if err != nil {
		return err
	}
	sub, err := p.holder(ctx, s)
	if errors.Is(err, auth.ErrUnknownSubject) {
		v.setCookie("sealock", "", -1)
		return p.forget(ctx, s.ID)
	}
	if err != nil {
		return err
	}
	v.key, v.Session, v.Subject = key, s, sub
	return p.touch(ctx, s)
}

// holder returns whose session it is, as they are now. Who signed in can't have been another one of the name.
func (p *Portal) holder(ctx context.Context, s store.Session) (auth.Subject, error) {
	waits := func(h Hurdle) bool { return h.Name() == s.Pending }
	if !s.AliveAt(p.Now()) || s.Pending != "" && !slices.ContainsFunc(p.Hurdles, waits) {
		return auth.Subject{}, auth.ErrUnknownSubject
	}
	sub, err := p.Holders.Holder(ctx, s.Subject, "")
	if err != nil {
		return auth.Subject{}, err
	}
	if sub.ID != s.UserID || s.CreatedAt.Before(sub.Since.Truncate(time.Second)) {
		return auth.Subject{}, auth.ErrUnknownSubject
	}
	sub.How = s.Method
	return sub, nil
}

func (p *Portal) touch(ctx context.Context, s store.Session) error {
	now := p.Now()
	if now.Sub(s.LastSeenAt) < touchEvery {
		return nil
	}
	if err := p.Sessions.TouchSession(ctx, s.ID, now); err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	return nil
}

// forget ends a session that may have ended already.
func (p *Portal) forget(ctx context.Context, id string) error {
	if err := p.Sessions.DeleteSession(ctx, id); err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	return nil
}

// Begin signs somebody in who has shown by the method who they are ("password", "oidc", "passkey"), and returns where
// the browser goes: on to next, or to the first hurdle. It is on record before it counts. Credentials that are made for
// programs begin no session: what a token is bound to would be lost.
func (v *Visit) Begin(ctx context.Context, sub auth.Subject, method, next string) (Answer, error) {
	if sub.Anonymous() || sub.ID == 0 || sub.Kind != auth.KindUser || sub.Via != "" || sub.Bounds != nil {
		return Answer{}, v.Refuse(ctx, sub.Name, method, errs.New(errs.Denied, "this credential is for programs").
			WithHint("sign in with your password"))
	}
	return v.begin(ctx, sub, method, next, v.portal.Hurdles)
}

// Passed lets a session count that waited for a hurdle, or sends it to the next one. It is a new session: whoever knew the
// old one's cookie has nothing.
func (v *Visit) Passed(ctx context.Context, next string) (Answer, error) {
	for i, h := range v.portal.Hurdles {
		if h.Name() == v.Session.Pending {
			return v.begin(ctx, v.Subject, v.Session.Method, next, v.portal.Hurdles[i+1:])
		}
	}
	return Answer{}, errs.New(errs.Internal, "a hurdle was passed that the session does not wait for")
}

func (v *Visit) begin(ctx context.Context, sub auth.Subject, method, next string, left []Hurdle) (Answer, error) {
	p := v.portal
	answer := Answer{To: localPath(next)}
	life, pending := p.SessionAbsolute, ""
	for _, h := range left {
		required, err := h.Required(ctx, sub, method)
		if err != nil {
			return Answer{}, err
		}
		if required {
			pending, life = h.Name(), waitLife
			answer.To = withNext(h.Path(), answer.To)
			break
		}
	}
	outcome, reason := audit.Allowed, "session"
	if pending != "" {
		outcome, reason = audit.Narrowed, "waits for "+pending
	}
	if err := v.record(ctx, "login", sub.Name, method, outcome, reason); err != nil {
		return Answer{}, err
	}
	if err := v.replaceSession(ctx, sub, method, pending, life); err != nil {
		return Answer{}, err
	}
	return answer, nil
}

// replaceSession ends the session that the browser had and gives it a new one.
func (v *Visit) replaceSession(ctx context.Context, sub auth.Subject, method, pending string, life time.Duration) error {
	p := v.portal
	if v.Session.ID != "" {
		if err := p.forget(ctx, v.Session.ID); err != nil {
			return err
		}
	}
	key := make([]byte, sessionKey)
	rand.Read(key) // crypto/rand never fails (Go 1.24)
	now := p.Now().UTC()
	s := store.Session{
		ID: sessionID(key), UserID: sub.ID, Subject: sub.Name, Source: sub.Source, Method: method, Pending: pending,
		Remote: v.Remote, UserAgent: agent(v.Request), CreatedAt: now, LastSeenAt: now,
		IdleExpiry: p.SessionIdle(), ExpiresAt: now.Add(life), UserAsOf: sub.AsOf,
	}
	if err := p.Sessions.CreateSession(ctx, s); err != nil {
		if errs.Is(err, errs.Conflict) || errs.Is(err, errs.NotFound) {
			return errs.New(errs.Unavailable, "the account was changed at this moment").WithHint("try again").Because(err)
		}
		return err
	}
	v.key, v.Session, v.Subject = key, s, sub
	v.setCookie("sealock", base64.RawURLEncoding.EncodeToString(key), 0)
	return nil
}

// agent is the browser's name for itself, in a form that can be kept and shown.
func agent(r *http.Request) string {
	clean := strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c == utf8.RuneError {
			return -1
		}
		return c
	}, r.UserAgent())
	if utf8.RuneCountInString(clean) > maxAgent {
		clean = string([]rune(clean)[:maxAgent]) + "…"
	}
	return clean
}

// Refuse puts on record that somebody was not let in, and returns the error to show. Name is what the client said.
func (v *Visit) Refuse(ctx context.Context, name, method string, err error) error {
	e := errs.As(err)
	outcome := audit.Refused
	if e.Kind == errs.Internal || e.Kind == errs.Unavailable {
		outcome = audit.Failed
	}
	if failed := v.record(ctx, "login", auth.Presented(name), method, outcome, e.Message); failed != nil {
		return failed
	}
	return err
}

func (v *Visit) record(ctx context.Context, operation, actor, method string, outcome audit.Outcome, reason string) error {
	err := v.portal.Trail.Record(ctx, audit.Record{
		Time: v.portal.Now(), RequestID: v.RequestID, Actor: actor, Method: method, Remote: v.Remote,
		Operation: operation, Resource: "portal", Outcome: outcome, Reason: reason,
	})
	if err != nil {
		return errs.New(errs.Unavailable, "this can't be recorded, so it can't be done").WithHint("try again soon").Because(err)
	}
	return nil
}

// formToken is what a form of this session carries; "" without a session. It is made of the cookie, which no other
// site's page can read, and does not give it away.
func (v *Visit) formToken() string {
	if v.key == nil {
		return ""
	}
	mac := hmac.New(sha256.New, v.key)
	mac.Write([]byte("form"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// ownForm reports whether the form that was sent is one of this session's.
func (v *Visit) ownForm() bool {
	return hmac.Equal([]byte(v.Form.Get("csrf")), []byte(v.formToken()))
}
