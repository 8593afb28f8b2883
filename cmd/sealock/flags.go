package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/settings"
)

// settingsFlags are the flags of commands that read the settings of a server.
type settingsFlags struct{ file string }

// addSettingsFlags adds --config and one flag for each of the keys, named after the key.
func addSettingsFlags(cmd *cobra.Command, f *settingsFlags, keys ...string) {
	cmd.Flags().StringVar(&f.file, "config", "", "settings file, such as sealock.yaml (SEALOCK_CONFIG)")
	for _, s := range settings.List() {
		for _, key := range keys {
			if s.Key != key {
				continue
			}
			usage := s.Doc + " (" + s.Env() + ")"
			if _, isBool := s.Default.(bool); isBool {
				cmd.Flags().Bool(flagName(key), false, usage)
			} else {
				cmd.Flags().String(flagName(key), "", usage)
			}
		}
	}
}

// flagName turns a key into a flag: token.life is --token-life; tls.self_signed is --tls-self-signed.
func flagName(key string) string { return strings.NewReplacer(".", "-", "_", "-").Replace(key) }

// load reads the settings: file, environment, flags.
func (f *settingsFlags) load(cmd *cobra.Command, env *environment) (settings.Config, error) {
	file := f.file
	if file == "" {
		file = env.Getenv("SEALOCK_CONFIG")
	}
	given := map[string]string{}
	for _, s := range settings.List() {
		if flag := cmd.Flags().Lookup(flagName(s.Key)); flag != nil && flag.Changed {
			given[s.Key] = flag.Value.String()
		}
	}
	return settings.Load(settings.Sources{File: file, Environ: os.Environ(), Flags: given, SourceTypes: sourceTypes()})
}
