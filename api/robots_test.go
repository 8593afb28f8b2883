package api_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// robotBody is what Harbor's clients send for a robot that may pull.
func robotBody(level, name, namespace string) string {
	return fmt.Sprintf(`{"name":%q,"level":%q,"duration":30,"disable":false,"permissions":[{"kind":"project","namespace":%q,"access":[{"resource":"repository","action":"pull"}]}]}`,
		name, level, namespace)
}

// createdRobot is the answer to a creation.
type createdRobot struct {
	ID        int64
	Name      string
	Secret    string
	ExpiresAt int64 `json:"expires_at"`
}

func (w *world) createRobot(who, path, body string) (createdRobot, string) {
	w.t.Helper()
	a := w.want(w.as(who, "POST", path, body), 201, "POST %s %s", path, body)
	var r createdRobot
	must(w.t, r, json.Unmarshal([]byte(a.body), &r))
	return r, a.header.Get("Location")
}

func TestRobotAsHarbors(t *testing.T) {
	w := newWorld(t)
	r, location := w.createRobot(alice, "/api/v2.0/robots", robotBody("project", "ci", "team"))
	if r.Name != "robot~team+ci" || !strings.HasPrefix(r.Secret, "sealock_rob_") || location != "/api/v2.0/robots/"+strconv.FormatInt(r.ID, 10) {
		t.Errorf("created robot = %+v at %s, want its name, secret and place", r, location)
	}
	if left := time.Until(time.Unix(r.ExpiresAt, 0)); left < 29*24*time.Hour || left > 30*24*time.Hour {
		t.Errorf("expires_at is in %s, want thirty days", left)
	}
	got := w.object(alice, location)
	if got["level"] != "project" || got["editable"] != true || got["disable"] != false || got["secret"] != nil || got["creator"] != alice {
		t.Errorf("GET robot = %v, want Harbor's fields and no secret", got)
	}
	if fmt.Sprint(got["permissions"]) != "[map[access:[map[action:pull effect:allow resource:repository]] kind:project namespace:team]]" {
		t.Errorf("permissions = %v, want those that were given", got["permissions"])
	}
	// Terraform sends the whole robot back.
	whole := fmt.Sprintf(`{"id":%d,"name":"robot~team+ci","description":"builds","level":"project","editable":true,"disable":true,"duration":-1,"permissions":[
		{"kind":"project","namespace":"team","access":[{"resource":"repository","action":"push"},{"resource":"tag","action":"list","effect":"allow"}],"repositories":["app/**"]}]}`, r.ID)
	w.want(w.as(alice, "PUT", location, whole), 200, "PUT robot")
	if got := w.object(alice, location); got["expires_at"] != float64(-1) || got["disable"] != true || !strings.Contains(fmt.Sprint(got["permissions"]), "repositories:[app/**]") {
		t.Errorf("GET robot after PUT = %v, want what was put", got)
	}
	w.want(w.as(alice, "PUT", location, `{"name":"other"}`), 400, "PUT with another name")
	w.want(w.as(alice, "PUT", location, `{"level":"system"}`), 400, "PUT with another level")
	if s := w.want(w.as(alice, "PATCH", location, `{"secret":"Chosen-by-1"}`), 200, "PATCH with a secret"); strings.Contains(s.body, "Chosen") {
		t.Errorf("PATCH with a secret = %s, want it not to be told again", s.body)
	}
	w.want(w.as(alice, "PATCH", location, `{"secret":"weak"}`), 400, "PATCH with a weak secret")
	w.want(w.as(alice, "PATCH", location, `{"retire_old":true}`), 412, "PATCH without an old secret")
	w.want(w.as(alice, "PATCH", location, `{"secret":"","keep_old_seconds":3600}`), 200, "PATCH")
	if got := w.object(alice, location); got["old_secret_expires_at"] == nil {
		t.Errorf("GET robot after PATCH = %v, want the end of the old secret", got)
	}
	w.want(w.as(alice, "PATCH", location, `{"retire_old":true}`), 200, "PATCH that retires")
	w.want(w.as(alice, "PATCH", location, `{"keep_old_seconds":-1}`), 400, "PATCH that keeps for less than nothing")
	w.want(w.as(alice, "DELETE", location, ""), 200, "DELETE robot")
	w.want(w.as(admin, "GET", location, ""), 404, "GET robot that is gone")
	if strings.Contains(w.log.String(), r.Secret) {
		t.Errorf("the log holds the secret")
	}
}

// What an administrator of a project may give is all that there is to be given in one.
func TestRobotDictionary(t *testing.T) {
	w := newWorld(t)
	type access struct {
		Resource string `json:"resource"`
		Action   string `json:"action"`
	}
	var dictionary struct{ System, Project []access }
	a := w.want(w.as(bob, "GET", "/api/v2.0/permissions", ""), 200, "GET permissions")
	must(t, a, json.Unmarshal([]byte(a.body), &dictionary))
	body := func(kind, namespace string, list []access) string {
		text, err := json.Marshal(map[string]any{"name": "all", "level": kind, "permissions": []any{map[string]any{"kind": kind, "namespace": namespace, "access": list}}})
		return string(must(t, text, err))
	}
	w.createRobot(alice, "/api/v2.0/robots", body("project", "team", dictionary.Project))
	w.createRobot(admin, "/api/v2.0/robots", body("system", "/", dictionary.System))
	if len(dictionary.Project) != 70 || len(dictionary.System) != 72 {
		t.Errorf("there are %d permissions in projects and %d at system level, want 70 and 72", len(dictionary.Project), len(dictionary.System))
	}
	for _, wrong := range []string{
		body("project", "/", dictionary.Project), body("system", "team", dictionary.System), body("galaxy", "team", dictionary.Project),
		`{"name":"x","level":"system","permissions":[{"kind":"project","namespace":"team","access":[{"resource":"repository","action":"pull","effect":"deny"}]}]}`,
		`{"name":"x","level":"system","permissions":[{"kind":"project","namespace":"team","access":[]}]}`,
		`{"name":"x","level":"project"}`, `{"name":"x","level":"galaxy"}`, `{"name":"x"}`,
	} {
		w.want(w.as(admin, "POST", "/api/v2.0/robots", wrong), 400, "POST %.200s", wrong)
	}
}

func TestRobotLists(t *testing.T) {
	w := newWorld(t)
	id := strconv.FormatInt(w.team.ID, 10)
	names := func(who, path string) (out []string) {
		t.Helper()
		var list []struct{ Name string }
		a := w.want(w.as(who, "GET", path, ""), 200, "GET %s", path)
		must(t, list, json.Unmarshal([]byte(a.body), &list))
		for _, r := range list {
			out = append(out, r.Name)
		}
		return out
	}
	for path, want := range map[string]string{
		"/api/v2.0/robots":                                                   "[robot~builder]",
		"/api/v2.0/robots?q=Level%3Dsystem":                                  "[robot~builder]",
		"/api/v2.0/robots?q=Level%3Dproject%2CProjectID%3D" + id:             "[robot~team+builder]",
		"/api/v2.0/robots?q=name%3Drobot%24builder":                          "[robot~builder]",
		"/api/v2.0/robots?q=name%3D~nothing":                                 "[]",
		"/api/v2.0/robots?q=Level=project,ProjectID=" + id + ",name=builder": "[robot~team+builder]",
		"/api/v2.0/projects/team/robots":                                     "[robot~team+builder]",
		"/api/v2.0/projects/team/robots?q=name%3Drobot~team%2Bbuilder":       "[robot~team+builder]",
		"/api/v2.0/projects/library/robots":                                  "[]",
	} {
		if got := fmt.Sprint(names(admin, path)); got != want {
			t.Errorf("GET %s = %s, want %s", path, got, want)
		}
	}
	if got := fmt.Sprint(names(gwen, "/api/v2.0/robots?q=Level%3Dproject%2CProjectID%3D"+id)); got != "[robot~team+builder]" {
		t.Errorf("robots for a guest of the project = %s, want them", got)
	}
	w.want(w.as(bob, "GET", "/api/v2.0/robots?q=Level%3Dproject%2CProjectID%3D"+id, ""), 404, "GET robots of a project that is not visible")
	for _, q := range []string{"Level%3Dproject", "ProjectID%3D" + id, "Level%3Dgalaxy", "Level%3Dproject%2CProjectID%3Dx", "secret%3Dx"} {
		w.want(w.as(admin, "GET", "/api/v2.0/robots?q="+q, ""), 400, "GET robots?q=%s", q)
	}
}

// A number says nothing about whether there is such a robot to those who may not see it (CVE-2022-31667: the project
// in the request is not the robot's).
func TestRobotsOfOthersAreNotThere(t *testing.T) {
	w := newWorld(t)
	hers, _ := w.createRobot(admin, "/api/v2.0/robots", robotBody("project", "theirs", "library"))
	const none = 4711
	for _, op := range operations(t, loadDocument(t)) {
		if !strings.Contains(op.path, "{robot_id}") {
			continue
		}
		for _, name := range []string{nobody, bob, alice} {
			ask := func(id int64) answer {
				one := op
				one.path = strings.ReplaceAll(op.path, "{robot_id}", strconv.FormatInt(id, 10))
				return w.try(one, name)
			}
			missing := ask(none)
			for _, id := range []int64{hers.ID, w.robotID} {
				got := ask(id)
				if got.status != missing.status || strings.ReplaceAll(got.body, strconv.FormatInt(id, 10), "N") != strings.ReplaceAll(missing.body, strconv.Itoa(none), "N") {
					t.Errorf("%s as %q on another's robot = %d %s, on none = %d %s: want the same", op, name, got.status, got.body, missing.status, missing.body)
				}
			}
		}
	}
	w.want(w.as(alice, "POST", "/api/v2.0/robots", strings.Replace(robotBody("project", "x", "team"), `]}]}`,
		`]},{"kind":"project","namespace":"library","access":[{"resource":"repository","action":"push"}]}]}`, 1)), 403, "POST robot with a permission in another project")
	w.want(w.as(alice, "PUT", fmt.Sprintf("/api/v2.0/projects/team/robots/%d", w.teamRobotID), robotBody("project", "builder", "library")), 403, "PUT robot with a permission in another project")
}
