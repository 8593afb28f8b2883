package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/api/client"
)

func newConfigurationCommand(env *environment) *cobra.Command {
	return groupCommand("configuration", "See and change the settings that count while the server runs", `  sealock configuration list
  sealock configuration set read_only=true`,
		newConfigurationListCommand(env), newConfigurationSetCommand(env))
}

func newConfigurationListCommand(env *environment) *cobra.Command {
	var changeable bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the settings that a running server tells of",
		Long: `List the settings of a running server, by the names that Harbor has for them. Those that can't be changed here are decided by
its settings file or environment, or are of something that it does not have; an attempt to change one says which.`,
		Example: `  sealock configuration list --changeable
  sealock configuration list --output json`,
		Args: usageArgs(cobra.NoArgs),
	}
	cmd.Flags().BoolVar(&changeable, "changeable", false, "only those that sealock configuration set can change")
	return clientCommand(env, cmd, func(ctx context.Context, s *session, _ []string) error {
		items, err := s.configuration(ctx)
		if err != nil {
			return err
		}
		if changeable {
			maps.DeleteFunc(items, func(_ string, item client.ConfigItem) bool { return !item.Editable })
		}
		return s.out.print(items, configurationTable(items))
	})
}

func newConfigurationSetCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "set NAME=VALUE...", Short: "Change settings of a running server",
		Long: `Change settings of a running server: all that are named, or none of them. A change counts at once, and on every other replica
within seconds. storage_per_project takes sizes such as 10GiB, too.`,
		Example: `  sealock configuration set read_only=true banner_message='Back at three.'
  sealock configuration set storage_per_project=10GiB`,
		Args: usageArgs(cobra.MinimumNArgs(1)), ValidArgsFunction: completeConfiguration(env),
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		change, err := assignments(args)
		if err != nil {
			return err
		}
		if err := done(s.api.UpdateConfigurationsWithResponse(ctx, change)); err != nil {
			return err
		}
		items, err := s.configuration(ctx)
		if err != nil {
			return err
		}
		maps.DeleteFunc(items, func(name string, _ client.ConfigItem) bool { _, named := change[name]; return !named })
		return s.out.print(items, configurationTable(items))
	})
}

// assignments reads NAME=VALUE. The API takes numbers and truth values as text.
func assignments(args []string) (client.Configurations, error) {
	change := client.Configurations{}
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return nil, usagef("%q is not like NAME=VALUE: sealock configuration list shows the names", arg)
		}
		if _, twice := change[name]; twice {
			return nil, usagef("%s is named twice: give it one value", name)
		}
		change[name] = value
		if name == "storage_per_project" {
			bytes, err := parseSize(value)
			if err != nil {
				return nil, err
			}
			change[name] = bytes
		}
	}
	return change, nil
}

func (s *session) configuration(ctx context.Context) (client.ConfigurationsResponse, error) {
	return decode[client.ConfigurationsResponse](s.api.GetConfigurationsWithResponse(ctx))
}

func configurationTable(items client.ConfigurationsResponse) table {
	t := table{head: []string{"NAME", "VALUE", "CHANGEABLE"}}
	for _, name := range slices.Sorted(maps.Keys(items)) {
		t.rows = append(t.rows, []string{name, valueText(items[name].Value), yesNo(items[name].Editable)})
	}
	return t
}

// valueText writes a setting's value for people.
func valueText(v any) string {
	if s, isText := v.(string); isText {
		return dashed(s)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// completeConfiguration offers the settings that can be changed.
func completeConfiguration(env *environment) cobra.CompletionFunc {
	names := completeArgs(env, func(ctx context.Context, s *session) (names []string) {
		items, err := s.configuration(ctx)
		if err != nil {
			return nil
		}
		for name, item := range items {
			if item.Editable {
				names = append(names, name+"=")
			}
		}
		return names
	})
	return func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		found, directive := names(cmd, nil, typed)
		return found, directive | cobra.ShellCompDirectiveNoSpace
	}
}
