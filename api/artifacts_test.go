package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sealock/sealock/api/client"
	"github.com/sealock/sealock/store"
)

const teamApp = "/api/v2.0/projects/team/repositories/app"

// answered decodes an answer.
func answered[T any](w *world, a answer) (v T) {
	w.t.Helper()
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		w.t.Fatalf("answer = %d %s: %v", a.status, a.body, err)
	}
	return v
}

func (w *world) get(name, path string) answer {
	w.t.Helper()
	return w.want(w.as(name, "GET", path, ""), 200, "GET %s as %q", path, name)
}

func (w *world) repositoriesAt(name, path string) []string {
	w.t.Helper()
	return namesIn(w.t, w.get(name, path).body)
}

// artifactsAt returns the tags of the artifacts of a list, or their types where they have none.
func (w *world) artifactsAt(name, path string) string {
	w.t.Helper()
	var out []string
	for _, a := range answered[[]client.Artifact](w, w.get(name, path)) {
		of := a.Type
		if a.Tags != nil {
			of = a.Tags[0].Name
		}
		out = append(out, of)
	}
	return strings.Join(out, " ")
}

func TestRepositories(t *testing.T) {
	w := newOpenWorld(t)
	for name, want := range map[string]string{
		nobody: "library/app", bob: "library/app", lily: "library/app team/app team/chart team/deep/er", admin: "library/app team/app team/chart team/deep/er",
	} {
		if got := w.repositoriesAt(name, "/api/v2.0/repositories?sort=name"); strings.Join(got, " ") != want {
			t.Errorf("repositories of %q = %q, want %q", name, got, want)
		}
	}
	for query, want := range map[string]string{
		"sort=-name": "team/deep/er team/chart team/app", "q=name%3D~ch": "team/chart", "q=name%3Dteam/app": "team/app", "q=name%3Dapp": "",
		"sort=name&page=2&page_size=2": "team/deep/er",
	} {
		a := w.get(alice, "/api/v2.0/projects/team/repositories?"+query)
		if got := namesIn(t, a.body); strings.Join(got, " ") != want {
			t.Errorf("repositories?%s = %q, want %q", query, got, want)
		}
		if !strings.Contains(query, "q=") && a.header.Get("X-Total-Count") != "3" {
			t.Errorf("X-Total-Count = %q, want 3", a.header.Get("X-Total-Count"))
		}
	}
	w.want(w.as(alice, "PUT", teamApp, `{"description":"The *app*","name":"stolen","artifact_count":99,"project_id":1}`), 200, "PUT description")
	got := w.object(lily, teamApp)
	if got["description"] != "The *app*" || got["name"] != "team/app" || got["artifact_count"] != 2.0 {
		t.Errorf("repository = %v, want the description alone to be changed", got)
	}
	w.want(w.as(gwen, "PUT", teamApp, `{"description":"x"}`), 403, "PUT description as a guest")
	w.want(w.as(alice, "GET", "/api/v2.0/projects/team/repositories/none", ""), 404, "GET no repository")
	w.want(w.as(alice, "GET", "/api/v2.0/projects/team/repositories/NONE", ""), 404, "GET what can be no repository")
	w.want(w.as(alice, "DELETE", "/api/v2.0/projects/team/repositories/NONE", ""), 404, "DELETE what can be no repository")
}

// A slash in a repository's name comes encoded twice from Harbor's clients, once from others, and from some proxies not at all.
func TestRepositoryNamesWithSlashes(t *testing.T) {
	w := newOpenWorld(t)
	for _, name := range []string{"deep%252Fer", "deep%2Fer", "deep%2fer", "deep%252fer"} {
		path := "/api/v2.0/projects/team/repositories/" + name
		if got := w.object(alice, path); got["name"] != "team/deep/er" {
			t.Errorf("GET %s = %v, want team/deep/er", path, got)
		}
		for _, reference := range []string{"v1", strings.Replace(digestOf(w.pushed[5].manifest), ":", "%3A", 1)} {
			if got := w.object(alice, path+"/artifacts/"+reference); got["repository_name"] != "team/deep/er" {
				t.Errorf("GET %s/artifacts/%s = %v, want an artifact of team/deep/er", path, reference, got)
			}
		}
	}
	a := answered[client.Artifact](w, w.get(alice, "/api/v2.0/projects/team/repositories/deep%252Fer/artifacts/v1"))
	link := a.AdditionLinks["build_history"].Href
	if !strings.Contains(link, "/deep%252Fer/") {
		t.Errorf("link = %q, want the name in it encoded twice", link)
	}
	if got := w.get(alice, link).body; !strings.Contains(got, `"created_by":"deep"`) {
		t.Errorf("GET %s = %s, want the history", link, got)
	}
	w.want(w.as(alice, "GET", "/api/v2.0/projects/team/repositories/..%252Flibrary%252Fapp", ""), 404, "a path within a name")
	w.want(w.as(alice, "GET", "/api/v2.0/projects/team/repositories/..%252F..%252Flibrary%252Fapp/artifacts/v1", ""), 404, "a path within a name")
}

func TestArtifacts(t *testing.T) {
	w := newOpenWorld(t)
	multi := digestOf(w.pushed[4].manifest)
	for query, want := range map[string]string{
		"sort=id": "v1 multi", "q=tags%3Dv1": "v1", "q=tags%3D~ult": "multi", "q=tags%3D*&sort=id": "v1 multi", "q=tags%3Dnil": "", "q=type%3DCHART": "",
		"q=digest%3D" + multi: "multi", "q=manifest_media_type%3D" + urlEscape(imageType): "v1", "q=media_type%3D" + urlEscape(configType): "v1", "q=digest%3D~sha&sort=id": "v1 multi", "q=artifact_type%3Dapplication/none": "", "q=tags%3Dv1,type%3DIMAGE": "v1",
		"with_tag=false&sort=id": "IMAGE IMAGE", "sort=id&page=2&page_size=1": "multi",
	} {
		if got := w.artifactsAt(lily, teamApp+"/artifacts?"+query); got != want {
			t.Errorf("artifacts?%s = %q, want %q", query, got, want)
		}
	}
	if got := w.artifactsAt(lily, "/api/v2.0/projects/team/artifacts?sort=id"); got != "v1 multi v1 1.0.0" {
		t.Errorf("artifacts of the project = %q, want all", got)
	}
	if got := w.artifactsAt(lily, "/api/v2.0/projects/team/artifacts?sort=id&latest_in_repository=true"); got != "multi v1 1.0.0" {
		t.Errorf("latest artifacts of the project = %q, want one of each repository", got)
	}
	one := digestOf(w.pushed[1].manifest)
	a := answered[client.Artifact](w, w.get(lily, teamApp+"/artifacts/v1?with_accessory=true&with_immutable_status=true"))
	if a.Digest != one || a.MediaType != configType || a.ManifestMediaType != imageType || a.ExtraAttrs["os"] != "linux" || a.ProjectID != w.team.ID || a.Tags[0].Immutable {
		t.Errorf("artifact = %+v, want the image", a)
	}
	if a.Accessories == nil || len(a.Accessories) != 1 || a.Accessories[0].Type != "sbom.harbor" || a.Accessories[0].SubjectArtifactID != a.ID {
		t.Errorf("accessories = %+v, want the bill of materials", a.Accessories)
	}
	listed := w.get(lily, teamApp+"/artifacts/"+one+"/accessories")
	if got := answered[[]client.Accessory](w, listed); len(got) != 1 || got[0].Digest != digestOf(w.pushed[2].manifest) || listed.header.Get("X-Total-Count") != "1" {
		t.Errorf("accessories = %s, want the bill of materials", listed.body)
	}
	b := answered[client.Artifact](w, w.get(lily, teamApp+"/artifacts/multi"))
	if b.References == nil || b.References[0].ChildDigest != digestOf(w.pushed[3].manifest) || b.References[0].ChildID == 0 || *b.References[0].Platform.Architecture != "arm64" || *b.References[0].Platform.OSVersion != "1" {
		t.Errorf("index = %+v, want what is in it with its platform", b)
	}
	w.want(w.as(lily, "GET", "/api/v2.0/projects/team/repositories/none/artifacts", ""), 404, "artifacts of no repository")
	// What is in another repository is not here, by digest or tag, in the same project or another.
	for _, p := range []string{"/api/v2.0/projects/library/repositories/app", "/api/v2.0/projects/team/repositories/chart"} {
		for _, rest := range []string{"", "/tags", "/accessories", "/additions/build_history"} {
			w.want(w.as(admin, "GET", p+"/artifacts/"+one+rest, ""), 404, "GET %s of another repository", rest)
		}
		w.want(w.as(admin, "DELETE", p+"/artifacts/"+one, ""), 404, "DELETE an artifact of another repository")
		w.want(w.as(admin, "DELETE", p+"/artifacts/"+one+"/tags/v1", ""), 404, "DELETE a tag of another repository")
		w.want(w.as(admin, "POST", p+"/artifacts/"+one+"/tags", `{"name":"x"}`), 404, "POST a tag in another repository")
	}
}

func TestAdditions(t *testing.T) {
	w := newOpenWorld(t)
	const chart = "/api/v2.0/projects/team/repositories/chart/artifacts/1.0.0/additions/"
	for path, want := range map[string][2]string{
		teamApp + "/artifacts/v1/additions/build_history": {"application/json; charset=utf-8", `[{"created_by":"one"}]`},
		chart + "readme.md":    {"text/markdown; charset=utf-8", "# The app\n<script>alert(1)</script>\n"},
		chart + "values.yaml":  {"text/plain; charset=utf-8", "replicas: 1\n"},
		chart + "dependencies": {"application/json; charset=utf-8", `[{"name":"redis","version":"1.2.3","repository":"oci://example.com"}]`},
	} {
		a := w.get(lily, path)
		if a.header.Get("Content-Type") != want[0] || strings.TrimSpace(a.body) != strings.TrimSpace(want[1]) || !strings.Contains(a.header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("GET %s = %v %q, want %q", path, a.header, a.body, want)
		}
	}
	if got := w.get(lily, chart+"files").body; !strings.Contains(got, `{"name":"app/values.yaml","type":"file","size":12}`) {
		t.Errorf("files = %s, want those of the chart", got)
	}
	w.want(w.as(lily, "GET", chart+"build_history", ""), 400, "the history of a chart")
	w.want(w.as(lily, "GET", teamApp+"/artifacts/multi/additions/build_history", ""), 400, "the history of an index")
	w.want(w.as(lily, "GET", teamApp+"/artifacts/v1/additions/vulnerabilities", ""), 404, "vulnerabilities")
	w.want(w.as(lily, "GET", teamApp+"/artifacts/v1/additions/sbom", ""), 404, "sbom")
}

func TestTags(t *testing.T) {
	w := newOpenWorld(t)
	one := digestOf(w.pushed[1].manifest)
	tags := teamApp + "/artifacts/" + one + "/tags"
	location := w.want(w.as(dave, "POST", tags, `{"name":"v2"}`), 201, "POST tag").header.Get("Location")
	if location != tags+"/v2" {
		t.Errorf("Location = %q, want %s/v2", location, tags)
	}
	w.want(w.as(dave, "POST", tags, `{"name":"multi"}`), 409, "POST the tag of another artifact")
	w.want(w.as(dave, "POST", tags, `{"name":"v2"}`), 409, "POST a tag again")
	w.want(w.as(dave, "POST", tags, `{"name":"keep1"}`), 201, "POST an immutable tag")
	for _, bad := range []string{"", "-x", "a/b", "a b", strings.Repeat("x", 129), "sha256-" + strings.Repeat("0", 64), "ü"} {
		w.want(w.as(dave, "POST", tags, fmt.Sprintf(`{"name":%q}`, bad)), 400, "POST tag %q", bad)
	}
	w.want(w.as(gwen, "POST", tags, `{"name":"v3"}`), 403, "POST tag as a guest")
	if got := w.repositoriesAt(lily, tags+"?sort=name&with_immutable_status=true"); strings.Join(got, " ") != "keep1 v1 v2" {
		t.Errorf("tags = %q, want three", got)
	}
	if got := w.repositoriesAt(lily, tags+"?q=name%3D~v&sort=-name"); strings.Join(got, " ") != "v2 v1" {
		t.Errorf("tags with v = %q, want two", got)
	}
	for _, tag := range answered[[]client.Tag](w, w.get(lily, tags+"?with_immutable_status=true")) {
		if tag.Immutable != (tag.Name == "keep1") {
			t.Errorf("tag %s: immutable = %v", tag.Name, tag.Immutable)
		}
	}
	if !w.inRegistry("team/app", "v2") {
		t.Error("the registry has no v2, want it to be pushed")
	}
	w.want(w.as(dave, "DELETE", tags+"/v2", ""), 403, "DELETE a tag as a developer")
	w.want(w.as(mia, "DELETE", tags+"/multi", ""), 404, "DELETE the tag of another artifact")
	w.want(w.as(mia, "DELETE", tags+"/keep1", ""), 412, "DELETE an immutable tag")
	w.want(w.as(mia, "DELETE", teamApp+"/artifacts/v1", ""), 412, "DELETE an artifact with an immutable tag")
	w.want(w.as(mia, "DELETE", teamApp, ""), 412, "DELETE a repository with an immutable tag")
	w.want(w.as(mia, "DELETE", tags+"/v2", ""), 200, "DELETE a tag")
	w.want(w.as(mia, "DELETE", tags+"/v2", ""), 404, "DELETE a tag again")
	if w.inRegistry("team/app", "v2") || !w.inRegistry("team/app", one) || !w.inRegistry("team/app", "v1") {
		t.Error("the registry lacks the artifact or still has the tag, want the tag alone to go")
	}
	w.recorded("dave|tag.create|tag:team/app:v2@"+one+"|allowed", "mia|tag.delete|tag:team/app:v2@"+one+"|allowed", "dave|tag.delete|tag:team/app:v2@"+one+"|refused")
}

// recorded looks for records that begin with these texts.
func (w *world) recorded(want ...string) {
	w.t.Helper()
	var all []string
	for r, err := range w.store.ListAudit(context.Background(), store.Filter{}) {
		must(w.t, r, err)
		all = append(all, strings.Join([]string{r.Actor, r.Operation, r.Resource, string(r.Outcome)}, "|"))
	}
	for _, line := range want {
		if !slices.ContainsFunc(all, func(s string) bool { return strings.HasPrefix(s, line) }) {
			w.t.Errorf("audit trail lacks %q:\n%s", line, strings.Join(all, "\n"))
		}
	}
}

func TestDeleteArtifact(t *testing.T) {
	w := newOpenWorld(t)
	one, bill, arm, multi := digestOf(w.pushed[1].manifest), digestOf(w.pushed[2].manifest), digestOf(w.pushed[3].manifest), digestOf(w.pushed[4].manifest)
	w.want(w.as(dave, "DELETE", teamApp+"/artifacts/v1", ""), 403, "DELETE as a developer")
	w.want(w.as(mia, "DELETE", teamApp+"/artifacts/"+arm, ""), 412, "DELETE what is in an index")
	w.want(w.as(mia, "DELETE", teamApp+"/artifacts/v1", ""), 200, "DELETE by tag")
	w.want(w.as(mia, "DELETE", teamApp+"/artifacts/"+multi, ""), 200, "DELETE an index")
	for _, digest := range []string{one, bill, arm, multi} {
		w.want(w.as(mia, "GET", teamApp+"/artifacts/"+digest, ""), 404, "GET what went with it")
		if w.inRegistry("team/app", digest) {
			t.Errorf("the registry has %s, want it gone", digest)
		}
	}
	w.recorded("mia|artifact.delete|artifact:team/app@"+one+"|allowed", "mia|artifact.delete|artifact:team/app@"+arm+"|refused", "dave|artifact.delete|artifact:team/app@"+one+"|refused")
}

// What is in two indexes, or has a tag of its own, outlives one of them.
func TestDeleteArtifactKeepsWhatOthersNeed(t *testing.T) {
	w := newOpenWorld(t)
	arm := digestOf(w.pushed[3].manifest)
	other := index("team/app", "other", w.pushed[3], w.pushed[1])
	w.pushNow(other)
	w.want(w.as(mia, "DELETE", teamApp+"/artifacts/other", ""), 200, "DELETE one index")
	if !w.inRegistry("team/app", arm) || !w.inRegistry("team/app", "v1") {
		t.Error("what is in another index or has a tag is gone, want it to stay")
	}
}

func TestDeleteRepository(t *testing.T) {
	w := newOpenWorld(t)
	w.registry.open(t.Context())
	w.registry.push(t.Context(), image("team/app", "unknown", "pushed past the index", nil))
	w.want(w.as(dave, "DELETE", teamApp, ""), 403, "DELETE a repository as a developer")
	w.want(w.as(mia, "DELETE", teamApp, ""), 200, "DELETE a repository")
	w.want(w.as(mia, "GET", teamApp, ""), 404, "GET a repository that is gone")
	for _, reference := range []string{"v1", "unknown", "multi", digestOf(w.pushed[3].manifest)} {
		if w.inRegistry("team/app", reference) {
			t.Errorf("the registry has %s, want all gone", reference)
		}
	}
	if !w.inRegistry("team/deep/er", "v1") || !w.inRegistry("library/app", "v1") {
		t.Error("other repositories are gone, want them to stay")
	}
	w.recorded("mia|repository.delete|repository:team/app|allowed", "dave|repository.delete|repository:team/app|refused")
}

// A copy takes up room in the project that it comes to, as a push does.
func TestCopyKeepsTheQuota(t *testing.T) {
	w := newOpenWorld(t)
	w.want(w.as(admin, "POST", "/api/v2.0/projects", `{"project_name":"small","storage_limit":100}`), 201, "POST project")
	const to = "/api/v2.0/projects/small/repositories/app/artifacts"
	got := w.want(w.as(admin, "POST", to+"?from=team/app:v1", ""), 403, "copy over the quota")
	if !strings.Contains(got.body, "its project holds 0 of its quota of 100 bytes") {
		t.Errorf("copy over the quota = %s, want the numbers", got.body)
	}
	id := int64(w.object(admin, "/api/v2.0/projects/small")["project_id"].(float64)) //nolint:errcheck // or the test panics
	w.want(w.as(admin, "PUT", "/api/v2.0/quotas/"+strconv.FormatInt(id, 10), `{"hard":{"storage":100000}}`), 200, "PUT quota")
	w.want(w.as(admin, "POST", to+"?from=team/app:v1", ""), 201, "copy within the quota")
	w.want(w.as(admin, "POST", to+"?from=team/app:v1", ""), 201, "the same again")
}

func TestCopyArtifact(t *testing.T) {
	w := newOpenWorld(t)
	one, multi := digestOf(w.pushed[1].manifest), digestOf(w.pushed[4].manifest)
	signed := image("team/app", "", "signature", nil)
	signed.tag = strings.Replace(one, ":", "-", 1) + ".sig"
	w.registry.open(t.Context())
	w.registry.push(t.Context(), signed)
	w.want(w.as(admin, "POST", "/api/v2.0/projects", `{"project_name":"other"}`), 201, "POST project")
	const to = "/api/v2.0/projects/other/repositories/x%252Fy/artifacts"
	location := w.want(w.as(admin, "POST", to+"?from=team/app:v1", ""), 201, "copy by tag").header.Get("Location")
	if a := w.object(admin, location); a["digest"] != one || a["repository_name"] != "other/x/y" {
		t.Errorf("GET %s = %v, want the copy", location, a)
	}
	w.want(w.as(admin, "POST", to+"?from=team/app@"+multi, ""), 201, "copy by digest")
	if got := w.artifactsAt(admin, to+"?sort=id&q=tags%3D*"); got != "v1" {
		t.Errorf("tagged artifacts = %q, want v1 alone", got)
	}
	for _, p := range []pushed{w.pushed[1], w.pushed[2], w.pushed[3], w.pushed[4], signed} {
		if !w.inRegistry("other/x/y", digestOf(p.manifest)) {
			t.Errorf("%s was not copied", digestOf(p.manifest))
		}
	}
	if !w.inRegistry("other/x/y", signed.tag) {
		t.Error("the signature's tag was not copied")
	}
	for _, from := range []string{"team/app", "team/app:", "app:v1", "team/../x:v1", "team/app@v1", "team/app@sha256", "", "team/app:v1:v2", "@", ":"} {
		if a := w.as(admin, "POST", to+"?from="+url.QueryEscape(from), ""); a.status != 400 && a.status != 404 {
			t.Errorf("copy from %q = %d %s, want 400", from, a.status, a.body)
		}
	}
	w.want(w.as(admin, "POST", to+"?from=team/app:none", ""), 404, "copy of nothing")
	w.want(w.as(admin, "POST", to+"?from=none/app:v1", ""), 404, "copy from no project")
	w.recorded("admin|artifact.create|artifact:other/x/y from team/app:v1|allowed")
	// Whoever can't see the source is told what one is told of none; whoever may not push gets nothing copied.
	w.want(w.as(bob, "POST", "/api/v2.0/projects", `{"project_name":"bobs"}`), 201, "POST bob's project")
	const bobs = "/api/v2.0/projects/bobs/repositories/x/artifacts"
	theirs, none := w.as(bob, "POST", bobs+"?from=team/app:v1", ""), w.as(bob, "POST", bobs+"?from=none/app:v1", "")
	if theirs.status != 404 || theirs.body != strings.ReplaceAll(none.body, "none", "team") {
		t.Errorf("copy from a project that one can't see = %d %s, from none = %s: want the same", theirs.status, theirs.body, none.body)
	}
	w.want(w.as(bob, "POST", bobs+"?from=library/app:v1", ""), 201, "copy from a public project")
	w.want(w.as(gwen, "POST", teamApp+"/artifacts?from=library/app:v1", ""), 403, "copy as a guest")
	if w.inRegistry("bobs/x", one) || w.inRegistry("team/app", digestOf(w.pushed[0].manifest)) {
		t.Error("something was copied that should not be")
	}
	// An immutable tag stays what it is.
	w.pushNow(image("library/app", "keep", "kept", nil))
	w.pushNow(image("team/app", "keep", "other", nil))
	w.want(w.as(admin, "POST", teamApp+"/artifacts?from=library/app:keep", ""), 412, "copy over an immutable tag")
}

// TestTagRulesHoldInTheAPI holds deletes and tags by the API to the policy's rules about tags.
func TestTagRulesHoldInTheAPI(t *testing.T) {
	w := newOpenWorld(t)
	one := digestOf(w.pushed[1].manifest)
	tags := teamApp + "/artifacts/" + one + "/tags"
	w.govern(rulesBut("") + "p, chosen, repository, team/app:v*, delete|push, deny\n")
	w.want(w.as(bob, "POST", tags, `{"name":"v9"}`), 403, "POST a tag that a rule denies")
	w.want(w.as(bob, "POST", tags, `{"name":"free"}`), 201, "POST another tag")
	w.want(w.as(bob, "DELETE", tags+"/v1", ""), 403, "DELETE a tag that a rule denies")
	w.want(w.as(bob, "DELETE", tags+"/free", ""), 200, "DELETE another tag")
	w.want(w.as(bob, "DELETE", teamApp+"/artifacts/"+one, ""), 403, "DELETE an artifact, where a rule denies it for some tags")
	w.want(w.as(bob, "DELETE", teamApp, ""), 403, "DELETE a repository, where a rule denies it for some tags")
	w.want(w.as(bob, "DELETE", "/api/v2.0/projects/team/repositories/chart", ""), 200, "DELETE another repository")
	// A repository that a rule hides is in no list.
	w.govern(rulesBut("") + "p, chosen, *, team/app, *, deny\n")
	if got := w.repositoriesAt(bob, "/api/v2.0/projects/team/repositories"); strings.Join(got, " ") != "team/deep/er" {
		t.Errorf("repositories = %q, want the hidden one left out", got)
	}
	if got := w.artifactsAt(bob, "/api/v2.0/projects/team/artifacts"); got != "v1" {
		t.Errorf("artifacts = %q, want those of the hidden one left out", got)
	}
	w.want(w.as(bob, "GET", teamApp, ""), 403, "GET a hidden repository")
}

func TestSearchKnowsCounts(t *testing.T) {
	w := newOpenWorld(t)
	for _, r := range answered[client.Search](w, w.get(lily, "/api/v2.0/search?q=app")).Repository {
		if want := map[string]int64{"team/app": 2, "library/app": 1}[r.RepositoryName]; r.ArtifactCount != want || r.ProjectPublic != (r.ProjectName == "library") {
			t.Errorf("found %+v, want %d artifacts", r, want)
		}
	}
}

// TestScript is what a script written for Harbor does: find, look, tag, copy, clean up; with Basic and nothing but HTTP.
func TestScript(t *testing.T) {
	w := newOpenWorld(t)
	call := func(method, path, body string, want int) (http.Header, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, w.url+"/api/v2.0"+path, strings.NewReader(body))
		must(t, req, err)
		req.SetBasicAuth(alice, password)
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		must(t, text, err)
		if resp.StatusCode != want {
			t.Fatalf("%s %s = %d %s, want %d", method, path, resp.StatusCode, text, want)
		}
		return resp.Header, string(text)
	}
	header, text := call("GET", "/projects/team/repositories?page=1&page_size=100", "", 200)
	if header.Get("X-Total-Count") != "3" {
		t.Errorf("X-Total-Count = %q, want 3", header.Get("X-Total-Count"))
	}
	var repositories []struct{ Name string }
	must(t, repositories, json.Unmarshal([]byte(text), &repositories))
	for _, r := range repositories {
		name := url.PathEscape(url.PathEscape(strings.TrimPrefix(r.Name, "team/")))
		artifacts := "/projects/team/repositories/" + name + "/artifacts"
		_, text := call("GET", artifacts+"?with_tag=true&with_label=true&with_scan_overview=true&page_size=100", "", 200)
		var found []struct {
			Digest string
			Tags   []struct{ Name string }
		}
		must(t, found, json.Unmarshal([]byte(text), &found))
		for i, a := range found {
			kept := fmt.Sprintf("kept%d", i)
			call("POST", artifacts+"/"+a.Digest+"/tags", fmt.Sprintf(`{"name":%q}`, "release"+kept), 201)
			header, _ := call("POST", "/projects/team/repositories/archive/artifacts?from="+url.QueryEscape(r.Name+"@"+a.Digest), "", 201)
			call("GET", strings.TrimPrefix(header.Get("Location"), "/api/v2.0"), "", 200)
			for _, tag := range a.Tags {
				call("DELETE", artifacts+"/"+a.Digest+"/tags/"+tag.Name, "", 200)
			}
			call("DELETE", artifacts+"/"+a.Digest, "", 200)
		}
		call("DELETE", "/projects/team/repositories/"+name, "", 200)
	}
	_, text = call("GET", "/projects/team/repositories", "", 200)
	if !strings.Contains(text, `"name":"team/archive"`) || strings.Contains(text, "team/app") {
		t.Errorf("repositories = %s, want the archive alone", text)
	}
}
