package api

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

func (h *handlers) ListPersonalAccessTokens(c echo.Context, params gen.ListPersonalAccessTokensParams) error {
	return list(c, params.Page, params.PageSize, personalOf, func(ctx context.Context, who Caller, w window) (project.List[store.PersonalAccessToken], error) {
		sort, err := parseSort(params.Sort, map[string]string{"name": "name", "creation_time": "creation_time", "last_used_time": "last_used", "expires_at": "expiry"})
		if err != nil {
			return project.List[store.PersonalAccessToken]{}, err
		}
		if sort == "" {
			sort = "-creation_time"
		}
		q := project.PersonalTokenQuery{Subject: value(params.Username), All: value(params.All), Paging: w.paging(sort)}
		if q.All && q.Subject != "" {
			return project.List[store.PersonalAccessToken]{}, errs.New(errs.Invalid, "username and all contradict each other").WithHint("give one of them")
		}
		return h.Service.ListPersonalTokens(ctx, who, q)
	})
}

func (h *handlers) CreatePersonalAccessToken(c echo.Context) error {
	r, err := asked(c)
	if err != nil {
		return err
	}
	body, err := bind[gen.PersonalAccessTokenReq](c.Response(), c.Request())
	if err != nil {
		return err
	}
	made, err := h.Service.CreatePersonalToken(r.ctx(), r.caller(), project.NewPersonalToken{
		Name: body.Name, Scope: scopeOf(body.Scope), ExpiresAt: value(body.ExpiresAt), Never: value(body.Never),
	})
	if err != nil {
		return err
	}
	header := c.Response().Header()
	header.Set(echo.HeaderLocation, "/api/v2.0/personal-access-tokens/"+made.ID)
	header.Set(echo.HeaderCacheControl, "no-store")
	return c.JSON(http.StatusCreated, gen.PersonalAccessTokenCreated{
		ID: made.ID, Name: made.Name, Username: made.UserName, CreationTime: made.CreatedAt.UTC(), ExpiresAt: perhaps(made.ExpiresAt),
		Secret: made.Secret.Reveal(),
	})
}

func (h *handlers) RevokePersonalAccessToken(c echo.Context, id string) error {
	return done(c, func(ctx context.Context, who Caller) error { return h.Service.RevokePersonalToken(ctx, who, id) })
}

// scopeOf reads a scope; none is nil, and an empty one is not none. The resource that is left out is the one that people
// mean most often: repositories.
func scopeOf(list []gen.Permission) *auth.Permissions {
	if list == nil {
		return nil
	}
	scope := make(auth.Permissions, len(list))
	for i, p := range list {
		scope[i] = auth.Permission{
			Project: value(p.Project), Repositories: p.Repositories, Resource: value(p.Resource), Actions: p.Actions,
		}
		if scope[i].Resource == "" {
			scope[i].Resource = string(auth.TypeRepository)
		}
	}
	return &scope
}

func personalOf(t store.PersonalAccessToken) gen.PersonalAccessToken {
	out := gen.PersonalAccessToken{
		ID: t.ID, Name: t.Name, Username: t.UserName, CreationTime: t.CreatedAt.UTC(), ExpiresAt: perhaps(t.ExpiresAt),
		LastUsedTime: perhaps(t.LastUsedAt),
	}
	if t.LastUsedFrom != "" {
		out.LastUsedFrom = &t.LastUsedFrom
	}
	if t.Scope != nil {
		scope := make([]gen.Permission, len(*t.Scope))
		for i, p := range *t.Scope {
			scope[i] = gen.Permission{Project: &p.Project, Repositories: p.Repositories, Resource: &p.Resource, Actions: p.Actions}
		}
		out.Scope = scope
	}
	return out
}

// perhaps leaves out a time that there is not.
func perhaps(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
