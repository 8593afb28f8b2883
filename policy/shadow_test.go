package policy_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sealock/sealock/policy"
)

func TestCheckCovered(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ rules, want string }{
		{"p, guest, repository, team/**, pull, allow\np, guest, repository, **, pull|push, allow", "policy.csv:1: warning: this changes nothing: policy.csv:2 says so already"},
		{"p, guest, repository, team/app, pull, allow\np, guest, repository, team/app, pull, allow", "policy.csv:2: warning: this changes nothing: policy.csv:1 says so already"},
		{"p, guest, repository, team/app, pull, allow\np, guest, repository, team/*, pull, allow", "policy.csv:1: warning: this changes nothing: policy.csv:2"},
		{"p, guest, tag, team, list, allow\np, guest, *, team, *, allow", "policy.csv:1: warning: this changes nothing: policy.csv:2"},
		{"p, guest, repository, team/app:v*, push, allow\np, guest, repository, team/**, push, allow", "policy.csv:1: warning: this changes nothing: policy.csv:2"},
		{"p, guest, repository, **, pull, allow, days=mon\np, guest, repository, **, pull, allow", "policy.csv:1: warning: this changes nothing: policy.csv:2"},
		{"p, guest, repository, team/**, pull, allow\np, guest, repository, **, pull, deny", "policy.csv:1: warning: this never counts: policy.csv:2 denies it"},
		{"p, guest, repository, team/**, pull, allow\np, anonymous, repository, team/**, *, deny", "policy.csv:1: warning: this never counts: policy.csv:2 denies it"},
		{"p, guest, repository, **, pull, allow\np, guest, repository, team/**, pull, deny", ""},
		{"p, guest, repository, team/**, pull|push, allow\np, guest, repository, **, pull, allow", ""},
		{"p, guest, repository, team/**, pull, allow\np, developer, repository, **, pull, deny", ""},
		{"p, guest, repository, team/**, pull, allow\np, guest, repository, **, pull, deny, days=mon", ""},
		{"p, guest, repository, team/**, push, allow\np, guest, repository, **:v*, push, deny", ""},
		{"p, guest, repository, team/**, push, allow\np, guest, repository, **:v*, push, allow", ""},
		{"p, guest, repository, team/app:v*, push, allow\np, guest, repository, team/app:v*, push, deny", ""},
		{"p, systemAdmin, user, @system, read, allow\np, systemAdmin, *, **, *, allow", ""},
	} {
		var got []string
		for _, f := range policy.CheckText(policy.Text{Rules: tt.rules}) {
			if !strings.Contains(f.What, "everybody, administrators included") {
				got = append(got, f.String())
			}
		}
		if tt.want == "" && len(got) > 0 || tt.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], tt.want)) {
			t.Errorf("CheckText(%q) = %q, want %q", tt.rules, got, tt.want)
		}
	}
}

// Without the rules that are said to change nothing, or never to count, every decision is the same.
func TestCoveredRulesChangeNothing(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 3))
	tried := 0
	for range 300 {
		rules := randomRules(r)
		var without [][]string
		covered := map[int]bool{}
		for _, f := range policy.CheckText(policy.Text{Rules: text(rules)}) {
			if strings.HasPrefix(f.What, "this changes nothing") || strings.HasPrefix(f.What, "this never counts") {
				covered[f.Line] = true
			}
		}
		for i, rule := range rules {
			if !covered[i+1] {
				without = append(without, rule)
			}
		}
		if len(covered) == 0 || len(without) == 0 {
			continue
		}
		tried++
		w, other := open(t, text(rules)), open(t, text(without))
		for range 100 {
			sub := subject(pick(r, "", "alice", "bob", "gwen", "root", "*"))
			sub.Remote = pick(r, "", "10.0.0.1", "192.0.2.1")
			access := ask(pick(r, "pull", "push", "delete", "list"), pick(r, "team", "other", "library")+pick(r, "/app", "/app/deep:v1", "/x29y:latest", "/app7"))
			one, err1 := w.Decide(t.Context(), sub, access)
			two, err2 := other.Decide(t.Context(), sub, access)
			if err1 != nil || err2 != nil || one.Allowed != two.Allowed {
				t.Fatalf("seed %d: %s: %+v is %v (%s), and %v (%s) without the lines %v of\n%s", seed, sub.Name, access, one.Allowed, one.Reason, two.Allowed, two.Reason, covered, text(rules))
			}
		}
	}
	if tried < 10 {
		t.Errorf("%d policies had rules that change nothing: too few to say something", tried)
	}
}

func TestCheckAgainst(t *testing.T) {
	t.Parallel()
	there := policy.Existing{Projects: []string{"team", "library"}, Repositories: []string{"team/app"}, Groups: []string{"ops"}, Sources: []string{"corp"}}
	rules := strings.Join([]string{
		"p, developer, repository, team/app, push, allow",
		"p, developer, repository, team/ap, push, allow",
		"p, developer, repository, taem/**, push, allow",
		"p, developer, repository, **, pull, allow",
		"p, developer, member, team, list, allow",
		"p, developer, repository, team/app:v*, delete, allow",
		"p, authenticated, project, @system, create, allow",
		"g, user:a, developer, tea*",
		"g, user:a, developer, toe*",
		"g, group:ops, developer, team",
		"g, group:ops@corp, developer, team",
		"g, group:opps, developer, team",
		"g, group:ops@crop, developer, team",
	}, "\n")
	var lines []int
	for _, f := range policy.CheckAgainst(policy.Text{Rules: rules}, there) {
		if strings.Contains(f.What, "that there is") || strings.Contains(f.What, "no group") || strings.Contains(f.What, "no user source") {
			lines = append(lines, f.Line)
		}
	}
	if want := []int{2, 3, 9, 12, 13}; !slices.Equal(lines, want) {
		t.Errorf("CheckAgainst(…) warns of lines %v, want %v", lines, want)
	}
}

// TestCheckAgainstRolesOfMembers wants a role that members have to be held by somebody, and one that no rule names told of.
func TestCheckAgainstRolesOfMembers(t *testing.T) {
	t.Parallel()
	text := policy.Text{Rules: "p, pilot, repository, **, pull, allow\np, captain, repository, **, push, allow"}
	for _, tt := range []struct{ has, want string }{
		{"pilot", `nobody holds the role "captain"`},
		{"captian", `members of projects have the role "captian", and no rule names it: it allows them nothing: did you mean captain?`},
	} {
		var all []string
		for _, f := range policy.CheckAgainst(text, policy.Existing{Projects: []string{"team"}, Roles: []string{tt.has}}) {
			all = append(all, f.String())
		}
		got := strings.Join(all, "\n")
		if !strings.Contains(got, tt.want) || strings.Contains(got, `holds the role "`+tt.has+`"`) {
			t.Errorf("CheckAgainst with members as %s:\n%s\nwant %s in it", tt.has, got, tt.want)
		}
	}
}
