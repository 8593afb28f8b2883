package sqlstore_test

import (
	"database/sql"
	"slices"
	"strings"
	"testing"

	"github.com/sealock/sealock/internal/testkit"
)

// TestListsUseIndexes holds, of each list in each order that the API offers, that a page is found in an index: the first
// one, one that is skipped to, and one after a key. What is found that way costs the same however many rows there are.
func TestListsUseIndexes(t *testing.T) {
	t.Parallel()
	s := open(t)
	for name, query := range s.ListQueries() {
		steps := plan(t, s, query)
		for _, step := range steps {
			found := strings.HasPrefix(step, "SEARCH") || strings.HasPrefix(step, "SCAN") && (strings.Contains(step, "INDEX") || strings.Contains(query, "ORDER BY t.id"))
			sorting := strings.Contains(step, "TEMP B-TREE")
			if found || !sorting && !strings.HasPrefix(step, "SCAN") || sorting && smallSort(name) || derived(step) {
				continue
			}
			t.Errorf("plan of %s\n%s\n= %s\n%q reads or sorts all rows", name, query, strings.Join(steps, "; "), step)
		}
		if walked := slices.DeleteFunc(slices.Clone(steps), func(step string) bool { return !strings.Contains(step, "INDEX projects_public") }); len(walked) > 1 {
			t.Errorf("plan of %s\n%s\n= %s, want all that is private not to be walked", name, query, strings.Join(steps, "; "))
		}
		if strings.Contains(name, "in a set") { // which are looked up one by one, wherever the page starts
			continue
		}
		if (strings.HasSuffix(name, "/key") || strings.HasSuffix(name, "/tied")) && !slices.ContainsFunc(steps, startsAtKey) {
			t.Errorf("plan of %s\n%s\n= %s, want a start at the key", name, query, strings.Join(steps, "; "))
		}
	}
}

// smallSort tells the queries that sort the ids of a page, or of a page of each part, or of a set.
func smallSort(name string) bool {
	return strings.HasSuffix(name, "/number") || strings.Contains(name, "seen") || strings.Contains(name, "verb") || strings.Contains(name, "set")
}

// derived tells the steps that go through the ids of a page.
func derived(step string) bool {
	return slices.Contains([]string{"SCAN k", "SCAN m", "SCAN p0", "SCAN p1", "SCAN p2"}, step) || strings.HasPrefix(step, "SCAN (subquery")
}

// startsAtKey matches a search that begins at a value.
func startsAtKey(step string) bool {
	return strings.HasPrefix(step, "SEARCH t") && strings.ContainsAny(step, "<>")
}

// TestPostgresListsUseIndexes holds the same of PostgreSQL, which decides by what it knows of tables: of small ones it
// must be kept from reading them whole.
func TestPostgresListsUseIndexes(t *testing.T) {
	t.Parallel()
	s := openURL(t, testkit.Postgres(t).Database(t))
	conn, err := s.Reader().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	for _, setting := range []string{"enable_seqscan = off", "enable_bitmapscan = off"} {
		if _, err := conn.ExecContext(t.Context(), "SET "+setting); err != nil {
			t.Fatal(err)
		}
	}
	for name, query := range s.ListQueries() {
		steps := postgresPlan(t, conn, query)
		if strings.Contains(steps, "Seq Scan") || strings.Contains(steps, "Sort Key") && !smallSort(name) {
			t.Errorf("plan of %s\n%s\n= %s, want no sorting and no whole table", name, query, steps)
		}
	}
}

func postgresPlan(t *testing.T, conn *sql.Conn, query string) string {
	t.Helper()
	rows, err := conn.QueryContext(t.Context(), "EXPLAIN "+query)
	if err != nil {
		t.Fatalf("EXPLAIN %s = %v", query, err)
	}
	return table(t, rows)
}
