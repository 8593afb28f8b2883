package project

import (
	"context"
	"fmt"

	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/store"
)

// Names of what a first start makes.
const (
	FirstAdmin   = "admin"
	FirstProject = "library"
)

// FirstStart makes the system administrator "admin" with the password, and the public project "library", if the store
// has no user at all, and reports whether it did. It can be interrupted and called again: the user, by whose absence a
// first start is known, comes with the last step that matters. Invalid: the password breaks the rule.
func (s *Service) FirstStart(ctx context.Context, password secret.Text) (made bool, err error) {
	n, err := s.store.CountUsers(ctx, store.Filter{})
	if err != nil || n > 0 {
		return false, err
	}
	hash, err := s.hasher.Hash(ctx, password)
	if err != nil {
		return false, err
	}
	if err := s.recordFirst(ctx, "project.create", "project:"+FirstProject); err != nil {
		return false, err
	}
	library, err := s.firstProject(ctx)
	if err != nil {
		return false, fmt.Errorf("creating project %q: %w", FirstProject, err)
	}
	if err := s.recordFirst(ctx, "user.create", "user:"+FirstAdmin); err != nil {
		return false, err
	}
	admin, err := s.store.CreateUser(ctx, store.User{Name: FirstAdmin, PasswordHash: hash, SysAdmin: true})
	if errs.Is(err, errs.Conflict) { // somebody else is starting, too
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("creating user %q: %w", FirstAdmin, err)
	}
	return true, s.adopt(ctx, library, admin)
}

func (s *Service) firstProject(ctx context.Context) (store.Project, error) {
	p, err := s.store.CreateProject(ctx, store.Project{Name: FirstProject, Public: true})
	if errs.Is(err, errs.Conflict) {
		return s.store.ProjectByName(ctx, FirstProject)
	}
	return p, err
}

// adopt makes the administrator the owner of the project. It is comfort: a system administrator rules it anyway.
func (s *Service) adopt(ctx context.Context, p store.Project, admin store.User) error {
	if _, err := s.store.UpdateProject(ctx, p.ID, func(p *store.Project) error {
		p.OwnerID = admin.ID
		return nil
	}); err != nil {
		return fmt.Errorf("making %q the owner of project %q: %w", admin.Name, p.Name, err)
	}
	_, err := s.store.AddMember(ctx, store.Member{ProjectID: p.ID, UserID: admin.ID, Role: store.RoleProjectAdmin})
	if err != nil && !errs.Is(err, errs.Conflict) {
		return fmt.Errorf("making %q the administrator of project %q: %w", admin.Name, p.Name, err)
	}
	return nil
}

func (s *Service) recordFirst(ctx context.Context, operation, resource string) error {
	return s.record(ctx, Caller{Method: "system"}, deed{operation: operation, resource: resource}, audit.Allowed, "first start")
}
