package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/api/client"
)

func newPATCommand(env *environment) *cobra.Command {
	return groupCommand("pat", "Make, list and revoke personal access tokens", `  sealock pat create laptop --project team --action pull
  sealock pat list
  sealock pat revoke laptop`,
		newPATCreateCommand(env), newPATListCommand(env), newPATRevokeCommand(env))
}

// patOptions are the flags of pat create.
type patOptions struct {
	projects, repositories, actions []string
	expires                         string
	server, output                  string
	passwordStdin                   bool
}

func newPATCreateCommand(env *environment) *cobra.Command {
	var o patOptions
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a personal access token",
		Long: `Make a personal access token: a secret for docker login and other clients that is good for less than your
password, ends by itself and can be revoked alone.

The secret goes to standard output, this once; what else there is to say goes to standard error. Your password is
asked for, because the saved login makes nothing that outlives it. Without a scope, the token may do all that you may.`,
		Example: `  sealock pat create laptop --project team --repository 'app-*' --action pull,push --expires 30d
  sealock pat create laptop | docker login localhost:8080 --username alice --password-stdin
  sealock pat create backup --action pull --expires never --output json`,
		Args: usageArgs(cobra.ExactArgs(1)), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error { return runPATCreate(cmd.Context(), env, o, args[0]) },
	}
	cmd.Flags().StringSliceVar(&o.projects, "project", nil, "only in this project (may be given again); without it, in all")
	cmd.Flags().StringSliceVar(&o.repositories, "repository", nil, "only in repositories whose name, after the project's, is like this: app, app-*, app/** (may be given again)")
	cmd.Flags().StringSliceVar(&o.actions, "action", nil, "only to pull, push or delete (may be given again); who may push may pull")
	cmd.Flags().StringVar(&o.expires, "expires", "", "when it ends: 30d, 12h, 2030-01-31 or never (default 90d, or less where the server wants it)")
	addPasswordFlag(cmd, &o.passwordStdin)
	addServerFlag(cmd, &o.server)
	addOutputFlag(cmd, &o.output)
	return cmd
}

func runPATCreate(ctx context.Context, env *environment, o patOptions, name string) error {
	out, err := newPrinter(env.Stdout, o.output)
	if err != nil {
		return err
	}
	req := client.PersonalAccessTokenReq{Name: name}
	if req.Scope, err = o.scope(); err != nil {
		return err
	}
	if req.ExpiresAt, req.Never, err = parseExpires(o.expires, time.Now()); err != nil {
		return err
	}
	s, err := signInAgain(env, o.server, o.passwordStdin)
	if err != nil {
		return err
	}
	resp, err := s.api.CreatePersonalAccessTokenWithResponse(ctx, req)
	if err := done(resp, err); err != nil {
		return err
	}
	made := resp.JSON201
	if made == nil {
		return fmt.Errorf("%s answers in a way that this version does not understand", s.login.URL)
	}
	if out.json {
		return out.encode(made)
	}
	s.explain(*made)
	return out.say(nil, "%s", made.Secret)
}

// explain says on standard error what to do with a new token.
func (s *session) explain(made client.PersonalAccessTokenCreated) {
	ends := "never ends"
	if made.ExpiresAt != nil {
		ends = "ends at " + day(*made.ExpiresAt)
	}
	_, _ = fmt.Fprintf(s.env.Stderr, "made the personal access token %s, which %s. It is shown this once. To use it, give it for the password of\n\n  docker login %s --username %s\n\n",
		printable(made.Name), ends, host(s.login.URL), shellWord(made.Username))
}

func host(server string) string {
	u, err := url.Parse(server)
	if err != nil {
		return server
	}
	return u.Host
}

// shellWord quotes what a shell would not take as it is.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._@+-~", r)
	}
	if s != "" && !strings.HasPrefix(s, "~") && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(printable(s), "'", `'\''`) + "'"
}

// scope returns what the flags narrow a token to; nil is not at all.
func (o patOptions) scope() ([]client.Permission, error) {
	if len(o.projects)+len(o.repositories)+len(o.actions) == 0 {
		return nil, nil
	}
	if len(o.actions) == 0 {
		return nil, usagef("the scope lacks what may be done: give --action pull, push or delete")
	}
	projects := o.projects
	if len(projects) == 0 {
		projects = []string{"*"}
	}
	scope := make([]client.Permission, len(projects))
	for i, project := range projects {
		scope[i] = client.Permission{Project: &project, Repositories: o.repositories, Actions: o.actions}
	}
	return scope, nil
}

// parseExpires reads --expires; nothing is the server's default.
func parseExpires(s string, now time.Time) (end *time.Time, never *bool, err error) {
	switch s {
	case "":
		return nil, nil, nil
	case "never":
		return nil, pointer(true), nil
	}
	if n, ok := strings.CutSuffix(s, "d"); ok {
		if days, err := strconv.ParseUint(n, 10, 16); err == nil && days > 0 {
			return pointer(now.UTC().AddDate(0, 0, int(days))), nil, nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return pointer(now.UTC().Add(d)), nil, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return &t, nil, nil
		}
	}
	return nil, nil, usagef("--expires %q is no time: write 30d, 12h, 2030-01-31 or never", s)
}

func newPATListCommand(env *environment) *cobra.Command {
	var user string
	var all bool
	cmd := &cobra.Command{
		Use: "list", Short: "List personal access tokens",
		Long: "List personal access tokens: your own, or as an administrator another user's or everybody's.",
		Args: usageArgs(cobra.NoArgs),
		Example: `  sealock pat list
  sealock pat list --user alice
  sealock pat list --all --output json`,
	}
	cmd.Flags().StringVar(&user, "user", "", "those of this user")
	cmd.Flags().BoolVar(&all, "all", false, "those of everybody")
	return clientCommand(env, cmd, func(ctx context.Context, s *session, _ []string) error {
		tokens, err := s.personalTokens(ctx, user, all)
		if err != nil {
			return err
		}
		return s.out.print(tokens, patTable(tokens))
	})
}

func newPATRevokeCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "revoke NAME...", Short: "Revoke personal access tokens",
		Long: "Revoke personal access tokens by the names or the ids that sealock pat list shows; those of others by their ids. What was got with them ends at once.",
		Example: `  sealock pat revoke laptop
  sealock pat revoke k7x2mqk7x2mqk7x2`,
		Args: usageArgs(cobra.MinimumNArgs(1)), ValidArgsFunction: completeArgs(env, patNames),
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		own, err := s.personalTokens(ctx, "", false)
		if err != nil {
			return err
		}
		for _, name := range args {
			id := patID(own, name)
			if err := done(s.api.RevokePersonalAccessTokenWithResponse(ctx, id)); err != nil {
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

// patID returns the id of one's own token of that name. What is no name is an id.
func patID(own []client.PersonalAccessToken, name string) string {
	for _, t := range own {
		if t.ID == name {
			return name
		}
	}
	for _, t := range own {
		if strings.EqualFold(t.Name, name) {
			return t.ID
		}
	}
	return name
}

func (s *session) personalTokens(ctx context.Context, user string, all bool) ([]client.PersonalAccessToken, error) {
	return pages[client.PersonalAccessToken](func(page int64) (answer, error) {
		return s.api.ListPersonalAccessTokensWithResponse(ctx, &client.ListPersonalAccessTokensParams{
			Username: optional(user), All: optional(all), Page: &page, PageSize: pointer(largePage),
		})
	})
}

func patTable(tokens []client.PersonalAccessToken) table {
	t := table{head: []string{"ID", "NAME", "USER", "SCOPE", "CREATED", "LAST USED", "FROM", "ENDS"}}
	for _, k := range tokens {
		used, from, ends := "-", "-", "never"
		if k.LastUsedTime != nil {
			used = day(*k.LastUsedTime)
		}
		if k.LastUsedFrom != nil {
			from = *k.LastUsedFrom
		}
		if k.ExpiresAt != nil {
			ends = day(*k.ExpiresAt)
		}
		t.rows = append(t.rows, []string{k.ID, k.Name, k.Username, scopeText(k.Scope), day(k.CreationTime), used, from, ends})
	}
	return t
}

// scopeText writes a scope for people: team/app-*:pull,push.
func scopeText(scope []client.Permission) string {
	if len(scope) == 0 {
		return "all"
	}
	texts := make([]string, len(scope))
	for i, p := range scope {
		where := "@system"
		if p.Project != nil && *p.Project != "" {
			where = *p.Project
		}
		switch {
		case len(p.Repositories) == 1:
			where += "/" + p.Repositories[0]
		case len(p.Repositories) > 1:
			where += "/{" + strings.Join(p.Repositories, ",") + "}"
		case p.Resource != nil && *p.Resource != "repository":
			where += " " + *p.Resource
		}
		texts[i] = where + ":" + strings.Join(p.Actions, ",")
	}
	return strings.Join(texts, " ")
}

func patNames(ctx context.Context, s *session) []string {
	tokens, err := s.personalTokens(ctx, "", false)
	if err != nil {
		return nil
	}
	names := make([]string, len(tokens))
	for i, t := range tokens {
		names[i] = t.Name
	}
	return names
}
