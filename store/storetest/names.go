package storetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// projectNames holds since when a project has which name: nobody else had it from then on.
func projectNames(t *testing.T, s store.Store) {
	ctx := t.Context()
	p := project(t, s, "one")
	names := func(what string, want ...string) map[string]time.Time {
		t.Helper()
		var got []string
		since := map[string]time.Time{}
		for _, n := range must[[]store.NamedSince](t, "ProjectNames")(s.ProjectNames(ctx, p.ID)) {
			got, since[n.Name] = append(got, n.Name), n.Since
		}
		if !slices.Equal(got, want) {
			t.Errorf("ProjectNames %s = %q, want %q", what, got, want)
		}
		return since
	}
	rename := func(to string) {
		t.Helper()
		_, err := s.RenameProject(ctx, p.ID, to)
		ok(t, "RenameProject", err)
	}
	born := names("at first", "one")["one"]
	equal(t, "since when the first name is", born.Equal(p.CreatedAt), true)
	rename("two")
	second := names("after a rename", "two", "one")
	if !second["one"].Equal(born) || !second["two"].After(born) {
		t.Errorf("ProjectNames after a rename = %v, want two to begin after %s", second, born)
	}
	rename("three")
	third := names("after another", "three", "one", "two")
	if !third["two"].Equal(second["two"]) || third["three"].Before(third["two"]) {
		t.Errorf("ProjectNames after another = %v, want two as in %v", third, second)
	}
	rename("one")
	if again := names("with the first name again", "one", "two", "three"); !again["one"].Equal(born) || !again["three"].Equal(third["three"]) {
		t.Errorf("ProjectNames with the first name again = %v, want one since %s, when nobody else could have it", again, born)
	}
	ok(t, "ForgetName", s.ForgetName(ctx, p.ID, "two"))
	names("after one is forgotten", "one", "three")
	_, err := s.ProjectNames(ctx, p.ID+99)
	kind(t, "ProjectNames of none", err, errs.NotFound)
}

// auditNames lists the trail of a project that had several names: each from when it had it, in one order, on pages.
func auditNames(t *testing.T, s store.Store) {
	ctx := t.Context()
	at := func(minute int) time.Time { return time.Unix(1_900_000_000+int64(minute)*60, 0) }
	for i, name := range []string{"new", "old", "other", "old", "older", "new", "old", "new", "older", "new"} {
		ok(t, "AppendAudit", s.AppendAudit(ctx, []audit.Record{{
			Time: at(i), Operation: "member.create", Resource: "project:" + name + "/member:" + string(rune('0'+i)), Actor: "alice", Outcome: audit.Allowed,
		}}))
	}
	former := []store.NamedSince{{Name: "old", Since: at(1)}, {Name: "older", Since: at(5)}}
	filter := store.Filter{Audit: store.AuditFilter{Project: "new", Since: at(4), Formerly: &former}}
	list := func(what string, change func(f *store.Filter), want string) []audit.Record {
		t.Helper()
		f := filter
		change(&f)
		var got strings.Builder
		records := all(t, "ListAudit", s.ListAudit(ctx, f))
		for _, r := range records {
			got.WriteString(r.Resource[len(r.Resource)-1:])
		}
		equal(t, "ListAudit "+what, got.String(), want)
		return records
	}
	// of new what is 4 or later: 5 7 9; of old what is 4 or later, as the whole list is: 6; of older what is 5 or later: 8
	whole := list("of all names", func(*store.Filter) {}, "98765")
	list("the oldest first", func(f *store.Filter) { f.Sort = "time" }, "56789")
	list("on the second page", func(f *store.Filter) { f.Offset, f.Limit = 2, 2 }, "76")
	list("after a record", func(f *store.Filter) { f.After = whole[1].ID }, "765")
	list("with another's name", func(f *store.Filter) { f.Audit.Part = "older" }, "8")
	list("from the first name on", func(f *store.Filter) { f.Audit.Since = time.Time{} }, "98765310")
	equal(t, "CountAudit of all names", must[int](t, "CountAudit")(s.CountAudit(ctx, filter)), 5)
	for r, err := range s.ListAudit(ctx, filter) { // a reader may stop
		ok(t, "ListAudit", err)
		equal(t, "the first record", r.ID, whole[0].ID)
		break
	}
}
