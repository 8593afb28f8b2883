package project

import (
	"context"
	"time"

	"github.com/sealock/sealock/store"
)

// bornWithin is how long the making of a project may take from its record on.
const bornWithin = 10 * time.Second

// LogOf narrows a list of audit records to the trail of a project, for a caller who may read it: under all names that it
// had and that are its own yet. It begins with the project, or when it got the name: what was done to an earlier one of the
// same name is none of its administrators' business.
func (s *Service) LogOf(ctx context.Context, c Caller, ref Ref, f store.Filter) (store.Filter, error) {
	p, err := s.inProject(ctx, c, ref, "log", "list", "read the audit trail of the project")
	if err != nil {
		return f, err
	}
	names, err := s.store.ProjectNames(ctx, p.ID)
	if err != nil {
		return f, err
	}
	for i, n := range names {
		if n.Since.Equal(p.CreatedAt) { // the record that the project was made is a moment older than the project
			names[i].Since = n.Since.Add(-bornWithin)
		}
	}
	f.Audit.Project = names[0].Name
	f.Audit.Born = names[0].Since
	if former := names[1:]; len(former) > 0 {
		f.Audit.Formerly = &former
	}
	return f, nil
}
