package policy_test

import (
	"strings"
	"testing"

	"github.com/sealock/sealock/auth"
)

// harborTable is Harbor's table of project roles: c=create r=read u=update d=delete l=list o=operate s=stop, P=pull
// U=push. The columns are projectAdmin, maintainer, developer, guest, limitedGuest and anybody on a public project.
const harborTable = `
project            rud     r       r       r    r    r
member             crudl   rl      rl      rl   -    -
metadata           crud    r       -       -    -    -
configuration      ru      r       r       r    r    -
log                l       -       -       -    -    -
label              crudl   crudl   rl      rl   -    rl
quota              r       r       r       r    r    -
repository         crudlPU crudlPU crulPU  rlP  rlP  lP
artifact           crdl    crdl    crl     rl   rl   rl
tag                cdl     cdl     cl      l    l    l
accessory          l       l       l       l    l    l
artifact-label     cd      cd      cd      -    -    -
artifact-addition  r       r       r       r    r    r
tag-retention      crudlo  crudlo  crudlo  -    -    -
immutable-tag      cudl    cudl    -       -    -    -
robot              crudl   rl      rl      rl   -    -
notification-policy crudl  rl      -       -    -    -
scan               crs     crs     r       r    r    r
sbom               crs     crs     r       r    r    -
scanner            rc      r       r       r    r    -
preheat-policy     crudl   -       -       -    -    -
export-cve         crl     crl     crl     -    -    -
user               -       -       -       -    -    -
audit-log          -       -       -       -    -    -
`

func TestHarborTable(t *testing.T) {
	w := open(t, "")
	roles := []string{"projectAdmin", "maintainer", "developer", "guest", "limitedGuest"}
	for _, role := range roles {
		w.town.set("team", role, role)
	}
	words := map[byte]string{
		'c': "create", 'r': "read", 'u': "update", 'd': "delete", 'l': "list", 'o': "operate", 's': "stop", 'P': "pull", 'U': "push",
	}
	for row := range strings.Lines(strings.TrimSpace(harborTable)) {
		cells := strings.Fields(row)
		for letter, action := range words {
			for i, who := range append(roles, "") {
				project := "team"
				if who == "" {
					project = "library"
				}
				want := strings.IndexByte(cells[i+1], letter) >= 0
				access := auth.Access{Resource: cells[0], Project: project, Action: action}
				got, err := w.Decide(t.Context(), subject(who), access)
				if err != nil || got.Allowed != want {
					t.Errorf("Decide(%q, %+v) = %v, %v, want %v", who, access, got, err, want)
				}
			}
			access := auth.Access{Resource: cells[0], Project: "team", Action: action}
			if got, err := w.Decide(t.Context(), subject("root"), access); err != nil || !got.Allowed {
				t.Errorf("Decide(root, %+v) = %v, %v, want it allowed", access, got, err)
			}
		}
	}
}

// TestHarborTokens holds the same table against what docker asks for.
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
