package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/internal/transport"
	"github.com/sealock/sealock/settings"
	"github.com/sealock/sealock/store/sqlstore"
)

// databaseOf says where the settings put the database.
func databaseOf(cfg settings.Config) sqlstore.Database {
	return sqlstore.Database{URL: cfg.Store.URL, Path: dataDir(cfg.DataDir).database()}
}

func newDBCommand(env *environment) *cobra.Command {
	return groupCommand("db", "Look after the database", `  sealock db status
  SEALOCK_STORE_URL_FILE=/run/secrets/store sealock db migrate
  sealock db copy --to postgres://sealock:secret@db.example.com/sealock`,
		newDBStatusCommand(env), newDBMigrateCommand(env), newDBCopyCommand(env))
}

func newDBStatusCommand(env *environment) *cobra.Command {
	var flags settingsFlags
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say where the database is and whether its tables are up to date",
		Long: `Says which database the settings name (store.url, or the SQLite file in data_dir) and which version its tables have.
Nothing is changed. The state is one of: empty (the first start makes the tables), behind (the next start or
'sealock db migrate' brings them up to date), current, newer (this sealock is too old for it).`,
		Example: `  sealock db status
  sealock db status --config sealock.yaml --output json`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := newPrinter(env.Stdout, output)
			if err != nil {
				return err
			}
			cfg, err := flags.load(cmd, env)
			if err != nil {
				return err
			}
			return dbStatus(cmd.Context(), p, databaseOf(cfg))
		},
	}
	addSettingsFlags(cmd, &flags, "data_dir")
	cmd.Flags().StringVarP(&output, "output", "o", outputTable, "table or json")
	return cmd
}

// dbState is what 'sealock db status --output json' prints.
type dbState struct {
	Database string `json:"database"`
	State    string `json:"state"`
	Version  int64  `json:"version"`
	Newest   int64  `json:"newest"`
}

func dbStatus(ctx context.Context, p printer, where sqlstore.Database) error {
	s, err := sqlstore.Status(ctx, where)
	if err != nil {
		return err
	}
	state := dbState{Database: where.String(), State: s.State(), Version: s.Version, Newest: s.Newest}
	return p.print(state, table{
		head: []string{"DATABASE", "STATE", "VERSION", "NEWEST"},
		rows: [][]string{{state.Database, state.State, fmt.Sprint(state.Version), fmt.Sprint(state.Newest)}},
	})
}

func newDBMigrateCommand(env *environment) *cobra.Command {
	var flags settingsFlags
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the tables of the database up to date without starting the server",
		Long: `Does what each start of the server does first: brings the tables up to date. Several may do so at once, they wait for
each other. What is interrupted can be run again.`,
		Example: `  sealock db migrate
  sealock db migrate --config sealock.yaml`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := flags.load(cmd, env)
			if err != nil {
				return err
			}
			return dbMigrate(cmd.Context(), env, cfg)
		},
	}
	addSettingsFlags(cmd, &flags, "data_dir")
	return cmd
}

func dbMigrate(ctx context.Context, env *environment, cfg settings.Config) error {
	if cfg.Store.URL.Empty() {
		if err := dataDir(cfg.DataDir).prepare(); err != nil {
			return err
		}
	}
	where := databaseOf(cfg)
	before, after, err := sqlstore.Migrate(ctx, where)
	if err != nil {
		return err
	}
	p := printer{w: env.Stdout}
	if before.Version == after.Version {
		return p.say(nil, "%s is up to date (version %d)", where, after.Version)
	}
	return p.say(nil, "%s is brought from version %d to %d", where, before.Version, after.Version)
}

func newDBCopyCommand(env *environment) *cobra.Command {
	var flags settingsFlags
	var to, toFile string
	cmd := &cobra.Command{ //nolint:gosec // the passwords are examples
		Use:   "copy",
		Short: "Copy the SQLite database to an empty one on a PostgreSQL or MySQL server",
		Long: `Copies all that the SQLite database in data_dir holds, with its ids, to an empty PostgreSQL, MySQL or MariaDB database,
and counts it there. Either everything is copied or nothing. Stop the server first: what it writes later stays behind.
Then set store.url to the same URL and start it again. The SQLite file is left as it is.`,
		Example: `  sealock db copy --to postgres://sealock:secret@db.example.com/sealock
  sealock db copy --data-dir /var/lib/sealock --to mysql://sealock:secret@db.example.com/sealock
  sealock db copy --to-file /run/secrets/store   # the URL stays out of the list of processes`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := flags.load(cmd, env)
			if err != nil {
				return err
			}
			target, err := copyTarget(to, toFile)
			if err != nil {
				return err
			}
			return dbCopy(cmd.Context(), env, dataDir(cfg.DataDir), target)
		},
	}
	addSettingsFlags(cmd, &flags, "data_dir")
	cmd.Flags().StringVar(&to, "to", "", "URL of the empty database, such as postgres://user:password@host/database")
	cmd.Flags().StringVar(&toFile, "to-file", "", "file that holds that URL")
	return cmd
}

// copyTarget reads the URL as the setting would be read.
func copyTarget(to, file string) (secret.Text, error) {
	given := map[string]string{}
	switch {
	case (to == "") == (file == ""):
		return secret.Text{}, usagef("give either --to URL or --to-file FILE: see sealock db copy --help")
	case to != "":
		given["store.url"] = to
	default:
		given["store.url_file"] = file
	}
	cfg, err := settings.Load(settings.Sources{Flags: given})
	return cfg.Store.URL, err
}

// dbCopy refuses while a server runs on the folder: what it writes after the copy would be lost.
func dbCopy(ctx context.Context, env *environment, dir dataDir, to secret.Text) error {
	from := dir.database()
	if _, err := os.Stat(from); os.IsNotExist(err) {
		return errs.New(errs.NotFound, "there is no database %q", from).WithHint("name the folder that holds sealock.db with --data-dir")
	}
	lock, err := dir.lock(&transport.Legacy{})
	if err != nil {
		return err
	}
	defer lock.Close()
	where := sqlstore.Database{URL: to}
	progress := newProgress(env)
	n, err := sqlstore.Copy(ctx, from, where, progress.show)
	progress.done()
	if err != nil {
		return err
	}
	return printer{w: env.Stdout}.say(nil, "%d records are copied to %s; set store.url and start the server", n, where)
}

// progress is a line that is written over and over, where there is a terminal to write it on.
type progress struct {
	env     *environment
	visible bool
	last    time.Time
}

func newProgress(env *environment) *progress {
	f, ok := env.Stderr.(*os.File)
	return &progress{env: env, visible: ok && term.IsTerminal(int(f.Fd()))}
}

func (p *progress) show(table string, n, of int) {
	if !p.visible || n < of && time.Since(p.last) < 100*time.Millisecond {
		return
	}
	p.last = time.Now()
	_, _ = fmt.Fprintf(p.env.Stderr, "\r\033[K%s: %d of %d", table, n, of) // comfort
}

func (p *progress) done() {
	if p.visible && !p.last.IsZero() {
		_, _ = fmt.Fprint(p.env.Stderr, "\r\033[K") // comfort
	}
}
