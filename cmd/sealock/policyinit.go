package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/policy"
)

func newPolicyInitCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "init DIR",
		Short: "Write the default policy to a folder",
		Long: `Writes model.conf and policy.csv, with comments that say how to edit them, to a folder. A file that is there already is
left as it is. 'sealock serve' does this by itself; point policy.dir at the folder to use another one.`,
		Example: "  sealock policy init ./policy",
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			written, err := policy.WriteDefault(args[0])
			if err != nil {
				return err
			}
			if len(written) == 0 {
				_, err = fmt.Fprintf(env.Stdout, "both files are in %s already\n", args[0])
				return err
			}
			for _, path := range written {
				if _, err := fmt.Fprintf(env.Stdout, "wrote %s\n", path); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
