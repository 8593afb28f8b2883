package policy_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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
	e.AddFunction("named", func(a ...any) (any, error) {
		pattern, tags, tagged := strings.Cut(text(a[1]), ":")
		name, tag, asked := strings.Cut(text(a[0]), ":")
		match, err := plainMatch(pattern, name)
		switch {
		case err != nil || !match || !tagged:
			return match, err
		case !asked:
			return text(a[2]) == "allow", nil
		}
		return doublestar.Match(tags, tag)
	})
	e.AddFunction("meets", func(a ...any) (any, error) {
		at, ok := a[0].(asked)
		return ok && plainMeets(at, text(a[1]), text(a[2]) == "allow"), nil
	})
	for i, r := range rules {
		if r[0] == "g" {
			p.grants = append(p.grants, r)
			continue
		}
		when := ""
		if len(r) > 6 {
			when = r[6]
		}
		if _, err := e.AddPolicy(append(slices.Clone(r[1:6]), when, fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// asked is from where and when something is asked.
type asked struct {
	from string
	at   time.Time
}

// plainMeets knows the conditions that randomRules writes, by their texts.
func plainMeets(a asked, when string, allow bool) bool {
	day := a.at.Weekday()
	switch when {
	case "":
		return true
	case "from=10.0.0.0/8":
		return strings.HasPrefix(a.from, "10.") || a.from == "" && !allow
	case "days=sat|sun":
		return day == time.Saturday || day == time.Sunday
	case "time=08:00-18:00 days=mon-fri":
		return day != time.Saturday && day != time.Sunday && a.at.Hour() >= 8 && a.at.Hour() < 18
	}
	panic("the reference does not know the condition " + when)
}

// plainIs reports whether a "g" line is about the subject.
func plainIs(sub auth.Subject, who string) bool {
	if group, ok := strings.CutPrefix(who, "group:"); ok {
		at := strings.LastIndex(group, "@")
		return at < 0 && slices.Contains(sub.LocalGroups, group) ||
			at >= 0 && sub.Source == group[at+1:] && slices.Contains(sub.Groups, group[:at])
	}
	return who == "user:"+sub.Name
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
		if ok, err := plainMatch(g[3], project); err == nil && ok && plainIs(sub, g[1]) {
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
		name := pick(r, "**", "*", "team/**", "team/*", "team", "te?m/**", "{team,other}/**", "**/app", "other/app", "[a-m]*/**", "@system", "catalog", `t\eam/app`, "*/app/**", "team/a*", "team/app/**/**", "team/app{,/deep}")
		effect := pick(r, "allow", "allow", "allow", "deny")
		resource := pick(r, "repository", "*")
		if resource == "repository" && name != "@system" && r.IntN(3) == 0 {
			name += pick(r, ":v*", ":latest", ":*")
		}
		rule := []string{"p", who, resource, name, pick(r, "pull", "push", "pull|push", "*", "delete|pull", "list|read"), effect}
		if r.IntN(4) == 0 {
			rule = append(rule, pick(r, "from=10.0.0.0/8", "days=sat|sun", "time=08:00-18:00 days=mon-fri"))
		}
		rules = append(rules, rule)
	}
	if r.IntN(3) == 0 { // so many that they are told apart by their stems
		for i := range 30 {
			rules = append(rules, []string{"p", pick(r, "developer", "user:alice"), "repository", fmt.Sprintf("team/%s%d*", pick(r, "app", "x"), i), "push", pick(r, "allow", "deny")})
		}
	}
	for range r.IntN(4) {
		rules = append(rules, []string{"g", pick(r, "user:alice", "user:bob", "user:*", "group:ops", "group:*", "group:ops@corp", "group:a@b@corp"), pick(r, "developer", "guest"), pick(r, "team", "**", "*", "t*", "@system", "{team,other}")})
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

// TestIndexAgainstCasbin holds the engine, index and all, against casbin alone on random policies, members and requests.
// The same engine is asked while memberships and policies change under it.
func TestIndexAgainstCasbin(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1)) // a test that can be repeated
	now := time.Date(2030, 1, 4, 7, 30, 0, 0, time.UTC)
	w := open(t, "", policy.WithClock(func() time.Time { return now }))
	rounds := 150
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
			now = now.Add(7 * time.Hour)
			w.town.set("team", "alice", pick(r, "developer", "guest", "role3", "role70", "role71"), pick(r, "guest", "role89", "role64"))
			w.town.set("other", "bob", pick(r, "developer", "role70", "nothing"))
			for range 60 {
				compare(t, seed, r, w, reference, now)
			}
		}
		if t.Failed() {
			policyText, _ := os.ReadFile(filepath.Join(w.dir, policy.PolicyFile)) // only shown
			t.Fatalf("the policy was\n%s", policyText)
		}
	}
}

func compare(t *testing.T, seed uint64, r *rand.Rand, w world, reference plain, now time.Time) {
	t.Helper()
	sub := subject(pick(r, "", "alice", "bob", "root", "*", "al*"))
	if sub.Name != "" {
		sub.LocalGroups, sub.Groups = []string{pick(r, "ops", "dev", "*")}, []string{pick(r, "ops", "a@b", "*"), pick(r, "ops", "dev")}
		sub.Source = pick(r, "", "corp", "else")
	}
	sub.Remote = pick(r, "", "10.1.2.3", "192.0.2.1", "::ffff:10.1.2.3")
	action := pick(r, "pull", "push", "delete", "list")
	project := pick(r, "team", "other", "library", "gone", policy.SystemLevel)
	name := project + pick(r, "", "/app", "/app/deep", "/x", "/app7", "/x29y")
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
		got, err = decided(t, w, sub, access)
	case r.IntN(2) == 0: // what the front door asks, which knows the tag
		access := auth.Access{Resource: resource, Project: project, Repository: name, Tag: pick(r, "", "v1", "latest"), Action: action}
		got, err = decided(t, w, sub, access)
		if access.Tag != "" {
			name += ":" + access.Tag
		}
	default:
		var d auth.Decision
		d, err = w.Authorize(t.Context(), sub, auth.Scope{{Type: auth.TypeRepository, Name: name, Actions: []auth.Action{auth.Action(action)}}})
		got = len(d.Granted) == 1
		if action == "list" {
			return // no action of a token
		}
	}
	from := strings.TrimPrefix(sub.Remote, "::ffff:")
	want, err2 := reference.Enforce(reference.roles(t, w.town, sub, project), resource, name, action, asked{from, now})
	if project == "gone" {
		want = false // no project
	}
	if err != nil || err2 != nil || got != want {
		t.Errorf("seed %d: %q from %q at %s: %s %s %q = %v, %v, want %v, %v", seed, sub.Name, sub.Remote, now, action, resource, name, got, err, want, err2)
	}
}

func decided(t *testing.T, w world, sub auth.Subject, access auth.Access) (bool, error) {
	t.Helper()
	ruling, err := w.Decide(t.Context(), sub, access)
	return ruling.Allowed, err
}
