package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/api/client"
)

func newSearchCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "search PART", Short: "Find projects and repositories by a part of their name",
		Long:    "Find the projects and repositories that you may see by a part of their name.",
		Example: "  sealock search app",
		Args:    usageArgs(cobra.ExactArgs(1)), ValidArgsFunction: cobra.NoFileCompletions,
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		found, err := decode[client.Search](s.api.SearchWithResponse(ctx, &client.SearchParams{Q: &args[0]}))
		if err != nil {
			return err
		}
		t := table{head: []string{"KIND", "NAME"}}
		for _, p := range found.Project {
			t.rows = append(t.rows, []string{"project", p.Name})
		}
		for _, r := range found.Repository {
			t.rows = append(t.rows, []string{"repository", r.RepositoryName})
		}
		return s.out.print(found, t)
	})
}
