package ldap

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// inChain is Active Directory's matching rule for members of members.
const inChain = ":1.2.840.113556.1.4.1941:"

// Sizes of searches for groups: Active Directory gives a thousand entries a page, and filters have an end.
const (
	groupPage   = 500
	groupsAtOne = 100 // searched for in one filter
)

// canonical returns a DN in the form by which groups are compared and told: small letters, no needless spaces.
func canonical(dn string) (string, error) {
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return "", fmt.Errorf("reading the DN %q: %w", dn, err)
	}
	return strings.ToLower(parsed.String()), nil
}

// groups returns the DNs of the groups that the user is in, sorted. One search finds all of them; groups in groups take
// one more for each level.
func (s *Source) groups(ctx context.Context, user *ldap.Entry, name string) ([]string, error) {
	if s.cfg.Groups == groupsNone {
		return nil, nil
	}
	if s.cfg.Nested == nestedServer {
		found, err := s.groupsOf(ctx, s.cfg.MemberAttribute+inChain, []string{user.DN})
		return found.sorted(), err
	}
	found, err := s.ownGroups(ctx, user, name)
	if err == nil && s.cfg.Nested == nestedWalk {
		err = s.climb(ctx, found)
	}
	if err == nil {
		err = s.count(found)
	}
	if err != nil {
		return nil, err
	}
	return found.sorted(), nil
}

// dns maps DNs in canonical form to how the directory writes them.
type dns map[string]string

func (d dns) add(dn string) error {
	key, err := canonical(dn)
	if err == nil {
		d[key] = dn
	}
	return err
}

func (d dns) sorted() []string {
	list := make([]string, 0, len(d))
	for dn := range d {
		list = append(list, dn)
	}
	slices.Sort(list)
	return list
}

func (s *Source) ownGroups(ctx context.Context, user *ldap.Entry, name string) (dns, error) {
	if s.cfg.Groups == groupsAttribute {
		found := dns{}
		for _, dn := range user.GetEqualFoldAttributeValues(s.cfg.GroupsAttribute) {
			if err := found.add(dn); err != nil {
				return nil, err
			}
		}
		return found, nil
	}
	member := user.DN
	if s.cfg.MemberIsName {
		member = name
	}
	return s.groupsOf(ctx, s.cfg.MemberAttribute, []string{member})
}

// climb adds the groups that the groups are in, level by level. Groups that hold each other end it: what is known is not
// asked about again.
func (s *Source) climb(ctx context.Context, found dns) error {
	level := make([]string, 0, len(found))
	for _, dn := range found {
		level = append(level, dn)
	}
	for depth := 0; len(level) > 0; depth++ {
		if depth == s.cfg.MaxDepth {
			s.log.Debug("groups in groups end at max_depth", "max_depth", depth)
			return nil
		}
		if err := s.count(found); err != nil {
			return err
		}
		above, err := s.groupsOf(ctx, s.cfg.MemberAttribute, level)
		if err != nil {
			return err
		}
		level = level[:0]
		for key, dn := range above {
			if _, known := found[key]; !known {
				found[key] = dn
				level = append(level, dn)
			}
		}
	}
	return nil
}

func (s *Source) count(found dns) error {
	if len(found) > s.cfg.MaxGroups {
		return fmt.Errorf("there are more than %d: raise max_groups or narrow group_filter", s.cfg.MaxGroups)
	}
	return nil
}

// groupsOf returns the groups that hold any of the members.
func (s *Source) groupsOf(ctx context.Context, attribute string, members []string) (dns, error) {
	found := dns{}
	for some := range slices.Chunk(members, groupsAtOne) {
		req := ldap.NewSearchRequest(s.cfg.GroupBase, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, s.seconds(), false,
			memberFilter(s.cfg.GroupFilter, attribute, some), []string{"1.1"}, nil)
		var result *ldap.SearchResult
		err := s.search.do(ctx, func(conn *ldap.Conn) (err error) {
			result, err = conn.SearchWithPaging(req, groupPage)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("searching below group_base: %w", err)
		}
		for _, entry := range result.Entries {
			if err := found.add(entry.DN); err != nil {
				return nil, err
			}
		}
		if err := s.count(found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// memberFilter finds the groups that hold any of the members, which can't break out of their places.
func memberFilter(filter, attribute string, members []string) string {
	var either strings.Builder
	for _, m := range members {
		fmt.Fprintf(&either, "(%s=%s)", attribute, ldap.EscapeFilter(m))
	}
	return "(&" + filter + "(|" + either.String() + "))"
}
