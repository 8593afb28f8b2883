package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// together runs fn n times at once and waits.
func together(n int, fn func(i int)) {
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			fn(i)
		})
	}
	close(start)
	wg.Wait()
}

func oneWinner(t *testing.T, s store.Store) {
	ctx := t.Context()
	u, p := user(t, s, "alice"), project(t, s, "team")
	for what, create := range map[string]func(i int) error{
		"CreateUser": func(i int) error {
			_, err := s.CreateUser(ctx, store.User{Name: []string{"Bob", "bob", "BOB"}[i%3]})
			return err
		},
		"CreateProject": func(int) error {
			_, err := s.CreateProject(ctx, store.Project{Name: "crew"}, store.Member{UserID: u.ID, Role: store.RoleProjectAdmin})
			return err
		},
		"AddMember": func(int) error {
			_, err := s.AddMember(ctx, store.Member{ProjectID: p.ID, UserID: u.ID, Role: store.RoleGuest})
			return err
		},
		"CreateRefreshToken": func(int) error { return s.CreateRefreshToken(ctx, token("same", u)) },
	} {
		var won atomic.Int32
		together(16, func(i int) {
			err := create(i)
			if err == nil {
				won.Add(1)
				return
			}
			kind(t, what+" of the same name", err, errs.Conflict)
		})
		equal(t, what+" of the same name: winners", won.Load(), 1)
	}
	crew := must[store.Project](t, "ProjectByName")(s.ProjectByName(ctx, "crew"))
	equal(t, "members of the winner", must[int](t, "CountMembers")(s.CountMembers(ctx, crew.ID, store.Filter{})), 1)
}

func noLostUpdate(t *testing.T, s store.Store) {
	ctx := t.Context()
	u, p := user(t, s, "alice"), project(t, s, "p")
	together(16, func(int) {
		for range 4 {
			_, err := s.UpdateUser(ctx, u.ID, func(u *store.User) error { u.Comment += "x"; return nil })
			ok(t, "UpdateUser", err)
			_, err = s.UpdateProject(ctx, p.ID, func(p *store.Project) error { p.Name += "x"; return nil })
			ok(t, "UpdateProject", err)
		}
	})
	equal(t, "updates of the user", len(must[store.User](t, "User")(s.User(ctx, u.ID)).Comment), 64)
	equal(t, "updates of the project", len(must[store.Project](t, "Project")(s.Project(ctx, p.ID)).Name), 65)
}

// readersDuringWrites reads while others write: a reader sees whole records, its own writes at once, and no error.
func readersDuringWrites(t *testing.T, s store.Store) {
	ctx := t.Context()
	p := project(t, s, "team")
	u := user(t, s, "pair")
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				got, err := s.UserByName(ctx, "pair")
				if err != nil || got.Email != got.RealName {
					t.Errorf("UserByName during writes = %+v, %v, want a whole record", got, err)
					return
				}
				if err := listError(s.ListMembers(ctx, p.ID, store.Filter{})); err != nil {
					t.Errorf("ListMembers during writes = %v, want no error", err)
					return
				}
			}
		})
	}
	together(4, func(w int) {
		for i := range 10 {
			name := fmt.Sprint("w", w, "-", i)
			_, err := s.UpdateUser(ctx, u.ID, func(u *store.User) error { u.Email, u.RealName = name, name; return nil })
			ok(t, "UpdateUser", err)
			mine := user(t, s, name)               //nolint:contextcheck // it takes the test's
			member(t, s, p, mine, store.RoleGuest) //nolint:contextcheck // it takes the test's
			role, err := s.MemberRole(ctx, p.ID, mine.ID)
			if err != nil || role != store.RoleGuest {
				t.Errorf("MemberRole after AddMember = %v, %v, want the role", role, err)
			}
			ok(t, "AppendAudit", s.AppendAudit(ctx, []audit.Record{{Actor: name}}))
			ok(t, "DeleteUser", s.DeleteUser(ctx, mine.ID))
			_, err = s.MemberRole(ctx, p.ID, mine.ID)
			kind(t, "MemberRole after DeleteUser", err, errs.NotFound)
		}
	})
	close(stop)
	readers.Wait()
}

// lastOfSeveral lets all system administrators go at once: one must stay.
func lastOfSeveral(t *testing.T, s store.Store) {
	ctx := t.Context()
	const n = 8
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = must[store.User](t, "CreateUser")(s.CreateUser(ctx, store.User{Name: fmt.Sprint("admin", i), SysAdmin: true})).ID
	}
	var refused atomic.Int32
	together(n, func(i int) {
		var err error
		if i%2 == 0 {
			err = s.DeleteUser(ctx, ids[i])
		} else {
			_, err = s.UpdateUser(ctx, ids[i], func(u *store.User) error { u.SysAdmin = false; return nil })
		}
		if err != nil {
			kind(t, "losing a system administrator", err, errs.Precondition)
			refused.Add(1)
		}
	})
	equal(t, "system administrators that could not go", refused.Load(), 1)
}

func cancellation(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	u := user(t, s, "alice")
	_, err := s.UpdateUser(ctx, u.ID, func(u *store.User) error { u.Comment = "lost"; cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("UpdateUser that is cancelled half-way = %v, want context.Canceled", err)
	}
	if _, err := s.User(ctx, u.ID); !errors.Is(err, context.Canceled) {
		t.Errorf("User with a cancelled context = %v, want context.Canceled", err)
	}
	if err := listError(s.ListUsers(ctx, store.Filter{})); !errors.Is(err, context.Canceled) {
		t.Errorf("ListUsers with a cancelled context = %v, want context.Canceled", err)
	}
	if err := s.AppendAudit(ctx, records(70)); !errors.Is(err, context.Canceled) {
		t.Errorf("AppendAudit with a cancelled context = %v, want context.Canceled", err)
	}
	equal(t, "User after a cancelled update", must[store.User](t, "User")(s.User(t.Context(), u.ID)), u)
	equal(t, "CountAudit", must[int](t, "CountAudit")(s.CountAudit(t.Context(), store.Filter{})), 0)
	ok(t, "Ping", s.Ping(t.Context()))
	user(t, s, "bob") // the writer is free again
}
