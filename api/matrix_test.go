package api_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// allowed lists who of the people an operation's x-who lets in.
func allowed(who string) []string {
	members := []string{gwen, dave, mia, alice, admin}
	switch who {
	case "anyone":
		return people()
	case "user":
		return people()[1:]
	case "self":
		return []string{dave, admin}
	case "reader":
		return append(members, lily)
	case "member":
		return members
	case "developer":
		return []string{dave, mia, alice, admin}
	case "own":
		return []string{dave}
	case "maintainer":
		return []string{mia, alice, admin}
	case "project-admin":
		return []string{alice, admin}
	default:
		return []string{admin}
	}
}

// TestRoleMatrix asks every operation of the document as everybody. An operation that is added to the document later
// is tested without anybody remembering.
func TestRoleMatrix(t *testing.T) {
	for _, op := range operations(t, loadDocument(t)) {
		t.Run(op.String(), func(t *testing.T) {
			w := newWorld(t)
			for _, name := range people() {
				if !slices.Contains(allowed(op.who), name) {
					w.wantRefused(op, name)
				}
			}
			for _, name := range allowed(op.who) {
				if op.method != http.MethodGet { // each on what nobody has changed yet
					w = newWorld(t)
				}
				w.wantServed(op, name)
			}
		})
	}
}

// wantRefused wants 401 for nobody, 404 for those to whom the object is not there, else 403.
func (w *world) wantRefused(op operation, name string) {
	w.t.Helper()
	want := http.StatusForbidden
	if name == nobody {
		want = http.StatusUnauthorized
	} else if name == bob && (strings.Contains(op.path, "{project_name") || strings.HasPrefix(op.path, "/api/v2.0/retentions")) { // which are of team
		want = http.StatusNotFound
	}
	got := w.try(op, name)
	w.want(got, want, "%s as %q", op, name)
	if name == nobody && got.header.Get("WWW-Authenticate") == "" {
		w.t.Errorf("%s as nobody has no WWW-Authenticate, want one: RFC 9110 section 15.5.2 asks for it", op)
	}
}

// wantServed wants no refusal; that the operation then does what it should is for other tests.
func (w *world) wantServed(op operation, name string) {
	w.t.Helper()
	got := w.try(op, name)
	absent := got.status == http.StatusNotFound && !slices.Contains([]string{"revokeRefreshToken", "revokePersonalAccessToken"}, op.OperationID) && // others' are not there
		!op.undone()
	notMine := op.OperationID == "headProject" && (name == nobody || name == bob) // asks for a private one
	if !notMine && (got.status == http.StatusUnauthorized || got.status == http.StatusForbidden || absent) {
		w.t.Errorf("%s as %q = %d %s, want it to be served", op, name, got.status, got.body)
	}
}

// undone reports whether an operation is about something that is not there: a job would have to do it first, or it is not
// installed (x-absent).
func (op operation) undone() bool {
	if absent, _ := op.Extensions["x-absent"].(bool); absent {
		return true
	}
	for _, what := range []string{"{execution_id}", "{gc_id}", "{purge_id}", "{job_id}", "{pool_id}"} {
		if strings.Contains(op.path, what) {
			return true
		}
	}
	return false
}

// try sends an operation with the document's example for a body.
func (w *world) try(op operation, name string) answer {
	w.t.Helper()
	body := op.example(w.t)
	if slices.Contains([]string{"createPersonalAccessToken", "setCliSecret"}, op.OperationID) && name != nobody { // no access token is good for it
		return w.send(op.method, w.path(op), body, "Authorization", basic(name, password))
	}
	return w.as(name, op.method, w.path(op), body)
}

// example is the document's example for the body, or "".
func (o operation) example(t testing.TB) string {
	t.Helper()
	if o.RequestBody == nil {
		return ""
	}
	example, err := json.Marshal(o.RequestBody.Value.Content.Get("application/json").Example)
	return string(must(t, example, err))
}

// path fills in an operation's path: dave, the project team, gwen's membership, dave's refresh token and group, a robot.
func (w *world) path(op operation) string {
	w.t.Helper()
	robot := w.robotID
	if strings.Contains(op.path, "{project_name_or_id}") {
		robot = w.teamRobotID
	}
	repository, reference := "app", "v1"
	if op.OperationID == "copyArtifact" {
		repository = "copy"
	}
	path := strings.NewReplacer(
		"{robot_id}", strconv.FormatInt(robot, 10),
		"{user_id}", strconv.FormatInt(w.users[dave].ID, 10),
		"{project_name_or_id}", "team", "{project_name}", "team",
		"{repository_name}", repository, "{reference}", reference, "{tag_name}", reference, "{addition}", "build_history",
		"{mid}", strconv.FormatInt(w.gwensID, 10),
		"{token_id}", "davestoken", "{pat_id}", "davespat", "{lockout_id}", lousLockout().ID, "{revision_id}", "1", "{former_name}", "old", "{jti}", w.issued(dave, "repository:team/app:pull"),
		"{quota_id}", strconv.FormatInt(w.team.ID, 10), "{meta_name}", "severity", "{gc_id}", "1", "{purge_id}", "1", "{pool_id}", "all", "{job_type}", "all",
		"{job_id}", "1", "{registration_id}", "1", "{report_id}", "1", "{preheat_instance_name}", "dragonfly", "{preheat_policy_name}", "latest", "{digest}", "sha256:0",
		"{group_id}", strconv.FormatInt(w.group.ID, 10),
		"{registry_id}", "1", "{policy_id}", "1", "{webhook_policy_id}", "1", "{immutable_rule_id}", "1", "{retention_id}", "1", "{label_id}", "1", // settleJobs
		"{viewer_file}", "viewer.js", "{execution_id}", "1", "{task_id}", "1",
	).Replace(op.path)
	if strings.Contains(path, "{") {
		w.t.Fatalf("%s has a parameter that this test does not know: teach it (world.path)", op)
	}
	var query []string
	for _, p := range op.Parameters {
		if p.Value.In == "query" && p.Value.Required {
			query = append(query, p.Value.Name+"="+map[bool]string{true: "team/app:v1", false: "team"}[p.Value.Name == "from"])
		}
	}
	if len(query) > 0 {
		path += "?" + strings.Join(query, "&")
	}
	return path
}

// TestUnknownAndForbiddenLookAlike asks each operation on a project about one that is private and about one that does
// not exist: who may not see the first must not be able to tell.
func TestUnknownAndForbiddenLookAlike(t *testing.T) {
	w := newWorld(t)
	unknown := strconv.FormatInt(w.team.ID+900, 10)
	pairs := [][2]string{{"team", "nope"}, {strconv.FormatInt(w.team.ID, 10), unknown}}
	for _, op := range operations(t, loadDocument(t)) {
		if !strings.Contains(op.path, "{project_name") && op.OperationID != "headProject" {
			continue
		}
		for _, name := range []string{nobody, bob} {
			for _, pair := range pairs {
				one := op
				one.path = inProject(op.path, pair[0])
				forbidden := w.try(one, name)
				one.path = inProject(op.path, pair[1])
				missing := w.try(one, name)
				body := strings.ReplaceAll(missing.body, pair[1], pair[0])
				if forbidden.status != missing.status || forbidden.body != body {
					t.Errorf("%s as %q on a private project = %d %s, on none = %d %s: want the same", op, name, forbidden.status, forbidden.body, missing.status, missing.body)
				}
			}
		}
	}
}

func inProject(path, ref string) string {
	return strings.NewReplacer("{project_name_or_id}", ref, "{project_name}", ref).Replace(path)
}

// TestUsersAreNotEnumerable asks about users that exist and such that do not.
func TestUsersAreNotEnumerable(t *testing.T) {
	w := newWorld(t)
	exists, missing := strconv.FormatInt(w.users[alice].ID, 10), "4711"
	for _, op := range operations(t, loadDocument(t)) {
		if !strings.Contains(op.path, "{user_id}") {
			continue
		}
		for _, name := range []string{nobody, bob} {
			one := op
			one.path = strings.ReplaceAll(op.path, "{user_id}", exists)
			a := w.try(one, name)
			one.path = strings.ReplaceAll(op.path, "{user_id}", missing)
			if b := w.try(one, name); a.status != b.status || a.body != b.body {
				t.Errorf("%s as %q on a user = %d %s, on none = %d %s: want the same", op, name, a.status, a.body, b.status, b.body)
			}
		}
	}
	wrong := w.send("GET", "/api/v2.0/projects", "", "Authorization", basic(alice, "wrong"))
	unknown := w.send("GET", "/api/v2.0/projects", "", "Authorization", basic("nobody", "wrong"))
	if wrong.status != unknown.status || wrong.body != unknown.body {
		t.Errorf("wrong password = %d %s, unknown user = %d %s: want the same", wrong.status, wrong.body, unknown.status, unknown.body)
	}
}
