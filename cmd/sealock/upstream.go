package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/proxy"
	"github.com/sealock/sealock/proxy/embedded"
)

// openUpstream opens the embedded registry, or the way to the separate one.
func (s *system) openUpstream(ctx context.Context) (proxy.Upstream, error) {
	if s.cfg.Registry.URL != "" {
		return s.openSeparate()
	}
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

func (s *system) openSeparate() (proxy.Upstream, error) {
	var tlsConfig *tls.Config
	if s.cfg.Registry.CAFile != "" {
		text, err := os.ReadFile(s.cfg.Registry.CAFile)
		pool := x509.NewCertPool()
		if err != nil || !pool.AppendCertsFromPEM(text) {
			return nil, errs.New(errs.Invalid, "registry.ca_file %q holds no certificates", s.cfg.Registry.CAFile).WithHint("name a PEM file").Because(err)
		}
		tlsConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	}
	r, err := proxy.NewSeparate(proxy.SeparateConfig{
		URL: s.cfg.Registry.URL, TLS: tlsConfig, Minter: minter{s.issuer, s.cfg.Token.Service}, Log: s.log,
	})
	if err != nil {
		return nil, err
	}
	s.onClose(func() error { r.Close(); return nil })
	return r, nil
}

// minter makes tokens for one service.
type minter struct {
	issuer  *auth.Issuer
	service string
}

func (m minter) Mint(ctx context.Context, access auth.Scope) (string, error) {
	return m.issuer.Mint(ctx, m.service, access)
}
