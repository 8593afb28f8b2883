package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/api/client"
)

func newPolicyCommand(env *environment) *cobra.Command {
	return groupCommand("policy", "Show, try, explain and change the policy", `  sealock policy show
  sealock policy check policy.csv
  sealock policy explain alice push team/app:v1`,
		newPolicyShowCommand(env), newPolicyInitCommand(env), newPolicyCheckCommand(env), newPolicyTestCommand(env), newPolicyDiffCommand(env),
		newPolicyExplainCommand(env), newPolicyReloadCommand(env), newPolicyApplyCommand(env), newPolicyHistoryCommand(env), newPolicyRollbackCommand(env))
}

func newPolicyShowCommand(env *environment) *cobra.Command {
	var model bool
	cmd := &cobra.Command{
		Use: "show", Short: "Print the policy in force",
		Long: "Print the policy in force as it stands in its file, or with --model the casbin model.",
		Args: usageArgs(cobra.NoArgs),
		Example: `  sealock policy show > policy.csv
  sealock policy show --model`,
	}
	cmd.Flags().BoolVar(&model, "model", false, "print the model instead")
	return clientCommand(env, cmd, func(ctx context.Context, s *session, _ []string) error {
		p, err := decode[client.Policy](s.api.GetPolicyWithResponse(ctx))
		if err != nil {
			return err
		}
		if s.out.json {
			return s.out.encode(p)
		}
		if p.Status.Error != nil {
			_, _ = fmt.Fprintf(env.Stderr, "sealock: warning: the file was changed but is not in force: %s\n", printable(*p.Status.Error))
		}
		text := p.Policy
		if model {
			text = p.Model
		}
		// As it is, for the file that it may be piped into.
		if _, err := io.WriteString(env.Stdout, text); err != nil {
			return fmt.Errorf("writing the policy: %w", err)
		}
		return nil
	})
}

func newPolicyReloadCommand(env *environment) *cobra.Command {
	var dry bool
	cmd := &cobra.Command{
		Use: "reload", Short: "Read the policy files again",
		Long: "Make the server read its policy files again. A file with a fault is refused, and the policy in force stays. With --dry-run the server only says what it would find.",
		Example: `  sealock policy reload --dry-run
  sealock policy reload`,
		Args: usageArgs(cobra.NoArgs),
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only say what would be found")
	return clientCommand(env, cmd, func(ctx context.Context, s *session, _ []string) error {
		status, err := decode[client.PolicyStatus](s.api.ReloadPolicyWithResponse(ctx, &client.ReloadPolicyParams{DryRun: optional(dry)}))
		if err != nil {
			return err
		}
		if dry {
			return s.out.say(status, "a reload would bring %d rules into force", status.Rules)
		}
		return s.out.say(status, "reloaded: %d rules are in force", status.Rules)
	})
}

// policyCheck is what policy check was asked to do.
type policyCheck struct {
	server, output, model string
}

// newPolicyCheckCommand makes the one command of the client that can do without a server.
func newPolicyCheckCommand(env *environment) *cobra.Command {
	var o policyCheck
	cmd := &cobra.Command{
		Use: "check [FILE]", Short: "Look for faults in a policy",
		Long: `Look for faults in a policy file, without putting it in force: syntax, roles that there are not, rules that say nothing.

No server is needed. One that is named with --server looks, too, for patterns and groups that match nothing there is. Without
a file, the policy in force on the server is checked. The exit code is 1 when there is an error.`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
		Example: `  sealock policy check policy.csv
  sealock policy check policy.csv --model model.conf --output json
  sealock policy check policy.csv --server https://registry.example.com
  sealock policy check`,
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), env, args) },
	}
	cmd.Flags().StringVar(&o.model, "model", "", "the file with the casbin model (default: the one that is built in)")
	addServerFlag(cmd, &o.server)
	addOutputFlag(cmd, &o.output)
	return cmd
}

func (o policyCheck) run(ctx context.Context, env *environment, args []string) error {
	out, err := newPrinter(env.Stdout, o.output)
	if err != nil {
		return err
	}
	if len(args) == 0 && o.model != "" {
		return usagef("--model needs a policy file beside it: name one")
	}
	findings, err := o.findings(ctx, env, args)
	if err != nil {
		return err
	}
	return reportFindings(out, findings)
}

func (o policyCheck) findings(ctx context.Context, env *environment, args []string) ([]policyFinding, error) {
	if len(args) == 0 {
		return o.online(ctx, env, nil)
	}
	text, err := o.read(args[0])
	if err != nil {
		return nil, err
	}
	if o.server != "" {
		return o.online(ctx, env, &text)
	}
	if env.CheckPolicy == nil {
		return nil, errors.New("this program can't check policy files: name a server to ask it")
	}
	model := ""
	if text.Model != nil {
		model = *text.Model
	}
	return env.CheckPolicy(ctx, model, text.Policy)
}

// read reads a policy file, and the model if one is named.
func (o policyCheck) read(file string) (client.PolicyText, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the user's own choice of file
	if err != nil {
		return client.PolicyText{}, fmt.Errorf("reading the policy: %w", err)
	}
	if o.model == "" {
		return client.PolicyText{Policy: string(text)}, nil
	}
	model, err := os.ReadFile(o.model)
	if err != nil {
		return client.PolicyText{}, fmt.Errorf("reading the model: %w", err)
	}
	return client.PolicyText{Policy: string(text), Model: optional(string(model))}, nil
}

// online has the server check a policy, or the one that is in force.
func (o policyCheck) online(ctx context.Context, env *environment, text *client.PolicyText) ([]policyFinding, error) {
	s, err := signIn(ctx, env, o.server)
	if err != nil {
		return nil, err
	}
	if text == nil {
		p, err := decode[client.Policy](s.api.GetPolicyWithResponse(ctx))
		if err != nil {
			return nil, err
		}
		text = &client.PolicyText{Model: &p.Model, Policy: p.Policy}
	}
	found, err := decode[client.PolicyFindings](s.api.CheckPolicyWithResponse(ctx, *text))
	if err != nil {
		return nil, err
	}
	findings := make([]policyFinding, len(found.Findings))
	for i, f := range found.Findings {
		findings[i] = policyFinding{Severity: f.Severity, File: f.File, Line: f.Line, Message: f.Message}
		if f.Hint != nil {
			findings[i].Hint = *f.Hint
		}
	}
	return findings, nil
}

// reportFindings prints what was found; errors among them are the command's error.
func reportFindings(out printer, findings []policyFinding) error {
	if len(findings) == 0 {
		return out.say([]policyFinding{}, "no faults found")
	}
	faults := 0
	t := table{head: []string{"SEVERITY", "WHERE", "WHAT", "WHAT TO DO"}}
	for _, f := range findings {
		where := f.File
		if f.Line > 0 {
			where += ":" + strconv.Itoa(f.Line)
		}
		t.rows = append(t.rows, []string{f.Severity, where, f.Message, f.Hint})
		if f.Severity == "error" {
			faults++
		}
	}
	if err := out.print(findings, t); err != nil {
		return err
	}
	if faults > 0 {
		return fmt.Errorf("the policy has %d errors: correct them before it is put in force", faults)
	}
	return nil
}
