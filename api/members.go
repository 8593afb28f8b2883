package api

import (
	"context"
	"fmt"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

func (h *handlers) ListMembers(c echo.Context, ref gen.ProjectRef, params gen.ListMembersParams) error {
	return list(c, params.Page, params.PageSize, h.memberOf, func(ctx context.Context, who Caller, w window) (project.List[store.Member], error) {
		q := project.MemberQuery{Name: value(params.Entityname), Paging: w.paging("")}
		q.After = value(params.After)
		return h.Service.ListMembers(ctx, who, projectRef(ref, params.XIsResourceName), q)
	})
}

func (h *handlers) AddMember(c echo.Context, ref gen.ProjectRef, params gen.AddMemberParams) error {
	return create(c, func(ctx context.Context, who Caller, req gen.ProjectMember) (string, error) {
		n, err := newMember(req)
		if err != nil {
			return "", err
		}
		m, err := h.Service.AddMember(ctx, who, projectRef(ref, params.XIsResourceName), n)
		return fmt.Sprintf("/api/v2.0/projects/%d/members/%d", m.ProjectID, m.ID), err
	})
}

func newMember(req gen.ProjectMember) (project.NewMember, error) {
	n := project.NewMember{Role: store.Role(req.RoleID), RoleName: value(req.RoleName), Only: value(req.Repositories)}
	user, group := value(req.MemberUser), groupRef(value(req.MemberGroup))
	byUser, byGroup := named(user), group.Named()
	switch {
	case byUser && byGroup:
		return project.NewMember{}, errs.New(errs.Invalid, "the body names a user and a group").WithHint("add two members")
	case byGroup:
		n.Group = &group
		return n, nil
	case !byUser:
		return project.NewMember{}, errs.New(errs.Invalid, "the body names no user or group").
			WithHint(`write "member_user":{"username":"alice"} or "member_group":{"group_name":"dev"}`)
	}
	n.UserName, n.UserID = value(user.Username), value(user.UserID)
	return n, nil
}

// named reports whether a user is named at all.
func named(u gen.UserEntity) bool { return value(u.Username) != "" || value(u.UserID) != 0 }

func (h *handlers) GetMember(c echo.Context, ref gen.ProjectRef, mid gen.MemberID, params gen.GetMemberParams) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.ProjectMemberEntity, error) {
		m, err := h.Service.Member(ctx, who, projectRef(ref, params.XIsResourceName), mid)
		return h.memberOf(m), err
	})
}

func (h *handlers) SetMemberRole(c echo.Context, ref gen.ProjectRef, mid gen.MemberID, params gen.SetMemberRoleParams) error {
	return take(c, func(ctx context.Context, who Caller, req gen.RoleRequest) error {
		return h.Service.SetMemberRole(ctx, who, projectRef(ref, params.XIsResourceName), mid, project.RoleIn{
			Role: store.Role(req.RoleID), Name: value(req.RoleName), Only: value(req.Repositories),
		})
	})
}

func (h *handlers) RemoveMember(c echo.Context, ref gen.ProjectRef, mid gen.MemberID, params gen.RemoveMemberParams) error {
	return done(c, func(ctx context.Context, who Caller) error {
		return h.Service.RemoveMember(ctx, who, projectRef(ref, params.XIsResourceName), mid)
	})
}

func (h *handlers) memberOf(m store.Member) gen.ProjectMemberEntity {
	out := gen.ProjectMemberEntity{
		ID: m.ID, ProjectID: m.ProjectID, EntityName: m.UserName, EntityID: m.UserID, EntityType: "u",
		RoleID: int64(m.Role), RoleName: m.RoleName(),
	}
	if only := m.Only.List(); only != nil {
		out.Repositories = &only
	}
	if h.Service.Gone(m) {
		out.RoleGone = pointer(true)
	}
	if m.GroupID != 0 {
		out.EntityName, out.EntityID, out.EntityType = m.GroupName, m.GroupID, "g"
	}
	return out
}

// ListRoles lists the roles that a member can have.
func (h *handlers) ListRoles(c echo.Context) error {
	return reply(c, func(ctx context.Context, who Caller) ([]gen.Role, error) {
		roles, err := h.Service.Roles(ctx, who)
		out := make([]gen.Role, 0, len(roles))
		for _, r := range roles {
			out = append(out, gen.Role{RoleID: int64(r.Role), RoleName: r.Name, Custom: r.Custom, RoleGone: r.Gone})
		}
		return out, err
	})
}
