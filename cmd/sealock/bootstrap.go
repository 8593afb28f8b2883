package main

import (
	"context"
	"crypto/rand"

	"github.com/sealock/sealock/internal/secret"
)

// firstStart tells what happened to an empty store.
type firstStart struct {
	Created   bool        // the administrator and the first project were made
	Generated secret.Text // the password, if it was made up
	Ignored   bool        // a password was set although there are users already
}

// firstStart makes the administrator and the first project in a store without users.
func (s *system) firstStart(ctx context.Context) (firstStart, error) {
	var f firstStart
	password := s.cfg.AdminPassword
	if password.Empty() {
		f.Generated = secret.New(rand.Text())
		password = f.Generated
	}
	var err error
	if f.Created, err = s.service.FirstStart(ctx, password); err != nil {
		return f, err
	}
	if !f.Created {
		f.Generated = secret.Text{}
		f.Ignored = !s.cfg.AdminPassword.Empty()
	}
	return f, nil
}
