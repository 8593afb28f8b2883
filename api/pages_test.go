package api_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/audit"
)

// numbersIn returns a number of each item of a list.
func numbersIn(t testing.TB, body, field string) (numbers []int64) {
	t.Helper()
	var list []map[string]any
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&list); err != nil {
		t.Fatalf("list = %s, want an array: %v", body, err)
	}
	for _, item := range list {
		n, err := item[field].(json.Number).Int64() //nolint:errcheck // a test
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, n)
	}
	return numbers
}

// TestLinkFollowsKeys holds that whoever follows Link gets a whole list, in its order and each item once.
func TestLinkFollowsKeys(t *testing.T) {
	w := newWorld(t)
	w.fill()
	for i := range 5 {
		w.want(w.as(admin, "POST", "/api/v2.0/projects", fmt.Sprintf(`{"project_name":"page%d","public":%v}`, i*3%5, i%2 == 0)), 201, "POST a project")
		w.trail(audit.Record{Time: time.Now(), Actor: alice, Operation: "project.update", Resource: "project:team", Outcome: audit.Allowed})
	}
	for _, list := range []struct{ who, path, id string }{
		{admin, "/projects?sort=name", "project_id"},
		{admin, "/projects?sort=-update_time", "project_id"},
		{alice, "/projects?sort=-name", "project_id"},
		{alice, "/repositories?sort=name", "id"},
		{admin, "/repositories", "id"},
		{alice, "/projects/team/repositories?sort=-update_time", "id"},
		{alice, "/projects/team/artifacts?sort=size", "id"},
		{alice, "/projects/team/members", "id"},
		{admin, "/audit-logs", "id"},
		{admin, "/auditlog-exts?q=operation=update", "id"},
		{alice, "/projects/team/logs?sort=op_time", "id"},
	} {
		t.Run(list.path, func(t *testing.T) {
			at := "/api/v2.0" + list.path
			separator := "?"
			if strings.Contains(at, "?") {
				separator = "&"
			}
			whole := numbersIn(t, w.want(w.as(list.who, "GET", at+separator+"page_size=100", ""), 200, "GET %s", at).body, list.id)
			var got []int64
			for path := at + separator + "page_size=2"; path != ""; {
				a := w.want(w.as(list.who, "GET", path, ""), 200, "GET %s", path)
				got = append(got, numbersIn(t, a.body, list.id)...)
				if path = next(a.header.Get("Link")); path != "" && !strings.Contains(path, "after=") {
					t.Errorf("Link of %s = %s, want one with a key", list.path, path)
				}
			}
			if len(whole) < 3 || !slices.Equal(got, whole) {
				t.Errorf("following Link from %s = %v, want %v", list.path, got, whole)
			}
		})
	}
}

// TestLinkMissesNothing holds that deleting the items of a page makes nobody miss those of the next.
func TestLinkMissesNothing(t *testing.T) {
	w := newWorld(t)
	for i := range 6 {
		w.want(w.as(admin, "POST", "/api/v2.0/projects", fmt.Sprintf(`{"project_name":"page%d"}`, i)), 201, "POST a project")
	}
	var got []string
	for path := "/api/v2.0/projects?q=name%3D~page&page_size=2"; path != ""; {
		a := w.want(w.as(admin, "GET", path, ""), 200, "GET %s", path)
		for _, name := range namesIn(t, a.body) {
			got = append(got, name)
			w.want(w.as(admin, "DELETE", "/api/v2.0/projects/"+name, ""), 200, "DELETE %s", name)
		}
		path = next(a.header.Get("Link"))
	}
	if want := []string{"page0", "page1", "page2", "page3", "page4", "page5"}; !slices.Equal(got, want) {
		t.Errorf("deleting page by page = %q, want %q", got, want)
	}
}

// TestKeysTellNothing holds that a page can't be made to start after what the caller may not see: where that stands among
// the others would tell its name, letter by letter.
func TestKeysTellNothing(t *testing.T) {
	w := newWorld(t)
	w.want(w.as(admin, "POST", "/api/v2.0/projects", `{"project_name":"m-hidden"}`), 201, "POST a project")
	hidden := numbersIn(t, w.as(admin, "GET", "/api/v2.0/projects?q=name=m-hidden", "").body, "project_id")[0]
	for _, name := range []string{"a-seen", "z-seen"} {
		w.want(w.as(admin, "POST", "/api/v2.0/projects", fmt.Sprintf(`{"project_name":%q,"public":true}`, name)), 201, "POST a project")
	}
	byNumber := w.want(w.as(alice, "GET", "/api/v2.0/projects?sort=name&page=2&page_size=1", ""), 200, "GET by number")
	byKey := w.want(w.as(alice, "GET", fmt.Sprintf("/api/v2.0/projects?sort=name&page=2&page_size=1&after=%d", hidden), ""), 200, "GET by the key of what is hidden")
	if byKey.body != byNumber.body {
		t.Errorf("the page after a hidden project = %s, want that of its number: %s", byKey.body, byNumber.body)
	}
	gone := w.want(w.as(alice, "GET", "/api/v2.0/projects?sort=name&page=2&page_size=1&after=999999", ""), 200, "GET by the key of what is gone")
	if gone.body != byNumber.body {
		t.Errorf("the page after a project that is gone = %s, want that of its number: %s", gone.body, byNumber.body)
	}
	w.want(w.as(alice, "GET", fmt.Sprintf("/api/v2.0/projects?sort=name&after=%d", hidden), ""), 400, "GET by that key alone")
}
