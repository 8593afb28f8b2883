package sqlstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/pressly/goose/v3"
	bundialect "github.com/uptrace/bun/dialect"
	"github.com/uptrace/bun/dialect/mysqldialect"
	"github.com/uptrace/bun/schema"

	"github.com/sealock/sealock/internal/errs"
)

//go:embed migrations/mysql/*.sql
var mysqlMigrations embed.FS

// mysqlModes is the sql_mode of every connection: values are written into the queries with backslashes, and a value
// that does not fit is an error instead of being cut.
const mysqlModes = "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO'"

// lowerOf is how a column is written in lower case. MySQL does not do so with bytes, which most columns are there.
func lowerOf(name bundialect.Name) string {
	if name == bundialect.MySQL {
		return "LOWER(CONVERT(%s USING utf8mb4)) COLLATE utf8mb4_bin"
	}
	return "LOWER(%s)"
}

func mysqlDialect() dialect {
	migrations, err := fs.Sub(mysqlMigrations, "migrations/mysql")
	if err != nil {
		panic(err) // the path is a constant
	}
	return dialect{
		name:         "MySQL",
		bun:          func() schema.Dialect { return mysqldialect.New() },
		goose:        goose.DialectMySQL,
		migrations:   migrations,
		rowLocks:     true,
		duplicateKey: true,
		isolation:    sql.LevelReadCommitted, // what is read is as new as what is locked
		rebind:       func(query string) string { return query },
		fault:        mysqlFault,
		hasTable:     "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?",
		lock:         lockMySQL,
		startAfter: func(ctx context.Context, db *sql.DB, table, _ string, id int64) error {
			_, err := db.ExecContext(ctx, fmt.Sprintf("ALTER TABLE %s AUTO_INCREMENT = %d", table, id+1))
			return err
		},
	}
}

// openMySQL makes connections to the database that the URL names.
func openMySQL(ctx context.Context, t target) (pools, error) {
	cfg, err := mysqlConfig(t)
	if err != nil {
		return pools{}, err
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return pools{}, errs.New(errs.Invalid, "the URL of the database is none that MySQL knows").WithHint(mysqlForm).Because(err)
	}
	p := shared(sql.OpenDB(connector))
	if err := p.write.PingContext(ctx); err != nil {
		return pools{}, errors.Join(err, p.close())
	}
	return p, nil
}

const mysqlForm = "write it like mysql://user:password@host:3306/database?tls=true; after the ? may stand tls (true, preferred, skip-verify, false), ca_file and socket"

func mysqlConfig(t target) (*mysql.Config, error) {
	u, err := url.Parse(t.url.Reveal())
	if err != nil { // the cause quotes the URL
		return nil, errs.New(errs.Invalid, "the URL of the database can't be read").WithHint(mysqlForm)
	}
	cfg := mysql.NewConfig()
	cfg.User, cfg.DBName = u.User.Username(), strings.TrimPrefix(u.Path, "/")
	cfg.Passwd, _ = u.User.Password()
	cfg.Net, cfg.Addr = "tcp", t.address
	cfg.Timeout = connectTimeout
	cfg.Collation = "utf8mb4_bin"
	cfg.ClientFoundRows = true // as the others count: rows that match, changed or not
	cfg.Params = map[string]string{"sql_mode": mysqlModes}
	cfg.Logger = &mysql.NopLogger{} // what goes wrong is returned, too
	cfg.TLSConfig = "preferred"
	for name, values := range u.Query() {
		value := values[len(values)-1]
		switch name {
		case "tls":
			cfg.TLSConfig = value
		case "ca_file":
			if cfg.TLS, err = trusting(value, u.Hostname()); err != nil {
				return nil, err
			}
		case "socket":
			cfg.Net, cfg.Addr = "unix", value
		default:
			return nil, errs.New(errs.Invalid, "the URL of the database has an unknown parameter %q", name).WithHint(mysqlForm)
		}
	}
	return cfg, nil
}

// trusting verifies the server against the certificates in a file.
func trusting(file, host string) (*tls.Config, error) {
	pem, err := os.ReadFile(file) //nolint:gosec // the operator chose the file
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(pem) {
		return nil, errs.New(errs.Invalid, "the ca_file %q of the database's URL holds no certificate", file).
			WithHint("name a file in PEM form that this user can read").Because(err)
	}
	return &tls.Config{RootCAs: pool, ServerName: host, MinVersion: tls.VersionTLS12}, nil
}

// mysqlLockWait is how long one process waits for another one's migration, in seconds.
const mysqlLockWait = 600

// lockMySQL waits for the lock, which is one of the whole server and therefore bears the database's name. It ends with
// the connection, too.
func lockMySQL(ctx context.Context, conn *sql.Conn) (unlock func(), err error) {
	const name = "CONCAT('sealock ', MD5(DATABASE()))"
	var got sql.NullInt64
	if err := conn.QueryRowContext(ctx, "SELECT GET_LOCK("+name+", ?)", mysqlLockWait).Scan(&got); err != nil {
		return nil, fmt.Errorf("waiting for another process that migrates: %w", err)
	}
	if got.Int64 != 1 {
		return nil, errs.New(errs.Unavailable, "another process has been migrating the database for ten minutes").
			WithHint("wait for it, or see with SHOW PROCESSLIST what holds it up")
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_, _ = conn.ExecContext(ctx, "DO RELEASE_LOCK("+name+")") // a broken connection has none
	}, nil
}

// mysqlFault reads the server's error numbers.
func mysqlFault(err error) fault {
	e, ok := errors.AsType[*mysql.MySQLError](err)
	if !ok {
		if errors.Is(err, mysql.ErrInvalidConn) {
			return faultUnavailable
		}
		return networkFault(err)
	}
	switch e.Number {
	case 1062:
		return faultDuplicate
	case 1216, 1452:
		return faultReference
	case 1205, 1213, 1020: // 1020: MariaDB, the row was changed since it was read
		return faultLost
	case 1045, 1698, 1251, 1524:
		return faultLogin
	case 1049:
		return faultNoDatabase
	case 1044, 1142, 1227:
		return faultForbidden
	case 1040, 1203, 1226:
		return faultCrowded
	case 126, 127, 1034, 1194, 1712:
		return faultDamaged
	case 1021, 1053, 1114, 1290, 1317, 1792, 1836, 1927, 3024:
		return faultUnavailable
	}
	return faultOther
}
