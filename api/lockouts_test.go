package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sealock/sealock/auth"
)

func TestLockouts(t *testing.T) {
	w := newWorld(t)
	pair := auth.NewLockKey(auth.LockPair, lou, "192.0.2.7")
	w.lock(pair, auth.NewLockKey(auth.LockAddress, "", "192.0.2.7"), auth.NewLockKey(auth.LockAddress, "", auth.LockedAddress("2001:db8::1")))
	for query, want := range map[string]string{
		"": "4", "?username=lou": "2", "?username=LOU": "2", "?address=192.0.2.7": "2", "?address=2001:db8::99": "1",
		"?username=lou&address=192.0.2.7": "1", "?username=alice": "0", "?address=nowhere": "0", "?username=%E2%80%8B": "0",
	} {
		got := w.want(w.as(admin, "GET", "/api/v2.0/lockouts"+query, ""), 200, "GET lockouts%s", query)
		if n := got.header.Get("X-Total-Count"); n != want || strings.Contains(got.body, "canary") || strings.Contains(got.body, "c2FsdC1jYW5hcnk") {
			t.Errorf("GET lockouts%s = %s of %s, want %s and no salt or tags", query, n, got.body, want)
		}
	}
	path := "/api/v2.0/lockouts/" + pair.ID
	w.want(w.as(alice, "DELETE", path, ""), 403, "lifting as alice")
	w.want(w.as(admin, "DELETE", path, ""), 200, "lifting")
	w.want(w.as(admin, "DELETE", path, ""), 404, "lifting again")
	got := w.as(admin, "GET", "/api/v2.0/audit-logs?page_size=100", "")
	for _, want := range []string{`"resource":"account:lou at 192.0.2.7"`, `"resource_type":"lockout"`, `"outcome":"refused"`} {
		if !strings.Contains(got.body, want) {
			t.Errorf("audit trail = %s, want %s in it", got.body, want)
		}
	}
}

// A locked account gets 429 with the time to wait, known or not and with the right password or not, and leaves a trace.
func TestLockedOut(t *testing.T) {
	w := newWorld(t)
	var bodies []string
	for _, name := range []string{alice, "zoe"} {
		for i := range 5 {
			w.want(w.send("GET", "/api/v2.0/users/current", "", "Authorization", basic(name, fmt.Sprint("guess", i))), 401, "a guess")
		}
		got := w.want(w.send("GET", "/api/v2.0/users/current", "", "Authorization", basic(name, password)), 429, "the password of %s", name)
		if wait := got.header.Get("Retry-After"); (wait != "10" && wait != "9") || got.code() != "TOO_MANY_REQUESTS" && got.code() != "TOOMANYREQUESTS" {
			t.Errorf("a locked login = %s with Retry-After %q, want 10", got.body, wait)
		}
		bodies = append(bodies, strings.NewReplacer("10s", "", "9s", "").Replace(got.body))
	}
	if bodies[0] != bodies[1] {
		t.Errorf("locked: %s, and who does not exist: %s, want the same", bodies[0], bodies[1])
	}
	trail := w.as(admin, "GET", "/api/v2.0/audit-logs?q=username%3Dzoe", "")
	if trail.header.Get("X-Total-Count") != "6" || !strings.Contains(trail.body, "locked after too many failed logins") || strings.Contains(trail.body, password) {
		t.Errorf("audit trail = %s, want five guesses and one refusal", trail.body)
	}
}
