package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
)

func granted(t *testing.T, w world, sub auth.Subject, scope string) auth.Decision {
	t.Helper()
	asked, err := auth.ParseScope([]string{scope})
	if err != nil {
		t.Fatal(err)
	}
	d, err := w.Authorize(t.Context(), sub, asked)
	if err != nil {
		t.Fatalf("Authorize(%s, %s) = %v, want no error", sub.Name, scope, err)
	}
	return d
}

// What credentials add to the policy and take away from it.
func TestGrantsAndBounds(t *testing.T) {
	t.Parallel()
	w := open(t, `p, developer, repository, **, pull|push, allow
p, public, repository, **, pull, allow
p, authenticated, project, @system, create, allow
p, systemAdmin, *, **, *, allow
p, systemAdmin, registry, catalog, *, allow
p, user:robot~blocked, repository, **, push, deny
`)
	pull := auth.Permissions{{Project: "team", Resource: "repository", Actions: []string{"pull"}}}
	both := auth.Permissions{{Project: "team", Repositories: []string{"app", "app/**"}, Resource: "repository", Actions: []string{"pull", "push"}}}
	robot := func(name string, p auth.Permissions) auth.Subject {
		return auth.Subject{Name: name, Kind: auth.KindRobot, Grants: p}
	}
	alice := auth.Subject{Name: "alice"}
	for name, tt := range map[string]struct {
		sub         auth.Subject
		scope, want string
	}{
		"a robot has what it is given":              {robot("robot~a", pull), "repository:team/app:pull,push", "repository:team/app:pull"},
		"in the repositories that it is given":      {robot("robot~a", both), "repository:team/app/x:push repository:team/db:push", "repository:team/app/x:push"},
		"and not in another project":                {robot("robot~a", pull), "repository:other/app:pull", ""},
		"nor where there is no project":             {robot("robot~a", auth.Permissions{{Project: "*", Resource: "*", Actions: []string{"*"}}}), "repository:nowhere/app:pull", ""},
		"it may do what everybody may":              {robot("robot~a", nil), "repository:library/app:pull", "repository:library/app:pull"},
		"a rule that denies counts for it":          {robot("robot~blocked", both), "repository:team/app:pull,push", "repository:team/app:pull"},
		"a token has what its owner has":            {alice.Bound(both, time.Time{}), "repository:team/app:pull,push", "repository:team/app:pull,push"},
		"less what it is not good for":              {alice.Bound(pull, time.Time{}), "repository:team/app:pull,push", "repository:team/app:pull"},
		"and not more than its owner":               {auth.Subject{Name: "gwen"}.Bound(both, time.Time{}), "repository:team/app:pull,push", ""},
		"not even what everybody may":               {alice.Bound(pull, time.Time{}), "repository:library/app:pull", ""},
		"also an administrator's":                   {auth.Subject{Name: "root", SysAdmin: true}.Bound(pull, time.Time{}), "repository:team/app:* repository:other/app:*", "repository:team/app:pull"},
		"the catalog is something to be good for":   {auth.Subject{Name: "root", SysAdmin: true}.Bound(auth.Permissions{{Resource: "catalog", Actions: []string{"read"}}}, time.Time{}), "registry:catalog:*", "registry:catalog:*"},
		"and is not a part of all projects":         {auth.Subject{Name: "root", SysAdmin: true}.Bound(auth.Permissions{{Project: "*", Resource: "*", Actions: []string{"*"}}}, time.Time{}), "registry:catalog:*", ""},
		"a workload has its roles":                  {auth.Subject{Name: "ci", Kind: auth.KindWorkload, Roles: []auth.ProjectRole{{Project: "team", Role: "developer"}}}, "repository:team/app:push repository:other/app:push", "repository:team/app:push"},
		"and is bounded besides, if it is":          {auth.Subject{Name: "ci", Kind: auth.KindWorkload, Roles: []auth.ProjectRole{{Project: "team", Role: "developer"}}}.Bound(pull, time.Time{}), "repository:team/app:pull,push", "repository:team/app:pull"},
		"a role that no rule names gives nothing":   {auth.Subject{Name: "ci", Kind: auth.KindWorkload, Roles: []auth.ProjectRole{{Project: "team", Role: "systemAdmin"}}}, "repository:team/app:push", ""},
		"a name like a robot's is nothing special":  {auth.Subject{Name: "robot~a"}, "repository:team/app:pull", ""},
		"a bounded subject is bounded in all it is": {auth.Subject{Name: "root", SysAdmin: true}.Bound(nil, time.Time{}), "repository:team/app:pull", ""},
	} {
		d := granted(t, w, tt.sub, tt.scope)
		if got := d.Granted.String(); got != tt.want {
			t.Errorf("%s: %s asks for %s: granted %q, want %q (%s)", name, tt.sub.Name, tt.scope, got, tt.want, d.Reason)
		}
	}
	if d := granted(t, w, robot("robot~a", pull), "repository:team/app:pull"); !strings.Contains(d.Reason, "permission of robot~a") {
		t.Errorf("the reason is %q, want the robot's permission in it", d.Reason)
	}
	if d := granted(t, w, alice.Bound(pull, time.Time{}), "repository:team/app:push"); !strings.Contains(d.Reason, "credential is not good for push") {
		t.Errorf("the reason is %q, want it to name the credential", d.Reason)
	}
}

// Robots and workloads are not among those to whom "everybody who is signed in" is said.
func TestMachinesAreNotAuthenticatedUsers(t *testing.T) {
	t.Parallel()
	w := open(t, "")
	create := auth.Access{Resource: "project", Action: "create"}
	for _, tt := range []struct {
		sub  auth.Subject
		want bool
	}{
		{auth.Subject{Name: "alice"}, true},
		{auth.Subject{Name: "robot~a", Kind: auth.KindRobot}, false},
		{auth.Subject{Name: "robot~a", Kind: auth.KindRobot, Grants: auth.Permissions{{Resource: "project", Actions: []string{"create"}}}}, true},
		{auth.Subject{Name: "ci~a", Kind: auth.KindWorkload}, false},
		{auth.Subject{Name: "alice"}.Bound(auth.Permissions{{Project: "*", Resource: "*", Actions: []string{"*"}}}, time.Time{}), false},
		{auth.Subject{Name: "alice"}.Bound(auth.Permissions{{Resource: "project", Actions: []string{"create"}}}, time.Time{}), true},
	} {
		ruling, err := w.Decide(t.Context(), tt.sub, create)
		if err != nil || ruling.Allowed != tt.want {
			t.Errorf("%s (%s, %v) may create projects: %v, %v, want %v (%s)", tt.sub.Name, tt.sub.Kind, tt.sub.Grants, ruling.Allowed, err, tt.want, ruling.Reason)
		}
	}
}
