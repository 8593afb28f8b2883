package project

import (
	"context"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// LockoutQuery says which lockouts to list: all by default.
type LockoutQuery struct {
	Account string // of this account, in any spelling
	Address string // of this address, or of its network
	Paging
}

// filter returns the filter, and false if nothing can match it.
func (q LockoutQuery) filter() (store.Filter, bool) {
	f := q.apply(store.Filter{Subject: auth.NewLockKey(auth.LockAccount, store.LoginKey(q.Account), "").Account})
	if q.Address != "" {
		f.Exact = auth.LockedAddress(q.Address)
	}
	return f, (q.Account == "" || f.Subject != "") && (q.Address == "" || f.Exact != "")
}

// ListLockouts lists the accounts and addresses that are locked after failed logins, for whoever may.
func (s *Service) ListLockouts(ctx context.Context, c Caller, q LockoutQuery) (List[store.LoginFailures], error) {
	if err := s.require(ctx, c, auth.Access{Resource: "lockout", Action: "list"}, "list who is locked out", askSystemAdmin); err != nil {
		return List[store.LoginFailures]{}, err
	}
	f, possible := q.filter()
	if !possible {
		return List[store.LoginFailures]{Items: []store.LoginFailures{}}, nil
	}
	now := s.clock.Now()
	total, err := s.store.CountLockouts(ctx, now, f)
	return collect(s.store.ListLockouts(ctx, now, f), total, err, withoutTags)
}

// LiftLockout forgets the failed logins of an account or an address, for whoever may. NotFound: there are none.
func (s *Service) LiftLockout(ctx context.Context, c Caller, id string) error {
	found, err := s.store.Lockout(ctx, id)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	return s.perform(ctx, c, deed{
		operation: "lockout.delete", resource: lockoutName(found, id), what: "lift a lockout", remedy: askSystemAdmin,
		access: auth.Access{Resource: "lockout", Action: "delete"},
		do:     func(ctx context.Context) error { return s.store.DeleteLockout(ctx, id) },
	})
}

// lockoutName tells in the audit trail what was lifted: an id would say nothing later on.
func lockoutName(f store.LoginFailures, id string) string {
	switch f.Kind {
	case auth.LockAccount:
		return "lockout:account:" + clipped(f.Account)
	case auth.LockAddress:
		return "lockout:address:" + f.Address
	case auth.LockPair:
		return "lockout:account:" + clipped(f.Account) + " at " + f.Address
	}
	return "lockout:" + clipped(id)
}

// withoutTags leaves out what is for the counting only.
func withoutTags(f store.LoginFailures) store.LoginFailures {
	f.Salt, f.Tags = nil, nil
	return f
}
