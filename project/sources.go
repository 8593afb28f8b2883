package project

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/store"
)

// Source is a source of users besides the database, as far as projects have to do with it.
type Source struct {
	Name   string
	Groups store.GroupType // what its groups are; GroupLocal for a source that knows none
	// GroupKey brings the name of a group into the form in which subjects carry it. nil: it is that.
	GroupKey  func(name string) (string, error)
	Directory UserDirectory // nil for a source that can't be searched
}

// UserDirectory is a source that can be searched. Errors that are no [errs.Error] mean that it does not answer.
type UserDirectory interface {
	Ping(ctx context.Context) error
	SearchUsers(ctx context.Context, text string, limit int) ([]DirectoryUser, error)
	SearchGroups(ctx context.Context, text string, limit int) ([]DirectoryGroup, error)
	// DirectoryGroup returns the group of that key, or NotFound.
	DirectoryGroup(ctx context.Context, key string) (DirectoryGroup, error)
	// Import makes the record of a user before the first login. NotFound: there is no such user.
	Import(ctx context.Context, name string) error
}

// DirectoryUser is a user of a directory that need not have a record here.
type DirectoryUser struct{ Name, RealName, Email string }

// DirectoryGroup is a group of a directory.
type DirectoryGroup struct{ Name, Key string }

// LDAPSettings are those of a directory that somebody wants to try before they are written down.
type LDAPSettings struct {
	URL      string
	BindDN   string
	Password secret.Text
	UserBase string
	Filter   string
	UserName string // the attribute
	Timeout  time.Duration
}

// LDAPProbe tries settings. Invalid: they can't work at all.
type LDAPProbe func(ctx context.Context, settings LDAPSettings) error

// WithSources returns a service that knows other sources of users than the database, and can try settings of one.
func (s *Service) WithSources(sources []Source, probe LDAPProbe) *Service {
	with := *s
	with.sources, with.probe = sources, probe
	return &with
}

// limits of what a directory is asked for at once.
const (
	maxFound  = 100
	maxImport = 100
)

// directory returns the source of that name that can be searched; "" is the first.
func (s *Service) directory(name string) (Source, error) {
	for _, src := range s.sources {
		if src.Directory != nil && (name == "" || src.Name == name) {
			return src, nil
		}
	}
	if name == "" {
		return Source{}, errs.New(errs.Invalid, "there is no directory to ask").WithHint("add a source of the type ldap to the settings")
	}
	return Source{}, errs.New(errs.Invalid, "no source of the name %s can be searched", clip(name)).WithHint("name one of the type ldap")
}

// PingLDAP asks a source whether it is well or, where settings are given, tries those. What ails it is told as the
// second value: that there is an answer is not the same as a good one.
func (s *Service) PingLDAP(ctx context.Context, c Caller, source string, settings *LDAPSettings) (ailment string, err error) {
	var ping func(ctx context.Context) error
	on := "ldap:" + clipped(source)
	if settings != nil {
		on = "ldap:" + clipped(settings.URL)
	}
	err = s.perform(ctx, c, deed{
		operation: "ldap.ping", resource: on, what: "try a directory", remedy: askSystemAdmin,
		access: auth.Access{Resource: "configuration", Action: "update"},
		check: func(context.Context) error {
			if settings != nil {
				ping = func(ctx context.Context) error { return s.probe(ctx, *settings) }
				return nil
			}
			src, err := s.directory(source)
			if err == nil {
				ping = src.Directory.Ping
			}
			return err
		},
		do: func(ctx context.Context) error {
			err := ping(ctx)
			if errs.Is(err, errs.Invalid) {
				return err
			}
			if err != nil {
				ailment = err.Error()
			}
			return nil
		},
	})
	return ailment, err
}

// SearchLDAPUsers finds users of a directory.
func (s *Service) SearchLDAPUsers(ctx context.Context, c Caller, source, text string) ([]DirectoryUser, error) {
	src, err := s.searchable(ctx, c, source, auth.Access{Resource: "ldap-user", Action: "list"}, "search a directory for users")
	if err != nil {
		return nil, err
	}
	found, err := src.Directory.SearchUsers(ctx, text, maxFound)
	return found, src.explain(err)
}

// SearchLDAPGroups finds groups of a directory by a part of their name or, if it is given, the one of the key.
func (s *Service) SearchLDAPGroups(ctx context.Context, c Caller, source, text, key string) ([]store.Group, error) {
	src, err := s.searchable(ctx, c, source, auth.Access{Resource: "user-group", Action: "list"}, "search a directory for groups")
	if err != nil {
		return nil, err
	}
	var found []DirectoryGroup
	if key == "" {
		found, err = src.Directory.SearchGroups(ctx, text, maxFound)
	} else {
		var one DirectoryGroup
		if one, err = src.Directory.DirectoryGroup(ctx, key); err == nil {
			found = append(found, one)
		}
		if errs.Is(err, errs.NotFound) {
			err = nil
		}
	}
	groups := make([]store.Group, 0, len(found))
	for _, g := range found {
		groups = append(groups, store.Group{Name: g.Name, Type: src.Groups, Source: src.Name, Key: g.Key})
	}
	return groups, src.explain(err)
}

func (s *Service) searchable(ctx context.Context, c Caller, source string, access auth.Access, what string) (Source, error) {
	if err := s.require(ctx, c, access, what, askSystemAdmin); err != nil {
		return Source{}, err
	}
	return s.directory(source)
}

// ImportLDAPUsers makes records of users of a directory, so that they can be members before they first sign in. Those
// who have one keep it. Invalid: too many, or none. NotFound: some of them are not there; the others are imported.
func (s *Service) ImportLDAPUsers(ctx context.Context, c Caller, source string, names []string) error {
	if len(names) == 0 || len(names) > maxImport {
		names = nil // nothing is done, and yet the attempt is recorded
	}
	var missing []string
	err := s.perform(ctx, c, deed{
		operation: "ldap.users.import", resource: "ldap:" + clipped(source) + "/users:" + listed(names), what: "import users", remedy: askSystemAdmin,
		access: auth.Access{Resource: "ldap-user", Action: "create"},
		check: func(context.Context) error {
			if names == nil {
				return errs.New(errs.Invalid, "ldap_uid_list does not name 1 to %d users", maxImport).WithHint("import them in several steps")
			}
			_, err := s.directory(source)
			return err
		},
		do: func(ctx context.Context) (err error) {
			missing, err = s.importAll(ctx, source, names)
			return err
		},
	})
	if err == nil && len(missing) > 0 {
		return errs.New(errs.NotFound, "the directory has no such users, or their names can't be kept here: %s", strings.Join(missing, ", ")).
			WithHint("search for them; the others are imported")
	}
	return err
}

func (s *Service) importAll(ctx context.Context, source string, names []string) (missing []string, err error) {
	src, err := s.directory(source)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		err := src.Directory.Import(ctx, name)
		switch {
		case errs.Is(err, errs.NotFound), errs.Is(err, errs.Invalid):
			missing = append(missing, clip(name))
		case err != nil:
			return nil, src.explain(err)
		}
	}
	return missing, nil
}

// listed joins names for the audit trail.
func listed(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = clipped(name)
	}
	return strings.Join(quoted, ",")
}

// explain says what an error of a directory means.
func (s Source) explain(err error) error {
	if err == nil {
		return nil
	}
	if e := errs.As(err); e.Kind != errs.Internal {
		return err
	}
	return auth.SourceDown(s.Name, err)
}

// groupSource returns the source of that type of groups; name "" is the first.
func (s *Service) groupSource(t store.GroupType, name string) (Source, error) {
	for _, src := range s.sources {
		if src.Groups == t && t != store.GroupLocal && (name == "" || src.Name == name) {
			return src, nil
		}
	}
	return Source{}, errs.New(errs.Invalid, "there is no source %s of users with groups of the type %d", strconv.Quote(clipped(name)), int(t)).
		WithHint("types are 0 (kept here), 1 (LDAP), 2 (external) and 3 (OIDC); the settings name the sources")
}

// key brings the name of a group into the form in which subjects carry it.
func (s Source) key(name string) (string, error) {
	if name == "" {
		return "", errs.New(errs.Invalid, "the group of the source %s is not named", s.Name).WithHint("give its name there; for LDAP, ldap_group_dn")
	}
	if s.GroupKey == nil {
		return name, nil
	}
	key, err := s.GroupKey(name)
	if err != nil {
		return "", fmt.Errorf("reading the name of a group: %w", err)
	}
	return key, nil
}
