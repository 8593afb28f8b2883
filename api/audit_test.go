package api_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"

	"github.com/sealock/sealock/internal/audit"
)

// TestMain teaches the test of answers against the document what JSON lines are: a text.
func TestMain(m *testing.M) {
	openapi3filter.RegisterBodyDecoder("application/jsonl", openapi3filter.PlainBodyDecoder)
	os.Exit(m.Run())
}

// trail puts records into the store, a minute apart, the last one now.
func (w *world) trail(records ...audit.Record) {
	w.t.Helper()
	for i := range records {
		records[i].Time = time.Now().Add(time.Duration(i-len(records)+1) * time.Minute)
		records[i].Outcome = audit.Allowed
	}
	if err := w.store.AppendAudit(w.t.Context(), records); err != nil {
		w.t.Fatal(err)
	}
}

// logged is what clients of Harbor read of a record.
type logged struct {
	ID           int64     `json:"id"`
	Username     string    `json:"username"`
	Operation    string    `json:"operation"`
	ResourceType string    `json:"resource_type"`
	Resource     string    `json:"resource"`
	OpTime       time.Time `json:"op_time"`
	Result       *bool     `json:"operation_result"`
}

func (w *world) logs(who, path, q string) []logged {
	w.t.Helper()
	got := w.want(w.as(who, "GET", path+"?page_size=100&q="+url.QueryEscape(q), ""), 200, path+" with q=%s", q)
	var all []logged
	if err := json.Unmarshal([]byte(got.body), &all); err != nil {
		w.t.Fatal(err)
	}
	return all
}

func TestAuditLogsAreNarrowed(t *testing.T) {
	w := newWorld(t)
	start := time.Now().Add(-10 * time.Minute)
	w.trail(
		audit.Record{Actor: "zoe", Operation: "project.create", Resource: "project:blue"},
		audit.Record{Actor: "zoe", Operation: "member.create", Resource: "project:blue/member:max"},
		audit.Record{Actor: "max", Operation: "artifact.push", Resource: "artifact:blue/app:v1"},
		audit.Record{Actor: "max", Operation: "robot.secret.replace", Resource: "project:blue/robot:ci"},
		audit.Record{Actor: "max", Operation: "token", Resource: "repository:blue/app:pull", JTI: "j1"},
		audit.Record{Actor: "zoe", Operation: "user.create", Resource: "user:100%"},
	)
	whole := w.logs(admin, "/api/v2.0/audit-logs", "op_time=["+start.UTC().Format(time.RFC3339)+"~]")
	if len(whole) < 6 {
		t.Fatalf("the trail has %d records, want 6", len(whole))
	}
	first := whole[len(whole)-1].ID
	mine := fmt.Sprintf("id=[%d~%d]", first, first+5)
	for _, c := range []struct{ q, want string }{
		{"", "create/user token/token secret.replace/robot push/artifact create/member create/project"},
		{"username=max", "token/token secret.replace/robot push/artifact"},
		{"operation=create", "create/user create/member create/project"},
		{"operation=replace", ""},
		{"operation=secret.replace", "secret.replace/robot"},
		{"operation=%", ""},
		{"resource_type=project", "create/project"},
		{"resource_type=token", "token/token"},
		{"resource_type=project,operation=create,username=zoe", "create/project"},
		{"resource=blue", "create/project"},
		{"resource=100%", "create/user"},
		{"resource=~blue/app", "token/token push/artifact"},
		{"resource=~0%", "create/user"},
	} {
		var got []string
		for _, r := range w.logs(admin, "/api/v2.0/auditlog-exts", strings.TrimSuffix(mine+","+c.q, ",")) {
			got = append(got, r.Operation+"/"+r.ResourceType)
			if r.Result == nil || !*r.Result {
				t.Errorf("operation_result of %+v, want true", r)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("auditlog-exts with q=%s = %s, want %s", c.q, strings.Join(got, " "), c.want)
		}
	}
	second := whole[len(whole)-2].OpTime
	between := "op_time=[" + second.Format("2006-01-02 15:04:05") + "~" + second.Format("2006-01-02 15:04:05") + "]"
	if got := w.logs(admin, "/api/v2.0/audit-logs", between); len(got) != 1 || got[0].Operation != "create" || got[0].ResourceType != "member" {
		t.Errorf("audit-logs with q=%s = %v, want the one of that second", between, got)
	}
	if got := w.logs(admin, "/api/v2.0/decisions", "username=max"); len(got) != 1 {
		t.Errorf("decisions about max = %v, want one", got)
	}
	for _, q := range []string{
		"op_time=[yesterday~]", "op_time=~2026", "id=[a~b]", "id=[1~2],id=[3~4]", "id=[1]", "id=[1~2", "reason=x", "username=", "password=[a~b]", "op_time=[0000-01-01~]",
	} {
		w.want(w.as(admin, "GET", "/api/v2.0/audit-logs?q="+url.QueryEscape(q), ""), 400, "audit-logs with q=%s", q)
	}
}

// TestProjectLogsAreItsOwn shows the administrator of a project what was done in it, and nothing of others or of an earlier project.
func TestProjectLogsAreItsOwn(t *testing.T) {
	w := newWorld(t)
	old := audit.Record{Time: w.team.CreatedAt.Add(-time.Hour), Actor: "zoe", Operation: "artifact.push", Resource: "artifact:team/secret:v1", Outcome: audit.Allowed}
	if err := w.store.AppendAudit(t.Context(), []audit.Record{old}); err != nil {
		t.Fatal(err)
	}
	for _, r := range []audit.Record{
		{Operation: "artifact.push", Resource: "artifact:teamwork/app:v1"},
		{Operation: "artifact.push", Resource: "artifact:team/app:v1"},
		{Operation: "registry.push", Resource: "repository:team/app:pull,push"},
		{Operation: "token", Resource: "repository:team/app:pull"},
		{Operation: "project.create", Resource: "project:team/x"},
	} {
		r.Actor = "zoe"
		w.trail(r)
	}
	for _, path := range []string{"/api/v2.0/projects/team/logs", "/api/v2.0/projects/" + strconv.FormatInt(w.team.ID, 10) + "/auditlog-exts"} {
		var got []string
		for _, r := range w.logs(alice, path, "username=zoe") {
			got = append(got, r.ResourceType+" "+r.Resource)
		}
		if strings.Join(got, ", ") != "registry repository:team/app:pull,push, artifact team/app:v1" {
			t.Errorf("%s = %q, want the two of the project", path, got)
		}
	}
}

// TestTotalOfALongTrail follows Link to the end of a list that is longer than what is counted.
func TestTotalOfALongTrail(t *testing.T) {
	w := newWorld(t)
	records := make([]audit.Record, 1234)
	for i := range records {
		records[i] = audit.Record{Time: time.Now(), Actor: "zoe", Operation: "token", Resource: fmt.Sprint(i)}
	}
	if err := w.store.AppendAudit(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for page := 1; ; page++ {
		got := w.want(w.as(admin, "GET", fmt.Sprintf("/api/v2.0/audit-logs?q=username%%3Dzoe&page_size=100&page=%d", page), ""), 200, "page %d", page)
		var rows []logged
		if err := json.Unmarshal([]byte(got.body), &rows); err != nil {
			t.Fatal(err)
		}
		seen += len(rows)
		total, _ := strconv.Atoi(got.header.Get("X-Total-Count"))
		next := strings.Contains(got.header.Get("Link"), `rel="next"`)
		if next != (seen < 1234) || next != (total > seen) || page == 1 && total != 1000 {
			t.Errorf("page %d: X-Total-Count %d, next %v after %d records", page, total, next, seen)
		}
		if !next {
			break
		}
	}
	if seen != 1234 {
		t.Errorf("the pages hold %d records, want 1234", seen)
	}
}

func TestAuditExport(t *testing.T) {
	w := newWorld(t)
	w.trail(audit.Record{Actor: "zoe", Operation: "user.create"}, audit.Record{Actor: "max\n", Operation: "user.delete", Reason: "<&>"})
	since := url.QueryEscape(time.Now().Add(-30 * time.Second).UTC().Format(time.RFC3339))
	got := w.want(w.as(admin, "GET", "/api/v2.0/audit-logs/export?since="+since, ""), 200, "export")
	var last audit.Exported
	n := 0
	for line := range strings.Lines(got.body) {
		var r audit.Exported
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("line %q is no JSON: %v", line, err)
		}
		if r.ID <= last.ID || r.Seq == 0 || len(r.Hash) != 64 || r.Actor == "zoe" {
			t.Errorf("line %+v after id %d: want rising ids, a place in a chain, and none before since", r, last.ID)
		}
		if last = r; r.Actor == "max\n" && r.Reason == "<&>" {
			n++
		}
	}
	if n != 1 || last.Operation != "audit.export" {
		t.Errorf("export = %s, want max's record once, and the export itself", got.body)
	}
	all := w.as(admin, "GET", "/api/v2.0/audit-logs/export", "")
	after := w.as(admin, "GET", fmt.Sprintf("/api/v2.0/audit-logs/export?after=%d", last.ID-1), "")
	if !strings.HasSuffix(strings.TrimSpace(all.body), "}") || strings.Contains(after.body, "max") || !strings.Contains(after.body, "audit.export") {
		t.Errorf("export after %d = %s, want what comes behind", last.ID-1, after.body)
	}
}

func TestAuditVerificationByAPI(t *testing.T) {
	w := newWorld(t)
	w.trail(make([]audit.Record, 1500)...)
	report := func(marks string) (r audit.Report, lines int) {
		got := w.want(w.as(admin, "POST", "/api/v2.0/audit-logs/verification", marks), 200, "verification")
		for line := range strings.Lines(got.body) {
			r = audit.Report{}
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatalf("line %q is no JSON: %v", line, err)
			}
			lines++
		}
		return r, lines
	}
	whole, lines := report(`{}`)
	if len(whole.Faults) > 0 || whole.Records < 1500 || lines < 2 {
		t.Fatalf("verification = %+v in %d lines, want no fault, and progress", whole, lines)
	}
	mark := whole.Heads[0]
	mark.Hash = strings.Repeat("0", 64)
	text, err := json.Marshal(map[string]any{"marks": []audit.Mark{mark}})
	if err != nil {
		t.Fatal(err)
	}
	if other, _ := report(string(text)); len(other.Faults) != 1 || other.Faults[0].Seq != mark.Seq {
		t.Errorf("verification with another end than was seen = %+v, want one fault there", other.Faults)
	}
}

func TestAuditEventTypes(t *testing.T) {
	w := newWorld(t)
	got := w.want(w.as(dave, "GET", "/api/v2.0/auditlog-exts/events", ""), 200, "events")
	for _, name := range []string{`{"event_type":"create_project"}`, `{"event_type":"push_artifact"}`, `{"event_type":"token"}`} {
		if !strings.Contains(got.body, name) {
			t.Errorf("events = %s, want %s among them", got.body, name)
		}
	}
}
