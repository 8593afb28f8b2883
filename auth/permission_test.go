package auth_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
)

// permission reads "project resource actions [patterns]": "team repository pull,push app/**"; @ is the system level.
func permission(text string) auth.Permission {
	f := strings.Fields(text)
	p := auth.Permission{Project: strings.TrimPrefix(f[0], "@"), Resource: f[1], Actions: strings.Split(f[2], ",")}
	if len(f) > 3 {
		p.Repositories = strings.Split(f[3], ",")
	}
	return p
}

func permissions(texts ...string) auth.Permissions {
	var p auth.Permissions
	for _, t := range texts {
		p = append(p, permission(t))
	}
	return p
}

func pull(repository string) auth.Question {
	project, _ := auth.Project(repository)
	return auth.Question{Project: project, Repository: repository, Resource: "repository", Action: "pull"}
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		given string
		asked auth.Question
		want  bool
	}{
		{"team repository pull", pull("team/app"), true},
		{"team repository pull", pull("team/a/b/c"), true},
		{"team repository pull", pull("other/app"), false},
		{"team repository push", pull("team/app"), false},
		{"team repository *", pull("team/app"), true},
		{"team * pull", pull("team/app"), true},
		{"team tag pull", pull("team/app"), false},
		{"* repository pull", pull("any/app"), true},
		{"team repository pull app", pull("team/app"), true},
		{"team repository pull app", pull("team/app2"), false},
		{"team repository pull app", pull("team/app/x"), false},
		{"team repository pull app/**", pull("team/app/x"), true},
		{"team repository pull app-*", pull("team/app-1"), true},
		{"team repository pull app-*", pull("team/app-1/x"), false},
		{"team repository pull a,b", pull("team/b"), true},
		{"* repository pull app", pull("other/app"), true},
		{"team repository pull app", auth.Question{Project: "team", Resource: "repository", Action: "pull"}, false},
		{"team member list", auth.Question{Project: "team", Resource: "member", Action: "list"}, true},
		{"@ catalog read", auth.Question{Resource: "catalog", Action: "read"}, true},
		{"* * *", auth.Question{Resource: "user", Action: "create"}, false}, // in every project, not above them
		{"@ * *", pull("team/app"), false},
	} {
		if got := permissions(tt.given).Allow(tt.asked); got != tt.want {
			t.Errorf("%q.Allow(%+v) = %v, want %v", tt.given, tt.asked, got, tt.want)
		}
	}
}

// A name is taken as it stands on both sides: what is special in a pattern is nothing special in a name.
func TestNamesInPermissionsAreNoPatterns(t *testing.T) {
	t.Parallel()
	if permissions("t* repository pull").Allow(pull("team/app")) {
		t.Error(`a project "t*" allows team, want itself only`)
	}
	if permissions("team repository pull app").Allow(auth.Question{Project: "team", Repository: "team/*", Resource: "repository", Action: "pull"}) {
		t.Error(`the repository "*" is allowed by "app", want no`)
	}
}

// What covers another list allows all that the other allows: the property that no credential ever exceeds its maker's.
func TestCoverNeverExceeds(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 11))
	one := func(of ...string) string { return of[r.IntN(len(of))] }
	random := func() auth.Permissions {
		var texts []string
		for range 1 + r.IntN(3) {
			text := one("team", "other", "*", "@") + " " + one("repository", "member", "*") + " " + one("pull", "push", "pull,push", "*")
			if r.IntN(2) == 0 && text[0] != '@' {
				text += " " + one("app", "app/**", "**", "a*", "app,b")
			}
			texts = append(texts, text)
		}
		return permissions(texts...)
	}
	covered := 0
	for range 20_000 {
		outer, inner := random(), random()
		if !outer.Cover(inner) {
			continue
		}
		covered++
		for _, project := range []string{"", "team", "other", "third"} {
			for _, repository := range []string{"", "app", "app/x", "b", "c"} {
				for _, resource := range []string{"repository", "member", "quota"} {
					q := auth.Question{Project: project, Resource: resource, Action: one("pull", "push", "delete")}
					if repository != "" && project != "" {
						q.Repository = project + "/" + repository
					}
					if inner.Allow(q) && !outer.Allow(q) {
						t.Fatalf("%v covers %v, but only the latter allows %+v", outer, inner, q)
					}
				}
			}
		}
	}
	if covered < 500 {
		t.Errorf("%d pairs covered each other: too few to say something", covered)
	}
}

func TestBoundNeverWidens(t *testing.T) {
	t.Parallel()
	end := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	wide, narrow, beside := permissions("team repository *"), permissions("team repository pull"), permissions("other repository pull")
	for _, tt := range []struct {
		then auth.Permissions
		want bool // pull from team
	}{{wide, true}, {narrow, true}, {beside, false}} {
		sub := auth.Subject{Name: "root", SysAdmin: true}.Bound(narrow, end).Bound(tt.then, end.Add(time.Hour))
		if got := sub.Permitted(pull("team/app")); got != tt.want {
			t.Errorf("bound by %v and then by %v, pull is permitted: %v, want %v", narrow, tt.then, got, tt.want)
		}
		push := pull("team/app")
		push.Action = "push"
		if sub.Permitted(push) || sub.Permitted(pull("other/app")) {
			t.Errorf("bound by %v and then by %v, more is permitted than by the first", narrow, tt.then)
		}
		if sub.SysAdmin || !sub.BoundedAdmin {
			t.Errorf("a bounded administrator has SysAdmin %v, BoundedAdmin %v, want false, true", sub.SysAdmin, sub.BoundedAdmin)
		}
		if !sub.Until.Equal(end) {
			t.Errorf("the second bound moves the end to %s, want %s", sub.Until, end)
		}
	}
}

func ExamplePermissions_Allow() {
	robot := auth.Permissions{{Project: "team", Repositories: []string{"app-*"}, Resource: "repository", Actions: []string{"pull"}}}
	fmt.Println(robot.Allow(auth.Question{Project: "team", Repository: "team/app-1", Resource: "repository", Action: "pull"}))
	fmt.Println(robot.Allow(auth.Question{Project: "team", Repository: "team/db", Resource: "repository", Action: "pull"}))
	// Output:
	// true
	// false
}
