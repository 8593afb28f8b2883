package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/maypok86/otter/v2"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/userdb"
)

// Users of other sources are called user@source here, and have a record of that name without a password. No user of
// the database can have an @ in the name, so that neither ever has the other's name, memberships or tokens
// (docs/decisions/2026-11-23-user-at-source.md).

// accountStore is what the store knows of whoever signs in.
type accountStore interface {
	store.Users
	UserGroups(ctx context.Context, userID int64, source string, keys []string) (store.UserGroups, error)
}

// inGroups fills in the groups of a subject that have a record: those kept here, and those that its source names.
func inGroups(ctx context.Context, st accountStore, sub auth.Subject, source string) (auth.Subject, error) {
	groups, err := st.UserGroups(ctx, sub.ID, source, sub.Groups)
	if err != nil {
		return auth.Subject{}, fmt.Errorf("reading the groups of %q: %w", sub.Name, err)
	}
	sub.GroupIDs, sub.LocalGroups = groups.IDs, groups.Local
	return sub, nil
}

// databaseUsers are the users of the database. Names with an @ belong to other sources, whatever their records say.
type databaseUsers struct {
	users *userdb.Source
	store accountStore
}

func (d databaseUsers) Authenticate(ctx context.Context, cred auth.Credential) (auth.Subject, error) {
	if strings.Contains(cred.Name, "@") {
		cred.Name = "" // nobody, at the usual cost
	}
	sub, err := d.users.Authenticate(ctx, cred)
	if err != nil {
		return auth.Subject{}, err
	}
	return inGroups(ctx, d.store, sub, "")
}

func (d databaseUsers) Resolve(ctx context.Context, name string) (auth.Subject, error) {
	sub, err := d.users.Resolve(ctx, name)
	if err != nil {
		return auth.Subject{}, err
	}
	return inGroups(ctx, d.store, sub, "")
}

// resolvers finds the source of a subject by its name.
type resolvers struct {
	database auth.Resolver // nil: the users of the database may not sign in
	accounts map[string]*accounts
}

// Resolve returns the subject as it is now. One of a source that is no more is nobody.
func (r resolvers) Resolve(ctx context.Context, name string) (auth.Subject, error) {
	user, source := auth.SplitSource(name)
	if a := r.accounts[source]; a != nil {
		return a.resolve(ctx, user)
	}
	if source != "" || r.database == nil || strings.Contains(name, "@") {
		return auth.Subject{}, auth.ErrUnknownSubject
	}
	return r.database.Resolve(ctx, name)
}

// lookupLife is how long a source's answer about a user is used for tokens that it has already: what the source takes
// away is gone after so long.
const lookupLife = 30 * time.Second

// accounts gives the users of a source their records in the store.
type accounts struct {
	source string
	next   userSource
	users  accountStore
	log    *slog.Logger
	known  *otter.Cache[string, lookup]
}

// lookup is what a source said about a user.
type lookup struct {
	subject auth.Subject
	unknown bool
}

func newAccounts(source string, next userSource, users accountStore, log *slog.Logger) *accounts {
	return &accounts{source: source, next: next, users: users, log: log, known: otter.Must(&otter.Options[string, lookup]{
		MaximumSize: 10_000, ExpiryCalculator: otter.ExpiryWriting[string, lookup](lookupLife),
	})}
}

// Close lets the memory go.
func (a *accounts) Close() error {
	a.known.StopAllGoroutines()
	return nil
}

// Authenticate asks the source, and makes a record of the user who comes for the first time.
func (a *accounts) Authenticate(ctx context.Context, cred auth.Credential) (auth.Subject, error) {
	if !presentable(cred.Name) {
		return auth.Subject{}, auth.ErrUnknownSubject
	}
	sub, err := a.next.Authenticate(ctx, cred)
	if err != nil {
		return auth.Subject{}, err
	}
	if sub.Name == "" {
		return auth.Subject{}, errors.New("the source accepted a credential and gave no name")
	}
	u, err := a.record(ctx, sub.Name, "made by the first login from the source "+a.source)
	if errs.Is(err, errs.Invalid) {
		a.log.Warn("user can't sign in: the name can't be kept", "user", sub.Name, "error", err)
		return auth.Subject{}, auth.ErrBadCredential
	}
	if err != nil {
		return auth.Subject{}, err
	}
	a.known.Set(sub.Name, lookup{subject: sub})
	return a.subject(ctx, u, sub)
}

// Import makes the record of a user who has not signed in yet. NotFound: the source knows nobody of the name. Invalid:
// the name can't be kept.
func (a *accounts) Import(ctx context.Context, name string) error {
	if !presentable(name) {
		return errs.New(errs.NotFound, "there is no such user")
	}
	sub, err := a.next.Resolve(ctx, name)
	if errors.Is(err, auth.ErrUnknownSubject) {
		return errs.New(errs.NotFound, "there is no such user")
	}
	if err != nil {
		return err
	}
	_, err = a.record(ctx, sub.Name, "imported from the source "+a.source)
	return err
}

// record returns the user's record, which the first login or an import makes.
func (a *accounts) record(ctx context.Context, user, comment string) (store.User, error) {
	name := user + "@" + a.source
	if err := userdb.CheckSourceUser(user); err != nil {
		return store.User{}, err
	}
	u, err := a.users.UserByName(ctx, name)
	if !errs.Is(err, errs.NotFound) {
		return u, err
	}
	u, err = a.users.CreateUser(ctx, store.User{Name: name, Comment: comment})
	if errs.Is(err, errs.Conflict) { // another request was first
		return a.users.UserByName(ctx, name)
	}
	if err == nil {
		a.log.Info("made the record of a user", "user", name)
	}
	return u, err
}

// resolve returns the user as the store and the source have it now.
func (a *accounts) resolve(ctx context.Context, user string) (auth.Subject, error) {
	u, err := a.users.UserByName(ctx, user+"@"+a.source)
	if errs.Is(err, errs.NotFound) {
		return auth.Subject{}, auth.ErrUnknownSubject
	}
	if err != nil {
		return auth.Subject{}, err
	}
	name, _ := auth.SplitSource(u.Name)
	// What one asks for is for all who ask at the time: that the first one left must not fail the others.
	found, err := a.known.Get(context.WithoutCancel(ctx), name, otter.LoaderFunc[string, lookup](a.load))
	if err != nil {
		return auth.Subject{}, auth.SourceDown(a.source, err)
	}
	if found.unknown {
		return auth.Subject{}, auth.ErrUnknownSubject
	}
	return a.subject(ctx, u, found.subject)
}

func (a *accounts) load(ctx context.Context, name string) (lookup, error) {
	sub, err := a.next.Resolve(ctx, name)
	if errors.Is(err, auth.ErrUnknownSubject) || err == nil && store.NameKey(sub.Name) != store.NameKey(name) {
		return lookup{unknown: true}, nil
	}
	return lookup{subject: sub}, err
}

// subject joins what the record and the source know. Either can make a system administrator.
func (a *accounts) subject(ctx context.Context, u store.User, sub auth.Subject) (auth.Subject, error) {
	return inGroups(ctx, a.users, auth.Subject{
		Name: u.Name, ID: u.ID, SysAdmin: u.SysAdmin || sub.SysAdmin, SecondFactor: u.SecondFactor, Source: a.source,
		Groups: sub.Groups, Since: u.CreatedAt, AsOf: u.UpdatedAt,
	}, a.source)
}

// presentable reports whether a name may be put before a source at all.
func presentable(name string) bool {
	return name != "" && len(name) <= userdb.MaxName && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
}
