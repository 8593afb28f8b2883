package main

import (
	"net/netip"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/settings"
	"github.com/sealock/sealock/store"
)

// newLockout counts what fails before all kinds of credentials. What the memory knows passes it.
func (s *system) newLockout(login auth.Login, memory auth.Memory, chain auth.Chain) *auth.Lockout {
	return auth.NewLockout(lockoutConfig(s.cfg.Lockout, chain), auth.LockoutDeps{
		Next: login, Strong: login.Unguessable, Memory: memory, Store: s.store, Now: time.Now, Log: s.log,
	})
}

func lockoutConfig(l settings.Lockout, chain auth.Chain) auth.LockoutConfig {
	rule := func(limit int) auth.LockRule {
		return auth.LockRule{Limit: limit, First: l.First, Max: l.Max, Forget: l.Forget}
	}
	return auth.LockoutConfig{
		Account: rule(l.AccountFailures), Address: rule(l.AddressFailures), Trusted: networks(l.Trusted),
		AccountOf: func(name string) string { return store.LoginKey(chain.Account(name)) },
	}
}

// networks reads what the settings have checked already.
func networks(list []string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range list {
		if p, err := netip.ParsePrefix(text); err == nil {
			all = append(all, p.Masked())
		} else if a, err := netip.ParseAddr(text); err == nil {
			a = a.Unmap()
			all = append(all, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return all
}
