package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/settings"
)

func newCheckCommand(env *environment) *cobra.Command {
	var flags settingsFlags
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the settings and the policy without starting anything",
		Long: `Reads sealock.yaml, the environment and the policy folder as 'sealock serve' would, and prints every fault at once:
what is wrong, where, and what to do. The exit code is 1 when there is one.`,
		Example: `  sealock check --config sealock.yaml
  SEALOCK_TOKEN_LIFE=30s sealock check`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := flags.load(cmd, env)
			if err != nil {
				return err
			}
			return check(cmd, env, cfg)
		},
	}
	addSettingsFlags(cmd, &flags, "data_dir", "listen", "policy.dir")
	return cmd
}

func check(cmd *cobra.Command, env *environment, cfg settings.Config) error {
	if _, err := acmeConfig(cfg); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(env.Stdout, "settings: good (listen %s, data in %s)\n", cfg.Listen, cfg.DataDir)
	policyText, err := os.ReadFile(filepath.Join(cfg.Policy.Dir, "policy.csv"))
	if os.IsNotExist(err) {
		_, _ = fmt.Fprintf(env.Stdout, "policy: none in %s yet, the first start writes the default one\n", cfg.Policy.Dir)
		return nil
	}
	if err != nil {
		return errs.New(errs.Invalid, "the policy can't be read").WithHint("check the permissions of %s", cfg.Policy.Dir).Because(err)
	}
	modelText, err := os.ReadFile(filepath.Join(cfg.Policy.Dir, "model.conf"))
	if err != nil {
		return errs.New(errs.Invalid, "the policy's model.conf can't be read").WithHint("restore it in %s", cfg.Policy.Dir).Because(err)
	}
	findings, err := env.CheckPolicy(cmd.Context(), string(modelText), string(policyText))
	if err != nil {
		return err
	}
	faulty := false
	for _, f := range findings {
		_, _ = fmt.Fprintf(env.Stdout, "policy: %s: %s line %d: %s: %s\n", f.Severity, f.File, f.Line, f.Message, f.Hint)
		if f.Severity == "error" {
			faulty = true
		}
	}
	if faulty {
		return errs.New(errs.Invalid, "the policy has faults").WithHint("mend the lines above")
	}
	_, _ = fmt.Fprintf(env.Stdout, "policy: good (%s)\n", cfg.Policy.Dir)
	return nil
}
