package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// nowhere puts in place of each parameter of a path but the project what there is not, and returns how to put an answer
// about it into the words of the real one.
func (op operation) nowhere(path string) (absent string, inWordsOf *strings.Replacer) {
	path, query, _ := strings.Cut(path, "?")
	pattern, segments := strings.Split(op.path, "/"), strings.Split(path, "/")
	var pairs []string
	for i, p := range pattern {
		if !strings.HasPrefix(p, "{") || strings.HasPrefix(p, "{project_name") {
			continue
		}
		none := "999999"
		if strings.Trim(segments[i], "0123456789") != "" {
			none = "nothing-" + strings.Trim(p, "{}")
		}
		pairs = append(pairs, none, segments[i])
		segments[i] = none
	}
	absent = strings.Join(segments, "/")
	if query != "" {
		absent += "?" + query
	}
	return absent, strings.NewReplacer(pairs...)
}

// wantSameState wants nothing to have changed.
func (w *world) wantSameState(before, by string) {
	w.t.Helper()
	if after := w.state(); after != before {
		w.t.Errorf("%s changed something: %s", by, difference(before, after))
	}
}

// difference lists the lines that one of two texts has.
func difference(before, after string) string {
	a, b := strings.Split(before, "\n"), strings.Split(after, "\n")
	var out []string
	for _, line := range a {
		if !slices.Contains(b, line) {
			out = append(out, "- "+line)
		}
	}
	for _, line := range b {
		if !slices.Contains(a, line) {
			out = append(out, "+ "+line)
		}
	}
	return "\n" + strings.Join(out, "\n")
}

// TestObjectsOfAnotherProjectAreAbsent asks for what is team's by the path of another project, as who administers both:
// the answer is the one about what is nowhere, and nothing changes. (Harbor: CVE-2022-31666 to 31671.)
func TestObjectsOfAnotherProjectAreAbsent(t *testing.T) {
	w := newWorld(t)
	w.want(w.as(alice, "POST", "/api/v2.0/projects", `{"project_name":"other"}`), 201, "POST project")
	before, tried := w.state(), 0
	for _, op := range operations(t, loadDocument(t)) {
		if !strings.Contains(op.path, "{project_name") || strings.Count(op.path, "{") < 2 || op.OperationID == "copyArtifact" { // which makes what it names
			continue
		}
		tried++
		foreign := strings.Replace(w.path(op), "/projects/team/", "/projects/other/", 1)
		absent, inWordsOf := op.nowhere(foreign)
		body := op.example(t)
		for _, name := range []string{alice, admin, bob} {
			a, b := w.as(name, op.method, foreign, body), w.as(name, op.method, absent, body)
			if op.OperationID == "updateProjectMetadata" {
				b = a // what a project is told is not an object: there is nothing to compare with
			}
			missing := a.status == http.StatusNotFound || op.Tags[0] == "absent" && a.status == http.StatusPreconditionFailed // nothing is looked for
			if !missing || a.status != b.status || a.body != inWordsOf.Replace(b.body) {
				t.Errorf("%s as %s by another project = %d %s, want 404 as for what is nowhere: %d %s", op, name, a.status, a.body, b.status, b.body)
			}
		}
	}
	w.wantSameState(before, "asking for another project's objects")
	if tried < 30 {
		t.Errorf("%d operations were tried, want every one with a project and an object in its path", tried)
	}
}

// TestForeignObjectsAreAbsent asks for what is of a project, or of somebody, by its number alone, as the administrator of
// another project: the answer is the one about what is nowhere.
func TestForeignObjectsAreAbsent(t *testing.T) {
	w := newWorld(t)
	w.want(w.as(bob, "POST", "/api/v2.0/projects", `{"project_name":"bobs"}`), 201, "POST project")
	label := w.want(w.as(alice, "POST", "/api/v2.0/labels", fmt.Sprintf(`{"name":"teams","scope":"p","project_id":%d}`, w.team.ID)), 201, "POST label")
	before := w.state()
	for _, op := range operations(t, loadDocument(t)) {
		if strings.Contains(op.path, "{project_name") || !strings.Contains(op.path, "{") || op.who == "anyone" {
			continue
		}
		of := op
		of.path = strings.NewReplacer("{label_id}", strings.TrimPrefix(label.header.Get("Location"), "/api/v2.0/labels/"), "{robot_id}", fmt.Sprint(w.teamRobotID)).Replace(op.path)
		foreign := w.path(of)
		absent, inWordsOf := op.nowhere(foreign)
		a, b := w.as(bob, op.method, foreign, op.example(t)), w.as(bob, op.method, absent, op.example(t))
		if a.status != b.status || a.body != inWordsOf.Replace(b.body) {
			t.Errorf("%s as bob on others' = %d %s, want the answer about what is nowhere: %d %s", op, a.status, a.body, b.status, b.body)
		}
	}
	w.wantSameState(before, "asking for others' objects")
}

// Paths whose objects name a project in their body, too: the body does not decide which project is asked about.
// (Harbor: CVE-2022-31667, CVE-2019-16919.)
func TestBodiesNameNoOtherProject(t *testing.T) {
	w := newWorld(t)
	w.want(w.as(bob, "POST", "/api/v2.0/projects", `{"project_name":"bobs"}`), 201, "POST project")
	bobs := w.object(bob, "/api/v2.0/projects/bobs")["project_id"]
	before := w.state()
	robot := `{"name":"x","level":"project","duration":1,"permissions":[{"kind":"project","namespace":%q,"access":[{"resource":"repository","action":"push"}]}]}`
	rule := `{"algorithm":"or","rules":[],"trigger":{"kind":"Schedule","settings":{"cron":""}},"scope":{"level":"project","ref":%v}}`
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/api/v2.0/projects/bobs/robots", fmt.Sprintf(robot, "team")},
		{"POST", "/api/v2.0/projects/bobs/robots", fmt.Sprintf(robot, "*")},
		{"POST", "/api/v2.0/robots", fmt.Sprintf(robot, "team")},
		{"PUT", fmt.Sprintf("/api/v2.0/robots/%d", w.teamRobotID), fmt.Sprintf(robot, "bobs")},
		{"PUT", fmt.Sprintf("/api/v2.0/projects/bobs/robots/%d", w.teamRobotID), fmt.Sprintf(robot, "bobs")},
		{"PATCH", fmt.Sprintf("/api/v2.0/robots/%d", w.teamRobotID), `{"secret":""}`},
		{"POST", "/api/v2.0/retentions", fmt.Sprintf(rule, w.team.ID)},
		{"PUT", "/api/v2.0/retentions/1", fmt.Sprintf(rule, bobs)},
		{"POST", "/api/v2.0/labels", fmt.Sprintf(`{"name":"x","scope":"p","project_id":%d}`, w.team.ID)},
		{"POST", "/api/v2.0/projects/team/webhook/policies", fmt.Sprintf(`{"name":"x","project_id":%v,"targets":[{"type":"http","address":"https://x.example.com"}],"event_types":["PUSH_ARTIFACT"]}`, bobs)},
		{"POST", "/api/v2.0/projects/bobs/repositories/app/artifacts?from=team/app:v1", ""},
	} {
		if got := w.as(bob, c.method, c.path, c.body); got.status != http.StatusForbidden && got.status != http.StatusNotFound {
			t.Errorf("%s %s %s as bob = %d %s, want 403 or 404: it is about team, where bob is nobody", c.method, c.path, c.body, got.status, got.body)
		}
	}
	w.wantSameState(before, "naming another project in a body")
}
