package main

import (
	"context"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/patdb"
	"github.com/sealock/sealock/store/robotdb"
	"github.com/sealock/sealock/store/workload"
)

// recognizers are the kinds of credentials that are no passwords.
func (s *system) recognizers() []auth.Recognizer {
	return []auth.Recognizer{s.personal, s.robots, s.workloads}
}

// holders finds who holds a token: by the name the subject, and by the credential that the token came from what that
// leaves of it.
type holders struct {
	users     auth.Resolver
	robots    *robotdb.Source
	personal  *patdb.Source
	workloads auth.Holders
}

// Holder returns the subject as it is now.
func (h holders) Holder(ctx context.Context, name, via string) (auth.Subject, error) {
	if h.robots.Named(name) {
		return h.robots.Holder(ctx, name, via)
	}
	if workload.Named(name) {
		return h.workloads.Holder(ctx, name, via)
	}
	sub, err := h.users.Resolve(ctx, name)
	if err != nil || via == "" {
		return sub, err
	}
	if _, ok := store.PersonalAccessTokenID(via); ok {
		return h.personal.Narrow(ctx, sub, via)
	}
	return auth.Subject{}, auth.ErrUnknownSubject // no credential is known that tokens end with
}
