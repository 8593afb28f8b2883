package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/api/client"
	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/settings"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/sqlstore"
)

func newLockoutCommand(env *environment) *cobra.Command {
	return groupCommand("lockout", "List and lift lockouts after failed logins", `  sealock lockout list
  sealock lockout lift --user alice
  sealock lockout lift --address 192.0.2.7`,
		newLockoutListCommand(env), newLockoutLiftCommand(env))
}

func newLockoutListCommand(env *environment) *cobra.Command {
	var of lockoutOf
	cmd := &cobra.Command{
		Use: "list", Short: "List the accounts and addresses that are locked",
		Long: `List the accounts and addresses that are locked after failed logins. An account with an address is locked there, where
it is known; one without is locked everywhere else.`,
		Args: usageArgs(cobra.NoArgs),
		Example: `  sealock lockout list
  sealock lockout list --user alice --output json`,
	}
	of.addFlags(cmd)
	return clientCommand(env, cmd, func(ctx context.Context, s *session, _ []string) error {
		found, err := s.lockouts(ctx, of)
		if err != nil {
			return err
		}
		return s.out.print(found, lockoutTable(found))
	})
}

// lockoutOf says whose lockouts are meant.
type lockoutOf struct{ user, address string }

func (o *lockoutOf) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.user, "user", "", "of this account")
	cmd.Flags().StringVar(&o.address, "address", "", "of this address")
}

func (o *lockoutOf) String() string {
	switch {
	case o.user == "":
		return o.address
	case o.address == "":
		return o.user
	}
	return o.user + " at " + o.address
}

func newLockoutLiftCommand(env *environment) *cobra.Command {
	var of lockoutOf
	var offline bool
	var flags settingsFlags
	cmd := &cobra.Command{
		Use: "lift", Short: "Lift a lockout",
		Long: `Lift the lockouts of an account, wherever it is locked, or of an address, or of the account at the address alone. The failed
logins are forgotten.

With --offline it is done in the database that the settings name, without a login: for the operator of the server, when
all administrators are locked out. The server may run meanwhile.`,
		Args: usageArgs(cobra.NoArgs),
		Example: `  sealock lockout lift --user alice
  sealock lockout lift --address 192.0.2.7
  sealock lockout lift --offline --config sealock.yaml --user admin`,
	}
	of.addFlags(cmd)
	cmd.Flags().BoolVar(&offline, "offline", false, "in the database, without a login")
	addSettingsFlags(cmd, &flags, "data_dir")
	cmd = clientCommand(env, cmd, func(ctx context.Context, s *session, _ []string) error { return s.lift(ctx, of) })
	online := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if of == (lockoutOf{}) {
			return usagef("give --user NAME or --address ADDRESS: see sealock lockout lift --help")
		}
		if !offline {
			return online(cmd, args)
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
		return liftOffline(cmd.Context(), cfg, of, out)
	}
	return cmd
}

func (s *session) lockouts(ctx context.Context, of lockoutOf) ([]client.Lockout, error) {
	return pages[client.Lockout](func(page int64) (answer, error) {
		return s.api.ListLockoutsWithResponse(ctx, &client.ListLockoutsParams{
			Username: optional(of.user), Address: optional(of.address), Page: &page, PageSize: pointer(largePage),
		})
	})
}

func (s *session) lift(ctx context.Context, of lockoutOf) error {
	found, err := s.lockouts(ctx, of)
	if err != nil {
		return err
	}
	for _, l := range found {
		if err := done(s.api.LiftLockoutWithResponse(ctx, l.ID)); err != nil {
			return err
		}
	}
	return sayLifted(s.out, of, len(found))
}

// lifted is what 'sealock lockout lift --output json' prints.
type lifted struct {
	Lifted int `json:"lifted"`
}

func sayLifted(out printer, of lockoutOf, n int) error {
	if n == 0 {
		return out.say(lifted{}, "%s is not locked", &of)
	}
	return out.say(lifted{n}, "lifted %d of %s", n, &of)
}

// liftOffline does what the API does, for somebody who has the database in hand. It is on record as such.
func liftOffline(ctx context.Context, cfg settings.Config, of lockoutOf, out printer) (err error) {
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
	defer func() {
		if closeErr := st.Close(); err == nil {
			err = closeErr
		}
	}()
	f := store.Filter{Subject: auth.NewLockKey(auth.LockAccount, store.LoginKey(of.user), "").Account}
	if of.address != "" {
		if f.Exact = auth.LockedAddress(of.address); f.Exact == "" {
			return usagef("%q is no address", of.address)
		}
	}
	n := 0
	for l, err := range st.ListLockouts(ctx, time.Now(), f) {
		if err != nil {
			return err
		}
		record := audit.Record{
			Time: time.Now(), Method: "offline", Operation: "lockout.delete", Outcome: audit.Allowed, Reason: "done by the operator in the database",
			Resource: fmt.Sprintf("lockout:%s:%s %s", l.Kind, l.Account, l.Address),
		}
		if err := st.AppendAudit(ctx, []audit.Record{record}); err != nil {
			return err
		}
		if err := st.DeleteLockout(ctx, l.ID); err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
		n++
	}
	return sayLifted(out, of, n)
}

func lockoutTable(found []client.Lockout) table {
	t := table{head: []string{"KIND", "ACCOUNT", "ADDRESS", "FAILURES", "LAST", "LOCKED UNTIL"}}
	for _, l := range found {
		t.rows = append(t.rows, []string{
			l.Kind, told(l.Username), told(l.Address), fmt.Sprint(l.Failures), l.LastTime.UTC().Format(time.RFC3339), l.LockedUntil.UTC().Format(time.RFC3339),
		})
	}
	return t
}

// told returns an optional text of the API.
func told(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
