package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/api/client"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/policy"
)

// newPolicyTestCommand makes the command that needs no server: a table of cases is held against files.
func newPolicyTestCommand(env *environment) *cobra.Command {
	var where, output string
	cmd := &cobra.Command{
		Use: "test CASES", Short: "Hold a policy against a table of what it must allow and deny",
		Long: `Hold a policy against a table of what it must allow and deny, without a server. The table is a YAML file:

  projects:
    team: {members: {alice: developer, bob: guest}}
    library: {public: true}
  admins: [root]
  allow:
  - alice push team/app:v1
  - anonymous pull library/hello
  deny:
  - bob push team/app
  - alice create user
  - alice push team/app from 192.0.2.7 at 2030-01-06T09:00:00Z

The exit code is 1 when the policy answers another way.`,
		Example: `  sealock policy test cases.yaml
  sealock policy test cases.yaml --policy ./policy --output json`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			out, err := newPrinter(env.Stdout, output)
			if err != nil {
				return err
			}
			return testPolicy(cmd.Context(), out, where, args[0])
		},
	}
	cmd.Flags().StringVar(&where, "policy", "", "the folder with the policy, or its file (default: ./sealock-data/policy if it is there, else the policy that is built in)")
	addOutputFlag(cmd, &output)
	return cmd
}

// caseResult is what 'sealock policy test --output json' prints for each question.
type caseResult struct {
	Line   int    `json:"line"`
	Case   string `json:"case"`
	Want   bool   `json:"want"`
	Got    bool   `json:"got"`
	Reason string `json:"reason"`
}

func testPolicy(ctx context.Context, out printer, where, file string) error {
	text, err := os.ReadFile(file) //nolint:gosec // the user's own choice of file
	if err != nil {
		return fmt.Errorf("reading the table: %w", err)
	}
	cases, err := policy.ParseCases(text)
	if err != nil {
		return err
	}
	draft, err := draftAt(where)
	if err != nil {
		return err
	}
	results, err := cases.Run(ctx, draft, time.Now())
	if err != nil {
		return err
	}
	return reportCases(out, results)
}

// draftAt reads the policy that a test is about.
func draftAt(where string) (*policy.Draft, error) {
	if where == "" {
		where = filepath.Join("sealock-data", "policy")
		if _, err := os.Stat(where); err != nil {
			d, _, err := policy.NewDraft(policy.DefaultText())
			return d, err
		}
	}
	t, err := policy.ReadText(where)
	if err != nil {
		return nil, err
	}
	d, _, err := policy.NewDraft(t)
	return d, err
}

func reportCases(out printer, results []policy.CaseResult) error {
	list := make([]caseResult, len(results))
	wrong := 0
	t := table{head: []string{"LINE", "CASE", "WANT", "GOT", "BECAUSE"}}
	words := map[bool]string{true: "allowed", false: "denied"}
	for i, r := range results {
		list[i] = caseResult{r.Line, r.Text, r.Want, r.Got, r.Reason}
		if !r.OK() {
			wrong++
			t.rows = append(t.rows, []string{strconv.Itoa(r.Line), r.Text, words[r.Want], words[r.Got], r.Reason})
		}
	}
	if wrong == 0 {
		return out.say(list, "%d cases hold", len(results))
	}
	if err := out.print(list, t); err != nil {
		return err
	}
	return fmt.Errorf("%d of %d cases do not hold: mend the policy, or the table", wrong, len(results))
}

func newPolicyExplainCommand(env *environment) *cobra.Command {
	var resource, from string
	cmd := &cobra.Command{
		Use: "explain [USER] ACTION NAME", Short: "Say why somebody may do something, or may not",
		Long: `Say why somebody may do something, or may not: the rule and its line, the roles and where they come from, each rule that
was considered, and the smallest change that would make it yes. Without a user it is about you. Nobody is called anonymous.
NAME is a repository with a tag or without; with --resource it is a project, or @system.`,
		Example: `  sealock policy explain alice push team/app:v1
  sealock policy explain anonymous pull library/hello
  sealock policy explain bob list team --resource member`,
		Args: usageArgs(cobra.RangeArgs(2, 3)),
	}
	cmd.Flags().StringVar(&resource, "resource", "", "what of the project or the system it is about, such as member or user")
	cmd.Flags().StringVar(&from, "from", "", "the address that it would be asked from")
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		q := client.PolicyQuestion{Resource: optional(resource), Remote: optional(from)}
		if len(args) == 3 {
			q.Username = &args[0]
			args = args[1:]
		}
		q.Action = args[0]
		if args[1] != policy.SystemLevel {
			q.Name = &args[1]
		}
		x, err := decode[client.PolicyExplanation](s.api.ExplainPolicyWithResponse(ctx, q))
		if err != nil {
			return err
		}
		if s.out.json {
			return s.out.encode(x)
		}
		return printExplanation(s.out, x)
	})
}

func printExplanation(out printer, x client.PolicyExplanation) error {
	verdict := "no"
	if x.Allowed {
		verdict = "yes"
	}
	if err := out.say(nil, "%s: %s", verdict, x.Reason); err != nil {
		return err
	}
	roles := table{head: []string{"ROLE", "FROM"}}
	for _, r := range x.Roles {
		roles.rows = append(roles.rows, []string{r.Role, r.From})
	}
	rules := table{head: []string{"RULE", "WHAT IT SAYS", "WHAT BECAME OF IT"}}
	for _, r := range x.Rules {
		rules.rows = append(rules.rows, []string{r.At, r.Text, r.Outcome})
	}
	for _, t := range []table{roles, rules} {
		if len(t.rows) == 0 {
			continue
		}
		if _, err := fmt.Fprintln(out.w); err != nil {
			return err
		}
		if err := out.print(nil, t); err != nil {
			return err
		}
	}
	if x.Change == nil {
		return nil
	}
	return out.paragraph("To make it yes: %s", x.Change.Text)
}

func newPolicyDiffCommand(env *environment) *cobra.Command {
	var days int
	cmd := &cobra.Command{
		Use: "diff [OLD] NEW", Short: "Say who would gain and lose what under another policy",
		Long: `Say who would gain and lose what under another policy, of all that was asked for in the last days, as the server's audit
trail has it, with the memberships of today. Without OLD, NEW is held against the policy in force.`,
		Example: `  sealock policy diff policy.csv
  sealock policy diff old.csv new.csv --days 30 --output json`,
		Args: usageArgs(cobra.RangeArgs(1, 2)),
	}
	cmd.Flags().IntVar(&days, "days", 7, "how many days to look back")
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		req := client.PolicyDiffReq{Days: &days}
		texts := make([]client.PolicyText, len(args))
		for i, file := range args {
			text, err := policy.ReadText(file)
			if err != nil {
				return err
			}
			texts[i] = client.PolicyText{Policy: text.Rules}
			if strings.HasSuffix(file, ".conf") || isFolder(file) {
				texts[i].Model = &text.Model
			}
		}
		req.New = texts[len(texts)-1]
		if len(texts) == 2 {
			req.Old = &texts[0]
		}
		diff, err := decode[client.PolicyDiff](s.api.DiffPolicyWithResponse(ctx, req))
		if err != nil {
			return err
		}
		if len(diff.Differences) == 0 {
			return s.out.say(diff, "nobody would notice: %d decisions of %d days are the same", diff.Decisions, days)
		}
		return s.out.print(diff, diffTable(diff))
	})
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func diffTable(d client.PolicyDiff) table {
	t := table{head: []string{"WHO", "REPOSITORY", "GAINS", "LOSES", "BEFORE", "THEN"}}
	for _, x := range d.Differences {
		who := x.Subject
		if who == "" {
			who = "anonymous"
		}
		t.rows = append(t.rows, []string{who, x.Repository, orDash(x.Gains), orDash(x.Loses), x.Old, x.New})
	}
	return t
}

func orDash(list []string) string {
	if len(list) == 0 {
		return "-"
	}
	return strings.Join(list, ",")
}

func newPolicyApplyCommand(env *environment) *cobra.Command {
	var comment string
	cmd := &cobra.Command{
		Use: "apply FILE", Short: "Put a policy in force",
		Long: `Check a policy file, put it in force on the server and keep it in the history. It replaces what is there now only if
nobody changed that in the meantime. A policy that the server keeps in files which it may not write is changed there.`,
		Example: `  sealock policy show > policy.csv
  sealock policy apply policy.csv --comment "guests may pull"`,
		Args: usageArgs(cobra.ExactArgs(1)),
	}
	cmd.Flags().StringVar(&comment, "comment", "", "why, for the history")
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		text, err := policy.ReadText(args[0])
		if err != nil {
			return err
		}
		now, err := decode[client.Policy](s.api.GetPolicyWithResponse(ctx))
		if err != nil {
			return err
		}
		req := client.PolicyEdit{Policy: text.Rules, Comment: optional(comment)}
		if isFolder(args[0]) {
			req.Model = &text.Model
		}
		params := &client.ReplacePolicyParams{IfMatch: pointer(strconv.Quote(now.Status.Fingerprint))}
		status, err := decode[client.PolicyStatus](s.api.ReplacePolicyWithResponse(ctx, params, req))
		if err != nil {
			return err
		}
		return s.out.say(status, "%d rules are in force", status.Rules)
	})
}

func newPolicyHistoryCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "history [ID]", Short: "List what the policy was, or print one of it",
		Long: "List what the policy was and who changed it, the newest first, or print the policy that a revision was.",
		Example: `  sealock policy history
  sealock policy history 7 > old.csv`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		if len(args) == 1 {
			id, err := revisionID(args[0])
			if err != nil {
				return err
			}
			r, err := decode[client.PolicyRevision](s.api.GetPolicyRevisionWithResponse(ctx, id))
			if err != nil {
				return err
			}
			if s.out.json || r.Policy == nil {
				return s.out.encode(r)
			}
			_, err = fmt.Fprint(s.out.w, *r.Policy)
			return err
		}
		all, err := pages[client.PolicyRevision](func(page int64) (answer, error) {
			return s.api.ListPolicyRevisionsWithResponse(ctx, &client.ListPolicyRevisionsParams{Page: &page, PageSize: pointer(largePage)})
		})
		if err != nil {
			return err
		}
		t := table{head: []string{"ID", "TIME", "AUTHOR", "FINGERPRINT", "COMMENT"}}
		for _, r := range all {
			author := r.Author
			if author == "" {
				author = "(by hand)"
			}
			t.rows = append(t.rows, []string{strconv.FormatInt(r.ID, 10), day(r.Time), author, r.Fingerprint, r.Comment})
		}
		return s.out.print(all, t)
	})
}

func newPolicyRollbackCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "rollback ID", Short: "Put the policy in force that a revision was",
		Long:    "Put the policy in force that a revision was. It is a new revision: nothing of the history is lost.",
		Example: "  sealock policy rollback 7",
		Args:    usageArgs(cobra.ExactArgs(1)),
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		id, err := revisionID(args[0])
		if err != nil {
			return err
		}
		status, err := decode[client.PolicyStatus](s.api.RollBackPolicyWithResponse(ctx, id))
		if err != nil {
			return err
		}
		return s.out.say(status, "%d rules are in force, as in revision %d", status.Rules, id)
	})
}

func revisionID(s string) (int64, error) {
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil || id < 1 {
		return 0, errs.New(errs.Invalid, "%q is no revision", s).WithHint("sealock policy history lists them")
	}
	return id, nil
}
