package api_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/sealock/sealock/api/client"
	"github.com/sealock/sealock/store"
)

// labelsOf returns the labels that an answer with one artifact or a list of them shows, by the artifact's first tag.
func (w *world) labelsOf(name, path string) string {
	w.t.Helper()
	list := w.get(name, path)
	if !strings.HasPrefix(list.body, "[") {
		list.body = "[" + list.body + "]"
	}
	var out []string
	for _, a := range answered[[]client.Artifact](w, list) {
		for _, l := range a.Labels {
			out = append(out, *l.Name)
		}
	}
	return strings.Join(out, " ")
}

func (w *world) newLabel(name string, p store.Project) store.Label {
	w.t.Helper()
	l, err := w.store.CreateLabel(w.t.Context(), store.Label{Name: name, ProjectID: p.ID})
	return must(w.t, l, err)
}

func TestArtifactLabels(t *testing.T) {
	w := newOpenWorld(t)
	global, own, theirs := w.newLabel("stable", store.Project{}), w.newLabel("fast", w.team), w.newLabel("theirs", w.library)
	artifact := teamApp + "/artifacts/multi"
	body := func(l store.Label) string { return fmt.Sprintf(`{"id":%d,"name":"whatever","scope":"g"}`, l.ID) }
	at := func(l store.Label) string { return artifact + "/labels/" + strconv.FormatInt(l.ID, 10) }

	w.want(w.as(dave, "POST", artifact+"/labels", body(global)), 200, "adding a global label")
	w.want(w.as(mia, "POST", artifact+"/labels", body(own)), 200, "adding the project's label")
	w.want(w.as(mia, "POST", artifact+"/labels", body(own)), 409, "adding it again")
	w.want(w.as(gwen, "POST", artifact+"/labels", body(global)), 403, "adding one as a guest")
	w.want(w.as(bob, "POST", artifact+"/labels", body(global)), 404, "adding one as a stranger")
	w.want(w.as(nobody, "POST", artifact+"/labels", body(global)), 401, "adding one as nobody")
	w.want(w.as(dave, "POST", teamApp+"/artifacts/none/labels", body(global)), 404, "adding one to no artifact")
	w.refused(dave, "POST", artifact+"/labels", `{}`, `{"id":"1"}`, `{"id":null}`, `[]`)

	// Another project's label looks like one that there is not, and its name is not told here.
	foreign, none := w.as(dave, "POST", artifact+"/labels", body(theirs)), w.as(dave, "POST", artifact+"/labels", `{"id":4711}`)
	w.want(foreign, 404, "adding another project's label")
	if foreign.body != strings.ReplaceAll(none.body, "4711", strconv.FormatInt(theirs.ID, 10)) {
		t.Errorf("adding another project's label = %s, none = %s: want the same", foreign.body, none.body)
	}
	trail := w.as(admin, "GET", "/api/v2.0/auditlog-exts?q=resource_type%3Dartifact-label&page_size=100", "").body
	if !strings.Contains(trail, "team/app@"+digestOf(w.pushed[4].manifest)+" stable") || strings.Contains(trail, "theirs") {
		t.Errorf("audit trail = %s, want what was labelled, and nothing of another project's label", trail)
	}

	for path, want := range map[string]string{
		artifact + "?with_label=true": "stable fast", artifact: "", teamApp + "/artifacts?with_label=true&q=tags%3Dmulti": "stable fast",
		teamApp + "/artifacts?q=tags%3Dmulti": "",
		"/api/v2.0/projects/team/artifacts?with_label=true&latest_in_repository=true&q=type%3D" + "IMAGE": "stable fast",
	} {
		if got := w.labelsOf(lily, path); got != want {
			t.Errorf("labels at %s = %q, want %q", path, got, want)
		}
	}
	one := strings.Replace(at(global), "multi", "v1", 1)
	w.want(w.as(dave, "POST", teamApp+"/artifacts/v1/labels", body(global)), 200, "labelling another artifact")
	for query, want := range map[string]string{
		fmt.Sprintf("(%d)", global.ID): "v1 multi", fmt.Sprintf("(%d %d)", global.ID, own.ID): "multi", fmt.Sprintf("(%d)", theirs.ID): "",
		"(4711)": "", fmt.Sprintf("(%d),tags=v1", global.ID): "v1", fmt.Sprintf("(%d),tags=v1", own.ID): "",
	} {
		for _, path := range []string{teamApp, "/api/v2.0/projects/team"} {
			path += "/artifacts?sort=id&q=labels%3D" + urlEscape(query)
			if got := w.artifactsAt(lily, path); got != want {
				t.Errorf("GET %s = %q, want %q", path, got, want)
			}
		}
	}
	second := w.get(lily, teamApp+"/artifacts?page_size=1&page=2&sort=id&q=labels%3D"+urlEscape(fmt.Sprintf("(%d)", global.ID)))
	if got := answered[[]client.Artifact](w, second); len(got) != 1 || second.header.Get("X-Total-Count") != "2" {
		t.Errorf("the second page = %s of %s, want one of 2", second.body, second.header.Get("X-Total-Count"))
	}
	for _, bad := range []string{"labels=x", "labels={1,2}", "labels=(x)", "labels=()", "labels=[1]", "labels=~1", "labels=(1),labels=(2)", "labels=(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21)"} {
		w.want(w.as(lily, "GET", teamApp+"/artifacts?q="+urlEscape(bad), ""), 400, "q=%s", bad)
	}

	// A copy is another artifact, and has no labels; what is pushed again keeps them.
	w.want(w.as(mia, "POST", "/api/v2.0/projects/team/repositories/copied/artifacts?from=team/app:multi", ""), 201, "copying")
	if got := w.labelsOf(mia, "/api/v2.0/projects/team/repositories/copied/artifacts/multi?with_label=true"); got != "" {
		t.Errorf("labels of the copy = %q, want none", got)
	}

	w.want(w.as(gwen, "DELETE", one, ""), 403, "taking one as a guest")
	w.want(w.as(bob, "DELETE", one, ""), 404, "taking one as a stranger")
	w.want(w.as(dave, "DELETE", strings.Replace(at(own), "multi", "v1", 1), ""), 404, "taking one that it has not got")
	w.want(w.as(dave, "DELETE", strings.Replace(at(theirs), "multi", "v1", 1), ""), 404, "taking another project's")
	w.want(w.as(dave, "DELETE", at(global), ""), 200, "taking one")
	w.want(w.as(dave, "DELETE", at(global), ""), 404, "taking it again")
	w.want(w.as(mia, "DELETE", fmt.Sprintf("/api/v2.0/labels/%d", own.ID), ""), 200, "deleting the label")
	if got := w.labelsOf(lily, artifact+"?with_label=true"); got != "" {
		t.Errorf("labels after all are gone = %q, want none", got)
	}
}

func TestProjectsCountTheirRepositories(t *testing.T) {
	w := newOpenWorld(t)
	for _, p := range answered[[]client.Project](w, w.get(alice, "/api/v2.0/projects?page_size=10")) {
		if want := map[string]int64{"team": 3, "library": 1}[p.Name]; value(p.RepoCount) != want {
			t.Errorf("repo_count of %s in the list = %d, want %d", p.Name, value(p.RepoCount), want)
		}
	}
	if p := answered[client.Project](w, w.get(alice, "/api/v2.0/projects/team")); value(p.RepoCount) != 3 || p.CveAllowlist.ProjectID != w.team.ID {
		t.Errorf("project = %+v, want 3 repositories and its own list of vulnerabilities", p)
	}
	w.want(w.as(mia, "DELETE", teamApp, ""), 200, "deleting a repository")
	if p := answered[client.Project](w, w.get(alice, "/api/v2.0/projects/team")); value(p.RepoCount) != 2 {
		t.Errorf("repo_count after that = %d, want 2", value(p.RepoCount))
	}
	for _, p := range answered[client.Search](w, w.get(lily, "/api/v2.0/search?q=tea")).Project {
		if value(p.RepoCount) != 2 {
			t.Errorf("repo_count in a search = %d, want 2", value(p.RepoCount))
		}
	}
}
