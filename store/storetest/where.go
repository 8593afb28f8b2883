package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// listed is a list that takes conditions.
type listed[T any] struct {
	what   string
	list   func(where []store.Condition, after int64, limit int) []T
	count  func(where []store.Condition) int
	id     func(T) int64
	fields map[string]fieldOf[T]
}

// fieldOf is what values a record has in a field: one, or several.
type fieldOf[T any] struct {
	kind store.FieldKind
	of   func(T) []any
}

func one[T any](kind store.FieldKind, of func(T) any) fieldOf[T] {
	return fieldOf[T]{kind, func(r T) []any { return []any{of(r)} }}
}

// agree asks for what random conditions, and some more, let through, and compares it with what they say of each record of the
// whole list.
func (l listed[T]) agree(t *testing.T, more ...store.Condition) {
	t.Helper()
	whole := l.list(nil, 0, 0)
	if len(whole) < 3 {
		t.Fatalf("%s has %d records, want some", l.what, len(whole))
	}
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
	names := make([]string, 0, len(l.fields))
	for name := range l.fields {
		names = append(names, name)
	}
	slices.Sort(names)
	for n := range 12 * len(names) {
		where := []store.Condition{l.condition(r, names[n%len(names)], whole)}
		if n%3 == 0 {
			where = append(where, l.condition(r, names[r.IntN(len(names))], whole))
		}
		l.same(t, where, whole)
	}
	for _, c := range more {
		l.same(t, []store.Condition{c}, whole)
	}
}

func (l listed[T]) match(where []store.Condition, record T) bool {
	for _, c := range where {
		f := l.fields[c.Field]
		if !slices.ContainsFunc(f.of(record), func(v any) bool { return c.Match(f.kind, v) }) {
			return false
		}
	}
	return true
}

// same holds that the list has those records that the conditions are true of, on one page and page by page, and counts them.
func (l listed[T]) same(t *testing.T, where []store.Condition, whole []T) {
	t.Helper()
	var want, got, paged []int64
	for _, record := range whole {
		if l.match(where, record) {
			want = append(want, l.id(record))
		}
	}
	for _, record := range l.list(where, 0, 0) {
		got = append(got, l.id(record))
	}
	for after := int64(0); ; {
		page := l.list(where, after, 2)
		for _, record := range page {
			after = l.id(record)
			paged = append(paged, after)
		}
		if len(page) < 2 {
			break
		}
	}
	if !slices.Equal(got, want) || !slices.Equal(paged, want) {
		t.Errorf("%s where %+v = %v, in pages %v, want %v", l.what, where, got, paged, want)
	}
	if n := l.count(where); n != len(want) {
		t.Errorf("counting %s where %+v = %d, want %d", l.what, where, n, len(want))
	}
}

// condition makes a condition of values that records have.
func (l listed[T]) condition(r *rand.Rand, name string, whole []T) store.Condition {
	f := l.fields[name]
	some := func() any {
		for {
			if all := f.of(whole[r.IntN(len(whole))]); len(all) > 0 {
				return all[r.IntN(len(all))]
			}
		}
	}
	c := store.Condition{Field: name}
	if f.kind == store.Truth {
		return store.Is(name, some())
	}
	if text, ok := some().(string); ok && r.IntN(4) == 0 && text != "" {
		letters := []rune(text)
		from := r.IntN(len(letters))
		c.Part = string(letters[from : from+1+r.IntN(len(letters)-from)])
		if r.IntN(2) == 0 {
			c.Part = strings.ToUpper(c.Part)
		}
		return c
	}
	switch r.IntN(5) {
	case 0:
		c.Any = []store.Span{store.Exactly(some())}
	case 1:
		c.Any = []store.Span{store.Exactly(some()), store.Exactly(some()), store.Exactly(some())}
	case 2:
		c.Any = []store.Span{{From: some(), To: some()}}
	case 3:
		c.Any = []store.Span{{From: some()}}
	default:
		c.Any = []store.Span{{To: some()}, store.Exactly(some())}
	}
	return c
}

// oddNames are names in which characters mean something elsewhere, in several cases and alphabets.
func oddNames() []string {
	return []string{"alice", "Bob", "a%b", "a_b", "A!B", "o'neill", `back\slash`, "Ünal", "straße", "ＦＵＬＬ", "zoë"}
}

func whereUsers(t *testing.T, s store.Store) {
	ctx := t.Context()
	for i, name := range oddNames() {
		must[store.User](t, "CreateUser")(s.CreateUser(ctx, store.User{Name: name, SysAdmin: i%3 == 0}))
	}
	listed[store.User]{
		what: "users",
		list: func(where []store.Condition, after int64, limit int) []store.User {
			return all(t, "ListUsers", s.ListUsers(ctx, store.Filter{Where: where, After: after, Limit: limit}))
		},
		count: func(where []store.Condition) int {
			return must[int](t, "CountUsers")(s.CountUsers(ctx, store.Filter{Where: where}))
		},
		id: func(u store.User) int64 { return u.ID },
		fields: map[string]fieldOf[store.User]{
			"id":            one(store.Number, func(u store.User) any { return u.ID }),
			"name":          one(store.Name, func(u store.User) any { return u.Name }),
			"sysadmin":      one(store.Truth, func(u store.User) any { return u.SysAdmin }),
			"creation_time": one(store.Moment, func(u store.User) any { return u.CreatedAt }),
		},
	}.agree(t)
}

func whereProjects(t *testing.T, s store.Store) {
	ctx := t.Context()
	u := user(t, s, "alice")
	for i, name := range append(oddNames(), "ALICE", "bob") {
		p := store.Project{Name: name, Public: i%2 == 0, StorageLimit: int64(i%4) * 100}
		if i%3 == 0 {
			p.OwnerID = u.ID
		}
		p = must[store.Project](t, "CreateProject")(s.CreateProject(ctx, p))
		if i%4 > 1 {
			member(t, s, p, u, store.RoleGuest)
		}
		push := image(p, fmt.Sprintf("p%d/app", i), "v1", name, "base")
		push.Blobs[0].Size = int64(i % 5)
		put(t, s, push)
	}
	for what, f := range map[string]store.Filter{"projects": {}, "projects of a member": {MemberID: u.ID}, "public projects": {Public: new(true)}} {
		listed[store.Project]{
			what: what,
			list: func(where []store.Condition, after int64, limit int) []store.Project {
				f := f
				f.Where, f.After, f.Limit = where, after, limit
				return all(t, "ListProjects", s.ListProjects(ctx, f))
			},
			count: func(where []store.Condition) int {
				f := f
				f.Where = where
				return must[int](t, "CountProjects")(s.CountProjects(ctx, f))
			},
			id: func(p store.Project) int64 { return p.ID },
			fields: map[string]fieldOf[store.Project]{
				"id":            one(store.Number, func(p store.Project) any { return p.ID }),
				"name":          one(store.Written, func(p store.Project) any { return p.Name }),
				"owner_id":      one(store.Number, func(p store.Project) any { return p.OwnerID }),
				"storage_limit": one(store.Number, func(p store.Project) any { return p.StorageLimit }),
				"used":          one(store.Number, func(p store.Project) any { return usage(t, s, p) }),
				"creation_time": one(store.Moment, func(p store.Project) any { return p.CreatedAt }),
				"update_time":   one(store.Moment, func(p store.Project) any { return p.UpdatedAt }),
			},
		}.agree(t)
	}
}

func whereArtifacts(t *testing.T, s store.Store) {
	ctx := t.Context()
	p := project(t, s, "team")
	var marks []store.Label
	for _, name := range oddNames()[:4] {
		marks = append(marks, must[store.Label](t, "CreateLabel")(s.CreateLabel(ctx, store.Label{Name: name})))
	}
	for i := range 12 {
		push := image(p, []string{"team/app", "team/app", "team/tool", "team/deep/er"}[i%4], fmt.Sprintf("v%d", i%5), fmt.Sprint(i), fmt.Sprint("layer", i%3))
		push.At, push.Artifact.Size = when(i/2), int64(i%7)
		push.Artifact.Kind, push.Artifact.ArtifactType = []string{"IMAGE", "CHART"}[i%2], []string{"", "application/x_y%z"}[i%2]
		if i%3 == 0 {
			push.Artifact.ConfigType = "application/Config"
		}
		a := put(t, s, push)
		if i%2 == 0 {
			push.Tag = fmt.Sprintf("RC_%d!", i)
			put(t, s, push)
		}
		for n, l := range marks {
			if i%(n+2) == 0 {
				ok(t, "LabelArtifact", s.LabelArtifact(ctx, a.ID, l.ID))
			}
		}
		if i%3 > 0 {
			ok(t, "AddPulls", s.AddPulls(ctx, []store.Pull{{RepositoryID: a.RepositoryID, ArtifactID: a.ID, Times: int64(i), At: when(i)}}))
		}
	}
	r := repository(t, s, "team/app")
	long := time.Date(1960, 1, 2, 3, 4, 5, 0, time.UTC) // before all times but that of what was never pulled
	pulled := func(from, to any) store.Condition {
		return store.Condition{Field: "pull_time", Any: []store.Span{{From: from, To: to}}}
	}
	mediaType := func(a store.Artifact) any {
		if a.ConfigType != "" {
			return a.ConfigType
		}
		return a.MediaType
	}
	for what, f := range map[string]store.IndexFilter{"artifacts of a repository": {Repository: r.ID, Top: true}, "artifacts of a project": {Projects: []int64{p.ID}}, "artifacts": {}} {
		listed[store.Artifact]{
			what: what,
			list: func(where []store.Condition, after int64, limit int) []store.Artifact {
				f := f
				f.Where, f.After, f.Limit = where, after, limit
				return all(t, "ListArtifacts", s.ListArtifacts(ctx, f))
			},
			count: func(where []store.Condition) int {
				f := f
				f.Where = where
				return must[int](t, "CountArtifacts")(s.CountArtifacts(ctx, f))
			},
			id: func(a store.Artifact) int64 { return a.ID },
			fields: map[string]fieldOf[store.Artifact]{
				"id":                  one(store.Number, func(a store.Artifact) any { return a.ID }),
				"digest":              one(store.Text, func(a store.Artifact) any { return a.Digest }),
				"kind":                one(store.Text, func(a store.Artifact) any { return a.Kind }),
				"media_type":          one(store.Text, mediaType),
				"manifest_media_type": one(store.Text, func(a store.Artifact) any { return a.MediaType }),
				"artifact_type":       one(store.Text, func(a store.Artifact) any { return a.ArtifactType }),
				"push_time":           one(store.Moment, func(a store.Artifact) any { return a.PushedAt }),
				"pull_time":           one(store.Moment, func(a store.Artifact) any { return a.PulledAt }),
				"size":                one(store.Number, func(a store.Artifact) any { return a.Size }),
				"tag":                 {store.Text, func(a store.Artifact) []any { return tagsOf(t, s, a) }},
				"label":               {store.Number, func(a store.Artifact) []any { return labelsOf(t, s, a) }},
			},
		}.agree(t, pulled(time.Time{}, nil), pulled(nil, time.Time{}), pulled(long, nil), pulled(nil, long), pulled(time.Time{}, time.Time{}), pulled(long, when(99)))
	}
	listed[store.Repository]{
		what: "repositories",
		list: func(where []store.Condition, after int64, limit int) []store.Repository {
			return all(t, "ListRepositories", s.ListRepositories(ctx, store.IndexFilter{Where: where, After: after, Limit: limit}))
		},
		count: func(where []store.Condition) int {
			return must[int](t, "CountRepositories")(s.CountRepositories(ctx, store.IndexFilter{Where: where}))
		},
		id: func(r store.Repository) int64 { return r.ID },
		fields: map[string]fieldOf[store.Repository]{
			"id":            one(store.Number, func(r store.Repository) any { return r.ID }),
			"name":          one(store.Text, func(r store.Repository) any { return r.Name }),
			"project_id":    one(store.Number, func(r store.Repository) any { return r.ProjectID }),
			"pull_count":    one(store.Number, func(r store.Repository) any { return r.Pulls }),
			"creation_time": one(store.Moment, func(r store.Repository) any { return r.CreatedAt }),
			"update_time":   one(store.Moment, func(r store.Repository) any { return r.UpdatedAt }),
		},
	}.agree(t)
	listed[store.Tag]{
		what: "tags",
		list: func(where []store.Condition, after int64, limit int) []store.Tag {
			return all(t, "ListTags", s.ListTags(ctx, store.IndexFilter{Repository: r.ID, Where: where, After: after, Limit: limit}))
		},
		count: func(where []store.Condition) int {
			return must[int](t, "CountTags")(s.CountTags(ctx, store.IndexFilter{Repository: r.ID, Where: where}))
		},
		id: func(g store.Tag) int64 { return g.ID },
		fields: map[string]fieldOf[store.Tag]{
			"id":        one(store.Number, func(g store.Tag) any { return g.ID }),
			"name":      one(store.Text, func(g store.Tag) any { return g.Name }),
			"push_time": one(store.Moment, func(g store.Tag) any { return g.PushedAt }),
			"pull_time": one(store.Moment, func(g store.Tag) any { return g.PulledAt }),
		},
	}.agree(t)
}

func tagsOf(t *testing.T, s store.Store, a store.Artifact) (names []any) {
	t.Helper()
	for _, tag := range must[map[int64][]store.Tag](t, "TagsOf")(s.TagsOf(t.Context(), []int64{a.ID}, 100))[a.ID] {
		names = append(names, tag.Name)
	}
	return names
}

func labelsOf(t *testing.T, s store.Store, a store.Artifact) (ids []any) {
	t.Helper()
	for _, l := range must[map[int64][]store.Label](t, "LabelsOf")(s.LabelsOf(t.Context(), []int64{a.ID}, 100))[a.ID] {
		ids = append(ids, l.ID)
	}
	return ids
}

func whereLabels(t *testing.T, s store.Store) {
	ctx := t.Context()
	for _, name := range append(oddNames(), "ALICE", "bob") {
		must[store.Label](t, "CreateLabel")(s.CreateLabel(ctx, store.Label{Name: name}))
	}
	listed[store.Label]{
		what: "labels",
		list: func(where []store.Condition, after int64, limit int) []store.Label {
			return all(t, "ListLabels", s.ListLabels(ctx, store.Filter{Where: where, After: after, Limit: limit}))
		},
		count: func(where []store.Condition) int {
			return must[int](t, "CountLabels")(s.CountLabels(ctx, store.Filter{Where: where}))
		},
		id: func(l store.Label) int64 { return l.ID },
		fields: map[string]fieldOf[store.Label]{
			"id":            one(store.Number, func(l store.Label) any { return l.ID }),
			"name":          one(store.Written, func(l store.Label) any { return l.Name }),
			"creation_time": one(store.Moment, func(l store.Label) any { return l.CreatedAt }),
			"update_time":   one(store.Moment, func(l store.Label) any { return l.UpdatedAt }),
		},
	}.agree(t)
}

func whereAudit(t *testing.T, s store.Store) {
	ctx := t.Context()
	operations := []string{"project.create", "member.create", "token", "robot.secret.replace", "login", "token.revoke", "user.delete"}
	var records []audit.Record
	for i := range 21 {
		records = append(records, audit.Record{
			Time: when(0).Add(time.Duration(i) * time.Hour), Actor: oddNames()[i*3%7], Operation: operations[i%len(operations)], Resource: fmt.Sprintf("project:p%d", i%4),
		})
	}
	ok(t, "AppendAudit", s.AppendAudit(ctx, records))
	word := func(n int) func(audit.Record) any {
		return func(r audit.Record) any {
			kind, verb := audit.Split(r.Operation)
			return []string{kind, verb}[n]
		}
	}
	listed[audit.Record]{
		what: "audit records",
		list: func(where []store.Condition, after int64, limit int) []audit.Record {
			return all(t, "ListAudit", s.ListAudit(ctx, store.Filter{Where: where, After: after, Limit: limit}))
		},
		count: func(where []store.Condition) int {
			return must[int](t, "CountAudit")(s.CountAudit(ctx, store.Filter{Where: where}))
		},
		id: func(r audit.Record) int64 { return r.ID },
		fields: map[string]fieldOf[audit.Record]{
			"id":    one(store.Number, func(r audit.Record) any { return r.ID }),
			"time":  one(store.Moment, func(r audit.Record) any { return r.Time }),
			"actor": one(store.Text, func(r audit.Record) any { return r.Actor }),
			"kind":  one(store.Text, word(0)),
			"verb":  one(store.Text, word(1)),
			"resource": {store.Text, func(r audit.Record) []any { // with its kind before it or without
				return []any{r.Resource, strings.TrimPrefix(r.Resource, "project:")}
			}},
		},
	}.agree(t)
}

// manyParts asks the trail of a project that had many names for sets as large as a query may have.
func manyParts(t *testing.T, s store.Store) {
	ctx := t.Context()
	var former []store.NamedSince
	for i := range 11 {
		former = append(former, store.NamedSince{Name: fmt.Sprint("old", i+1)})
	}
	var records []audit.Record
	for i, operation := range audit.Operations() {
		records = append(records, audit.Record{Time: when(i), Actor: fmt.Sprint("user", i%120), Operation: operation, Project: fmt.Sprint("old", i%12)})
	}
	ok(t, "AppendAudit", s.AppendAudit(ctx, records))
	actors := store.Condition{Field: "actor"}
	for i := range 100 {
		actors.Any = append(actors.Any, store.Exactly(fmt.Sprint("user", i)))
	}
	for what, c := range map[string]store.Condition{"actors": actors, "operations": {Field: "verb", Any: []store.Span{{From: "a"}}}, "kinds": {Field: "kind", Part: "e"}} {
		var want []int64
		whole := all(t, "ListAudit", s.ListAudit(ctx, store.Filter{}))
		for _, r := range whole {
			kind, verb := audit.Split(r.Operation)
			if c.Match(store.Text, map[string]string{"actor": r.Actor, "verb": verb, "kind": kind}[c.Field]) {
				want = append(want, r.ID)
			}
		}
		for _, trail := range []store.AuditFilter{{}, {Project: "old0", Formerly: &former}} {
			f := store.Filter{Audit: trail, Where: []store.Condition{c}}
			var got []int64
			for _, r := range all(t, "ListAudit of many "+what, s.ListAudit(ctx, f)) {
				got = append(got, r.ID)
			}
			if !slices.Equal(got, want) {
				t.Errorf("ListAudit of many %s has %d records, want %d", what, len(got), len(want))
			}
		}
	}
}

// badConditions are refused, whatever they are about; what no store keeps is nobody's.
func badConditions(t *testing.T, s store.Store) {
	ctx := t.Context()
	p := project(t, s, "team")
	for _, c := range []store.Condition{
		store.Is("metadata", "x"), store.Is("t.name", "x"), store.Is("id", "x"), store.Is("name", int64(1)), store.Is("creation_time", "2026"),
		{Field: "id", Part: "1"},
		{Field: "name", Any: []store.Span{{From: "a", To: int64(1)}}},
		{Field: "id", Any: []store.Span{{From: true}}},
		store.Is("id", 1),
	} {
		f := store.Filter{Where: []store.Condition{c}}
		kind(t, fmt.Sprintf("ListProjects where %+v", c), listError(s.ListProjects(ctx, f)), errs.Invalid)
		_, err := s.CountProjects(ctx, f)
		kind(t, fmt.Sprintf("CountProjects where %+v", c), err, errs.Invalid)
		kind(t, fmt.Sprintf("ListAudit where %+v", c), listError(s.ListAudit(ctx, store.Filter{Where: []store.Condition{store.Is("reason", "x")}})), errs.Invalid)
	}
	for _, c := range []store.Condition{
		{Field: "name"}, store.Is("name", "a\x00"), store.Is("name", "\xff"), {Field: "name", Part: "\x00"}, {Field: "name", Any: []store.Span{{From: "\x00"}}},
	} {
		f := store.Filter{Where: []store.Condition{c}}
		equal(t, fmt.Sprintf("ListProjects where %+v", c), len(all(t, "ListProjects", s.ListProjects(ctx, f))), 0)
		equal(t, fmt.Sprintf("CountProjects where %+v", c), must[int](t, "CountProjects")(s.CountProjects(ctx, f)), 0)
	}
	f := store.Filter{Where: []store.Condition{store.Is("name", "\xff", "team")}}
	equal(t, "ListProjects by a name that is kept and one that is not", all(t, "ListProjects", s.ListProjects(ctx, f))[0].ID, p.ID)
}

// usageOrder sorts projects by what they hold, as pushes and deletions leave it.
func usageOrder(t *testing.T, s store.Store) {
	ctx := t.Context()
	a, b, c := project(t, s, "a"), project(t, s, "b"), project(t, s, "c")
	order := func(sort string) (names string) {
		t.Helper()
		for _, p := range all(t, "ListProjects", s.ListProjects(ctx, store.Filter{Sort: sort})) {
			names += p.Name
		}
		return names
	}
	equal(t, "order of what holds nothing", order("used"), "abc")
	one := put(t, s, image(a, "a/app", "v1", "one", "base", "app"))
	put(t, s, image(b, "b/app", "v1", "one", "base"))
	equal(t, "order after pushes", order("used"), "cba")
	equal(t, "falling order", order("-used"), "abc")
	put(t, s, image(c, "c/app", "v1", "one", "base", "app", "more"))
	put(t, s, image(b, "b/tool", "v1", "two", "other", "another"))
	equal(t, "order after more", order("used"), "acb") // 210, 310, 320
	ok(t, "DeleteArtifact", s.DeleteArtifact(ctx, one.ID))
	ok(t, "DeleteRepository", s.DeleteRepository(ctx, repository(t, s, "b/tool").ID))
	equal(t, "order after deletions", order("used"), "abc")
	before := must[store.Project](t, "Project")(s.Project(ctx, b.ID))
	after := must[store.Project](t, "UpdateProject")(s.UpdateProject(ctx, b.ID, func(p *store.Project) error { return nil }))
	equal(t, "a project that nothing changed", after, before)
	list := func(f store.Filter) []store.Project { return all(t, "ListProjects", s.ListProjects(ctx, f)) }
	for _, sort := range []string{"used", "-used"} {
		pages(t, list, func(p store.Project) int64 { return p.ID }, store.Filter{Sort: sort}, 2)
	}
}

// usageRace sums up what projects hold while pushes change it: in the end it is what they hold.
func usageRace(t *testing.T, s store.Store) {
	ctx := t.Context()
	var projects []store.Project
	for i := range 3 {
		projects = append(projects, project(t, s, fmt.Sprint("p", i)))
	}
	together(8, func(i int) {
		for n := range 6 {
			p := projects[(i+n)%len(projects)]
			if i%4 == 3 {
				if err := listError(s.ListProjects(ctx, store.Filter{Sort: "used"})); err != nil {
					t.Errorf("ListProjects by what they hold = %v, want no error", err)
				}
				continue
			}
			name := fmt.Sprint(i, "-", n)
			if _, err := s.PutArtifact(ctx, image(p, fmt.Sprintf("%s/app%d", p.Name, i), "v1", name, "layer"+name)); err != nil {
				t.Errorf("PutArtifact = %v, want no error", err)
			}
		}
	})
	for _, p := range projects {
		f := store.Filter{Where: []store.Condition{store.Is("id", p.ID), store.Is("used", usage(t, s, p))}}
		equal(t, "CountProjects that hold what "+p.Name+" holds", must[int](t, "CountProjects")(s.CountProjects(ctx, f)), 1)
	}
}
