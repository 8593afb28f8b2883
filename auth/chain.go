package auth

import (
	"context"
	"errors"
	"fmt"

	"github.com/sealock/sealock/internal/errs"
)

// Source is a user source with the name that the settings give it.
type Source struct {
	Name string
	Authenticator
}

// Chain asks several user sources in order. The first that knows the name decides; a source that can't answer ends
// the search, so that a weaker one never answers for it.
type Chain []Source

// Authenticate returns the subject, [ErrBadCredential] when some source knows the name or none does, or an error of
// the kind Unavailable that names the source that is down.
func (c Chain) Authenticate(ctx context.Context, cred Credential) (Subject, error) {
	for _, source := range c {
		sub, err := source.Authenticate(ctx, cred)
		switch {
		case err == nil:
			sub.Source = source.Name
			return sub, nil
		case errors.Is(err, ErrUnknownSubject):
			continue
		case errors.Is(err, ErrBadCredential):
			return Subject{}, ErrBadCredential
		case errors.Is(err, context.Canceled), errs.Is(err, errs.TooMany):
			return Subject{}, err
		default:
			return Subject{}, errs.New(errs.Unavailable, "a user source does not answer").WithHint("try again soon").
				Because(fmt.Errorf("user source %s: %w", source.Name, err))
		}
	}
	return Subject{}, ErrBadCredential
}
