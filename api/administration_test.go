package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/sealock/sealock/api/client"
	"github.com/sealock/sealock/store"
)

// fields reads an answer that is an object.
func fields(t *testing.T, a answer) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		t.Fatalf("the answer %s is no object: %v", a.body, err)
	}
	return m
}

// at goes down into an answer: at(m, "hard", "storage").
func at(v any, path ...string) any {
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

func TestProjectMetadata(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const path = "/api/v2.0/projects/team/metadatas/"
	show := func(what, want string) {
		t.Helper()
		if got := strings.TrimSpace(w.as(mia, "GET", path, "").body); got != want {
			t.Errorf("metadata %s = %s, want %s", what, got, want)
		}
	}
	show("of a new project", `{"public":"false","severity":"high"}`)
	w.want(w.as(alice, "POST", path, `{"prevent_vul":"true","auto_scan":"false"}`), 200, "adding two")
	w.want(w.as(alice, "POST", path, `{"severity":"low"}`), 409, "adding what is there")
	w.want(w.as(alice, "POST", path, `{"public":"true"}`), 409, "adding public")
	w.want(w.as(alice, "PUT", path+"severity", `{"severity":"critical"}`), 200, "changing")
	w.want(w.as(alice, "PUT", path+"proxy_speed_kb", `{"proxy_speed_kb":"5"}`), 404, "changing what is not there")
	w.want(w.as(alice, "PUT", path+"severity", `{"auto_scan":"true"}`), 400, "changing something else than the path says")
	w.want(w.as(alice, "PUT", path+"public", `{"public":"true"}`), 200, "making it public")
	if got := strings.TrimSpace(w.as(mia, "GET", path+"severity", "").body); got != `{"severity":"critical"}` {
		t.Errorf("GET severity = %s, want the name with its value", got)
	}
	w.want(w.as(mia, "GET", path+"nope", ""), 404, "what there is not")
	p := fields(t, w.as(nobody, "GET", "/api/v2.0/projects/team", "")) // it is public by now
	for name, want := range map[string]string{"public": "true", "severity": "critical", "prevent_vul": "true", "auto_scan": "false"} {
		if got := at(p, "metadata", name); got != want {
			t.Errorf("the project's metadata.%s = %v, want %q", name, got, want)
		}
	}
	bare := strings.TrimSuffix(path, "/") // as some clients of Harbor send it
	w.want(w.as(alice, "POST", bare, `{"proxy_speed_kb":"9"}`), 200, "adding without the slash")
	if got := strings.TrimSpace(w.as(mia, "GET", bare, "").body); !strings.Contains(got, `"proxy_speed_kb":"9"`) {
		t.Errorf("GET metadatas without the slash = %s, want what was added", got)
	}
	w.want(w.as(mia, "HEAD", bare, ""), 200, "HEAD without the slash")
	w.want(w.as(gwen, "POST", bare, `{"auto_sbom_generation":"true"}`), 403, "adding without the slash as a guest")
	w.want(w.as(alice, "DELETE", path+"proxy_speed_kb", ""), 200, "removing what was added")
	w.want(w.as(alice, "DELETE", path+"severity", ""), 200, "removing")
	w.want(w.as(alice, "DELETE", path+"severity", ""), 404, "removing again")
	w.want(w.as(alice, "DELETE", path+"public", ""), 400, "removing public")
	show("after that", `{"auto_scan":"false","prevent_vul":"true","public":"true"}`)
	for _, bad := range []string{`{}`, `{"color":"red"}`, `{"auto_scan":"yes"}`, `{"severity":"HIGH"}`, `{"proxy_speed_kb":"fast"}`, `{"retention_id":"1"}`, `{"auto_scan":true}`} {
		w.want(w.as(alice, "POST", path, bad), 400, "adding %s", bad)
	}
	trail := w.as(admin, "GET", "/api/v2.0/audit-logs?q=username%3Dalice&page_size=100", "").body
	if !strings.Contains(trail, "project:team/metadata:auto_scan,prevent_vul") {
		t.Errorf("the audit trail has no record of what was added: %s", trail)
	}
}

// Terraform and scripts send metadata with the project.
func TestMetadataWithTheProject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want(w.as(alice, "POST", "/api/v2.0/projects", `{"project_name":"new","metadata":{"public":"true","severity":"low","retention_id":"7"},"registry_id":null,"cve_allowlist":null}`), 201, "creating")
	const path = "/api/v2.0/projects/new"
	if m := at(w.object(alice, path), "metadata"); at(m, "severity") != "low" || at(m, "public") != "true" || at(m, "retention_id") != nil {
		t.Errorf("metadata = %v, want what was sent without the retention_id", m)
	}
	w.want(w.as(alice, "PUT", path, `{"metadata":{"auto_scan":"true"}}`), 200, "changing")
	if m := at(w.object(alice, path), "metadata"); at(m, "severity") != "low" || at(m, "auto_scan") != "true" || at(m, "public") != "true" {
		t.Errorf("metadata = %v, want one more and the others as they were", m)
	}
	w.want(w.as(alice, "PUT", path, `{"metadata":{"severity":"huge"}}`), 400, "a severity that there is not")
	w.want(w.as(alice, "POST", "/api/v2.0/projects", `{"project_name":"bad","metadata":{"prevent_vul":"maybe"}}`), 400, "creating with bad metadata")
	w.want(w.as(alice, "GET", "/api/v2.0/projects/bad", ""), 404, "after that")
	if got := w.want(w.as(alice, "POST", "/api/v2.0/projects", `{"project_name":"cache","registry_id":3}`), 501, "a proxy cache"); got.code() != "NOT_IMPLEMENTED" {
		t.Errorf("a proxy cache = %s, want NOT_IMPLEMENTED", got.body)
	}
}

func TestQuotas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := fmt.Sprintf("/api/v2.0/quotas/%d", w.team.ID)
	if q := w.object(admin, path); at(q, "hard", "storage") != float64(-1) || at(q, "used", "storage") == nil || at(q, "ref", "name") != "team" || at(q, "ref", "owner_name") != alice {
		t.Errorf("quota of a new project = %v, want -1, what is used, team and alice", q)
	}
	w.want(w.as(admin, "PUT", path, `{"hard":{"storage":1000}}`), 200, "setting a quota")
	if q := w.object(admin, path); at(q, "hard", "storage") != 1000.0 {
		t.Errorf("quota after that = %v, want 1000", q)
	}
	for _, bad := range []string{`{"hard":{"storage":0}}`, `{"hard":{"storage":-2}}`, `{"hard":{"storage":1125899906842625}}`, `{"hard":{}}`, `{}`, `{"hard":{"count":5}}`, `{"hard":{"storage":1,"count":5}}`, `{"hard":{"storage":"1"}}`} {
		w.want(w.as(admin, "PUT", path, bad), 400, "setting %s", bad)
	}
	w.want(w.as(admin, "PUT", "/api/v2.0/quotas/4711", `{"hard":{"storage":1}}`), 404, "the quota of no project")
	w.want(w.as(admin, "GET", "/api/v2.0/quotas/4711", ""), 404, "the quota of no project")
	names := func(query string) (out string) {
		t.Helper()
		a := w.want(w.as(admin, "GET", "/api/v2.0/quotas?"+query, ""), 200, "GET quotas?%s", query)
		var list []client.Quota
		if err := json.Unmarshal([]byte(a.body), &list); err != nil {
			t.Fatal(err)
		}
		for _, q := range list {
			out += q.Ref.Name + " "
		}
		return strings.TrimSpace(out) + "/" + a.header.Get("X-Total-Count")
	}
	for query, want := range map[string]string{
		"": "team library/2", "sort=-hard.storage": "team library/2", "sort=hard.storage": "library team/2", "sort=-used.storage": "team library/2", "sort=used.storage": "library team/2",
		"q=hard.storage%3D-1": "library/1", "q=hard.storage%3D%5B0~%5D": "team/1", "q=hard.storage%3D%5B~1000%5D": "team library/2", "q=hard.storage%3D0": "/0",
		"q=hard.storage%3D{-1+1000}": "team library/2", "q=used.storage%3D%5B1000~%5D": "team/1", "q=used.storage%3D0": "/0", "page_size=1&page=2": "library/2",
		fmt.Sprintf("reference=project&reference_id=%d", w.library.ID): "library/1", "reference=project&reference_id=4711": "/0",
	} {
		if got := names(query); got != want {
			t.Errorf("quotas?%s = %s, want %s", query, got, want)
		}
	}
	for _, bad := range []string{"reference=user", "reference_id=x", "reference_id=0", "sort=name", "sort=used.count", "q=used.storage=x", "q=ref.name=team"} {
		w.want(w.as(admin, "GET", "/api/v2.0/quotas?"+bad, ""), 400, "quotas?%s", bad)
	}
}

// storage_limit counts for those who may change quotas, else storage_per_project does.
func TestStorageLimitOfNewProjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	limit := func(name string) int64 {
		t.Helper()
		p, err := w.store.ProjectByName(t.Context(), name)
		return must(t, p, err).StorageLimit
	}
	make := func(who, name, limit string) {
		t.Helper()
		w.want(w.as(who, "POST", "/api/v2.0/projects", fmt.Sprintf(`{"project_name":%q,"storage_limit":%s}`, name, limit)), 201, "%s with %s", name, limit)
	}
	make(admin, "a", "-1")
	make(admin, "b", "500")
	make(alice, "c", "500")
	w.want(w.as(admin, "PUT", "/api/v2.0/configurations", `{"storage_per_project":700}`), 200, "setting the default")
	make(admin, "d", "null")
	make(alice, "e", "900")
	make(admin, "f", "-1")
	for name, want := range map[string]int64{"a": 0, "b": 500, "c": 0, "d": 700, "e": 700, "f": 0} {
		if got := limit(name); got != want {
			t.Errorf("limit of %s = %d, want %d", name, got, want)
		}
	}
	w.want(w.as(admin, "POST", "/api/v2.0/projects", `{"project_name":"bad","storage_limit":-5}`), 400, "a bad limit")
	w.want(w.as(alice, "PUT", "/api/v2.0/projects/c", `{"storage_limit":1}`), 200, "a limit by whom it is not for")
	w.want(w.as(admin, "PUT", "/api/v2.0/projects/b", `{"storage_limit":600}`), 200, "a limit by an administrator")
	if limit("c") != 0 || limit("b") != 600 {
		t.Errorf("limits = %d, %d, want 0 and 600: alice may not change hers", limit("c"), limit("b"))
	}
}

func TestProjectSummary(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	number := func(v any) float64 { n, _ := v.(float64); return n }
	before, all := w.object(gwen, "/api/v2.0/projects/team/summary"), w.object(admin, "/api/v2.0/statistics")
	_, err := w.store.PutArtifact(t.Context(), store.Push{
		ProjectID: w.team.ID, Repository: "team/summed", Tag: "v1", Artifact: store.Artifact{Digest: "sha256:" + strings.Repeat("a", 64), Kind: "IMAGE", Size: 300},
		Blobs: []store.Blob{{Digest: "sha256:" + strings.Repeat("a", 64), Size: 300}},
	})
	must(t, w, err)
	s := w.object(gwen, "/api/v2.0/projects/team/summary")
	for name, want := range map[string]float64{"repo_count": number(before["repo_count"]) + 1, "project_admin_count": 1, "maintainer_count": 1, "developer_count": 1, "guest_count": 1, "limited_guest_count": 1} {
		if s[name] != want {
			t.Errorf("summary: %s = %v, want %v", name, s[name], want)
		}
	}
	if at(s, "quota", "hard", "storage") != -1.0 || at(s, "quota", "used", "storage") != number(at(before, "quota", "used", "storage"))+300 {
		t.Errorf("summary: quota = %v, want -1 and 300 more than before", s["quota"])
	}
	// Who is in it is for its members to know.
	if s := w.object(lily, "/api/v2.0/projects/team/summary"); s["project_admin_count"] != nil || s["quota"] == nil {
		t.Errorf("summary for a limited guest = %v, want the quota and no members", s)
	}
	if s := w.object(nobody, "/api/v2.0/projects/library/summary"); s["project_admin_count"] != nil || s["quota"] != nil || s["repo_count"] == nil {
		t.Errorf("summary of a public project for nobody = %v, want the number of repositories alone", s)
	}
	if st := w.object(admin, "/api/v2.0/statistics"); st["total_project_count"] != 2.0 || st["private_repo_count"] != number(all["private_repo_count"])+1 || st["total_storage_consumption"] != number(all["total_storage_consumption"])+300 {
		t.Errorf("statistics = %v, want 2 projects, a private repository and 300 bytes more than before", st)
	}
	if st := w.object(bob, "/api/v2.0/statistics"); st["public_project_count"] != 1.0 || st["private_project_count"] != 0.0 || st["total_storage_consumption"] != nil {
		t.Errorf("statistics for bob = %v, want the public project alone and no totals", st)
	}
	if d := w.object(alice, "/api/v2.0/projects/team/_deletable"); d["deletable"] != true {
		t.Errorf("_deletable = %v, want true: this server looks into no registry", d)
	}
}

func TestConfigurations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const path = "/api/v2.0/configurations"
	all := w.object(admin, path)
	for name, want := range map[string]string{
		"read_only": "false true", "auth_mode": "db_auth false", "robot_name_prefix": "robot~ false", "robot_token_duration": "30 true", "project_creation_restriction": "everyone true",
		"storage_per_project": "-1 true", "session_timeout": "720 true", "self_registration": "false false", "quota_per_project_enable": "true true", "ldap_url": " false",
		"token_expiration": "5 false", "oidc_endpoint": " false", "http_authproxy_endpoint": " false", "uaa_endpoint": " false", "skip_audit_log_database": "false false",
	} {
		if got := fmt.Sprint(at(all, name, "value"), " ", at(all, name, "editable")); got != want {
			t.Errorf("%s = %s, want %s", name, got, want)
		}
	}
	for _, name := range harborsSettings() {
		if _, there := all[name]; !there {
			t.Errorf("configurations has no %s, want every setting that Harbor has", name)
		}
	}
	for _, name := range []string{"ldap_search_password", "oidc_client_secret"} {
		if _, there := all[name]; there {
			t.Errorf("configurations shows %s, want no secret", name)
		}
	}
	w.want(w.as(admin, "PUT", path, `{"read_onyl":true}`), 400, "an unknown key")
	if got := w.want(w.as(admin, "PUT", path, `{"read_only":true,"robot_name_prefix":"bot+"}`), 400, "a key of the file"); !strings.Contains(got.body, "robot.prefix") {
		t.Errorf("the answer %s does not say where it is set", got.body)
	}
	if got := w.object(nobody, "/api/v2.0/systeminfo"); got["read_only"] != false {
		t.Errorf("read_only counts after a change that was refused: %v", got)
	}
	w.want(w.as(alice, "PUT", path, `{"read_only":true}`), 403, "a change by a user")
	w.want(w.as(admin, "PUT", path, `{"read_only":true,"banner_message":"down at 8","notification_enable":false,"robot_name_prefix":"robot~","robot_token_duration":7}`), 200, "a change")
	info := w.object(nobody, "/api/v2.0/systeminfo")
	if info["read_only"] != true || info["banner_message"] != "down at 8" || info["notification_enable"] != false || info["primary_auth_mode"] != false {
		t.Errorf("systeminfo after that = %v, want it to tell", info)
	}
	a := w.want(w.as(admin, "POST", "/api/v2.0/robots", `{"name":"new","level":"system","permissions":[{"kind":"project","namespace":"team","access":[{"resource":"repository","action":"pull"}]}]}`), 201, "a robot")
	if r := w.object(admin, a.header.Get("Location")); r["duration"] != 7.0 {
		t.Errorf("robot = %v, want one for 7 days", r)
	}
	trail := w.as(admin, "GET", "/api/v2.0/audit-logs?q=username%3Dadmin&page_size=100", "").body
	if !strings.Contains(trail, `"banner_message,notification_enable,read_only,robot_token_duration"`) {
		t.Errorf("the audit trail does not tell what was changed: %s", trail)
	}
}

// harborsSettings are the fields of Harbor's ConfigurationsResponse.
func harborsSettings() []string {
	return strings.Fields(`auth_mode primary_auth_mode ldap_base_dn ldap_filter ldap_group_base_dn ldap_group_admin_dn
		ldap_group_attribute_name ldap_group_search_filter ldap_group_search_scope ldap_group_attach_parallel ldap_scope ldap_search_dn ldap_timeout ldap_uid
		ldap_url ldap_verify_cert ldap_group_membership_attribute project_creation_restriction read_only self_registration token_expiration uaa_client_id
		uaa_client_secret uaa_endpoint uaa_verify_cert http_authproxy_endpoint http_authproxy_tokenreview_endpoint http_authproxy_admin_groups
		http_authproxy_admin_usernames http_authproxy_verify_cert http_authproxy_skip_search http_authproxy_server_certificate oidc_name oidc_endpoint
		oidc_client_id oidc_groups_claim oidc_admin_group oidc_group_filter oidc_scope oidc_user_claim oidc_verify_cert oidc_auto_onboard
		oidc_extra_redirect_parms oidc_logout robot_token_duration robot_name_prefix notification_enable quota_per_project_enable storage_per_project
		audit_log_forward_endpoint skip_audit_log_database scanner_skip_update_pulltime scan_all_policy session_timeout banner_message
		disabled_audit_log_event_types`)
}

func TestOnlyAdministratorsCreateProjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want(w.as(admin, "PUT", "/api/v2.0/configurations", `{"project_creation_restriction":"adminonly"}`), 200, "the restriction")
	if got := w.object(nobody, "/api/v2.0/systeminfo"); got["project_creation_restriction"] != "adminonly" {
		t.Errorf("systeminfo = %v, want adminonly", got)
	}
	w.want(w.as(alice, "POST", "/api/v2.0/projects", `{"project_name":"mine"}`), 403, "a project of a user")
	w.want(w.as(admin, "POST", "/api/v2.0/projects", `{"project_name":"ours"}`), 201, "a project of an administrator")
	w.want(w.as(admin, "PUT", "/api/v2.0/configurations", `{"project_creation_restriction":"everyone"}`), 200, "no restriction")
	w.want(w.as(alice, "POST", "/api/v2.0/projects", `{"project_name":"mine"}`), 201, "a project of a user, after that")
}

func TestSchedules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for path, c := range map[string]struct{ parameters, says, bad string }{
		"/api/v2.0/system/gc/schedule":         {`{"delete_untagged":true,"workers":2,"dry_run":false}`, `{"delete_untagged":true,"dry_run":false,"workers":2}`, `{"workers":9}`},
		"/api/v2.0/system/purgeaudit/schedule": {`{"audit_retention_hour":720,"include_event_types":"create_artifact","dry_run":true}`, `{"audit_retention_hour":720,"dry_run":true,"include_event_types":"create_artifact"}`, `{"audit_retention_hour":0}`},
	} {
		send := func(method, kind, cron, parameters string) answer {
			return w.as(admin, method, path, fmt.Sprintf(`{"schedule":{"type":%q,"cron":%q},"parameters":%s}`, kind, cron, parameters))
		}
		if got := strings.TrimSpace(w.as(admin, "GET", path, "").body); got != "{}" {
			t.Errorf("GET %s without one = %s, want {}", path, got)
		}
		a := w.want(send("POST", "Daily", "0 0 0 * * *", c.parameters), 201, "POST %s", path)
		if a.header.Get("Location") != path {
			t.Errorf("Location = %q, want %q", a.header.Get("Location"), path)
		}
		got := w.object(admin, path)
		if at(got, "schedule", "type") != "Daily" || at(got, "schedule", "cron") != "0 0 0 * * *" || got["job_parameters"] != c.says || at(got, "schedule", "next_scheduled_time") == nil {
			t.Errorf("GET %s = %v, want what was sent and the next time", path, got)
		}
		w.want(send("POST", "Daily", "", "{}"), 409, "POST %s again", path)
		w.want(send("PUT", "Custom", "0 30 2 * * 1-5", `{"unknown":1}`), 200, "PUT %s", path)
		if got := w.object(admin, path); at(got, "schedule", "cron") != "0 30 2 * * 1-5" || got["job_parameters"] != "{}" {
			t.Errorf("GET %s = %v, want what was put", path, got)
		}
		for _, bad := range [][2]string{{"Custom", ""}, {"Custom", "30 2 * * *"}, {"Custom", "* * * * * *"}, {"Custom", "0 0 0 31 2 *"}, {"Custom", "x"}, {"Sometimes", "0 0 0 * * *"}, {"", ""}, {"Custom", "TZ= 0 0 0 * *"}} {
			w.want(send("PUT", bad[0], bad[1], "{}"), 400, "PUT %s %q", path, bad)
		}
		w.want(send("PUT", "Daily", "", c.bad), 400, "PUT %s %s", path, c.bad)
		w.want(w.as(admin, "PUT", path, `{}`), 400, "PUT %s without a schedule", path)
		if got := w.want(send("PUT", "Manual", "", "{}"), 501, "running %s", path); got.code() != "NOT_IMPLEMENTED" {
			t.Errorf("running = %s, want NOT_IMPLEMENTED", got.body)
		}
		if got := w.object(admin, path); at(got, "schedule", "type") != "Custom" {
			t.Errorf("GET %s = %v, want what was put last", path, got)
		}
	}
	var tasks []client.ScheduleTask
	if err := json.Unmarshal([]byte(w.as(admin, "GET", "/api/v2.0/schedules", "").body), &tasks); err != nil || len(tasks) != 2 || tasks[0].Cron != "0 30 2 * * 1-5" {
		t.Errorf("schedules = %v, %v, want both", tasks, err)
	}
	w.want(w.as(admin, "PUT", "/api/v2.0/system/gc/schedule", `{"schedule":{"type":"None"}}`), 200, "taking it away")
	w.want(w.as(admin, "PUT", "/api/v2.0/system/gc/schedule", `{"schedule":{"type":"None"}}`), 200, "taking it away again")
	if got := strings.TrimSpace(w.as(admin, "GET", "/api/v2.0/system/gc/schedule", "").body); got != "{}" {
		t.Errorf("GET after that = %s, want {}", got)
	}
	w.want(w.as(admin, "PUT", "/api/v2.0/system/gc/schedule", `{"schedule":{"type":"Weekly"}}`), 200, "PUT without one before")
	if got := w.object(admin, "/api/v2.0/system/gc/schedule"); at(got, "schedule", "cron") != "0 0 0 * * 0" {
		t.Errorf("GET = %v, want the time of Weekly", got)
	}
}

// What is not installed answers as Harbor does with none: lists are empty and say so, things are not there, and what would
// make one says that it can't be.
func TestWhatIsNotInstalled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{
		"/system/gc", "/system/purgeaudit", "/scanners", "/projects/team/scanner/candidates", "/security/vul", "/p2p/preheat/instances", "/projects/team/preheat/policies",
	} {
		a := w.want(w.as(admin, "GET", "/api/v2.0"+path, ""), 200, "GET %s", path)
		if strings.TrimSpace(a.body) != "[]" || a.header.Get("X-Total-Count") != "0" {
			t.Errorf("GET %s = %s with X-Total-Count %q, want [] and 0", path, a.body, a.header.Get("X-Total-Count"))
		}
		w.want(w.as(admin, "GET", "/api/v2.0"+path+"?page_size=1000", ""), 400, "GET %s with a page that is too large", path)
	}
	for path, want := range map[string]string{
		"/jobservice/pools": "[]", "/jobservice/queues": "[]", "/jobservice/pools/all/workers": "[]", "/p2p/preheat/providers": "[]", "/projects/team/preheat/providers": "[]",
		"/projects/team/scanner": "{}", "/system/scanAll/schedule": "{}", "/schedules/all/paused": `{"paused":false}`, "/system/CVEAllowlist": `{"id":0,"items":[],"project_id":0}`,
		"/export/cve/executions": `{"items":[]}`, "/scans/all/metrics": `{"completed":0,"ongoing":false,"total":0}`,
	} {
		if got := strings.TrimSpace(w.want(w.as(admin, "GET", "/api/v2.0"+path, ""), 200, "GET %s", path).body); got != want {
			t.Errorf("GET %s = %s, want %s", path, got, want)
		}
	}
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/scanners", `{"name":"trivy"}`, 501},
		{"PUT", "/projects/team/scanner", `{"uuid":"x"}`, 412},
		{"POST", "/system/scanAll/schedule", `{"schedule":{"type":"Daily"}}`, 412},
		{"POST", "/system/scanAll/stop", "", 412},
		{"PUT", "/system/CVEAllowlist", `{"items":[]}`, 501},
		{"POST", "/export/cve", `{}`, 412},
		{"POST", "/p2p/preheat/instances", `{}`, 501},
		{"POST", "/projects/team/preheat/policies", `{}`, 501},
		{"PUT", "/jobservice/queues/all", `{"action":"pause"}`, 501},
		{"GET", "/scanners/x", "", 404},
		{"GET", "/system/gc/1/log", "", 404},
		{"PUT", "/system/purgeaudit/1", "", 404},
		{"GET", "/jobservice/jobs/1/log", "", 404},
		{"GET", "/jobservice/pools/1/workers", "", 404},
		{"GET", "/schedules/GARBAGE_COLLECTION/paused", "", 400},
		{"GET", "/icons/sha256:0", "", 404},
	} {
		a := w.want(w.as(admin, c.method, "/api/v2.0"+c.path, c.body), c.status, "%s %s", c.method, c.path)
		if a.code() == "" || !strings.Contains(a.body, ": ") {
			t.Errorf("%s %s = %s, want errors[] with a remedy", c.method, c.path, a.body)
		}
	}
}

func TestVolumesAndCertificate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if got := strings.TrimSpace(w.as(admin, "GET", "/api/v2.0/systeminfo/volumes", "").body); got != `{"storage":[{"free":40,"total":100}]}` {
		t.Errorf("volumes = %s, want those of the data folder", got)
	}
	a := w.want(w.as(nobody, "GET", "/api/v2.0/systeminfo/getcert", ""), 200, "the certificate")
	if !strings.HasPrefix(a.body, "-----BEGIN CERTIFICATE-----") || !strings.Contains(a.header.Get("Content-Disposition"), "ca.crt") {
		t.Errorf("getcert = %v %s, want a file with the certificate", a.header, a.body)
	}
}

func TestCurrentUserPermissions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rights := func(who, query string) string {
		t.Helper()
		var list []client.UserPermission
		a := w.want(w.as(who, "GET", "/api/v2.0/users/current/permissions?"+query, ""), 200, "permissions?%s of %s", query, who)
		if err := json.Unmarshal([]byte(a.body), &list); err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, p := range list {
			out = append(out, p.Resource+":"+p.Action)
		}
		return " " + strings.Join(out, " ") + " "
	}
	scope := fmt.Sprintf("/project/%d", w.team.ID)
	for _, c := range []struct{ who, query, has, lacks string }{
		{dave, "scope=" + scope, scope + "/repository:push", scope + "/repository:delete"},
		{dave, "scope=" + scope + "&relative=true", "repository:push", "repository:delete"},
		{gwen, "scope=/project/team&relative=true", "repository:pull", "repository:push"},
		{gwen, "scope=/project/team&relative=true", ".:read", ".:update"},
		{gwen, "scope=/project/team", scope + ":read", scope + ":update"},
		{dave, "", "/system/project:create", "/system/user:list"},
		{admin, "scope=/system&relative=true", "user:list", "member:list"},
	} {
		got := rights(c.who, c.query)
		if !strings.Contains(got, " "+c.has+" ") || strings.Contains(got, " "+c.lacks+" ") {
			t.Errorf("permissions?%s of %s = %s, want %s and no %s", c.query, c.who, got, c.has, c.lacks)
		}
	}
	w.want(w.as(bob, "GET", "/api/v2.0/users/current/permissions?scope=/project/team", ""), 404, "those in a project that one can't see")
	for _, bad := range []string{"team", "/project/", "/project/1/repository", "/projects/1"} {
		w.want(w.as(dave, "GET", "/api/v2.0/users/current/permissions?scope="+bad, ""), 400, "scope %s", bad)
	}
}

func TestCLISecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	put := func(body string) answer {
		return w.send("PUT", w.userPath(dave, "/cli_secret"), body, "Authorization", basic(dave, password))
	}
	w.want(put(`{"secret":"Harbor12345"}`), 400, "a secret that the client chose")
	first := at(fields(t, w.want(put(`{}`), 200, "a secret")), "secret")
	second := at(fields(t, w.want(put(`{"secret":""}`), 200, "another secret")), "secret")
	if first == nil || first == second {
		t.Errorf("secrets = %v, %v, want two", first, second)
	}
	if list := w.as(dave, "GET", "/api/v2.0/personal-access-tokens", ""); strings.Count(list.body, `"name":"cli"`) != 1 {
		t.Errorf("tokens = %s, want one named cli: the second took the first one's place", list.body)
	}
	w.want(w.as(admin, "PUT", w.userPath(dave, "/cli_secret"), `{}`), 403, "a secret of another user")
	w.want(w.as(dave, "PUT", w.userPath(dave, "/cli_secret"), `{}`), 403, "a secret by a token, which could outlive it")
}
