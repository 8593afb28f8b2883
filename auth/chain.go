package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
)

// Source is a user source with the name that the settings give it.
type Source struct {
	Name string
	Authenticator
}

// Chain asks several user sources in order. The first that knows the name decides; a source that can't answer ends
// the search, so that a weaker one never answers for it. A name that ends in @ and the name of a source is looked for
// in that source alone.
type Chain []Source

// Authenticate returns the subject, [ErrBadCredential] when some source knows the name or none does, or an error of
// the kind Unavailable that names the source that is down. A refusal asks every source that an unknown name would have
// asked, so that it takes as long: who exists must not show in the time.
func (c Chain) Authenticate(ctx context.Context, cred Credential) (Subject, error) {
	asked, name := c.named(cred.Name)
	cred.Name = name
	for i, source := range asked {
		sub, err := source.Authenticate(ctx, cred)
		switch {
		case err == nil:
			sub.Source = source.Name
			return sub, nil
		case errors.Is(err, ErrUnknownSubject):
			continue
		case errors.Is(err, ErrBadCredential):
			asked[i+1:].waste(ctx)
			return Subject{}, ErrBadCredential
		case errors.Is(err, context.Canceled), errs.Is(err, errs.TooMany):
			return Subject{}, err
		default:
			return Subject{}, SourceDown(source.Name, err)
		}
	}
	return Subject{}, ErrBadCredential
}

// SourceDown is the answer where a source can't tell: the client learns that it has to wait, the log which source it is.
func SourceDown(source string, err error) error {
	return errs.New(errs.Unavailable, "a user source does not answer").WithHint("try again soon").
		Because(fmt.Errorf("user source %s: %w", source, err))
}

// SplitSource parts user@source. Only the last @ counts; without one, source is "".
func SplitSource(name string) (user, source string) {
	if at := strings.LastIndexByte(name, '@'); at >= 0 {
		return name[:at], name[at+1:]
	}
	return name, ""
}

// Account returns the name without the source that it names, if it names one of the chain's: alice and alice@ldap may
// be one person's, and a password that is guessed at is one for both.
func (c Chain) Account(name string) string {
	_, account := c.named(name)
	return account
}

// named returns the sources to ask for the name, and the name to ask them for. What stands behind the last @ is a part
// of the name unless it names a source.
func (c Chain) named(name string) (Chain, string) {
	user, wanted := SplitSource(name)
	if wanted == "" {
		return c, name
	}
	for i, source := range c {
		if strings.EqualFold(source.Name, wanted) {
			return c[i : i+1], user
		}
	}
	return c, name
}

// waste asks the sources for somebody who does not exist, with a secret of nobody's. What they say does not matter.
func (c Chain) waste(ctx context.Context) {
	for _, source := range c {
		_, _ = source.Authenticate(ctx, Credential{Name: "nobody-" + rand.Text(), Secret: secret.New(rand.Text())})
	}
}
