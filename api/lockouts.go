package api

import (
	"context"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

func (h *handlers) ListLockouts(c echo.Context, params gen.ListLockoutsParams) error {
	return list(c, params.Page, params.PageSize, lockoutOf, func(ctx context.Context, who Caller, w window) (project.List[store.LoginFailures], error) {
		q := project.LockoutQuery{Account: value(params.Username), Address: value(params.Address), Paging: w.paging("-locked_until")}
		return h.Service.ListLockouts(ctx, who, q)
	})
}

func (h *handlers) LiftLockout(c echo.Context, id string) error {
	return done(c, func(ctx context.Context, who Caller) error { return h.Service.LiftLockout(ctx, who, id) })
}

func lockoutOf(f store.LoginFailures) gen.Lockout {
	return gen.Lockout{
		ID: f.ID, Kind: string(f.Kind), Username: optional(f.Account), Address: optional(f.Address), Failures: int64(f.Failures),
		FirstTime: f.FirstAt.UTC(), LastTime: f.LastAt.UTC(), LockedUntil: f.LockedUntil.UTC(),
	}
}
