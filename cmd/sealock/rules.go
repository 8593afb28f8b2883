package main

import (
	"net/netip"
	"time"

	"github.com/sealock/sealock/internal/clock"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/proxy"
)

// withRules adds to the front door what no token can say: rules of projects about pulls, how many pulls there may be, which
// uploads go on after their token, and which names this server goes by.
func (s *system) withRules(c proxy.Config) (proxy.Config, error) {
	c.KnownHosts = s.cfg.ListsHosts()
	c.PullRules = project.NewPullRules(s.store, s.directory, clock.System{})
	limits := proxy.Limits{User: s.cfg.Pulls.PerUser, Address: s.cfg.Pulls.PerAddress, Window: s.cfg.Pulls.Window}
	for _, text := range s.cfg.Pulls.Exempt {
		limits.Exempt = append(limits.Exempt, network(text))
	}
	if c.Limiter = proxy.NewLimiter(limits, time.Now); c.Limiter != nil {
		s.onClose(func() error { c.Limiter.Close(); return nil })
	}
	if s.cfg.Token.UploadGrace == 0 {
		return c, nil
	}
	key, err := s.dir.httpSecret()
	if err != nil {
		return c, errs.New(errs.Invalid, "the secret that uploads are signed with can't be kept").WithHint("check the permissions of %s", s.dir.keys()).Because(err)
	}
	c.Passes = &proxy.Passes{Verifier: s.tokens, Key: secret.New(key), Life: s.cfg.Token.UploadGrace, Minter: minter{s.issuer, s.cfg.Token.Service}}
	return c, nil
}

// network reads an address or a network. The settings were checked.
func network(text string) netip.Prefix {
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen())
	}
	p, _ := netip.ParsePrefix(text)
	return p.Masked()
}
