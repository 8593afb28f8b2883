package main

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/api/client"
	"github.com/sealock/sealock/store"
)

func newMemberCommand(env *environment) *cobra.Command {
	return groupCommand("member", "Say who has which role in a project", `  sealock member add team bob --role developer
  sealock member list team`,
		newMemberAddCommand(env), newMemberListCommand(env), newMemberSetRoleCommand(env), newMemberRemoveCommand(env))
}

func newMemberAddCommand(env *environment) *cobra.Command {
	var role string
	cmd := &cobra.Command{
		Use: "add PROJECT USER --role ROLE", Short: "Add a member to a project",
		Long:              "Add a user to a project with a role: " + strings.Join(roleNames(), ", ") + ".",
		Example:           "  sealock member add team bob --role developer",
		ValidArgsFunction: completeArgs(env, projectNames, userNames),
	}
	addRoleFlag(cmd, &role)
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		role, err := roleID(role)
		if err != nil {
			return err
		}
		params := &client.AddMemberParams{XIsResourceName: pointer(true)}
		req := client.ProjectMember{RoleID: role, MemberUser: &client.UserEntity{Username: &args[1]}}
		if err := done(s.api.AddMemberWithResponse(ctx, args[0], params, req)); err != nil {
			return err
		}
		m, err := s.member(ctx, args[0], args[1])
		if err != nil {
			return err
		}
		return s.out.say(m, "%s is %s in %s now", m.EntityName, m.RoleName, args[0])
	})
}

// addRoleFlag adds the flag --role, without which no member is made: who may do what is never guessed.
func addRoleFlag(cmd *cobra.Command, role *string) {
	cmd.Flags().StringVar(role, "role", "", "one of "+strings.Join(roleNames(), ", "))
	// Checked with the arguments: cobra's own check of required flags is no usage error, and comes after a login.
	cmd.Args = usageArgs(func(cmd *cobra.Command, args []string) error {
		_, err := roleID(*role)
		return cmp.Or(cobra.ExactArgs(2)(cmd, args), err)
	})
	_ = cmd.RegisterFlagCompletionFunc("role", cobra.FixedCompletions(roleNames(), cobra.ShellCompDirectiveNoFileComp))
}

func newMemberListCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list PROJECT", Short: "List the members of a project", Long: "List the members of a project and their roles.",
		Example: "  sealock member list team",
		Args:    usageArgs(cobra.ExactArgs(1)), ValidArgsFunction: completeArgs(env, projectNames),
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		members, err := s.members(ctx, args[0], "")
		if err != nil {
			return err
		}
		return s.out.print(members, memberTable(members))
	})
}

func newMemberSetRoleCommand(env *environment) *cobra.Command {
	var role string
	cmd := &cobra.Command{
		Use: "set-role PROJECT USER --role ROLE", Short: "Give a member another role",
		Long:              "Give a member another role: " + strings.Join(roleNames(), ", ") + ".",
		Example:           "  sealock member set-role team bob --role maintainer",
		ValidArgsFunction: completeArgs(env, projectNames, userNames),
	}
	addRoleFlag(cmd, &role)
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		role, err := roleID(role)
		if err != nil {
			return err
		}
		m, err := s.member(ctx, args[0], args[1])
		if err != nil {
			return err
		}
		params := &client.SetMemberRoleParams{XIsResourceName: pointer(true)}
		if err := done(s.api.SetMemberRoleWithResponse(ctx, args[0], m.ID, params, client.RoleRequest{RoleID: role})); err != nil {
			return err
		}
		m.RoleID, m.RoleName = role, roleName(role)
		return s.out.say(m, "%s is %s in %s now", m.EntityName, m.RoleName, args[0])
	})
}

func newMemberRemoveCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "remove PROJECT USER", Short: "Remove a member from a project", Long: "Remove a member from a project.",
		Example: "  sealock member remove team bob",
		Args:    usageArgs(cobra.ExactArgs(2)), ValidArgsFunction: completeArgs(env, projectNames, userNames),
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		m, err := s.member(ctx, args[0], args[1])
		if err != nil {
			return err
		}
		params := &client.RemoveMemberParams{XIsResourceName: pointer(true)}
		if err := done(s.api.RemoveMemberWithResponse(ctx, args[0], m.ID, params)); err != nil {
			return err
		}
		return s.out.say(m, "removed %s from %s", m.EntityName, args[0])
	})
}

// members lists the members of a project with part in their name.
func (s *session) members(ctx context.Context, project, part string) ([]client.ProjectMemberEntity, error) {
	return pages[client.ProjectMemberEntity](func(page int64) (answer, error) {
		return s.api.ListMembersWithResponse(ctx, project, &client.ListMembersParams{
			XIsResourceName: pointer(true), Entityname: optional(part), Page: &page, PageSize: pointer(largePage),
		})
	})
}

// member finds the member that a user is.
func (s *session) member(ctx context.Context, project, user string) (client.ProjectMemberEntity, error) {
	members, err := s.members(ctx, project, user)
	if err != nil {
		return client.ProjectMemberEntity{}, err
	}
	for _, m := range members {
		if strings.EqualFold(m.EntityName, user) {
			return m, nil
		}
	}
	return client.ProjectMemberEntity{}, fmt.Errorf("%s is no member of %s: sealock member list %s shows those that are", user, project, project)
}

func memberTable(members []client.ProjectMemberEntity) table {
	t := table{head: []string{"ID", "NAME", "ROLE"}}
	for _, m := range members {
		t.rows = append(t.rows, []string{strconv.FormatInt(m.ID, 10), m.EntityName, m.RoleName})
	}
	return t
}

// roleName names a role as the policy file does; "-" is none.
func roleName(id int64) string {
	if name, ok := store.RoleNames()[store.Role(id)]; ok {
		return name
	}
	return "-"
}

func roleID(name string) (int64, error) {
	for role, n := range store.RoleNames() {
		if strings.EqualFold(n, name) {
			return int64(role), nil
		}
	}
	return 0, usagef("there is no role %q: give --role one of %s", name, strings.Join(roleNames(), ", "))
}

// roleNames lists the roles, the strongest first.
func roleNames() []string {
	names := store.RoleNames()
	return []string{
		names[store.RoleProjectAdmin], names[store.RoleMaintainer], names[store.RoleDeveloper],
		names[store.RoleGuest], names[store.RoleLimitedGuest],
	}
}
