package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/api/client"
)

func newProjectCommand(env *environment) *cobra.Command {
	return groupCommand("project", "Make, list and change projects", `  sealock project create team
  sealock project list`,
		newProjectCreateCommand(env), newProjectListCommand(env), newProjectShowCommand(env),
		newProjectDeleteCommand(env), newProjectSetPublicCommand(env), newProjectRenameCommand(env), newProjectForgetNameCommand(env))
}

func newProjectCreateCommand(env *environment) *cobra.Command {
	var public bool
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create a project",
		Long: "Create a project: the first part of the name of the repositories that belong to it. You become its first administrator.",
		Args: usageArgs(cobra.ExactArgs(1)), ValidArgsFunction: cobra.NoFileCompletions,
		Example: `  sealock project create team
  sealock project create mirror --public`,
	}
	cmd.Flags().BoolVar(&public, "public", false, "let everybody pull from it")
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		req := client.ProjectReq{ProjectName: &args[0], Metadata: publicMetadata(public)}
		if err := done(s.api.CreateProjectWithResponse(ctx, nil, req)); err != nil {
			return err
		}
		p, err := s.project(ctx, args[0])
		if err != nil {
			return err
		}
		return s.out.say(p, "created project %s", p.Name)
	})
}

func publicMetadata(public bool) *client.ProjectMetadata {
	return &client.ProjectMetadata{Public: pointer(strconv.FormatBool(public))}
}

func newProjectListCommand(env *environment) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use: "list", Short: "List projects", Long: "List the projects that you may see.", Args: usageArgs(cobra.NoArgs),
		Example: `  sealock project list
  sealock project list --name te --output json`,
	}
	cmd.Flags().StringVar(&name, "name", "", "only projects with this in their name")
	return clientCommand(env, cmd, func(ctx context.Context, s *session, _ []string) error {
		projects, err := s.projects(ctx, name)
		if err != nil {
			return err
		}
		return s.out.print(projects, projectTable(projects...))
	})
}

func newProjectShowCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "show NAME", Short: "Show a project", Long: "Show a project.", Example: "  sealock project show team",
		Args: usageArgs(cobra.ExactArgs(1)), ValidArgsFunction: completeArgs(env, projectNames),
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		p, err := s.project(ctx, args[0])
		if err != nil {
			return err
		}
		return s.out.print(p, projectTable(p))
	})
}

func newProjectDeleteCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Delete a project", Long: "Delete a project that has no repositories, with its memberships.",
		Example: "  sealock project delete team",
		Args:    usageArgs(cobra.ExactArgs(1)), ValidArgsFunction: completeArgs(env, projectNames),
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		p, err := s.project(ctx, args[0])
		if err != nil {
			return err
		}
		if err := done(s.api.DeleteProjectWithResponse(ctx, p.Name, &client.DeleteProjectParams{XIsResourceName: pointer(true)})); err != nil {
			return err
		}
		return s.out.say(p, "deleted project %s", p.Name)
	})
}

func newProjectRenameCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "rename NAME NEW", Short: "Give a project another name",
		Long: `Give a project another name, and its repositories with it. Whoever pulls under the old name goes on to, and nobody else can
take it; pushes need the new one.`,
		Example: "  sealock project rename team crew",
		Args:    usageArgs(cobra.ExactArgs(2)), ValidArgsFunction: completeArgs(env, projectNames),
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		params := &client.RenameProjectParams{XIsResourceName: pointer(true)}
		if err := done(s.api.RenameProjectWithResponse(ctx, args[0], params, client.ProjectName{Name: args[1]})); err != nil {
			return err
		}
		p, err := s.project(ctx, args[1])
		if err != nil {
			return err
		}
		return s.out.say(p, "%s is called %s now; pulls under the old name go on", args[0], p.Name)
	})
}

func newProjectForgetNameCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "forget-name NAME OLD", Short: "Let go of what a project was called",
		Long:    "Let go of what a project was called: pulls under the old name end, and others can take it.",
		Example: "  sealock project forget-name crew team",
		Args:    usageArgs(cobra.ExactArgs(2)), ValidArgsFunction: completeArgs(env, projectNames),
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		params := &client.ForgetFormerNameParams{XIsResourceName: pointer(true)}
		if err := done(s.api.ForgetFormerNameWithResponse(ctx, args[0], args[1], params)); err != nil {
			return err
		}
		return s.out.say(client.ProjectName{Name: args[1]}, "%s is free now", args[1])
	})
}

func newProjectSetPublicCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "set-public NAME [true|false]", Short: "Let everybody pull from a project, or its members only",
		Long: "Let everybody pull from a project, or its members only.",
		Args: usageArgs(cobra.RangeArgs(1, 2)), ValidArgsFunction: completeArgs(env, projectNames, trueFalse),
		Example: `  sealock project set-public team
  sealock project set-public team false`,
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		public, err := flagArg(args, 1)
		if err != nil {
			return err
		}
		params := &client.UpdateProjectParams{XIsResourceName: pointer(true)}
		if err := done(s.api.UpdateProjectWithResponse(ctx, args[0], params, client.ProjectReq{Metadata: publicMetadata(public)})); err != nil {
			return err
		}
		p, err := s.project(ctx, args[0])
		if err != nil {
			return err
		}
		if public {
			return s.out.say(p, "everybody may pull from %s now", p.Name)
		}
		return s.out.say(p, "only its members may pull from %s now", p.Name)
	})
}

func (s *session) project(ctx context.Context, name string) (client.Project, error) {
	return decode[client.Project](s.api.GetProjectWithResponse(ctx, name, &client.GetProjectParams{XIsResourceName: pointer(true)}))
}

// projects lists projects with part in their name.
func (s *session) projects(ctx context.Context, part string) ([]client.Project, error) {
	return pages[client.Project](func(page int64) (answer, error) {
		return s.api.ListProjectsWithResponse(ctx, &client.ListProjectsParams{
			Name: optional(part), Sort: pointer("name"), Page: &page, PageSize: pointer(largePage),
		})
	})
}

func projectTable(projects ...client.Project) table {
	t := table{head: []string{"ID", "NAME", "PUBLIC", "OWNER", "YOUR ROLE", "CREATED"}}
	for _, p := range projects {
		public := p.Metadata.Public != nil && *p.Metadata.Public == "true"
		t.rows = append(t.rows, []string{
			strconv.FormatInt(p.ProjectID, 10), p.Name, yesNo(public), p.OwnerName, ownRole(p), day(p.CreationTime),
		})
	}
	return t
}

// ownRole names the strongest role that the user has in a project; "-" is none.
func ownRole(p client.Project) string {
	if p.CurrentUserRoleNames == nil || len(*p.CurrentUserRoleNames) == 0 {
		return "-"
	}
	return (*p.CurrentUserRoleNames)[0]
}

// projectNames offers the names of the projects that the user may see.
func projectNames(ctx context.Context, s *session) []string {
	projects, err := s.projects(ctx, "")
	if err != nil {
		return nil
	}
	names := make([]string, len(projects))
	for i, p := range projects {
		names[i] = p.Name
	}
	return names
}
