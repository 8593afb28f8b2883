package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/api/client"
)

// addClientCommands adds the commands that speak to a running server over its REST API.
func addClientCommands(root *cobra.Command, env *environment) {
	root.AddCommand(
		newLoginCommand(env),
		newLogoutCommand(env),
		newUserCommand(env),
		newProjectCommand(env),
		newMemberCommand(env),
		newRepositoryCommand(env),
		newArtifactCommand(env),
		newTagCommand(env),
		newLabelCommand(env),
		newQuotaCommand(env),
		newRobotCommand(env),
		newPATCommand(env),
		newGroupCommand(env),
		newTokenCommand(env),
		newLockoutCommand(env),
		newReindexCommand(env),
		newPolicyCommand(env),
		newAuditCommand(env),
		newConfigurationCommand(env),
		newKeysCommand(env),
		newSearchCommand(env),
	)
}

// session is a signed-in client and the place where its answers go.
type session struct {
	env    *environment
	api    *client.ClientWithResponses
	stream *client.Client // for answers that are read while they come
	login  login
	out    printer
}

// clientFunc is what a command does once it is signed in.
type clientFunc func(ctx context.Context, s *session, args []string) error

// clientCommand turns a half-made command into one that signs in and runs fn.
func clientCommand(env *environment, cmd *cobra.Command, fn clientFunc) *cobra.Command {
	var server, output string
	addServerFlag(cmd, &server)
	addOutputFlag(cmd, &output)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		out, err := newPrinter(env.Stdout, output)
		if err != nil {
			return err
		}
		s, err := signIn(cmd.Context(), env, server)
		if err != nil {
			return err
		}
		s.out = out
		return fn(cmd.Context(), s, args)
	}
	return cmd
}

func addServerFlag(cmd *cobra.Command, server *string) {
	cmd.Flags().StringVar(server, "server", "", "the server's URL (default $SEALOCK_SERVER, else where you are logged in)")
}

func addOutputFlag(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", outputTable, "how to print: table or json")
	// It can fail only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{outputTable, outputJSON}, cobra.ShellCompDirectiveNoFileComp))
}

// completion offers words for the argument number len(args).
type completion func(ctx context.Context, s *session) []string

// completeArgs offers one kind of words for each argument in turn. Without a login there is nothing to offer, and a
// shell that waits for its completion is no place to say so.
func completeArgs(env *environment, kinds ...completion) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= len(kinds) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		server, _ := cmd.Flags().GetString("server")
		s, err := signIn(cmd.Context(), env, server)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return kinds[len(args)](cmd.Context(), s), cobra.ShellCompDirectiveNoFileComp
	}
}

// pointer returns a pointer to v: optional fields of the API are pointers.
func pointer[T any](v T) *T { return &v }

// inQuery writes a value as the q of a list reads it: in quotes where a character would mean something else. Servers of
// before know no quotes, and need none for the rest.
func inQuery(value string) string {
	if !strings.ContainsAny(value, ",") && !strings.HasPrefix(value, "\"") && strings.IndexAny(value, "[{(~") != 0 {
		return value
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
}

// optional returns a pointer to v, or nil for the zero value: what was not said is not sent.
func optional[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
