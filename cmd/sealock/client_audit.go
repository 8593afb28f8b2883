package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/api/client"
)

func newAuditCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "audit", Short: "Read the audit trail", Long: "Read the audit trail: who did what, and why a token says what it says.",
		Example: "  sealock audit list --user alice",
	}
	cmd.AddCommand(newAuditListCommand(env), newAuditExplainCommand(env), newAuditVerifyCommand(env), newAuditExportCommand(env))
	return cmd
}

func newAuditListCommand(env *environment) *cobra.Command {
	var user string
	var limit int64
	cmd := &cobra.Command{
		Use: "list", Short: "List audit records, the newest first",
		Long: "List audit records, the newest first. The last column is the id of the token that was issued, for 'sealock audit explain'.",
		Args: usageArgs(cobra.NoArgs),
		Example: `  sealock audit list
  sealock audit list --user alice --limit 100 --output json`,
	}
	cmd.Flags().StringVar(&user, "user", "", "of this user alone")
	cmd.Flags().Int64Var(&limit, "limit", 20, "how many at most, up to 100")
	return clientCommand(env, cmd, func(ctx context.Context, s *session, _ []string) error {
		if limit < 1 || limit > largePage {
			return usagef("--limit can't be %d: give 1 to %d", limit, largePage)
		}
		params := client.ListAuditLogsParams{PageSize: &limit}
		if user != "" {
			params.Q = pointer("username=" + inQuery(user))
		}
		found, err := decode[[]client.AuditLog](s.api.ListAuditLogsWithResponse(ctx, &params))
		if err != nil {
			return err
		}
		t := table{head: []string{"TIME", "USER", "WHAT", "ON", "OUTCOME", "BECAUSE", "TOKEN"}}
		for _, r := range found {
			what := r.Operation
			if r.ResourceType != r.Operation {
				what = r.ResourceType + "." + r.Operation
			}
			t.rows = append(t.rows, []string{r.OpTime.UTC().Format(time.RFC3339), r.Username, what, r.Resource, r.Outcome, told(r.Reason), told(r.JTI)})
		}
		return s.out.print(found, t)
	})
}

func newAuditExplainCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "explain JTI", Short: "Say why a token says what it says",
		Long: `Say why a token says what it says: what was recorded when it was issued, and the same question once more, to the policy that
was in force then, about who asked as they are now. JTI is the token's id, its claim "jti"; 'sealock audit list' has it, too.
What the credential of then left out, such as a personal access token's scope, is not asked again.`,
		Args:    usageArgs(cobra.ExactArgs(1)),
		Example: `  sealock audit explain 019439d5c4e07a3cbb1e7f0d2c4b6a80`,
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		if strings.Contains(args[0], ".") { // it must not get into a URL
			return usagef("this looks like a token: give its id, the claim jti, which sealock audit list shows")
		}
		d, err := decode[client.Decision](s.api.GetDecisionWithResponse(ctx, args[0]))
		if err != nil {
			return err
		}
		if s.out.json {
			return s.out.encode(d)
		}
		return printDecision(s.out, d)
	})
}

func printDecision(out printer, d client.Decision) error {
	who := d.Username
	if who == "" {
		who = "nobody who is signed in"
	}
	fields := table{head: []string{"TOKEN", d.JTI}, rows: [][]string{
		{"TIME", d.OpTime.UTC().Format(time.RFC3339)},
		{"FOR", who},
		{"BY", d.Method},
		{"FROM", d.Remote},
		{"ASKED FOR", d.Scope},
		{"OUTCOME", d.Outcome},
		{"BECAUSE", d.Reason},
	}}
	if d.PolicyRevision != nil {
		fields.rows = append(fields.rows, []string{"POLICY", "revision " + strconv.FormatInt(*d.PolicyRevision, 10)})
	}
	if err := out.print(nil, fields); err != nil {
		return err
	}
	if d.Replay == nil {
		return out.paragraph("It can't be replayed: %s.", told(d.NoReplay))
	}
	verdict := "That policy gives the same answer about who asks as they are now."
	if !d.Replay.Same {
		verdict = "That policy gives another answer about who asks as they are now: " + d.Replay.Reason + "."
	}
	if err := out.paragraph("%s", verdict); err != nil {
		return err
	}
	for _, a := range d.Replay.Actions {
		if err := out.paragraph("%s %s", a.Action, a.Name); err != nil {
			return err
		}
		if err := printExplanation(out, a.Explanation); err != nil {
			return err
		}
	}
	return nil
}

// paragraph prints a line for people, apart from what stands before it.
func (p printer) paragraph(format string, args ...any) error {
	_, err := fmt.Fprintf(p.w, "\n%s\n", printable(fmt.Sprintf(format, args...)))
	return err
}
