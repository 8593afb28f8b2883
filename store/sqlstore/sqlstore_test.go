package sqlstore_test

import (
	"testing"

	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/sqlstore"
	"github.com/sealock/sealock/store/sqlstore/sqlstoretest"
	"github.com/sealock/sealock/store/storetest"
)

// open opens a store in a file of its own.
func open(t testing.TB) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstoretest.File(t), sqlstore.Options{})
	if err != nil {
		t.Fatalf("Open = %v, want a store", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close = %v, want no error", err)
		}
	})
	return s
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t) })
}

// TestManyRepositoriesAreRemembered wants a page of projects to cost the same however much is in them: what is many is not
// counted for each page, and counted again once the project has changed.
func TestManyRepositoriesAreRemembered(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	var ids []int64
	for _, name := range []string{"large", "small"} {
		p, err := s.CreateProject(ctx, store.Project{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, p.ID)
	}
	add := func(project int64, from, to int) {
		t.Helper()
		_, err := s.Writer().ExecContext(ctx, `WITH RECURSIVE n(i) AS (SELECT ? UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)
			INSERT INTO repositories (project_id, name, description, artifact_count, pull_count, created_at, updated_at)
			SELECT ?, 'p' || ? || '/' || i, '', 0, 0, 1, 1 FROM n`, from, to, project, project)
		if err != nil {
			t.Fatal(err)
		}
	}
	want := func(large, small int64) {
		t.Helper()
		got, err := s.RepositoriesIn(ctx, ids)
		if err != nil || got[ids[0]] != large || got[ids[1]] != small {
			t.Errorf("RepositoriesIn = %v, %v, want %d and %d", got, err, large, small)
		}
	}
	add(ids[0], 0, 1000)
	add(ids[1], 0, 2)
	want(1000, 2)
	add(ids[0], 1000, 1001)
	add(ids[1], 2, 3)
	want(1000, 3)
	if _, err := s.UpdateProject(ctx, ids[0], func(p *store.Project) error { p.Public = true; return nil }); err != nil {
		t.Fatal(err)
	}
	want(1001, 3)
}
