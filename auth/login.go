package auth

import (
	"context"
	"errors"
	"strings"

	"github.com/sealock/sealock/internal/secret"
)

// Recognizer authenticates credentials that can be told by their form: a personal access token by its prefix, a robot
// account by its name. What it recognises is its own alone, and never a password for anybody else.
type Recognizer interface {
	// Recognizes reports whether the credential is one of this kind, be it a good one or not. It does not ask anybody.
	Recognizes(cred Credential) bool
	Authenticator
}

// Login authenticates every kind of credential: the first recognizer that knows one for its own decides about it, and
// what none of them knows is a password.
type Login struct {
	Recognizers []Recognizer
	Passwords   Authenticator
}

// Authenticate returns the subject or what the one that was asked says. A recognizer that does not know the subject
// after all is as good as a wrong secret: nobody else is asked.
func (l Login) Authenticate(ctx context.Context, cred Credential) (Subject, error) {
	for _, r := range l.Recognizers {
		if !r.Recognizes(cred) {
			continue
		}
		sub, err := r.Authenticate(ctx, cred)
		if errors.Is(err, ErrUnknownSubject) {
			return Subject{}, ErrBadCredential
		}
		return sub, err
	}
	return l.Passwords.Authenticate(ctx, cred)
}

// Unguessable reports whether the credential is one that somebody made up at random, or signed, and that is no
// password for anybody: guesses at it need not be slowed.
func (l Login) Unguessable(cred Credential) bool {
	for _, r := range l.Recognizers {
		if r.Recognizes(cred) {
			return machineSecret(cred.Secret)
		}
	}
	return false
}

// machineSecret goes by the form alone. A secret that somebody chose for a robot account is none.
func machineSecret(t secret.Text) bool {
	for _, form := range []OpaqueForm{PersonalAccessTokens(), RobotSecrets()} {
		if _, ok := form.Parse(t); ok {
			return true
		}
	}
	return strings.HasPrefix(t.Reveal(), "eyJ") && strings.Count(t.Reveal(), ".") == 2 // a signed JWT
}
