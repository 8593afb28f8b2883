package sqlstore_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/sqlstore"
)

// TestDeleteProjectIsOneTransaction lets the database refuse in the middle of a deletion: all is as it was then.
func TestDeleteProjectIsOneTransaction(t *testing.T) {
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "sealock.db")
	s, err := sqlstore.Open(ctx, path, sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	u, err := s.CreateUser(ctx, store.User{Name: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.CreateProject(ctx, store.Project{Name: "team"}, store.Member{UserID: u.ID, Role: store.RoleProjectAdmin})
	if err != nil {
		t.Fatal(err)
	}
	if p, err = s.RenameProject(ctx, p.ID, "crew"); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "CREATE TRIGGER no BEFORE DELETE ON members BEGIN SELECT RAISE(ABORT, 'disk full'); END"); err != nil {
		t.Fatal(err)
	}
	told := 0
	defer s.Subscribe(func(store.Change) { told++ })()
	if err := s.DeleteProject(ctx, p.ID); err == nil {
		t.Fatal("DeleteProject = nil, want the database's error")
	}
	got, err := s.Project(ctx, p.ID)
	if err != nil || got != p {
		t.Errorf("Project after a deletion that failed = %+v, %v, want %+v", got, err, p)
	}
	role, err := s.MemberRole(ctx, p.ID, u.ID)
	names, err2 := s.FormerNames(ctx, p.ID)
	if role != store.RoleProjectAdmin || err != nil || err2 != nil || len(names) != 1 || told != 0 {
		t.Errorf("after a deletion that failed: role %d, %v, names %q, %v, %d changes told; want all as before", role, err, names, err2, told)
	}
	if _, err := db.ExecContext(ctx, "DROP TRIGGER no"); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteProject(ctx, p.ID); err != nil || told != 1 {
		t.Errorf("DeleteProject = %v, %d changes told, want it to work then", err, told)
	}
	if _, err := s.MemberRole(ctx, p.ID, u.ID); err == nil {
		t.Error("MemberRole after DeleteProject = nil, want the membership gone")
	}
}
