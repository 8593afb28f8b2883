package auth

import (
	"context"

	"github.com/sealock/sealock/internal/errs"
)

// SingleFactor authenticates by password for those who can't be asked for anything else: registry clients, programs that
// call the API. Who has a second factor is refused, with a right password too; personal access tokens are made for that.
type SingleFactor struct{ Passwords Authenticator }

// ErrSecondFactor is the answer to a right password that is not enough. That it gives away that the password is right is
// known: who forgot about the second factor would otherwise look for a typing error for ever.
var ErrSecondFactor = errs.New(errs.Unauthenticated, "this account has a second factor, and its password alone is not enough here").
	WithHint("use a personal access token as the password, or run sealock login --device").WithCode("second_factor")

// Authenticate returns the subject unless it has a second factor. The password has been checked by then: to whoever counts
// wrong ones, it is a right one.
func (f SingleFactor) Authenticate(ctx context.Context, cred Credential) (Subject, error) {
	sub, err := f.Passwords.Authenticate(ctx, cred)
	if err == nil && sub.SecondFactor {
		return Subject{}, ErrSecondFactor
	}
	return sub, err
}
