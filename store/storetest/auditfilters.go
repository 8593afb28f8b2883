package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/store"
)

// auditFilters narrows the trail in each way.
func auditFilters(t *testing.T, s store.Store) {
	ctx := t.Context()
	in := []audit.Record{
		{Operation: "project.create", Resource: "project:team"},
		{Operation: "member.create", Resource: "project:team/member:bob"},
		{Operation: "robot.secret.replace", Resource: "project:team/robot:ci"},
		{Operation: "artifact.push", Resource: "artifact:blue/a_b:v1"},
		{Operation: "token", Resource: "repository:team/app:pull"},
	}
	for i := range in {
		in[i].Time, in[i].Actor = when(0).Add(time.Duration(i)*time.Hour), "alice"
	}
	ok(t, "AppendAudit", s.AppendAudit(ctx, in))
	for _, c := range []struct {
		name, want string
		f          store.AuditFilter
	}{
		{"project", "robot.secret.replace member.create project.create", store.AuditFilter{Project: "team"}},
		{"kind", "project.create", store.AuditFilter{Kind: "project"}},
		{"kind that is a word alone", "token", store.AuditFilter{Kind: "token"}},
		{"verb", "member.create project.create", store.AuditFilter{Operation: "create"}},
		{"part of a verb", "", store.AuditFilter{Operation: "replace"}},
		{"verb of two words", "robot.secret.replace", store.AuditFilter{Operation: "secret.replace"}},
		{"both", "member.create", store.AuditFilter{Kind: "member", Operation: "create"}},
		{"resource", "project.create", store.AuditFilter{Resource: "team"}},
		{"part of a resource", "artifact.push", store.AuditFilter{Part: "a_b"}},
		{"part that is a pattern", "", store.AuditFilter{Part: "a%b"}},
		{"since", "token artifact.push", store.AuditFilter{Since: when(0).Add(3 * time.Hour)}},
		{"until", "member.create project.create", store.AuditFilter{Until: when(0).Add(time.Hour)}},
		{"until before all", "", store.AuditFilter{Until: when(0).Add(-time.Hour)}},
		{"what can't be kept", "", store.AuditFilter{Resource: "\x00"}},
	} {
		f := store.Filter{Audit: c.f}
		var got []string
		for _, r := range all(t, "ListAudit by "+c.name, s.ListAudit(ctx, f)) {
			got = append(got, r.Operation)
		}
		equal(t, "ListAudit by "+c.name, strings.Join(got, " "), c.want)
		equal(t, "CountAudit by "+c.name, must[int](t, "CountAudit")(s.CountAudit(ctx, f)), len(got))
	}
	report, err := audit.Verify(ctx, s, nil, nil, nil)
	if err != nil || len(report.Faults) > 0 || report.Records != int64(len(in)) {
		t.Errorf("Verify = %+v, %v, want all records and no fault", report, err)
	}
}
