package main

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/settings"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/ldap"
)

// groupTypes says what the groups of a type of source are, in Harbor's words. A type that is not here has none.
func groupTypes() map[string]store.GroupType {
	return map[string]store.GroupType{"ldap": store.GroupLDAP, "external": store.GroupHTTP, "oidc": store.GroupOIDC}
}

// groupSource tells the project service of a source of users.
func groupSource(src settings.Source, opened userSource, a *accounts) project.Source {
	out := project.Source{Name: src.Name, Groups: groupTypes()[src.Type]}
	if directory, ok := opened.(*ldap.Source); ok {
		out.GroupKey = ldap.GroupKey
		out.Directory = userDirectory{directory, a}
	}
	return out
}

// inGroup tells which subjects a change of a group concerns: who is in it, and who is in the one of that key, be it
// known from now on or no more.
func inGroup(c store.Change) func(auth.Subject) bool {
	return func(sub auth.Subject) bool {
		return slices.Contains(sub.GroupIDs, c.GroupID) ||
			c.Source != "" && sub.Source == c.Source && slices.Contains(sub.Groups, c.GroupKey)
	}
}

// userDirectory lets the project service search an LDAP source.
type userDirectory struct {
	directory *ldap.Source
	accounts  *accounts
}

func (d userDirectory) Ping(ctx context.Context) error { return d.directory.Ping(ctx) }

func (d userDirectory) Import(ctx context.Context, name string) error {
	return d.accounts.Import(ctx, name)
}

func (d userDirectory) SearchUsers(ctx context.Context, text string, limit int) ([]project.DirectoryUser, error) {
	found, err := d.directory.SearchUsers(ctx, text, limit)
	users := make([]project.DirectoryUser, len(found))
	for i, u := range found {
		users[i] = project.DirectoryUser(u)
	}
	return users, err
}

func (d userDirectory) SearchGroups(ctx context.Context, text string, limit int) ([]project.DirectoryGroup, error) {
	found, err := d.directory.SearchGroups(ctx, text, limit)
	groups := make([]project.DirectoryGroup, len(found))
	for i, g := range found {
		groups[i] = project.DirectoryGroup{Name: g.Name, Key: g.DN}
	}
	return groups, err
}

func (d userDirectory) DirectoryGroup(ctx context.Context, key string) (project.DirectoryGroup, error) {
	g, err := d.directory.Group(ctx, key)
	return project.DirectoryGroup{Name: g.Name, Key: g.DN}, err
}

// ldapProbe tries settings of a directory that are not in the file yet. The CA is that of the first directory in the
// file: it can't be sent.
func ldapProbe(cfg settings.Config) project.LDAPProbe {
	caFile := ""
	for _, src := range cfg.Sources {
		if c, ok := src.Config.(ldap.Config); ok {
			caFile = cmp.Or(caFile, c.CAFile)
		}
	}
	return func(ctx context.Context, try project.LDAPSettings) (err error) {
		c := ldap.Default()
		c.URLs, c.CAFile, c.BindDN, c.BindPassword, c.UserBase = []string{try.URL}, caFile, try.BindDN, try.Password, try.UserBase
		c.UserFilter, c.UserAttribute = cmp.Or(parenthesised(try.Filter), c.UserFilter), cmp.Or(try.UserName, c.UserAttribute)
		c.Timeout, c.Connections = cmp.Or(try.Timeout, c.Timeout), 1
		c.Check(func(key, what, remedy string) {
			if err == nil {
				err = errs.New(errs.Invalid, "%s %s", key, what).WithHint("%s", remedy)
			}
		})
		if err != nil {
			return err
		}
		source, err := ldap.Open(ctx, c, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		defer func() { _ = source.Close() }() // connections that are not needed any more
		return source.Ping(ctx)
	}
}

// parenthesised puts a filter into the parentheses that Harbor does without.
func parenthesised(filter string) string {
	if filter == "" || strings.HasPrefix(filter, "(") {
		return filter
	}
	return "(" + filter + ")"
}
