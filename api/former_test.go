package api_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestFormerNames asks each operation about team under what it was called, as everybody: what only reads is answered as under
// the name of today, what changes something is refused and names that, and who does not see the project hears what they hear
// of one that there never was.
func TestFormerNames(t *testing.T) {
	w := newWorld(t)
	read, changed := 0, 0
	for _, op := range operations(t, loadDocument(t)) {
		if !strings.Contains(op.path, "{project_name_or_id}") && !strings.Contains(op.path, "{project_name}") && op.OperationID != "headProject" {
			continue
		}
		now := w.path(op)
		before, never := called(now, "old"), called(now, "gone")
		if before == now {
			t.Fatalf("%s does not name team", now)
		}
		for _, name := range []string{nobody, bob, lily, dave, admin} {
			body := op.example(t)
			switch {
			case name == nobody || name == bob: // neither sees team
				got, want := w.as(name, op.method, before, body), w.as(name, op.method, never, body)
				if got.status != want.status || strings.ReplaceAll(got.body, "old", "gone") != want.body || got.header.Get("Content-Location") != "" {
					t.Errorf("%s %s as %q = %d %s, want %d %s as of a project that there never was", op.method, before, name, got.status, got.body, want.status, want.body)
				}
			case op.method == http.MethodGet || op.method == http.MethodHead:
				read++
				got, want := w.as(name, op.method, before, ""), w.as(name, op.method, now, "")
				if got.status != want.status || got.body != want.body || got.header.Get("X-Total-Count") != want.header.Get("X-Total-Count") {
					t.Errorf("%s %s as %q = %d %s, want %d %s as under its name", op.method, before, name, got.status, got.body, want.status, want.body)
				}
				if place := got.header.Get("Content-Location"); place != now {
					t.Errorf("%s %s as %q: Content-Location is %q, want %q", op.method, before, name, place, now)
				}
			case name == dave: // what is refused for other reasons before comes first for everybody else
				got := w.as(name, op.method, before, body)
				if got.status == http.StatusNotFound && strings.Contains(got.body, `project \"old\" is called \"team\" now`) {
					changed++
				} else if !strings.HasPrefix(got.body, `{"errors"`) {
					t.Errorf("%s %s as %q = %d %s, want it to be refused", op.method, before, name, got.status, got.body)
				}
			}
		}
	}
	if read < 60 || changed < 20 {
		t.Errorf("%d readings and %d changes were tried, want many of both", read, changed)
	}

	w.want(w.as(admin, "PUT", "/api/v2.0/projects/old", `{"metadata":{"public":"true"}}`), 404, "a change under the old name")
	p, err := w.store.ProjectByName(t.Context(), "team")
	if must(t, p, err); p.Public {
		t.Error("the change was made")
	}
	w.want(w.as(admin, "DELETE", "/api/v2.0/projects/team/former-names/old", ""), 200, "letting go of the name")
	w.want(w.as(admin, "GET", "/api/v2.0/projects/old", ""), 404, "GET under a name that was let go of")
	w.want(w.as(bob, "POST", "/api/v2.0/projects", `{"project_name":"old"}`), 201, "another project of the name")
	w.want(w.as(dave, "GET", "/api/v2.0/projects/old", ""), 404, "GET of another's project")
}

// called puts another name into the place of team in an operation's path.
func called(path, name string) string {
	path, query, asked := strings.Cut(path, "?")
	after := strings.Replace(path, "/projects/team", "/projects/"+name, 1)
	if asked && after == path { // HEAD
		query = strings.Replace(query, "project_name=team", "project_name="+name, 1)
	}
	if asked {
		after += "?" + query
	}
	return after
}
