package oidc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/seal"
	"github.com/sealock/sealock/store"
)

// maxGroups is how many groups one person may be in.
const maxGroups = 5000

// Records are what the source keeps of its people. A [store.Store] is one.
type Records interface {
	UserByName(ctx context.Context, name string) (store.User, error)
	store.Identities
}

// Deps is what a source works with.
type Deps struct {
	Name    string // the source's
	Records Records
	Box     seal.Box // for refresh tokens of the provider
	Log     *slog.Logger
	Now     func() time.Time
}

// Source answers for people who signed in at the provider. It is safe for concurrent use.
type Source struct {
	Deps
	cfg    Config
	filter *regexp.Regexp
	client *http.Client

	mu    sync.Mutex
	known *provider
}

var (
	_ auth.Authenticator = (*Source)(nil)
	_ auth.Resolver      = (*Source)(nil)
)

// Open returns the source. The provider is asked for the first time when somebody signs in: it need not be up.
func Open(cfg Config, d Deps) (*Source, error) {
	filter, err := regexp.Compile(cfg.GroupFilter)
	if err != nil {
		return nil, fmt.Errorf("reading group_filter: %w", err)
	}
	client, err := newClient(cfg.CAFile, cfg.Timeout)
	if err != nil {
		return nil, err
	}
	return &Source{Deps: d, cfg: cfg, filter: filter, client: client}, nil
}

// Title is what people call the provider.
func (s *Source) Title() string {
	if s.cfg.Title != "" {
		return s.cfg.Title
	}
	return s.Name
}

// Onboards reports whether somebody who is no user yet becomes one.
func (s *Source) Onboards() bool { return s.cfg.AutoOnboard }

// Close lets connections go.
func (s *Source) Close() error {
	s.client.CloseIdleConnections()
	return nil
}

// provider returns what the provider is made of, and asks for it if it did not answer before.
func (s *Source) provider(ctx context.Context) (*provider, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known != nil {
		return s.known, nil
	}
	p, err := discover(context.WithoutCancel(ctx), s.client, s.cfg.Issuer, s.cfg.ClientID, s.cfg.Secret, s.Now)
	if err != nil {
		return nil, err
	}
	s.known = p
	return p, nil
}

func (s *Source) oauth(p *provider, redirect string) *oauth2.Config {
	end := p.Endpoint()
	end.AuthStyle = p.style
	return &oauth2.Config{
		ClientID: s.cfg.ClientID, ClientSecret: s.cfg.Secret.Reveal(), Endpoint: end, RedirectURL: redirect, Scopes: s.cfg.Scopes,
	}
}

func (s *Source) down(err error) error {
	if _, ours := errors.AsType[*errs.Error](err); ours {
		return err
	}
	return auth.SourceDown(s.Name, err)
}

// counted are the groups that the filter lets through.
func (s *Source) counted(groups []string) []string {
	return slices.DeleteFunc(slices.Clone(groups), func(g string) bool { return !s.filter.MatchString(g) })
}

// Authenticate knows nobody: passwords stay at the provider.
func (s *Source) Authenticate(context.Context, auth.Credential) (auth.Subject, error) {
	return auth.Subject{}, auth.ErrUnknownSubject
}

// Keep notes who a user is at the provider, as it said at a sign-in. Conflict: the user is somebody else there.
func (s *Source) Keep(ctx context.Context, userID int64, who Person) error {
	now := s.Now().UTC()
	i := store.Identity{
		UserID: userID, Source: s.Name, Subject: who.Subject, Groups: who.Groups, SysAdmin: who.SysAdmin, LoginAt: now, CheckedAt: now,
	}
	if who.Renewal != "" {
		i.Renewal = s.Box.Seal([]byte(who.Renewal), s.purpose(userID))
	}
	return s.Records.PutIdentity(ctx, i)
}

// purpose binds what is sealed to whom it is for.
func (s *Source) purpose(userID int64) string {
	return "refresh token of " + strconv.FormatInt(userID, 10) + "@" + s.Name
}

// Resolve returns a person as the provider described them last. Where it may, it asks the provider again before that is
// too old. Who did not sign in for too long, or whom the provider does not know any more, is nobody.
func (s *Source) Resolve(ctx context.Context, name string) (auth.Subject, error) {
	u, err := s.Records.UserByName(ctx, name+"@"+s.Name)
	if errs.Is(err, errs.NotFound) {
		return auth.Subject{}, auth.ErrUnknownSubject
	}
	if err != nil {
		return auth.Subject{}, err
	}
	i, err := s.Records.IdentityOf(ctx, u.ID)
	if errs.Is(err, errs.NotFound) || err == nil && (i.Source != s.Name || i.Ended) {
		return auth.Subject{}, auth.ErrUnknownSubject
	}
	if err != nil {
		return auth.Subject{}, err
	}
	now := s.Now()
	switch {
	case len(i.Renewal) == 0 && now.Sub(i.LoginAt) >= s.cfg.LoginValid:
		return auth.Subject{}, auth.ErrUnknownSubject
	case len(i.Renewal) > 0 && now.Sub(i.CheckedAt) >= s.cfg.Recheck:
		if i, err = s.recheck(ctx, i, now); err != nil {
			return auth.Subject{}, err
		}
	}
	return auth.Subject{Name: name, Source: s.Name, Groups: i.Groups, SysAdmin: i.SysAdmin}, nil
}

// recheck asks the provider about a person. Many providers take a refresh token once only, so one of all replicas asks:
// the one that notes first that it does.
func (s *Source) recheck(ctx context.Context, i store.Identity, now time.Time) (store.Identity, error) {
	before, mine := i.CheckedAt, false
	i, err := s.Records.UpdateIdentity(ctx, i.UserID, func(stored *store.Identity) error {
		if mine = stored.CheckedAt.Equal(before) && len(stored.Renewal) > 0; mine {
			stored.CheckedAt = now
		}
		return nil
	})
	switch {
	case errs.Is(err, errs.NotFound) || err == nil && i.Ended:
		return store.Identity{}, auth.ErrUnknownSubject
	case err != nil || !mine:
		return i, err
	}
	who, err := s.renew(ctx, i)
	gone := errors.Is(err, auth.ErrUnknownSubject)
	after, keepErr := s.Records.UpdateIdentity(context.WithoutCancel(ctx), i.UserID, func(stored *store.Identity) error {
		if !stored.LoginAt.Equal(i.LoginAt) {
			return nil // the person signed in meanwhile: that is newer
		}
		switch {
		case gone:
			stored.Ended, stored.Renewal = true, nil
		case err != nil:
			stored.CheckedAt = before // nobody could tell: the next one asks again
		default:
			stored.Groups, stored.SysAdmin = who.Groups, who.SysAdmin
			if who.Renewal != "" {
				stored.Renewal = s.Box.Seal([]byte(who.Renewal), s.purpose(i.UserID))
			}
		}
		return nil
	})
	if gone {
		s.Log.Info("the provider does not vouch for a user any more", "user_id", i.UserID)
	}
	if err != nil {
		return store.Identity{}, err
	}
	return after, keepErr
}

// renew asks the provider with the refresh token who the person is now.
func (s *Source) renew(ctx context.Context, i store.Identity) (Person, error) {
	text, err := s.Box.Open(i.Renewal, s.purpose(i.UserID))
	if err != nil {
		s.Log.Error("a refresh token can't be read: its user has to sign in again", "user_id", i.UserID, "error", err)
		return Person{}, auth.ErrUnknownSubject
	}
	p, err := s.provider(ctx)
	if err != nil {
		return Person{}, err
	}
	ctx = gooidc.ClientContext(ctx, s.client)
	token, err := s.oauth(p, "").TokenSource(ctx, &oauth2.Token{RefreshToken: string(text)}).Token()
	if refused(err) {
		return Person{}, auth.ErrUnknownSubject
	}
	if err != nil {
		return Person{}, withoutBody(err)
	}
	subject, ok := strings.CutPrefix(i.Subject, s.cfg.Issuer+" ")
	if !ok {
		return Person{}, auth.ErrUnknownSubject // of another provider that the source had before
	}
	c := claims{}
	if raw, isText := token.Extra("id_token").(string); isText && raw != "" {
		id, err := p.verifier.Verify(ctx, raw)
		if err != nil {
			return Person{}, fmt.Errorf("verifying a renewed ID token: %w", err)
		}
		if id.Subject != subject {
			return Person{}, auth.ErrUnknownSubject
		}
		if err := id.Claims(&c); err != nil {
			return Person{}, err
		}
	}
	if len(c) == 0 && p.UserInfoEndpoint() == "" {
		return Person{Groups: i.Groups, SysAdmin: i.SysAdmin, Renewal: token.RefreshToken}, nil // all that it can say is that the person is there
	}
	who, err := s.described(ctx, p, subject, c, token)
	if errs.Is(err, errs.Denied) {
		s.Log.Warn("the provider's word about a user is not good any more", "user_id", i.UserID, "error", err)
		return Person{}, auth.ErrUnknownSubject
	}
	return who, err
}
