package project

import (
	"context"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// WithReindexer returns a service that can have the registry walked through.
func (s *Service) WithReindexer(r *Reindexer) *Service {
	with := *s
	with.reindexer = r
	return &with
}

// Reindex tells how the walk through the registry stands, to whoever may know.
func (s *Service) Reindex(ctx context.Context, c Caller) (store.Reindex, error) {
	if err := s.require(ctx, c, auth.Access{Resource: "reindex", Action: "read"}, "see the walk through the registry", askSystemAdmin); err != nil {
		return store.Reindex{}, err
	}
	return s.store.Reindex(ctx)
}

// StartReindex has the registry walked through, from where the last walk stopped unless fresh. Conflict: somebody does
// already. Unsupported: this server has no registry.
func (s *Service) StartReindex(ctx context.Context, c Caller, fresh bool) (st store.Reindex, err error) {
	err = s.perform(ctx, c, deed{
		operation: "reindex.start", resource: "registry", what: "have the registry walked through", remedy: askSystemAdmin,
		access: auth.Access{Resource: "reindex", Action: "create"},
		check: func(context.Context) error {
			if s.reindexer == nil {
				return errs.New(errs.Unsupported, "this server has no registry to walk through").WithHint("set registry.url")
			}
			return nil
		},
		do: func(ctx context.Context) (err error) {
			st, err = s.store.UpdateReindex(ctx, func(st *store.Reindex) error {
				if st.State.Active() {
					return errs.New(errs.Conflict, "the registry is walked through already").WithHint("sealock reindex --status tells how far it is, --stop stops it")
				}
				goOn := !fresh && (st.State == store.ReindexStopped || st.State == store.ReindexFailed)
				if !goOn {
					*st = store.Reindex{StartedAt: s.clock.Now()}
				}
				st.State, st.Owner, st.By, st.Error = store.ReindexRunning, "", c.Name, ""
				st.SeenAt, st.EndedAt = s.clock.Now(), time.Time{}
				return nil
			})
			if err == nil {
				s.reindexer.nudge()
			}
			return err
		},
	})
	return st, err
}

// StopReindex has the walk through the registry stop. It can go on later. NotFound: there is none.
func (s *Service) StopReindex(ctx context.Context, c Caller) error {
	return s.perform(ctx, c, deed{
		operation: "reindex.stop", resource: "registry", what: "stop the walk through the registry", remedy: askSystemAdmin,
		access: auth.Access{Resource: "reindex", Action: "stop"},
		do: func(ctx context.Context) error {
			_, err := s.store.UpdateReindex(ctx, func(st *store.Reindex) error {
				if !st.State.Active() {
					return errs.New(errs.NotFound, "nobody walks through the registry").WithHint("start it with sealock reindex")
				}
				st.State = store.ReindexStopping
				return nil
			})
			if err == nil && s.reindexer != nil {
				s.reindexer.nudge()
			}
			return err
		},
	})
}

// nudge lets Run look at once.
func (r *Reindexer) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}
