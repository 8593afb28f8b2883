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

func (h *handlers) ListUserGroups(c echo.Context, params gen.ListUserGroupsParams) error {
	return list(c, params.Page, params.PageSize, groupOf, func(ctx context.Context, who Caller, w window) (project.List[store.Group], error) {
		return h.Service.ListGroups(ctx, who, project.GroupQuery{
			Name: value(params.GroupName), Key: value(params.LdapGroupDn), Paging: w.paging("name"),
		})
	})
}

func (h *handlers) CreateUserGroup(c echo.Context) error {
	return create(c, func(ctx context.Context, who Caller, req gen.UserGroup) (string, error) {
		g, err := h.Service.CreateGroup(ctx, who, groupRef(req))
		return fmt.Sprintf("/api/v2.0/usergroups/%d", g.ID), err
	})
}

func (h *handlers) SearchUserGroups(c echo.Context, params gen.SearchUserGroupsParams) error {
	show := func(g store.Group) gen.UserGroupSearchItem {
		return gen.UserGroupSearchItem{ID: g.ID, GroupName: g.Name, GroupType: int64(g.Type)}
	}
	return list(c, params.Page, params.PageSize, show, func(ctx context.Context, who Caller, w window) (project.List[store.Group], error) {
		return h.Service.SearchGroups(ctx, who, params.Groupname, w.paging("name"))
	})
}

func (h *handlers) GetUserGroup(c echo.Context, id gen.GroupID) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.UserGroup, error) {
		g, err := h.Service.Group(ctx, who, id)
		return groupOf(g), err
	})
}

func (h *handlers) UpdateUserGroup(c echo.Context, id gen.GroupID) error {
	return take(c, func(ctx context.Context, who Caller, req gen.UserGroup) error {
		return h.Service.RenameGroup(ctx, who, id, value(req.GroupName))
	})
}

func (h *handlers) DeleteUserGroup(c echo.Context, id gen.GroupID) error {
	return done(c, func(ctx context.Context, who Caller) error { return h.Service.DeleteGroup(ctx, who, id) })
}

func (h *handlers) ListUserGroupMembers(c echo.Context, id gen.GroupID, params gen.ListUserGroupMembersParams) error {
	show := func(u store.User) gen.UserEntity { return gen.UserEntity{UserID: &u.ID, Username: &u.Name} }
	return list(c, params.Page, params.PageSize, show, func(ctx context.Context, who Caller, w window) (project.List[store.User], error) {
		return h.Service.ListGroupMembers(ctx, who, id, w.paging("name"))
	})
}

func (h *handlers) AddUserGroupMember(c echo.Context, id gen.GroupID) error {
	return create(c, func(ctx context.Context, who Caller, req gen.UserEntity) (string, error) {
		if !named(req) {
			return "", errs.New(errs.Invalid, "the body names no user").WithHint(`write {"username":"alice"}`)
		}
		n := project.NewMember{UserName: value(req.Username), UserID: value(req.UserID)}
		return fmt.Sprintf("/api/v2.0/usergroups/%d/members", id), h.Service.AddGroupMember(ctx, who, id, n)
	})
}

func (h *handlers) RemoveUserGroupMember(c echo.Context, id gen.GroupID, user gen.UserID) error {
	return done(c, func(ctx context.Context, who Caller) error { return h.Service.RemoveGroupMember(ctx, who, id, user) })
}

func groupRef(g gen.UserGroup) project.GroupRef {
	return project.GroupRef{
		ID: value(g.ID), Name: value(g.GroupName), Type: store.GroupType(value(g.GroupType)), Source: value(g.Source), Key: value(g.LdapGroupDn),
	}
}

func groupOf(g store.Group) gen.UserGroup {
	out := gen.UserGroup{ID: optional(g.ID), GroupName: &g.Name, GroupType: pointer(int64(g.Type))}
	if !g.Local() {
		out.Source = &g.Source
	}
	if g.Type == store.GroupLDAP {
		out.LdapGroupDn = &g.Key
	}
	return out
}
