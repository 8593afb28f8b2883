package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/policy"
)

const cases = `
projects:
  team:
    members: {alice: developer, gwen: guest, rita: [guest, releaser]}
  library: {public: true}
groups:
  ops: [alice, oscar]
  "cn=ops,dc=corp@ldap": [lea]
  "*": [eve]
admins: [root]
allow:
- alice pull,push team/app
- rita push team/release/app:v1   # a tag of a release
- anonymous pull library/hello
- root delete team/app
- root create user
- oscar push team/nightly
- lea push team/nightly
- oscar list audit-log
- alice list member in team
- gwen push team/nightly from 10.1.2.3 at 2030-01-07T09:00:00Z
deny:
- gwen push team/app
- rita push team/release/app:latest
- anonymous pull team/app
- alice create user
- gwen push team/nightly from 192.0.2.1 at 2030-01-07T09:00:00Z
- gwen push team/nightly from 10.1.2.3 at 2030-01-06T09:00:00Z
- alice pull nowhere/app
- oscar push other/nightly
- eve push team/nightly
- lea list audit-log
`

const caseRules = `p, developer, repository, **, pull|push, allow
p, developer, member, **, list, allow
p, guest, repository, **, pull, allow
p, guest, repository, team/nightly, push, allow, from=10.0.0.0/8 days=mon-fri
p, releaser, repository, team/release/**:v*, push, allow
p, public, repository, **, pull, allow
p, nightly, repository, */nightly, push, allow
p, auditor, audit-log, @system, list, allow
g, group:ops, nightly, team
g, group:ops, auditor, @system
g, "group:cn=ops,dc=corp@ldap", nightly, te*
p, systemAdmin, *, **, *, allow
p, systemAdmin, *, @system, *, allow
`

func runCases(t *testing.T, rules, table string) []policy.CaseResult {
	t.Helper()
	d, _, err := policy.NewDraft(policy.Text{Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	c, err := policy.ParseCases([]byte(table))
	if err != nil {
		t.Fatal(err)
	}
	results, err := c.Run(t.Context(), d, time.Date(2030, 1, 7, 12, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func TestCases(t *testing.T) {
	t.Parallel()
	results := runCases(t, caseRules, cases)
	if len(results) != 21 {
		t.Errorf("%d questions were asked, want 21", len(results))
	}
	for _, r := range results {
		if !r.OK() {
			t.Errorf("line %d: %s: got %v (%s), want %v", r.Line, r.Text, r.Got, r.Reason, r.Want)
		}
	}
	// Another policy, and the table says what is wrong and where.
	broken := strings.Replace(caseRules, "p, developer, repository, **, pull|push, allow", "p, developer, repository, **, pull, allow", 1)
	rows := policy.Table(runCases(t, broken, cases))
	if want := "[[12 alice push team/app allowed no rule allows push to authenticated, developer, nightly]]"; fmt.Sprint(rows) != want {
		t.Errorf("the table of faults is %v, want %s", rows, want)
	}
}

func TestBadCases(t *testing.T) {
	t.Parallel()
	for table, want := range map[string]string{
		"":                                    "no cases",
		"allow: []":                           "no cases",
		"alow:\n- alice pull team/app":        "field alow not found",
		"allow: alice":                        "can't be read",
		"allow:\n- alice pull":                "line 2: \"alice pull\": it has 2 words",
		"allow:\n- alice fly team/app":        `repository has no action "fly"`,
		"deny:\n- alice pull team":            `there is no resource "team"`,
		"deny:\n- alice pull team/app in x":   "does not name a repository",
		"deny:\n- alice pull team/App":        "does not name a repository",
		"deny:\n- alice pull team/app from x": `"x" is no address`,
		"deny:\n- alice pull team/app at x":   `"x" is no time`,
		"deny:\n- alice pull team/app near x": `"near" is not understood`,
		"deny:\n- alice pull team/app from":   "nothing follows",
		"groups: {a@x: [eve], b@y: [eve], c: [eve]}\ndeny:\n- eve pull b/c": `"eve" is in groups of the sources "x" and "y"`,
		"projects: {A: {}}\ndeny:\n- a pull b/c":                            `"A" can't be the name of a project`,
	} {
		c, err := policy.ParseCases([]byte(table))
		if err == nil {
			d, _, draftErr := policy.NewDraft(policy.Text{Rules: caseRules})
			if draftErr != nil {
				t.Fatal(draftErr)
			}
			_, err = c.Run(t.Context(), d, time.Now())
		}
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("the table %q gives %v, want Invalid with %q", table, err, want)
		}
	}
}

// FuzzQuestion wants that whatever is read can be asked, and nothing else.
func FuzzQuestion(f *testing.F) {
	f.Add("alice pull,push team/app:v1 from ::1 at 2030-01-07T09:00:00Z")
	f.Add("anonymous list member in team")
	d, _, err := policy.NewDraft(policy.Text{Rules: caseRules})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := policy.Cases{Allow: []string{text}, Projects: map[string]policy.CaseProject{"team": {}}}
		results, err := c.Run(t.Context(), d, time.Now())
		if err != nil && !errs.Is(err, errs.Invalid) || err == nil && len(results) == 0 {
			t.Errorf("Run(%q) = %v, %v, want answers or Invalid", text, results, err)
		}
	})
}
