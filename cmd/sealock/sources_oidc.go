package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/seal"
	"github.com/sealock/sealock/settings"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/oidc"
)

const oidcSource = "oidc"

// openOIDC opens a source whose people sign in at a provider.
func (s *system) openOIDC(src settings.Source) (*oidc.Source, error) {
	cfg, ok := src.Config.(oidc.Config)
	if !ok {
		return nil, fmt.Errorf("settings of the type %T for a source that needs %T", src.Config, cfg)
	}
	box, err := s.dir.box()
	if err != nil {
		return nil, err
	}
	return oidc.Open(cfg, oidc.Deps{Name: src.Name, Records: s.store, Box: box, Log: s.log.With("source", src.Name), Now: time.Now})
}

// box is what small secrets are sealed with that are kept elsewhere.
func (d dataDir) box() (seal.Box, error) { return seal.LoadOrCreate(d.path("keys", "seal-key")) }

// provider lets the web pages sign people in at a source's provider.
type provider struct {
	source   *oidc.Source
	accounts *accounts
	records  store.Store
	forget   func(userID int64) // what is remembered of a user
}

func (p provider) Name() string  { return p.source.Name }
func (p provider) Title() string { return p.source.Title() }

func (p provider) Start(ctx context.Context, redirect string) (string, []byte, error) {
	to, started, err := p.source.Start(ctx, redirect)
	if err != nil {
		return "", nil, err
	}
	kept, err := started.Encode()
	return to, kept, err
}

// Finish returns the user whom the provider vouches for.
func (p provider) Finish(ctx context.Context, kept []byte, answer url.Values) (auth.Subject, error) {
	started, err := oidc.ReadStarted(kept)
	if err != nil {
		return auth.Subject{}, err
	}
	who, err := p.source.Finish(ctx, started, answer)
	if err != nil {
		return auth.Subject{}, err
	}
	return p.arrive(ctx, who)
}

// arrive makes the person who came back a user, or finds the one that it is.
func (p provider) arrive(ctx context.Context, who oidc.Person) (auth.Subject, error) {
	u, err := p.user(ctx, who)
	if err != nil {
		return auth.Subject{}, err
	}
	if err := p.source.Keep(ctx, u.ID, who); err != nil {
		if errs.Is(err, errs.Conflict) {
			err = nameTaken(u.Name).Because(err)
		}
		return auth.Subject{}, err
	}
	name, _ := auth.SplitSource(u.Name)
	p.accounts.known.Invalidate(name)
	p.forget(u.ID)
	return p.accounts.resolve(ctx, name)
}

// user finds the user by who they are at the provider, whatever they are called there now, or makes one of the name.
func (p provider) user(ctx context.Context, who oidc.Person) (store.User, error) {
	i, err := p.records.Identity(ctx, p.source.Name, who.Subject)
	if err == nil {
		return p.records.User(ctx, i.UserID)
	}
	if !errs.Is(err, errs.NotFound) {
		return store.User{}, err
	}
	name := who.Name + "@" + p.source.Name
	if !presentable(who.Name) {
		return store.User{}, cantBeKept(name)
	}
	if !p.source.Onboards() {
		u, err := p.records.UserByName(ctx, name)
		if errs.Is(err, errs.NotFound) {
			return store.User{}, errs.New(errs.Denied, "%q has no account here", name).WithHint("ask an administrator of this server to make one")
		}
		return u, err
	}
	u, err := p.accounts.record(ctx, who.Name, "made by the first login from the source "+p.source.Name)
	if errs.Is(err, errs.Invalid) {
		return store.User{}, cantBeKept(name).Because(err)
	}
	return u, err
}

func cantBeKept(name string) *errs.Error {
	return errs.New(errs.Denied, "the name %q can't be used here", auth.Presented(name)).
		WithHint("ask an administrator of this server to choose another claim for names")
}

func nameTaken(name string) *errs.Error {
	return errs.New(errs.Denied, "the name %q belongs to somebody else here, who had it before", name).
		WithHint("ask an administrator of this server to delete that user if the person is gone")
}
