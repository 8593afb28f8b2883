package api_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/audit"
)

const policyPath = "/api/v2.0/policy"

func TestReplacePolicy(t *testing.T) {
	w := newWorld(t)
	read := w.want(w.as(admin, "GET", policyPath, ""), 200, "GET policy")
	tag := read.header.Get("ETag")
	var was struct{ Policy string }
	if err := json.Unmarshal([]byte(read.body), &was); err != nil || tag == "" {
		t.Fatalf("GET policy = %s with ETag %q, %v", read.body, tag, err)
	}
	body := func(text string) string {
		b, err := json.Marshal(map[string]string{"policy": text, "comment": "why not"})
		must(t, b, err)
		return string(b)
	}
	more := was.Policy + "\np, guest, tag, **, delete, allow\n"
	w.want(w.as(alice, "PUT", policyPath, body(more)), 403, "PUT as alice")
	bad := w.want(w.as(admin, "PUT", policyPath, body("p, guest, repository, **, psuh, allow")), 400, "PUT with a fault")
	if !strings.Contains(bad.body, "policy.csv:1") || !strings.Contains(bad.body, "did you mean push?") {
		t.Errorf("PUT with a fault says %s, want the line and the remedy", bad.body)
	}
	put := w.want(w.as(admin, "PUT", policyPath, body(more), "If-Match", tag), 200, "PUT")
	if put.header.Get("ETag") == tag || put.header.Get("ETag") == "" {
		t.Errorf("ETag after PUT = %q, want another one than %q", put.header.Get("ETag"), tag)
	}
	w.want(w.as(admin, "PUT", policyPath, body(was.Policy), "If-Match", tag), 412, "PUT over what was not seen")
	w.want(w.as(admin, "PUT", policyPath, body(was.Policy), "If-Match", `""`), 412, "PUT over an empty tag")
	if got := w.want(w.as(admin, "GET", policyPath, ""), 200, "GET policy"); !strings.Contains(got.body, "p, guest, tag, **, delete, allow") {
		t.Errorf("policy = %.200s, want the new line in it", got.body)
	}

	list := w.want(w.as(admin, "GET", policyPath+"/history?page_size=1", ""), 200, "GET history")
	if list.header.Get("X-Total-Count") != "2" || !strings.Contains(list.body, `"author":"admin"`) || !strings.Contains(list.body, "why not") || strings.Contains(list.body, `"policy"`) {
		t.Errorf("history = %s of %s, want the newest of two, without its text", list.body, list.header.Get("X-Total-Count"))
	}
	w.want(w.as(admin, "GET", policyPath+"/history/99", ""), 404, "GET an unknown revision")
	w.want(w.as(admin, "POST", policyPath+"/history/1/rollback", ""), 200, "rolling back")
	if got := w.want(w.as(admin, "GET", policyPath, ""), 200, "GET policy"); got.header.Get("ETag") != tag {
		t.Errorf("ETag after a rollback = %q, want %q", got.header.Get("ETag"), tag)
	}
	trail := w.as(admin, "GET", "/api/v2.0/audit-logs?page_size=20", "").body
	for _, want := range []string{`"resource_type":"policy"`, `"operation":"update"`, `"operation":"rollback"`, `"outcome":"refused"`} {
		if !strings.Contains(trail, want) {
			t.Errorf("audit trail = %s, want %s in it", trail, want)
		}
	}
}

func TestExplainPolicy(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		who, body string
		status    int
		want      string
	}{
		{gwen, `{"action":"pull","name":"team/app:v1"}`, 200, `"allowed":true`},
		{gwen, `{"action":"push","name":"team/app:v1"}`, 200, "member add team gwen --role"},
		{gwen, `{"username":"gwen","action":"push","name":"team/app"}`, 200, `"allowed":false`},
		{bob, `{"action":"pull","name":"team/app"}`, 200, `"reason":"project \"team\" does not exist or is not visible to you"`},
		{bob, `{"action":"pull","name":"nothing-there/app"}`, 200, `"reason":"project \"nothing-there\" does not exist or is not visible to you"`},
		{gwen, `{"username":"alice","action":"push","name":"team/app"}`, 403, ""},
		{gwen, `{"username":"nobody-there","action":"push","name":"team/app"}`, 403, ""},
		{admin, `{"username":"alice","action":"push","name":"team/app"}`, 200, `"allowed":true`},
		{admin, `{"username":"anonymous","action":"pull","name":"team/app"}`, 200, `"allowed":false`},
		{admin, `{"username":"nobody-there","action":"push","name":"team/app"}`, 404, "there is no user"},
		{admin, `{"username":"gwen","action":"list","resource":"member","name":"team"}`, 200, `"allowed":true`},
		{admin, `{"username":"gwen","action":"create","resource":"user"}`, 200, `"allowed":false`},
		{admin, `{"action":"push","name":"team/app","remote":"here"}`, 400, "is no address"},
		{admin, `{"name":"team/app"}`, 400, "action"},
		{nobody, `{"action":"push","name":"team/app"}`, 401, ""},
	} {
		got := w.want(w.as(tt.who, "POST", policyPath+"/explain", tt.body), tt.status, "%s asks %s", tt.who, tt.body)
		if !strings.Contains(got.body, tt.want) {
			t.Errorf("%s asks %s: %s, want %s in it", tt.who, tt.body, got.body, tt.want)
		}
	}
}

func TestDiffPolicy(t *testing.T) {
	w := newWorld(t)
	w.want(w.as(alice, "POST", policyPath+"/diff", `{"new":{"policy":"x"}}`), 403, "diff as alice")
	w.want(w.as(admin, "POST", policyPath+"/diff", `{"new":{"policy":"x"},"days":0}`), 400, "diff of no days")
	w.want(w.as(admin, "POST", policyPath+"/diff", `{}`), 400, "diff of nothing")
	got := w.want(w.as(admin, "POST", policyPath+"/diff", `{"new":{"policy":"x"}}`), 200, "diff")
	if want := `{"decisions":7,"differences":[{"gains":[],"loses":["push"],"new":"new","old":"old","repository":"team/app","subject":"dave"}]}`; strings.TrimSpace(got.body) != want {
		t.Errorf("diff = %s, want %s", got.body, want)
	}
}

func TestReloadDryRun(t *testing.T) {
	w := newWorld(t)
	before := w.want(w.as(admin, "GET", policyPath, ""), 200, "GET policy").header.Get("ETag")
	w.want(w.as(alice, "POST", policyPath+"/reload?dry_run=true", ""), 403, "a dry run as alice")
	if got := w.want(w.as(admin, "POST", policyPath+"/reload?dry_run=true", ""), 200, "a dry run"); !strings.Contains(got.body, `"rules":`) {
		t.Errorf("a dry run = %s, want the number of rules", got.body)
	}
	if after := w.want(w.as(admin, "GET", policyPath, ""), 200, "GET policy").header.Get("ETag"); after != before {
		t.Errorf("ETag after a dry run = %q, want %q", after, before)
	}
}

// TestDecision wants what was recorded of a token, and the answer of the policy that was in force then.
func TestDecision(t *testing.T) {
	w := newWorld(t)
	first := w.issued(dave, "repository:team/app:pull")
	w.want(w.as(alice, "GET", "/api/v2.0/decisions/"+first, ""), 403, "a decision as alice")
	got := w.want(w.as(admin, "GET", "/api/v2.0/decisions/"+first, ""), 200, "a decision")
	for _, part := range []string{`"jti":"` + first, `"username":"dave"`, `"scope":"repository:team/app:pull"`, `"policy_revision":1`, `"reason":"replayed `, `"same":false`} {
		if !strings.Contains(got.body, part) {
			t.Errorf("the decision is %s, want %s in it", got.body, part)
		}
	}
	got = w.want(w.as(admin, "GET", "/api/v2.0/decisions/"+w.issued("", "repository:library/app:pull"), ""), 200, "a decision about nobody")
	if !strings.Contains(got.body, `"no_replay":"who asked is gone"`) || strings.Contains(got.body, `"replay"`) {
		t.Errorf("the decision about nobody is %s, want no replay and why", got.body)
	}
	w.want(w.as(admin, "GET", "/api/v2.0/decisions/nothing", ""), 404, "a decision that there is not")
	if list := w.want(w.as(admin, "GET", "/api/v2.0/audit-logs?q=username=dave", ""), 200, "the trail"); !strings.Contains(list.body, `"jti":"`+first) {
		t.Errorf("the audit trail is %s, want the token's id in it", list.body)
	}
}

// issued records that a token was issued and returns its id.
func (w *world) issued(who, scope string) string {
	w.t.Helper()
	id := "j" + strconv.Itoa(int(time.Now().UnixNano()))
	err := w.store.AppendAudit(w.t.Context(), []audit.Record{{Time: time.Now(), Actor: who, Operation: "token", Resource: scope, Outcome: audit.Allowed, Reason: "why", JTI: id}})
	must(w.t, id, err)
	return id
}
