package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sealock/sealock/store"
)

// wantAt posts, wants a Location and what is there to have a field with a value.
func (w *world) wantAt(name, path, body, field string, value any) (location string) {
	w.t.Helper()
	a := w.want(w.as(name, "POST", path, body), http.StatusCreated, "POST %s %s", path, body)
	location = a.header.Get("Location")
	if !strings.HasPrefix(location, "/api/v2.0/") {
		w.t.Fatalf("POST %s %s: Location = %q, want a path", path, body, location)
	}
	w.wantField(name, location, field, value)
	return location
}

// wantField wants what is at the path to have a field, of which dots part the levels, with a value.
func (w *world) wantField(name, path, field string, value any) {
	w.t.Helper()
	var got any = w.object(name, path)
	for part := range strings.SplitSeq(field, ".") {
		switch v := got.(type) {
		case map[string]any:
			got = v[part]
		case []any:
			if len(v) > 0 && part == "0" {
				got = v[0]
			}
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(value) {
		w.t.Errorf("GET %s: %s = %v, want %v", path, field, got, value)
	}
}

// refused wants each of the bodies to be answered with 400 and a remedy.
func (w *world) refused(name, method, path string, bodies ...string) {
	w.t.Helper()
	for _, body := range bodies {
		a := w.want(w.as(name, method, path, body), http.StatusBadRequest, "%s %s %s", method, path, body)
		if a.code() != "BAD_REQUEST" || !strings.Contains(a.body, ": ") {
			w.t.Errorf("%s %s %s = %s, want BAD_REQUEST and what to do", method, path, body, a.body)
		}
	}
}

// empty wants an empty list that says so.
func (w *world) empty(name, path string) {
	w.t.Helper()
	a := w.want(w.as(name, "GET", path, ""), http.StatusOK, "GET %s", path)
	if strings.TrimSpace(a.body) != "[]" || a.header.Get("X-Total-Count") != "0" {
		w.t.Errorf("GET %s = %s with X-Total-Count %q, want [] and 0", path, a.body, a.header.Get("X-Total-Count"))
	}
}

// notYet wants 501 in Harbor's form, with what works meanwhile.
func (w *world) notYet(name, path, body string) {
	w.t.Helper()
	a := w.want(w.as(name, "POST", path, body), http.StatusNotImplemented, "POST %s", path)
	if a.code() != "NOT_IMPLEMENTED" || !strings.Contains(a.body, "until then") {
		w.t.Errorf("POST %s = %s, want NOT_IMPLEMENTED and what works until then", path, a.body)
	}
}

// registry is another registry, which wants robot and the password of this file's canary.
func registry(t *testing.T) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, pass, _ := r.BasicAuth()
		if r.URL.Path == "/v2/" && user == "robot" && pass == jobCanary {
			return
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
		http.Error(w, "answer-canary", http.StatusUnauthorized)
	}))
	t.Cleanup(srv.Close)
	return srv
}

const jobCanary = "canary-7f3a"

func TestRegistries(t *testing.T) {
	w := newWorld(t)
	other, elsewhere := registry(t), registry(t)
	const path = "/api/v2.0/registries"
	body := fmt.Sprintf(`{"name":"mirror","type":"docker-registry","url":"%s/","credential":{"access_key":"robot","access_secret":"%s"}}`, other.URL, jobCanary)
	at := w.wantAt(admin, path, body, "credential.access_secret", "*****")
	w.wantField(admin, at, "status", "healthy")
	w.wantField(admin, at, "url", other.URL)
	w.want(w.as(admin, "POST", path, body), 409, "the same name again")
	w.refused(admin, "POST", path,
		`{"name":"","type":"docker-registry","url":"https://r.example.com"}`,
		`{"name":"a","type":"nonsense","url":"https://r.example.com"}`,
		`{"name":"a","type":"docker-registry","url":"file:///etc/passwd"}`,
		`{"name":"a","type":"docker-registry","url":"gopher://r.example.com"}`,
		`{"name":"a","type":"docker-registry","url":"https://"}`,
		`{"name":"a","type":"docker-registry","url":"https://u:p@r.example.com"}`,
		`{"name":"a","type":"docker-registry","url":"https://r.example.com","ca_certificate":"x"}`,
		`{"name":"a","type":"docker-registry","url":"https://r.example.com","credential":{"type":"magic"}}`,
	)
	// A secret goes nowhere that it was not given for.
	w.refused(admin, "PUT", at, fmt.Sprintf(`{"url":%q}`, elsewhere.URL), fmt.Sprintf(`{"url":%q,"access_secret":"*****"}`, elsewhere.URL))
	id := strings.TrimPrefix(at, path+"/")
	w.refused(admin, "POST", path+"/ping", fmt.Sprintf(`{"id":%s,"url":%q}`, id, elsewhere.URL))
	// Without being given anew, it stays; the one that is kept is good.
	w.want(w.as(admin, "PUT", at, `{"name":"mirror 2","access_secret":"*****"}`), 200, "renaming")
	w.want(w.as(admin, "POST", path+"/ping", fmt.Sprintf(`{"id":%s}`, id)), 200, "ping of the registry that is kept")
	w.refused(admin, "POST", path+"/ping", fmt.Sprintf(`{"id":%s,"access_secret":"wrong"}`, id))
	w.wantField(admin, at, "status", "healthy") // of the registry that is kept
	w.want(w.as(admin, "PUT", at, `{"access_secret":"wrong"}`), 200, "another secret")
	w.wantField(admin, at, "status", "unhealthy")
	w.want(w.as(admin, "PUT", at, fmt.Sprintf(`{"url":%q,"access_secret":%q}`, elsewhere.URL, jobCanary)), 200, "moving, with the secret")
	w.wantField(admin, at, "status", "healthy")
	if names := namesIn(t, w.as(admin, "GET", path+"?q=name%3D~MIRR&sort=-name", "").body); len(names) != 1 || names[0] != "mirror 2" {
		t.Errorf("registries that contain MIRR = %q, want mirror 2", names)
	}
	w.refused(admin, "GET", path+"?q=access_key%3Drobot", "")
	w.want(w.as(admin, "GET", path+"/4711/info", ""), 404, "info of no registry")
	w.wantField(admin, path+"/0/info", "type", "harbor")
	w.wantField(admin, at+"/info", "supported_triggers", []string{"manual", "scheduled"})
	w.secretless(at)
	w.want(w.as(admin, "DELETE", path+"/1", ""), 412, "deleting a registry in use")
	w.want(w.as(admin, "DELETE", at, ""), 200, "deleting a registry")
	w.want(w.as(admin, "GET", at, ""), 404, "the registry after that")
}

// secretless wants the secret nowhere but where it is sealed, and nothing of what a registry answered.
func (w *world) secretless(paths ...string) {
	w.t.Helper()
	paths = append(paths, "/api/v2.0/registries", "/api/v2.0/replication/policies", "/api/v2.0/audit-logs?page_size=100")
	for _, path := range paths {
		if body := w.as(admin, "GET", path, "").body; strings.Contains(body, jobCanary) || strings.Contains(body, "answer-canary") {
			w.t.Errorf("GET %s = %s, want no secret in it", path, body)
		}
	}
	for r, err := range w.store.ListRegistries(context.Background(), store.Filter{}) {
		if err != nil || strings.Contains(fmt.Sprint(r), jobCanary) {
			w.t.Errorf("the store keeps %+v, %v, want the secret sealed", r, err)
		}
	}
	if strings.Contains(w.log.String(), jobCanary) {
		w.t.Errorf("log = %s, want no secret in it", w.log)
	}
}

func TestReplicationPolicies(t *testing.T) {
	w := newWorld(t)
	const path = "/api/v2.0/replication/policies"
	at := w.wantAt(admin, path, `{"name":"nightly","src_registry":{"id":1},"dest_registry":{"id":0},"dest_namespace":"mirror",
		"trigger":{"type":"scheduled","trigger_settings":{"cron":"0 30 3 * * 1-5"}},"override":true,"enabled":true,"speed":-1,
		"filters":[{"type":"name","value":"library/{a,b}/**"},{"type":"tag","value":"v*","decoration":"excludes"},{"type":"label","value":["stable"]},{"type":"resource","value":"image"}]}`,
		"trigger.trigger_settings.cron", "0 30 3 * * 1-5")
	w.wantField(admin, at, "src_registry.name", "hub")
	w.wantField(admin, at, "dest_registry", nil)
	w.wantField(admin, at, "dest_namespace_replace_count", -1)
	var read map[string]any
	if err := json.Unmarshal([]byte(w.as(admin, "GET", at, "").body), &read); err != nil {
		t.Fatal(err)
	}
	read["enabled"], read["description"] = false, "changed"
	back, _ := json.Marshal(read)
	w.want(w.as(admin, "PUT", at, string(back)), 200, "what was read, changed and sent back")
	w.wantField(admin, at, "filters.0.value", "library/{a,b}/**")
	w.wantField(admin, at, "enabled", false)
	ok := func(rest string) string { return `{"name":"x","src_registry":{"id":1}` + rest + `}` }
	scheduled := func(cron string) string {
		return ok(fmt.Sprintf(`,"trigger":{"type":"scheduled","trigger_settings":{"cron":%q}}`, cron))
	}
	w.refused(admin, "POST", path,
		`{"name":"x"}`, `{"name":"x","src_registry":{"id":1},"dest_registry":{"id":1}}`, `{"name":"x","src_registry":{"id":4711}}`,
		`{"name":" ","src_registry":{"id":1}}`, ok(`,"trigger":{"type":"sometimes"}`), ok(`,"trigger":{"type":"event_based"}`),
		scheduled(""), scheduled("0 3 * * *"), scheduled("* 0 3 * * *"), scheduled("0 61 3 * * *"), scheduled("0 0 0 30 2 *"), scheduled("0 0 0 0 0 0 0"), scheduled("@daily"),
		ok(`,"filters":[{"type":"size","value":"1"}]`), ok(`,"filters":[{"type":"name","value":"{a"}]`), ok(`,"filters":[{"type":"name","value":["a"]}]`),
		ok(`,"filters":[{"type":"label","value":"a"}]`), ok(`,"filters":[{"type":"label","value":[1]}]`), ok(`,"filters":[{"type":"label","value":[]}]`),
		ok(`,"filters":[{"type":"name","value":"a","decoration":"excludes"}]`), ok(`,"filters":[{"type":"tag","value":"a","decoration":"likes"}]`),
		ok(`,"filters":[{"type":"resource","value":"chart"}]`), ok(`,"dest_namespace":"../x"`), ok(`,"dest_namespace":"/x"`), ok(`,"speed":-2`), ok(`,"dest_namespace_replace_count":-2`),
	)
	w.want(w.as(admin, "POST", path, `{"name":"push","dest_registry":{"id":1},"trigger":{"type":"event_based"}}`), 201, "a policy that events start")
	w.want(w.as(admin, "POST", path, `{"name":"push","dest_registry":{"id":1}}`), 409, "the same name again")
	w.empty(admin, "/api/v2.0/replication/executions?policy_id=1")
	w.notYet(admin, "/api/v2.0/replication/executions", `{"policy_id":1}`)
	w.want(w.as(admin, "POST", "/api/v2.0/replication/executions", `{"policy_id":4711}`), 404, "starting no policy")
	w.want(w.as(admin, "GET", "/api/v2.0/replication/executions?page_size=1000", ""), 400, "a page that is too large")
	for method, rest := range map[string]string{"GET": "", "PUT": ""} {
		w.want(w.as(admin, method, "/api/v2.0/replication/executions/7"+rest, ""), 404, "%s of no execution", method)
	}
	w.want(w.as(admin, "GET", "/api/v2.0/replication/executions/7/tasks", ""), 404, "tasks of no execution")
	w.want(w.as(admin, "GET", "/api/v2.0/replication/executions/7/tasks/1/log", ""), 404, "a log of no execution")
	w.want(w.as(admin, "DELETE", at, ""), 200, "deleting a policy")
	w.want(w.as(admin, "GET", at, ""), 404, "the policy after that")
	if got := w.as(admin, "GET", "/api/v2.0/replication/adapters", "").body; !strings.Contains(got, `"harbor"`) || !strings.Contains(got, `"docker-registry"`) {
		t.Errorf("adapters = %s, want harbor and docker-registry", got)
	}
	w.wantField(admin, "/api/v2.0/replication/adapterinfos", "quay.endpoint_pattern.endpoints.0.value", "https://quay.io")
}

func TestWebhookPolicies(t *testing.T) {
	w := newWorld(t)
	const path = "/api/v2.0/projects/team/webhook/policies"
	target := func(address, header string) string {
		return fmt.Sprintf(`{"name":"tell","enabled":true,"event_types":["PUSH_ARTIFACT","QUOTA_EXCEED"],"targets":[{"type":"http","address":%q,"auth_header":%q,"payload_format":"CloudEvents"}]}`, address, header)
	}
	at := w.wantAt(alice, path, target("https://hooks.example.com/a", "Bearer "+jobCanary), "targets.0.auth_header", "*****")
	w.wantField(mia, at, "creator", alice)
	w.want(w.as(alice, "POST", path, target("https://hooks.example.com", "")), 409, "the same name again")
	kept := func() string {
		var id int64
		_, _ = fmt.Sscanf(at, fmt.Sprintf("/api/v2.0/projects/%d/webhook/policies/%%d", w.team.ID), &id)
		p, err := w.store.WebhookPolicy(t.Context(), w.team.ID, id)
		return must(t, p, err).Targets[0].AuthHeader
	}
	sealed := kept()
	if sealed == "" || strings.Contains(sealed, jobCanary) {
		t.Errorf("the store keeps the header %q, want it sealed", sealed)
	}
	w.want(w.as(alice, "PUT", at, target("https://hooks.example.com/b", "*****")), 200, "another path, the same header")
	if got := kept(); got != sealed {
		t.Errorf("the header after a change with ***** = %q, want that of before", got)
	}
	w.refused(alice, "PUT", at, target("https://evil.example.com", "*****"))
	w.refused(alice, "POST", path, strings.Replace(target("https://hooks.example.com", "*****"), "tell", "other", 1))
	w.want(w.as(alice, "PUT", at, target("https://hooks.example.com", "")), 200, "no header any more")
	w.wantField(alice, at, "targets.0.auth_header", nil)
	w.refused(alice, "POST", path,
		`{"name":"x","event_types":["PUSH_ARTIFACT"]}`, `{"name":"x","event_types":["PUSH_ARTIFACT"],"targets":[]}`,
		`{"name":"x","event_types":[],"targets":[{"type":"http","address":"https://h.example.com"}]}`,
		`{"name":"x","event_types":["NONSENSE"],"targets":[{"type":"http","address":"https://h.example.com"}]}`,
		`{"name":"x","event_types":["PUSH_ARTIFACT","PUSH_ARTIFACT"],"targets":[{"type":"http","address":"https://h.example.com"}]}`,
		`{"name":"x","event_types":["PUSH_ARTIFACT"],"targets":[{"type":"mail","address":"https://h.example.com"}]}`,
		`{"name":"x","event_types":["PUSH_ARTIFACT"],"targets":[{"type":"http","address":"ftp://h.example.com"}]}`,
		`{"name":"x","event_types":["PUSH_ARTIFACT"],"targets":[{"type":"http","address":"https://u:p@h.example.com"}]}`,
		`{"name":"x","event_types":["PUSH_ARTIFACT"],"targets":[{"type":"slack","address":"https://h.example.com","payload_format":"CloudEvents"}]}`,
		`{"name":"x","event_types":["PUSH_ARTIFACT"],"targets":[{"type":"http","address":"https://h.example.com","auth_header":"a\r\nb: c"}]}`,
		`{"name":"","event_types":["PUSH_ARTIFACT"],"targets":[{"type":"http","address":"https://h.example.com"}]}`,
	)
	// A number counts in its own project alone (CVE-2022-31666).
	foreign := strings.Replace(at, fmt.Sprintf("/projects/%d/", w.team.ID), "/projects/library/", 1)
	w.want(w.as(admin, "GET", foreign, ""), 404, "GET by another project")
	w.want(w.as(admin, "PUT", foreign, target("https://h.example.com", "")), 404, "PUT by another project")
	w.want(w.as(admin, "DELETE", foreign, ""), 404, "DELETE by another project")
	w.empty(mia, at+"/executions")
	w.want(w.as(mia, "GET", at+"/executions/7/tasks", ""), 404, "tasks of no execution")
	w.want(w.as(mia, "GET", at+"/executions/7/tasks/1/log", ""), 404, "a log of no execution")
	w.want(w.as(mia, "GET", path+"/4711/executions", ""), 404, "executions of no policy")
	w.empty(mia, "/api/v2.0/projects/team/webhook/jobs?status=Success")
	if got := w.as(mia, "GET", "/api/v2.0/projects/team/webhook/lasttrigger", "").body; !strings.Contains(got, `"policy_name":"tell"`) || strings.Contains(got, "last_trigger_time") {
		t.Errorf("lasttrigger = %s, want the policy, and that nothing triggered it", got)
	}
	w.wantField(mia, "/api/v2.0/projects/team/webhook/events", "notify_type", []string{"http", "slack"})
	w.want(w.as(alice, "DELETE", at, ""), 200, "deleting a policy")
	w.secretless()
}

// selected is the part of a rule that selects; the tags by a pattern.
func selected(pattern string) string {
	return fmt.Sprintf(`"tag_selectors":[{"kind":"doublestar","decoration":"matches","pattern":%q,"extras":"{\"untagged\":true}"}],
		"scope_selectors":{"repository":[{"kind":"doublestar","decoration":"repoMatches","pattern":"**"}]}`, pattern)
}

func TestRetention(t *testing.T) {
	w := newWorld(t)
	const path = "/api/v2.0/retentions"
	w.wantField(alice, "/api/v2.0/projects/team", "metadata.retention_id", "1")
	w.want(w.as(dave, "DELETE", path+"/1", ""), 200, "deleting the policy")
	w.wantField(alice, "/api/v2.0/projects/team", "metadata.retention_id", nil)
	policy := func(rules string) string {
		return fmt.Sprintf(`{"algorithm":"or","rules":[%s],"trigger":{"kind":"Schedule","references":{},"settings":{"cron":"0 0 0 * * *"}},"scope":{"level":"project","ref":%d}}`, rules, w.team.ID)
	}
	rule := func(template, params string) string {
		return fmt.Sprintf(`{"disabled":false,"action":"retain","template":%q,"params":{%s},%s}`, template, params, selected("v*"))
	}
	good := rule("latestPushedK", `"latestPushedK":10`) + "," + rule("nDaysSinceLastPull", `"nDaysSinceLastPull":7`) + "," + rule("always", "")
	at := w.wantAt(dave, path, policy(good), "rules.0.params.latestPushedK", 10)
	id := strings.TrimPrefix(at, path+"/")
	w.wantField(alice, "/api/v2.0/projects/team", "metadata.retention_id", id)
	if got := w.as(alice, "GET", "/api/v2.0/projects?name=team", "").body; !strings.Contains(got, fmt.Sprintf(`"retention_id":%q`, id)) {
		t.Errorf("projects = %s, want the retention_id %s in the metadata", got, id)
	}
	w.refused(alice, "POST", path, policy(good)) // the project has one
	w.wantField(dave, at, "trigger.settings.cron", "0 0 0 * * *")
	w.wantField(dave, at, "rules.0.tag_selectors.0.extras", `{"untagged":true}`)
	w.want(w.as(dave, "PUT", at, policy("")), 200, "no rules") // what Terraform sends to get rid of a policy
	w.refused(dave, "PUT", at,
		policy(rule("latestPushedK", "")), policy(rule("latestPushedK", `"latestPushedK":0`)), policy(rule("latestPushedK", `"latestPushedK":1.5`)),
		policy(rule("latestPushedK", `"latestPushedK":"3"`)), policy(rule("latestPushedK", `"latestPulledN":3`)), policy(rule("always", `"always":1`)),
		policy(rule("newest", "")), policy(rule("always", "")+","+rule("always", "")), policy(strings.Replace(rule("always", ""), "retain", "delete", 1)),
		policy(strings.Replace(rule("always", ""), "repoMatches", "matches", 1)), policy(strings.Replace(rule("always", ""), `"v*"`, `"{v"`, 1)),
		policy(strings.Replace(rule("always", ""), "doublestar", "regexp", 1)), policy(strings.Replace(rule("always", ""), `"repository"`, `"namespace"`, 1)),
		policy(`{"template":"always"}`), policy(strings.TrimSuffix(strings.Repeat(rule("always", "")+",", 16), ",")),
		strings.Replace(policy(""), `"or"`, `"and"`, 1), strings.Replace(policy(""), "Schedule", "Event", 1), strings.Replace(policy(""), "0 0 0 * * *", "daily", 1),
		strings.Replace(policy(""), `"project"`, `"system"`, 1), strings.Replace(policy(""), fmt.Sprintf(`"ref":%d`, w.team.ID), fmt.Sprintf(`"ref":%d`, w.library.ID), 1),
	)
	// Another's policy and none look alike (CVE-2022-31670).
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		body := ""
		if method == "PUT" {
			body = policy("")
		}
		theirs, none := w.as(bob, method, at, body), w.as(bob, method, path+"/4711", body)
		if theirs.status != 404 || theirs.body != strings.ReplaceAll(none.body, "4711", id) {
			t.Errorf("%s of another's policy = %d %s, of none = %s: want the same", method, theirs.status, theirs.body, none.body)
		}
	}
	w.empty(dave, at+"/executions")
	w.notYet(dave, at+"/executions", `{"dry_run":true}`)
	w.want(w.as(dave, "PATCH", at+"/executions/7", `{"action":"stop"}`), 404, "stopping no execution")
	w.want(w.as(dave, "GET", at+"/executions/7/tasks", ""), 404, "tasks of no execution")
	w.want(w.as(dave, "GET", at+"/executions/7/tasks/1", ""), 404, "a log of no execution")
	var metadata struct {
		Templates []struct {
			RuleTemplate string `json:"rule_template"`
		}
	}
	if err := json.Unmarshal([]byte(w.as(bob, "GET", path+"/metadatas", "").body), &metadata); err != nil || len(metadata.Templates) != 5 {
		t.Errorf("metadatas = %+v, %v, want five templates", metadata, err)
	}
	for _, m := range metadata.Templates { // each of them can be used
		params := fmt.Sprintf("%q:1", m.RuleTemplate)
		if m.RuleTemplate == "always" {
			params = ""
		}
		w.want(w.as(dave, "PUT", at, policy(rule(m.RuleTemplate, params))), 200, "the template %s", m.RuleTemplate)
	}
}

func TestImmutableTagRules(t *testing.T) {
	w := newWorld(t)
	const path = "/api/v2.0/projects/team/immutabletagrules"
	a := w.want(w.as(mia, "POST", path, `{"action":"immutable","template":"immutable_template",`+selected("{v*,release-[0-9]*}")+`}`), 201, "a rule")
	at := a.header.Get("Location")
	w.want(w.as(mia, "PUT", at, `{"disabled":true}`), 200, "switching a rule off")
	got := w.as(mia, "GET", path+"?sort=-id", "").body
	if !strings.Contains(got, `"pattern":"{v*,release-[0-9]*}"`) || strings.Count(got, `"disabled":true`) != 1 {
		t.Errorf("rules = %s, want both, and the new one off", got)
	}
	w.refused(mia, "POST", path, `{}`, `{"action":"retain",`+selected("v*")+`}`, `{"template":"always",`+selected("v*")+`}`, `{`+selected("[v")+`}`,
		`{`+selected("{a,b}{a,b}{a,b}{a,b}{a,b}")+`}`, `{`+selected("[{]x")+`}`, `{`+selected("")+`}`,
		`{"tag_selectors":[{"kind":"doublestar","decoration":"matches","pattern":"v*"}]}`)
	foreign := strings.Replace(at, fmt.Sprintf("/projects/%d/", w.team.ID), "/projects/library/", 1)
	w.want(w.as(admin, "PUT", foreign, `{"disabled":false}`), 404, "PUT by another project") // CVE-2022-31669
	w.want(w.as(admin, "DELETE", foreign, ""), 404, "DELETE by another project")
	for range 13 {
		w.want(w.as(mia, "POST", path, `{`+selected("v*")+`}`), 201, "a rule")
	}
	w.want(w.as(mia, "POST", path, `{`+selected("v*")+`}`), 412, "a sixteenth rule")
	w.want(w.as(mia, "DELETE", at, ""), 200, "deleting a rule")
	w.refused(mia, "GET", path+"?q=template%3Dx", "")
}

func TestLabels(t *testing.T) {
	w := newWorld(t)
	const path = "/api/v2.0/labels"
	global := w.wantAt(admin, path, `{"name":"stable","color":"#00FF88","scope":"g"}`, "scope", "g")
	of := func(p store.Project, name string) string {
		return fmt.Sprintf(`{"name":%q,"color":"#0f8","scope":"p","project_id":%d}`, name, p.ID)
	}
	own := w.wantAt(mia, path, of(w.team, "stable"), "project_id", w.team.ID)
	w.want(w.as(mia, "POST", path, of(w.team, "stable")), 409, "the same name again")
	w.want(w.as(admin, "POST", path, `{"name":"stable","scope":"g"}`), 409, "the same global name again")
	public := w.wantAt(admin, path, of(w.library, "stable"), "name", "stable")
	w.want(w.as(dave, "POST", path, of(w.team, "mine")), 403, "a label by a developer")
	w.want(w.as(bob, "POST", path, of(w.team, "mine")), 404, "a label by a stranger")
	w.want(w.as(nobody, "POST", path, of(w.library, "mine")), 401, "a label by nobody")
	w.refused(admin, "POST", path, `{"name":"x","scope":"q"}`, `{"name":"x","scope":"p"}`, `{"name":"","scope":"g"}`, `{"name":"x","color":"red"}`,
		`{"name":"x","color":"#12345"}`, `{"name":"x","color":"#00FF88;}"}`, `{"name":"`+strings.Repeat("x", 129)+`"}`, `{"name":"x\u0000"}`)
	for _, c := range []struct {
		name, method, path string
		status             int
	}{
		{bob, "GET", global, 200},
		{nobody, "GET", global, 401},
		{gwen, "GET", own, 200},
		{lily, "GET", own, 403},
		{bob, "GET", own, 404},
		{nobody, "GET", own, 401},
		{nobody, "GET", public, 200},
		{gwen, "DELETE", own, 403},
		{bob, "DELETE", own, 404},
		{mia, "DELETE", global, 403},
		{mia, "DELETE", public, 403},
		{nobody, "GET", path + "?scope=g", 401},
		{bob, "GET", path + "?name=sta", 200},
		{bob, "GET", fmt.Sprintf("%s?scope=p&project_id=%d", path, w.team.ID), 404},
		{gwen, "GET", fmt.Sprintf("%s?scope=p&project_id=%d", path, w.team.ID), 200},
		{nobody, "GET", fmt.Sprintf("%s?scope=p&project_id=%d", path, w.library.ID), 200},
		{bob, "GET", path + "?scope=p", 400},
		{bob, "GET", path + "?scope=x", 400},
	} {
		w.want(w.as(c.name, c.method, c.path, ""), c.status, "%s %s as %q", c.method, c.path, c.name)
	}
	theirs, none := w.as(bob, "DELETE", own, ""), w.as(bob, "DELETE", path+"/4711", "")
	if theirs.body != strings.ReplaceAll(none.body, "4711", strings.TrimPrefix(own, path+"/")) {
		t.Errorf("DELETE of another's label = %s, of none = %s: want the same", theirs.body, none.body)
	}
	w.want(w.as(mia, "PUT", own, `{"name":"fast","color":"","scope":"g"}`), 200, "changing a label")
	w.wantField(gwen, own, "name", "fast")
	w.wantField(gwen, own, "scope", "p") // it stays where it belongs
	if names := namesIn(t, w.as(bob, "GET", path+"?q=name%3D~S&sort=-name", "").body); strings.Join(names, " ") != "stable everybody's" {
		t.Errorf("global labels with an s = %q, want stable and everybody's", names)
	}
	w.want(w.as(mia, "DELETE", own, ""), 200, "deleting a label")
	w.want(w.as(gwen, "GET", own, ""), 404, "the label after that")
}
