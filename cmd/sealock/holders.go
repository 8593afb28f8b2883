package main

import (
	"context"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/store/robotdb"
)

// recognizers are the kinds of credentials that are no passwords.
func (s *system) recognizers() []auth.Recognizer { return []auth.Recognizer{s.robots} }

// holders finds who holds a token: by the name the subject, and by the credential that the token came from what that
// leaves of it.
type holders struct {
	users  auth.Resolver
	robots *robotdb.Source
}

// Holder returns the subject as it is now.
func (h holders) Holder(ctx context.Context, name, via string) (auth.Subject, error) {
	if h.robots.Named(name) {
		return h.robots.Holder(ctx, name, via)
	}
	sub, err := h.users.Resolve(ctx, name)
	if err != nil || via == "" {
		return sub, err
	}
	return auth.Subject{}, auth.ErrUnknownSubject // no credential is known that tokens end with
}
