package project

import (
	"context"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/job"
	"github.com/sealock/sealock/store"
)

// Replication is a replication policy with its registry: the other one is this server.
type Replication struct {
	store.ReplicationPolicy
	Src, Dest *store.Registry // as told by Registry; nil for this server
}

// ReplicationExecution and ReplicationTask are what a replication did. There are none before jobs run.
type (
	ReplicationExecution struct{ ID, PolicyID int64 }
	ReplicationTask      struct{ ID, ExecutionID int64 }
)

// ListReplicationPolicies lists replication policies.
func (s *Service) ListReplicationPolicies(ctx context.Context, c Caller, q RegistryQuery) (l List[Replication], err error) {
	if err := s.requireReplication(ctx, c, "list"); err != nil {
		return l, err
	}
	total, err := s.store.CountReplicationPolicies(ctx, q.filter())
	found, err := collect(s.store.ListReplicationPolicies(ctx, q.filter()), total, err, asIs)
	if err != nil {
		return l, err
	}
	l = List[Replication]{Items: make([]Replication, len(found.Items)), Total: found.Total}
	known := map[int64]*store.Registry{}
	for i, p := range found.Items {
		if l.Items[i], err = s.withRegistry(ctx, p, known); err != nil {
			return l, err
		}
	}
	return l, nil
}

func (s *Service) requireReplication(ctx context.Context, c Caller, action string) error {
	return s.require(ctx, c, auth.Access{Resource: "replication-policy", Action: action}, "see replication policies", askSystemAdmin)
}

// withRegistry adds the registry; known are those that were read before.
func (s *Service) withRegistry(ctx context.Context, p store.ReplicationPolicy, known map[int64]*store.Registry) (Replication, error) {
	id := max(p.SrcRegistryID, p.DestRegistryID) // the other one is 0
	if known[id] == nil {
		r, err := s.store.Registry(ctx, id)
		if err != nil {
			return Replication{}, err
		}
		r = masked(r)
		known[id] = &r
	}
	if p.SrcRegistryID != 0 {
		return Replication{ReplicationPolicy: p, Src: known[id]}, nil
	}
	return Replication{ReplicationPolicy: p, Dest: known[id]}, nil
}

// ReplicationPolicy returns a replication policy.
func (s *Service) ReplicationPolicy(ctx context.Context, c Caller, id int64) (Replication, error) {
	if err := s.requireReplication(ctx, c, "read"); err != nil {
		return Replication{}, err
	}
	p, err := s.store.ReplicationPolicy(ctx, id)
	if err != nil {
		return Replication{}, err
	}
	return s.withRegistry(ctx, p, map[int64]*store.Registry{})
}

// CreateReplicationPolicy keeps a policy. Invalid: it can't work, or there is no such registry. Conflict: the name is taken.
func (s *Service) CreateReplicationPolicy(ctx context.Context, c Caller, p store.ReplicationPolicy) (made store.ReplicationPolicy, err error) {
	err = s.perform(ctx, c, deed{
		operation: "replication-policy.create", resource: "replication-policy:" + clipped(p.Name), what: "create replication policies", remedy: askSystemAdmin,
		access: auth.Access{Resource: "replication-policy", Action: "create"},
		check: func(ctx context.Context) (err error) {
			p.Creator = c.Name
			p, err = s.soundReplication(ctx, p)
			return err
		},
		do: func(ctx context.Context) (err error) {
			made, err = s.store.CreateReplicationPolicy(ctx, p)
			return err
		},
	})
	return made, err
}

func (s *Service) soundReplication(ctx context.Context, p store.ReplicationPolicy) (store.ReplicationPolicy, error) {
	p, err := job.CheckReplication(p)
	if err != nil {
		return p, err
	}
	if err := checkDescription(p.Description); err != nil {
		return p, err
	}
	id := max(p.SrcRegistryID, p.DestRegistryID)
	if _, err := s.store.Registry(ctx, id); errs.Is(err, errs.NotFound) {
		return p, errs.New(errs.Invalid, "there is no registry %d", id).WithHint("GET /api/v2.0/registries lists what there is")
	} else if err != nil {
		return p, err
	}
	return p, nil
}

// UpdateReplicationPolicy replaces a policy.
func (s *Service) UpdateReplicationPolicy(ctx context.Context, c Caller, id int64, p store.ReplicationPolicy) error {
	return onRecord(ctx, s, c, id, s.store.ReplicationPolicy, func(before store.ReplicationPolicy) deed {
		return deed{
			operation: "replication-policy.update", resource: "replication-policy:" + before.Name, what: "change replication policies",
			access: auth.Access{Resource: "replication-policy", Action: "update"},
			check: func(ctx context.Context) (err error) {
				p, err = s.soundReplication(ctx, p)
				return err
			},
			do: func(ctx context.Context) error {
				_, err := s.store.UpdateReplicationPolicy(ctx, id, func(kept *store.ReplicationPolicy) error {
					p.Creator = kept.Creator
					*kept = p
					return nil
				})
				return err
			},
		}
	})
}

// DeleteReplicationPolicy removes a policy.
func (s *Service) DeleteReplicationPolicy(ctx context.Context, c Caller, id int64) error {
	return onRecord(ctx, s, c, id, s.store.ReplicationPolicy, func(p store.ReplicationPolicy) deed {
		return deed{
			operation: "replication-policy.delete", resource: "replication-policy:" + p.Name, what: "delete replication policies",
			access: auth.Access{Resource: "replication-policy", Action: "delete"},
			do:     func(ctx context.Context) error { return s.store.DeleteReplicationPolicy(ctx, id) },
		}
	})
}

// StartReplication starts a replication. NotFound: there is no such policy. Unsupported: nothing starts it yet.
func (s *Service) StartReplication(ctx context.Context, c Caller, policyID int64) error {
	return onRecord(ctx, s, c, policyID, s.store.ReplicationPolicy, func(p store.ReplicationPolicy) deed {
		return deed{
			operation: "replication.start", resource: "replication-policy:" + p.Name, what: "start replications",
			access: auth.Access{Resource: "replication", Action: "create"},
			check: func(context.Context) error {
				return noJobs("replicate", "the policy is kept; until then copy with a client, such as crane copy or skopeo sync")
			},
		}
	})
}

// StopReplication stops a replication that runs.
func (s *Service) StopReplication(ctx context.Context, c Caller, id int64) error {
	return s.perform(ctx, c, deed{
		operation: "replication.stop", resource: "replication:#" + itoa(id), what: "stop replications", remedy: askSystemAdmin,
		access: auth.Access{Resource: "replication", Action: "create"},
		check:  func(context.Context) error { return noExecution(id) },
	})
}

// ListReplicationExecutions lists what replications did.
func (s *Service) ListReplicationExecutions(ctx context.Context, c Caller) (List[ReplicationExecution], error) {
	err := s.require(ctx, c, auth.Access{Resource: "replication", Action: "list"}, "see replications", askSystemAdmin)
	return nothing[ReplicationExecution](), err
}

// ReplicationExecution returns what a replication did, or NotFound.
func (s *Service) ReplicationExecution(ctx context.Context, c Caller, id int64) (ReplicationExecution, error) {
	err := s.require(ctx, c, auth.Access{Resource: "replication", Action: "read"}, "see replications", askSystemAdmin)
	if err == nil {
		err = noExecution(id)
	}
	return ReplicationExecution{}, err
}

// ListReplicationTasks lists what a replication was made of, or returns NotFound.
func (s *Service) ListReplicationTasks(ctx context.Context, c Caller, id int64) (List[ReplicationTask], error) {
	err := s.require(ctx, c, auth.Access{Resource: "replication", Action: "list"}, "see replications", askSystemAdmin)
	if err == nil {
		err = noExecution(id)
	}
	return nothing[ReplicationTask](), err
}

// ReplicationLog returns the log of a task, or NotFound.
func (s *Service) ReplicationLog(ctx context.Context, c Caller, id int64) (string, error) {
	_, err := s.ReplicationExecution(ctx, c, id)
	return "", err
}
