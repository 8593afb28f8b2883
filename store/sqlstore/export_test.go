package sqlstore

import (
	"database/sql"

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
			q := order[R]{by: by, id: l.id, down: down}.apply(l.filter(s.read.NewSelect().Model(&rows), store.Filter{}), nil, false)
			queries = append(queries, q.Limit(10).String())
		}
	}
	return queries
}

// Writer returns the connections that a store writes with.
func (s *Store) Writer() *sql.DB { return s.pools.write }
