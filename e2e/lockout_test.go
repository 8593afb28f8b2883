package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sealock/sealock/e2e/internal/client"
	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/sealock"
	"github.com/sealock/sealock/e2e/internal/wire"
)

// TestLockout tries out passwords with docker until the account is locked, and lifts that.
func TestLockout(t *testing.T) {
	t.Parallel()
	server := serve(t, "lockout: {first: 30m}\n")
	server.AddUser(t, alice, alicePassword)
	server.CLI(t, "project", "create", "team")
	server.CLI(t, "member", "add", "team", alice, "--role", "maintainer")
	d := newDesk(t, server)

	// The same wrong password again and again is one failure: no client locks anybody out by repeating itself.
	for range 8 {
		if out := d.login(alice, "yesterdays-password"); out.Err == nil || strings.Contains(out.Text, "locked") {
			t.Fatalf("docker login with a wrong password = %v %s, want a refusal", out.Err, out.Text)
		}
	}
	if found := server.CLI(t, "lockout", "list"); strings.Contains(found, alice) {
		t.Fatalf("after one wrong password: %s, want nobody locked", found)
	}
	for i := range 4 {
		d.login(alice, fmt.Sprint("guess-", i))
	}
	out := d.login(alice, alicePassword)
	if out.Err == nil || !strings.Contains(out.Text, "locked after too many failed logins: try again in ") {
		t.Errorf("docker login to a locked account = %v %s, want to read that it is locked and for how long", out.Err, out.Text)
	}
	server.CLI(t, "lockout", "lift", "--user", alice)
	if out := d.login(alice, alicePassword); out.Err != nil {
		t.Fatalf("docker login after the lift = %v %s", out.Err, out.Text)
	}
	if out := d.push("team/app"); out.Err != nil {
		t.Errorf("push = %v %s", out.Err, out.Text)
	}

	// Her address is known now: what somebody fails with elsewhere is not hers, and her own failures there are counted apart.
	for i := range 4 {
		d.login(alice, fmt.Sprint("typo-", i))
	}
	if out := d.login(alice, alicePassword); out.Err != nil {
		t.Errorf("docker login after four typing errors = %v %s", out.Err, out.Text)
	}
	if out := d.pull("team/app"); out.Err != nil {
		t.Errorf("pull = %v %s", out.Err, out.Text)
	}
}

// TestLockoutAndClients lets clients go on with a password that was changed, as CI jobs do: each push tries it again and
// again, and all of that is one failure. The limit is two, so that the next secret shows what was counted.
func TestLockoutAndClients(t *testing.T) {
	t.Parallel()
	engines := client.StartEngines(t)
	for _, name := range []string{"docker", "skopeo", "crane", "podman"} {
		t.Run(name, func(t *testing.T) {
			how := driver(t, name)
			for _, tool := range how.Tools {
				need.Tool(t, tool)
			}
			if how.Engine {
				need.Root(t, name)
			}
			server := serve(t, "lockout: {account_failures: 2, first: 30m}\n")
			server.AddUser(t, alice, alicePassword)
			server.AddProject(t, "team", alice+":developer")
			s := client.NewSession(t, server.Addr, engines)
			ref := client.Ref{Host: server.Addr, Repository: "team/app", Tag: "1.0.0"}

			s.StorePassword(alice, "last-weeks-password")
			before := failedLogins(t, server, alice)
			for range 4 {
				out := how.Push(s, ref, unique(name))
				mustFail(t, out, "unauthorized", "authentication required", "unknown user or wrong password")
				after := failedLogins(t, server, alice)
				if cost := after - before; cost < 1 || cost > 3 {
					t.Errorf("a push with a wrong password costs %d attempts, want one to three:\n%s", cost, out)
				}
				before = after
			}
			if found := server.CLI(t, "lockout", "list"); strings.Contains(found, alice) {
				t.Fatalf("after four pushes with one wrong password: %s, want nobody locked", found)
			}
			s.StorePassword(alice, alicePassword)
			must(t, how.Push(s, ref, unique(name)))

			// What was right is known here; a change of the password makes it wrong, and another wrong one is the second failure.
			s.StorePassword(alice, "last-weeks-password")
			mustFail(t, how.Push(s, ref, unique(name)), "unauthorized", "authentication required", "unknown user or wrong password")
			s.StorePassword(alice, "another-guess")
			how.Push(s, ref, unique(name))
			if found := server.CLI(t, "lockout", "list"); !strings.Contains(found, alice) {
				t.Errorf("after pushes with two wrong passwords: %s, want %s locked", found, alice)
			}
		})
	}
}

// failedLogins counts what the audit trail says of a user's failed logins.
func failedLogins(t *testing.T, server *sealock.Server, user string) int {
	t.Helper()
	resp, err := wire.New(server.Addr, "admin", adminPassword).Send(wire.Request{
		Method: http.MethodGet, URL: "/api/v2.0/audit-logs?page_size=100&q=username%3D" + user, Basic: true,
	})
	var records []struct{ Operation, Outcome string }
	if err != nil || resp.Status != http.StatusOK || json.Unmarshal(resp.Body, &records) != nil {
		t.Fatalf("the audit trail: got %s, %v", resp, err)
	}
	n := 0
	for _, r := range records {
		if r.Outcome == "refused" && r.Operation != "delete" { // of what is not there
			n++
		}
	}
	return n
}

// TestLockoutLeavesHonestClientsAlone signs images and takes the signatures away again, with the right password in each
// of many requests, where one wrong one would lock.
func TestLockoutLeavesHonestClientsAlone(t *testing.T) {
	t.Parallel()
	need.Tool(t, "cosign")
	server := serve(t, "lockout: {account_failures: 1, address_failures: 1, first: 30m}\n")
	server.AddUser(t, alice, alicePassword)
	server.AddProject(t, "team", alice+":maintainer")
	w := wire.New(server.Addr, alice, alicePassword)
	s := client.NewSession(t, server.Addr, client.Engines{})
	how := driver(t, "cosign")
	s.StorePassword(alice, alicePassword)
	for i := range 3 {
		ref := client.Ref{Host: server.Addr, Repository: "team/signed", Tag: fmt.Sprint("v", i)}
		content := unique("cosign")
		if err := w.Push(ref.Repository, ref.Tag, image(t, content)); err != nil {
			t.Fatal(err)
		}
		must(t, how.Push(s, ref, content))
		must(t, how.Delete(s, ref, image(t, content).Digest()))
	}
	if n := failedLogins(t, server, alice); n != 0 {
		t.Errorf("%d refusals of honest requests, want none", n)
	}
	if found := server.CLI(t, "lockout", "list", "--output", "json"); strings.TrimSpace(found) != "[]" {
		t.Errorf("locked: %s, want nobody", found)
	}
}
