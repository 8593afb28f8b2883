package project

import (
	"context"
	"fmt"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
)

// RenamedError is behind a NotFound where the project that was asked for by its name is called otherwise now, and the caller
// may see it.
type RenamedError struct{ From, To string }

// Error says what the project is called.
func (e *RenamedError) Error() string {
	return fmt.Sprintf("project %q is called %q now", e.From, e.To)
}

// absentProject is the answer for a project that there is none of. Who may see the one that had the name is told what it is
// called; for everybody else there was none.
func (s *Service) absentProject(ctx context.Context, c Caller, ref Ref) error {
	if ref.Name == "" || !isName(ref.Name) {
		return unseen(c, ref)
	}
	p, err := s.store.ProjectByFormerName(ctx, ref.Name)
	if errs.Is(err, errs.NotFound) {
		return unseen(c, ref)
	}
	if err != nil {
		return err
	}
	ok, err := s.may(ctx, c, auth.Access{Resource: "project", Project: p.Name, Action: "read"})
	switch {
	case err != nil:
		return err
	case !ok:
		return unseen(c, ref)
	}
	renamed := &RenamedError{From: ref.Name, To: p.Name}
	return errs.New(errs.NotFound, "%s", renamed.Error()).WithHint("under its old name it can only be read and pulled from: use the new one").Because(renamed)
}
