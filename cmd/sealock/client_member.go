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
		newMemberAddCommand(env), newMemberListCommand(env), newMemberRolesCommand(env), newMemberSetRoleCommand(env), newMemberRemoveCommand(env))
}

func newMemberAddCommand(env *environment) *cobra.Command {
	var role roleFlags
	var who memberFlags
	cmd := &cobra.Command{
		Use: "add PROJECT {USER | --group NAME} --role ROLE", Short: "Add a member to a project",
		Long: "Add a user or a group to a project with a role: " + strings.Join(roleNames(), ", ") + `,
or one that the policy file has besides (sealock member roles lists them).

With --repository the role is for the repositories alone whose name after the project matches the pattern (app,
app-*, app/**); what else is in the project stays unseen.

A group is one that is kept here, or with --group-type ldap, oidc or external one of a user source. In a directory it
is named by its DN.`,
		Example: `  sealock member add team bob --role developer
  sealock member add team --group release-team --role maintainer
  sealock member add team carol --role developer --repository 'app/**' --repository tools
  sealock member add team --group cn=dev,ou=groups,dc=example,dc=com --group-type ldap --role developer`,
		ValidArgsFunction: completeArgs(env, projectNames, userNames),
	}
	who.add(cmd)
	role.add(cmd, who.arguments(2))
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) (err error) {
		params := &client.AddMemberParams{XIsResourceName: pointer(true)}
		req := client.ProjectMember{RoleName: &role.name, Repositories: role.only()}
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
		return s.out.say(m, "%s is %s in %s now", m.EntityName, roleText(m), args[0])
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

// roleFlags say which role a member has, and for what.
type roleFlags struct {
	name         string
	repositories []string
	all          bool
}

// add adds the flag --role, without which no member is made: who may do what is never guessed.
func (f *roleFlags) add(cmd *cobra.Command, arguments cobra.PositionalArgs) {
	cmd.Flags().StringVar(&f.name, "role", "", strings.Join(roleNames(), ", ")+", or a role of the policy file")
	cmd.Flags().StringArrayVar(&f.repositories, "repository", nil, "for repositories alone whose name after the project matches the pattern; can be repeated")
	// Checked with the arguments: cobra's own check of required flags is no usage error, and comes after a login.
	cmd.Args = usageArgs(func(cmd *cobra.Command, args []string) error {
		var err error
		if f.name == "" {
			err = usagef("there is no role: give --role one of %s", strings.Join(roleNames(), ", "))
		}
		return cmp.Or(arguments(cmd, args), err)
	})
	_ = cmd.RegisterFlagCompletionFunc("role", cobra.FixedCompletions(roleNames(), cobra.ShellCompDirectiveNoFileComp))
}

// only returns the patterns, and nil where they are not spoken of.
func (f *roleFlags) only() *[]string {
	switch {
	case f.all:
		return &[]string{}
	case len(f.repositories) == 0:
		return nil
	}
	return &f.repositories
}

func newMemberRolesCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "roles", Short: "List the roles that a member can have",
		Long:    "List the roles that a member can have: Harbor's, and those that the policy file has besides.",
		Example: "  sealock member roles", Args: usageArgs(cobra.NoArgs),
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, _ []string) error {
		resp, err := s.api.ListRolesWithResponse(ctx)
		roles, err := decode[[]client.Role](resp, err)
		if err != nil {
			return err
		}
		t := table{head: []string{"ID", "ROLE", "FROM"}}
		for _, r := range roles {
			from := "Harbor"
			switch {
			case r.RoleGone:
				from = "no policy any more: allows nothing"
			case r.Custom:
				from = "the policy file"
			}
			t.rows = append(t.rows, []string{strconv.FormatInt(r.RoleID, 10), r.RoleName, from})
		}
		return s.out.print(roles, t)
	})
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
	var role roleFlags
	var who memberFlags
	cmd := &cobra.Command{
		Use: "set-role PROJECT {USER | --group NAME} --role ROLE", Short: "Give a member another role",
		Long: "Give a member another role: " + strings.Join(roleNames(), ", ") + `, or one of the policy file.
It stays for the repositories that it is for, unless --repository or --all-repositories say otherwise.`,
		Example: `  sealock member set-role team bob --role maintainer
  sealock member set-role team carol --role developer --repository 'app/**'
  sealock member set-role team carol --role developer --all-repositories`,
		ValidArgsFunction: completeArgs(env, projectNames, userNames),
	}
	cmd.Flags().StringVar(&who.group, "group", "", "a group instead of a user, by its name in the list of members")
	cmd.Flags().BoolVar(&role.all, "all-repositories", false, "for the whole project, and not for some repositories any more")
	role.add(cmd, who.arguments(2))
	cmd.MarkFlagsMutuallyExclusive("repository", "all-repositories")
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		m, err := s.member(ctx, args[0], &who, args)
		if err != nil {
			return err
		}
		params := &client.SetMemberRoleParams{XIsResourceName: pointer(true)}
		if err := done(s.api.SetMemberRoleWithResponse(ctx, args[0], m.ID, params, client.RoleRequest{RoleName: &role.name, Repositories: role.only()})); err != nil {
			return err
		}
		if m, err = s.memberAt(ctx, args[0], strconv.FormatInt(m.ID, 10)); err != nil {
			return err
		}
		return s.out.say(m, "%s is %s in %s now", m.EntityName, roleText(m), args[0])
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
		t.rows = append(t.rows, []string{strconv.FormatInt(m.ID, 10), m.EntityName, kind, roleText(m)})
	}
	return t
}

// roleText says what a member's role is, and for which repositories.
func roleText(m client.ProjectMemberEntity) string {
	text := m.RoleName
	if m.Repositories != nil && len(*m.Repositories) > 0 {
		text += " for " + strings.Join(*m.Repositories, ", ")
	}
	if m.RoleGone != nil && *m.RoleGone {
		text += " (a role that the policy has no more: it allows nothing)"
	}
	return text
}

// roleNames lists the roles, the strongest first.
func roleNames() []string {
	names := store.RoleNames()
	return []string{
		names[store.RoleProjectAdmin], names[store.RoleMaintainer], names[store.RoleDeveloper],
		names[store.RoleGuest], names[store.RoleLimitedGuest],
	}
}
