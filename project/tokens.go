package project

import (
	"context"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// TokenQuery says whose refresh tokens to list: one's own by default.
type TokenQuery struct {
	Subject string // of this subject
	All     bool   // of everybody
	Paging
}

// ListRefreshTokens lists refresh tokens: one's own, or others' for whoever may list them. Their secrets are not told.
func (s *Service) ListRefreshTokens(ctx context.Context, c Caller, q TokenQuery) (List[store.RefreshToken], error) {
	if c.Anonymous() {
		return List[store.RefreshToken]{}, signIn("list refresh tokens")
	}
	if q.All || (q.Subject != "" && !ownName(c, q.Subject)) {
		access := auth.Access{Resource: "refresh-token", Action: "list"}
		if err := s.require(ctx, c, access, "list the refresh tokens of others", askSystemAdmin); err != nil {
			return List[store.RefreshToken]{}, err
		}
	} else {
		q.Subject = c.Name
	}
	f := q.apply(store.Filter{Subject: q.Subject})
	total, err := s.store.CountRefreshTokens(ctx, f)
	return collect(s.store.ListRefreshTokens(ctx, f), total, err, withoutSecret)
}

// RevokeRefreshToken ends a refresh token: one's own, or anybody's for whoever may delete them. NotFound: there is
// none, or it is another's.
func (s *Service) RevokeRefreshToken(ctx context.Context, c Caller, id string) error {
	if c.Anonymous() {
		return signIn("revoke refresh tokens")
	}
	id = auth.RefreshTokenID(id) // the whole token is its holder's to give, but not ours to write down
	t, err := s.store.RefreshToken(ctx, id)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	found := err == nil
	err = s.perform(ctx, c, deed{
		operation: "refresh_token.delete", resource: "refresh_token:" + clipped(id), what: "revoke this refresh token",
		own: found && ownName(c, t.Subject), access: auth.Access{Resource: "refresh-token", Action: "delete"},
		do: func(ctx context.Context) error { return s.store.DeleteRefreshToken(ctx, id) },
	})
	if kind := errs.KindOf(err); err != nil && (kind == errs.Denied || kind == errs.NotFound) {
		return errs.New(errs.NotFound, "refresh token %s not found", clip(id)).WithHint("list them to see which there are")
	}
	return err
}

func ownName(c Caller, subject string) bool { return store.NameKey(c.Name) == store.NameKey(subject) }

func withoutSecret(t store.RefreshToken) store.RefreshToken {
	t.SecretHash = nil
	return t
}
