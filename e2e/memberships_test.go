package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/sealock/sealock/e2e/internal/sealock"
	"github.com/sealock/sealock/e2e/internal/wire"
)

const ritasPassword = "Rita-e2e-12345"

// bearing returns what asks for the tags of a repository with one and the same token, and what it is answered.
func bearing(t *testing.T, server *sealock.Server, user, secret, repository string) func() int {
	t.Helper()
	c := wire.New(server.Addr, user, secret)
	challenge, err := c.Challenge()
	if err != nil {
		t.Fatal(err)
	}
	token, resp, err := c.Token(challenge, "repository:"+repository+":pull,push")
	if err != nil || resp.Status != http.StatusOK {
		t.Fatalf("a token for %s: got %s, %v", user, resp, err)
	}
	return func() int {
		resp, err := c.Send(wire.Request{Method: http.MethodGet, URL: "/v2/" + repository + "/tags/list", Bearer: token.Token})
		if err != nil {
			t.Fatal(err)
		}
		return resp.Status
	}
}

// TestMembershipsForSomeRepositories logs in as a member for some repositories: what matches can be pushed to and pulled from,
// nothing else can, and who is removed is refused at the door with the next request, with whatever token.
func TestMembershipsForSomeRepositories(t *testing.T) {
	t.Parallel()
	server := serve(t, "")
	server.CLI(t, "project", "create", "team")
	server.AddUser(t, "rita", ritasPassword)
	server.CLI(t, "member", "add", "team", "rita", "--role", "developer", "--repository", "app-*")
	rita := newDesk(t, server)
	must(t, rita.login("rita", ritasPassword))
	must(t, rita.push("team/app-x"))
	must(t, rita.pull("team/app-x"))
	for _, other := range []string{"team/other", "team/app", "team/app-x/deep"} {
		mustFail(t, rita.push(other), "denied", "unauthorized")
	}
	server.CLI(t, "member", "set-role", "team", "rita", "--role", "developer", "--repository", "app-*", "--repository", "other")
	must(t, rita.push("team/other"))
	server.CLI(t, "member", "set-role", "team", "rita", "--role", "guest", "--repository", "other")
	must(t, rita.pull("team/other"))
	mustFail(t, rita.push("team/other"), "denied", "unauthorized")
	mustFail(t, rita.pull("team/app-x"), "denied", "unauthorized", "not found")

	tags := bearing(t, server, "rita", ritasPassword, "team/other")
	if got := tags(); got != http.StatusOK {
		t.Errorf("the tags of team/other for a member: got %d, want 200", got)
	}
	server.CLI(t, "member", "remove", "team", "rita")
	if got := tags(); got == http.StatusOK {
		t.Error("the tags of team/other with the token from before rita was removed: got 200, want a refusal at once")
	}
	mustFail(t, rita.pull("team/other"), "denied", "unauthorized", "not found")
}

// TestMembershipsByRoleAndGroup gives a role of the policy file, to a user and to a group, for all and for some repositories.
func TestMembershipsByRoleAndGroup(t *testing.T) {
	t.Parallel()
	server := serve(t, "")
	server.CLI(t, "project", "create", "team")
	server.AddUser(t, "rita", ritasPassword)
	server.AddUser(t, "gus", ritasPassword)
	before := filepath.Join(t.TempDir(), "before.csv")
	after := filepath.Join(t.TempDir(), "after.csv")
	policy := server.CLI(t, "policy", "show")
	for file, text := range map[string]string{before: policy, after: policy + "\np, releaser, repository, **/releases/**, pull|push|overwrite, allow\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server.CLI(t, "policy", "apply", after)

	server.CLI(t, "member", "add", "team", "rita", "--role", "releaser")
	rita := newDesk(t, server)
	must(t, rita.login("rita", ritasPassword))
	must(t, rita.push("team/releases/app"))
	mustFail(t, rita.push("team/app"), "denied", "unauthorized")

	server.CLI(t, "group", "create", "release-team")
	server.CLI(t, "member", "add", "team", "--group", "release-team", "--role", "releaser", "--repository", "releases/app")
	gus := newDesk(t, server)
	must(t, gus.login("gus", ritasPassword))
	mustFail(t, gus.push("team/releases/app"), "denied", "unauthorized")
	server.CLI(t, "group", "add-user", "release-team", "gus")
	must(t, gus.push("team/releases/app"))
	mustFail(t, gus.push("team/releases/db"), "denied", "unauthorized")
	must(t, rita.push("team/releases/db"))
	tags := bearing(t, server, "gus", ritasPassword, "team/releases/app")
	if got := tags(); got != http.StatusOK {
		t.Errorf("the tags of team/releases/app for somebody of the group: got %d, want 200", got)
	}
	server.CLI(t, "group", "remove-user", "release-team", "gus")
	if got := tags(); got == http.StatusOK {
		t.Error("the tags of team/releases/app with the token from before gus left the group: got 200, want a refusal at once")
	}

	server.CLI(t, "policy", "apply", before)
	mustFail(t, rita.push("team/releases/app"), "denied", "unauthorized")
}
