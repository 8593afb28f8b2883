package userdb

import (
	"context"
	"fmt"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/store"
)

// Source answers who is asking from the users in the store.
type Source struct {
	name   string
	users  store.Users
	hasher *Hasher
}

var (
	_ auth.Authenticator = (*Source)(nil)
	_ auth.Resolver      = (*Source)(nil)
)

// New returns the users of the store as a source with the given name, which becomes [auth.Subject]'s Source. The
// hasher is shared with whoever else hashes passwords, so that its limit holds for all of them.
func New(name string, users store.Users, hasher *Hasher) *Source {
	return &Source{name: name, users: users, hasher: hasher}
}

// Authenticate compares the credential with the user's password. Errors to tell apart: auth.ErrUnknownSubject (no such
// user, or one that has no password here), auth.ErrBadCredential (another password). Both take the same time.
func (s *Source) Authenticate(ctx context.Context, cred auth.Credential) (auth.Subject, error) {
	u, err := s.users.UserByName(ctx, cred.Name)
	if errs.Is(err, errs.NotFound) || (err == nil && u.PasswordHash == "") {
		if err := s.hasher.Waste(ctx, cred.Secret); err != nil {
			return auth.Subject{}, err
		}
		return auth.Subject{}, auth.ErrUnknownSubject
	}
	if err != nil {
		return auth.Subject{}, err
	}
	verdict, err := s.hasher.Verify(ctx, u.PasswordHash, cred.Secret)
	if err != nil {
		return auth.Subject{}, fmt.Errorf("checking the password of user %d: %w", u.ID, err)
	}
	if !verdict.Match {
		return auth.Subject{}, auth.ErrBadCredential
	}
	if verdict.Outdated {
		u = s.renew(ctx, u, cred.Secret)
	}
	return s.subject(u), nil
}

// renew stores a hash with today's parameters in place of an old one. The password is right either way, so that
// nothing is lost when it can't be done: the next login tries again.
func (s *Source) renew(ctx context.Context, u store.User, password secret.Text) store.User {
	hash, err := s.hasher.Hash(ctx, password)
	if err != nil {
		return u
	}
	renewed, err := s.users.UpdateUser(ctx, u.ID, func(now *store.User) error {
		if now.PasswordHash == u.PasswordHash { // else it was changed in the meantime
			now.PasswordHash = hash
		}
		return nil
	})
	if err != nil || renewed.PasswordHash != hash {
		return u
	}
	return renewed
}

// Resolve returns the user of that name as it is now, or auth.ErrUnknownSubject.
func (s *Source) Resolve(ctx context.Context, name string) (auth.Subject, error) {
	u, err := s.users.UserByName(ctx, name)
	if errs.Is(err, errs.NotFound) || (err == nil && u.PasswordHash == "") {
		return auth.Subject{}, auth.ErrUnknownSubject
	}
	if err != nil {
		return auth.Subject{}, err
	}
	return s.subject(u), nil
}

func (s *Source) subject(u store.User) auth.Subject {
	return auth.Subject{
		Name: u.Name, ID: u.ID, SysAdmin: u.SysAdmin, SecondFactor: u.SecondFactor, Source: s.name, Since: u.CreatedAt, AsOf: u.UpdatedAt,
	}
}
