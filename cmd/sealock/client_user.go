package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/api/client"
)

func newUserCommand(env *environment) *cobra.Command {
	return groupCommand("user", "Make, list and change users", `  sealock user create alice
  sealock user list`,
		newUserCreateCommand(env), newUserListCommand(env), newUserShowCommand(env), newUserDeleteCommand(env),
		newUserPasswordCommand(env), newUserSetAdminCommand(env),
		newUserSignOutCommand(env), newUserResetFactorCommand(env))
}

func newUserCreateCommand(env *environment) *cobra.Command {
	var req client.UserCreationReq
	var email, realname, comment string
	var passwordStdin bool
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a user",
		Long: `Create a user. The password is asked for on the terminal, or read from standard input.

NAME@SOURCE is a user of another source of the server's settings, who gets a record here before the first login, to
become a member or to be let in where a source lets in nobody else. There is no password: the source has it.`,
		Example: `  sealock user create alice --email alice@example.com
  sealock user create alice@sso
  sealock user create ci --password-stdin < password.txt`,
		Args: usageArgs(cobra.ExactArgs(1)), ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().StringVar(&email, "email", "", "the user's mail address")
	cmd.Flags().StringVar(&realname, "realname", "", "the user's full name")
	cmd.Flags().StringVar(&comment, "comment", "", "anything worth knowing")
	addPasswordFlag(cmd, &passwordStdin)
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		req.Username = args[0]
		if passwordStdin || !strings.Contains(args[0], "@") {
			password, err := askNewPassword(env, bufio.NewReader(env.Stdin), passwordStdin)
			if err != nil {
				return err
			}
			req.Password = &password
		}
		req.Email, req.Realname, req.Comment = optional(email), optional(realname), optional(comment)
		if err := done(s.api.CreateUserWithResponse(ctx, req)); err != nil {
			return err
		}
		u, err := s.user(ctx, args[0])
		if err != nil {
			return err
		}
		return s.out.say(u, "created user %s", u.Username)
	})
}

func addPasswordFlag(cmd *cobra.Command, v *bool) {
	cmd.Flags().BoolVar(v, "password-stdin", false, "read the password from standard input")
}

// askNewPassword asks twice on the terminal: nobody sees what is typed.
func askNewPassword(env *environment, in *bufio.Reader, fromStdin bool) (string, error) {
	first, err := askPassword(env, in, "New password: ", fromStdin)
	if err != nil || fromStdin {
		return first, err
	}
	second, err := askPassword(env, in, "The same again: ", false)
	if err != nil {
		return "", err
	}
	if first != second {
		return "", errors.New("the two passwords differ: type the same one twice")
	}
	return first, nil
}

func newUserListCommand(env *environment) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use: "list", Short: "List users", Long: "List users.", Args: usageArgs(cobra.NoArgs),
		Example: `  sealock user list
  sealock user list --name ali --output json`,
	}
	cmd.Flags().StringVar(&name, "name", "", "only users with this in their name")
	return clientCommand(env, cmd, func(ctx context.Context, s *session, _ []string) error {
		users, err := s.users(ctx, name)
		if err != nil {
			return err
		}
		return s.out.print(users, userTable(users...))
	})
}

func newUserShowCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "show [NAME]", Short: "Show a user", Long: "Show a user, or who is logged in.",
		Args: usageArgs(cobra.MaximumNArgs(1)), ValidArgsFunction: completeArgs(env, userNames),
		Example: `  sealock user show
  sealock user show alice --output json`,
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		name := "" // oneself, who need not be called here as at the login: bob is bob@corp
		if len(args) > 0 {
			name = args[0]
		}
		u, err := s.user(ctx, name)
		if err != nil {
			return err
		}
		return s.out.print(u, userTable(u))
	})
}

func newUserDeleteCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Delete a user",
		Long:    "Delete a user with its memberships and refresh tokens. Its projects stay.",
		Example: "  sealock user delete alice",
		Args:    usageArgs(cobra.ExactArgs(1)), ValidArgsFunction: completeArgs(env, userNames),
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		u, err := s.user(ctx, args[0])
		if err != nil {
			return err
		}
		if err := done(s.api.DeleteUserWithResponse(ctx, u.UserID)); err != nil {
			return err
		}
		return s.out.say(u, "deleted user %s", u.Username)
	})
}

func newUserPasswordCommand(env *environment) *cobra.Command {
	var passwordStdin bool
	cmd := &cobra.Command{
		Use:   "password [NAME]",
		Short: "Change a password",
		Long: `Change your own password, or as an administrator another user's.

For your own the old password is needed too: it is asked for first, and is the first line of standard input.
All refresh tokens of the user end, so that you log in again afterwards.`,
		Example: `  sealock user password
  sealock user password alice
  printf '%s\n' "$OLD" "$NEW" | sealock user password --password-stdin`,
		Args: usageArgs(cobra.MaximumNArgs(1)), ValidArgsFunction: completeArgs(env, userNames),
	}
	addPasswordFlag(cmd, &passwordStdin)
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		me, err := decode[client.UserResp](s.api.GetCurrentUserWithResponse(ctx))
		if err != nil {
			return err
		}
		u := me
		if len(args) > 0 {
			if u, err = s.user(ctx, args[0]); err != nil {
				return err
			}
		}
		return s.changePassword(ctx, u, u.UserID == me.UserID, passwordStdin)
	})
}

func (s *session) changePassword(ctx context.Context, u client.UserResp, own, fromStdin bool) error {
	var req client.PasswordReq
	in := bufio.NewReader(s.env.Stdin)
	if own {
		old, err := askPassword(s.env, in, "Old password: ", fromStdin)
		if err != nil {
			return err
		}
		req.OldPassword = &old
	}
	var err error
	if req.NewPassword, err = askNewPassword(s.env, in, fromStdin); err != nil {
		return err
	}
	if err := done(s.api.SetPasswordWithResponse(ctx, u.UserID, req)); err != nil {
		return err
	}
	if own {
		return s.out.say(u, "changed your password: run sealock login again")
	}
	return s.out.say(u, "changed the password of %s", u.Username)
}

func newUserSetAdminCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "set-admin NAME [true|false]", Short: "Make a user an administrator, or an ordinary user again",
		Long: "Make a user an administrator, who may do everything, or an ordinary user again.",
		Args: usageArgs(cobra.RangeArgs(1, 2)), ValidArgsFunction: completeArgs(env, userNames, trueFalse),
		Example: `  sealock user set-admin alice
  sealock user set-admin alice false`,
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		admin, err := flagArg(args, 1)
		if err != nil {
			return err
		}
		u, err := s.user(ctx, args[0])
		if err != nil {
			return err
		}
		if err := done(s.api.SetSysAdminWithResponse(ctx, u.UserID, client.UserSysAdminFlag{SysadminFlag: admin})); err != nil {
			return err
		}
		if u.SysadminFlag = admin; admin {
			return s.out.say(u, "%s is an administrator now", u.Username)
		}
		return s.out.say(u, "%s is no administrator now", u.Username)
	})
}

func newUserSignOutCommand(env *environment) *cobra.Command {
	var refreshTokens bool
	cmd := &cobra.Command{
		Use: "sign-out NAME", Short: "End a user's sessions at the portal",
		Long: `End all sessions of a user at the portal, yours or as an administrator another's. The user can sign in again: the
password and personal access tokens stay as they are.`,
		Example: `  sealock user sign-out alice
  sealock user sign-out alice --refresh-tokens`,
		Args: usageArgs(cobra.ExactArgs(1)), ValidArgsFunction: completeArgs(env, userNames),
	}
	cmd.Flags().BoolVar(&refreshTokens, "refresh-tokens", false, "end what clients hold after docker login and sealock login, too")
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		u, err := s.user(ctx, args[0])
		if err != nil {
			return err
		}
		if err := done(s.api.SignOutUserWithResponse(ctx, u.UserID, &client.SignOutUserParams{RefreshTokens: &refreshTokens})); err != nil {
			return err
		}
		return s.out.say(u, "signed out %s", u.Username)
	})
}

func newUserResetFactorCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "reset-second-factor NAME", Short: "Take away a user's second factor",
		Long: `Take away the second factor of a user who lost the phone and the recovery codes: the app, the passkeys and the
codes. The password alone is enough again, and what the user is logged in with ends.`,
		Example: "  sealock user reset-second-factor alice",
		Args:    usageArgs(cobra.ExactArgs(1)), ValidArgsFunction: completeArgs(env, userNames),
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		u, err := s.user(ctx, args[0])
		if err != nil {
			return err
		}
		if err := done(s.api.ResetSecondFactorWithResponse(ctx, u.UserID)); err != nil {
			return err
		}
		return s.out.say(u, "%s has no second factor now", u.Username)
	})
}

// flagArg reads an argument that says true or false; true when it is not given.
func flagArg(args []string, i int) (bool, error) {
	if len(args) <= i {
		return true, nil
	}
	v, err := strconv.ParseBool(args[i])
	if err != nil {
		return false, usagef("%q is neither true nor false", args[i])
	}
	return v, nil
}

// user finds a user by name. Everybody may look at oneself; administrators at all.
func (s *session) user(ctx context.Context, name string) (client.UserResp, error) {
	me, err := decode[client.UserResp](s.api.GetCurrentUserWithResponse(ctx))
	if err != nil || name == "" || me.Username == name {
		return me, err
	}
	q := "username=" + inQuery(name)
	found, err := decode[[]client.UserResp](s.api.ListUsersWithResponse(ctx, &client.ListUsersParams{Q: &q}))
	if err != nil {
		return client.UserResp{}, err
	}
	if len(found) != 1 {
		return client.UserResp{}, fmt.Errorf("there is no user %q: sealock user list shows those that there are", name)
	}
	return found[0], nil
}

// users lists users with part in their name.
func (s *session) users(ctx context.Context, part string) ([]client.UserResp, error) {
	var q *string
	if part != "" {
		q = pointer("username=~" + inQuery(part))
	}
	return pages[client.UserResp](func(page int64) (answer, error) {
		return s.api.ListUsersWithResponse(ctx, &client.ListUsersParams{Q: q, Sort: pointer("username"), Page: &page, PageSize: pointer(largePage)})
	})
}

func userTable(users ...client.UserResp) table {
	t := table{head: []string{"ID", "NAME", "EMAIL", "FULL NAME", "ADMIN", "CREATED"}}
	for _, u := range users {
		t.rows = append(t.rows, []string{
			strconv.FormatInt(u.UserID, 10), u.Username, u.Email, u.Realname, yesNo(u.SysadminFlag), day(u.CreationTime),
		})
	}
	return t
}

// userNames offers the names of all users, to those who may list them.
func userNames(ctx context.Context, s *session) []string {
	users, err := s.users(ctx, "")
	if err != nil {
		return nil
	}
	names := make([]string, len(users))
	for i, u := range users {
		names[i] = u.Username
	}
	return names
}

func trueFalse(context.Context, *session) []string { return []string{"true", "false"} }
