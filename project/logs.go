package project

import (
	"context"
	"time"

	"github.com/sealock/sealock/store"
)

// bornWithin is how long the making of a project may take from its record on.
const bornWithin = 10 * time.Second

// LogOf narrows a list of audit records to the trail of a project, for a caller who may read it. It begins with the
// project: what was done to an earlier one of the same name is none of its administrators' business.
func (s *Service) LogOf(ctx context.Context, c Caller, ref Ref, f store.Filter) (store.Filter, error) {
	p, err := s.inProject(ctx, c, ref, "log", "list", "read the audit trail of the project")
	if err != nil {
		return f, err
	}
	f.Audit.Project = p.Name
	// The record that the project was made is a moment older than the project.
	f.Audit.Born = p.CreatedAt.Add(-bornWithin)
	return f, nil
}
