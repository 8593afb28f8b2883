package ldap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"

	"github.com/sealock/sealock/internal/errs"
)

// User is what a directory says of a user to somebody who looks for one.
type User struct{ Name, RealName, Email string }

// Group is a group by its name for people and its DN in the form that subjects carry.
type Group struct{ Name, DN string }

// maxText is how long a text may be that is looked for.
const maxText = 1000

// Ping reports whether a server answers, bind_dn may sign in, and user_base (and group_base, where it is needed) is
// there to see.
func (s *Source) Ping(ctx context.Context) error {
	for key, base := range map[string]string{"user_base": s.cfg.UserBase, "group_base": s.cfg.GroupBase} {
		if base == "" {
			continue
		}
		found, err := s.list(ctx, base, ldap.ScopeBaseObject, "(objectClass=*)", 1, "1.1")
		if err != nil {
			return fmt.Errorf("looking at %s: %w", key, err)
		}
		if len(found) == 0 {
			return fmt.Errorf("there is no %s %q, or bind_dn may not see it", key, base)
		}
	}
	return nil
}

// SearchUsers returns at most limit of the users whose name, full name or address contains the text, sorted by name.
// Only who may sign in is found.
func (s *Source) SearchUsers(ctx context.Context, text string, limit int) ([]User, error) {
	if err := checkText(text); err != nil {
		return nil, err
	}
	found, err := s.list(ctx, s.cfg.UserBase, ldap.ScopeWholeSubtree,
		partFilter(s.cfg.UserFilter, []string{s.cfg.UserAttribute, "cn", "mail"}, text), limit, s.cfg.UserAttribute, "cn", "mail")
	if err != nil {
		return nil, fmt.Errorf("looking for users: %w", err)
	}
	var users []User
	for _, entry := range found {
		name, err := s.name(entry)
		if err != nil {
			continue // it could not sign in either
		}
		users = append(users, User{Name: name, RealName: entry.GetEqualFoldAttributeValue("cn"), Email: entry.GetEqualFoldAttributeValue("mail")})
	}
	slices.SortFunc(users, func(a, b User) int { return cmp.Compare(a.Name, b.Name) })
	return users, nil
}

// SearchGroups returns at most limit of the groups whose name contains the text, sorted by name.
func (s *Source) SearchGroups(ctx context.Context, text string, limit int) ([]Group, error) {
	if err := checkText(text); err != nil {
		return nil, err
	}
	if s.cfg.GroupBase == "" {
		return nil, errs.New(errs.Invalid, "the directory is not set up for a search for groups").WithHint("set group_base of the source, or give the group's DN")
	}
	found, err := s.list(ctx, s.cfg.GroupBase, ldap.ScopeWholeSubtree, partFilter(s.cfg.GroupFilter, []string{"cn"}, text), limit, "cn")
	if err != nil {
		return nil, fmt.Errorf("looking for groups: %w", err)
	}
	return groupList(found)
}

// Group returns the group with the DN. Invalid: it is no DN. NotFound: there is no such entry, or it is no group that counts.
func (s *Source) Group(ctx context.Context, dn string) (Group, error) {
	if _, err := GroupKey(dn); err != nil {
		return Group{}, err
	}
	found, err := s.list(ctx, dn, ldap.ScopeBaseObject, s.cfg.GroupFilter, 1, "cn")
	if err != nil {
		return Group{}, fmt.Errorf("looking for a group: %w", err)
	}
	groups, err := groupList(found)
	if err == nil && len(groups) == 0 {
		err = errs.New(errs.NotFound, "the directory has no group of this DN").WithHint("check it; group_filter of the source must let it through")
	}
	if err != nil {
		return Group{}, err
	}
	return groups[0], nil
}

// GroupKey returns a DN in the form in which subjects carry their groups. The error is of the kind Invalid.
func GroupKey(dn string) (string, error) {
	key, err := canonical(dn)
	if err != nil || key == "" || len(dn) > maxText {
		return "", errs.New(errs.Invalid, "the group's DN can't be read").WithHint("write it like cn=dev,ou=groups,dc=example,dc=com").Because(err)
	}
	return key, nil
}

func groupList(found []*ldap.Entry) ([]Group, error) {
	var groups []Group
	for _, entry := range found {
		key, err := canonical(entry.DN)
		if err != nil {
			return nil, err
		}
		groups = append(groups, Group{Name: groupName(entry), DN: key})
	}
	slices.SortFunc(groups, func(a, b Group) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.DN, b.DN)) })
	return groups, nil
}

// groupName is what people call a group: the first value of its DN, as the directory writes it.
func groupName(entry *ldap.Entry) string {
	dn, err := ldap.ParseDN(entry.DN)
	if err != nil || len(dn.RDNs) == 0 || len(dn.RDNs[0].Attributes) == 0 {
		return entry.DN
	}
	return dn.RDNs[0].Attributes[0].Value
}

// list returns at most limit entries. That there are more, or no such base, is no error.
func (s *Source) list(ctx context.Context, base string, scope int, filter string, limit int, attributes ...string) ([]*ldap.Entry, error) {
	req := ldap.NewSearchRequest(base, scope, ldap.NeverDerefAliases, limit, s.seconds(), false, filter, attributes, nil)
	req.EnforceSizeLimit = true
	var result *ldap.SearchResult
	err := s.search.do(ctx, func(conn *ldap.Conn) (err error) {
		result, err = conn.Search(req)
		return err
	})
	switch {
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInvalidDNSyntax):
		return nil, nil
	case ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded), errors.Is(err, ldap.ErrSizeLimitExceeded):
		return result.Entries, nil
	case err != nil:
		return nil, err
	}
	return result.Entries, nil
}

// partFilter finds entries that have the text in one of the attributes. It can't break out of its place; no text finds all.
func partFilter(filter string, attributes []string, text string) string {
	if text == "" {
		return filter
	}
	var either strings.Builder
	for _, a := range attributes {
		fmt.Fprintf(&either, "(%s=*%s*)", a, ldap.EscapeFilter(text))
	}
	return "(&" + filter + "(|" + either.String() + "))"
}

// checkText refuses what no directory can hold, and what servers differ about.
func checkText(text string) error {
	switch {
	case len(text) > maxText:
		return errs.New(errs.Invalid, "the text to look for is longer than %d bytes", maxText).WithHint("shorten it")
	case strings.ContainsRune(text, 0) || !utf8.ValidString(text):
		return errs.New(errs.Invalid, "the text to look for holds a NUL character or is not UTF-8").WithHint("remove it")
	}
	return nil
}
