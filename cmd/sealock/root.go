package main

import (
	"github.com/spf13/cobra"
)

// newRootCommand builds the whole command tree.
func newRootCommand(env *environment) *cobra.Command {
	root := &cobra.Command{
		Use:   "sealock",
		Short: "Token server, front door and projects for Docker/OCI registries",
		Long: `sealock stands between clients and a Docker/OCI registry: it says who is asking, what they may do and why.
Started without any settings it is a complete registry on one machine.`,
		Example: `  sealock serve                      # everything, at http://localhost:8080
  sealock registry-config            # use it as the token server of a registry you have
  sealock login http://localhost:8080 && sealock project create team`,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Args:          usageArgs(cobra.NoArgs),
	}
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w: see %s --help", err, cmd.CommandPath())
	})
	root.AddCommand(
		newServeCommand(env),
		newCheckCommand(env),
		newRegistryConfigCommand(env),
		newCACommand(env),
		newDBCommand(env),
		newHealthCommand(env),
		newVersionCommand(env),
	)
	addClientCommands(root, env)
	return root
}
