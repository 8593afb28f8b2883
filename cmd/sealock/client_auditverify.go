package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/api/client"
	"github.com/sealock/sealock/cmd/internal/remote"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/settings"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/sqlstore"
)

func newAuditVerifyCommand(env *environment) *cobra.Command {
	var offline bool
	var against string
	var flags settingsFlags
	cmd := &cobra.Command{
		Use: "verify", Short: "See whether a record of the audit trail was changed or removed",
		Long: `Follows the chains of the audit trail: each record holds a hash over itself and the record before it, made with a key of the
server. Ends with 1 when a record was changed or removed, or put in by somebody else, and says where first.

The report of --output json has the ends of all chains. Keep it elsewhere: with --against it proves later that nothing up to
them has changed, also to somebody who does not trust the server.

With --offline it is done in the database that the settings name, with the key in data_dir, and without a login.`,
		Args: usageArgs(cobra.NoArgs),
		Example: `  sealock audit verify
  sealock audit verify --output json >ends.json
  sealock audit verify --against ends.json
  sealock audit verify --offline --config sealock.yaml`,
	}
	cmd.Flags().StringVar(&against, "against", "", "an earlier report, to which the trail is held besides")
	return withOffline(env, cmd, &offline, &flags,
		func(ctx context.Context, s *session, _ []string) error {
			marks, err := readMarks(against)
			if err != nil {
				return err
			}
			report, err := s.verifyAudit(ctx, env, marks)
			if err != nil {
				return err
			}
			return tellReport(s.out, report)
		},
		func(ctx context.Context, st *sqlstore.Store, out printer) error {
			marks, err := readMarks(against)
			if err != nil {
				return err
			}
			total, err := st.CountAudit(ctx, store.Filter{})
			if err != nil {
				return err
			}
			bar := newProgress(env)
			report, err := st.Verify(ctx, marks, func(n int64) { bar.show("audit records", int(n), max(total, int(n)+1)) })
			bar.done()
			if err != nil {
				return err
			}
			return tellReport(out, report)
		})
}

// withOffline makes a client command that can also do its work in the database.
func withOffline(
	env *environment, cmd *cobra.Command, offline *bool, flags *settingsFlags,
	online func(ctx context.Context, s *session, args []string) error,
	inDatabase func(ctx context.Context, st *sqlstore.Store, out printer) error,
) *cobra.Command {
	cmd.Flags().BoolVar(offline, "offline", false, "in the database, without a login")
	addSettingsFlags(cmd, flags, "data_dir")
	cmd = clientCommand(env, cmd, online)
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !*offline {
			return run(cmd, args)
		}
		cfg, err := flags.load(cmd, env)
		if err != nil {
			return err
		}
		output, _ := cmd.Flags().GetString("output")
		out, err := newPrinter(env.Stdout, output)
		if err != nil {
			return err
		}
		return onDatabase(cmd.Context(), cfg, func(st *sqlstore.Store) error { return inDatabase(cmd.Context(), st, out) })
	}
	return cmd
}

// onDatabase opens the database of the settings, which must be there, and the key in the data folder.
func onDatabase(ctx context.Context, cfg settings.Config, do func(*sqlstore.Store) error) (err error) {
	where := databaseOf(cfg)
	if _, statErr := os.Stat(where.Path); where.URL.Empty() && os.IsNotExist(statErr) {
		return errs.New(errs.NotFound, "there is no database %q", where.Path).WithHint("name the folder that holds sealock.db with --data-dir")
	}
	box, err := dataDir(cfg.DataDir).box()
	if err != nil {
		return err
	}
	st, err := sqlstore.OpenDatabase(ctx, where, sqlstore.Options{AuditKeys: auditKeys(box)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	return do(st)
}

// readMarks reads the ends of chains of an earlier report.
func readMarks(name string) ([]audit.Mark, error) {
	if name == "" {
		return nil, nil
	}
	text, err := os.ReadFile(name) //nolint:gosec // the user chose the file
	if err != nil {
		return nil, errs.New(errs.Invalid, "can't read %q", name).WithHint("give a file that sealock audit verify --output json has written").Because(err)
	}
	var report audit.Report
	if err := json.Unmarshal(text, &report); err != nil || report.Heads == nil {
		return nil, errs.New(errs.Invalid, "%q is no report", name).WithHint("give a file that sealock audit verify --output json has written").Because(err)
	}
	return report.Heads, nil
}

// verifyAudit lets the server verify and shows how far it is.
func (s *session) verifyAudit(ctx context.Context, env *environment, marks []audit.Mark) (report audit.Report, err error) {
	body := client.AuditVerificationReq{}
	for _, m := range marks {
		body.Marks = append(body.Marks, client.AuditMark{Chain: m.Chain, Seq: m.Seq, Hash: m.Hash})
	}
	bar := newProgress(env)
	defer bar.done()
	err = answeredLines(s.stream.VerifyAuditLogs(ctx, body))(func(_ *http.Response, line []byte) error { //nolint:bodyclose // answeredLines closes it
		var far struct {
			Checked int `json:"checked"`
			Of      int `json:"of"`
		}
		if err := json.Unmarshal(line, &far); err != nil {
			return err
		}
		if far.Checked > 0 {
			bar.show("audit records", far.Checked, max(far.Of, far.Checked+1))
			return nil
		}
		return json.Unmarshal(line, &report)
	})
	if err == nil && report.Heads == nil {
		err = errs.New(errs.Unavailable, "the answer broke off before the report came").WithHint("try again")
	}
	return report, err
}

// maxLine is how long a line of an answer may be: a record of 9 fields of 16 KB, escaped.
const maxLine = 4 << 20

// answeredLines reads an answer of JSON lines.
func answeredLines(answer *http.Response, err error) func(each func(answer *http.Response, line []byte) error) error {
	return func(each func(*http.Response, []byte) error) error {
		if err != nil {
			return err
		}
		defer func() { _ = answer.Body.Close() }() // it was only read
		if answer.StatusCode != http.StatusOK {
			text, err := io.ReadAll(io.LimitReader(answer.Body, maxLine))
			if err != nil {
				return err
			}
			_, err = remote.Understand[struct{}](answer.StatusCode, text)
			return err
		}
		lines := bufio.NewScanner(answer.Body)
		lines.Buffer(nil, maxLine)
		for lines.Scan() {
			var broken struct {
				Error string `json:"error"`
			}
			if bytes.HasPrefix(lines.Bytes(), []byte(`{"error":`)) && json.Unmarshal(lines.Bytes(), &broken) == nil {
				return errs.New(errs.Unavailable, "the answer broke off: %s", broken.Error).WithHint("try again")
			}
			if err := each(answer, lines.Bytes()); err != nil {
				return err
			}
		}
		return lines.Err()
	}
}

// tellReport prints the report. A trail that is not whole is an error.
func tellReport(out printer, report audit.Report) error {
	if out.json {
		if err := out.encode(report); err != nil {
			return err
		}
	} else {
		for _, f := range report.Faults {
			if err := out.say(nil, "%s: %s", place(f), f.What); err != nil {
				return err
			}
		}
	}
	if len(report.Faults) > 0 {
		return errs.New(errs.Precondition, "the audit trail is not as it was written, first at %s: %s", place(report.Faults[0]), report.Faults[0].What).
			WithHint("compare with a backup, an export or the syslog server's copy")
	}
	if out.json {
		return nil
	}
	text := fmt.Sprintf("the audit trail is whole: %d records in %d chains", report.Records-report.Unchained, len(report.Heads))
	if report.Unchained > 0 {
		text += fmt.Sprintf(", and %d from before there were chains", report.Unchained)
	}
	return out.say(nil, "%s", text)
}

// place says where a fault is.
func place(f audit.Fault) string {
	switch {
	case f.ID != 0:
		return "record " + strconv.FormatInt(f.ID, 10)
	case f.Seq != 0:
		return fmt.Sprintf("record %d of chain %d", f.Seq, f.Chain)
	case f.Chain != 0:
		return fmt.Sprintf("chain %d", f.Chain)
	}
	return "the whole"
}

func newAuditExportCommand(env *environment) *cobra.Command {
	var offline bool
	var since, until string
	var after int64
	var flags settingsFlags
	cmd := &cobra.Command{
		Use: "export", Short: "Write the audit trail as JSON lines, the oldest record first",
		Long: `Writes the audit trail as JSON lines, the oldest record first, to the standard output. What is interrupted goes on with --after
and the id of the last line.

With --offline it is read from the database that the settings name, without a login.`,
		Args: usageArgs(cobra.NoArgs),
		Example: `  sealock audit export >trail.jsonl
  sealock audit export --since 2026-01-01 --until 2026-01-31 | gzip >january.jsonl.gz
  sealock audit export --after 4711 >>trail.jsonl
  sealock audit export --offline --config sealock.yaml >trail.jsonl`,
	}
	cmd.Flags().StringVar(&since, "since", "", "records of this time or later, such as 2026-01-02 or 2026-01-02T03:04:05Z")
	cmd.Flags().StringVar(&until, "until", "", "records of this time or earlier; a day is taken in as a whole")
	cmd.Flags().Int64Var(&after, "after", 0, "records behind the one with this id")
	window := func() (f store.Filter, err error) {
		f = store.Filter{Sort: "id", After: after}
		if after < 0 {
			return f, usagef("--after can't be %d", after)
		}
		if f.Audit.Since, err = flagTime("since", since, false); err != nil {
			return f, err
		}
		f.Audit.Until, err = flagTime("until", until, true)
		return f, err
	}
	return withOffline(env, cmd, &offline, &flags,
		func(ctx context.Context, s *session, _ []string) error {
			f, err := window()
			if err != nil {
				return err
			}
			return s.exportAudit(ctx, env, f)
		},
		func(ctx context.Context, st *sqlstore.Store, _ printer) error {
			f, err := window()
			if err != nil {
				return err
			}
			return exportOffline(ctx, env, st, f)
		})
}

// flagTime reads a time or a day; without a zone it is UTC.
func flagTime(flag, text string, end bool) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return t, usagef("--%s %q is no time: write it like 2026-01-02 or 2026-01-02T03:04:05Z", flag, text)
	}
	if end {
		t = t.Add(24*time.Hour - time.Microsecond)
	}
	return t, nil
}

func (s *session) exportAudit(ctx context.Context, env *environment, f store.Filter) error {
	params := client.ExportAuditLogsParams{}
	if !f.Audit.Since.IsZero() {
		params.Since = &f.Audit.Since
	}
	if !f.Audit.Until.IsZero() {
		params.Until = &f.Audit.Until
	}
	if f.After > 0 {
		params.After = &f.After
	}
	out, bar, n := bufio.NewWriter(env.Stdout), newProgress(env), 0
	defer bar.done()
	err := answeredLines(s.stream.ExportAuditLogs(ctx, &params))(func(answer *http.Response, line []byte) error { //nolint:bodyclose // answeredLines closes it
		n++
		total, _ := strconv.Atoi(answer.Header.Get("X-Total-Count")) // of an older server 0
		bar.show("audit records", n, max(total, n+1))
		_, _ = out.Write(line) // the writer remembers
		return out.WriteByte('\n')
	})
	return errors.Join(err, out.Flush())
}

func exportOffline(ctx context.Context, env *environment, st *sqlstore.Store, f store.Filter) error {
	total, err := st.CountAudit(ctx, store.Filter{})
	if err != nil {
		return err
	}
	out, bar, n := bufio.NewWriter(env.Stdout), newProgress(env), 0
	defer bar.done()
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	for r, err := range st.ListAudit(ctx, f) {
		if err == nil {
			err = lines.Encode(r.Export())
		}
		if err != nil {
			return errors.Join(err, out.Flush())
		}
		n++
		bar.show("audit records", n, max(total, n+1))
	}
	return out.Flush()
}
