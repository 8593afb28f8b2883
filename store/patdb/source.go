package patdb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// How is what the audit trail calls a login with a personal access token.
const How = "pat"

// touchEvery bounds how often a token's last use is written: a busy client would make it a hot row.
const touchEvery = time.Minute

// Tokens is what a [Source] asks of a store.
type Tokens interface {
	PersonalAccessToken(ctx context.Context, id string) (store.PersonalAccessToken, error)
	TouchPersonalAccessToken(ctx context.Context, id string, at time.Time, from string) error
}

// Source recognises personal access tokens. It is safe for concurrent use.
type Source struct {
	tokens Tokens
	users  auth.Resolver
	now    func() time.Time
}

var _ auth.Recognizer = (*Source)(nil)

// New returns a source of what stands in the store. The users that the tokens belong to are those of the resolver: who
// is none of them any more can't use a token.
func New(tokens Tokens, users auth.Resolver, now func() time.Time) *Source {
	return &Source{tokens: tokens, users: users, now: now}
}

// Recognizes reports whether the secret begins like a personal access token. The name does not matter.
func (s *Source) Recognizes(cred auth.Credential) bool {
	return auth.PersonalAccessTokens().Recognizes(cred.Secret)
}

// Authenticate returns the user that the token belongs to, within the token's bounds. Whatever is wrong with the token or
// the name, the answer is [auth.ErrBadCredential]: that a token exists is nobody's business. The secret has 256 random
// bits, so that one comparison of SHA-256 hashes is enough, in constant time and without a slow hash.
func (s *Source) Authenticate(ctx context.Context, cred auth.Credential) (auth.Subject, error) {
	presented, ok := auth.PersonalAccessTokens().Parse(cred.Secret)
	if !ok {
		return auth.Subject{}, auth.ErrBadCredential
	}
	t, err := s.tokens.PersonalAccessToken(ctx, presented.ID)
	if errs.Is(err, errs.NotFound) {
		return auth.Subject{}, auth.ErrBadCredential
	}
	if err != nil {
		return auth.Subject{}, err
	}
	now := s.now()
	if !presented.Matches(t.SecretHash) || !t.Alive(now) {
		return auth.Subject{}, auth.ErrBadCredential
	}
	sub, err := s.owner(ctx, t, cred.Name)
	if err != nil {
		return auth.Subject{}, err
	}
	if err := s.touch(ctx, t, now, cred.Remote); err != nil {
		return auth.Subject{}, err
	}
	return acting(sub, t), nil
}

// owner returns the token's user as it is now, if the name is one of its names.
func (s *Source) owner(ctx context.Context, t store.PersonalAccessToken, name string) (auth.Subject, error) {
	sub, err := s.users.Resolve(ctx, t.UserName)
	if errors.Is(err, auth.ErrUnknownSubject) || err == nil && (!holds(sub, t) || !named(sub, name)) {
		return auth.Subject{}, auth.ErrBadCredential
	}
	return sub, err
}

// holds reports whether the token is the subject's.
func holds(sub auth.Subject, t store.PersonalAccessToken) bool {
	return sub.Kind == auth.KindUser && sub.ID != 0 && sub.ID == t.UserID
}

// named reports whether a login name is the subject's: with its source or without. The token says whose it is, so that
// a name that several sources know is not ambiguous here.
func named(sub auth.Subject, name string) bool {
	key, whole := store.NameKey(name), store.NameKey(sub.Name)
	source := "@" + store.NameKey(sub.Source)
	return key == whole || key+source == whole || key == whole+source
}

// touch notes a use and where it came from, once in a while. One that was revoked meanwhile is not good any more.
func (s *Source) touch(ctx context.Context, t store.PersonalAccessToken, now time.Time, from string) error {
	if now.Sub(t.LastUsedAt) < touchEvery {
		return nil
	}
	err := s.tokens.TouchPersonalAccessToken(ctx, t.ID, now, from)
	if errs.Is(err, errs.NotFound) {
		return auth.ErrBadCredential
	}
	if err != nil {
		return fmt.Errorf("noting the use of a personal access token: %w", err)
	}
	return nil
}

// acting returns what the token lets its user be.
func acting(sub auth.Subject, t store.PersonalAccessToken) auth.Subject {
	sub.How, sub.Via = How, t.Via()
	if t.Scope == nil {
		return sub.EndingBy(t.ExpiresAt)
	}
	return sub.Bound(*t.Scope, t.ExpiresAt)
}

// Narrow returns a subject as the personal access token that via names lets it act now. A token that was revoked, has
// ended or belongs to another gives [auth.ErrUnknownSubject].
func (s *Source) Narrow(ctx context.Context, sub auth.Subject, via string) (auth.Subject, error) {
	id, ok := store.PersonalAccessTokenID(via)
	if !ok {
		return auth.Subject{}, auth.ErrUnknownSubject
	}
	t, err := s.tokens.PersonalAccessToken(ctx, id)
	if errs.Is(err, errs.NotFound) || err == nil && (!t.Alive(s.now()) || !holds(sub, t)) {
		return auth.Subject{}, auth.ErrUnknownSubject
	}
	if err != nil {
		return auth.Subject{}, err
	}
	return acting(sub, t), nil
}
