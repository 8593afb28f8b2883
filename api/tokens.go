package api

import (
	"context"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

func (h *handlers) ListRefreshTokens(c echo.Context, params gen.ListRefreshTokensParams) error {
	return list(c, params.Page, params.PageSize, tokenOf, func(ctx context.Context, who Caller, w window) (project.List[store.RefreshToken], error) {
		q := project.TokenQuery{Subject: value(params.Username), All: value(params.All), Paging: w.paging("-creation_time")}
		if q.All && q.Subject != "" {
			return project.List[store.RefreshToken]{}, errs.New(errs.Invalid, "username and all contradict each other").WithHint("give one of them")
		}
		return h.Service.ListRefreshTokens(ctx, who, q)
	})
}

func (h *handlers) RevokeRefreshToken(c echo.Context, id string) error {
	return done(c, func(ctx context.Context, who Caller) error { return h.Service.RevokeRefreshToken(ctx, who, id) })
}

func tokenOf(t store.RefreshToken) gen.RefreshToken {
	return gen.RefreshToken{
		ID: t.ID, Username: t.Subject, Service: t.Service, ClientID: t.ClientID, Remote: t.Remote,
		CreationTime: t.CreatedAt.UTC(), LastUsedTime: t.LastUsedAt.UTC(), ExpiresAt: t.ExpiresAt.UTC(),
	}
}
