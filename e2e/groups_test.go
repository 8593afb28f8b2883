package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/e2e/internal/sealock"
	"github.com/sealock/sealock/e2e/internal/slapd"
	"github.com/sealock/sealock/e2e/internal/wire"
)

// corp starts a directory with zoe in dev and dev in staff, and a sealock that takes its users and their groups, with more settings.
func corp(t *testing.T, more ...string) (*slapd.Server, *sealock.Server) {
	t.Helper()
	directory := slapd.Start(t, slapd.Person("zoe")+slapd.Person("yan")+
		slapd.Group("dev", slapd.PersonDN("zoe"))+slapd.Group("staff", slapd.GroupDN("dev")))
	return directory, serve(t, fmt.Sprintf(`sources:
- type: database
- type: ldap
  urls: [%s]
  ca_file: %s
  bind_dn: %s
  bind_password: %s
  user_base: %s
  groups: attribute
  group_base: %s
  nested: walk
`, directory.URL, directory.CAFile, slapd.Reader, slapd.ReaderKey, slapd.People, slapd.Groups)+strings.Join(more, ""))
}

// TestLDAP logs in with docker as a user of a real directory, pushes and pulls.
func TestLDAP(t *testing.T) {
	t.Parallel()
	_, server := corp(t)
	server.CLI(t, "project", "create", "team")
	zoe := newDesk(t, server)
	mustFail(t, zoe.login("zoe", "wrong"), "unknown user or wrong password")
	mustFail(t, zoe.login("*", "zoe-password"), "unknown user or wrong password")
	must(t, zoe.login("zoe", "zoe-password"))
	mustFail(t, zoe.push("team/app"), "denied")
	server.CLI(t, "member", "add", "team", "zoe@ldap", "--role", "developer")
	must(t, zoe.push("team/app"))
	must(t, zoe.pull("team/app"))
}

// TestLDAPGroup makes a group of a directory that holds another group a member of a project: who is in the inner one
// pushes, until the directory says otherwise.
func TestLDAPGroup(t *testing.T) {
	t.Parallel()
	directory, server := corp(t)
	server.CLI(t, "project", "create", "team")
	zoe := newDesk(t, server)
	must(t, zoe.login("zoe", "zoe-password"))
	mustFail(t, zoe.push("team/app"), "denied")

	// The directory writes it in another way, and sealock has not heard of it before.
	server.CLI(t, "member", "add", "team", "--group", "CN=Staff, "+slapd.Groups, "--group-type", "ldap", "--role", "developer")
	must(t, zoe.push("team/app"))
	must(t, zoe.pull("team/app"))
	yan := newDesk(t, server)
	must(t, yan.login("yan", "yan-password"))
	mustFail(t, yan.pull("team/app"), "denied", "unauthorized")

	// A group in the directory is never empty: yan takes zoe's place.
	directory.Modify(t, "dn: "+slapd.GroupDN("dev")+"\nchangetype: modify\nreplace: member\nmember: "+slapd.PersonDN("yan")+"\n\n")
	eventually(t, "zoe is refused after she left the group", func() bool { return zoe.push("team/app").Err != nil })
	mustFail(t, zoe.push("team/app"), "denied", "unauthorized")
	eventually(t, "yan pushes after he joined the group", func() bool { return yan.push("team/app").Err == nil })

	server.CLI(t, "member", "remove", "team", "--group", "staff")
	mustFail(t, yan.push("team/app"), "denied", "unauthorized")
}

// eventually waits for what a source's answers, which are used for up to a minute, bring about.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); !done(); time.Sleep(3 * time.Second) {
		if time.Now().After(end) {
			t.Fatalf("waiting for that %s: it does not come", what)
		}
	}
}

// TestLocalGroup gives a role to a group that is kept here: users come and go at once.
func TestLocalGroup(t *testing.T) {
	t.Parallel()
	server := serve(t, "")
	server.AddUser(t, "gus", "Gus-e2e-12345")
	server.CLI(t, "project", "create", "team")
	server.CLI(t, "group", "create", "release-team")
	server.CLI(t, "member", "add", "team", "--group", "release-team", "--role", "developer")
	gus := newDesk(t, server)
	must(t, gus.login("gus", "Gus-e2e-12345"))
	mustFail(t, gus.push("team/app"), "denied")
	server.CLI(t, "group", "add-user", "release-team", "gus")
	must(t, gus.push("team/app"))
	must(t, gus.pull("team/app"))

	// Several roles add up.
	server.CLI(t, "member", "add", "team", "gus", "--role", "guest")
	must(t, gus.push("team/app"))
	server.CLI(t, "group", "remove-user", "release-team", "gus")
	mustFail(t, gus.push("team/app"), "denied", "unauthorized")
	must(t, gus.pull("team/app"))
	server.CLI(t, "group", "add-user", "release-team", "gus")
	must(t, gus.push("team/app"))
	server.CLI(t, "group", "delete", "release-team")
	mustFail(t, gus.push("team/app"), "denied", "unauthorized")
}

// TestLDAPAdministration pings, searches and imports as Harbor's API does; who was imported is a member before the
// first login.
func TestLDAPAdministration(t *testing.T) {
	t.Parallel()
	directory, server := corp(t)
	server.CLI(t, "project", "create", "team")
	admin := wire.New(server.Addr, "admin", adminPassword)
	ask := func(method, path, body string, status int, want string) {
		t.Helper()
		resp, err := admin.Send(wire.Request{
			Method: method, URL: "/api/v2.0/ldap" + path, Basic: true, Body: []byte(body), Header: http.Header{"Content-Type": {"application/json"}},
		})
		if err != nil || resp.Status != status || !strings.Contains(string(resp.Body), want) {
			t.Errorf("%s %s %s: got %v, %v, want %d with %s", method, path, body, resp, err, status, want)
		}
	}
	ask("POST", "/ping", "{}", 200, `"success":true`)
	try := map[string]any{
		"ldap_url": directory.URL, "ldap_search_dn": slapd.Reader, "ldap_search_password": slapd.ReaderKey, "ldap_base_dn": slapd.People,
		"ldap_filter": "objectClass=person", "ldap_uid": "uid",
	}
	text := func() string {
		b, err := json.Marshal(try)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	ask("POST", "/ping", text(), 200, `"success":true`)
	try["ldap_search_password"] = "canary"
	ask("POST", "/ping", text(), 200, `"success":false`)
	try["ldap_base_dn"] = "people"
	ask("POST", "/ping", text(), 400, "no DN")
	ask("GET", "/users/search?username=zo", "", 200, `"username":"zoe"`)
	ask("GET", "/users/search?username=*", "", 200, `[]`)
	ask("GET", "/groups/search?groupname=sta", "", 200, `"ldap_group_dn":"cn=staff,ou=groups,dc=example,dc=com"`)
	ask("POST", "/users/import", `{"ldap_uid_list":["zoe","nobody"]}`, 404, "nobody")

	server.CLI(t, "member", "add", "team", "zoe@ldap", "--role", "developer")
	zoe := newDesk(t, server)
	must(t, zoe.login("zoe", "zoe-password"))
	must(t, zoe.push("team/app"))
}
