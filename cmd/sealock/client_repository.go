package main

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/api/client"
)

func newRepositoryCommand(env *environment) *cobra.Command {
	return groupCommand("repository", "List, describe and delete repositories", `  sealock repository list team
  sealock repository delete team/app`,
		newRepositoryListCommand(env), newRepositoryShowCommand(env), newRepositorySetCommand(env), newRepositoryDeleteCommand(env))
}

func newRepositoryListCommand(env *environment) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use: "list [PROJECT]", Short: "List repositories", Long: "List the repositories of a project, or all that you may see.",
		Example: `  sealock repository list team
  sealock repository list --name app --output json`,
		Args: usageArgs(cobra.MaximumNArgs(1)), ValidArgsFunction: completeArgs(env, projectNames),
	}
	cmd.Flags().StringVar(&name, "name", "", "only repositories with this in their name")
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		found, err := s.repositories(ctx, strings.Join(args, ""), name)
		if err != nil {
			return err
		}
		t := table{head: []string{"NAME", "ARTIFACTS", "PULLS", "CREATED", "CHANGED"}}
		for _, r := range found {
			t.rows = append(t.rows, []string{
				r.Name, strconv.FormatInt(r.ArtifactCount, 10), strconv.FormatInt(r.PullCount, 10), day(r.CreationTime), day(r.UpdateTime),
			})
		}
		return s.out.print(found, t)
	})
}

func newRepositoryShowCommand(env *environment) *cobra.Command {
	return onRepository(env, &cobra.Command{
		Use: "show REPOSITORY", Short: "Show a repository", Long: "Show a repository and its description.",
		Example: "  sealock repository show team/app",
	}, func(ctx context.Context, s *session, ref imageRef) error {
		r, err := s.repository(ctx, ref)
		if err != nil {
			return err
		}
		t := table{head: []string{"NAME", r.Name}, rows: [][]string{
			{"ARTIFACTS", strconv.FormatInt(r.ArtifactCount, 10)},
			{"PULLS", strconv.FormatInt(r.PullCount, 10)},
			{"CREATED", day(r.CreationTime)},
			{"CHANGED", day(r.UpdateTime)},
		}}
		t.add("DESCRIPTION", strings.Split(strings.TrimSpace(r.Description), "\n")...)
		return s.out.print(r, t)
	})
}

func newRepositorySetCommand(env *environment) *cobra.Command {
	var description string
	cmd := &cobra.Command{
		Use: "set REPOSITORY --description TEXT", Short: "Describe a repository",
		Long: "Say what a repository is for. The text is Markdown; an empty one takes the description away.",
		Example: `  sealock repository set team/app --description 'What the *team* ships.'
  sealock repository set team/app --description "$(cat README.md)"`,
	}
	cmd.Flags().StringVar(&description, "description", "", "what it is for")
	return onRepository(env, cmd, func(ctx context.Context, s *session, ref imageRef) error {
		if !cmd.Flags().Changed("description") {
			return usagef("there is nothing to set: give --description")
		}
		if err := done(s.api.UpdateRepositoryWithResponse(ctx, ref.project, ref.path(), client.RepositoryUpdate{Description: &description})); err != nil {
			return err
		}
		r, err := s.repository(ctx, ref)
		if err != nil {
			return err
		}
		return s.out.say(r, "changed the description of %s", r.Name)
	})
}

func newRepositoryDeleteCommand(env *environment) *cobra.Command {
	return onRepository(env, &cobra.Command{
		Use: "delete REPOSITORY", Short: "Delete a repository with its images",
		Long:    "Delete a repository with all artifacts and tags in it. A tag that a rule of the project makes immutable keeps it from that.",
		Example: "  sealock repository delete team/app",
	}, func(ctx context.Context, s *session, ref imageRef) error {
		r, err := s.repository(ctx, ref)
		if err != nil {
			return err
		}
		if err := done(s.api.DeleteRepositoryWithResponse(ctx, ref.project, ref.path())); err != nil {
			return err
		}
		return s.out.say(r, "deleted repository %s with what was in it: %s", r.Name, counted(r.ArtifactCount, "artifact"))
	})
}

// onRepository makes a command whose one argument is a repository.
func onRepository(env *environment, cmd *cobra.Command, fn func(ctx context.Context, s *session, ref imageRef) error) *cobra.Command {
	cmd.Args, cmd.ValidArgsFunction = usageArgs(cobra.ExactArgs(1)), completeRepository(env, 1)
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		ref, err := parseRepository(args[0])
		if err != nil {
			return err
		}
		return fn(ctx, s, ref)
	})
}

func (s *session) repository(ctx context.Context, ref imageRef) (client.Repository, error) {
	return decode[client.Repository](s.api.GetRepositoryWithResponse(ctx, ref.project, ref.path()))
}

// repositories lists the repositories of a project, or all, with part in their name.
func (s *session) repositories(ctx context.Context, project, part string) ([]client.Repository, error) {
	q := ""
	if part != "" {
		q = "name=~" + inQuery(part)
	}
	return linkedPages[client.Repository](func(at position) (answer, http.Header, error) {
		if project == "" {
			resp, err := s.api.ListAllRepositoriesWithResponse(ctx, &client.ListAllRepositoriesParams{
				Q: optional(q), Sort: pointer("name"), Page: &at.page, PageSize: pointer(largePage), After: at.after,
			})
			if err != nil {
				return nil, nil, err
			}
			return resp, resp.HTTPResponse.Header, nil
		}
		resp, err := s.api.ListRepositoriesWithResponse(ctx, project, &client.ListRepositoriesParams{
			Q: optional(q), Sort: pointer("name"), Page: &at.page, PageSize: pointer(largePage), After: at.after,
		})
		if err != nil {
			return nil, nil, err
		}
		return resp, resp.HTTPResponse.Header, nil
	})
}

// counted writes a number of things.
func counted(n int64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return strconv.FormatInt(n, 10) + " " + thing
}
