package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/testkit"
)

// With the policy in the store, what is put in force at one server counts at the others within five seconds, and nothing
// of what there was is lost.
func TestServersShareThePolicy(t *testing.T) {
	settings := map[string]string{"store.url": testkit.Postgres(t).Database(t), "policy.in": "store"}
	a, b := startSystem(t, settings), startSystem(t, settings)
	a.api(t, http.MethodPost, "/projects", `{"project_name":"team"}`, http.StatusCreated)
	mayPull := func(s *system) bool {
		t.Helper()
		r, err := s.policy.Decide(t.Context(), auth.Subject{Name: "zoe", ID: 99}, auth.Access{
			Resource: "repository", Project: "team", Repository: "team/app", Action: "pull",
		})
		if err != nil {
			t.Fatal(err)
		}
		return r.Allowed
	}
	within := func(want bool) {
		t.Helper()
		end := time.Now().Add(5 * time.Second)
		for mayPull(b) != want {
			if time.Now().After(end) {
				t.Fatalf("5 s after the change the other server says %v, want %v", !want, want)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	var now struct{ Policy string }
	if err := json.Unmarshal(a.api(t, http.MethodGet, "/policy", "", http.StatusOK).Body.Bytes(), &now); err != nil {
		t.Fatal(err)
	}
	next, err := json.Marshal(map[string]string{"policy": now.Policy + "p, user:zoe, repository, team/**, pull, allow\n", "comment": "zoe reads"})
	if err != nil {
		t.Fatal(err)
	}
	within(false)
	a.api(t, http.MethodPut, "/policy", string(next), http.StatusOK)
	if !mayPull(a) {
		t.Error("the server that was told does not pull, want it at once")
	}
	within(true)
	if history := b.api(t, http.MethodGet, "/policy/history", "", http.StatusOK).Body.String(); !strings.Contains(history, "zoe reads") {
		t.Errorf("the other server's history = %s, want the change", history)
	}
	b.api(t, http.MethodPost, "/policy/history/1/rollback", "", http.StatusOK)
	if mayPull(b) {
		t.Error("after the rollback zoe pulls, want it refused at once")
	}
	// What a server reads there is no change of its own.
	if n := a.api(t, http.MethodGet, "/policy/history", "", http.StatusOK).Header().Get("X-Total-Count"); n != "3" && n != "4" {
		t.Errorf("the history has %s entries, want the default (of one server or both), the change and the way back", n)
	}
}
