package ldap_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	golib "github.com/go-ldap/ldap/v3"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/store/ldap"
)

func (s *slapd) config(change func(*ldap.Config)) ldap.Config {
	c := ldap.Default()
	c.URLs, c.CAFile = []string{s.tls}, s.caFile
	c.BindDN, c.BindPassword = "cn=reader,"+suffix, secret.New("reader-password")
	c.UserBase, c.GroupBase, c.GroupFilter = people, groups, "(objectClass=groupOfNames)"
	if change != nil {
		change(&c)
	}
	return c
}

func open(t *testing.T, c ldap.Config) *ldap.Source {
	t.Helper()
	c.Check(func(key, what, remedy string) { t.Errorf("Check: %s: %s: %s", key, what, remedy) })
	s, err := ldap.Open(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func login(s *ldap.Source, name, password string) (auth.Subject, error) {
	return s.Authenticate(context.Background(), auth.Credential{Name: name, Secret: secret.New(password)})
}

// refusal reports whether the error says no, and not that there is no answer.
func refusal(err error) bool {
	return errors.Is(err, auth.ErrUnknownSubject) || errors.Is(err, auth.ErrBadCredential)
}

func TestAgainstSlapd(t *testing.T) {
	s := startSlapd(t)
	t.Run("users", func(t *testing.T) { testUsers(t, s) })
	t.Run("injection", func(t *testing.T) { testInjection(t, s) })
	t.Run("groups", func(t *testing.T) { testGroups(t, s) })
	t.Run("search", func(t *testing.T) { testSearch(t, s) })
	t.Run("ping", func(t *testing.T) { testPing(t, s) })
	t.Run("faults", func(t *testing.T) { testFaults(t, s) })
	t.Run("many at once", func(t *testing.T) { testManyAtOnce(t, s) })
	t.Run("changes", func(t *testing.T) { testChanges(t, s) })
}

func testUsers(t *testing.T, s *slapd) {
	for name, url := range map[string]string{"ldaps": s.tls, "StartTLS": s.plain} {
		src := open(t, s.config(func(c *ldap.Config) {
			c.URLs, c.LoginAttributes, c.UserFilter = []string{url}, []string{"uid", "mail"}, "(!(employeeType=left))"
		}))
		for _, row := range []struct {
			name, password, want string
			err                  error
		}{
			{"alice", "alice-password", "alice", nil},
			{"ALICE", "alice-password", "alice", nil},
			{"alice@example.com", "alice-password", "alice", nil},
			{"twin", "twin-password", "twin", nil}, // a DN with a comma and a plus
			{"twin2", "twin-password", "twin2", nil},
			{"extra", "twin-password", "twin2", nil},
			{"alice", "bob-password", "", auth.ErrBadCredential},
			{"alice", "", "", auth.ErrBadCredential}, // this slapd would say yes
			{"nobody", "", "", auth.ErrBadCredential},
			{"nobody", "alice-password", "", auth.ErrUnknownSubject},
			{"gone", "gone-password", "", auth.ErrUnknownSubject},
			{"reader", "reader-password", "", auth.ErrUnknownSubject}, // not below user_base
		} {
			sub, err := login(src, row.name, row.password)
			if !errors.Is(err, row.err) || (err == nil) != (row.err == nil) || sub.Name != row.want || sub.SysAdmin {
				t.Errorf("%s: Authenticate(%q, %q) = %+v, %v, want %q, %v", name, row.name, row.password, sub, err, row.want, row.err)
			}
		}
		if _, err := login(src, "twins@example.com", "twin-password"); err == nil || refusal(err) {
			t.Errorf("%s: a name of two entries = %v, want an error that is no refusal", name, err)
		}
		if sub, err := src.Resolve(t.Context(), "alice"); err != nil || sub.Name != "alice" {
			t.Errorf("%s: Resolve(alice) = %+v, %v", name, sub, err)
		}
		if _, err := src.Resolve(t.Context(), "alice@example.com"); !errors.Is(err, auth.ErrUnknownSubject) {
			t.Errorf("%s: Resolve of another attribute = %v, want ErrUnknownSubject", name, err)
		}
	}
}

func testInjection(t *testing.T, s *slapd) {
	src := open(t, s.config(func(c *ldap.Config) { c.Groups = "search" }))
	for _, name := range []string{
		"*", "a*", "alice)(uid=*", "alice))(|(uid=*", "*)(objectClass=*", "alice\x00", "\\61lice", "alice,ou=people", "uid=alice," + people,
		"alice)(!(uid=x", "(uid=alice)", "&", "|", "!", "=", strings.Repeat("(", 1000), "alice\\2a", "\xff\xfe",
	} {
		for _, password := range []string{"alice-password", "*", "x"} {
			if sub, err := login(src, name, password); !refusal(err) {
				t.Errorf("Authenticate(%q, %q) = %+v, %v, want a refusal", name, password, sub, err)
			}
		}
		if sub, err := src.Resolve(t.Context(), name); !errors.Is(err, auth.ErrUnknownSubject) {
			t.Errorf("Resolve(%q) = %+v, %v, want ErrUnknownSubject", name, sub, err)
		}
	}
	for _, password := range []string{"*", "\x00", "alice-password\x00", strings.Repeat("x", 1<<16)} {
		if sub, err := login(src, "alice", password); !refusal(err) {
			t.Errorf("Authenticate(alice, %.20q) = %+v, %v, want a refusal", password, sub, err)
		}
	}
}

func testGroups(t *testing.T, s *slapd) {
	own, all := []string{group("dev")}, []string{group("admins"), group("circle"), group("dev"), group("staff")}
	for name, row := range map[string]struct {
		change func(*ldap.Config)
		want   []string
		admin  bool
	}{
		"none":      {func(*ldap.Config) {}, nil, false},
		"attribute": {func(c *ldap.Config) { c.Groups = "attribute" }, own, false},
		"search":    {func(c *ldap.Config) { c.Groups = "search" }, own, false},
		"attribute, walked": {func(c *ldap.Config) {
			c.Groups, c.Nested, c.AdminGroup = "attribute", "walk", "CN=admins, "+groups
		}, all, true},
		"search, walked":              {func(c *ldap.Config) { c.Groups, c.Nested, c.AdminGroup = "search", "walk", group("circle") }, all, true},
		"not so deep":                 {func(c *ldap.Config) { c.Groups, c.Nested, c.MaxDepth = "search", "walk", 1 }, []string{group("dev"), group("staff")}, false},
		"not an admin without nested": {func(c *ldap.Config) { c.Groups, c.AdminGroup = "search", group("admins") }, own, false},
		"a filter":                    {func(c *ldap.Config) { c.Groups, c.GroupFilter = "search", "(cn=o*)" }, []string{}, false},
		"by name": {func(c *ldap.Config) {
			c.Groups, c.GroupFilter, c.MemberAttribute, c.MemberIsName = "search", "(objectClass=posixGroup)", "memberUid", true
		}, []string{group("posix")}, false},
	} {
		src := open(t, s.config(row.change))
		sub, err := login(src, "alice", "alice-password")
		if err != nil || !slices.Equal(sub.Groups, row.want) || sub.SysAdmin != row.admin {
			t.Errorf("%s: Authenticate(alice) = %+v, %v, want groups %v, admin %v", name, sub, err, row.want, row.admin)
		}
		again, err := src.Resolve(t.Context(), "alice")
		if err != nil || !slices.Equal(again.Groups, row.want) || again.SysAdmin != row.admin {
			t.Errorf("%s: Resolve(alice) = %+v, %v, want the same", name, again, err)
		}
	}
	src := open(t, s.config(func(c *ldap.Config) { c.Groups, c.Nested = "search", "walk" }))
	if sub, err := login(src, "bob", "bob-password"); err != nil || !slices.Contains(sub.Groups, group("ops (all)")) || !slices.Contains(sub.Groups, group("staff")) {
		t.Errorf("a group with parentheses: %+v, %v, want it and staff", sub, err)
	}
	if sub, err := login(src, "twin", "twin-password"); err != nil || !slices.Contains(sub.Groups, group("dev")) {
		t.Errorf("a member with a comma: %+v, %v, want dev", sub, err)
	}
	src = open(t, s.config(func(c *ldap.Config) { c.Groups, c.Nested, c.MaxGroups = "search", "walk", 2 }))
	if _, err := login(src, "alice", "alice-password"); err == nil || refusal(err) || !strings.Contains(err.Error(), "max_groups") {
		t.Errorf("more groups than max_groups = %v, want an error that names it", err)
	}
	if _, err := login(src, "alice", "wrong"); !errors.Is(err, auth.ErrBadCredential) {
		t.Errorf("a wrong password where groups are too many = %v, want ErrBadCredential", err)
	}
}

func testSearch(t *testing.T, s *slapd) {
	src := open(t, s.config(func(c *ldap.Config) { c.UserFilter = "(&(objectClass=person)(!(employeeType=left)))" }))
	ctx := t.Context()
	names := func(text string, limit int) string {
		t.Helper()
		users, err := src.SearchUsers(ctx, text, limit)
		if err != nil {
			t.Errorf("SearchUsers(%q) = %v", text, err)
		}
		var list []string
		for _, u := range users {
			list = append(list, u.Name)
		}
		return strings.Join(list, " ")
	}
	for text, want := range map[string]string{
		"": "alice bob twin twin2", "LIC": "alice", "alice": "alice", "example.com": "alice bob twin twin2", "Twin, One": "twin", "gone": "", "reader": "",
		"*": "", "a*e": "", "alice)(uid=*": "", "*)(objectClass=*": "", "\\61lice": "", "(": "", "|": "", strings.Repeat("(", 1000): "",
	} {
		if got := names(text, 100); got != want {
			t.Errorf("SearchUsers(%q) finds %q, want %q", text, got, want)
		}
	}
	if got := len(strings.Fields(names("", 2))); got != 2 {
		t.Errorf("SearchUsers of all with limit 2 finds %d, want 2", got)
	}
	users, err := src.SearchUsers(ctx, "alice", 1)
	if want := (ldap.User{Name: "alice", RealName: "Alice", Email: "alice@example.com"}); err != nil || len(users) != 1 || users[0] != want {
		t.Errorf("SearchUsers(alice) = %+v, %v, want %+v", users, err, want)
	}
	for _, text := range []string{strings.Repeat("x", 1001), "ali\x00ce", "\xff\xfe"} {
		if _, err := src.SearchUsers(ctx, text, 1); !errs.Is(err, errs.Invalid) {
			t.Errorf("SearchUsers(%.20q) = %v, want Invalid", text, err)
		}
	}
	found, err := src.SearchGroups(ctx, "S", 100)
	want := []ldap.Group{{Name: "admins", DN: group("admins")}, {Name: "ops (all)", DN: group("ops (all)")}, {Name: "staff", DN: group("staff")}}
	if err != nil || !slices.Equal(found, want) {
		t.Errorf("SearchGroups(S) = %v, %v, want %v", found, err, want)
	}
	for _, text := range []string{"*", "dev)(cn=*", "posix"} { // posix is not let through by group_filter
		if found, err := src.SearchGroups(ctx, text, 100); err != nil || len(found) != 0 {
			t.Errorf("SearchGroups(%q) = %v, %v, want none", text, found, err)
		}
	}
	for _, dn := range []string{"CN=Dev, " + groups, group("ops (all)")} {
		want := strings.ToLower(strings.ReplaceAll(dn, ", ", ","))
		if g, err := src.Group(ctx, dn); err != nil || g.DN != want {
			t.Errorf("Group(%q) = %+v, %v, want the DN %q", dn, g, err, want)
		}
	}
	for dn, want := range map[string]errs.Kind{
		group("posix"): errs.NotFound, group("nope"): errs.NotFound, user("alice"): errs.NotFound, suffix: errs.NotFound,
		"cn=dev)(x=*," + groups: errs.NotFound, "cn=*," + groups: errs.NotFound,
		"dev": errs.Invalid, "": errs.Invalid, "cn=" + strings.Repeat("x", 1000): errs.Invalid,
	} {
		if g, err := src.Group(ctx, dn); !errs.Is(err, want) {
			t.Errorf("Group(%q) = %+v, %v, want kind %q", dn, g, err, want)
		}
	}
	if g, err := src.Group(ctx, "cn=\x00,"+groups); err == nil || refusal(err) {
		t.Errorf("Group of a DN with a NUL = %+v, %v, want an error", g, err)
	}
}

func testPing(t *testing.T, s *slapd) {
	for what, row := range map[string]struct {
		change func(*ldap.Config)
		want   string // "" is no error
	}{
		"all is well":         {nil, ""},
		"StartTLS":            {func(c *ldap.Config) { c.URLs = []string{s.plain} }, ""},
		"wrong bind password": {func(c *ldap.Config) { c.BindPassword = secret.New("canary") }, "bind_dn"},
		"no such user_base":   {func(c *ldap.Config) { c.UserBase = "ou=nowhere," + suffix }, "user_base"},
		"no such group_base":  {func(c *ldap.Config) { c.GroupBase = "ou=nowhere," + suffix }, "group_base"},
		"wrong CA":            {func(c *ldap.Config) { c.CAFile = "" }, "certificate"},
		"down":                {func(c *ldap.Config) { c.URLs = []string{"ldaps://127.0.0.1:1"} }, "127.0.0.1:1"},
	} {
		err := open(t, s.config(row.change)).Ping(t.Context())
		if (err == nil) != (row.want == "") || err != nil && (!strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "canary")) {
			t.Errorf("%s: Ping = %v, want %q in it and no secret", what, err, row.want)
		}
	}
}

// silent listens and never says a word.
func silent(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, conn) }()
		}
	}()
	return l.Addr().String()
}

func testFaults(t *testing.T, s *slapd) {
	otherCA := certificate(t, t.TempDir())
	hangs := silent(t)
	for name, row := range map[string]struct {
		change func(*ldap.Config)
		want   string
	}{
		"down":                {func(c *ldap.Config) { c.URLs = []string{"ldaps://127.0.0.1:1"} }, "127.0.0.1:1"},
		"hangs":               {func(c *ldap.Config) { c.URLs, c.Timeout = []string{"ldaps://" + hangs}, 300*time.Millisecond }, hangs},
		"hangs with StartTLS": {func(c *ldap.Config) { c.URLs, c.Timeout = []string{"ldap://" + hangs}, 300*time.Millisecond }, hangs},
		"wrong CA":            {func(c *ldap.Config) { c.CAFile = otherCA }, "certificate"},
		"wrong CA, StartTLS":  {func(c *ldap.Config) { c.URLs, c.CAFile = []string{s.plain}, otherCA }, "certificate"},
		"the system's CAs":    {func(c *ldap.Config) { c.CAFile = "" }, "certificate"},
		"another host's certificate": {func(c *ldap.Config) {
			c.URLs = []string{strings.Replace(s.tls, "127.0.0.1", "localhost", 1)}
		}, "certificate"},
		"wrong bind password": {func(c *ldap.Config) { c.BindPassword = secret.New("canary") }, "bind_dn"},
		"no such user_base":   {func(c *ldap.Config) { c.UserBase = "ou=nowhere," + suffix }, "user_base"},
		"no such group_base":  {func(c *ldap.Config) { c.Groups, c.GroupBase = "search", "ou=nowhere,"+suffix }, "group_base"},
		"no such attribute":   {func(c *ldap.Config) { c.UserAttribute, c.LoginAttributes = "employeeNumber", []string{"uid"} }, "user_attribute"},
	} {
		src := open(t, s.config(row.change))
		begin := time.Now()
		_, err := login(src, "alice", "alice-password")
		if err == nil || refusal(err) || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: Authenticate = %v, want an error that is no refusal and says %q", name, err, row.want)
		}
		if d := time.Since(begin); d > 3*time.Second {
			t.Errorf("%s takes %s", name, d)
		}
	}
	src := open(t, s.config(func(c *ldap.Config) {
		c.URLs, c.Timeout = []string{"ldaps://127.0.0.1:1", "ldaps://" + hangs, s.tls}, 500*time.Millisecond
	}))
	if _, err := login(src, "alice", "alice-password"); err != nil {
		t.Errorf("with the third server up = %v, want no error", err)
	}
	begin := time.Now()
	if _, err := login(src, "bob", "bob-password"); err != nil || time.Since(begin) > 400*time.Millisecond {
		t.Errorf("the next one = %v after %s, want the server that answered to be asked first", err, time.Since(begin))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	fresh := open(t, s.config(nil))
	if _, err := fresh.Authenticate(ctx, auth.Credential{Name: "alice", Secret: secret.New("alice-password")}); err == nil || refusal(err) {
		t.Errorf("after the client left = %v, want an error that is no refusal", err)
	}
}

func testManyAtOnce(t *testing.T, s *slapd) {
	src := open(t, s.config(func(c *ldap.Config) { c.Connections, c.Groups, c.Nested = 3, "search", "walk" }))
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			name, password, want := "alice", "alice-password", error(nil)
			switch i % 3 {
			case 1:
				name, password = "bob", "bob-password"
			case 2:
				password, want = "bob-password", auth.ErrBadCredential
			}
			sub, err := login(src, name, password)
			if !errors.Is(err, want) || err == nil && sub.Name != name {
				t.Errorf("Authenticate(%s) among many = %+v, %v, want %v", name, sub, err, want)
			}
		})
	}
	wg.Wait()
}

func testChanges(t *testing.T, s *slapd) {
	src := open(t, s.config(func(c *ldap.Config) { c.Groups = "attribute" }))
	if _, err := login(src, "bob", "bob-password"); err != nil {
		t.Fatal(err)
	}
	s.admin(t, func(c *golib.Conn) error {
		req := golib.NewModifyRequest(group("dev"), nil)
		req.Add("member", []string{user("bob")})
		return c.Modify(req)
	})
	if sub, err := src.Resolve(t.Context(), "bob"); err != nil || !slices.Contains(sub.Groups, group("dev")) {
		t.Errorf("Resolve after joining a group = %+v, %v, want dev", sub, err)
	}
	s.admin(t, func(c *golib.Conn) error { return c.Del(golib.NewDelRequest(user("bob"), nil)) })
	if _, err := src.Resolve(t.Context(), "bob"); !errors.Is(err, auth.ErrUnknownSubject) {
		t.Errorf("Resolve of a deleted entry = %v, want ErrUnknownSubject", err)
	}
}

// TestServerThatRestarts holds that connections which died while idle are replaced without an error.
func TestServerThatRestarts(t *testing.T) {
	s := startSlapd(t)
	target := strings.TrimPrefix(s.tls, "ldaps://")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var mu sync.Mutex
	var open1 []net.Conn
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", target)
			if err != nil {
				_ = in.Close()
				continue
			}
			mu.Lock()
			open1 = append(open1, in, out)
			mu.Unlock()
			go func() { _, _ = io.Copy(out, in) }()
			go func() { _, _ = io.Copy(in, out) }()
		}
	}()
	src := open(t, s.config(func(c *ldap.Config) { c.URLs = []string{"ldaps://" + l.Addr().String()} }))
	for range 3 {
		if _, err := login(src, "alice", "alice-password"); err != nil {
			t.Errorf("Authenticate = %v, want no error", err)
		}
		mu.Lock()
		for _, c := range open1 {
			_ = c.Close()
		}
		mu.Unlock()
	}
}

func TestCheck(t *testing.T) {
	good := func() ldap.Config {
		c := ldap.Default()
		c.URLs, c.UserBase, c.GroupBase = []string{"ldaps://ldap.example.com"}, people, groups
		return c
	}
	for name, row := range map[string]struct {
		change func(*ldap.Config)
		want   string
	}{
		"good":               {func(*ldap.Config) {}, ""},
		"no server":          {func(c *ldap.Config) { c.URLs = nil }, "urls"},
		"http":               {func(c *ldap.Config) { c.URLs = []string{"http://x"} }, "urls[0]"},
		"a path":             {func(c *ldap.Config) { c.URLs = []string{"ldaps://x/dc=y"} }, "urls[0]"},
		"half an account":    {func(c *ldap.Config) { c.BindDN = rootDN }, "bind_dn"},
		"no DN":              {func(c *ldap.Config) { c.UserBase = "people" }, "user_base"},
		"no base":            {func(c *ldap.Config) { c.UserBase = "" }, "user_base"},
		"no filter":          {func(c *ldap.Config) { c.UserFilter = "(uid=*" }, "user_filter"},
		"an open filter":     {func(c *ldap.Config) { c.GroupFilter = "cn=x)(y=*" }, "group_filter"},
		"no attribute":       {func(c *ldap.Config) { c.UserAttribute = "uid)(cn" }, "user_attribute"},
		"groups":             {func(c *ldap.Config) { c.Groups = "all" }, "groups"},
		"admins of none":     {func(c *ldap.Config) { c.AdminGroup = group("x") }, "groups"},
		"search of nowhere":  {func(c *ldap.Config) { c.Groups, c.GroupBase = "search", "" }, "group_base"},
		"nested":             {func(c *ldap.Config) { c.Groups, c.Nested = "search", "yes" }, "nested"},
		"names nested":       {func(c *ldap.Config) { c.Groups, c.Nested, c.MemberIsName = "search", "walk", true }, "nested"},
		"an endless timeout": {func(c *ldap.Config) { c.Timeout = time.Hour }, "timeout"},
	} {
		c, got := good(), ""
		row.change(&c)
		c.Check(func(key, _, remedy string) {
			got = key
			if remedy == "" {
				t.Errorf("%s: Check has no remedy", name)
			}
		})
		if got != row.want {
			t.Errorf("%s: Check finds %q, want %q", name, got, row.want)
		}
	}
	if _, err := ldap.Open(t.Context(), ldap.Config{CAFile: filepath.Join(t.TempDir(), "none")}, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open without the CA's file = %v, want one that says so", fmt.Sprint(err))
	}
}
