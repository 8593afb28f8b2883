package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// pages reads a list page by page, by offset and by key, and compares both with the whole.
func pages[T comparable](t *testing.T, list func(store.Filter) []T, id func(T) int64, f store.Filter, size int) {
	t.Helper()
	whole := list(f)
	f.Limit = size
	var byOffset, byKey []T
	for f.Offset = 0; ; f.Offset += size {
		page := list(f)
		byOffset = append(byOffset, page...)
		if len(page) < size {
			break
		}
	}
	f.Offset = 0
	for {
		page := list(f)
		byKey = append(byKey, page...)
		if len(page) < size {
			break
		}
		f.After = id(page[size-1])
	}
	if !slices.Equal(byOffset, whole) {
		t.Errorf("pages of %d by offset, sorted by %q, hold %d records that differ from the %d of the whole", size, f.Sort, len(byOffset), len(whole))
	}
	if !slices.Equal(byKey, whole) {
		t.Errorf("pages of %d by key, sorted by %q, hold %d records that differ from the %d of the whole", size, f.Sort, len(byKey), len(whole))
	}
}

func pagingUsers(t *testing.T, s store.Store) {
	ctx := t.Context()
	const n = 300 // more than a store would fetch at once
	for i := range n {
		u := store.User{Name: fmt.Sprintf("user%03d", (i*7)%n), Email: fmt.Sprint("team", i%5)}
		must[store.User](t, "CreateUser")(s.CreateUser(ctx, u))
	}
	list := func(f store.Filter) []store.User { return all(t, "ListUsers", s.ListUsers(ctx, f)) }
	id := func(u store.User) int64 { return u.ID }
	for _, sort := range []string{"", "-id", "name", "-name", "email", "-email", "creation_time", "-update_time"} {
		pages(t, list, id, store.Filter{Sort: sort}, 70)
		pages(t, list, id, store.Filter{Sort: sort, Name: "USER1"}, 25)
	}
	if got := list(store.Filter{}); len(got) != n || !slices.IsSortedFunc(got, func(a, b store.User) int { return int(a.ID - b.ID) }) {
		t.Errorf("ListUsers has %d records, want %d in the order of their ids", len(got), n)
	}
	byName := list(store.Filter{Sort: "name"})
	equal(t, "ListUsers by name: the first", byName[0].Name, "user000")
	equal(t, "ListUsers by name: the last", byName[n-1].Name, "user299")
	if got := list(store.Filter{Offset: n}); len(got) != 0 {
		t.Errorf("ListUsers beyond the end has %d records, want none", len(got))
	}
	equal(t, "CountUsers of a part, whatever the page", must[int](t, "CountUsers")(s.CountUsers(ctx, store.Filter{Name: "user1", Limit: 3, Offset: 5})), 100)
}

func pagingProjects(t *testing.T, s store.Store) {
	ctx := t.Context()
	u := user(t, s, "alice")
	for i := range 60 {
		p := must[store.Project](t, "CreateProject")(s.CreateProject(ctx, store.Project{Name: fmt.Sprintf("p%02d", (i*7)%60), Public: i%4 == 0}))
		if i%3 == 0 {
			member(t, s, p, u, store.RoleGuest)
		}
	}
	list := func(f store.Filter) []store.Project { return all(t, "ListProjects", s.ListProjects(ctx, f)) }
	id := func(p store.Project) int64 { return p.ID }
	for _, sort := range []string{"", "name", "-name", "creation_time", "-update_time"} {
		pages(t, list, id, store.Filter{Sort: sort}, 7)
		pages(t, list, id, store.Filter{Sort: sort, MemberID: u.ID}, 10)
	}
}

func pagingAudit(t *testing.T, s store.Store) {
	ctx := t.Context()
	ok(t, "AppendAudit", s.AppendAudit(ctx, records(50)))
	list := func(f store.Filter) []audit.Record { return all(t, "ListAudit", s.ListAudit(ctx, f)) }
	id := func(r audit.Record) int64 { return r.ID }
	for _, sort := range []string{"", "id", "time", "-time"} {
		pages(t, list, id, store.Filter{Sort: sort}, 8)
		pages(t, list, id, store.Filter{Sort: sort, Subject: "bob"}, 3)
	}
}

// listsHoldNothing changes the store while it reads from it, many times at once, and stops half-way.
func listsHoldNothing(t *testing.T, s store.Store) {
	ctx := t.Context()
	for i := range 20 {
		user(t, s, fmt.Sprint("u", i))
	}
	for u, err := range s.ListUsers(ctx, store.Filter{}) {
		ok(t, "ListUsers", err)
		for inner, err := range s.ListUsers(ctx, store.Filter{Limit: 2}) {
			ok(t, "ListUsers within ListUsers", err)
			_, err = s.UpdateUser(ctx, inner.ID, func(x *store.User) error { x.Comment = u.Name; return nil })
			ok(t, "UpdateUser within ListUsers", err)
		}
		ok(t, "DeleteUser within ListUsers", s.DeleteUser(ctx, u.ID))
	}
	equal(t, "CountUsers", must[int](t, "CountUsers")(s.CountUsers(ctx, store.Filter{})), 0)
	for range 50 {
		user(t, s, fmt.Sprint("v", must[int](t, "CountUsers")(s.CountUsers(ctx, store.Filter{}))))
		for _, err := range s.ListUsers(ctx, store.Filter{}) {
			ok(t, "ListUsers", err)
			break
		}
	}
}

func badFilters(t *testing.T, s store.Store) {
	ctx := t.Context()
	u := user(t, s, "alice")
	for _, f := range []store.Filter{
		{Sort: "password_hash"},
		{Sort: "t.name"},
		{Sort: "name; DROP TABLE users"},
		{Sort: "-"},
		{Sort: "--name"},
		{Sort: "name,id"},
		{Limit: -1},
		{Offset: -1},
		{After: -1},
		{Sort: "name", After: u.ID + 1},
	} {
		err := listError(s.ListUsers(ctx, f))
		if f.Sort == "-" { // falling ids
			ok(t, "ListUsers sorted by -", err)
			continue
		}
		kind(t, fmt.Sprintf("ListUsers(%+v)", f), err, errs.Invalid)
	}
	kind(t, "ListProjects with a bad order", listError(s.ListProjects(ctx, store.Filter{Sort: "owner_id"})), errs.Invalid)
	kind(t, "ListMembers with a bad order", listError(s.ListMembers(ctx, 1, store.Filter{Sort: "email"})), errs.Invalid)
	kind(t, "ListRefreshTokens with a bad order", listError(s.ListRefreshTokens(ctx, store.Filter{Sort: "secret_hash"})), errs.Invalid)
	kind(t, "ListAudit with a bad order", listError(s.ListAudit(ctx, store.Filter{Sort: "reason"})), errs.Invalid)
}
