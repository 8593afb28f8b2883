package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAudit pushes and pulls with real clients and finds both in the audit trail, which is whole.
func TestAudit(t *testing.T) {
	t.Parallel()
	server := serve(t, "audit: {keep: 24h}\n")
	server.AddUser(t, alice, alicePassword)
	server.CLI(t, "project", "create", "team")
	server.CLI(t, "member", "add", "team", alice, "--role", "maintainer")
	d := newDesk(t, server)
	if out := d.login(alice, alicePassword); out.Err != nil {
		t.Fatalf("docker login = %v %s", out.Err, out.Text)
	}
	if out := d.push("team/app"); out.Err != nil {
		t.Fatalf("push = %v %s", out.Err, out.Text)
	}
	if out := d.pull("team/app"); out.Err != nil {
		t.Fatalf("pull = %v %s", out.Err, out.Text)
	}
	if report := server.CLI(t, "audit", "verify"); !strings.Contains(report, "the audit trail is whole") {
		t.Errorf("audit verify = %s, want a whole trail", report)
	}
	trail := server.CLI(t, "audit", "export")
	for _, want := range []string{
		`"actor":"alice","method":"bearer","remote":"127.0.0.1","operation":"artifact.push","resource":"artifact:team/app:1.0.0","outcome":"allowed"`,
		`"operation":"artifact.pull","resource":"artifact:team/app`,
		`"operation":"token"`,
	} {
		if !strings.Contains(trail, want) {
			t.Errorf("audit export has no %s", want)
		}
	}
	name := filepath.Join(t.TempDir(), "ends.json")
	if err := os.WriteFile(name, []byte(server.CLI(t, "audit", "verify", "--output", "json")), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := d.pull("team/app"); out.Err != nil {
		t.Fatalf("pull = %v %s", out.Err, out.Text)
	}
	if report := server.CLI(t, "audit", "verify", "--against", name); !strings.Contains(report, "is whole") {
		t.Errorf("audit verify --against = %s, want a whole trail", report)
	}
}
