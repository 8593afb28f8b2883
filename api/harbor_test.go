package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sealock/sealock/api/client"
)

// What follows is what clients written for Harbor rely on.

func TestCreatedObjectsHaveALocation(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ path, body, name, value string }{
		{"/api/v2.0/users", `{"username":"eve","password":"correct-horse-battery","email":"e@example.com","realname":"Eve"}`, "username", "eve"},
		{"/api/v2.0/projects", `{"project_name":"new","metadata":{"public":"true"}}`, "name", "new"},
		{"/api/v2.0/projects/team/members", `{"role_id":2,"member_user":{"username":"bob"}}`, "entity_name", "bob"},
	} {
		location := w.want(w.as(admin, "POST", c.path, c.body), http.StatusCreated, "POST %s", c.path).header.Get("Location")
		if !strings.HasPrefix(location, "/api/v2.0/") {
			t.Errorf("POST %s: Location = %q, want /api/v2.0/…", c.path, location)
		}
		if got := w.object(admin, location); got[c.name] != c.value {
			t.Errorf("GET %s: %s = %v, want %s", location, c.name, got[c.name], c.value)
		}
	}
	a := w.as(admin, "POST", "/api/v2.0/projects", `{"project_name":"named"}`, "X-Resource-Name-In-Location", "true")
	if got := a.header.Get("Location"); got != "/api/v2.0/projects/named" {
		t.Errorf("Location = %q, want the name in it: X-Resource-Name-In-Location asked for it", got)
	}
}

func TestPublicIsAString(t *testing.T) {
	w := newWorld(t)
	for i, c := range []struct{ body, want string }{
		{`{"metadata":{"public":"true"}}`, "true"},
		{`{"metadata":{}}`, "true"},
		{`{}`, "true"},
		{`{"public":false}`, "false"},
		{`{"public":false,"metadata":{"public":"true"}}`, "true"},
	} {
		w.want(w.as(alice, "PUT", "/api/v2.0/projects/team", c.body), 200, "PUT %s", c.body)
		metadata, _ := w.object(alice, "/api/v2.0/projects/team")["metadata"].(map[string]any)
		if metadata["public"] != c.want {
			t.Errorf("%d: metadata.public = %v after PUT %s, want the string %q", i, metadata["public"], c.body, c.want)
		}
	}
	w.want(w.as(alice, "PUT", "/api/v2.0/projects/team", `{"metadata":{"public":"yes"}}`), 400, "PUT public yes")
}

// A project's name may be all digits; then the header tells it from a number.
func TestIsResourceName(t *testing.T) {
	w := newWorld(t)
	digits := fmt.Sprint(w.library.ID) // the name of a project that is the number of another
	w.want(w.as(admin, "POST", "/api/v2.0/projects", fmt.Sprintf(`{"project_name":%q}`, digits)), 201, "POST project %s", digits)
	if p := w.object(admin, "/api/v2.0/projects/"+digits); p["name"] != "library" {
		t.Errorf("GET project %s = %v, want library: digits are a number", digits, p["name"])
	}
	a := w.want(w.as(admin, "GET", "/api/v2.0/projects/"+digits, "", "X-Is-Resource-Name", "true"), 200, "GET project by name")
	if !strings.Contains(a.body, fmt.Sprintf(`"name":%q`, digits)) {
		t.Errorf("GET project %s by name = %s, want the one of that name", digits, a.body)
	}
}

func TestPages(t *testing.T) {
	w := newWorld(t)
	var names []string
	for i := range 25 {
		name := fmt.Sprintf("page%02d", i)
		names = append(names, name)
		w.want(w.as(admin, "POST", "/api/v2.0/projects", fmt.Sprintf(`{"project_name":%q}`, name)), 201, "POST %s", name)
	}
	var got []string
	path, pages := "/api/v2.0/projects?q=name%3D~page&sort=-name", 0
	for ; path != ""; pages++ {
		a := w.want(w.as(admin, "GET", path, ""), 200, "GET %s", path)
		if total := a.header.Get("X-Total-Count"); total != "25" {
			t.Errorf("GET %s: X-Total-Count = %q, want 25", path, total)
		}
		got = append(got, namesIn(t, a.body)...)
		path = next(a.header.Get("Link"))
	}
	slices.Reverse(names)
	if pages != 3 || !slices.Equal(got, names) {
		t.Errorf("following Link = %d pages with %q, want 3 with %q", pages, got, names)
	}
	page := w.as(admin, "GET", "/api/v2.0/projects?name=page&page=2&page_size=10", "")
	ids := numbersIn(t, page.body, "project_id")
	link := page.header.Get("Link")
	want := fmt.Sprintf(`</api/v2.0/projects?name=page&page=1&page_size=10>; rel="prev" , </api/v2.0/projects?after=%d&name=page&page=3&page_size=10>; rel="next"`, ids[9])
	if link != want {
		t.Errorf("Link = %s, want %s", link, want)
	}
	a := w.want(w.as(admin, "GET", "/api/v2.0/projects?page=1099511627776&page_size=100", ""), 200, "GET a page far behind")
	if strings.TrimSpace(a.body) != "[]" {
		t.Errorf("a page far behind = %s, want []", a.body)
	}
}

// next returns where the next page is.
func next(link string) string {
	for l := range strings.SplitSeq(link, " , ") {
		if url, rel, _ := strings.Cut(l, ">; "); rel == `rel="next"` {
			return strings.TrimPrefix(url, "<")
		}
	}
	return ""
}

func namesIn(t testing.TB, body string) []string {
	t.Helper()
	var list []struct{ Name string }
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Errorf("list = %s, want an array: %v", body, err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name)
	}
	return names
}

func TestListsShowWhatOneMaySee(t *testing.T) {
	w := newWorld(t)
	for name, want := range map[string]string{nobody: "library", bob: "library", lily: "library team", admin: "library team"} {
		got := namesIn(t, w.as(name, "GET", "/api/v2.0/projects?sort=name", "").body)
		if strings.Join(got, " ") != want {
			t.Errorf("projects of %q = %q, want %q", name, got, want)
		}
		var found client.Search
		if err := json.Unmarshal([]byte(w.as(name, "GET", "/api/v2.0/search?q=app", "").body), &found); err != nil {
			t.Fatal(err)
		}
		if len(found.Repository) != len(got) {
			t.Errorf("search by %q = %v, want the repositories of %q alone", name, found.Repository, want)
		}
	}
	for query, want := range map[string]string{
		"name=tea": "team", "q=name%3Dteam": "team", "q=name%3Dtea": "", "q=name%3D~EA": "team", "public=true": "library", "public=false": "team",
		"q=public%3Dtrue": "library", "q=name%3D~a,public%3Dfalse": "team", "q=name%3D~%25": "", "q=name%3D~_": "",
	} {
		if got := namesIn(t, w.as(admin, "GET", "/api/v2.0/projects?"+query, "").body); strings.Join(got, " ") != want {
			t.Errorf("projects?%s = %q, want %q", query, got, want)
		}
	}
}

func TestHeadProject(t *testing.T) {
	w := newWorld(t)
	w.want(w.as(alice, "HEAD", "/api/v2.0/projects?project_name=team", ""), 200, "HEAD team as alice")
	w.want(w.as(bob, "HEAD", "/api/v2.0/projects?project_name=team", ""), 404, "HEAD team as bob")
	w.want(w.as(alice, "HEAD", "/api/v2.0/projects?project_name=nope", ""), 404, "HEAD nope")
	w.want(w.as(alice, "HEAD", "/api/v2.0/projects", ""), 400, "HEAD without a name")
}

func TestMembers(t *testing.T) {
	w := newWorld(t)
	const path = "/api/v2.0/projects/team/members"
	w.want(w.as(alice, "POST", path, `{"role_id":2,"member_user":{"username":"zoe"}}`), 404, "adding nobody")
	w.want(w.as(alice, "POST", path, `{"role_id":2,"member_user":{"username":"gwen"}}`), 409, "adding gwen again")
	w.want(w.as(alice, "POST", path, `{"role_id":9,"member_user":{"username":"bob"}}`), 400, "adding bob with a role that there is not")
	w.want(w.as(alice, "POST", path, `{"role_id":2}`), 400, "adding no one")
	w.want(w.as(alice, "POST", path, `{"role_id":2,"member_group":{"group_name":"devs"}}`), 404, "adding a group that there is not")
	byNumber := fmt.Sprintf(`{"role_id":3,"member_user":{"user_id":%d}}`, w.users[bob].ID)
	w.want(w.as(alice, "POST", path, byNumber), 400, "adding by number as somebody who may not list users")
	w.want(w.as(admin, "POST", path, byNumber), 201, "adding bob by number")
	gwens := fmt.Sprintf("%s/%d", path, w.gwensID)
	w.want(w.as(alice, "PUT", gwens, `{"role_id":4}`), 200, "changing gwen's role")
	if m := w.object(alice, gwens); m["role_name"] != "maintainer" || m["entity_type"] != "u" {
		t.Errorf("GET member = %v, want a user who is maintainer", m)
	}
	// A membership's number counts in its own project alone.
	other := fmt.Sprintf("/api/v2.0/projects/library/members/%d", w.gwensID)
	for method, body := range map[string]string{"GET": "", "PUT": `{"role_id":1}`, "DELETE": ""} {
		w.want(w.as(admin, method, other, body), 404, "%s gwen's membership by another project", method)
	}
	w.want(w.as(alice, "DELETE", gwens, ""), 200, "removing gwen")
	w.want(w.as(gwen, "GET", "/api/v2.0/projects/team", ""), 404, "GET team as gwen, after that")
}

func TestSystem(t *testing.T) {
	w := newWorld(t)
	if got := w.as(nobody, "GET", "/api/v2.0/ping", "").body; got != "Pong" {
		t.Errorf("ping = %q, want Pong", got)
	}
	if got := w.want(w.as(nobody, "HEAD", "/api/v2.0/ping", ""), 200, "HEAD ping"); got.body != "" || got.header.Get("Content-Length") != "4" {
		t.Errorf("HEAD ping = %q, %v, want the headers of a GET alone", got.body, got.header)
	}
	w.want(w.as(nobody, "HEAD", "/api/v2.0/users", ""), 401, "HEAD users")
	if got := strings.TrimSpace(w.as(nobody, "GET", "/api/version", "").body); got != `{"version":"v2.0"}` {
		t.Errorf("version = %s, want v2.0", got)
	}
	if got := w.object(nobody, "/api/v2.0/health"); got["status"] != "unhealthy" {
		t.Errorf("health = %v, want unhealthy: one component is", got)
	}
	if got := w.object(nobody, "/api/v2.0/systeminfo"); got["harbor_version"] != nil || got["registry_url"] != "localhost:8080" {
		t.Errorf("systeminfo for nobody = %v, want the registry's address and no version", got)
	}
	if got := w.object(bob, "/api/v2.0/systeminfo"); got["harbor_version"] != "v2.15.0-sealock-1.0.0" {
		t.Errorf("systeminfo for bob = %v, want the version", got)
	}
	if got := w.object(nobody, "/api/v2.0/openapi.json"); got["openapi"] != "3.0.3" {
		t.Errorf("openapi.json = %v, want the document", got["openapi"])
	}
}

func TestRefreshTokens(t *testing.T) {
	w := newWorld(t)
	count := func(name, query string) string {
		return w.want(w.as(name, "GET", "/api/v2.0/refresh-tokens"+query, ""), 200, "GET tokens%s as %s", query, name).header.Get("X-Total-Count")
	}
	for _, c := range []struct{ name, query, want string }{
		{dave, "", "1"}, {dave, "?username=dave", "1"}, {bob, "", "0"}, {admin, "", "0"}, {admin, "?username=dave", "1"}, {admin, "?all=true", "1"},
	} {
		if got := count(c.name, c.query); got != c.want {
			t.Errorf("tokens%s as %s = %s, want %s", c.query, c.name, got, c.want)
		}
	}
	w.want(w.as(bob, "GET", "/api/v2.0/refresh-tokens?username=dave", ""), 403, "GET dave's tokens as bob")
	w.want(w.as(bob, "GET", "/api/v2.0/refresh-tokens?all=true", ""), 403, "GET all tokens as bob")
	w.want(w.as(admin, "GET", "/api/v2.0/refresh-tokens?all=true&username=dave", ""), 400, "GET all of dave's tokens")
	theirs := w.as(bob, "DELETE", "/api/v2.0/refresh-tokens/davestoken", "")
	none := w.as(bob, "DELETE", "/api/v2.0/refresh-tokens/nope", "")
	if theirs.status != 404 || theirs.body != strings.ReplaceAll(none.body, "nope", "davestoken") {
		t.Errorf("revoking dave's token as bob = %d %s, one that there is not = %s: want the same", theirs.status, theirs.body, none.body)
	}
	w.want(w.as(dave, "DELETE", "/api/v2.0/refresh-tokens/davestoken", ""), 200, "revoking one's own token")
	if got := count(dave, ""); got != "0" {
		t.Errorf("tokens of dave after that = %s, want 0", got)
	}
}

func TestKeysAndPolicy(t *testing.T) {
	w := newWorld(t)
	before := w.as(admin, "GET", "/api/v2.0/keys", "").body
	after := w.want(w.as(admin, "POST", "/api/v2.0/keys/rotate", ""), 200, "rotating").body
	if before == after || strings.Count(after, `"state":"current"`) != 1 || strings.Count(after, `"state":"retired"`) != 1 {
		t.Errorf("keys after rotating = %s, want one that is current and one that is retired", after)
	}
	p := w.object(admin, "/api/v2.0/policy")
	for field, want := range map[string]string{"policy": "p, ", "model": "[matchers]"} {
		if text, _ := p[field].(string); !strings.Contains(text, want) {
			t.Errorf("policy: %s = %q, want the text of the file", field, text)
		}
	}
	got := w.want(w.as(admin, "POST", "/api/v2.0/policy/check", `{"policy":"p, gest, repositry, **, pull, allow\n"}`), 200, "checking")
	if !strings.Contains(got.body, `"line":1`) {
		t.Errorf("findings = %s, want one on line 1", got.body)
	}
	audit := w.as(admin, "GET", "/api/v2.0/audit-logs?q=username%3Dadmin", "").body
	if !strings.Contains(audit, `"operation":"rotate"`) {
		t.Errorf("audit trail = %s, want the rotation in it", audit)
	}
}

// The generated client reads what the server answers.
func TestGeneratedClient(t *testing.T) {
	w := newWorld(t)
	c, err := client.NewClientWithResponses(w.url, client.WithRequestEditorFn(func(_ context.Context, req *http.Request) error {
		req.SetBasicAuth(alice, password)
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.ListMembersWithResponse(t.Context(), "team", nil)
	if err != nil || got.JSON200 == nil || len(*got.JSON200) != len(roles()) {
		t.Errorf("ListMembers = %+v, %v, want %d members", got, err, len(roles()))
	}
	missing, err := c.GetProjectWithResponse(t.Context(), "nope", nil)
	if err != nil || missing.JSON404 == nil || missing.JSON404.Errors[0].Code != "NOT_FOUND" {
		t.Errorf("GetProject(nope) = %+v, %v, want the error NOT_FOUND", missing, err)
	}
}

// TestPingOIDC holds that only an administrator can have the server ask around, and that nothing of the answer shows.
func TestPingOIDC(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const path = "/api/v2.0/system/oidc/ping"
	w.want(w.as(admin, "POST", path, `{"url":"https://id.example.com"}`), 200, "a provider")
	w.want(w.as(admin, "POST", path, `{"url":"https://id.example.com","verify_cert":true}`), 200, "a provider, verified")
	w.want(w.as(admin, "POST", path, `{"verify_cert":true}`), 400, "no URL")
	w.want(w.as(alice, "POST", path, `{"url":"https://id.example.com"}`), 403, "asking as a user")
	if got := w.want(w.as(admin, "POST", path, `{"url":"https://elsewhere.example.com"}`), 400, "nobody there"); strings.Contains(got.body, "canary") {
		t.Errorf("the answer shows what went wrong behind it: %s", got.body)
	}
}
