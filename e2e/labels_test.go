package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sealock/sealock/e2e/internal/client"
)

// TestImagesOnTheCommandLine pushes with a real client what an operator limits, labels, copies and deletes.
func TestImagesOnTheCommandLine(t *testing.T) {
	t.Parallel()
	server := serve(t, "")
	server.AddProject(t, "team")
	server.AddProject(t, "prod")
	d := newDesk(t, server)
	must(t, d.login("admin", adminPassword))
	must(t, d.push("team/app"))
	said := func(want string, args ...string) {
		t.Helper()
		if got := server.CLI(t, args...); !strings.Contains(got, want) {
			t.Errorf("sealock %s says\n%s\nwant %q", strings.Join(args, " "), got, want)
		}
	}

	said("team may hold 1000 B now", "quota", "set", "team", "1kB")
	mustFail(t, d.push("team/a/b/app"), `project "team"`, `project \"team\"`)
	said("1000 B", "quota", "show", "team")
	said("team may hold unlimited now", "quota", "set", "team", "unlimited")
	must(t, d.push("team/a/b/app"))

	said("created label approved", "label", "create", "approved", "--project", "team")
	said("has the label approved now", "label", "add", "team/a/b/app:1.0.0", "approved")
	app, nested := digests(t, server.CLI(t, "artifact", "list", "team/app", "-o", "json")), digests(t, server.CLI(t, "artifact", "list", "team/a/b/app", "-o", "json"))
	if len(app) != 1 || len(nested) != 1 || app[0] == nested[0] {
		t.Fatalf("the repositories hold %q and %q, want an artifact each", app, nested)
	}
	if got := digests(t, server.CLI(t, "artifact", "list", "team/a/b/app", "--label", "approved", "-o", "json")); len(got) != 1 || got[0] != nested[0] {
		t.Errorf("approved in team/a/b/app is %q, want %q", got, nested)
	}
	if got := digests(t, server.CLI(t, "artifact", "list", "team/app", "--label", "approved", "-o", "json")); len(got) != 0 {
		t.Errorf("approved in team/app is %q, want nothing", got)
	}

	said("copied", "artifact", "copy", "team/a/b/app:1.0.0", "prod/app")
	must(t, d.pull("prod/app"))
	said("is called team/app:stable now, too", "tag", "add", "team/app:1.0.0", "stable")
	said("deleted the tag team/app:1.0.0", "tag", "delete", "team/app:1.0.0")
	mustFail(t, d.pull("team/app"), "MANIFEST_UNKNOWN", "not found")
	stable := client.Ref{Host: d.Host, Repository: "team/app", Tag: "stable"}
	_, out := d.crane.Pull(d.Session, stable, "")
	must(t, out)
	said("which had the tags stable", "artifact", "delete", "team/app@"+app[0])
	_, out = d.crane.Pull(d.Session, stable, "")
	mustFail(t, out, "MANIFEST_UNKNOWN", "not found")
	mustFail(t, d.Run("crane", "manifest", stable.At(app[0])), "MANIFEST_UNKNOWN", "not found")

	said("deleted repository team/app", "repository", "delete", "team/app")
	said("deleted repository team/a/b/app with what was in it: 1 artifact", "repository", "delete", "team/a/b/app")
	mustFail(t, d.pull("team/a/b/app"), "UNKNOWN", "not found")
	must(t, d.pull("prod/app"))
	said("deleted project team", "project", "delete", "team")
}

// digests reads the digests in a list of artifacts.
func digests(t *testing.T, list string) []string {
	t.Helper()
	var artifacts []struct{ Digest string }
	if err := json.Unmarshal([]byte(list), &artifacts); err != nil {
		t.Fatalf("reading the artifacts: %v\n%s", err, list)
	}
	all := make([]string, len(artifacts))
	for i, a := range artifacts {
		all[i] = a.Digest
	}
	return all
}
