package policy

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
)

var update = flag.Bool("update", false, "write the generated part of the documentation anew")

// casting gives everybody the role that their name says, in a project or at large.
type casting struct{}

func (casting) Standing(_ context.Context, sub auth.Subject, _ string) (Standing, error) {
	s := Standing{Exists: true, Public: sub.Name == "public"}
	if sub.Name != "public" {
		s.Roles = []string{sub.Name}
	}
	return s, nil
}

func (casting) Origins(context.Context, auth.Subject, string) ([]Origin, error) { return nil, nil }

// TestDocumentedRolesAreCurrent holds the table in docs/policy.md against the policy that a first start writes.
func TestDocumentedRolesAreCurrent(t *testing.T) {
	const begin, end = "<!-- roles: written by go test ./policy -update -->\n", "<!-- end of roles -->\n"
	d, findings, err := NewDraft(DefaultText())
	if err != nil || len(findings) != 0 {
		t.Fatalf("the default policy: %v, %v", findings, err)
	}
	columns := []string{"projectAdmin", "maintainer", "developer", "guest", "limitedGuest", "public"}
	var b strings.Builder
	b.WriteString("\n| resource | " + strings.Join(columns, " | ") + " |\n|" + strings.Repeat("---|", len(columns)+1) + "\n")
	words := vocabulary()
	for _, resource := range slices.Sorted(maps.Keys(words)) {
		if !words[resource].project {
			continue
		}
		cells, any := make([]string, len(columns)), false
		for i, role := range columns {
			var may []string
			for action := range strings.SplitSeq(words[resource].actions, "|") {
				access := auth.Access{Resource: resource, Project: "team", Action: action}
				if resource == "repository" {
					access.Repository = "team/app"
				}
				r, err := d.Decide(t.Context(), casting{}, auth.Subject{Name: role}, access, time.Unix(0, 0))
				if err != nil {
					t.Fatal(err)
				}
				if r.Allowed {
					may, any = append(may, action), true
				}
			}
			cells[i] = strings.Join(may, ", ")
		}
		if any {
			fmt.Fprintf(&b, "| `%s` | %s |\n", resource, strings.Join(cells, " | "))
		}
	}
	b.WriteString("\n")
	path := filepath.Join("..", "docs", "policy.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(page), begin)
	table, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no place for the table", path)
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+b.String()+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if table != b.String() {
		t.Errorf("the table in %s is not what the policy says: run go test ./policy -run TestDocumented -update", path)
	}
}
