package main

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/api/client"
	"github.com/sealock/sealock/store"
)

func newMemberCommand(env *environment) *cobra.Command {
	return groupCommand("member", "Say who has which role in a project", `  sealock member add team bob --role developer
  sealock member add team --group release-team --role maintainer
  sealock member list team`,
		newMemberAddCommand(env), newMemberListCommand(env), newMemberSetRoleCommand(env), newMemberRemoveCommand(env))
}

func newMemberAddCommand(env *environment) *cobra.Command {
	var role string
	var who memberFlags
	cmd := &cobra.Command{
		Use: "add PROJECT {USER | --group NAME} --role ROLE", Short: "Add a member to a project",
		Long: "Add a user or a group to a project with a role: " + strings.Join(roleNames(), ", ") + `.

A group is one that is kept here, or with --group-type ldap, oidc or external one of a user source. In a directory it
is named by its DN.`,
		Example: `  sealock member add team bob --role developer
  sealock member add team --group release-team --role maintainer
  sealock member add team --group cn=dev,ou=groups,dc=example,dc=com --group-type ldap --role developer`,
		ValidArgsFunction: completeArgs(env, projectNames, userNames),
	}
	who.add(cmd)
	addRoleFlag(cmd, &role, who.arguments(2))
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		role, err := roleID(role)
		if err != nil {
			return err
		}
		params := &client.AddMemberParams{XIsResourceName: pointer(true)}
		req := client.ProjectMember{RoleID: role}
		if who.group == "" {
			req.MemberUser = &client.UserEntity{Username: &args[1]}
		} else if req.MemberGroup, err = who.ref(); err != nil {
			return err
		}
		resp, err := s.api.AddMemberWithResponse(ctx, args[0], params, req)
		if err := done(resp, err); err != nil {
			return err
		}
		m, err := s.memberAt(ctx, args[0], resp.HTTPResponse.Header.Get("Location"))
		if err != nil {
			return err
		}
		return s.out.say(m, "%s is %s in %s now", m.EntityName, m.RoleName, args[0])
	})
}

// memberFlags say that a member is a group.
type memberFlags struct{ group, groupType, source string }

func (f *memberFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.group, "group", "", "a group instead of a user: its name, or in a directory its DN")
	cmd.Flags().StringVar(&f.groupType, "group-type", "local", "of a group: local, ldap, oidc or external")
	cmd.Flags().StringVar(&f.source, "source", "", "of a group: the user source (default: the first of the type)")
}

// arguments checks that there are n arguments, or one less where a group is named.
func (f *memberFlags) arguments(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if f.group != "" {
			return cobra.ExactArgs(n-1)(cmd, args)
		}
		return cobra.ExactArgs(n)(cmd, args)
	}
}

func (f *memberFlags) ref() (*client.UserGroup, error) {
	return groupRef(f.group, f.groupType, f.source)
}

// name returns what the member is called: the last argument, or the group.
func (f *memberFlags) name(args []string) (name, kind string) {
	if f.group != "" {
		return f.group, "g"
	}
	return args[1], "u"
}

// addRoleFlag adds the flag --role, without which no member is made: who may do what is never guessed.
func addRoleFlag(cmd *cobra.Command, role *string, arguments cobra.PositionalArgs) {
	cmd.Flags().StringVar(role, "role", "", "one of "+strings.Join(roleNames(), ", "))
	// Checked with the arguments: cobra's own check of required flags is no usage error, and comes after a login.
	cmd.Args = usageArgs(func(cmd *cobra.Command, args []string) error {
		_, err := roleID(*role)
		return cmp.Or(arguments(cmd, args), err)
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
	var who memberFlags
	cmd := &cobra.Command{
		Use: "set-role PROJECT {USER | --group NAME} --role ROLE", Short: "Give a member another role",
		Long:              "Give a member another role: " + strings.Join(roleNames(), ", ") + ".",
		Example:           "  sealock member set-role team bob --role maintainer",
		ValidArgsFunction: completeArgs(env, projectNames, userNames),
	}
	cmd.Flags().StringVar(&who.group, "group", "", "a group instead of a user, by its name in the list of members")
	addRoleFlag(cmd, &role, who.arguments(2))
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		role, err := roleID(role)
		if err != nil {
			return err
		}
		m, err := s.member(ctx, args[0], &who, args)
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
	var who memberFlags
	cmd := &cobra.Command{
		Use: "remove PROJECT {USER | --group NAME}", Short: "Remove a member from a project", Long: "Remove a member from a project.",
		Example: `  sealock member remove team bob
  sealock member remove team --group release-team`,
		Args: usageArgs(who.arguments(2)), ValidArgsFunction: completeArgs(env, projectNames, userNames),
	}
	cmd.Flags().StringVar(&who.group, "group", "", "a group instead of a user, by its name in the list of members")
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		m, err := s.member(ctx, args[0], &who, args)
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

// member finds the member that a user or a group is.
func (s *session) member(ctx context.Context, project string, who *memberFlags, args []string) (client.ProjectMemberEntity, error) {
	name, kind := who.name(args)
	members, err := s.members(ctx, project, name)
	if err != nil {
		return client.ProjectMemberEntity{}, err
	}
	for _, m := range members {
		if m.EntityType == kind && strings.EqualFold(m.EntityName, name) {
			return m, nil
		}
	}
	return client.ProjectMemberEntity{}, fmt.Errorf("%s is no member of %s: sealock member list %s shows those that are", name, project, project)
}

// memberAt reads the member at a location of the API.
func (s *session) memberAt(ctx context.Context, project, location string) (client.ProjectMemberEntity, error) {
	id, err := strconv.ParseInt(path.Base(location), 10, 64)
	if err != nil {
		return client.ProjectMemberEntity{}, fmt.Errorf("the server says that the member is at %q, which names no member", location)
	}
	resp, err := s.api.GetMemberWithResponse(ctx, project, id, &client.GetMemberParams{XIsResourceName: pointer(true)})
	if err := done(resp, err); err != nil {
		return client.ProjectMemberEntity{}, err
	}
	return *resp.JSON200, nil
}

func memberTable(members []client.ProjectMemberEntity) table {
	t := table{head: []string{"ID", "NAME", "KIND", "ROLE"}}
	for _, m := range members {
		kind := "user"
		if m.EntityType == "g" {
			kind = "group"
		}
		t.rows = append(t.rows, []string{strconv.FormatInt(m.ID, 10), m.EntityName, kind, m.RoleName})
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
