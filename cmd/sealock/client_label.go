package main

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/api/client"
)

func newLabelCommand(env *environment) *cobra.Command {
	return groupCommand("label", "Make labels and put them on images", `  sealock label create stable --project team --color '#00AA00'
  sealock label add team/app:v1 stable
  sealock artifact list team/app --label stable`,
		newLabelListCommand(env), newLabelCreateCommand(env), newLabelDeleteCommand(env), newLabelAddCommand(env), newLabelRemoveCommand(env))
}

// addProjectFlag adds the flag that makes a command one about a project's labels and not the global ones.
func addProjectFlag(env *environment, cmd *cobra.Command, project *string) {
	cmd.Flags().StringVar(project, "project", "", "of this project, and not global")
	_ = cmd.RegisterFlagCompletionFunc("project", func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return completeArgs(env, projectNames)(cmd, nil, typed)
	})
}

func newLabelListCommand(env *environment) *cobra.Command {
	var project, name string
	cmd := &cobra.Command{
		Use: "list", Short: "List labels", Long: "List the global labels, which every project can use, or those of a project.",
		Example: `  sealock label list
  sealock label list --project team --output json`,
		Args: usageArgs(cobra.NoArgs),
	}
	addProjectFlag(env, cmd, &project)
	cmd.Flags().StringVar(&name, "name", "", "only labels with this in their name")
	return clientCommand(env, cmd, func(ctx context.Context, s *session, _ []string) error {
		labels, err := s.labels(ctx, project, name)
		if err != nil {
			return err
		}
		t := table{head: []string{"ID", "NAME", "COLOUR", "CREATED", "DESCRIPTION"}}
		for _, l := range labels {
			t.rows = append(t.rows, []string{
				strconv.FormatInt(*l.ID, 10), *l.Name, dashed(told(l.Color)), day(*l.CreationTime), dashed(told(l.Description)),
			})
		}
		return s.out.print(labels, t)
	})
}

func newLabelCreateCommand(env *environment) *cobra.Command {
	var project, color, description string
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create a label",
		Long: "Create a label of a project, or as a system administrator a global one, which every project can use.",
		Example: `  sealock label create stable --project team --color '#00AA00' --description 'has run for a week'
  sealock label create approved`,
		Args: usageArgs(cobra.ExactArgs(1)), ValidArgsFunction: cobra.NoFileCompletions,
	}
	addProjectFlag(env, cmd, &project)
	cmd.Flags().StringVar(&color, "color", "", "its colour in the portal, #RRGGBB")
	cmd.Flags().StringVar(&description, "description", "", "what it says")
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		scope, of, err := s.labelScope(ctx, project)
		if err != nil {
			return err
		}
		resp, err := s.api.CreateLabelWithResponse(ctx, client.Label{Name: &args[0], Color: &color, Description: &description, Scope: &scope, ProjectID: of})
		if err := done(resp, err); err != nil {
			return err
		}
		location := resp.HTTPResponse.Header.Get("Location")
		id, err := strconv.ParseInt(path.Base(location), 10, 64)
		if err != nil {
			return fmt.Errorf("the server says that the label is at %q, which names no label", location)
		}
		l, err := decode[client.Label](s.api.GetLabelWithResponse(ctx, id))
		if err != nil {
			return err
		}
		return s.out.say(l, "created label %s", told(l.Name))
	})
}

func newLabelDeleteCommand(env *environment) *cobra.Command {
	var project string
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Delete a label", Long: "Delete a label, and take it from all artifacts that have it.",
		Example: `  sealock label delete stable --project team
  sealock label delete approved`,
		Args: usageArgs(cobra.ExactArgs(1)), ValidArgsFunction: cobra.NoFileCompletions,
	}
	addProjectFlag(env, cmd, &project)
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		labels, err := s.labels(ctx, project, args[0])
		if err != nil {
			return err
		}
		l, err := labelNamed(labels, args[0])
		if err != nil {
			return fmt.Errorf("%w: %s shows those that there are", err, labelListCommand(project))
		}
		if err := done(s.api.DeleteLabelWithResponse(ctx, *l.ID)); err != nil {
			return err
		}
		return s.out.say(l, "deleted label %s", *l.Name)
	})
}

func labelListCommand(project string) string {
	if project == "" {
		return "sealock label list"
	}
	return "sealock label list --project " + project
}

func newLabelAddCommand(env *environment) *cobra.Command {
	return onLabelled(env, &cobra.Command{
		Use: "add ARTIFACT LABEL", Short: "Put a label on an artifact",
		Long:    "Put a label on an artifact: one of its project, or a global one. Where both have the name, it is the project's.",
		Example: "  sealock label add team/app:v1 stable",
	}, "%s has the label %s now", func(ctx context.Context, s *session, ref imageRef, name string) error {
		l, err := s.labelFor(ctx, ref.project, name)
		if err != nil {
			return err
		}
		return done(s.api.AddLabelWithResponse(ctx, ref.project, ref.path(), ref.reference(), client.Label{ID: l.ID}))
	})
}

func newLabelRemoveCommand(env *environment) *cobra.Command {
	return onLabelled(env, &cobra.Command{
		Use: "remove ARTIFACT LABEL", Short: "Take a label from an artifact", Long: "Take a label from an artifact. The label stays.",
		Example: "  sealock label remove team/app:v1 stable",
	}, "%s has not got the label %s any more", func(ctx context.Context, s *session, ref imageRef, name string) error {
		a, err := s.artifact(ctx, ref)
		if err != nil {
			return err
		}
		l, err := labelNamed(a.Labels, name)
		if err != nil {
			return fmt.Errorf("%s has no label %q: those that it has are %s", ref, name, cmp.Or(strings.Join(labelNames(a.Labels), ", "), "none"))
		}
		return done(s.api.RemoveLabelWithResponse(ctx, ref.project, ref.path(), ref.reference(), *l.ID))
	})
}

// onLabelled makes a command about an artifact and a label, which says done and shows the artifact.
func onLabelled(env *environment, cmd *cobra.Command, said string, fn func(ctx context.Context, s *session, ref imageRef, label string) error) *cobra.Command {
	cmd.Args, cmd.ValidArgsFunction = usageArgs(cobra.ExactArgs(2)), completeRepository(env, 1)
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		ref, err := parseArtifact(args[0])
		if err != nil {
			return err
		}
		if err := fn(ctx, s, ref, args[1]); err != nil {
			return err
		}
		a, err := s.artifact(ctx, ref)
		if err != nil {
			return err
		}
		return s.out.say(a, said, ref, args[1])
	})
}

// labelScope returns how the API calls where labels are: global, or in a project with its number.
func (s *session) labelScope(ctx context.Context, project string) (scope string, id *int64, err error) {
	if project == "" {
		return "g", nil, nil
	}
	p, err := s.project(ctx, project)
	return "p", &p.ProjectID, err
}

// labels lists the labels of a project, or the global ones, with part in their name.
func (s *session) labels(ctx context.Context, project, part string) ([]client.Label, error) {
	scope, of, err := s.labelScope(ctx, project)
	if err != nil {
		return nil, err
	}
	return pages[client.Label](func(page int64) (answer, error) {
		return s.api.ListLabelsWithResponse(ctx, &client.ListLabelsParams{
			Name: optional(part), Scope: &scope, ProjectID: of, Sort: pointer("name"), Page: &page, PageSize: pointer(largePage),
		})
	})
}

// labelFor finds a label that artifacts of the project can have.
func (s *session) labelFor(ctx context.Context, project, name string) (client.Label, error) {
	for _, of := range []string{project, ""} {
		labels, err := s.labels(ctx, of, name)
		if err != nil {
			return client.Label{}, err
		}
		if l, err := labelNamed(labels, name); err == nil {
			return l, nil
		}
	}
	return client.Label{}, fmt.Errorf("neither project %s nor the server has a label %q: make it with sealock label create %s --project %s",
		project, name, shellWord(name), project)
}

// labelNamed finds the label of that name, the project's before a global one.
func labelNamed(labels []client.Label, name string) (client.Label, error) {
	for _, scope := range []string{"p", "g"} {
		for _, l := range labels {
			if told(l.Name) == name && told(l.Scope) == scope {
				return l, nil
			}
		}
	}
	return client.Label{}, fmt.Errorf("there is no label %q", name)
}

func labelNames(labels []client.Label) []string {
	names := make([]string, len(labels))
	for i, l := range labels {
		names[i] = told(l.Name)
	}
	return names
}
