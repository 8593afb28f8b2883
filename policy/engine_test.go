package policy_test

import (
	"errors"
	"testing"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/policy"
)

func TestDenyWins(t *testing.T) {
	w := open(t, `
p, user:alice, repository, team/secret/**, *, deny
p, developer, repository, **, pull|push, allow
p, systemAdmin, *, **, *, allow
p, public, repository, **, pull, allow
p, guest, repository, team/old/**, push, deny
p, user:root, repository, other/**, delete, deny
`)
	w.allow(t, "alice", "push", "team/app")
	w.deny(t, "alice", "push", "team/secret/app")
	w.deny(t, "alice", "pull", "team/secret")
	w.town.set("team", "alice", "developer", "guest")
	w.deny(t, "alice", "push", "team/old/app")
	w.allow(t, "alice", "pull", "team/old/app")
	w.allow(t, "root", "pull", "other/app")
	w.deny(t, "root", "delete", "other/app")
}

func TestAnonymousAndPublic(t *testing.T) {
	w := open(t, `
p, public, repository, **, pull, allow
p, anonymous, repository, team/open/*, pull, allow
p, authenticated, repository, mirror/**, pull, allow
`)
	w.town.projects["mirror"] = false
	for _, who := range []string{"", "bob", "root"} {
		w.allow(t, who, "pull", "library/app")
		w.allow(t, who, "pull", "team/open/app")
		w.deny(t, who, "pull", "team/open/a/b")
		w.deny(t, who, "pull", "team/app")
		w.deny(t, who, "push", "library/app")
	}
	w.allow(t, "bob", "pull", "mirror/app")
	w.deny(t, "", "pull", "mirror/app")

	// A project that is closed is closed for the very next request.
	w.town.projects["library"] = false
	w.deny(t, "", "pull", "library/app")
}

func TestAnonymousAllowed(t *testing.T) {
	for rules, want := range map[string]bool{
		"p, anonymous, repository, **, pull, allow\n": true,
		"p, public, repository, **, pull, allow\n":    true,
		"p, developer, repository, **, pull, allow\n": false,
		"p, public, repository, **, pull, deny\n":     false,
	} {
		if got := open(t, rules).AnonymousAllowed(); got != want {
			t.Errorf("AnonymousAllowed() with %q = %v, want %v", rules, got, want)
		}
	}
}

// TestNamesAreNoPatterns tries subjects, projects and repositories whose names would be patterns elsewhere.
func TestNamesAreNoPatterns(t *testing.T) {
	w := open(t, `
p, user:alice, repository, team/**, push, allow
p, user:*, repository, other/**, push, allow
p, user:*@test.com, repository, other/mail/**, pull, allow
p, user:{a}, repository, team/**, delete, deny
p, maintainer, repository, **, pull|push|delete, allow
g, user:*, maintainer, library
`)
	for _, who := range []string{"*", "**", "al*", "alic?", "{alice,bob}", "[a]lice", "alice ", "ALICE*", "Álice", "user:alice", `alic\e`, "", "p"} {
		w.deny(t, who, "push", "team/app")
	}
	w.allow(t, "alice", "push", "team/app")
	w.allow(t, "Alice", "push", "team/app") // there can be no two accounts of these names
	w.allow(t, "*", "push", "other/app")
	w.deny(t, "bob", "push", "other/app")
	w.allow(t, "*@test.com", "pull", "other/mail/app")
	w.deny(t, "bob@test.com", "pull", "other/mail/app")
	w.allow(t, "*", "delete", "library/app")
	w.deny(t, "bob", "delete", "library/app")

	w.town.projects["*"], w.town.projects["**"] = true, true
	for _, name := range []string{"*/app", "**/app", "te*/app", "team/*", "team/**", "Team/app", "host:5000/team/app", "team//app", "team/../other/app", "@system/app", "/app", "team/"} {
		w.deny(t, "alice", "push", name)
	}
}

func TestProjectNamedLikeTheSystemLevel(t *testing.T) {
	w := open(t, "p, systemAdmin, *, @system, *, allow\np, maintainer, *, **, *, allow\np, authenticated, project, @system, create, allow\n")
	for _, name := range []string{"@system", "catalog", "system"} {
		w.town.projects[name] = false
		w.town.set(name, "alice", "maintainer")
	}
	for access, want := range map[auth.Access]bool{
		{Resource: "user", Project: "@system", Action: "create"}:    false,
		{Resource: "project", Project: "@system", Action: "create"}: false,
		{Resource: "project", Project: "", Action: "create"}:        true,
		{Resource: "user", Project: "", Action: "create"}:           false,
		{Resource: "robot", Project: "system", Action: "create"}:    true,
	} {
		got, err := w.Decide(t.Context(), subject("alice"), access)
		if err != nil || got.Allowed != want {
			t.Errorf("Decide(alice, %+v) = %v, %v, want %v", access, got, err, want)
		}
	}
	w.deny(t, "alice", "pull", "catalog")
	catalog := auth.Scope{{Type: auth.TypeRegistry, Name: "catalog", Actions: []auth.Action{"*"}}}
	if d, err := w.Authorize(t.Context(), subject("alice"), catalog); err != nil || len(d.Granted) != 0 {
		t.Errorf("Authorize(alice, %s) = %v, %v, want nothing", catalog, d, err)
	}
}

func TestScopes(t *testing.T) {
	w := open(t, "")
	for _, tt := range []struct{ who, asked, want string }{
		{"root", "registry:catalog:*", "registry:catalog:*"},
		{"alice", "registry:catalog:*", ""},
		{"", "registry:catalog:*", ""},
		{"root", "registry:catalog:pull", ""},
		{"root", "registry:other:*", ""},
		{"root", "plugin:team/app:pull", ""},
		{"root", "repository:team/app:metadata", ""},
		{"root", "repository:team/app:read,update,pull", "repository:team/app:pull"},
		{"root", "repository:team/app:", ""},
		{"alice", "repository:team/app:push,pull", "repository:team/app:push,pull"},
		{"alice", "repository:team/app:pull,push,delete", "repository:team/app:pull,push"},
		{"alice", "repository(plugin):team/app:pull", "repository:team/app:pull"},
		{"alice", "repository:team/app:pull repository:other/app:pull repository:library/app:pull,push", "repository:team/app:pull repository:library/app:pull"},
		{"alice", "repository:localhost:5000/team/app:pull", ""},
		{"alice", "", ""},
	} {
		scope, err := auth.ParseScope([]string{tt.asked})
		if err != nil {
			t.Fatal(err)
		}
		d, err := w.Authorize(t.Context(), subject(tt.who), scope)
		if err != nil || d.Granted.String() != tt.want {
			t.Errorf("Authorize(%q, %s) = %q, %v, want %q", tt.who, tt.asked, d.Granted, err, tt.want)
		}
	}
}

func TestPushWithoutPull(t *testing.T) {
	w := open(t, "p, uploader, repository, team/**, push, allow\np, user:eve, repository, ** , push, allow\n")
	w.town.set("team", "alice", "uploader")
	w.allow(t, "alice", "push", "team/app")
	w.deny(t, "alice", "pull", "team/app")
	w.allow(t, "eve", "push", "other/app")
	w.deny(t, "eve", "push", "gone/app")
}

func TestGrantsOfTheFile(t *testing.T) {
	w := open(t, `
p, developer, repository, **, pull|push, allow
p, auditor, audit-log, @system, list, allow
p, auditor, repository, **, pull, allow
g, user:bob, developer, team*
g, user:bob, guest, other
g, user:carol, auditor, @system
g, user:dora, auditor, **
`)
	w.town.projects["team-b"] = false
	w.allow(t, "bob", "push", "team/app")
	w.allow(t, "bob", "push", "team-b/app")
	w.deny(t, "bob", "pull", "other/app")
	w.deny(t, "carol", "pull", "team/app")
	w.allow(t, "dora", "pull", "team/app")
	w.deny(t, "bob", "push", "team-c/app") // matches the pattern, but is no project
	for who, want := range map[string]string{"carol": "policy.csv:3 auditor (policy.csv:7)", "dora": "no rule allows list to authenticated"} {
		got, err := w.Decide(t.Context(), subject(who), auth.Access{Resource: "audit-log", Action: "list"})
		if err != nil || got.Reason != want {
			t.Errorf("Decide(%s, audit-log list) = %v, %v, want reason %q", who, got, err, want)
		}
	}
}

func TestRevokedMembershipCountsAtOnce(t *testing.T) {
	w := open(t, "")
	for range 3 {
		w.town.set("team", "alice", "developer")
		w.allow(t, "alice", "push", "team/app")
		w.town.set("team", "alice", "guest")
		w.deny(t, "alice", "push", "team/app")
		w.allow(t, "alice", "pull", "team/app")
		w.town.set("team", "alice")
		w.deny(t, "alice", "pull", "team/app")
	}
	delete(w.town.projects, "team")
	w.deny(t, "root", "pull", "team/app")
}

func TestStandingFails(t *testing.T) {
	w := open(t, "")
	w.allow(t, "alice", "push", "team/app")
	w.town.err = errors.New("the store is gone")
	scope := auth.Scope{{Type: auth.TypeRepository, Name: "team/app", Actions: []auth.Action{"pull"}}}
	if d, err := w.Authorize(t.Context(), subject("alice"), scope); !errors.Is(err, w.town.err) || len(d.Granted) != 0 {
		t.Errorf("Authorize(alice, %s) = %v, %v, want nothing and the store's error", scope, d, err)
	}
	if r, err := w.Decide(t.Context(), subject("alice"), auth.Access{Resource: "project", Project: "team", Action: "read"}); !errors.Is(err, w.town.err) || r.Allowed {
		t.Errorf("Decide(alice, read project) = %v, %v, want nothing and the store's error", r, err)
	}
}

func TestMatcherIsFree(t *testing.T) {
	w := open(t, "p, developer, repository, **, pull, allow\n")
	model := `[request_definition]
r = who, resource, name, action, at
[policy_definition]
p = who, resource, name, actions, eft, when, line
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = holds(r.who, p.who) && r.resource == p.resource && r.name == "team/app"
`
	write(t, w.dir, policy.ModelFile, model)
	if _, err := w.Reload(t.Context()); err != nil {
		t.Fatalf("Reload() = %v, want no error", err)
	}
	w.allow(t, "alice", "delete", "team/app")
	w.deny(t, "alice", "pull", "team/other")
}

// A folder that an earlier sealock made goes on to work, with all that rules can say now.
func TestFirstDefaultModel(t *testing.T) {
	w := open(t, "p, developer, repository, **, pull, allow\n")
	write(t, w.dir, policy.ModelFile, `[request_definition]
r = who, resource, name, action
[policy_definition]
p = who, resource, name, actions, eft, line
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = (p.resource == r.resource || p.resource == "*") && holds(r.who, p.who) && does(r.action, p.actions) && named(r.name, p.name)
`)
	write(t, w.dir, policy.PolicyFile, "p, developer, repository, **, pull, allow\np, developer, repository, team/app, push, allow, from=192.0.2.0/24\n")
	if findings, err := w.Reload(t.Context()); err != nil || len(findings.Findings) != 0 {
		t.Fatalf("Reload() = %v, %v, want neither findings nor an error", findings, err)
	}
	w.allow(t, "alice", "pull", "team/app")
	w.deny(t, "alice", "push", "team/app")
}

// Files from before overwriting could be parted from pushing mean what they meant.
func TestOverwriteIsPartOfPushUntilParted(t *testing.T) {
	w := open(t, "p, developer, repository, **, pull|push, allow\n")
	ask := func(want bool) {
		t.Helper()
		access := auth.Access{Resource: "repository", Project: "team", Repository: "team/app", Tag: "v1", Action: "overwrite"}
		if r, err := w.Decide(t.Context(), subject("alice"), access); err != nil || r.Allowed != want {
			t.Errorf("Decide(alice, %+v) = %+v, %v, want %v", access, r, err, want)
		}
	}
	ask(true)
	write(t, w.dir, policy.PolicyFile, "p, developer, repository, **, pull|push, allow\np, maintainer, repository, **, overwrite, allow\n")
	if _, err := w.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	ask(false)
}
