package policy

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sealock/sealock/auth"
)

var update = flag.Bool("update", false, "write the generated part of the documentation anew")

// TestDocumentedRolesAreCurrent holds the tables in docs/policy.md against the policy that a first start writes.
func TestDocumentedRolesAreCurrent(t *testing.T) {
	const begin, end = "<!-- roles: written by go test ./policy -update -->\n", "<!-- end of roles -->\n"
	var b strings.Builder
	b.WriteString("\n")
	root := auth.Subject{Name: "root", SysAdmin: true}
	inProject := []column{{"system administrator", root, "team"}}
	for _, role := range []string{"projectAdmin", "maintainer", "developer", "guest", "limitedGuest"} {
		inProject = append(inProject, column{role, auth.Subject{Name: role}, "team"})
	}
	writeTable(t, &b, append(inProject, column{"public", auth.Subject{}, "library"}))
	b.WriteString("\nAt system level:\n\n")
	writeTable(t, &b, []column{{"system administrator", root, ""}, {"everybody signed in", auth.Subject{Name: "stranger"}, ""}})
	b.WriteString("\n")
	path := filepath.Join("..", "docs", "policy.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(page), begin)
	table, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no place for the tables", path)
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+b.String()+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if table != b.String() {
		t.Errorf("the tables in %s are not what the policy says: run go test ./policy -run TestDocumented -update", path)
	}
}

// column is one of a table: somebody, and where they are asked about.
type column struct {
	head    string
	sub     auth.Subject
	project string
}

// writeTable writes what the default policy allows, with a row for each resource that there is where it is asked about.
func writeTable(t *testing.T, b *strings.Builder, columns []column) {
	t.Helper()
	d := draftOf(t, "")
	b.WriteString("| resource |")
	for _, c := range columns {
		b.WriteString(" " + c.head + " |")
	}
	b.WriteString("\n|" + strings.Repeat("---|", len(columns)+1) + "\n")
	words := vocabulary()
	for _, resource := range slices.Sorted(maps.Keys(words)) {
		if w := words[resource]; columns[0].project == "" && !w.system || columns[0].project != "" && !w.project {
			continue
		}
		cells := make([]string, len(columns))
		for i, c := range columns {
			var may []string
			for action := range strings.SplitSeq(words[resource].actions, "|") {
				if (cell{resource, action}).may(t, d, c.sub, c.project) {
					may = append(may, action)
				}
			}
			cells[i] = strings.Join(may, ", ")
		}
		fmt.Fprintf(b, "| `%s` | %s |\n", resource, strings.Join(cells, " | "))
	}
}
