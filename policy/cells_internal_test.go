package policy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
)

// projectCells says who may do what in a project: c=create r=read u=update d=delete l=list o=operate s=stop, P=pull U=push
// O=overwrite S=scanner-pull. But for overwrite and the last column this is Harbor's table of project roles. It is written
// by hand, so that neither the policy file nor the vocabulary changes without somebody meaning it.
const projectCells = `
                    projectAdmin maintainer developer guest limitedGuest public systemAdmin
project             rud          r          r         r     r            r      crudl
member              crudl        rl         rl        rl    -            -      crudl
metadata            crud         r          -         -     -            -      crudl
configuration       ru           r          r         r     r            -      ru
log                 l            -          -         -     -            -      l
label               crudl        crudl      rl        rl    -            rl     crudl
quota               r            r          r         r     r            -      rul
repository          crudlPUO     crudlPUO   crulPUO   rlP   rlP          lP     crudlPUOS
artifact            crdl         crdl       crl       rl    rl           rl     crdl
tag                 cdl          cdl        cl        l     l            l      cdl
accessory           l            l          l         l     l            l      l
artifact-label      cd           cd         cd        -     -            -      cd
artifact-addition   r            r          r         r     r            r      r
tag-retention       crudlo       crudlo     crudlo    -     -            -      crudlo
immutable-tag       cudl         cudl       -         -     -            -      crudl
robot               crudl        rl         rl        rl    -            -      crudl
notification-policy crudl        rl         -         -     -            -      crudl
scan                crs          crs        r         r     r            r      crs
sbom                crs          crs        r         r     r            -      crs
scanner             rc           r          r         r     r            -      crudl
preheat-policy      crudl        -          -         -     -            -      crudl
export-cve          crl          crl        crl       -     -            -      crl
`

// systemCells says the same of the system level. "authenticated" is everybody who is signed in, whatever their roles in
// projects are.
const systemCells = `
                      authenticated systemAdmin
project               c             crudl
access-token          -             rd
audit-log             -             l
catalog               -             r
configuration         -             ru
distribution          -             crudl
garbage-collection    -             crudls
jobservice-monitor    -             rls
key                   -             rlo
label                 rl            crudl
ldap-user             -             cl
lockout               -             ld
personal-access-token -             cld
policy                -             ruo
preheat-instance      -             crudl
purge-audit           -             crudls
quota                 -             rlu
refresh-token         -             ld
registry              -             crudl
reindex               -             crs
replication           -             crudl
replication-adapter   -             l
replication-policy    -             crudl
robot                 -             crudl
scan-all              -             crudls
scanner               -             crudl
security-hub          -             rl
system-volumes        -             r
user                  -             crudl
user-group            -             crudl
`

// cell is one thing that can be done somewhere.
type cell struct{ resource, action string }

// table is who may do what: column → cells.
type table map[string]map[cell]bool

// readTable reads a table of one letter for each action.
func readTable(t *testing.T, text string) (tab table, rows []string) {
	t.Helper()
	words := map[rune]string{
		'c': "create", 'r': "read", 'u': "update", 'd': "delete", 'l': "list", 'o': "operate", 's': "stop",
		'P': "pull", 'U': "push", 'O': "overwrite", 'S': "scanner-pull",
	}
	head, body, _ := strings.Cut(strings.TrimSpace(text), "\n")
	tab = table{}
	for _, column := range strings.Fields(head) {
		tab[column] = map[cell]bool{}
	}
	for row := range strings.Lines(body) {
		fields := strings.Fields(row)
		rows = append(rows, fields[0])
		for i, column := range strings.Fields(head) {
			for _, letter := range strings.Trim(fields[i+1], "-") {
				if words[letter] == "" {
					t.Fatalf("the letter %q in the row %s stands for no action", letter, fields[0])
				}
				tab[column][cell{fields[0], words[letter]}] = true
			}
		}
	}
	return tab, rows
}

// casting is two projects, team and library, of which library is public. Everybody is in team what their name says.
type casting struct{ roles []string }

func (c casting) Standing(_ context.Context, sub auth.Subject, project string) (Standing, error) {
	s := Standing{Exists: true, Public: project == "library"}
	if project == "team" && slices.Contains(c.roles, sub.Name) {
		s.Roles = []string{sub.Name}
	}
	return s, nil
}

func (casting) Origins(context.Context, auth.Subject, string) ([]Origin, error) { return nil, nil }

// troupe is the casting of Harbor's roles and one of the file's own.
func troupe() casting {
	return casting{[]string{"projectAdmin", "maintainer", "developer", "guest", "limitedGuest", "custom"}}
}

// draftOf is a policy of a few lines; "" is the default one.
func draftOf(t *testing.T, rules string) *Draft {
	t.Helper()
	text := DefaultText()
	if rules != "" {
		text.Rules = rules
	}
	d, findings, err := NewDraft(text)
	if err != nil {
		t.Fatalf("NewDraft(%s) = %v, %v, want no error", rules, findings, err)
	}
	return d
}

// may asks for one cell. In a repository is asked for what is in one.
func (c cell) may(t *testing.T, d *Draft, sub auth.Subject, project string) bool {
	t.Helper()
	access := auth.Access{Resource: c.resource, Project: project, Action: c.action}
	if c.resource == "repository" && project != "" {
		access.Repository = project + "/app"
	}
	got, err := d.Decide(t.Context(), troupe(), sub, access, time.Unix(0, 0))
	if err != nil {
		t.Fatalf("Decide(%q, %+v) = %v, want no error", sub.Name, access, err)
	}
	return got.Allowed
}

// allCells is every resource with every action that there is of any.
func allCells() []cell {
	var out []cell
	words := vocabulary()
	for _, resource := range slices.Sorted(maps.Keys(words)) {
		for _, action := range actionsOf(words, "*") {
			out = append(out, cell{resource, action})
		}
	}
	return out
}

// Every word has its row, and the row has every action of the word: who adds one says who may do it.
func TestEveryWordHasARow(t *testing.T) {
	inProject, projectRows := readTable(t, projectCells)
	atSystem, systemRows := readTable(t, systemCells)
	for resource, w := range vocabulary() {
		for _, level := range []struct {
			name string
			has  bool
			rows []string
			all  map[cell]bool
		}{{"projectCells", w.project, projectRows, inProject["systemAdmin"]}, {"systemCells", w.system, systemRows, atSystem["systemAdmin"]}} {
			if got := slices.Contains(level.rows, resource); got != level.has {
				t.Errorf("%s has a row for %s: %v, want %v as words.go says", level.name, resource, got, level.has)
			}
			for _, action := range actionsOf(vocabulary(), "*") {
				if got, want := level.all[cell{resource, action}], level.has && w.knows(action); got != want {
					t.Errorf("%s has %s of %s under systemAdmin: %v, want %v as words.go says", level.name, action, resource, got, want)
				}
			}
		}
	}
}

// TestEveryCell asks the default policy for every action on every resource, as everybody, at both levels.
func TestEveryCell(t *testing.T) {
	inProject, _ := readTable(t, projectCells)
	atSystem, _ := readTable(t, systemCells)
	none := map[cell]bool{}
	d := draftOf(t, "")
	person := func(name string) auth.Subject { return auth.Subject{Name: name} }
	robot := auth.Subject{Name: "robot~team+ci", Kind: auth.KindRobot}
	type column struct {
		who                     string
		sub                     auth.Subject
		private, public, system map[cell]bool
	}
	columns := []column{
		{"anonymous", auth.Subject{}, none, inProject["public"], none},
		{"somebody who is no member", person("stranger"), none, inProject["public"], atSystem["authenticated"]},
		{"a robot without permissions", robot, none, inProject["public"], none},
		{"a role that no rule names", person("custom"), none, inProject["public"], atSystem["authenticated"]},
	}
	for _, role := range []string{"projectAdmin", "maintainer", "developer", "guest", "limitedGuest"} {
		columns = append(columns, column{role, person(role), inProject[role], inProject["public"], atSystem["authenticated"]})
	}
	for _, c := range allCells() {
		for _, col := range columns {
			for project, want := range map[string]map[cell]bool{"team": col.private, "library": col.public, "": col.system} {
				if got := c.may(t, d, col.sub, project); got != want[c] {
					t.Errorf("%s, %s of %s in %q = %v, want %v", col.who, c.action, c.resource, project, got, want[c])
				}
			}
		}
		for _, project := range []string{"team", "library", ""} {
			if !c.may(t, d, auth.Subject{Name: "root", SysAdmin: true}, project) {
				t.Errorf("a system administrator, %s of %s in %q = false, want true", c.action, c.resource, project)
			}
		}
	}
}

// grantable lists the cells that a permission or a rule can name, with the project ("" at system level).
func grantable() map[cell][]string {
	out, words := map[cell][]string{}, vocabulary()
	for _, c := range allCells() {
		w := words[c.resource]
		if w.knows(c.action) && w.project {
			out[c] = append(out[c], "team")
		}
		if w.knows(c.action) && w.system {
			out[c] = append(out[c], "")
		}
	}
	return out
}

// wantOnly wants somebody who has one of all cells to have that one alone, here and elsewhere. Who may push may overwrite,
// where no rule says anything of it.
func wantOnly(t *testing.T, d *Draft, sub auth.Subject, all map[cell][]string, has cell, in string) {
	t.Helper()
	for c := range all {
		for _, project := range []string{"team", "other", ""} {
			want := c == has && project == in || has == cell{"repository", "push"} && c == cell{"repository", "overwrite"} && project == in
			if got := c.may(t, d, sub, project); got != want {
				t.Errorf("%s, who has %s of %s in %q alone, %s of %s in %q = %v, want %v", sub.Name, has.action, has.resource, in, c.action, c.resource, project, got, want)
			}
		}
	}
}

// A robot has the cells that its permissions say, and no role.
func TestRobotsHaveTheirCells(t *testing.T) {
	d, all := draftOf(t, ""), grantable()
	for has, projects := range all {
		if has.action == actionOverwrite {
			continue // permissions say push
		}
		for _, project := range projects {
			wantOnly(t, d, auth.Subject{Name: "robot~ci", Kind: auth.KindRobot, Grants: auth.Permissions{
				{Project: project, Resource: has.resource, Actions: []string{has.action}},
			}}, all, has, project)
		}
	}
}

// A role of the file's own has the cells that its rules say, for members by the store and by the file.
func TestCustomRolesHaveTheirCells(t *testing.T) {
	all := grantable()
	for has, projects := range all {
		for _, project := range projects {
			name := project
			switch {
			case project == "":
				name = SystemLevel
			case has.resource == "repository":
				name += "/app"
			}
			rule := fmt.Sprintf("p, custom, %s, %s, %s, allow\n", has.resource, name, has.action)
			byFile := draftOf(t, rule+"g, user:rita, custom, **\ng, user:rita, custom, @system\n")
			wantOnly(t, byFile, auth.Subject{Name: "rita"}, all, has, project)
			if project != "" {
				wantOnly(t, byFile, auth.Subject{Name: "custom"}, all, has, project)
			}
		}
	}
}
