package sqlstore_test

import (
	"strings"
	"testing"
)

// TestPlainListsUseIndexes holds that a page of a list costs what its rows cost, however many others there are.
func TestPlainListsUseIndexes(t *testing.T) {
	s := open(t)
	queries := s.PlainQueries()
	if len(queries) != 4*4*2 {
		t.Errorf("there are %d queries, want each list in each order", len(queries))
	}
	for _, query := range queries {
		for _, step := range plan(t, s, query) {
			sorted := strings.HasPrefix(step, "SEARCH") || strings.HasPrefix(step, "SCAN") && (strings.Contains(step, "INDEX") || strings.Contains(query, "ORDER BY t.id"))
			if !sorted {
				t.Errorf("plan of %s = %q, want the order to be an index's", query, step)
			}
		}
	}
}
