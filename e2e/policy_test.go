package e2e_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sealock/sealock/e2e/internal/client"
)

// TestPolicyOfTags holds real pushes to rules that no token can say: a role for releases, which may push tags that look
// like a version, each of them once.
func TestPolicyOfTags(t *testing.T) {
	t.Parallel()
	server := serve(t, "")
	server.CLI(t, "project", "create", "team")
	server.AddUser(t, "rita", "battery-staple")
	rita := newDesk(t, server)
	must(t, rita.login("rita", "battery-staple"))
	push := func(tag, content string) client.Output {
		return rita.crane.Push(rita.Session, client.Ref{Host: rita.Host, Repository: "team/releases/app", Tag: tag}, content)
	}
	mustFail(t, push("v1", "one"), "denied")

	file := filepath.Join(t.TempDir(), "policy.csv")
	rules := server.CLI(t, "policy", "show") + `
p, releaser, repository, team/releases/**:v*, push, allow
p, releaser, repository, team/releases/**, pull, allow
g, user:rita, releaser, team
`
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	server.CLI(t, "policy", "apply", file, "--comment", "releases have a role")
	must(t, push("v1", "one"))
	must(t, push("v1", "one")) // no change
	mustFail(t, push("v1", "another"), "is there already")
	must(t, push("v2", "another"))
	mustFail(t, push("latest", "one"), "you may not push to tag")
	mustFail(t, rita.push("team/app"), "denied")

	server.CLI(t, "policy", "rollback", "1")
	mustFail(t, push("v3", "three"), "denied")
}
