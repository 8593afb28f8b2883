package e2e_test

import (
	"fmt"
	"strings"
	"testing"
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
