package api

import (
	"context"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

func (h *handlers) ListUsers(c echo.Context, params gen.ListUsersParams) error {
	return list(c, params.Page, params.PageSize, userOf, func(ctx context.Context, who Caller, w window) (project.List[store.User], error) {
		q, err := userQuery(params, w)
		if err != nil {
			return project.List[store.User]{}, err
		}
		return h.Service.ListUsers(ctx, who, q)
	})
}

func userQuery(params gen.ListUsersParams, w window) (q project.UserQuery, err error) {
	q.Paging, err = paging(params.Q, params.Sort, fields{
		"username": {name: "name", kind: store.Name}, "user_id": numberField("id"), "creation_time": timeField("creation_time"),
		"sysadmin_flag": {name: "sysadmin", kind: store.Truth},
	}, map[string]string{"username": "name", "user_id": "id", "creation_time": "creation_time"}, w)
	return q, err
}

func (h *handlers) CreateUser(c echo.Context) error {
	return create(c, func(ctx context.Context, who Caller, req gen.UserCreationReq) (string, error) {
		u, err := h.Service.CreateUser(ctx, who, project.NewUser{
			Name: req.Username, Password: secret.New(value(req.Password)),
			Profile: project.Profile{Email: value(req.Email), RealName: value(req.Realname), Comment: value(req.Comment)},
		})
		return "/api/v2.0/users/" + strconv.FormatInt(u.ID, 10), err
	})
}

func (h *handlers) GetCurrentUser(c echo.Context) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.UserResp, error) {
		u, err := h.Service.CurrentUser(ctx, who)
		return userOf(u), err
	})
}

func (h *handlers) SearchUsers(c echo.Context, params gen.SearchUsersParams) error {
	show := func(u store.User) gen.UserSearchRespItem {
		return gen.UserSearchRespItem{UserID: u.ID, Username: u.Name}
	}
	return list(c, params.Page, params.PageSize, show, func(ctx context.Context, who Caller, w window) (project.List[store.User], error) {
		return h.Service.SearchUsers(ctx, who, params.Username, w.paging("name"))
	})
}

func (h *handlers) GetUser(c echo.Context, id gen.UserID) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.UserResp, error) {
		u, err := h.Service.User(ctx, who, id)
		return userOf(u), err
	})
}

func (h *handlers) UpdateUser(c echo.Context, id gen.UserID) error {
	return take(c, func(ctx context.Context, who Caller, req gen.UserProfile) error {
		return h.Service.UpdateProfile(ctx, who, id, project.Profile{
			Email: value(req.Email), RealName: value(req.Realname), Comment: value(req.Comment),
		})
	})
}

func (h *handlers) DeleteUser(c echo.Context, id gen.UserID) error {
	return done(c, func(ctx context.Context, who Caller) error { return h.Service.DeleteUser(ctx, who, id) })
}

func (h *handlers) SetPassword(c echo.Context, id gen.UserID) error {
	return take(c, func(ctx context.Context, who Caller, req gen.PasswordReq) error {
		return h.Service.SetPassword(ctx, who, id, secret.New(value(req.OldPassword)), secret.New(req.NewPassword))
	})
}

func (h *handlers) SetSysAdmin(c echo.Context, id gen.UserID) error {
	// An empty object must not read as false: it would take the role away.
	return take(c, func(ctx context.Context, who Caller, req gen.UserSysAdminFlag) error {
		return h.Service.SetSysAdmin(ctx, who, id, req.SysadminFlag)
	}, "sysadmin_flag")
}

func (h *handlers) GetSecondFactor(c echo.Context) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.SecondFactor, error) {
		s, err := h.Service.SecondFactorState(ctx, who)
		return factorOf(s), err
	})
}

func (h *handlers) ResetSecondFactor(c echo.Context, id gen.UserID) error {
	return done(c, func(ctx context.Context, who Caller) error { return h.Service.ResetSecondFactor(ctx, who, id) })
}

func (h *handlers) SignOutUser(c echo.Context, id gen.UserID, params gen.SignOutUserParams) error {
	return done(c, func(ctx context.Context, who Caller) error {
		return h.Service.SignOut(ctx, who, id, value(params.RefreshTokens))
	})
}

func factorOf(s project.FactorState) gen.SecondFactor {
	f := gen.SecondFactor{Enabled: s.On, AppSince: timeOrNone(s.AppSince), Passkeys: []gen.Passkey{}, RecoveryCodes: s.RecoveryCodes}
	for _, p := range s.Passkeys {
		f.Passkeys = append(f.Passkeys, gen.Passkey{
			ID: p.ID, Name: p.Name, CreationTime: p.CreatedAt.UTC(), LastUsed: timeOrNone(p.LastUsedAt),
		})
	}
	return f
}

// timeOrNone leaves out a time that is none.
func timeOrNone(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func userOf(u store.User) gen.UserResp {
	return gen.UserResp{
		UserID: u.ID, Username: u.Name, Email: u.Email, Realname: u.RealName, Comment: u.Comment, SysadminFlag: u.SysAdmin,
		CreationTime: u.CreatedAt.UTC(), UpdateTime: u.UpdatedAt.UTC(),
	}
}
