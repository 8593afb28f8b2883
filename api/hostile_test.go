package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Fields that decide about privilege are not taken from the bodies of requests that are about something else.
func TestMassAssignment(t *testing.T) {
	w := newWorld(t)
	const privileged = `"sysadmin_flag":true,"admin_role_in_auth":true,"has_admin_role":true,"role_id":1,"user_id":1,"id":1,"deleted":true,"SysAdmin":true,"password_hash":"x","reset_uuid":"x"`
	a := w.want(w.as(admin, "POST", "/api/v2.0/users", `{"username":"eve","password":"correct-horse-battery",`+privileged+`}`), 201, "POST users")
	eve := w.object(admin, a.header.Get("Location"))
	if eve["sysadmin_flag"] != false || eve["admin_role_in_auth"] != false || eve["user_id"] == 1.0 {
		t.Errorf("created user = %v, want no privilege of the body's", eve)
	}
	w.want(w.as(dave, "PUT", w.userPath(dave, ""), `{"email":"d@example.com","username":"admin",`+privileged+`}`), 200, "PUT own profile")
	if me := w.object(dave, "/api/v2.0/users/current"); me["sysadmin_flag"] != false || me["username"] != dave {
		t.Errorf("own profile afterwards = %v, want dave without privilege", me)
	}
	w.want(w.as(dave, "PUT", w.userPath(dave, "/password"), `{"old_password":"correct-horse-battery","new_password":"another-long-secret","sysadmin_flag":true,"user_id":1}`), 200, "PUT own password")
	w.want(w.send("GET", "/api/v2.0/users/current", "", "Authorization", basic(admin, password)), 200, "the administrator's password")
	a = w.want(w.as(bob, "POST", "/api/v2.0/projects", `{"project_name":"bobs","owner_id":1,"owner_name":"admin","project_id":1,"repo_count":9}`), 201, "POST projects")
	if p := w.object(bob, a.header.Get("Location")); p["owner_name"] != bob {
		t.Errorf("created project = %v, want bob for an owner", p)
	}
	w.want(w.as(alice, "PUT", "/api/v2.0/projects/team", `{"project_name":"stolen","owner_id":1,"metadata":{"public":"false","owner_id":"1"}}`), 200, "PUT project")
	if p := w.object(alice, "/api/v2.0/projects/team"); p["owner_name"] != alice || p["name"] != "team" {
		t.Errorf("changed project = %v, want the same name and owner", p)
	}
}

// object gets an object of the API.
func (w *world) object(name, path string) map[string]any {
	w.t.Helper()
	a := w.want(w.as(name, "GET", path, ""), 200, "GET %s", path)
	var v map[string]any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		w.t.Errorf("GET %s = %s, want an object: %v", path, a.body, err)
	}
	return v
}

// TestBodies sends what is no body to every operation that takes one.
func TestBodies(t *testing.T) {
	w := newWorld(t)
	bodies := map[string]string{
		"none": "", "no JSON": "{", "an array": "[]", "null": "null", "a string": `"x"`, "two objects": "{}{}",
		"trailing text": "{} x", "deep": strings.Repeat(`{"a":`, 20000) + "1" + strings.Repeat("}", 20000),
		"huge": `{"a":"` + strings.Repeat("x", 2<<20) + `"}`, "XML": "<a/>", "a form": "username=eve",
		"wrong types": `{"username":1,"password":[],"project_name":{},"metadata":"x","role_id":"2","new_password":false,"sysadmin_flag":"yes","email":{},"policy":1,"description":1,"secret":1,"ldap_url":1,"rules":1,"disabled":1,"policy_id":"x","dry_run":1,"action":1,"marks":1}`,
		"NUL":         "\x00", "half a character": "{\"username\":\"\\ud800\",\"password\":7,\"project_name\":7,\"metadata\":7,\"role_id\":7.5,\"new_password\":7,\"sysadmin_flag\":7,\"email\":7,\"policy\":7,\"description\":7,\"secret\":7,\"user_id\":\"7\",\"ldap_url\":7,\"rules\":7,\"disabled\":7,\"policy_id\":\"7\",\"dry_run\":7,\"action\":7,\"marks\":7}",
	}
	for _, op := range operations(t, loadDocument(t)) {
		if op.RequestBody == nil {
			continue
		}
		for name, body := range bodies {
			if body == "" && !op.RequestBody.Value.Required {
				continue
			}
			got := w.as(admin, op.method, w.path(op), body)
			if got.status != http.StatusBadRequest || got.code() != "BAD_REQUEST" {
				t.Errorf("%s with %s = %d %.200s, want 400 BAD_REQUEST", op, name, got.status, got.body)
			}
		}
		for _, typ := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json/x"} {
			// The kinds of body that a browser sends to another site without asking it first.
			if !op.RequestBody.Value.Required {
				continue // there need not be one, and ownSite keeps other sites away
			}
			req := w.as(admin, op.method, w.path(op), "", "Content-Type", typ)
			w.want(req, http.StatusBadRequest, "%s with %s", op, typ)
		}
	}
}

// An empty object changes nothing about who is an administrator.
func TestMissingFlagIsNoAnswer(t *testing.T) {
	w := newWorld(t)
	w.want(w.as(admin, "PUT", w.userPath(admin, "/sysadmin"), `{}`), 400, "PUT sysadmin {}")
	w.want(w.as(admin, "PUT", w.userPath(admin, "/sysadmin"), `{"sysadmin_flag":null}`), 400, "PUT sysadmin null")
	w.want(w.as(admin, "PUT", w.userPath(admin, "/sysadmin"), `{"sysadmin_flag":false}`), 412, "demoting the last administrator")
}

func TestBadNumbers(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"x", "1.5", "1e3", "%00", "9223372036854775808", "1;drop", "'", "0x1"} {
		for _, path := range []string{"/api/v2.0/users/" + id, "/api/v2.0/projects/team/members/" + id} {
			w.want(w.as(admin, "GET", path, ""), 400, "GET %s", path)
		}
	}
	for _, id := range []string{"0", "-1", "9223372036854775807"} {
		for _, path := range []string{"/api/v2.0/users/" + id, "/api/v2.0/projects/team/members/" + id, "/api/v2.0/projects/" + id} {
			w.want(w.as(admin, "GET", path, ""), 404, "GET %s", path)
		}
	}
	for _, name := range []string{"Team", "te%2Fam", "te%00am", "%27%20or%201=1--", "%F0%9F%90%B3", strings.Repeat("x", 300), "99999999999999999999"} {
		w.want(w.as(admin, "GET", "/api/v2.0/projects/"+name, ""), 404, "GET project %s", name)
	}
}

// TestBadLists asks every list for pages, orders and filters that there are not.
func TestBadLists(t *testing.T) {
	w := newWorld(t)
	queries := map[string][]string{
		"page":      {"0", "-1", "x", "1.5", "9223372036854775807", "99999999999999999999", "1;2"},
		"page_size": {"0", "-1", "101", "x", "1000000000"},
		"sort":      {"password", "password_hash", "-salt", "name;drop table users", "name,-id", "'", "1", "(select 1)"},
		"q": {
			"password=~a", "password_hash=~a", "salt=x", "name", "username", "=", "=x", "name=", "username=",
			"name=~", "username=~", "name=[a]", "name=[~]", "username={a", "username={}", "name=(a b)", "name=\"a", "id=x", "creation_time=[a~b]", "name=a,name=b", "username=a,username=b", "name=a,x=b", "'=1",
			"username=a,password=~b", strings.Repeat("name=~a,", 5000),
		},
	}
	for _, op := range operations(t, loadDocument(t)) {
		for _, p := range op.Parameters {
			if p.Ref == "" {
				continue // a parameter of its own, such as the q of search
			}
			for _, v := range queries[p.Value.Name] {
				path := w.path(op)
				if strings.Contains(path, "?") {
					path += "&"
				} else {
					path += "?"
				}
				path += p.Value.Name + "=" + urlEscape(v)
				got := w.as(admin, op.method, path, "")
				if got.status != http.StatusBadRequest {
					t.Errorf("%s %.120s = %d %.200s, want 400", op.method, path, got.status, got.body)
				}
			}
		}
	}
}

// Nobody gets past the authentication, or past the rights, by writing a path otherwise. (Harbor: CVE-2020-29662.)
func TestPathVariants(t *testing.T) {
	w := newWorld(t)
	before := w.state()
	for _, op := range operations(t, loadDocument(t)) {
		if op.who == "anyone" {
			continue
		}
		path, query, _ := strings.Cut(w.path(op), "?")
		for _, variant := range variants(path) {
			if query != "" {
				variant += "?" + query
			}
			for _, name := range []string{nobody, bob} {
				if name == bob && (slices.Contains(allowed(op.who), bob) || op.OperationID == "deleteProject") { // which may end in another operation's
					continue
				}
				got := w.as(name, op.method, variant, op.example(t))
				if got.status < 300 || strings.Contains(got.body, "@example.com") {
					t.Errorf("%s %s as %q = %d %.200s, want a refusal", op.method, variant, name, got.status, got.body)
				}
			}
		}
	}
	w.wantSameState(before, "writing a path otherwise")
}

// variants writes a path in ways that some part in between may read as the path.
func variants(path string) []string {
	out := []string{
		path + "/", path + "//", path + "/.", path + "/..;/", "/" + path, strings.ToUpper(path), path + "%20", path + "%00", path + ";x", path + ".json", path + "%2f", path + "%2F..",
		path + "?x=/api/v2.0/ping", path + "%23", path + "/ping/..", path + "/%2e%2e/" + path[strings.LastIndex(path, "/")+1:],
	}
	for _, root := range []string{"/v2.0//", "/v2.0/./", "/v2.0/ping/../", "/v2%2e0/", "/v2.0%2f", "/v2.0;/", "/v2.0/%2e/", "/v2.0/ping/%2e%2e/", "/V2.0/", "/v2.0\\"} {
		out = append(out, strings.Replace(path, "/v2.0/", root, 1))
	}
	return out
}

// A header or a parameter that says another method is nothing to this server, whichever a proxy may listen to.
func TestMethodsAreWhatTheySay(t *testing.T) {
	w := newWorld(t)
	before := w.state()
	for _, op := range operations(t, loadDocument(t)) {
		path := w.path(op)
		if op.method == http.MethodGet && op.OperationID != "listProjects" { // whose HEAD is another operation
			for _, name := range []string{nobody, bob, admin} {
				get, head := w.as(name, "GET", path, ""), w.as(name, "HEAD", path, "")
				if get.status != head.status || head.body != "" {
					t.Errorf("HEAD %s as %q = %d %s, want the %d of GET and no body", path, name, head.status, head.body, get.status)
				}
			}
		}
		if op.method == http.MethodGet || op.method == http.MethodHead {
			continue
		}
		sep := map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")]
		for _, header := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
			w.as(admin, "GET", path+sep+"_method="+op.method, op.example(t), header, op.method)
		}
		for _, method := range []string{"OPTIONS", "TRACE", "PROPFIND", strings.ToLower(op.method), "GET" + op.method} {
			if got := w.as(admin, method, path, op.example(t)); got.status < 400 && method != "OPTIONS" || got.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s %s = %d %v, want it to be refused", method, path, got.status, got.header)
			}
		}
	}
	w.wantSameState(before, "saying another method")
}

// TestParametersAreValues puts what means something to a database, a directory or a file system into every parameter of
// the query that takes text: the answer finds nothing or says that it is none.
func TestParametersAreValues(t *testing.T) {
	w := newWorld(t)
	before := w.state()
	for _, op := range operations(t, loadDocument(t)) {
		for _, p := range op.Parameters {
			if p.Value.In != "query" || !p.Value.Schema.Value.Type.Is("string") || op.method != http.MethodGet {
				continue
			}
			for _, v := range []string{"' OR '1'='1", "x'; DROP TABLE users; --", "%", "_", `\`, "*)(uid=*", "../../etc/passwd", "\x00", "\xff", strings.Repeat("x", 5000), "${jndi:x}", "{{7*7}}"} {
				path, _, _ := strings.Cut(w.path(op), "?")
				path += "?" + p.Value.Name + "=" + urlEscape(v)
				got := w.as(admin, op.method, path, "")
				var list []any
				if got.status >= 500 && got.status != http.StatusServiceUnavailable || got.status == 200 && p.Ref != "" && json.Unmarshal([]byte(got.body), &list) == nil && len(list) > 0 {
					t.Errorf("GET %.150s = %d %.200s, want nothing to be found, or 400", path, got.status, got.body)
				}
			}
		}
	}
	w.wantSameState(before, "asking for odd values")
}

// A method that a path does not have, and a path that there is not, are errors of the API.
func TestNoSuchOperation(t *testing.T) {
	w := newWorld(t)
	got := w.want(w.as(admin, "PATCH", "/api/v2.0/users", ""), http.StatusMethodNotAllowed, "PATCH users")
	if got.header.Get("Allow") == "" {
		t.Errorf("PATCH users has no Allow, want one: RFC 9110 section 15.5.6 asks for it")
	}
	for _, path := range []string{"/api/v2.0/nothing", "/api/v2.0", "/api/", "/api/v2.0/projects/team/members/1/x"} {
		if got := w.want(w.as(admin, "GET", path, ""), http.StatusNotFound, "GET %s", path); got.code() != "NOT_FOUND" {
			t.Errorf("GET %s = %s, want the code NOT_FOUND", path, got.body)
		}
	}
}

// Secrets that go in come out nowhere: not in answers, errors, the audit trail or the log.
func TestSecretsStayIn(t *testing.T) {
	w := newWorld(t)
	const canary = "canary-7f3a-secret"
	answers := []answer{
		w.as(admin, "POST", "/api/v2.0/users", `{"username":"eve","password":"`+canary+`","email":"no mail"}`),
		w.as(admin, "POST", "/api/v2.0/users", `{"username":"eve","password":"`+canary+`"}`),
		w.as(admin, "POST", "/api/v2.0/users", `{"username":"eve","password":"`+canary+`"}`),
		w.as(dave, "PUT", w.userPath(dave, "/password"), `{"old_password":"`+canary+`","new_password":"`+canary+`2"}`),
		w.as(dave, "PUT", w.userPath(alice, "/password"), `{"old_password":"`+canary+`","new_password":"`+canary+`2"}`),
		w.as(admin, "PUT", w.userPath(dave, "/password"), `{"new_password":"`+canary+`"}`),
		w.as(admin, "PUT", w.userPath(dave, "/password"), `{"new_password":{"`+canary+`":1}}`),
		w.send("GET", "/api/v2.0/users", "", "Authorization", basic("eve", canary)),
		w.send("GET", "/api/v2.0/users", "", "Authorization", basic(alice, canary)),
		w.send("GET", "/api/v2.0/users", "", "Authorization", "Bearer "+canary),
		w.as(admin, "GET", "/api/v2.0/users?page_size=100", ""),
		w.as(admin, "GET", "/api/v2.0/refresh-tokens?all=true", ""),
		w.as(admin, "GET", "/api/v2.0/audit-logs?page_size=100", ""),
	}
	for i, a := range answers {
		if strings.Contains(a.body, canary) || strings.Contains(fmt.Sprint(a.header), canary) || strings.Contains(a.body, "argon2") {
			t.Errorf("answer %d = %d %s, want no secret in it", i, a.status, a.body)
		}
	}
	if strings.Contains(w.log.String(), canary) {
		t.Errorf("log = %s, want no secret in it", w.log)
	}
}
