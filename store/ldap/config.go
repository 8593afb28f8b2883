package ldap

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/sealock/sealock/internal/secret"
)

// Config is what a source of this type has to set.
type Config struct {
	URLs         []string    `koanf:"urls" doc:"Servers, tried in this order: ldaps://host[:636], or ldap://host[:389], which is always upgraded by StartTLS."`
	CAFile       string      `koanf:"ca_file" doc:"CA certificates in PEM form to trust. Default: the system's."`
	BindDN       string      `koanf:"bind_dn" doc:"The account that searches. Default: anonymous."`
	BindPassword secret.Text `koanf:"bind_password" doc:"Its password."`
	BindFile     string      `koanf:"bind_password_file" doc:"File that holds its password."`

	UserBase        string   `koanf:"user_base" doc:"DN below which users are."`
	UserFilter      string   `koanf:"user_filter" doc:"Who may sign in, such as (memberOf=cn=registry,ou=groups,dc=example,dc=com)."`
	UserAttribute   string   `koanf:"user_attribute" doc:"Attribute that holds a user's name here: uid, or sAMAccountName in Active Directory."`
	LoginAttributes []string `koanf:"login_attributes" doc:"Attributes by which people may sign in, such as uid and mail. Default: user_attribute."`

	Groups          string `koanf:"groups" doc:"How groups are found: none, attribute (of the user's entry) or search (below group_base)."`
	GroupsAttribute string `koanf:"groups_attribute" doc:"For groups: attribute, the attribute that holds the groups' DNs."`
	GroupBase       string `koanf:"group_base" doc:"DN below which groups are; for groups: search, and for nested."`
	GroupFilter     string `koanf:"group_filter" doc:"Which entries below group_base are groups that count."`
	MemberAttribute string `koanf:"member_attribute" doc:"Attribute of a group that holds its members: member, uniqueMember or memberUid."`
	MemberIsName    bool   `koanf:"member_is_name" doc:"member_attribute holds user names and not DNs, as memberUid does."`
	Nested          string `koanf:"nested" doc:"Groups in groups: no, server (Active Directory's matching rule, one search) or walk (one search for each level)."`
	MaxDepth        int    `koanf:"max_depth" doc:"For nested: walk, how many levels above the user's own groups count."`
	MaxGroups       int    `koanf:"max_groups" doc:"A user in more groups can't sign in."`
	AdminGroup      string `koanf:"admin_group" doc:"DN of the group whose members are system administrators."`

	Timeout     time.Duration `koanf:"timeout" doc:"How long connecting, and each question, may take."`
	Connections int           `koanf:"connections" doc:"How many connections may be in use at once."`
}

// How groups are found, and groups in groups.
const (
	groupsNone      = "none"
	groupsAttribute = "attribute"
	groupsSearch    = "search"

	nestedNo     = "no"
	nestedServer = "server"
	nestedWalk   = "walk"
)

// Default returns the settings that were not given: those of OpenLDAP.
func Default() Config {
	return Config{
		UserFilter: "(objectClass=person)", UserAttribute: "uid",
		Groups: groupsNone, GroupsAttribute: "memberOf", GroupFilter: "(objectClass=*)", MemberAttribute: "member",
		Nested: nestedNo, MaxDepth: 5, MaxGroups: 1000, Timeout: 5 * time.Second, Connections: 16,
	}
}

// Check says what can't work.
func (c Config) Check(report func(key, what, remedy string)) {
	check := func(ok bool, key, what, remedy string) {
		if !ok {
			report(key, what, remedy)
		}
	}
	check(len(c.URLs) > 0, "urls", "is missing", "write it like [ldaps://ldap.example.com]")
	for i, raw := range c.URLs {
		_, err := parseServer(raw)
		// The URL is not quoted: it may hold a password that does not belong there.
		check(err == nil, fmt.Sprintf("urls[%d]", i), "is no URL of a server", "write it like ldaps://ldap.example.com:636 or ldap://ldap.example.com")
	}
	check((c.BindDN == "") == c.BindPassword.Empty(), "bind_dn", "goes together with bind_password", "set both, or none to search anonymously")
	for key, dn := range map[string]string{"bind_dn": c.BindDN, "user_base": c.UserBase, "group_base": c.GroupBase, "admin_group": c.AdminGroup} {
		_, err := ldap.ParseDN(dn)
		check(err == nil, key, fmt.Sprintf("%q is no DN", dn), "write it like ou=people,dc=example,dc=com")
	}
	check(c.UserBase != "", "user_base", "is missing", "write it like ou=people,dc=example,dc=com")
	for key, filter := range map[string]string{"user_filter": c.UserFilter, "group_filter": c.GroupFilter} {
		_, err := ldap.CompileFilter(filter)
		check(err == nil, key, fmt.Sprintf("%q is no filter", filter), "write it like (objectClass=person), see RFC 4515")
	}
	for key, names := range map[string][]string{
		"user_attribute": {c.UserAttribute}, "login_attributes": c.LoginAttributes,
		"groups_attribute": {c.GroupsAttribute}, "member_attribute": {c.MemberAttribute},
	} {
		for _, name := range names {
			check(isAttribute(name), key, fmt.Sprintf("%q is no attribute", name), "use its name, such as uid")
		}
	}
	c.checkGroups(check)
	check(c.Timeout >= 100*time.Millisecond && c.Timeout <= time.Minute, "timeout", "is not between 100ms and 1m", "use 5s")
	check(c.Connections > 0, "connections", "is not positive", "use 16")
}

func (c Config) checkGroups(check func(ok bool, key, what, remedy string)) {
	check(slices.Contains([]string{groupsNone, groupsAttribute, groupsSearch}, c.Groups), "groups", fmt.Sprintf("%q is unknown", c.Groups), "use none, attribute or search")
	check(slices.Contains([]string{nestedNo, nestedServer, nestedWalk}, c.Nested), "nested", fmt.Sprintf("%q is unknown", c.Nested), "use no, server or walk")
	check(c.Groups != groupsSearch && c.Nested == nestedNo || c.GroupBase != "", "group_base", "is missing", "say where groups are")
	check(c.Groups != groupsNone || c.AdminGroup == "" && c.Nested == nestedNo, "groups", "is none, and admin_group or nested needs them", "use attribute or search")
	check(!c.MemberIsName || c.Nested == nestedNo, "nested", "does not go with member_is_name", "use a member_attribute that holds DNs")
	check(c.MaxDepth > 0 && c.MaxDepth <= 100, "max_depth", "is not between 1 and 100", "use 5")
	check(c.MaxGroups > 0, "max_groups", "is not positive", "use 1000")
}

func isAttribute(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != ';'
	})
}

// server is where a URL leads.
type server struct {
	host, address string
	tls           bool // from the first byte
}

func parseServer(raw string) (server, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return server{}, fmt.Errorf("reading the URL of a server: %w", err)
	}
	port := map[string]string{"ldap": "389", "ldaps": "636"}[u.Scheme]
	if port == "" || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return server{}, errors.New("an entry of urls is no ldap or ldaps URL of a host")
	}
	if u.Port() != "" {
		port = u.Port()
	}
	return server{host: u.Hostname(), address: joinHostPort(u.Hostname(), port), tls: u.Scheme == "ldaps"}, nil
}
