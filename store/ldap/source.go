package ldap

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/secret"
)

// Source answers from a directory. It is safe for concurrent use.
type Source struct {
	cfg    Config
	log    *slog.Logger
	search *pool // bound as the searching account
	logins *pool // bound as whoever tried last
	admin  string
}

var (
	_ auth.Authenticator = (*Source)(nil)
	_ auth.Resolver      = (*Source)(nil)
)

// Open prepares the connections and makes none: the directory may come up later.
func Open(_ context.Context, cfg Config, log *slog.Logger) (*Source, error) {
	d, err := newDialer(cfg)
	if err != nil {
		return nil, err
	}
	if len(cfg.LoginAttributes) == 0 {
		cfg.LoginAttributes = []string{cfg.UserAttribute}
	}
	s := &Source{cfg: cfg, log: log, logins: newPool(cfg.Connections, d.dial)}
	s.search = newPool(cfg.Connections, func(ctx context.Context) (*ldap.Conn, error) { return s.bound(ctx, d) })
	if cfg.AdminGroup != "" {
		if s.admin, err = canonical(cfg.AdminGroup); err != nil {
			return nil, fmt.Errorf("reading admin_group: %w", err)
		}
	}
	return s, nil
}

// Close lets the connections go.
func (s *Source) Close() error {
	s.search.close()
	s.logins.close()
	return nil
}

// bound returns a connection of the account that searches.
func (s *Source) bound(ctx context.Context, d *dialer) (*ldap.Conn, error) {
	conn, err := d.dial(ctx)
	if err != nil || s.cfg.BindDN == "" {
		return conn, err
	}
	if err := conn.Bind(s.cfg.BindDN, s.cfg.BindPassword.Reveal()); err != nil {
		return nil, errors.Join(fmt.Errorf("signing in as bind_dn %q: %w", s.cfg.BindDN, err), conn.Close())
	}
	return conn, nil
}

// Authenticate finds the user, tries the secret and reads the groups. Errors to tell apart: auth.ErrUnknownSubject,
// auth.ErrBadCredential. An unknown name tries a secret, too.
func (s *Source) Authenticate(ctx context.Context, cred auth.Credential) (auth.Subject, error) {
	if cred.Secret.Empty() {
		return auth.Subject{}, auth.ErrBadCredential // a bind without a password succeeds for anybody (RFC 4513 section 5.1.2)
	}
	found, err := s.find(ctx, cred.Name, s.cfg.LoginAttributes)
	if errors.Is(err, auth.ErrUnknownSubject) {
		if _, err := s.try(ctx, "cn="+rand.Text()+","+s.cfg.UserBase, secret.New(rand.Text())); err != nil {
			return auth.Subject{}, err
		}
		return auth.Subject{}, auth.ErrUnknownSubject
	}
	if err != nil {
		return auth.Subject{}, err
	}
	good, err := s.try(ctx, found.DN, cred.Secret)
	if err != nil {
		return auth.Subject{}, err
	}
	if !good {
		return auth.Subject{}, auth.ErrBadCredential
	}
	return s.subject(ctx, found)
}

// Resolve finds the user by the name that it has here, with its groups as they are now.
func (s *Source) Resolve(ctx context.Context, name string) (auth.Subject, error) {
	found, err := s.find(ctx, name, []string{s.cfg.UserAttribute})
	if err != nil {
		return auth.Subject{}, err
	}
	return s.subject(ctx, found)
}

// find returns the one entry that has the name in one of the attributes, or auth.ErrUnknownSubject. That there are
// several is an error: none of them may be taken for the other.
func (s *Source) find(ctx context.Context, name string, attributes []string) (*ldap.Entry, error) {
	wanted := []string{s.cfg.UserAttribute}
	if s.cfg.Groups == groupsAttribute {
		wanted = append(wanted, s.cfg.GroupsAttribute)
	}
	req := ldap.NewSearchRequest(s.cfg.UserBase, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 2, s.seconds(), false,
		userFilter(s.cfg.UserFilter, attributes, name), wanted, nil)
	var result *ldap.SearchResult
	err := s.search.do(ctx, func(conn *ldap.Conn) (err error) {
		result, err = conn.Search(req)
		return err
	})
	switch {
	case ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject):
		return nil, fmt.Errorf("looking for a user: there is no user_base %q, or bind_dn may not see it: %w", s.cfg.UserBase, err)
	case err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded):
		return nil, fmt.Errorf("looking for a user: %w", err)
	case err != nil || len(result.Entries) > 1:
		return nil, errors.New("more than one entry has the name: narrow user_filter or login_attributes")
	case len(result.Entries) == 0:
		return nil, auth.ErrUnknownSubject
	}
	return result.Entries[0], nil
}

// userFilter joins the operator's filter with the name, which can't break out of its place.
func userFilter(filter string, attributes []string, name string) string {
	var either strings.Builder
	for _, a := range attributes {
		fmt.Fprintf(&either, "(%s=%s)", a, ldap.EscapeFilter(name))
	}
	return "(&" + filter + "(|" + either.String() + "))"
}

// try reports whether the secret is that of the entry. The secret is never empty.
func (s *Source) try(ctx context.Context, dn string, password secret.Text) (bool, error) {
	if password.Empty() || dn == "" {
		return false, nil
	}
	err := s.logins.do(ctx, func(conn *ldap.Conn) error { return conn.Bind(dn, password.Reveal()) })
	switch {
	case err == nil:
		return true, nil
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultInvalidCredentials, ldap.LDAPResultInappropriateAuthentication,
		ldap.LDAPResultNoSuchObject, ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultInvalidDNSyntax):
		return false, nil
	}
	return false, fmt.Errorf("trying a password: %w", err)
}

// subject reads the name and the groups of an entry.
func (s *Source) subject(ctx context.Context, found *ldap.Entry) (auth.Subject, error) {
	name, err := s.name(found)
	if err != nil {
		return auth.Subject{}, err
	}
	groups, err := s.groups(ctx, found, name)
	if err != nil {
		return auth.Subject{}, fmt.Errorf("reading the groups of %q: %w", found.DN, err)
	}
	return auth.Subject{Name: name, Groups: groups, SysAdmin: s.admin != "" && slices.Contains(groups, s.admin)}, nil
}

// name returns what the user is called here. Of several values it is the one in the DN: a directory gives them in any
// order, and may let people add some to their own entries.
func (s *Source) name(found *ldap.Entry) (string, error) {
	names := found.GetEqualFoldAttributeValues(s.cfg.UserAttribute)
	if len(names) == 1 {
		return names[0], nil
	}
	dn, err := ldap.ParseDN(found.DN)
	if err == nil && len(names) > 1 && len(dn.RDNs) > 0 {
		for _, a := range dn.RDNs[0].Attributes {
			if strings.EqualFold(a.Type, s.cfg.UserAttribute) && slices.Contains(names, a.Value) {
				return a.Value, nil
			}
		}
	}
	return "", fmt.Errorf("the entry %q has %d values of %s: set user_attribute to one that users have once", found.DN, len(names), s.cfg.UserAttribute)
}

// seconds is the time limit that the server is told.
func (s *Source) seconds() int { return max(1, int(s.cfg.Timeout.Seconds())) }
