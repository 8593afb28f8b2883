package auth

import (
	"context"

	"github.com/sealock/sealock/internal/errs"
)

// SingleFactor authenticates those who can't be asked for anything else: registry clients, programs that call the API. A
// password is not enough for who has a second factor; personal access tokens are made for that. It is the outermost one,
// so that whatever remembers a password inside is held to it too.
type SingleFactor struct{ Next Authenticator }

// ErrSecondFactor is the answer to a right password that is not enough. That it gives away that the password is right is
// known: who forgot about the second factor would otherwise look for a typing error for ever.
var ErrSecondFactor = errs.New(errs.Unauthenticated, "this account has a second factor, and its password alone is not enough here").
	WithHint("use a personal access token as the password (make one on your account page), or run sealock login --device").WithCode("second_factor")

// Authenticate returns the subject unless it has a second factor and showed a password. That has been checked by then: to
// whoever counts wrong ones inside, it was a right one.
func (f SingleFactor) Authenticate(ctx context.Context, cred Credential) (Subject, error) {
	sub, err := f.Next.Authenticate(ctx, cred)
	if err == nil && sub.SecondFactor && sub.How == "" {
		return Subject{}, ErrSecondFactor
	}
	return sub, err
}
