package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
)

// How a store uses a database server. A server takes 100 (PostgreSQL) or 151 connections (MySQL) unless it is told
// otherwise; several replicas must fit.
const (
	serverConns    = 16
	idleConns      = 8
	idleTime       = 5 * time.Minute
	connectTimeout = 10 * time.Second
)

// Database says where a database is: on the server that URL names, or, where that is empty, in the SQLite file at Path.
type Database struct {
	URL  secret.Text
	Path string
}

// String returns the kind and the place, without user and password.
func (d Database) String() string {
	if d.URL.Empty() {
		return fmt.Sprintf("SQLite %q", d.Path)
	}
	t, err := parseTarget(d.URL)
	if err != nil {
		return "a database whose URL can't be read"
	}
	return t.String()
}

// open connects to the database. What goes wrong is explained.
func (d Database) open(ctx context.Context) (pools, dialect, error) {
	if d.URL.Empty() {
		p, err := openSQLite(ctx, d.Path)
		return p, sqliteDialect(), err
	}
	t, err := parseTarget(d.URL)
	if err != nil {
		return pools{}, dialect{}, err
	}
	p, err := t.open(ctx, t)
	return p, t.dialect, d.explain(t.dialect, err)
}

// explain turns what went wrong while opening into what the operator can do about it.
func (d Database) explain(with dialect, err error) error {
	if _, ok := errors.AsType[*errs.Error](err); err == nil || ok || errors.Is(err, context.Canceled) {
		return err
	}
	if d.URL.Empty() {
		return explainSQLite(d.Path, err)
	}
	t, parseErr := parseTarget(d.URL)
	if parseErr != nil {
		return parseErr
	}
	return t.explain(with, err)
}

// target is a database on a server.
type target struct {
	url     secret.Text
	user    string
	address string // host:port, or a socket
	name    string // of the database
	dialect dialect
	open    func(ctx context.Context, t target) (pools, error)
}

// String names the database as it may be shown.
func (t target) String() string { return fmt.Sprintf("%s %s at %s", t.dialect.name, t.name, t.address) }

// parseTarget reads the URL of a database. The error quotes nothing of it: there is a password inside.
func parseTarget(text secret.Text) (target, error) {
	u, err := url.Parse(text.Reveal())
	if err != nil {
		return target{}, errs.New(errs.Invalid, "the URL of the database can't be read").
			WithHint("write it like postgres://user:password@host/database or mysql://user:password@host/database; a special character in the password is written as %%40 (@), %%2F (/), …")
	}
	t := target{url: text, user: u.User.Username(), name: strings.TrimPrefix(u.Path, "/")}
	port, socket := "", ""
	switch u.Scheme {
	case "postgres", "postgresql":
		t.dialect, t.open, port, socket = postgresDialect(), openPostgres, "5432", u.Query().Get("host")
	case "mysql", "mariadb":
		t.dialect, t.open, port, socket = mysqlDialect(), openMySQL, "3306", u.Query().Get("socket")
	default:
		return target{}, errs.New(errs.Invalid, "the URL of the database does not begin with postgres:// or mysql://").
			WithHint("write it like postgres://user:password@host/database or mysql://user:password@host/database")
	}
	if t.name == "" {
		return target{}, errs.New(errs.Invalid, "the URL of the database names no database").WithHint("put its name behind the host: %s://user:password@host/sealock", u.Scheme)
	}
	switch {
	case u.Host == "" && socket != "":
		t.address = socket
	case u.Port() != "":
		t.address = net.JoinHostPort(u.Hostname(), u.Port())
	default:
		t.address = net.JoinHostPort(u.Hostname(), port)
	}
	return t, nil
}

// shared makes pools of one for readers and writers.
func shared(db *sql.DB) pools {
	db.SetMaxOpenConns(serverConns)
	db.SetMaxIdleConns(idleConns)
	db.SetConnMaxIdleTime(idleTime)
	return pools{write: db, read: db}
}

func (t target) explain(with dialect, err error) error {
	say := func(kind errs.Kind, format string, args ...any) *errs.Error {
		return errs.New(kind, format, args...).Because(err)
	}
	switch with.fault(err) {
	case faultLogin:
		return say(errs.Precondition, "the database server at %s refuses the user %q", t.address, t.user).
			WithHint("check user and password in store.url, and from where the server lets that user in")
	case faultNoDatabase:
		return say(errs.Precondition, "the database server at %s has no database %q", t.address, t.name).
			WithHint("make it (CREATE DATABASE %s) or correct store.url", t.name)
	case faultForbidden:
		return say(errs.Precondition, "the user %q may not make or change tables in the database %q", t.user, t.name).
			WithHint("make that user the owner of the database, or grant it all rights there")
	case faultCrowded:
		return say(errs.Unavailable, "the database server at %s has no connection left", t.address).
			WithHint("raise its max_connections: each replica of sealock uses up to %d", serverConns)
	case faultUnavailable:
		return say(errs.Unavailable, "the database server at %s does not answer", t.address).
			WithHint("see that it runs and can be reached from here, and check store.url")
	default:
		return fmt.Errorf("opening %s: %w", t, err)
	}
}

// networkFault reads errors that came from no server.
func networkFault(err error) fault {
	if err == nil || errors.Is(err, context.Canceled) {
		return faultOther
	}
	if _, ok := errors.AsType[net.Error](err); ok || errors.Is(err, context.DeadlineExceeded) {
		return faultUnavailable
	}
	if _, ok := errors.AsType[*net.OpError](err); ok || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return faultUnavailable
	}
	return faultOther
}
