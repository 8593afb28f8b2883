package policy_test

import (
	"strings"
	"testing"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/policy"
)

// A permission is held to the words of the policy file, with a remedy for each that is none.
func TestCheckPermission(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ project, resource, actions, want string }{
		{"team", "repository", "pull push", ""},
		{"*", "*", "*", ""},
		{"", "*", "*", ""},
		{"", "user", "list", ""},
		{"team", "member", "list", ""},
		{"", "project", "create", ""},
		{"team", "repository", "pul", "mean pull"},
		{"team", "repositry", "pull", "mean repository"},
		{"team", "member", "pull", "member"},
		{"team", "user", "list", "leave the project away"},
		{"", "repository", "pull", "name a project"},
		{"team", "repository", "pull|push", "by itself"},
		{"team", "*", "fly", ""},
	} {
		err := policy.CheckPermission(auth.Permission{Project: row.project, Resource: row.resource, Actions: strings.Fields(row.actions)})
		good := row.want == "" && row.actions != "fly"
		if good != (err == nil) || err != nil && (!errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("CheckPermission(%+v) = %v, want good: %v, with %q", row, err, good, row.want)
		}
	}
}
