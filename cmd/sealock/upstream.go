package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"

	"github.com/sealock/sealock/api"
	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/pki"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/proxy"
	"github.com/sealock/sealock/proxy/embedded"
	"github.com/sealock/sealock/settings"
)

// openUpstream opens the registries: the embedded one, ways to separate ones, or both.
func (s *system) openUpstream(ctx context.Context) (*proxy.Several, error) {
	var members []proxy.Member
	for _, u := range append([]settings.Upstream{s.cfg.Registry.Default()}, s.cfg.Registries...) {
		m, err := s.openMember(ctx, u)
		if err != nil {
			return nil, err
		}
		members = append(members, m)
	}
	return proxy.NewSeveral(members...)
}

func (s *system) openMember(ctx context.Context, u settings.Upstream) (m proxy.Member, err error) {
	m = proxy.Member{Name: u.Name, Projects: u.Projects, Hosts: u.Hosts}
	if u.URL == settings.Embedded {
		m.Upstream, err = s.openEmbedded(ctx)
		return m, err
	}
	service := s.cfg.Token.Service
	if u.Service != "" && u.Service != service {
		service, m.OwnAud = u.Service, true
	}
	m.Minter = minter{s.issuer, service}
	m.Upstream, err = s.openSeparate(u, m)
	return m, err
}

func (s *system) openEmbedded(ctx context.Context) (proxy.Upstream, error) {
	uploads, err := s.dir.httpSecret()
	if err != nil {
		return nil, errs.New(errs.Invalid, "the secret of the embedded registry can't be kept").WithHint("check the permissions of %s", s.dir.keys()).Because(err)
	}
	r, err := embedded.New(ctx, embedded.Config{Root: s.dir.registry(), Storage: s.cfg.Registry.Storage.Reveal(), HTTPSecret: secret.New(uploads), Log: s.log})
	if err != nil {
		return nil, err
	}
	s.onClose(r.Shutdown)
	return r, nil
}

func (s *system) openSeparate(u settings.Upstream, m proxy.Member) (proxy.Upstream, error) {
	roots, err := pki.Trusted(u.CAFile)
	if err != nil {
		return nil, errs.New(errs.Invalid, "ca_file %q of a registry holds no certificates", u.CAFile).WithHint("name a PEM file").Because(err)
	}
	r, err := proxy.NewSeparate(proxy.SeparateConfig{
		Name: u.Name, URL: u.URL, More: u.URLs, TLS: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}, Minter: m.Minter, OwnAud: m.OwnAud, Log: s.log,
		Health:          proxy.Health{Every: s.cfg.Upstreams.CheckEvery, Timeout: s.cfg.Upstreams.CheckTimeout},
		FollowRedirects: u.Redirects == settings.RedirectsFollow, StorageHosts: u.StorageHosts,
	})
	if err != nil {
		return nil, err
	}
	s.onClose(func() error { r.Close(); return nil })
	s.watched = append(s.watched, r)
	return r, nil
}

// registries asks each registry for a name that it has, with a token of sealock's own. They are asked at the same time: one that
// does not answer must not make the others look so.
func (h healthCheck) registries(ctx context.Context) []api.Component {
	members := h.s.registry.Named()
	components := make([]api.Component, len(members))
	var wg sync.WaitGroup
	for i, m := range members {
		wg.Go(func() { components[i] = h.registry(ctx, m) })
	}
	wg.Wait()
	return components
}

func (h healthCheck) registry(ctx context.Context, m proxy.Member) api.Component {
	name := "registry"
	if m.Name != "" {
		name += ":" + m.Name
	}
	_, _, err := m.Upstream.CatalogPage(ctx, "", 1)
	c := api.Component{Name: name, Healthy: h.well(name, err)}
	if s, ok := m.Upstream.(*proxy.Separate); ok {
		if well, all := s.Addresses(); well < all && all > 1 {
			c.Note = fmt.Sprintf("%d of %d addresses are left out", all-well, all)
		}
	}
	return c
}

// minter makes tokens for one service.
type minter struct {
	issuer  *auth.Issuer
	service string
}

func (m minter) Mint(ctx context.Context, access auth.Scope) (string, error) {
	return m.issuer.Mint(ctx, m.service, access)
}
