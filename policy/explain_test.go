package policy_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/policy"
)

func ask(action, name string) auth.Access {
	repository, tag, _ := strings.Cut(name, ":")
	project, _ := auth.Project(repository)
	return auth.Access{Resource: "repository", Project: project, Repository: repository, Tag: tag, Action: action}
}

func (w world) explain(t *testing.T, sub auth.Subject, access auth.Access) policy.Explanation {
	t.Helper()
	x, err := w.Explain(t.Context(), sub, access)
	if err != nil {
		t.Fatalf("Explain(%s, %+v) = %v, want no error", sub.Name, access, err)
	}
	return x
}

func TestExplain(t *testing.T) {
	t.Parallel()
	w := open(t, `p, developer, repository, **, pull|push, allow
p, guest, repository, **, pull, allow
p, maintainer, repository, **, *, allow
p, releaser, repository, team/release/**:v*, push, allow
g, user:rita, releaser, team
p, developer, repository, team/frozen/**, push, deny
p, public, repository, **, pull, allow
p, guest, repository, team/nightly, push, allow, from=10.0.0.0/8
p, systemAdmin, user, @system, *, allow
`)
	for name, tt := range map[string]struct {
		sub     auth.Subject
		access  auth.Access
		allowed bool
		rule    string
		role    string // held, with its origin
		outcome string // of some rule
		change  string
	}{
		"a member's role":           {subject("alice"), ask("push", "team/app:v1"), true, "policy.csv:1", "developer from member list", "policy.csv:1 decides", ""},
		"no role":                   {subject("bob"), ask("push", "team/app:v1"), false, "", "authenticated from signed in", "policy.csv:1 is for developer, which bob is not", "give bob the role developer: sealock member add team bob --role developer"},
		"the smallest role":         {subject("bob"), ask("pull", "team/app"), false, "", "", "", "give bob the role guest"},
		"nobody":                    {subject(""), ask("pull", "team/app"), false, "", "anonymous from everybody", "", "p, anonymous, repository, team/app, pull, allow"},
		"a public project":          {subject(""), ask("pull", "library/app"), true, "policy.csv:7", "public from the project is public", "policy.csv:7 decides", ""},
		"a line gives the role":     {subject("rita"), ask("push", "team/release/x:v2"), true, "policy.csv:4", "releaser from policy.csv:5", "", ""},
		"another tag":               {subject("rita"), ask("push", "team/release/x:latest"), false, "", "", "policy.csv:4 is for other tags", "give rita the role developer"},
		"a denial":                  {subject("alice"), ask("push", "team/frozen/x"), false, "policy.csv:6", "", "policy.csv:1 would allow, but is overruled", "delete or narrow what denies it: policy.csv:6"},
		"another action":            {subject("gwen"), ask("delete", "team/app"), false, "", "", "policy.csv:2 is for other actions than delete", "give gwen the role maintainer"},
		"a condition":               {subject("gwen"), ask("push", "team/nightly"), false, "", "", "policy.csv:8 counts only with from=10.0.0.0/8", "ask when policy.csv:8 counts (from=10.0.0.0/8)"},
		"no project":                {subject("alice"), ask("push", "calico/node"), false, "", "", "", `create project "calico"`},
		"a bad name":                {subject("alice"), ask("push", "team/App"), false, "", "", "", "name a repository in the project"},
		"a credential":              {subject("alice").Bound(auth.Permissions{}, w.Status().LoadedAt), ask("push", "team/app"), false, "policy.csv:1", "", "", "use a credential that is good for push"},
		"at system level":           {subject("alice"), auth.Access{Resource: "user", Action: "create"}, false, "", "", "policy.csv:9 is for systemAdmin, which alice is not", "add this line to policy.csv: p, user:alice, user, @system, create, allow"},
		"a robot becomes no member": {auth.Subject{Name: "robot~a", Kind: auth.KindRobot}, ask("push", "team/app"), false, "", "", "", "p, user:robot~a, repository, team/app, push, allow"},
	} {
		x := w.explain(t, tt.sub, tt.access)
		if x.Allowed != tt.allowed || x.Rule != tt.rule {
			t.Errorf("%s: allowed %v by %q, want %v by %q", name, x.Allowed, x.Rule, tt.allowed, tt.rule)
		}
		if tt.role != "" && !slices.ContainsFunc(x.Roles, func(o policy.Origin) bool { return o.Role+" from "+o.From == tt.role }) {
			t.Errorf("%s: roles %+v, want %q among them", name, x.Roles, tt.role)
		}
		if tt.outcome != "" && !slices.ContainsFunc(x.Rules, func(c policy.Considered) bool { return c.At+" "+c.Outcome == tt.outcome }) {
			t.Errorf("%s: rules %+v, want %q among them", name, x.Rules, tt.outcome)
		}
		if !strings.Contains(x.Change.Text, tt.change) || (x.Change.Text == "") != tt.allowed {
			t.Errorf("%s: proposes %q, want %q", name, x.Change.Text, tt.change)
		}
	}
}

// An explanation gives the decision that was taken, and what it proposes makes a yes of a no.
func TestProposedChangesWork(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 2))
	w := open(t, "")
	tried := 0
	for range 200 {
		rules := randomRules(r)
		write(t, w.dir, policy.PolicyFile, text(rules))
		if _, err := w.Reload(t.Context()); err != nil {
			t.Fatalf("seed %d: Reload() = %v", seed, err)
		}
		for range 10 {
			sub := subject(pick(r, "", "alice", "bob", "root"))
			sub.Remote = "192.0.2.1"
			access := ask(pick(r, "pull", "push", "delete"), pick(r, "team", "other", "library")+pick(r, "/app", "/app/deep:v1", "/x29y:latest"))
			x := w.explain(t, sub, access)
			if ruling, err := w.Decide(t.Context(), sub, access); err != nil || ruling.Allowed != x.Allowed || ruling.Reason != x.Reason {
				t.Fatalf("seed %d: explained %v (%s), decided %v (%s), %v", seed, x.Allowed, x.Reason, ruling.Allowed, ruling.Reason, err)
			}
			if x.Allowed || x.Change.Line == "" && x.Change.Role == "" && len(x.Change.Remove) == 0 {
				continue
			}
			tried++
			changed := slices.Clone(rules)
			for _, line := range slices.Backward(x.Change.Remove) {
				changed = slices.Delete(changed, line-1, line)
			}
			if x.Change.Line != "" {
				changed = append(changed, strings.Split(x.Change.Line, ", "))
			}
			if allowed := w.withRules(t, text(changed), sub, access, x.Change.Role); !allowed {
				t.Fatalf("seed %d: %+v proposes %+v, which does not make it allowed under\n%s", seed, access, x.Change, text(rules))
			}
		}
	}
	if tried < 100 {
		t.Errorf("%d proposals were tried: too few to say something", tried)
	}
}

// withRules answers a question under other rules and with one role more.
func (w world) withRules(t *testing.T, rules string, sub auth.Subject, access auth.Access, role string) bool {
	t.Helper()
	other := open(t, rules)
	for project, users := range w.town.roles {
		for user, roles := range users {
			other.town.set(project, user, roles...)
		}
	}
	if role != "" {
		other.town.set(access.Project, sub.Name, append(slices.Clone(w.town.roles[access.Project][sub.Name]), role)...)
	}
	ruling, err := other.Decide(t.Context(), sub, access)
	if err != nil {
		t.Fatal(err)
	}
	return ruling.Allowed
}
