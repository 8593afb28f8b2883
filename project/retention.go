package project

import (
	"context"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/job"
	"github.com/sealock/sealock/store"
)

// RetentionExecution and RetentionTask are what a retention did. There are none before jobs run.
type (
	RetentionExecution struct{ ID int64 }
	RetentionTask      struct{ ID int64 }
)

// RetentionPolicy returns a retention policy. NotFound: there is none, or its project is not visible to the caller.
func (s *Service) RetentionPolicy(ctx context.Context, c Caller, id int64) (store.RetentionPolicy, error) {
	return s.seesRetention(ctx, c, id, "read")
}

func (s *Service) seesRetention(ctx context.Context, c Caller, id int64, action string) (store.RetentionPolicy, error) {
	r, p, err := s.retention(ctx, c, id)
	if err != nil {
		return r, err
	}
	return r, s.require(ctx, c, auth.Access{Resource: "tag-retention", Project: p.Name, Action: action}, "see the retention policy of the project", askProjectAdmin)
}

// retention finds a policy and its project. What does not exist and what the caller can't see look alike.
func (s *Service) retention(ctx context.Context, c Caller, id int64) (r store.RetentionPolicy, p store.Project, err error) {
	if r, err = s.store.RetentionPolicy(ctx, id); err == nil {
		p, err = s.Project(ctx, c, Ref{ID: r.ProjectID})
	}
	return r, p, unseenRecord(c, "retention policy", id, err)
}

// unseenRecord is the one answer for a record that does not exist, and for one of a project that the caller may not see.
func unseenRecord(c Caller, what string, id int64, err error) error {
	switch kind := errs.KindOf(err); {
	case err == nil || kind != errs.NotFound && kind != errs.Unauthenticated:
		return err
	case c.Anonymous():
		return signIn("see the " + what + " #" + itoa(id))
	default:
		return errs.New(errs.NotFound, "%s %d does not exist or is not visible to you", what, id).WithHint("check the number, or ask for a membership of its project")
	}
}

// RetentionPoliciesOf returns the ids of the retention policies of projects, which the caller sees, by the projects' ids.
func (s *Service) RetentionPoliciesOf(ctx context.Context, projectIDs []int64) (map[int64]int64, error) {
	return s.store.RetentionPoliciesOf(ctx, projectIDs)
}

// CreateRetentionPolicy keeps a policy of the project that it names. Invalid: the project has one, or it can't work.
func (s *Service) CreateRetentionPolicy(ctx context.Context, c Caller, n store.RetentionPolicy) (made store.RetentionPolicy, err error) {
	err = s.onProject(ctx, c, Ref{ID: n.ProjectID}, func(p store.Project) deed {
		return deed{
			operation: "retention.create", resource: "project:" + p.Name + "/retention", what: "set the retention policy of the project",
			access: auth.Access{Resource: "tag-retention", Project: p.Name, Action: "create"},
			check: func(context.Context) (err error) {
				n, err = job.CheckRetention(n)
				return err
			},
			do: func(ctx context.Context) (err error) {
				made, err = s.store.CreateRetentionPolicy(ctx, n)
				if errs.Is(err, errs.Conflict) { // Harbor answers 400
					return errs.New(errs.Invalid, "project %q has a retention policy already", p.Name).
						WithHint("change that one: the project's metadata name it as retention_id")
				}
				return err
			},
		}
	})
	return made, err
}

// UpdateRetentionPolicy replaces a policy; it stays that of its project.
func (s *Service) UpdateRetentionPolicy(ctx context.Context, c Caller, id int64, n store.RetentionPolicy) error {
	return s.onRetention(ctx, c, id, "update", deed{
		check: func(context.Context) (err error) {
			n, err = job.CheckRetention(n)
			return err
		},
		do: func(ctx context.Context) error {
			_, err := s.store.UpdateRetentionPolicy(ctx, id, func(r *store.RetentionPolicy) error {
				if n.ProjectID != 0 && n.ProjectID != r.ProjectID {
					return errs.New(errs.Invalid, "a retention policy can't move to another project").WithHint("leave the scope as it is")
				}
				*r = n
				return nil
			})
			return err
		},
	})
}

// DeleteRetentionPolicy removes a policy.
func (s *Service) DeleteRetentionPolicy(ctx context.Context, c Caller, id int64) error {
	return s.onRetention(ctx, c, id, "delete", deed{
		do: func(ctx context.Context) error { return s.store.DeleteRetentionPolicy(ctx, id) },
	})
}

// StartRetention clears away what the policy does not keep, or says what it would be. Unsupported: nothing does it yet.
func (s *Service) StartRetention(ctx context.Context, c Caller, id int64) error {
	return s.onRetention(ctx, c, id, "operate", deed{
		check: func(context.Context) error {
			return noJobs("run a retention", "the policy is kept; until then delete tags with a client, such as crane delete or skopeo delete")
		},
	})
}

// StopRetention stops an execution.
func (s *Service) StopRetention(ctx context.Context, c Caller, id, execution int64) error {
	return s.onRetention(ctx, c, id, "operate", deed{check: func(context.Context) error { return noExecution(execution) }})
}

// onRetention performs a deed on a policy.
func (s *Service) onRetention(ctx context.Context, c Caller, id int64, action string, d deed) error {
	_, p, err := s.retention(ctx, c, id)
	d.operation, d.what, d.remedy = "retention."+action, action+" the retention policy of the project", askProjectAdmin
	if err == nil {
		d.resource = "project:" + p.Name + "/retention"
		d.access = auth.Access{Resource: "tag-retention", Project: p.Name, Action: action}
		return s.perform(ctx, c, d)
	}
	if kind := errs.KindOf(err); kind != errs.NotFound && kind != errs.Unauthenticated {
		return err
	}
	d.resource = "retention:#" + itoa(id)
	if recorded := s.record(ctx, c, d, audit.Refused, "it does not exist or is not visible"); recorded != nil {
		return recorded
	}
	return err
}

// ListRetentionExecutions lists what a policy did.
func (s *Service) ListRetentionExecutions(ctx context.Context, c Caller, id int64) (List[RetentionExecution], error) {
	_, err := s.seesRetention(ctx, c, id, "list")
	return nothing[RetentionExecution](), err
}

// ListRetentionTasks lists what an execution was made of, or returns NotFound.
func (s *Service) ListRetentionTasks(ctx context.Context, c Caller, id, execution int64) (List[RetentionTask], error) {
	_, err := s.seesRetention(ctx, c, id, "list")
	if err == nil {
		err = noExecution(execution)
	}
	return nothing[RetentionTask](), err
}

// RetentionLog returns the log of a task, or NotFound.
func (s *Service) RetentionLog(ctx context.Context, c Caller, id, execution int64) (string, error) {
	_, err := s.seesRetention(ctx, c, id, "read")
	if err == nil {
		err = noExecution(execution)
	}
	return "", err
}
