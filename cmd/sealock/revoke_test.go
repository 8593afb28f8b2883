package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/testkit"
)

// Of two servers on one PostgreSQL, the one that takes a membership away refuses with the very next token, and the other
// within five seconds, although it remembers the member.
func TestRevokedMemberAtTwoServers(t *testing.T) {
	database := testkit.Postgres(t).Database(t)
	a, b := startSystem(t, map[string]string{"store.url": database}), startSystem(t, map[string]string{"store.url": database})
	member, _ := withAlice(t, a)
	grants := func(s *system) string {
		t.Helper()
		_, got := s.granted(t, "alice", "wonderland-1", wanted)
		return got
	}
	for _, s := range []*system{a, b} {
		if got := grants(s); got != wanted {
			t.Fatalf("before: a token grants %q, want %q", got, wanted)
		}
	}
	a.api(t, http.MethodDelete, member, "", http.StatusOK)
	end := time.Now().Add(5 * time.Second)
	if got := grants(a); got != "" {
		t.Errorf("the very next token of the server that was told grants %q, want nothing", got)
	}
	for {
		late := time.Now().After(end) // before the question: an answer that was asked for in time may take its time
		got := grants(b)
		if got == "" {
			return
		}
		if late {
			t.Fatalf("5 s later a token of the other server grants %q, want nothing", got)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
