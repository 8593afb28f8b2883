package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/api/client"
)

func newTokenCommand(env *environment) *cobra.Command {
	return groupCommand("token", "List and revoke refresh tokens", `  sealock token list
  sealock token revoke k7x2mq`,
		newTokenListCommand(env), newTokenRevokeCommand(env))
}

func newTokenListCommand(env *environment) *cobra.Command {
	var user string
	var all bool
	cmd := &cobra.Command{
		Use: "list", Short: "List refresh tokens",
		Long: "List refresh tokens: your own, or as an administrator another user's or everybody's. docker login makes one on each machine.",
		Args: usageArgs(cobra.NoArgs),
		Example: `  sealock token list
  sealock token list --user alice
  sealock token list --all --output json`,
	}
	cmd.Flags().StringVar(&user, "user", "", "those of this user")
	cmd.Flags().BoolVar(&all, "all", false, "those of everybody")
	return clientCommand(env, cmd, func(ctx context.Context, s *session, _ []string) error {
		tokens, err := s.refreshTokens(ctx, user, all)
		if err != nil {
			return err
		}
		return s.out.print(tokens, tokenTable(tokens))
	})
}

func newTokenRevokeCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "revoke ID...", Short: "Revoke refresh tokens",
		Long:    "Revoke refresh tokens by the ids that sealock token list shows. Access tokens that were got with them end within minutes.",
		Example: "  sealock token revoke k7x2mq",
		Args:    usageArgs(cobra.MinimumNArgs(1)), ValidArgsFunction: completeArgs(env, tokenIDs),
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		for _, id := range args {
			if err := done(s.api.RevokeRefreshTokenWithResponse(ctx, id)); err != nil {
				return err
			}
			if err := s.out.say(struct {
				ID string `json:"id"`
			}{id}, "revoked %s", id); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *session) refreshTokens(ctx context.Context, user string, all bool) ([]client.RefreshToken, error) {
	return pages[client.RefreshToken](func(page int64) (answer, error) {
		return s.api.ListRefreshTokensWithResponse(ctx, &client.ListRefreshTokensParams{
			Username: optional(user), All: optional(all), Page: &page, PageSize: pointer(largePage),
		})
	})
}

func tokenTable(tokens []client.RefreshToken) table {
	t := table{head: []string{"ID", "USER", "SERVICE", "CLIENT", "FROM", "CREATED", "LAST USED", "ENDS"}}
	for _, k := range tokens {
		t.rows = append(t.rows, []string{
			k.ID, k.Username, k.Service, k.ClientID, k.Remote, day(k.CreationTime), day(k.LastUsedTime), day(k.ExpiresAt),
		})
	}
	return t
}

func tokenIDs(ctx context.Context, s *session) []string {
	tokens, err := s.refreshTokens(ctx, "", false)
	if err != nil {
		return nil
	}
	ids := make([]string, len(tokens))
	for i, t := range tokens {
		ids[i] = t.ID
	}
	return ids
}
