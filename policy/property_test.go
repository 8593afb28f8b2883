package policy_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/casbin/casbin/v2"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/policy"
)

// plain is casbin as it comes, with the default model and functions that compile, cache and number nothing.
type plain struct {
	*casbin.Enforcer
	grants [][]string
}

type names []string

func newPlain(t *testing.T, dir string, rules [][]string) plain {
	t.Helper()
	e, err := casbin.NewEnforcer(filepath.Join(dir, policy.ModelFile))
	if err != nil {
		t.Fatal(err)
	}
	p := plain{Enforcer: e}
	text := func(v any) string { s, _ := v.(string); return s }
	e.AddFunction("holds", func(a ...any) (any, error) {
		held, ok := a[0].(*names)
		return ok && slices.Contains(*held, text(a[1])), nil
	})
	e.AddFunction("does", func(a ...any) (any, error) {
		list := strings.Split(text(a[1]), "|")
		return slices.Contains(list, "*") || slices.Contains(list, text(a[0])), nil
	})
	e.AddFunction("named", func(a ...any) (any, error) { return plainMatch(text(a[1]), text(a[0])) })
	for i, r := range rules {
		if r[0] == "g" {
			p.grants = append(p.grants, r)
		} else if _, err := e.AddPolicy(append(slices.Clone(r[1:]), fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func plainMatch(pattern, name string) (bool, error) {
	if name == policy.SystemLevel {
		return pattern == name, nil
	}
	return doublestar.Match(pattern, name)
}

// roles lists what a subject is in a project of the town, or at system level.
func (p plain) roles(t *testing.T, w *town, sub auth.Subject, project string) *names {
	t.Helper()
	out := names{"anonymous"}
	if sub.Name != "" {
		out = append(out, "authenticated", "user:"+sub.Name)
	}
	if sub.SysAdmin {
		out = append(out, "systemAdmin")
	}
	if project != policy.SystemLevel && w.projects[project] {
		out = append(out, "public")
	}
	if project != policy.SystemLevel {
		out = append(out, w.roles[project][sub.Name]...)
	}
	for _, g := range p.grants {
		if ok, err := plainMatch(g[3], project); err == nil && ok && g[1] == "user:"+sub.Name {
			out = append(out, g[2])
		}
	}
	return &out
}

func pick(r *rand.Rand, from ...string) string { return from[r.IntN(len(from))] }

// randomRules returns a policy with every kind of pattern. Now and then it has more roles than one word has bits.
func randomRules(r *rand.Rand) [][]string {
	custom := func() string { return fmt.Sprintf("role%d", r.IntN(90)) }
	var rules [][]string
	if r.IntN(3) == 0 {
		for i := range 90 {
			rules = append(rules, []string{"p", fmt.Sprintf("role%d", i), "tag", "**", "list", "allow"})
		}
	}
	for range 1 + r.IntN(12) {
		who := pick(r, "anonymous", "public", "authenticated", "systemAdmin", "developer", "guest", "user:alice", "user:root", "user:*", custom(), custom())
		name := pick(r, "**", "*", "team/**", "team/*", "team", "te?m/**", "{team,other}/**", "**/app", "other/app", "[a-m]*/**", "@system", "catalog", `t\eam/app`, "*/app/**")
		effect := pick(r, "allow", "allow", "allow", "deny")
		rules = append(rules, []string{"p", who, pick(r, "repository", "*"), name, pick(r, "pull", "push", "pull|push", "*", "delete|pull", "list|read"), effect})
	}
	for range r.IntN(4) {
		rules = append(rules, []string{"g", pick(r, "user:alice", "user:bob", "user:*"), pick(r, "developer", "guest"), pick(r, "team", "**", "*", "t*", "@system", "{team,other}")})
	}
	return rules
}

func text(rules [][]string) string {
	var b strings.Builder
	for _, r := range rules {
		for i, f := range r {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(`"` + f + `"`)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// TestCacheAgainstCasbin holds the engine, cache and all, against casbin alone on random policies, members and
// requests. The same engine is asked while memberships and policies change under it.
func TestCacheAgainstCasbin(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1)) // a test that can be repeated
	w := open(t, "", policy.WithCacheSize(64+r.IntN(4096)))
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	for range rounds {
		rules := randomRules(r)
		write(t, w.dir, policy.PolicyFile, text(rules))
		if _, err := w.Reload(t.Context()); err != nil {
			t.Fatalf("seed %d: Reload() = %v, want no error, on\n%s", seed, err, text(rules))
		}
		reference := newPlain(t, w.dir, rules)
		for range 5 {
			w.town.set("team", "alice", pick(r, "developer", "guest", "role3", "role70", "role71"), pick(r, "guest", "role89", "role64"))
			w.town.set("other", "bob", pick(r, "developer", "role70", "nothing"))
			for range 60 {
				compare(t, seed, r, w, reference)
			}
		}
		if t.Failed() {
			policyText, _ := os.ReadFile(filepath.Join(w.dir, policy.PolicyFile)) // only shown
			t.Fatalf("the policy was\n%s", policyText)
		}
	}
}

func compare(t *testing.T, seed uint64, r *rand.Rand, w world, reference plain) {
	t.Helper()
	sub := subject(pick(r, "", "alice", "bob", "root", "*", "al*"))
	action := pick(r, "pull", "push", "delete", "list")
	project := pick(r, "team", "other", "library", "gone", policy.SystemLevel)
	name := project + pick(r, "", "/app", "/app/deep", "/x")
	resource := "repository"

	var got bool
	var err error
	switch {
	case project == policy.SystemLevel || !strings.Contains(name, "/"):
		name = project
		access := auth.Access{Resource: pick(r, resource, "tag"), Project: project, Action: action}
		resource = access.Resource
		if project == policy.SystemLevel {
			access.Project = ""
		}
		var ruling auth.Ruling
		ruling, err = w.Decide(t.Context(), sub, access)
		got = ruling.Allowed
	default:
		var d auth.Decision
		d, err = w.Authorize(t.Context(), sub, auth.Scope{{Type: auth.TypeRepository, Name: name, Actions: []auth.Action{auth.Action(action)}}})
		got = len(d.Granted) == 1
	}
	want, err2 := reference.Enforce(reference.roles(t, w.town, sub, project), resource, name, action)
	if strings.Contains(name, "/") && action == "list" || project == "gone" {
		want = false // no action of a token; no project
	}
	if err != nil || err2 != nil || got != want {
		t.Errorf("seed %d: %q %s %s %q = %v, %v, want %v, %v", seed, sub.Name, action, resource, name, got, err, want, err2)
	}
}
