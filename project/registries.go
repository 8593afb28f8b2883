package project

import (
	"context"
	"fmt"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/job"
	"github.com/sealock/sealock/store"
)

// RegistryChange is what can be said about a registry; what is nil stays. An AccessSecret that is [job.Masked] stays, too.
type RegistryChange struct {
	Name, Description, URL, Type, CredentialType, AccessKey, CACertificate *string
	AccessSecret                                                           *secret.Text
	Insecure                                                               *bool
}

// RegistryQuery narrows a list of registries, and of replication policies.
type RegistryQuery struct {
	Name string // names that contain this
	Paging
}

func (q RegistryQuery) filter() store.Filter {
	return q.apply(store.Filter{Name: q.Name})
}

// ListRegistries lists registries. No secret is told, here and elsewhere: AccessSecret is [job.Masked] where there is one.
func (s *Service) ListRegistries(ctx context.Context, c Caller, q RegistryQuery) (List[store.Registry], error) {
	if err := s.requireRegistry(ctx, c, "list"); err != nil {
		return List[store.Registry]{}, err
	}
	total, err := s.store.CountRegistries(ctx, q.filter())
	return collect(s.store.ListRegistries(ctx, q.filter()), total, err, masked)
}

func (s *Service) requireRegistry(ctx context.Context, c Caller, action string) error {
	return s.require(ctx, c, auth.Access{Resource: "registry", Action: action}, "see registries", askSystemAdmin)
}

func masked(r store.Registry) store.Registry {
	if r.AccessSecret != "" {
		r.AccessSecret = job.Masked
	}
	return r
}

// Registry returns a registry.
func (s *Service) Registry(ctx context.Context, c Caller, id int64) (store.Registry, error) {
	if err := s.requireRegistry(ctx, c, "read"); err != nil {
		return store.Registry{}, err
	}
	r, err := s.store.Registry(ctx, id)
	return masked(r), err
}

// CreateRegistry keeps a registry, and whether it answers. One that does not is kept all the same: it may not be up yet.
func (s *Service) CreateRegistry(ctx context.Context, c Caller, n RegistryChange) (made store.Registry, err error) {
	var r store.Registry
	var plain secret.Text
	err = s.perform(ctx, c, deed{
		operation: "registry.create", resource: "registry:" + clipped(valueOf(n.Name)), what: "create registries", remedy: askSystemAdmin,
		access: auth.Access{Resource: "registry", Action: "create"},
		check: func(context.Context) (err error) {
			r, plain, err = s.changedRegistry(store.Registry{}, n, job.CheckRegistry)
			return err
		},
		do: func(ctx context.Context) (err error) {
			r.Status = s.pinged(ctx, r, plain)
			made, err = s.store.CreateRegistry(ctx, r)
			return err
		},
	})
	return masked(made), err
}

// UpdateRegistry changes a registry. Invalid: it moves to another server and its secret is not given anew.
func (s *Service) UpdateRegistry(ctx context.Context, c Caller, id int64, change RegistryChange) error {
	return onRecord(ctx, s, c, id, s.store.Registry, func(before store.Registry) deed {
		var after store.Registry
		var plain secret.Text
		return deed{
			operation: "registry.update", resource: "registry:" + before.Name, what: "change registries",
			access: auth.Access{Resource: "registry", Action: "update"},
			check: func(context.Context) (err error) {
				after, plain, err = s.changedRegistry(before, change, job.CheckRegistry)
				return err
			},
			do: func(ctx context.Context) error {
				if after.Status == "" { // what it says of the one before is of no use
					after.Status = s.pinged(ctx, after, plain)
				}
				_, err := s.store.UpdateRegistry(ctx, id, func(r *store.Registry) error {
					if r.URL != before.URL || r.AccessSecret != before.AccessSecret {
						return errs.New(errs.Conflict, "the registry was changed meanwhile").WithHint("read it again, and make your change to what is there now")
					}
					*r = after
					return nil
				})
				return err
			},
		}
	})
}

// DeleteRegistry removes a registry. Precondition: a replication policy names it.
func (s *Service) DeleteRegistry(ctx context.Context, c Caller, id int64) error {
	return onRecord(ctx, s, c, id, s.store.Registry, func(r store.Registry) deed {
		return deed{
			operation: "registry.delete", resource: "registry:" + r.Name, what: "delete registries",
			access: auth.Access{Resource: "registry", Action: "delete"},
			do:     func(ctx context.Context) error { return s.store.DeleteRegistry(ctx, id) },
		}
	})
}

// PingRegistry asks a registry whether it answers: the one with the id (0 for none), with what is said of it instead.
func (s *Service) PingRegistry(ctx context.Context, c Caller, id int64, change RegistryChange) error {
	var r store.Registry
	var plain secret.Text
	return s.perform(ctx, c, deed{
		operation: "registry.ping", resource: "registry:" + clipped(pingName(id, change)), what: "ping registries", remedy: askSystemAdmin,
		access: auth.Access{Resource: "registry", Action: "read"},
		check: func(ctx context.Context) (err error) {
			var before store.Registry
			if id != 0 {
				if before, err = s.store.Registry(ctx, id); err != nil {
					return err
				}
			}
			r, plain, err = s.changedRegistry(before, change, job.CheckEndpoint)
			return err
		},
		do: func(ctx context.Context) error {
			if s.ping == nil {
				return errs.New(errs.Unavailable, "this server can't ask registries").WithHint("ask it from elsewhere")
			}
			err := s.ping(ctx, r, plain)
			if id != 0 && r.Status != "" { // it is the one that is kept
				s.noteStatus(ctx, id, err)
			}
			return err
		},
	})
}

func pingName(id int64, change RegistryChange) string {
	if id != 0 {
		return "#" + itoa(id)
	}
	return job.Origin(valueOf(change.URL)) // the rest may hold a password
}

// noteStatus keeps what a ping found. It is no matter when it can't be kept.
func (s *Service) noteStatus(ctx context.Context, id int64, found error) {
	_, _ = s.store.UpdateRegistry(ctx, id, func(r *store.Registry) error {
		r.Status = statusOf(found)
		return nil
	})
}

func statusOf(found error) string {
	if found != nil {
		return job.Unhealthy
	}
	return job.Healthy
}

func (s *Service) pinged(ctx context.Context, r store.Registry, plain secret.Text) string {
	if s.ping == nil {
		return job.Unhealthy
	}
	return statusOf(s.ping(ctx, r, plain))
}

// changedRegistry returns what becomes of a registry, and its secret in clear. Status is "" where the registry or the
// credential is another one.
func (s *Service) changedRegistry(before store.Registry, change RegistryChange, check func(store.Registry) (store.Registry, error)) (store.Registry, secret.Text, error) {
	after := before
	set(&after.Name, change.Name)
	set(&after.Description, change.Description)
	set(&after.URL, change.URL)
	set(&after.Type, change.Type)
	set(&after.CredentialType, change.CredentialType)
	set(&after.AccessKey, change.AccessKey)
	set(&after.CACertificate, change.CACertificate)
	set(&after.Insecure, change.Insecure)
	after, err := check(after)
	if err == nil {
		err = checkDescription(after.Description)
	}
	if err != nil {
		return after, secret.Text{}, err
	}
	purpose := registryPurpose(after)
	if change.AccessSecret != nil && change.AccessSecret.Reveal() != job.Masked {
		plain := *change.AccessSecret
		after.Status = ""
		after.AccessSecret, err = s.sealed(plain, purpose)
		return after, plain, err
	}
	if before.AccessSecret != "" && !job.SameOrigin(before.URL, after.URL) {
		return after, secret.Text{}, errs.New(errs.Invalid, "the registry is another server than before, and its secret is not given").
			WithHint("give access_secret anew: a secret is not sent to a server that it was not given for")
	}
	if after.URL != before.URL || after.AccessKey != before.AccessKey || after.Insecure != before.Insecure || after.CACertificate != before.CACertificate {
		after.Status = ""
	}
	plain, err := s.opened(before.AccessSecret, purpose)
	if err != nil {
		return after, plain, fmt.Errorf("reading the secret of registry %d: %w", before.ID, err)
	}
	return after, plain, nil
}

// registryPurpose names the server that a registry's secret is for.
func registryPurpose(r store.Registry) string { return "the registry at " + job.Origin(r.URL) }

// set puts in what is given.
func set[T any](to *T, given *T) {
	if given != nil {
		*to = *given
	}
}

func valueOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// RequireAdapters is whether the caller may see the kinds of registries.
func (s *Service) RequireAdapters(ctx context.Context, c Caller) error {
	return s.require(ctx, c, auth.Access{Resource: "replication-adapter", Action: "list"}, "list the kinds of registries", askSystemAdmin)
}

// RegistryKind returns the kind of a registry, and whether it is this server, which has the id 0.
func (s *Service) RegistryKind(ctx context.Context, c Caller, id int64) (kind string, here bool, err error) {
	if id == 0 {
		return job.TypeHarbor, true, s.requireRegistry(ctx, c, "read")
	}
	r, err := s.Registry(ctx, c, id)
	return r.Type, false, err
}
