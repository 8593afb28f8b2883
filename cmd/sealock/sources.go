package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/settings"
	"github.com/sealock/sealock/store/external"
	"github.com/sealock/sealock/store/htpasswd"
	"github.com/sealock/sealock/store/ldap"
	"github.com/sealock/sealock/store/oidc"
	"github.com/sealock/sealock/store/userdb"
)

// userSource is a source of users outside the store. Resolve takes the name that Authenticate gave the subject.
type userSource interface {
	auth.Authenticator
	auth.Resolver
	Close() error
}

// sourceKind is a type of source: what it has to set, at its defaults, and how it is opened.
type sourceKind struct {
	defaults any
	open     func(ctx context.Context, config any, log *slog.Logger) (userSource, error)
}

// sourceKinds is where a new type of source is put in.
func sourceKinds() map[string]sourceKind {
	return map[string]sourceKind{
		settings.DatabaseSource: {defaults: struct{}{}}, // opened with the store
		"htpasswd":              kind(htpasswd.Config{}, htpasswd.Open),
		"external":              kind(external.Default(), external.Open),
		"ldap":                  kind(ldap.Default(), ldap.Open),
		oidcSource:              {defaults: oidc.Default()}, // opened with what it keeps in the store
	}
}

// kind fits a source's Open into the table.
func kind[C any, S userSource](defaults C, open func(context.Context, C, *slog.Logger) (S, error)) sourceKind {
	return sourceKind{defaults: defaults, open: func(ctx context.Context, config any, log *slog.Logger) (userSource, error) {
		c, ok := config.(C)
		if !ok {
			return nil, fmt.Errorf("settings of the type %T for a source that needs %T", config, c)
		}
		return open(ctx, c, log)
	}}
}

// sourceTypes tells the settings what each type of source has to set.
func sourceTypes() settings.SourceTypes {
	types := settings.SourceTypes{}
	for name, k := range sourceKinds() {
		types[name] = k.defaults
	}
	return types
}

// openSources opens the sources in the order of the settings. What it opened is closed with the system.
func (s *system) openSources(ctx context.Context) (auth.Chain, auth.Resolver, error) {
	kinds := sourceKinds()
	found := resolvers{accounts: map[string]*accounts{}}
	var chain auth.Chain
	for _, src := range s.cfg.Sources {
		if src.Type == settings.DatabaseSource {
			database := databaseUsers{users: userdb.New(src.Name, s.store, s.hasher), store: s.store}
			found.database = database
			chain = append(chain, auth.Source{Name: src.Name, Authenticator: database})
			continue
		}
		log := s.log.With("source", src.Name)
		opened, err := s.openSource(ctx, kinds, src, log)
		if err != nil {
			return nil, nil, fmt.Errorf("opening the user source %s: %w", src.Name, err)
		}
		s.onClose(opened.Close)
		a := newAccounts(src.Name, opened, s.store, log)
		s.onClose(a.Close)
		found.accounts[src.Name] = a
		s.sources = append(s.sources, groupSource(src, opened, a))
		chain = append(chain, auth.Source{Name: src.Name, Authenticator: a})
		if source, ok := opened.(*oidc.Source); ok {
			s.providers = append(s.providers, provider{source: source, accounts: a, records: s.store, forget: func(id int64) { s.holders.Forget(id) }})
		}
	}
	return chain, found, nil
}

func (s *system) openSource(ctx context.Context, kinds map[string]sourceKind, src settings.Source, log *slog.Logger) (userSource, error) {
	if src.Type == oidcSource {
		return s.openOIDC(src)
	}
	return kinds[src.Type].open(ctx, src.Config, log)
}
