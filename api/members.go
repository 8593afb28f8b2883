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
	return list(c, params.Page, params.PageSize, memberOf, func(ctx context.Context, who Caller, w window) (project.List[store.Member], error) {
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
	role := store.Role(req.RoleID)
	user, group := value(req.MemberUser), groupRef(value(req.MemberGroup))
	byUser, byGroup := named(user), group.Named()
	switch {
	case byUser && byGroup:
		return project.NewMember{}, errs.New(errs.Invalid, "the body names a user and a group").WithHint("add two members")
	case byGroup:
		return project.NewMember{Group: &group, Role: role}, nil
	case !byUser:
		return project.NewMember{}, errs.New(errs.Invalid, "the body names no user or group").
			WithHint(`write "member_user":{"username":"alice"} or "member_group":{"group_name":"dev"}`)
	}
	return project.NewMember{UserName: value(user.Username), UserID: value(user.UserID), Role: role}, nil
}

// named reports whether a user is named at all.
func named(u gen.UserEntity) bool { return value(u.Username) != "" || value(u.UserID) != 0 }

func (h *handlers) GetMember(c echo.Context, ref gen.ProjectRef, mid gen.MemberID, params gen.GetMemberParams) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.ProjectMemberEntity, error) {
		m, err := h.Service.Member(ctx, who, projectRef(ref, params.XIsResourceName), mid)
		return memberOf(m), err
	})
}

func (h *handlers) SetMemberRole(c echo.Context, ref gen.ProjectRef, mid gen.MemberID, params gen.SetMemberRoleParams) error {
	return take(c, func(ctx context.Context, who Caller, req gen.RoleRequest) error {
		return h.Service.SetMemberRole(ctx, who, projectRef(ref, params.XIsResourceName), mid, store.Role(req.RoleID))
	})
}

func (h *handlers) RemoveMember(c echo.Context, ref gen.ProjectRef, mid gen.MemberID, params gen.RemoveMemberParams) error {
	return done(c, func(ctx context.Context, who Caller) error {
		return h.Service.RemoveMember(ctx, who, projectRef(ref, params.XIsResourceName), mid)
	})
}

func memberOf(m store.Member) gen.ProjectMemberEntity {
	out := gen.ProjectMemberEntity{
		ID: m.ID, ProjectID: m.ProjectID, EntityName: m.UserName, EntityID: m.UserID, EntityType: "u",
		RoleID: int64(m.Role), RoleName: store.RoleNames()[m.Role],
	}
	if m.GroupID != 0 {
		out.EntityName, out.EntityID, out.EntityType = m.GroupName, m.GroupID, "g"
	}
	return out
}
