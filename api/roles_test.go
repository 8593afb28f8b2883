package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/api/client"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/store"
)

const teamMembers = "/api/v2.0/projects/team/members"

// TestMembersOfSomeRepositories makes bob a developer of some repositories, and looks at all that he sees then.
func TestMembersOfSomeRepositories(t *testing.T) {
	w := newOpenWorld(t)
	made := w.want(w.as(alice, "POST", teamMembers, `{"role_id":2,"member_user":{"username":"bob"},"repositories":["deep/**"]}`), 201, "adding bob")
	bobs := strings.Replace(made.header.Get("Location"), fmt.Sprintf("projects/%d", w.team.ID), "projects/team", 1)
	if m := answered[client.ProjectMemberEntity](w, w.get(alice, bobs)); m.RoleID != 2 || m.Repositories == nil || strings.Join(*m.Repositories, " ") != "deep/**" {
		t.Errorf("GET bob's membership = %+v, want a developer for deep/**", m)
	}
	if m := w.object(alice, fmt.Sprintf("%s/%d", teamMembers, w.gwensID)); m["repositories"] != nil || m["role_gone"] != nil {
		t.Errorf("GET gwen's membership = %v, want no field that Harbor does not know", m)
	}
	const all = "/api/v2.0/repositories?sort=name"
	sees := func(what, path, want string) {
		t.Helper()
		a := w.get(bob, path)
		if got := strings.Join(namesIn(t, a.body), " "); got != want {
			t.Errorf("%s: GET %s as bob = %q, want %q", what, path, got, want)
		}
		if got, want := a.header.Get("X-Total-Count"), strconv.Itoa(len(strings.Fields(want))); got != want {
			t.Errorf("%s: X-Total-Count of %s for bob = %s, want %s", what, path, got, want)
		}
	}
	sees("all", all, "library/app team/deep/er")
	sees("of the project", "/api/v2.0/projects/team/repositories", "team/deep/er")
	w.countsFor(bob, 1, 2)
	w.countsFor(alice, 3, 4)
	one := w.get(bob, all+"&page_size=1")
	if got := strings.Join(namesIn(t, one.body), " "); got != "library/app" || !strings.Contains(one.header.Get("Link"), "page=2") {
		t.Errorf("the first page of one repository for bob = %s, Link %s, want library/app and another page", got, one.header.Get("Link"))
	}
	for _, path := range []string{all + "&page_size=1&page=2", strings.Trim(strings.Split(one.header.Get("Link"), ">")[0], " <")} {
		if got := strings.Join(w.repositoriesAt(bob, path), " "); got != "team/deep/er" {
			t.Errorf("GET %s as bob = %s, want team/deep/er, which is the second that bob sees", path, got)
		}
	}
	artifacts := w.get(bob, "/api/v2.0/projects/team/artifacts")
	if n := len(answered[[]client.Artifact](w, artifacts)); n == 0 || strconv.Itoa(n) != artifacts.header.Get("X-Total-Count") || strings.Contains(artifacts.body, "team/app") {
		t.Errorf("GET artifacts of team as bob = %d of %s, %s; want those of team/deep/er alone", n, artifacts.header.Get("X-Total-Count"), artifacts.body)
	}
	if a := w.get(bob, "/api/v2.0/search?q=team"); strings.Contains(a.body, "team/app") || !strings.Contains(a.body, "team/deep/er") {
		t.Errorf("GET search as bob = %s, want team/deep/er and no team/app", a.body)
	}
	for path, status := range map[string]int{
		"/projects/team": 200, "/projects/team/repositories/deep%252Fer/artifacts": 200, "/projects/team/repositories/deep%252Fer": 200,
		"/projects/team/repositories/app": 403, "/projects/team/repositories/app/artifacts": 403, "/projects/team/repositories/app/artifacts/v1": 403,
		"/projects/team/members": 403, "/projects/team/robots": 403, "/projects/team/logs": 403,
	} {
		w.want(w.as(bob, "GET", "/api/v2.0"+path, ""), status, "GET %s as bob", path)
	}
	w.want(w.as(bob, "DELETE", teamApp, ""), 403, "DELETE of a repository that is not bob's")

	w.want(w.as(alice, "PUT", bobs, `{"role_id":3}`), 200, "another role, as Harbor's clients give it")
	sees("after another role", all, "library/app team/deep/er")
	w.want(w.as(alice, "PUT", bobs, `{"role_id":3,"repositories":["app"]}`), 200, "other repositories")
	sees("after other repositories", all, "library/app team/app")
	w.want(w.as(alice, "PUT", bobs, `{"role_id":3,"repositories":["["]}`), 400, "no pattern")
	w.want(w.as(alice, "PUT", bobs, `{"role_id":3,"repositories":[]}`), 200, "the whole project")
	sees("in the whole project", all, "library/app team/app team/chart team/deep/er")
}

// countsFor wants the numbers of repositories, of team and of all projects, wherever somebody is told them.
func (w *world) countsFor(name string, team, all int) {
	w.t.Helper()
	p := answered[client.Project](w, w.get(name, "/api/v2.0/projects/team"))
	sum := w.object(name, "/api/v2.0/projects/team/summary")
	found := w.object(name, "/api/v2.0/search?q=team")
	st := w.object(name, "/api/v2.0/statistics")
	listed := answered[[]client.Project](w, w.get(name, "/api/v2.0/projects?name=team"))
	in, _ := found["project"].([]any)
	inSearch, _ := in[0].(map[string]any)
	private, _ := st["private_repo_count"].(float64)
	public, _ := st["public_repo_count"].(float64)
	want := fmt.Sprint(team, team, team, team, all)
	if got := fmt.Sprint(value(p.RepoCount), sum["repo_count"], value(listed[0].RepoCount), inSearch["repo_count"], private+public); got != want {
		w.t.Errorf("repositories in the project, its summary, the list, the search and the statistics for %s = %s, want %s", name, got, want)
	}
}

// TestMembersWithRolesOfThePolicy adds a role to the policy, gives it to bob, and takes it out again.
func TestMembersWithRolesOfThePolicy(t *testing.T) {
	w := newWorld(t)
	role := func(name string) (client.Role, bool) {
		for _, r := range answered[[]client.Role](w, w.get(admin, "/api/v2.0/roles")) {
			if r.RoleName == name {
				return r, true
			}
		}
		return client.Role{}, false
	}
	w.want(w.as(nobody, "GET", "/api/v2.0/roles", ""), 401, "GET roles by nobody")
	if _, ok := role("pilot"); ok {
		t.Error("GET roles has pilot, want Harbor's alone at first")
	}
	before := w.object(admin, policyPath)
	text, _ := before["policy"].(string)
	put := func(text string) {
		t.Helper()
		body, err := json.Marshal(map[string]string{"policy": text})
		w.want(w.as(admin, "PUT", policyPath, string(must(t, body, err))), 200, "PUT policy")
	}
	put(text + "\np, pilot, project, **, read, allow\np, pilot, repository, **, pull|list, allow\np, boss, scanner, **, delete, allow\n")
	pilot, ok := role("pilot")
	if !ok || !pilot.Custom || pilot.RoleGone || pilot.RoleID != int64(store.CustomRole("pilot")) {
		t.Errorf("GET roles: pilot = %+v, %t, want a custom role with its number", pilot, ok)
	}
	w.want(w.as(alice, "POST", teamMembers, `{"role_name":"boss","member_user":{"username":"bob"}}`), 403, "a role that may do more than alice")
	w.want(w.as(alice, "POST", teamMembers, `{"role_name":"captain","member_user":{"username":"bob"}}`), 400, "a role that there is not")
	made := w.want(w.as(alice, "POST", teamMembers, fmt.Sprintf(`{"role_id":%d,"member_user":{"username":"bob"}}`, pilot.RoleID)), 201, "a role by its number")
	bobs := made.header.Get("Location")
	if m := w.object(alice, bobs); m["role_name"] != "pilot" || m["role_id"] != float64(pilot.RoleID) || m["role_gone"] != nil {
		t.Errorf("GET bob's membership = %v, want pilot", m)
	}
	if p := w.object(bob, "/api/v2.0/projects/team"); p["current_user_role_id"] != float64(pilot.RoleID) || fmt.Sprint(p["current_user_role_names"]) != "[pilot]" {
		t.Errorf("GET team as bob = %v, want the role's number and name", p)
	}
	w.want(w.as(bob, "GET", "/api/v2.0/projects/team/repositories", ""), http.StatusOK, "GET repositories as pilot")
	w.want(w.as(bob, "GET", teamMembers, ""), 403, "GET members as pilot")
	x := w.want(w.as(admin, "POST", policyPath+"/explain", `{"username":"bob","name":"team/app","action":"pull"}`), 200, "explaining")
	if !strings.Contains(x.body, `"allowed":true`) || !strings.Contains(x.body, "pilot") {
		t.Errorf("POST policy/explain = %s, want it allowed by pilot", x.body)
	}

	put(text + "\np, pilot, project, **, read, allow\np, pilot, robot, **, create, allow\np, pilot, repository, **, pull, allow\n")
	robot := w.want(w.as(bob, "POST", "/api/v2.0/robots", strings.Replace(robotBody("project", "ci", "team"), `"pull"`, `"push"`, 1)), 403, "a robot that may do more than who makes it")
	if !strings.Contains(robot.body, `push on repository in project`) {
		t.Errorf("POST robots as pilot = %s, want it to say what is too much", robot.body)
	}

	put(text)
	if m := w.object(alice, bobs); m["role_name"] != "pilot" || m["role_gone"] != true {
		t.Errorf("GET bob's membership without the role in the policy = %v, want it to say so", m)
	}
	if r, ok := role("pilot"); !ok || !r.RoleGone {
		t.Errorf("GET roles: pilot = %+v, %t, want it gone", r, ok)
	}
	w.want(w.as(bob, "GET", "/api/v2.0/projects/team", ""), 404, "GET team with a role that allows nothing")
	w.want(w.as(alice, "PUT", bobs, `{"role_name":"guest"}`), 200, "a role of Harbor's by its name")
	w.want(w.as(bob, "GET", "/api/v2.0/projects/team", ""), 200, "GET team as guest")
}

// TestLogsOfRenamedProjects wants in a project's trail what was done under all names that it had, and nothing that was done to
// another one under its name.
func TestLogsOfRenamedProjects(t *testing.T) {
	w := newWorld(t) // where team was made as old
	for _, r := range []audit.Record{
		{Time: w.team.CreatedAt, Resource: "project:team/member:foreign"},
		{Time: w.team.CreatedAt.Add(-time.Hour), Resource: "project:old/member:ancient"},
		{Time: time.Now(), Resource: "project:old/member:early"},
		{Time: time.Now(), Resource: "project:library/member:elsewhere"},
		{Time: time.Now(), Resource: "project:team/member:late"},
	} {
		r.Operation, r.Actor, r.Outcome = "member.create", alice, audit.Allowed
		must(t, r, w.store.AppendAudit(t.Context(), []audit.Record{r}))
	}
	for _, path := range []string{"/logs", "/auditlog-exts"} {
		a := w.get(alice, "/api/v2.0/projects/team"+path)
		for name, want := range map[string]bool{"foreign": false, "ancient": false, "elsewhere": false, "early": true, "late": true} {
			if got := strings.Contains(a.body, "member:"+name) || strings.Contains(a.body, "/"+name); got != want {
				t.Errorf("GET %s has %s = %t, want %t: %s", path, name, got, want, a.body)
			}
		}
		if n := a.header.Get("X-Total-Count"); n != "2" {
			t.Errorf("GET %s says %s records, want 2", path, n)
		}
	}
}
