package project

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// RenameProject gives a project another name, and its repositories with it. Whoever pulls under the old one goes on to,
// and nobody else can take it. Invalid: the name breaks the rule. Conflict: the name is another project's, or was.
// Precondition: the registry holds repositories under the name. Unsupported: the registry can't rename.
func (s *Service) RenameProject(ctx context.Context, c Caller, ref Ref, name string) (renamed store.Project, err error) {
	err = s.onProject(ctx, c, ref, func(p store.Project) deed {
		renamed = p
		return deed{
			operation: "project.rename", resource: "project:" + p.Name + "/name:" + clipped(name), what: "rename project " + strconv.Quote(p.Name),
			access: auth.Access{Resource: "project", Project: p.Name, Action: "update"},
			check:  func(ctx context.Context) error { return s.freeName(ctx, p, name) },
			do:     func(ctx context.Context) (err error) { renamed, err = s.rename(ctx, p, name); return err },
		}
	})
	return renamed, err
}

// freeName refuses a name that p can't have.
func (s *Service) freeName(ctx context.Context, p store.Project, name string) error {
	if err := CheckName(name); err != nil || name == p.Name {
		return err
	}
	for _, find := range []func(context.Context, string) (store.Project, error){s.store.ProjectByName, s.store.ProjectByFormerName} {
		other, err := find(ctx, name)
		if err == nil && other.ID != p.ID {
			return errs.New(errs.Conflict, "the name %s is another project's, or was", clip(name)).WithHint("choose another name")
		}
		if err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
	}
	if s.contents == nil {
		return errs.New(errs.Unsupported, "there is no registry here whose repositories could be renamed").WithHint("create a new project and push to that")
	}
	return s.unclaimed(ctx, Caller{}, name)
}

// rename moves the repositories and then says so in the store; if that fails they go back. A server that is killed between
// the two finds them moved when the project is renamed again.
func (s *Service) rename(ctx context.Context, p store.Project, name string) (store.Project, error) {
	if name == p.Name {
		return p, nil
	}
	if err := s.contents.RenameRepositories(ctx, p.Name, name); err != nil {
		return p, err
	}
	renamed, err := s.store.RenameProject(ctx, p.ID, name)
	if err == nil {
		return renamed, nil
	}
	if back := s.contents.RenameRepositories(context.WithoutCancel(ctx), name, p.Name); back != nil {
		err = errors.Join(err, fmt.Errorf("moving the repositories of %q back: %w", p.Name, back))
	}
	return p, err
}

// FormerNames returns what a project was called, the oldest first. Pulls under these names work yet.
func (s *Service) FormerNames(ctx context.Context, c Caller, ref Ref) ([]string, error) {
	p, err := s.Project(ctx, c, ref)
	if err != nil {
		return nil, err
	}
	return s.store.FormerNames(ctx, p.ID)
}

// ForgetName ends pulls under a name that a project had, which others can take then.
func (s *Service) ForgetName(ctx context.Context, c Caller, ref Ref, name string) error {
	return s.onProject(ctx, c, ref, func(p store.Project) deed {
		return deed{
			operation: "project.forget-name", resource: "project:" + p.Name + "/name:" + clipped(name), what: "change project " + strconv.Quote(p.Name),
			access: auth.Access{Resource: "project", Project: p.Name, Action: "update"},
			do:     func(ctx context.Context) error { return s.store.ForgetName(ctx, p.ID, name) },
		}
	})
}
