package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/api/client"
)

func newKeysCommand(env *environment) *cobra.Command {
	return groupCommand("keys", "List and rotate the keys that sign access tokens", `  sealock keys list
  sealock keys rotate`,
		newKeysListCommand(env), newKeysRotateCommand(env))
}

func newKeysListCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List the signing keys", Long: "List the keys whose access tokens may be in use now or next, the newest first.",
		Example: "  sealock keys list", Args: usageArgs(cobra.NoArgs),
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, _ []string) error {
		keys, err := decode[[]client.SigningKey](s.api.ListKeysWithResponse(ctx))
		if err != nil {
			return err
		}
		return s.out.print(keys, keyTable(keys))
	})
}

func newKeysRotateCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "rotate", Short: "Sign with a new key from now on",
		Long:    "Sign with a new key from now on. Registries need no change and no restart: they trust the CA. Tokens of the old key stay valid until they end.",
		Example: "  sealock keys rotate", Args: usageArgs(cobra.NoArgs),
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, _ []string) error {
		keys, err := decode[[]client.SigningKey](s.api.RotateKeysWithResponse(ctx))
		if err != nil {
			return err
		}
		return s.out.print(keys, keyTable(keys))
	})
}

func keyTable(keys []client.SigningKey) table {
	t := table{head: []string{"ID", "ALGORITHM", "STATE", "CREATED", "CERTIFICATE ENDS"}}
	for _, k := range keys {
		t.rows = append(t.rows, []string{k.ID, k.Algorithm, k.State, day(k.CreationTime), day(k.CertificateEnds)})
	}
	return t
}
