package project_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/clock"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/sqlstore"
	"github.com/sealock/sealock/store/userdb"
)

func emptyService(t *testing.T) (*project.Service, *sqlstore.Store, *userdb.Hasher, *trail) {
	t.Helper()
	s, h, tr := open(t), userdb.NewHasher(0), &trail{}
	c := clock.NewManual(time.Unix(1_900_000_000, 0))
	dir := project.NewDirectory(s, c)
	t.Cleanup(dir.Close)
	return project.New(s, table{dir}, tr, h, c), s, h, tr
}

func TestFirstStart(t *testing.T) {
	ctx := t.Context()
	svc, s, h, tr := emptyService(t)
	if _, err := svc.FirstStart(ctx, secret.New("short")); !errs.Is(err, errs.Invalid) {
		t.Errorf("FirstStart with a short password = %v, want Invalid", err)
	}
	tr.err = errTrail
	if _, err := svc.FirstStart(ctx, secret.New("correct horse")); !errs.Is(err, errs.Unavailable) {
		t.Errorf("FirstStart that can't be recorded = %v, want Unavailable", err)
	}
	tr.err = nil
	// As after an interruption: the project is there, its owner is not.
	if _, err := s.CreateProject(ctx, store.Project{Name: "library", Public: true}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false, false} {
		if made, err := svc.FirstStart(ctx, secret.New("correct horse")); made != want || err != nil {
			t.Errorf("FirstStart number %d = %v, %v, want %v", i+1, made, err, want)
		}
	}
	sub, err := userdb.New("local", s, h).Authenticate(ctx, auth.Credential{Name: "admin", Secret: secret.New("correct horse")})
	if err != nil || !sub.SysAdmin {
		t.Errorf("Authenticate as admin = %+v, %v, want a system administrator", sub, err)
	}
	p, err := s.ProjectByName(ctx, "library")
	if err != nil || !p.Public || p.OwnerName != "admin" {
		t.Errorf("library = %+v, %v, want it public and of admin", p, err)
	}
	if role, err := s.MemberRole(ctx, p.ID, sub.ID); role != store.RoleProjectAdmin || err != nil {
		t.Errorf("role of admin in library = %v, %v, want projectAdmin", role, err)
	}
	if n := len(tr.take()); n != 2 {
		t.Errorf("FirstStart leaves %d records, want 2", n)
	}
}

// TestFirstStartLeavesOthersAlone does not bring back what somebody deleted.
func TestFirstStartLeavesOthersAlone(t *testing.T) {
	svc, s, _, _ := emptyService(t)
	if _, err := s.CreateUser(t.Context(), store.User{Name: "root", SysAdmin: true}); err != nil {
		t.Fatal(err)
	}
	if made, err := svc.FirstStart(t.Context(), secret.New("correct horse")); made || err != nil {
		t.Errorf("FirstStart with a user there = %v, %v, want nothing done", made, err)
	}
	if _, err := s.UserByName(t.Context(), "admin"); !errs.Is(err, errs.NotFound) {
		t.Errorf("UserByName(admin) = %v, want NotFound", err)
	}
}

func TestFirstStartTogether(t *testing.T) {
	_, s, h, _ := emptyService(t)
	var made atomic.Int32
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			svc := project.New(s, table{}, &trail{}, h, clock.System{})
			ok, err := svc.FirstStart(t.Context(), secret.New("correct horse"))
			if err != nil {
				t.Errorf("FirstStart = %v, want no error", err)
			}
			if ok {
				made.Add(1)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 {
		t.Errorf("%d of 4 starts at once made the administrator, want 1", made.Load())
	}
}
