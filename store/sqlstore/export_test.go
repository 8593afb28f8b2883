package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/sealock/sealock/store"
)

// HotQueries returns the texts of the queries on the token path.
func HotQueries() []string {
	var h hotQueries
	texts := []string{rolesOfGroups, groupsByKey}
	for _, q := range h.queries(pools{}) {
		texts = append(texts, q.sql)
	}
	return texts
}

// CountBehind waits until what is counted behind has been.
func (s *Store) CountBehind() { s.counts.behind.Wait() }

// Reader returns the connections that a store reads with.
func (s *Store) Reader() *sql.DB { return s.pools.read }

// CopiedTables returns the names of the tables that Copy copies.
func CopiedTables() []string {
	var names []string
	for _, t := range copied() {
		names = append(names, t.name)
	}
	return names
}

// PlainQueries returns the queries of first and later pages of lists of plain records, in each order that needs an index.
func (s *Store) PlainQueries() (queries []string) {
	queries = append(queries, pageQueries(s, registryKind().listing)...)
	queries = append(queries, pageQueries(s, replicationKind().listing)...)
	queries = append(queries, pageQueries(s, webhookKind(1).listing)...)
	return append(queries, pageQueries(s, labelKind(1).listing)...)
}

func pageQueries[R, T any](s *Store, l listing[R, T]) (queries []string) {
	for _, by := range l.sorts {
		for _, down := range []bool{false, true} {
			var rows []R
			q := order[R]{by: by, id: l.id, down: down}.apply(l.filter(s.read.NewSelect().Model(&rows), store.Filter{}), nil)
			queries = append(queries, q.Limit(10).String())
		}
	}
	return queries
}

// Writer returns the connections that a store writes with.
func (s *Store) Writer() *sql.DB { return s.pools.write }

// ListQueries returns the queries of lists by name: in each order that the API offers, both ways, of the first page, of one
// by its number and of one after a key, in both of its steps.
func (s *Store) ListQueries() map[string]string {
	const by = "id name creation_time update_time"
	all := map[string]string{}
	addQueries(s, all, "projects", projectListing(), store.Filter{}, by+" storage_limit used")
	addQueries(s, all, "public projects", projectListing(), store.Filter{Public: new(true)}, by)
	addQueries(s, all, "projects seen", projectListing(), store.Filter{MemberID: 7, GroupIDs: []int64{8, 9}}, by)
	addQueries(s, all, "members", memberListing(7, store.Filter{}), store.Filter{}, "id")
	addQueries(s, all, "repositories", repositoryListing(store.IndexFilter{}, false), store.Filter{}, by+" pull_count")
	addQueries(s, all, "repositories of a project", repositoryListing(store.IndexFilter{Projects: []int64{7}}, false), store.Filter{}, by+" pull_count")
	addQueries(s, all, "repositories seen", repositoryListing(store.IndexFilter{}, true), store.Filter{MemberID: 7, GroupIDs: []int64{8, 9}}, "name creation_time")
	addQueries(s, all, "artifacts", artifactListing(store.IndexFilter{Repository: 7, Top: true}), store.Filter{}, "id push_time pull_time size")
	addQueries(s, all, "artifacts of a project", artifactListing(store.IndexFilter{Projects: []int64{7}, Top: true}), store.Filter{}, "id push_time pull_time size")
	addQueries(s, all, "audit", auditListing(), store.Filter{}, "id time")
	addQueries(s, all, "audit of an actor", auditListing(), store.Filter{Subject: "bob"}, "id time")
	addQueries(s, all, "audit of a project", auditListing(), store.Filter{Audit: store.AuditFilter{Project: "team"}}, "id time")
	all["referrers/first"] = s.referrers(store.ReferrerFilter{Repository: 7, Subject: "sha256:0", Limit: 10}).String()
	all["referrers/later"] = s.referrers(store.ReferrerFilter{Repository: 7, Subject: "sha256:0", After: 17, Limit: 10}).String()
	all["referrers of a type/first"] = s.referrers(store.ReferrerFilter{Repository: 7, Subject: "sha256:0", Type: "application/x", Limit: 10}).String()
	all["referrers of a type/later"] = s.referrers(store.ReferrerFilter{Repository: 7, Subject: "sha256:0", Type: "application/x", After: 17, Limit: 10}).String()
	some := auditListing()
	some.parts = func(store.Filter) (parts []store.Filter) {
		for _, name := range []string{"project.delete", "tag.delete"} {
			parts = append(parts, store.Filter{Audit: store.AuditFilter{Exactly: name}})
		}
		return parts
	}
	addQueries(s, all, "audit of a verb", some, store.Filter{}, "id time")
	s.addNarrowed(all)
	return all
}

// addNarrowed adds queries that conditions narrow: ranges in the order of their field, which are a part of its index, and
// sets, of which what is in them is looked up.
func (s *Store) addNarrowed(all map[string]string) {
	range3to9 := []store.Span{{From: int64(3), To: int64(9)}}
	since := []store.Span{{From: time.UnixMicro(3)}}
	where := func(field string, spans []store.Span) store.Filter {
		return store.Filter{Where: []store.Condition{{Field: field, Any: spans}}}
	}
	is := func(field string, values ...any) store.Filter {
		return store.Filter{Where: []store.Condition{store.Is(field, values...)}}
	}
	names := []store.Span{{From: "a", To: "b"}}
	addQueries(s, all, "projects with names between", projectListing(), where("name", names), "name")
	addQueries(s, all, "projects made between", projectListing(), where("creation_time", since), "creation_time")
	addQueries(s, all, "projects holding", projectListing(), where("used", range3to9), "used")
	addQueries(s, all, "projects in a set", projectListing(), is("name", "a", "b", "c"), "id name used")
	addQueries(s, all, "projects of an owner in a set", projectListing(), is("owner_id", int64(7)), "id")
	addQueries(s, all, "users in a set", userListing(), is("name", "a", "b"), "id name")
	addQueries(s, all, "users made between", userListing(), where("creation_time", since), "creation_time")
	team := store.IndexFilter{Projects: []int64{7}}
	addQueries(s, all, "repositories between", repositoryListing(team, false), where("pull_count", range3to9), "pull_count")
	addQueries(s, all, "repositories in a set", repositoryListing(store.IndexFilter{}, false), is("name", "team/a", "team/b"), "id name")
	app := store.IndexFilter{Repository: 7, Top: true}
	addQueries(s, all, "artifacts between", artifactListing(app), where("size", range3to9), "size")
	addQueries(s, all, "artifacts with tags of a set", artifactListing(app), is("tag", "v1", "v2"), "id push_time size")
	addQueries(s, all, "artifacts with labels of a set", artifactListing(app), is("label", int64(1), int64(2)), "id push_time size")
	addQueries(s, all, "audit between", auditListing(), where("id", range3to9), "id time")
	some := auditListing()
	some.parts = func(f store.Filter) []store.Filter { return byActor(is("actor", "alice", "bob"), 2) }
	addQueries(s, all, "audit of a set of actors", some, store.Filter{}, "id time")
}

func addQueries[R, T any](s *Store, to map[string]string, name string, l listing[R, T], f store.Filter, sorts string) {
	for sort := range strings.FieldsSeq(sorts) {
		by, ok := l.sorts[sort]
		if !ok {
			by = l.id
		}
		for _, down := range []bool{false, true} {
			o := order[R]{by: by, id: l.id, down: down, unique: by.sql == l.unique}
			for page, at := range map[string]struct {
				key    *cursor
				offset int
			}{"first": {}, "number": {offset: 500}, "key": {key: &cursor{by: 17, id: 18}}, "tied": {key: &cursor{by: 17, id: 18, tied: true}}} {
				if page == "tied" && o.alone() {
					continue
				}
				var rows []R
				key := fmt.Sprintf("%s by %s, falling %v/%s", name, sort, down, page)
				if at.key != nil && (by.sql == "t.name" || by.sql == "t.name_key") {
					at.key.by = "x"
				}
				to[key] = l.page(s, s.read.NewSelect().Model(&rows), f, o, at.key, at.offset, 10).String()
			}
		}
	}
}

// AuditAt returns the id of the first record of a time or later, or one below it where ids were left out.
func (s *Store) AuditAt(ctx context.Context, at time.Time) (int64, error) {
	id, err := s.auditAt(ctx, at)
	if err != nil {
		return 0, err
	}
	row, found, err := s.auditFrom(ctx, id, "ASC")
	if !found {
		return id, err
	}
	return row.ID, err
}
