package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/api/client"
	"github.com/sealock/sealock/store"
)

func newGroupCommand(env *environment) *cobra.Command {
	return groupCommand("group", "Make, list and change groups of users", `  sealock group create release-team
  sealock group add-user release-team alice`,
		newGroupCreateCommand(env), newGroupListCommand(env), newGroupShowCommand(env), newGroupRenameCommand(env),
		newGroupDeleteCommand(env), newGroupAddUserCommand(env), newGroupRemoveUserCommand(env))
}

// groupTypeNames are the types of groups as the command line calls them.
func groupTypeNames() map[string]store.GroupType {
	return map[string]store.GroupType{"local": store.GroupLocal, "ldap": store.GroupLDAP, "external": store.GroupHTTP, "oidc": store.GroupOIDC}
}

// groupRef names a group to the API: one of a directory by its DN.
func groupRef(name, groupType, source string) (*client.UserGroup, error) {
	t, ok := groupTypeNames()[groupType]
	if !ok {
		return nil, usagef("there is no type of group %q: use one of %s", groupType, strings.Join(slices.Sorted(maps.Keys(groupTypeNames())), ", "))
	}
	ref := &client.UserGroup{GroupType: pointer(int64(t)), Source: optional(source)}
	if t == store.GroupLDAP && strings.Contains(name, "=") {
		ref.LdapGroupDn = &name
	} else {
		ref.GroupName = &name
	}
	return ref, nil
}

func newGroupCreateCommand(env *environment) *cobra.Command {
	var groupType, source string
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create a group",
		Long: `Create a group whose members are kept here. With --type ldap, oidc or external, record a group of a user source, which
says with each login who is in it; in a directory it is named by its DN.`,
		Example: `  sealock group create release-team
  sealock group create cn=dev,ou=groups,dc=example,dc=com --type ldap`,
		Args: usageArgs(cobra.ExactArgs(1)), ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().StringVar(&groupType, "type", "local", "local, ldap, oidc or external")
	cmd.Flags().StringVar(&source, "source", "", "the user source (default: the first of the type)")
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		ref, err := groupRef(args[0], groupType, source)
		if err != nil {
			return err
		}
		resp, err := s.api.CreateUserGroupWithResponse(ctx, *ref)
		if err := done(resp, err); err != nil {
			return err
		}
		location := resp.HTTPResponse.Header.Get("Location")
		id, err := strconv.ParseInt(location[strings.LastIndexByte(location, '/')+1:], 10, 64)
		if err != nil {
			return fmt.Errorf("the server says that the group is at %q, which names no group", location)
		}
		g, err := s.groupByID(ctx, id)
		if err != nil {
			return err
		}
		return s.out.say(g, "created group %s", *g.GroupName)
	})
}

func newGroupListCommand(env *environment) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use: "list", Short: "List groups", Long: "List groups: those kept here, and those of user sources that are known.",
		Args: usageArgs(cobra.NoArgs), Example: "  sealock group list --name team --output json",
	}
	cmd.Flags().StringVar(&name, "name", "", "only groups with this in their name")
	return clientCommand(env, cmd, func(ctx context.Context, s *session, _ []string) error {
		groups, err := s.groups(ctx, name)
		if err != nil {
			return err
		}
		return s.out.print(groups, groupTable(groups...))
	})
}

// groupDetails is a group with the names of the users in it.
type groupDetails struct {
	client.UserGroup

	Members []client.UserEntity `json:"members,omitempty"`
}

func newGroupShowCommand(env *environment) *cobra.Command {
	return onGroup(env, &cobra.Command{
		Use: "show GROUP", Short: "Show a group and who is in it",
		Long:    "Show a group and, for one that is kept here, who is in it.",
		Example: "  sealock group show release-team",
	}, 1, func(ctx context.Context, s *session, g client.UserGroup, _ []string) error {
		details := groupDetails{UserGroup: g}
		t := groupTable(g)
		if *g.GroupType == int64(store.GroupLocal) {
			users, err := s.groupMembers(ctx, *g.ID)
			if err != nil {
				return err
			}
			details.Members, t = users, table{head: []string{"USER ID", "USER"}}
			for _, u := range users {
				t.rows = append(t.rows, []string{strconv.FormatInt(*u.UserID, 10), *u.Username})
			}
		}
		return s.out.print(details, t)
	})
}

func newGroupRenameCommand(env *environment) *cobra.Command {
	return onGroup(env, &cobra.Command{
		Use: "rename GROUP NAME", Short: "Rename a group", Long: "Rename a group. What a user source calls it stays.",
		Example: "  sealock group rename release-team releasers",
	}, 2, func(ctx context.Context, s *session, g client.UserGroup, args []string) error {
		if err := done(s.api.UpdateUserGroupWithResponse(ctx, *g.ID, client.UserGroup{GroupName: &args[1]})); err != nil {
			return err
		}
		old := *g.GroupName
		g.GroupName = &args[1]
		return s.out.say(g, "group %s is called %s now", old, args[1])
	})
}

func newGroupDeleteCommand(env *environment) *cobra.Command {
	return onGroup(env, &cobra.Command{
		Use: "delete GROUP", Short: "Delete a group", Long: "Delete a group with its memberships in projects.",
		Example: "  sealock group delete release-team",
	}, 1, func(ctx context.Context, s *session, g client.UserGroup, _ []string) error {
		if err := done(s.api.DeleteUserGroupWithResponse(ctx, *g.ID)); err != nil {
			return err
		}
		return s.out.say(g, "deleted group %s", *g.GroupName)
	})
}

func newGroupAddUserCommand(env *environment) *cobra.Command {
	return onGroup(env, &cobra.Command{
		Use: "add-user GROUP USER", Short: "Put a user into a group", Long: "Put a user into a group that is kept here.",
		Example: "  sealock group add-user release-team alice",
	}, 2, func(ctx context.Context, s *session, g client.UserGroup, args []string) error {
		if err := done(s.api.AddUserGroupMemberWithResponse(ctx, *g.ID, client.UserEntity{Username: &args[1]})); err != nil {
			return err
		}
		return s.out.say(g, "%s is in %s now", args[1], *g.GroupName)
	})
}

func newGroupRemoveUserCommand(env *environment) *cobra.Command {
	return onGroup(env, &cobra.Command{
		Use: "remove-user GROUP USER", Short: "Take a user out of a group", Long: "Take a user out of a group that is kept here.",
		Example: "  sealock group remove-user release-team alice",
	}, 2, func(ctx context.Context, s *session, g client.UserGroup, args []string) error {
		users, err := s.groupMembers(ctx, *g.ID)
		if err != nil {
			return err
		}
		for _, u := range users {
			if strings.EqualFold(*u.Username, args[1]) {
				if err := done(s.api.RemoveUserGroupMemberWithResponse(ctx, *g.ID, *u.UserID)); err != nil {
					return err
				}
				return s.out.say(g, "%s is not in %s any more", *u.Username, *g.GroupName)
			}
		}
		return fmt.Errorf("%s is not in %s: sealock group show %s shows who is", args[1], *g.GroupName, *g.GroupName)
	})
}

// onGroup makes a command whose first of n arguments is a group: its name, name@source or number.
func onGroup(env *environment, cmd *cobra.Command, n int, fn func(ctx context.Context, s *session, g client.UserGroup, args []string) error) *cobra.Command {
	cmd.Args, cmd.ValidArgsFunction = usageArgs(cobra.ExactArgs(n)), completeArgs(env, groupNames)
	cmd.Long += "\n\nA group is given by its name, by name@source where several have the name, or by its number."
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		g, err := s.group(ctx, args[0])
		if err != nil {
			return err
		}
		return fn(ctx, s, g, args)
	})
}

func (s *session) groups(ctx context.Context, part string) ([]client.UserGroup, error) {
	return pages[client.UserGroup](func(page int64) (answer, error) {
		return s.api.ListUserGroupsWithResponse(ctx, &client.ListUserGroupsParams{GroupName: optional(part), Page: &page, PageSize: pointer(largePage)})
	})
}

func (s *session) groupMembers(ctx context.Context, id int64) ([]client.UserEntity, error) {
	return pages[client.UserEntity](func(page int64) (answer, error) {
		return s.api.ListUserGroupMembersWithResponse(ctx, id, &client.ListUserGroupMembersParams{Page: &page, PageSize: pointer(largePage)})
	})
}

// group finds the one group that is meant.
func (s *session) group(ctx context.Context, name string) (client.UserGroup, error) {
	var found []client.UserGroup
	part, source := name, ""
	if at := strings.LastIndexByte(name, '@'); at > 0 {
		part, source = name[:at], name[at+1:]
	}
	groups, err := s.groups(ctx, part)
	if err != nil {
		return client.UserGroup{}, err
	}
	for _, g := range groups {
		from := ""
		if g.Source != nil {
			from = *g.Source
		}
		if strings.EqualFold(*g.GroupName, part) && (source == "" || from == source) {
			found = append(found, g)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return client.UserGroup{}, fmt.Errorf("%d groups are called %s: write name@source, or the number that sealock group list shows", len(found), name)
	}
	if id, err := strconv.ParseInt(name, 10, 64); err == nil && id > 0 {
		return s.groupByID(ctx, id)
	}
	return client.UserGroup{}, fmt.Errorf("there is no group %s: sealock group list shows those that there are", name)
}

func (s *session) groupByID(ctx context.Context, id int64) (client.UserGroup, error) {
	resp, err := s.api.GetUserGroupWithResponse(ctx, id)
	if err := done(resp, err); err != nil {
		return client.UserGroup{}, err
	}
	return *resp.JSON200, nil
}

func groupTable(groups ...client.UserGroup) table {
	t := table{head: []string{"ID", "NAME", "SOURCE", "DN"}}
	for _, g := range groups {
		source, dn := "-", "-"
		if g.Source != nil {
			source = *g.Source
		}
		if g.LdapGroupDn != nil {
			dn = *g.LdapGroupDn
		}
		t.rows = append(t.rows, []string{strconv.FormatInt(*g.ID, 10), *g.GroupName, source, dn})
	}
	return t
}

// groupNames offers the names of groups.
func groupNames(ctx context.Context, s *session) []string {
	groups, err := s.groups(ctx, "")
	if err != nil {
		return nil
	}
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = *g.GroupName
	}
	return names
}
