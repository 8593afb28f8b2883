package project_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/policy"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

// members is a directory as the policy asks it.
type members struct{ *project.Directory }

func (m members) Standing(ctx context.Context, sub auth.Subject, name string) (policy.Standing, error) {
	st, err := m.Directory.Standing(ctx, sub, name)
	s := policy.Standing{Exists: st.Exists, Public: st.Public, Roles: st.Roles, Now: st.Now}
	for _, some := range st.Some {
		s.Some = append(s.Some, policy.Limited(some))
	}
	return s, err
}

func (m members) Origins(context.Context, auth.Subject, string) ([]policy.Origin, error) {
	return nil, nil
}

// giving is a fixture over a policy file.
type giving struct {
	*fixture
	engine *policy.Engine
	dir    string
}

func newGiving(t *testing.T) giving {
	t.Helper()
	g := giving{fixture: newFixture(t), dir: t.TempDir()}
	directory := project.NewDirectory(g.store, g.clock)
	t.Cleanup(directory.Close)
	g.rules("")
	var err error
	g.engine, err = policy.Open(g.dir, members{directory}, slog.New(slog.DiscardHandler))
	g.ok("policy.Open", err)
	g.Service = project.New(g.store, g.engine, g.trail, g.hasher, g.clock).WithRoles(g.engine)
	return g
}

// rules puts lines behind the default policy's.
func (g giving) rules(lines string) {
	g.t.Helper()
	base := filepath.Join(g.t.TempDir(), "default")
	_, err := policy.WriteDefault(base)
	g.ok("WriteDefault", err)
	for _, name := range []string{policy.PolicyFile, policy.ModelFile} {
		text, err := os.ReadFile(filepath.Join(base, name))
		g.ok("ReadFile", err)
		if name == policy.PolicyFile {
			text = append(text, "\n"+lines+"\n"...)
		}
		g.ok("WriteFile", os.WriteFile(filepath.Join(g.dir, name), text, 0o600))
	}
	if g.engine != nil {
		_, err := g.engine.Reload(g.t.Context())
		g.ok("Reload with\n"+lines, err)
	}
}

// randomLines are rules about those who make robots in the property test, behind those of the default policy.
func randomLines(r *rand.Rand) string {
	lines := []string{
		"p, maker, robot, **, create|read|update|list, allow", "p, maker, project, **, read, allow", "p, maker, repository, **, pull, allow",
		"p, user:carol, robot, @system, create|read, allow",
	}
	for range r.IntN(7) {
		who := pick(r, "maker", "maintainer", "projectAdmin", "authenticated", "systemAdmin", "user:bob", "user:carol", "user:robot~team+maker")
		name := pick(r, "**", "team/**", "*/**", "team", "team/app", "team/app-*", "team/lib/**", "{team,open}/lib/*", "open/**", "@system", "t*/**")
		resource := pick(r, "repository", "repository", "*", "artifact", "member")
		if resource == "repository" && name != "@system" && r.IntN(3) == 0 {
			name += pick(r, ":v*", ":*")
		}
		line := "p, " + who + ", " + resource + `, "` + name + `", `
		line += pick(r, "*", "list", "delete", "create") + ", "
		if resource == "repository" {
			line = strings.TrimSuffix(line, ", ")
			line = line[:strings.LastIndex(line, ", ")] + ", " + pick(r, "pull", "push", "pull|push", "overwrite", "delete", "*", "list|read") + ", "
		}
		line += pick(r, "allow", "deny", "deny")
		if r.IntN(5) == 0 {
			line += ", " + pick(r, "from=10.0.0.0/8", "days=sat|sun")
		}
		lines = append(lines, line)
	}
	if r.IntN(3) == 0 {
		lines = append(lines, "g, user:bob, "+pick(r, "maintainer", "maker")+", "+pick(r, "team", "**", "open", "@system"))
	}
	return strings.Join(lines, "\n")
}

// randomGiven is what a robot is to have, in words that robots can have.
func randomGiven(r *rand.Rand, within string) auth.Permissions {
	var list auth.Permissions
	for range 1 + r.IntN(2) {
		p := auth.Permission{Project: within, Resource: pick(r, "repository", "repository", "repository", "artifact", "member", "robot")}
		if within == "" {
			p.Project = pick(r, "team", "open", "*", "")
		}
		switch p.Resource {
		case "repository":
			p.Actions = []string{pick(r, "pull", "push", "delete", "list", "read")}
		case "artifact":
			p.Actions = []string{pick(r, "list", "delete")}
		default:
			p.Actions = []string{pick(r, "list", "create")}
		}
		if p.Project == "" {
			p.Resource, p.Actions = pick(r, "user", "catalog", "project"), []string{"list"}
			if p.Resource == "catalog" {
				p.Actions = []string{"read"}
			}
		}
		for range r.IntN(3) {
			if p.Project != "" && p.Resource != "member" && p.Resource != "robot" {
				p.Repositories = append(p.Repositories, pick(r, "app", "app-*", "lib/**", "**", "{app,lib/*}"))
			}
		}
		list = append(list, p)
	}
	return list
}

// maker is somebody who makes robots: members by a role of Harbor's or of the policy file, of all or of some repositories, by what
// the policy says of their names, with narrowed credentials, and robots.
func (g giving) maker(r *rand.Rand, id int64) project.Caller {
	name := pick(r, "bob", "bob", "bob", "carol", "admin", "robot")
	if name == "robot" {
		return robotCaller(append(randomGiven(r, "team"), may("team", "robot", "create"), may("team", "project", "read"))...)
	}
	if name == "bob" {
		m := store.Member{Role: pick(r, store.RoleProjectAdmin, store.RoleMaintainer)}
		if r.IntN(2) == 0 {
			m.Role, m.Custom = store.CustomRole("maker"), "maker"
		}
		if r.IntN(3) == 0 {
			var err error
			m.Only, err = store.NewPatterns([]string{pick(r, "app", "app-*", "lib/**", "**")})
			g.ok("NewPatterns", err)
		}
		_, err := g.store.UpdateMember(g.t.Context(), g.ids["project:team"], id, func(of *store.Member) error {
			of.Role, of.Custom, of.Only = m.Role, m.Custom, m.Only
			return nil
		})
		g.ok("UpdateMember", err)
	}
	c := g.as(name)
	c.Remote = pick(r, "", "10.1.2.3", "192.0.2.1")
	c.Subject.Remote = c.Remote
	if scope := randomScope(r); scope != nil && r.IntN(3) == 0 {
		c.Subject = c.Bound(append(*scope, may("*", "robot", "create"), may("*", "project", "read"), may("", "robot", "create")), time.Time{})
	}
	return c
}

// what each robot of the property test is tried with.
func asks() (all []auth.Access) {
	for _, in := range []string{"team", "open", "hidden"} {
		for _, name := range []string{"", "app", "app-1", "lib/a", "lib/a/b", "other"} {
			for _, resource := range []string{"repository", "artifact", "member", "robot"} {
				for _, action := range []string{"pull", "push", "overwrite", "delete", "list", "read", "create"} {
					access := auth.Access{Resource: resource, Project: in, Action: action}
					if name != "" {
						access.Repository = in + "/" + name
					}
					all = append(all, access)
					if name != "" && resource == "repository" {
						access.Tag = "v1"
						all = append(all, access)
					}
				}
			}
		}
	}
	for _, resource := range []string{"user", "project", "robot", "catalog"} {
		for _, action := range []string{"list", "create", "read"} {
			all = append(all, auth.Access{Resource: resource, Action: action})
		}
	}
	return all
}

// TestRobotsNeverExceedTheirMaker makes robots with random permissions, as random people under random policies: what a robot
// that came to be may do, who made it may do as well, and does not need to be asked from elsewhere or at another time.
func TestRobotsNeverExceedTheirMaker(t *testing.T) {
	g := newGiving(t)
	r := rand.New(rand.NewPCG(8, 11))
	all := asks()
	catalog, err := auth.ParseScope([]string{"registry:catalog:*"})
	g.ok("ParseScope", err)
	anybody := auth.Subject{Name: "robot~other", Kind: auth.KindRobot} // what every robot may, nobody gave it
	made, refused := 0, 0
	for round := range 150 {
		lines := randomLines(r)
		g.rules(lines)
		for i := range 12 {
			c := g.maker(r, g.ids["team/bob"])
			n := project.NewRobot{Name: fmt.Sprintf("r%d-%d", round, i), Days: 1}
			within := pick(r, "team", "team", "")
			if within != "" {
				n.Project = named(within)
			}
			n.Permissions = randomGiven(r, within)
			robot, _, err := g.CreateRobot(t.Context(), c, n)
			if err != nil {
				if !errs.Is(err, errs.Denied) && !errs.Is(err, errs.NotFound) {
					t.Fatalf("CreateRobot(%+v) as %+v = %v, want a robot or a refusal", n, c.Subject, err)
				}
				refused++
				continue
			}
			made++
			sub := auth.Subject{Name: robot.Name, Kind: auth.KindRobot, Grants: robot.Permissions, Remote: c.Subject.Remote}
			for _, access := range all {
				got, err := g.engine.Decide(t.Context(), sub, access)
				g.ok("Decide", err)
				free, err := g.engine.Decide(t.Context(), anybody, access)
				g.ok("Decide", err)
				if !got.Allowed || free.Allowed {
					continue
				}
				if had, err := g.engine.Decide(t.Context(), c.Subject, access); err != nil || !had.Allowed {
					t.Fatalf("a robot with %v may %+v (%s), and %+v who made it may not (%s, %v), under\n%s",
						robot.Permissions, access, got.Reason, c.Subject, had.Reason, err, lines)
				}
			}
			got, err := g.engine.Authorize(t.Context(), sub, catalog)
			g.ok("Authorize", err)
			if had, err := g.engine.Authorize(t.Context(), c.Subject, catalog); err != nil || len(got.Granted) > len(had.Granted) {
				t.Fatalf("a robot with %v gets the catalog, and %+v who made it does not (%v), under\n%s", robot.Permissions, c.Subject, err, lines)
			}
			g.ok("DeleteRobot", g.store.DeleteRobot(t.Context(), robot.ID))
		}
		g.trail.take()
	}
	if made < 100 || refused < 100 {
		t.Errorf("%d robots were made and %d refused, want enough of both", made, refused)
	}
}

// TestWhatRulesKeepFromRobots shows which rules about people count when they give on what they may do, and that the answer
// says what it is that can't be given.
func TestWhatRulesKeepFromRobots(t *testing.T) {
	g := newGiving(t)
	g.project("mine", false, store.Member{UserID: g.ids["bob"], Role: store.CustomRole("maker"), Custom: "maker"})
	push := func(patterns ...string) auth.Permission { return repositories("mine", patterns, "push") }
	for name, tt := range map[string]struct {
		lines string
		give  auth.Permission
		want  string // "" for nothing
	}{
		"no rule":                                  {"", push(), ""},
		"one that denies a part":                   {"p, user:bob, repository, mine/prod/**, push, deny", push(), `push on repository in project "mine"`},
		"one that denies another part":             {"p, user:bob, repository, mine/prod/**, push, deny", push("dev/**"), ""},
		"one that denies one of the parts":         {"p, user:bob, repository, mine/prod/**, push, deny", push("dev/**", "p*"), `push on repository "p*" in project "mine"`},
		"one that denies another action":           {"p, user:bob, repository, mine/**, delete, deny", push(), ""},
		"one that denies some tags":                {"p, maker, repository, **:v*, push, deny", push("dev/**"), `push on repository "dev/**"`},
		"one that denies to overwrite":             {"p, maker, repository, **:v*, overwrite, deny", push(), "push on repository"},
		"one that denies elsewhere":                {"p, maker, repository, mines/**, push, deny", push(), ""},
		"one that denies from somewhere":           {"p, user:bob, repository, mine/**, pull, deny, from=203.0.113.0/24", repositories("mine", nil, "pull"), "pull on repository"},
		"one that denies others":                   {"p, developer, repository, mine/**, push, deny", push(), ""},
		"one that denies everybody":                {"p, anonymous, repository, mine/prod/**, push, deny", push(), ""},
		"one that allows a name alone":             {"p, user:bob, scan, mine, stop, allow", auth.Permission{Project: "mine", Resource: "scan", Actions: []string{"stop"}}, "stop on scan"},
		"one that allows below it":                 {"p, user:bob, scan, mine/**, stop, allow", auth.Permission{Project: "mine", Resource: "scan", Actions: []string{"stop"}}, ""},
		"one that allows from somewhere":           {"p, user:bob, scan, mine/**, stop, allow, from=192.0.2.0/24", auth.Permission{Project: "mine", Resource: "scan", Actions: []string{"stop"}}, "stop on scan"},
		"one that allows the pattern":              {"p, user:bob, scan, mine/app/**, stop, allow", auth.Permission{Project: "mine", Repositories: []string{"app/**"}, Resource: "scan", Actions: []string{"stop"}}, ""},
		"one that allows less than the pattern is": {"p, user:bob, scan, mine/app/**, stop, allow", auth.Permission{Project: "mine", Repositories: []string{"app*/**"}, Resource: "scan", Actions: []string{"stop"}}, "stop on scan"},
	} {
		g.rules("p, maker, robot, **, create, allow\np, maker, project, **, read, allow\np, maker, repository, **, *, allow\n" + tt.lines)
		c := g.as("bob")
		c.Subject.Remote = "192.0.2.7"
		robot, _, err := g.CreateRobot(t.Context(), c, newRobot("mine", "ci", tt.give))
		if tt.want != "" {
			if !errs.Is(err, errs.Denied) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("with %s, CreateRobot = %v, want it denied for %s", name, err, tt.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("with %s, CreateRobot = %v, want a robot", name, err)
			continue
		}
		g.ok("DeleteRobot", g.DeleteRobot(t.Context(), g.as("admin"), project.Ref{}, robot.ID))
	}
	for _, tt := range []struct {
		lines string
		want  bool
	}{
		{"", true},
		{"p, systemAdmin, repository, hidden/**, push, deny", false},
		{"p, developer, repository, **:v*, push, deny", true}, // no administrator is held back by it
	} {
		g.rules(tt.lines)
		robot, _, err := g.CreateRobot(t.Context(), g.as("admin"), newRobot("", "everywhere", repositories("*", nil, "push")))
		if (err == nil) != tt.want {
			t.Errorf("with %q, CreateRobot for all projects by an administrator = %v, want it made: %t", tt.lines, err, tt.want)
		}
		if err == nil {
			g.ok("DeleteRobot", g.DeleteRobot(t.Context(), g.as("admin"), project.Ref{}, robot.ID))
		}
	}
}
