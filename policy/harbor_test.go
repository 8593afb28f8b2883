package policy_test

import (
	"testing"

	"github.com/sealock/sealock/auth"
)

// TestHarborTokens holds the roles of Harbor's table (see [TestEveryCell]) against what docker asks for.
func TestHarborTokens(t *testing.T) {
	w := open(t, "")
	for role, want := range map[string]string{
		"projectAdmin": "repository:team/app:pull,push,delete",
		"maintainer":   "repository:team/app:pull,push,delete",
		"developer":    "repository:team/app:pull,push",
		"guest":        "repository:team/app:pull",
		"limitedGuest": "repository:team/app:pull",
		"unheard-of":   "",
		"anonymous":    "",
		"systemAdmin":  "", // a built-in role is not a member's
		"user:root":    "",
	} {
		w.town.set("team", "bob", role)
		for _, asked := range [][]auth.Action{{"*"}, {"pull", "push", "delete"}, {"pull", "*", "read", "update"}} {
			scope := auth.Scope{{Type: auth.TypeRepository, Name: "team/app", Actions: asked}}
			got, err := w.Authorize(t.Context(), subject("bob"), scope)
			if err != nil || got.Granted.String() != want {
				t.Errorf("Authorize(%s, %s) = %q, %v, want %q", role, scope, got.Granted, err, want)
			}
		}
	}
}

func TestSystemLevel(t *testing.T) {
	w := open(t, "")
	w.town.set("team", "alice", "projectAdmin")
	for _, tt := range []struct {
		who, resource, action string
		want                  bool
	}{
		{"alice", "project", "create", true},
		{"alice", "project", "list", false},
		{"alice", "user", "create", false},
		{"alice", "audit-log", "list", false},
		{"alice", "repository", "pull", false},
		{"alice", "label", "list", true},
		{"alice", "label", "create", false},
		{"", "label", "list", false},
		{"", "project", "create", false},
		{"root", "project", "create", true},
		{"root", "user", "delete", true},
		{"root", "audit-log", "list", true},
		{"root", "configuration", "update", true},
	} {
		got, err := w.Decide(t.Context(), subject(tt.who), auth.Access{Resource: tt.resource, Action: tt.action})
		if err != nil || got.Allowed != tt.want {
			t.Errorf("Decide(%q, %s %s) = %v, %v, want %v", tt.who, tt.action, tt.resource, got, err, tt.want)
		}
	}
}
