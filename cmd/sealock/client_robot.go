package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/api/client"
)

func newRobotCommand(env *environment) *cobra.Command {
	return groupCommand("robot", "Make, change and delete robot accounts: names and secrets for programs", `  sealock robot create team/ci --allow push --repository 'app/**' --days 90
  sealock robot rotate team/ci --keep-old 24h`,
		newRobotCreateCommand(env), newRobotListCommand(env), newRobotShowCommand(env), newRobotUpdateCommand(env),
		newRobotSwitchCommand(env, "disable", true), newRobotSwitchCommand(env, "enable", false),
		newRobotRotateCommand(env), newRobotDeleteCommand(env))
}

// robotGrants are the flags that say what a robot may do.
type robotGrants struct {
	allow, allowSystem, repositories, projects []string
}

func (g *robotGrants) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVar(&g.allow, "allow", nil, "what it may do in projects: pull, push, delete, or RESOURCE:ACTION such as tag:delete")
	f.StringSliceVar(&g.allowSystem, "allow-system", nil, "what a robot at system level may do there: RESOURCE:ACTION such as project:create")
	f.StringArrayVar(&g.repositories, "repository", nil, "only in repositories like this: what follows the project, such as 'app/**' (can be repeated)")
	f.StringSliceVar(&g.projects, "project", nil, "the projects of a robot at system level, or '*' for all")
}

// given reports whether anything is said about permissions.
func (g *robotGrants) given() bool {
	return len(g.allow)+len(g.allowSystem)+len(g.repositories)+len(g.projects) > 0
}

// permissions writes them as the API has them. A robot of a project has them there.
func (g *robotGrants) permissions(project string) ([]client.RobotPermission, error) {
	projects := g.projects
	switch {
	case project != "" && len(g.projects)+len(g.allowSystem) > 0:
		return nil, usagef("--project and --allow-system are for robots at system level: this one is of %s", project)
	case project != "":
		projects = []string{project}
	case len(projects) == 0 && len(g.allowSystem) == 0:
		return nil, usagef("the robot may do nothing: give --project with --allow, or --allow-system")
	}
	var list []client.RobotPermission
	if len(projects) > 0 {
		access, err := accessList("--allow", cmp.Or(strings.Join(g.allow, ","), "pull"))
		if err != nil {
			return nil, err
		}
		for _, name := range projects {
			list = append(list, client.RobotPermission{Kind: "project", Namespace: name, Access: access, Repositories: g.repositories})
		}
	}
	if len(g.allowSystem) > 0 {
		access, err := accessList("--allow-system", strings.Join(g.allowSystem, ","))
		if err != nil {
			return nil, err
		}
		list = append(list, client.RobotPermission{Kind: "system", Namespace: "/", Access: access})
	}
	return list, nil
}

// accessList reads a list of actions; those of a registry need no resource.
func accessList(flag, list string) (out []client.Access, err error) {
	for word := range strings.SplitSeq(list, ",") {
		resource, action, ok := strings.Cut(strings.TrimSpace(word), ":")
		if !ok {
			resource, action = "repository", resource
		}
		if resource == "" || action == "" {
			return nil, usagef("%s %q is neither pull, push or delete nor RESOURCE:ACTION", flag, word)
		}
		out = append(out, client.Access{Resource: resource, Action: action})
	}
	return out, nil
}

func newRobotCreateCommand(env *environment) *cobra.Command {
	var grants robotGrants
	var system bool
	var days int64
	var description string
	cmd := &cobra.Command{
		Use: "create PROJECT/NAME | --system NAME", Short: "Create a robot account",
		Long: "Create a robot account of a project, or one at system level that may use several projects. Its secret is shown this once. " +
			"Who may push may pull too. Without --allow it may pull.",
		Example: `  sealock robot create team/ci --allow push --repository 'app/**' --days 90
  sealock robot create --system mirror --project '*' --allow pull
  sealock robot create --system setup --allow-system project:create,user:create --days 1`,
		Args: usageArgs(cobra.ExactArgs(1)), ValidArgsFunction: cobra.NoFileCompletions,
	}
	grants.addFlags(cmd)
	cmd.Flags().BoolVar(&system, "system", false, "make it at system level")
	cmd.Flags().Int64Var(&days, "days", 0, "how many days it lives; -1 is for ever, 0 as the server is set")
	cmd.Flags().StringVar(&description, "description", "", "what it is for")
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		ref := robotRef{name: args[0]}
		if !system {
			var ok bool
			if ref.project, ref.name, ok = strings.Cut(args[0], "/"); !ok || ref.project == "" {
				return usagef("%q is not like PROJECT/NAME: name the project, or give --system", args[0])
			}
		}
		permissions, err := grants.permissions(ref.project)
		if err != nil {
			return err
		}
		req := client.RobotCreate{Name: &ref.name, Description: &description, Duration: &days, Permissions: permissions}
		made, err := decode[client.RobotCreated](s.createRobot(ctx, ref, req))
		if err != nil {
			return err
		}
		return s.tellSecret(made, made.Name, made.Secret, "created robot account "+made.Name+" ("+robotEnd(made.ExpiresAt)+")")
	})
}

func (s *session) createRobot(ctx context.Context, ref robotRef, req client.RobotCreate) (answer, error) {
	if ref.project == "" {
		return s.api.CreateRobotWithResponse(ctx, req)
	}
	return s.api.CreateProjectRobotWithResponse(ctx, ref.project, &client.CreateProjectRobotParams{XIsResourceName: pointer(true)}, req)
}

// tellSecret shows a secret, for the only time, and how it is used.
func (s *session) tellSecret(v any, name, secret, what string) error {
	if s.out.json {
		return s.out.encode(v)
	}
	host := s.login.URL
	if u, err := url.Parse(host); err == nil && u.Host != "" {
		host = u.Host
	}
	for _, line := range []string{
		what,
		"secret: " + secret,
		"It is not shown again. To use it, paste this, and the secret when it asks for a password:",
		"  docker login -u " + shellWord(name) + " " + host,
	} {
		if err := s.out.say(nil, "%s", line); err != nil {
			return err
		}
	}
	return nil
}

// robotEnd says when a robot ends.
func robotEnd(unix int64) string {
	if unix == -1 {
		return "does not end"
	}
	return "until " + day(time.Unix(unix, 0))
}

// robotRef names a robot: of a project, or at system level.
type robotRef struct{ project, name string }

// newRobotRef reads team/ci, team+ci or ci, the latter two also with a prefix.
func newRobotRef(arg string) robotRef {
	if project, name, ok := strings.Cut(arg, "/"); ok {
		return robotRef{project, name}
	}
	if i := strings.LastIndexFunc(arg, func(r rune) bool {
		return r != '+' && !strings.ContainsRune("._-", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}); i >= 0 {
		arg = arg[i+1:]
	}
	if project, name, ok := strings.Cut(arg, "+"); ok {
		return robotRef{project, name}
	}
	return robotRef{name: arg}
}

// robot finds a robot by how people write it.
func (s *session) robot(ctx context.Context, arg string) (client.Robot, error) {
	ref := newRobotRef(arg)
	found, err := s.robots(ctx, ref.project, "name="+inQuery(ref.name))
	if err != nil {
		return client.Robot{}, err
	}
	if len(found) == 0 {
		list := "sealock robot list"
		if ref.project != "" {
			list += " " + ref.project
		}
		return client.Robot{}, fmt.Errorf("there is no robot account %s: %s shows those that there are", arg, list)
	}
	return found[0], nil
}

// robots lists the robots of a project, or those at system level.
func (s *session) robots(ctx context.Context, project, q string) ([]client.Robot, error) {
	return pages[client.Robot](func(page int64) (answer, error) {
		if project == "" {
			return s.api.ListRobotsWithResponse(ctx, &client.ListRobotsParams{Q: optional(q), Page: &page, PageSize: pointer(largePage)})
		}
		return s.api.ListProjectRobotsWithResponse(ctx, project, &client.ListProjectRobotsParams{
			Q: optional(q), Page: &page, PageSize: pointer(largePage), XIsResourceName: pointer(true),
		})
	})
}

func newRobotListCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list [PROJECT]", Short: "List robot accounts", Long: "List the robot accounts of a project, or those at system level.",
		Example: `  sealock robot list team
  sealock robot list`,
		Args: usageArgs(cobra.MaximumNArgs(1)), ValidArgsFunction: completeArgs(env, projectNames),
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		robots, err := s.robots(ctx, strings.Join(args, ""), "")
		if err != nil {
			return err
		}
		t := table{head: []string{"ID", "NAME", "STATE", "ENDS", "LAST USED", "DESCRIPTION"}}
		for _, r := range robots {
			t.rows = append(t.rows, []string{fmt.Sprint(r.ID), r.Name, robotState(r), robotEnd(r.ExpiresAt), robotUse(r), r.Description})
		}
		return s.out.print(robots, t)
	})
}

func robotState(r client.Robot) string {
	switch {
	case r.Disable:
		return "disabled"
	case r.ExpiresAt != -1 && !time.Now().Before(time.Unix(r.ExpiresAt, 0)):
		return "ended"
	case r.OldSecretExpiresAt != nil:
		return "two secrets"
	default:
		return "enabled"
	}
}

func robotUse(r client.Robot) string {
	if r.LastUsedTime == nil {
		return "never"
	}
	use := day(*r.LastUsedTime)
	if r.LastUsedFrom != nil && *r.LastUsedFrom != "" {
		use += " from " + *r.LastUsedFrom
	}
	return use
}

func newRobotShowCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "show ROBOT", Short: "Show a robot account and what it may do", Long: "Show a robot account and what it may do.",
		Example: "  sealock robot show team/ci",
		Args:    usageArgs(cobra.ExactArgs(1)), ValidArgsFunction: cobra.NoFileCompletions,
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		r, err := s.robot(ctx, args[0])
		if err != nil {
			return err
		}
		t := table{head: []string{"NAME", r.Name}, rows: [][]string{
			{"STATE", robotState(r)},
			{"ENDS", robotEnd(r.ExpiresAt)},
			{"LAST USED", robotUse(r)},
			{"MADE", day(r.CreationTime) + " by " + r.Creator},
			{"DESCRIPTION", r.Description},
		}}
		if r.OldSecretExpiresAt != nil {
			t.rows = append(t.rows, []string{"OLD SECRET", "until " + day(time.Unix(*r.OldSecretExpiresAt, 0))})
		}
		for _, p := range r.Permissions {
			t.rows = append(t.rows, []string{"MAY", robotPermission(p)})
		}
		return s.out.print(r, t)
	})
}

// robotPermission says what is allowed where.
func robotPermission(p client.RobotPermission) string {
	var actions []string
	for _, a := range p.Access {
		word := a.Resource + ":" + a.Action
		if a.Resource == "repository" && slices.Contains([]string{"pull", "push", "delete"}, a.Action) {
			word = a.Action
		}
		actions = append(actions, word)
	}
	where := "in project " + p.Namespace
	switch {
	case p.Kind == "system":
		where = "at system level"
	case p.Namespace == "*":
		where = "in all projects"
	}
	if len(p.Repositories) > 0 {
		where += ", repositories " + strings.Join(p.Repositories, " ")
	}
	return strings.Join(actions, " ") + " " + where
}

func newRobotUpdateCommand(env *environment) *cobra.Command {
	var grants robotGrants
	var days int64
	var description string
	cmd := &cobra.Command{
		Use: "update ROBOT", Short: "Change a robot account",
		Long: "Change what a robot account may do (all of it is replaced), its description or how long it lives from now on.",
		Example: `  sealock robot update team/ci --days 90
  sealock robot update team/ci --allow pull,tag:list`,
		Args: usageArgs(cobra.ExactArgs(1)), ValidArgsFunction: cobra.NoFileCompletions,
	}
	grants.addFlags(cmd)
	cmd.Flags().Int64Var(&days, "days", 0, "how many days it lives from now on; -1 is for ever")
	cmd.Flags().StringVar(&description, "description", "", "what it is for")
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		r, err := s.robot(ctx, args[0])
		if err != nil {
			return err
		}
		var req client.RobotCreate
		if grants.given() {
			if req.Permissions, err = grants.permissions(newRobotRef(args[0]).project); err != nil {
				return err
			}
		}
		if cmd.Flags().Changed("description") {
			req.Description = &description
		}
		if days != 0 {
			req.Duration = pointer(daysInAll(r, days))
		}
		if err := done(s.api.UpdateRobotWithResponse(ctx, r.ID, req)); err != nil {
			return err
		}
		if r, err = s.robot(ctx, args[0]); err != nil {
			return err
		}
		return s.out.say(r, "changed robot account %s (%s)", r.Name, robotEnd(r.ExpiresAt))
	})
}

// daysInAll turns days from now on into days since the robot was made, which the API counts in.
func daysInAll(r client.Robot, fromNow int64) int64 {
	if fromNow < 0 {
		return fromNow
	}
	const day = 24 * time.Hour
	age := time.Since(r.CreationTime)
	return int64((age+day-1)/day) + fromNow
}

func newRobotSwitchCommand(env *environment, verb string, disable bool) *cobra.Command {
	title := strings.ToUpper(verb[:1]) + verb[1:]
	cmd := &cobra.Command{
		Use: verb + " ROBOT", Short: title + " a robot account",
		Long:    title + " a robot account. One that is disabled is refused from its next request on.",
		Example: "  sealock robot " + verb + " team/ci",
		Args:    usageArgs(cobra.ExactArgs(1)), ValidArgsFunction: cobra.NoFileCompletions,
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		r, err := s.robot(ctx, args[0])
		if err != nil {
			return err
		}
		if err := done(s.api.UpdateRobotWithResponse(ctx, r.ID, client.RobotCreate{Disable: &disable})); err != nil {
			return err
		}
		r.Disable = disable
		return s.out.say(r, "%sd robot account %s", verb, r.Name)
	})
}

func newRobotRotateCommand(env *environment) *cobra.Command {
	var keep time.Duration
	var retire bool
	cmd := &cobra.Command{
		Use: "rotate ROBOT", Short: "Replace the secret of a robot account",
		Long: "Replace the secret of a robot account, and show the new one this once. The old one ends at once with all that was signed in " +
			"with it, or lives on for --keep-old, while clients are changed one after the other; --retire-old then ends it early.",
		Example: `  sealock robot rotate team/ci --keep-old 24h
  sealock robot rotate team/ci --retire-old`,
		Args: usageArgs(cobra.ExactArgs(1)), ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().DurationVar(&keep, "keep-old", 0, "how long the old secret may be used besides, such as 24h")
	cmd.Flags().BoolVar(&retire, "retire-old", false, "only end the old secret now")
	cmd.MarkFlagsMutuallyExclusive("keep-old", "retire-old")
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		r, err := s.robot(ctx, args[0])
		if err != nil {
			return err
		}
		req := client.RobotSecRequest{KeepOldSeconds: pointer(int64(keep / time.Second))}
		if retire {
			req = client.RobotSecRequest{RetireOld: &retire}
		}
		made, err := decode[client.RobotSec](s.api.ReplaceRobotSecretWithResponse(ctx, r.ID, req))
		if err != nil {
			return err
		}
		if retire {
			return s.out.say(r, "the old secret of %s has ended", r.Name)
		}
		what := "replaced the secret of " + r.Name + "; the old one has ended"
		if keep > 0 {
			what = "replaced the secret of " + r.Name + "; the old one lives until " + day(time.Now().Add(keep))
		}
		return s.tellSecret(made, r.Name, made.Secret, what)
	})
}

func newRobotDeleteCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete ROBOT", Short: "Delete a robot account", Long: "Delete a robot account, and end all that it signed in for.",
		Example: "  sealock robot delete team/ci",
		Args:    usageArgs(cobra.ExactArgs(1)), ValidArgsFunction: cobra.NoFileCompletions,
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		r, err := s.robot(ctx, args[0])
		if err != nil {
			return err
		}
		if err := done(s.api.DeleteRobotWithResponse(ctx, r.ID)); err != nil {
			return err
		}
		return s.out.say(r, "deleted robot account %s", r.Name)
	})
}
