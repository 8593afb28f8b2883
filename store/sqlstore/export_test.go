package sqlstore

import "database/sql"

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

// Writer returns the connections that a store writes with.
func (s *Store) Writer() *sql.DB { return s.pools.write }
