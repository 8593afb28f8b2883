package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sealock/sealock/e2e/internal/fixture"
	"github.com/sealock/sealock/e2e/internal/wire"
)

// next is where the next page is, as clients read it out of Link.
var next = regexp.MustCompile(`<([^>]+)>; rel="next"`)

// all reads a list to its end, from Link to Link.
func (s *harborScript) all(path string) (out []fields) {
	s.t.Helper()
	for total := 0; path != ""; {
		page := s.get(path)
		out, total, path = append(out, page.list()...), page.total(), ""
		if m := next.FindStringSubmatch(page.Header.Get("Link")); m != nil {
			path = strings.TrimPrefix(m[1], "/api/v2.0")
		} else if len(out) != total && !s.moving {
			s.t.Errorf("%s says that there are %d, and pages had %d", page.what, total, len(out))
		}
	}
	return out
}

// images is what scripts that tidy up do, with images that crane pushed.
func (s *harborScript) images() {
	s.create("/projects", fields{"project_name": "shop", "metadata": fields{"public": "false"}})
	s.create("/projects", fields{"project_name": "attic", "metadata": fields{"public": "true"}})
	desk := newDesk(s.t, s.server)
	must(s.t, desk.login("admin", s.password))
	must(s.t, desk.push("shop/web"))
	must(s.t, desk.push("shop/back/end"))
	must(s.t, desk.push("attic/old"))

	s.wantNames("repositories", s.get("/projects/shop/repositories?sort=name").names("name"), "shop/back/end", "shop/web")
	// A slash in a repository's name is encoded twice, or a proxy in between would undo it.
	at := "/projects/shop/repositories/back%252Fend"
	s.get(at).wantWritten(fields{"name": "shop/back/end", "artifact_count": 1})
	s.get("/projects/shop/repositories/back%2Fend").wantWritten(fields{"name": "shop/back/end"})
	s.call(200, "PUT", at, fields{"description": "what is behind"})
	s.get(at).wantWritten(fields{"description": "what is behind"})

	list := s.get(at + "/artifacts?with_tag=true&with_label=true&with_scan_overview=true&with_sbom_overview=true&with_signature=true&with_immutable_status=true&with_accessory=true")
	if list.total() != 1 {
		s.t.Fatalf("%s has %d, want one", list.what, list.total())
	}
	artifact := list.list()[0]
	digest := fmt.Sprint(artifact["digest"])
	if tags, _ := artifact["tags"].([]any); len(tags) != 1 || artifact["type"] != "IMAGE" || number(artifact, "size") <= 0 {
		s.t.Errorf("an artifact = %v, want an image with one tag", artifact)
	}
	s.get(at + "/artifacts/1.0.0").wantWritten(fields{"digest": digest, "manifest_media_type": fixture.MediaTypeManifest})
	s.get(at + "/artifacts/" + digest).wantWritten(fields{"digest": digest, "extra_attrs": fields{"os": "linux", "architecture": "amd64"}})
	s.get(at + "/artifacts/1.0.0/additions/build_history")
	s.get(at + "/artifacts/1.0.0/accessories")

	s.call(201, "POST", at+"/artifacts/"+digest+"/tags", fields{"name": "stable"})
	s.call(409, "POST", at+"/artifacts/"+digest+"/tags", fields{"name": "stable"})
	s.wantNames("tags", s.get(at+"/artifacts/"+digest+"/tags?sort=name").names("name"), "1.0.0", "stable")
	s.wantNames("tags that contain a part", s.get(at+"/artifacts/"+digest+"/tags?q=name%3D~stab").names("name"), "stable")
	must(s.t, desk.Run("crane", "pull", "--format", "oci", s.server.Addr+"/shop/back/end:stable", desk.Fresh("stable")))
	s.call(200, "DELETE", at+"/artifacts/"+digest+"/tags/stable", nil)
	s.call(404, "DELETE", at+"/artifacts/"+digest+"/tags/stable", nil)

	copied := s.call(201, "POST", "/projects/attic/repositories/saved/artifacts?from="+url.QueryEscape("shop/back/end@"+digest), nil)
	if want := "/api/v2.0/projects/attic/repositories/saved/artifacts/" + digest; copied.Header.Get("Location") != want {
		s.t.Errorf("the Location of a copy = %q, want %q", copied.Header.Get("Location"), want)
	}
	s.get("/projects/attic/repositories/saved/artifacts/" + digest)
	s.call(404, "POST", "/projects/attic/repositories/saved/artifacts?from=shop/none:1", nil)
	s.wantNames("artifacts of a project", s.get("/projects/attic/artifacts?with_tag=true&sort=-push_time").names("repository_name"), "attic/saved", "attic/old")

	for query, want := range map[string]int{"tags%3D1.0.0": 1, "tags%3Dnone": 0, "tags%3D*": 1, "tags%3Dnil": 0, "tags%3D~1.0": 1, "digest%3D" + digest: 1, "type%3DIMAGE": 1, "type%3DCHART": 0} {
		if got := s.get(at + "/artifacts?q=" + query).total(); got != want {
			s.t.Errorf("artifacts with q=%s: %d, want %d", query, got, want)
		}
	}
	label := s.create("/labels", fields{"name": "keep", "scope": "g"})
	s.call(200, "POST", at+"/artifacts/"+digest+"/labels", fields{"id": id(label)})
	s.call(409, "POST", at+"/artifacts/"+digest+"/labels", fields{"id": id(label)})
	if got := s.get(at + "/artifacts?q=" + url.QueryEscape(fmt.Sprintf("labels=(%.0f)", id(label)))).total(); got != 1 {
		s.t.Errorf("artifacts with the label: %d, want 1", got)
	}
	s.call(200, "DELETE", fmt.Sprintf("%s/artifacts/%s/labels/%.0f", at, digest, id(label)), nil)
	s.call(200, "DELETE", label, nil)
	s.call(200, "DELETE", at+"/artifacts/"+digest, nil)
	s.call(404, "GET", at+"/artifacts/"+digest, nil)
	mustFail(s.t, desk.pull("shop/back/end"))
	s.call(412, "DELETE", "/projects/shop", nil)
	s.call(200, "DELETE", at, nil)
	s.call(404, "GET", at, nil)

	s.get("/projects/shop/summary").wantWritten(fields{"repo_count": 1})
	if used := inner(inner(s.get("/projects/shop/summary").object(), "quota"), "used"); number(used, "storage") <= 0 {
		s.t.Errorf("the storage that shop uses = %v, want some", used)
	}
	s.get("/projects/shop/_deletable").wantWritten(fields{"deletable": false})
	found := s.get("/search?q=web").object()
	if repos, _ := found["repository"].([]any); len(repos) != 1 {
		s.t.Errorf("search = %v, want shop/web", found)
	}
	counts := s.get("/statistics").object()
	for name, want := range map[string]float64{"private_project_count": 1, "public_repo_count": 2, "private_repo_count": 1} {
		if counts[name] != want {
			s.t.Errorf("%s of statistics = %v, want %v", name, counts[name], want)
		}
	}
	s.wantNames("all repositories", s.get("/repositories?sort=name").names("name"), "attic/old", "attic/saved", "shop/web")
	s.wantNames("all repositories for nobody", s.as("", "").get("/repositories?sort=name").names("name"), "attic/old", "attic/saved")
}

// lists reads lists to their end in both ways, narrows and sorts them.
func (s *harborScript) lists() {
	var want []string
	for n := range 23 {
		name := fmt.Sprintf("many%02d", n)
		want = append(want, name)
		s.create("/projects", fields{"project_name": name, "metadata": fields{"public": fmt.Sprint(n%2 == 0)}})
	}
	var byLink []string
	for _, p := range s.all("/projects?q=name%3D~many&sort=name&page_size=5") {
		byLink = append(byLink, fmt.Sprint(p["name"]))
	}
	s.wantNames("projects by Link", byLink, want...)
	var byNumber []string
	for page, total := 1, 1; len(byNumber) < total; page++ {
		got := s.get(fmt.Sprintf("/projects?q=name%%3D~many&sort=-name&page=%d&page_size=10", page))
		total = got.total()
		byNumber = append(byNumber, got.names("name")...)
	}
	slices.Reverse(byNumber)
	s.wantNames("projects by number", byNumber, want...)
	if n := len(s.get("/projects?name=many").list()); n != 10 {
		s.t.Errorf("a page has %d, want 10 by default", n)
	}
	s.wantNames("exactly one", s.get("/projects?q=name%3Dmany07").names("name"), "many07")
	s.wantNames("one of several", s.get("/projects?sort=name&q="+url.QueryEscape("name={many09 many07 none}")).names("name"), "many07", "many09")
	s.wantNames("between two", s.get("/projects?sort=name&q="+url.QueryEscape("name=[many07~many09],public=false")).names("name"), "many07", "many09")
	s.wantNames("two conditions", s.get("/projects?q=name%3D~many1,public%3Dtrue&sort=name").names("name"), "many10", "many12", "many14", "many16", "many18")
	for _, bad := range []string{"page_size=101", "page=0", "q=nonsense", "q=secret%3D1", "q=owner_id%3Dx", "sort=password"} {
		s.call(400, "GET", "/projects?"+bad, nil)
	}
	for _, name := range want {
		s.call(200, "DELETE", "/projects/"+name, nil)
	}

	// The trail, by both paths, and a project's.
	for _, path := range []string{"/audit-logs", "/auditlog-exts", "/projects/shop/logs", "/projects/shop/auditlog-exts"} {
		got := s.get(path + "?page_size=5&sort=-op_time")
		if got.total() < 5 || len(got.list()) != 5 {
			s.t.Errorf("%s = %s, want five records", got.what, got.Body)
		}
		since := url.QueryEscape("op_time=[" + time.Now().UTC().Add(-time.Hour).Format("2006-01-02 15:04:05") + "~" + time.Now().UTC().Add(time.Hour).Format("2006-01-02 15:04:05") + "]")
		if all, lately := s.get(path).total(), s.get(path+"?q="+since).total(); all != lately && lately < 5 {
			s.t.Errorf("%s of the last hour has %d of %d", path, lately, all)
		}
		if n := s.get(path + "?q=" + url.QueryEscape("op_time=[2001-01-01 00:00:00~2001-01-02 00:00:00]")).total(); n != 0 {
			s.t.Errorf("%s of the year 2001 has %d, want none", path, n)
		}
	}
	s.wantNames("operations", slices.Compact(s.get("/audit-logs?q="+url.QueryEscape("operation=delete,username=admin")+"&page_size=5").names("operation")), "delete")
	if len(s.get("/auditlog-exts/events").list()) == 0 {
		s.t.Error("there are no kinds of events")
	}
}

// people is what scripts do with accounts, and what somebody does with their own.
func (s *harborScript) people() {
	at := s.create("/users", fields{"username": "ann", "email": "ann@example.com", "realname": "Ann", "password": "Ann-of-2026"})
	ann := s.as("ann", "Ann-of-2026")
	ann.get("/users/current").wantWritten(fields{"username": "ann", "user_id": id(at), "sysadmin_flag": false, "email": "ann@example.com"})
	ann.call(403, "GET", "/users", nil)
	ann.call(403, "POST", "/users", fields{"username": "eve", "password": "Eve-of-2026", "email": "e@example.com", "realname": "Eve"})
	s.as("", "").call(401, "GET", "/users/current", nil)
	s.as("ann", "wrong").call(401, "GET", "/users/current", nil)
	s.wantNames("found users", s.get("/users?q=username%3D~an&sort=username").names("username"), "ann")
	s.wantNames("searched users", ann.get("/users/search?username=ann").names("username"), "ann")
	if n := ann.get("/projects?name=shop").total(); n != 0 {
		s.t.Errorf("ann sees %d projects called shop, want none: it is private", n)
	}
	ann.call(404, "GET", "/projects/shop", nil)
	s.create("/projects/shop/members", fields{"role_id": 2, "member_user": fields{"username": "ann"}})
	ann.get("/projects/shop").wantWritten(fields{"current_user_role_id": 2})
	permissions := ann.get("/users/current/permissions?scope=/project/shop&relative=true")
	if !strings.Contains(string(permissions.Body), `"push"`) {
		s.t.Errorf("ann's permissions = %s, want push as a developer", permissions.Body)
	}

	ann.call(200, "PUT", at+"/password", fields{"old_password": "Ann-of-2026", "new_password": "Ann-of-2027"})
	ann.call(401, "GET", "/users/current", nil)
	ann = s.as("ann", "Ann-of-2027")
	ann.call(200, "PUT", at, fields{"email": "ann@example.com", "realname": "Ann Other", "comment": ""})
	// The CLI secret is a password for docker, and a personal access token besides, so it can't be chosen.
	ann.call(400, "PUT", at+"/cli_secret", fields{"secret": "Docker-alone-2026"})
	secret := fmt.Sprint(ann.call(200, "PUT", at+"/cli_secret", fields{}).object()["secret"])
	docker := newDesk(s.t, s.server)
	must(s.t, docker.login("ann", secret))
	must(s.t, docker.push("shop/anns"))
	must(s.t, docker.pull("shop/anns"))

	group := s.create("/usergroups", fields{"group_name": "buyers", "group_type": 0})
	s.call(201, "POST", group+"/members", fields{"username": "ann"})
	s.wantNames("members of a group", s.get(group+"/members").names("username"), "ann")
	s.wantNames("searched groups", s.get("/usergroups/search?groupname=buy").names("group_name"), "buyers")
	s.wantNames("groups that somebody finds who may not list them", ann.get("/usergroups/search?groupname=buyers").names("group_name"), "buyers")
	s.wantNames("and can't guess at", ann.get("/usergroups/search?groupname=buy").names("group_name"))
	s.call(200, "DELETE", group+"/members/"+fmt.Sprintf("%.0f", id(at)), nil)
	s.call(200, "DELETE", group, nil)
	s.call(200, "DELETE", at+"/sessions", nil)
	s.call(404, "GET", "/users/99999", nil)
}

// robots is what pipelines do with the robot of a project.
func (s *harborScript) robots() {
	access := []any{fields{"resource": "repository", "action": "pull"}, fields{"resource": "repository", "action": "push"}}
	made := s.call(201, "POST", "/robots", fields{"name": "ci", "level": "project", "duration": 1, "permissions": []any{fields{"kind": "project", "namespace": "shop", "access": access}}})
	robot := made.object()
	name, secret := fmt.Sprint(robot["name"]), fmt.Sprint(robot["secret"])
	if !strings.HasSuffix(name, "shop+ci") || len(secret) < 16 {
		s.t.Fatalf("a project's robot = %s, want shop+ci with a secret", made.Body)
	}
	docker := newDesk(s.t, s.server)
	must(s.t, docker.login(name, secret))
	must(s.t, docker.push("shop/built"))
	mustFail(s.t, docker.push("attic/built"), "denied")
	shop := s.get("/projects/shop").object()
	s.wantNames("robots of a project", s.get(fmt.Sprintf("/robots?q=Level%%3Dproject,ProjectID%%3D%.0f", shop["project_id"])).names("name"), name)
	at := fmt.Sprintf("/projects/shop/robots/%.0f", robot["id"])
	s.get(at).wantWritten(fields{"name": name, "level": "project", "duration": 1})
	s.wantNames("robots of a project by its path", s.get("/projects/shop/robots").names("name"), name)
	s.call(403, "POST", "/projects/shop/robots", fields{"name": "wide", "duration": 1, "permissions": []any{fields{"kind": "project", "namespace": "attic", "access": access}}})
	fresh := fmt.Sprint(s.call(200, "PATCH", fmt.Sprintf("/robots/%.0f", robot["id"]), fields{"secret": ""}).object()["secret"])
	mustFail(s.t, newDesk(s.t, s.server).login(name, secret))
	must(s.t, newDesk(s.t, s.server).login(name, fresh))
	s.call(200, "PUT", at, with(s.get(at).object(), fields{"disable": true}))
	mustFail(s.t, newDesk(s.t, s.server).login(name, fresh))
	s.call(200, "DELETE", at, nil)
	second := s.call(201, "POST", "/projects/shop/robots", fields{"name": "ci2", "duration": -1, "permissions": []any{fields{"kind": "project", "namespace": "shop", "access": access}}}).object()
	s.call(200, "DELETE", fmt.Sprintf("/robots/%.0f", second["id"]), nil)
	s.get("/permissions").wantWritten(fields{})
}

// systems is what probes, adapters and dashboards read.
func (s *harborScript) systems() {
	nobody := s.as("", "")
	if got := nobody.send("GET", "/api/version", nil); got.Status != 200 || got.object()["version"] != "v2.0" {
		s.t.Errorf("/api/version = %d %s, want v2.0", got.Status, got.Body)
	}
	if got := nobody.get("/ping"); string(got.Body) != "Pong" {
		s.t.Errorf("ping = %s, want Pong", got.Body)
	}
	nobody.get("/health").wantWritten(fields{"status": "healthy"})
	if info := nobody.get("/systeminfo").object(); info["harbor_version"] != nil || info["auth_mode"] != "db_auth" {
		s.t.Errorf("systeminfo for nobody = %v, want the mode and no version", info)
	}
	if info := s.get("/systeminfo").object(); !strings.HasPrefix(fmt.Sprint(info["harbor_version"]), "v2.") || info["registry_url"] != s.server.Addr {
		s.t.Errorf("systeminfo = %v, want a version that clients know and %s", info, s.server.Addr)
	}
	if storage, _ := s.get("/systeminfo/volumes").object()["storage"].([]any); len(storage) == 0 {
		s.t.Error("systeminfo/volumes has none")
	}
	s.call(404, "GET", "/systeminfo/getcert", nil) // it speaks no TLS
	if got := nobody.get("/openapi.json").object(); got["openapi"] == nil {
		s.t.Errorf("openapi.json is not the document")
	}
	for _, path := range []string{"/api/docs", "/api/docs/viewer.css"} {
		if got := nobody.send("GET", path, nil); got.Status != 200 {
			s.t.Errorf("%s = %d, want the viewer of the document", got.what, got.Status)
		}
	}
	ping := s.call(200, "POST", "/ldap/ping", fields{"ldap_url": "ldap://" + deadAddr(s.t), "ldap_base_dn": "dc=example,dc=com", "ldap_uid": "uid", "ldap_scope": 2, "ldap_connection_timeout": 1})
	ping.wantWritten(fields{"success": false})
	s.call(400, "GET", "/ldap/users/search?username=ann", nil)
	s.call(400, "GET", "/ldap/groups/search?groupname=dev", nil)
	s.call(400, "POST", "/ldap/users/import", fields{"ldap_uid_list": []any{"ann"}})
	s.call(400, "POST", "/system/oidc/ping", fields{"url": "http://" + deadAddr(s.t), "verify_cert": false})
}

// jobs reads what there is of jobs: their histories are empty until there are any.
func (s *harborScript) jobs() {
	for _, path := range []string{"/system/gc", "/system/purgeaudit", "/schedules", "/quotas?page_size=1"} {
		if got := s.get(path); !strings.HasPrefix(path, "/quotas") && got.total() != len(got.list()) {
			s.t.Errorf("%s has %d of %d", path, len(got.list()), got.total())
		}
	}
	s.get("/jobservice/pools").list()
	s.get("/jobservice/queues").list()
	s.get("/jobservice/pools/all/workers").list()
	s.get("/schedules/all/paused").wantWritten(fields{"paused": false})
	s.call(501, "PUT", "/jobservice/queues/REPLICATION", fields{"action": "pause"})
	s.get("/retentions/metadatas")
	for _, path := range []string{"/system/gc/1", "/system/gc/1/log", "/system/purgeaudit/1", "/system/purgeaudit/1/log", "/jobservice/jobs/1/log"} {
		s.call(404, "GET", path, nil)
	}
	for _, path := range []string{"/system/gc/1", "/system/purgeaudit/1", "/jobservice/jobs/1"} {
		s.call(404, "PUT", path, fields{"status": "Stopped"})
	}
}

// absent is what nobody has installed: what is read is empty, and the rest says so.
func (s *harborScript) absent() {
	artifact := "/projects/shop/repositories/web/artifacts/1.0.0"
	for _, path := range []string{"/scanners", "/projects/shop/scanner/candidates", "/p2p/preheat/providers", "/projects/shop/preheat/providers", "/p2p/preheat/instances", "/projects/shop/preheat/policies", "/security/vul"} {
		if got := s.get(path).list(); len(got) != 0 {
			s.t.Errorf("%s = %v, want none", path, got)
		}
	}
	for _, path := range []string{
		"/projects/shop/scanner", "/scans/all/metrics", "/scans/schedule/metrics", "/system/scanAll/schedule", "/system/CVEAllowlist", "/security/summary", "/export/cve/executions",
	} {
		s.get(path).object()
	}
	for _, path := range []string{
		artifact + "/additions/vulnerabilities", artifact + "/scan/1/log", "/scanners/x", "/scanners/x/metadata", "/export/cve/execution/1", "/export/cve/download/1", "/p2p/preheat/instances/x",
		"/projects/shop/preheat/policies/x", "/projects/shop/preheat/policies/x/executions", "/projects/shop/preheat/policies/x/executions/1",
		"/projects/shop/preheat/policies/x/executions/1/tasks", "/projects/shop/preheat/policies/x/executions/1/tasks/1/logs", "/icons/sha256:0",
	} {
		s.call(404, "GET", path, nil)
	}
	for path, methods := range map[string]string{
		"/scanners/x": "PUT PATCH DELETE", "/p2p/preheat/instances/x": "PUT DELETE", "/projects/shop/preheat/policies/x": "PUT POST DELETE",
		"/projects/shop/preheat/policies/x/executions/1": "PATCH",
	} {
		for method := range strings.FieldsSeq(methods) {
			s.call(404, method, path, fields{})
		}
	}
	for path, want := range map[string]int{
		"POST " + artifact + "/scan": 412, "POST " + artifact + "/scan/stop": 412, "POST /scanners": 501, "POST /scanners/ping": 501, "PUT /projects/shop/scanner": 412, "POST /system/scanAll/schedule": 412, "PUT /system/scanAll/schedule": 412,
		"POST /system/scanAll/stop": 412, "PUT /system/CVEAllowlist": 501, "POST /export/cve": 412, "POST /p2p/preheat/instances": 501, "POST /p2p/preheat/instances/ping": 501,
		"POST /projects/shop/preheat/policies": 501,
	} {
		method, path, _ := strings.Cut(path, " ")
		s.call(want, method, path, fields{})
	}
	s.get(artifact + "?with_scan_overview=true&with_sbom_overview=true")
}

// browser is a session with its token, as Harbor's own pages and scripts with a cookie jar use it.
func (s *harborScript) browser() {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	send := func(want int, method, path, contentType, body string, header ...string) reply {
		s.t.Helper()
		req := request(s.t, method, s.server.URL+path, body)
		if contentType != "" {
			req.Header.Set("Content-Type", contentType)
		}
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		got := s.do(client, req)
		if got.Status != want {
			s.t.Fatalf("%s = %d %s, want %d", got.what, got.Status, got.Body, want)
		}
		return got
	}
	const form, csrf, label = "application/x-www-form-urlencoded", "X-Harbor-CSRF-Token", `{"name":"by-session","scope":"g"}`
	send(401, "POST", "/c/login", form, "principal=ann&password=wrong").wantError()
	send(200, "POST", "/c/login", form, url.Values{"principal": {"admin"}, "password": {s.password}}.Encode())
	token := send(200, "GET", "/api/v2.0/users/current", "", "").Header.Get(csrf)
	refused := send(403, "POST", "/api/v2.0/labels", "application/json", label)
	refused.wantError()
	if token == "" || refused.Header.Get(csrf) != token {
		s.t.Errorf("the session's token is %q, and %q with the refusal, want it with each answer", token, refused.Header.Get(csrf))
	}
	send(403, "POST", "/api/v2.0/labels", "application/json", label, csrf, token, "Origin", "https://evil.example.com").wantError()
	made := send(201, "POST", "/api/v2.0/labels", "application/json", label, csrf, token)
	send(200, "DELETE", made.Header.Get("Location"), "", "", csrf, token)
	send(200, "GET", "/c/log_out", "", "")
	send(401, "GET", "/api/v2.0/users/current", "", "").wantError()
}

// bearer asks the token end-point for a token of the API, as OAuth 2.0 clients do.
func (s *harborScript) bearer() {
	c := wire.New(s.server.Addr, "admin", s.password)
	token, _, err := c.Token(wire.Challenge{Realm: s.server.URL + "/service/token", Service: "sealock-api"})
	if err != nil {
		s.t.Fatal(err)
	}
	nobody := s.as("", "")
	nobody.get("/users/current", "Authorization", "Bearer "+token.Token).wantWritten(fields{"username": "admin"})
	nobody.call(401, "GET", "/users/current", nil, "Authorization", "Bearer "+token.Token+"x")
}
