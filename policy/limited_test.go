package policy_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/policy"
)

// TestSomeRepositories shows what a membership for some repositories gives, and that the reason and the explanation name
// the pattern.
func TestSomeRepositories(t *testing.T) {
	t.Parallel()
	w := open(t, "")
	w.town.some = map[string][]policy.Limited{"lima": {{Role: "developer", Only: []string{"app/**", "tools"}}}}
	in := func(resource, action string) auth.Access {
		return auth.Access{Resource: resource, Project: "team", Action: action}
	}
	for name, tt := range map[string]struct {
		access  auth.Access
		allowed bool
		reason  string
	}{
		"what matches":               {ask("push", "team/app/web"), true, "(member of team for app/**)"},
		"what matches another":       {ask("pull", "team/tools"), true, "(member of team for tools)"},
		"what its role may not":      {ask("delete", "team/tools"), false, ""},
		"another repository":         {ask("pull", "team/secret"), false, "developer for app/**, tools alone"},
		"one that begins the same":   {ask("pull", "team/toolset"), false, "alone"},
		"a project of that name":     {ask("pull", "tools/app"), false, ""},
		"another project":            {ask("pull", "other/tools"), false, ""},
		"that there is the project":  {in("project", "read"), true, "for app/**, tools"},
		"the list":                   {in("repository", "list"), true, ""},
		"the list of all":            {auth.Access{Resource: "repository", Project: "team", Action: "list", Whole: true}, false, ""},
		"labels":                     {in("label", "list"), true, ""},
		"members":                    {in("member", "list"), false, "alone"},
		"robots":                     {in("robot", "list"), false, ""},
		"the configuration":          {in("configuration", "read"), false, ""},
		"to pull from all":           {in("repository", "pull"), false, ""},
		"artifacts of what matches":  {auth.Access{Resource: "artifact", Project: "team", Repository: "team/app/web", Action: "list"}, true, ""},
		"artifacts of what does not": {auth.Access{Resource: "artifact", Project: "team", Repository: "team/other", Action: "list"}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			ruling, err := w.Decide(t.Context(), subject("lima"), tt.access)
			if err != nil || ruling.Allowed != tt.allowed || !strings.Contains(ruling.Reason, tt.reason) {
				t.Errorf("Decide(lima, %+v) = %+v, %v, want %t because of …%s…", tt.access, ruling, err, tt.allowed, tt.reason)
			}
			if tt.access.Resource != "project" {
				return
			}
			if x := w.explain(t, subject("lima"), tt.access); x.Allowed != tt.allowed {
				t.Errorf("Explain(lima, %+v) = %+v, want %t", tt.access, x, tt.allowed)
			}
		})
	}
	x := w.explain(t, subject("lima"), ask("push", "team/secret"))
	if x.Allowed || x.Change.Role != "developer" || !strings.Contains(x.Change.Text, "be for secret, too") {
		t.Errorf("Explain(lima, push team/secret) = %+v, want it to propose a wider membership", x)
	}
	if x := w.explain(t, subject("lima"), ask("push", "team/app")); !x.Allowed || !slices.Contains(x.Roles, policy.Origin{Role: "developer", From: "member list, for some alone"}) {
		t.Errorf("Explain(lima, push team/app) = %+v, want it allowed by the role of the member list", x)
	}
	asked, err := auth.ParseScope([]string{"repository:team/app/x:pull,push repository:team/secret:pull,push"})
	if err != nil {
		t.Fatal(err)
	}
	granted, err := w.Authorize(t.Context(), subject("lima"), asked)
	if err != nil || granted.Granted.String() != "repository:team/app/x:pull,push" {
		t.Errorf("Authorize(lima, …) = %+v, %v, want team/app/x alone", granted, err)
	}
}

// TestSomeIsNeverMore holds, for any policy: in a repository that a pattern matches, a role for some repositories is the
// role; in all others it is none; and in the project as a whole it never gives what the role does not.
func TestSomeIsNeverMore(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(21, 5))
	roles := []string{"developer", "guest", "projectAdmin", "pilot"}
	names := []string{"app", "app/web", "app/web/x", "tools", "toolset", "lib/a"}
	patterns := []string{"app", "app/**", "app/*", "tools*", "{lib,app}/*", "**", "*", "nothing"}
	one := func(list []string) string { return list[r.IntN(len(list))] }
	for range 40 {
		rules := []string{"p, pilot, repository, **, pull, allow"}
		for range 8 {
			rules = append(rules, strings.Join([]string{
				"p", one(append(roles, "authenticated")), one([]string{"repository", "*"}),
				one([]string{"**", "team/**", "team/app/**", "team", "team/tools"}), one([]string{"pull", "push", "list", "pull|push", "*"}),
				one([]string{"allow", "allow", "deny"}),
			}, ", "))
		}
		w := open(t, strings.Join(rules, "\n"))
		role, only := one(roles), []string{one(patterns), one(patterns)}
		w.town.set("team", "whole", role)
		w.town.some = map[string][]policy.Limited{"some": {{Role: role, Only: only}}}
		for _, action := range []string{"pull", "push", "list", "delete"} {
			may := func(who string, access auth.Access) bool {
				ruling, err := w.Decide(t.Context(), subject(who), access)
				if err != nil {
					t.Fatal(err)
				}
				return ruling.Allowed
			}
			for _, name := range names {
				matches := slices.ContainsFunc(only, func(p string) bool { ok, _ := doublestar.Match(p, name); return ok })
				as := map[bool]string{true: "whole", false: "nobody"}[matches]
				if got, want := may("some", ask(action, "team/"+name)), may(as, ask(action, "team/"+name)); got != want {
					t.Fatalf("%s: %s for %q: %s team/%s = %t, want %t, as %s", strings.Join(rules, "\n"), role, only, action, name, got, want, as)
				}
			}
			for _, resource := range []string{"repository", "project", "member"} {
				access := auth.Access{Resource: resource, Project: "team", Action: action}
				if may("some", access) && !may("whole", access) && !may("nobody", access) {
					t.Fatalf("%s: %s for %q: %s %s is allowed, want not more than the role", strings.Join(rules, "\n"), role, only, action, resource)
				}
				access.Whole = true
				if may("some", access) && !may("nobody", access) {
					t.Fatalf("%s: %s for %q: %s %s in all of the project is more than what it is without", strings.Join(rules, "\n"), role, only, action, resource)
				}
			}
		}
	}
}

// TestRoleRights wants of a role what its rules allow in projects, each action by its name.
func TestRoleRights(t *testing.T) {
	t.Parallel()
	w := open(t, `p, releaser, repository, team/**, pull|push, allow
p, releaser, repository, **, list|push, allow
p, releaser, tag, **, *, allow
p, releaser, user, @system, list, allow
p, releaser, artifact, **, delete, deny
p, developer, repository, **, pull, allow
p, public, repository, **, pull, allow
p, user:rita, repository, **, pull, allow
p, auditor, log, **, list, allow
`)
	if got, want := w.CustomRoles(), []string{"auditor", "releaser"}; !slices.Equal(got, want) {
		t.Errorf("CustomRoles() = %q, want %q", got, want)
	}
	want := auth.Permissions{
		{Project: "team", Resource: "repository", Actions: []string{"list", "pull", "push"}},
		{Project: "team", Resource: "tag", Actions: []string{"create", "delete", "list"}},
	}
	if got := w.RoleRights("releaser", "team"); !slices.EqualFunc(got, want, func(a, b auth.Permission) bool {
		return a.Project == b.Project && a.Resource == b.Resource && slices.Equal(a.Actions, b.Actions)
	}) {
		t.Errorf("RoleRights(releaser, team) = %+v, want %+v", got, want)
	}
}
