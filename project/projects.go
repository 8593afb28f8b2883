package project

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// Ref names a project by its name or, where that is empty, by its id.
type Ref struct {
	Name string
	ID   int64
}

// String returns the reference as people read it.
func (r Ref) String() string {
	if r.Name == "" {
		return "#" + itoa(r.ID)
	}
	return strconv.Quote(r.Name)
}

// NewProject is what a project is made of.
type NewProject struct {
	Name     string
	Public   bool
	Metadata map[string]string // in Harbor's words; public among them counts more than Public
	Storage  *int64            // how many bytes it may hold, -1 being any number, for whoever may change quotas; nil: as the rules say
}

// Change is what can be changed about a project; what is nil stays.
type Change struct {
	Public   *bool
	Metadata map[string]string // these are set, the others stay
	Storage  *int64            // for whoever may change quotas
}

// Query narrows a list of projects.
type Query struct {
	Name   string // names that contain this
	Owner  string // of this user; "" for any's and nobody's
	Public *bool
	Paging
}

// CheckName refuses what can't be the name of a project: it is the first component of the names of its repositories.
// The error is of the kind Invalid.
func CheckName(name string) error {
	if !isName(name) {
		return errs.New(errs.Invalid, "%s can't be the name of a project", clip(name)).
			WithHint("use 1 to 255 lower-case letters and digits, parted by single . or _, by __ or by -")
	}
	return nil
}

// CreateProject makes a project whose administrator is the caller. Invalid: the name breaks the rule. Conflict: the
// name is taken. Precondition: the caller's account is not kept here, so that it can't be a member.
func (s *Service) CreateProject(ctx context.Context, c Caller, n NewProject) (p store.Project, err error) {
	var members []store.Member
	made := store.Project{Name: n.Name, Public: n.Public, OwnerID: c.ID}
	err = s.perform(ctx, c, deed{
		operation: "project.create", resource: "project:" + n.Name, what: "create projects", remedy: askSystemAdmin,
		access: auth.Access{Resource: "project", Action: "create"},
		check: func(ctx context.Context) (err error) {
			if err := s.mayCreate(c); err != nil {
				return err
			}
			if c.ID != 0 {
				members = []store.Member{{UserID: c.ID, Role: store.RoleProjectAdmin}}
			} else if !c.SysAdmin && c.Kind != auth.KindRobot { // a robot's projects are the administrators'
				return errs.New(errs.Precondition, "an account that is not kept by sealock can't own a project").WithHint(askSystemAdmin)
			}
			if err := CheckName(n.Name); err != nil {
				return err
			}
			if err := CheckMetadata(n.Metadata); err != nil {
				return err
			}
			tell(&made, n.Metadata)
			if made.StorageLimit, err = s.newLimit(ctx, c, n.Storage); err != nil {
				return err
			}
			return s.unclaimed(ctx, c, n.Name)
		},
		do: func(ctx context.Context) (err error) {
			p, err = s.store.CreateProject(ctx, made, members...)
			return err
		},
	})
	return p, err
}

// ListProjects lists the projects that the caller may see: the public ones and those that it or one of its
// groups is a member of, or all for whoever may list projects.
func (s *Service) ListProjects(ctx context.Context, c Caller, q Query) (List[store.Project], error) {
	f := q.apply(store.Filter{Name: q.Name, Public: q.Public})
	all, err := s.may(ctx, c, auth.Access{Resource: "project", Action: "list"})
	if err != nil {
		return List[store.Project]{}, err
	}
	if !all {
		var possible bool
		if f, possible = visible(f, c); !possible {
			return List[store.Project]{Items: []store.Project{}}, nil
		}
	}
	if q.Owner != "" {
		u, err := s.store.UserByName(ctx, q.Owner)
		if errs.Is(err, errs.NotFound) {
			return List[store.Project]{Items: []store.Project{}}, nil
		}
		if err != nil {
			return List[store.Project]{}, err
		}
		f.Where = append(slices.Clone(f.Where), store.Is("owner_id", u.ID))
	}
	total, err := s.store.CountProjects(ctx, f)
	l, err := collect(s.store.ListProjects(ctx, f), total, err, asIs)
	return l.follow(func(p store.Project) int64 { return p.ID }), err
}

// visible narrows a filter to public projects and those of the caller, and reports whether there can be any.
func visible(f store.Filter, c Caller) (store.Filter, bool) {
	switch {
	case f.Public != nil && *f.Public: // public ones are everybody's
		return f, true
	case c.ID != 0:
		f.MemberID, f.GroupIDs = c.ID, c.GroupIDs
		return f, true
	case f.Public != nil: // private ones, of nobody
		return f, false
	default:
		public := true
		f.Public = &public
		return f, true
	}
}

// Project returns a project that the caller may see. NotFound: there is none, or it is not visible to the caller, or it has
// another name now (a [RenamedError]).
func (s *Service) Project(ctx context.Context, c Caller, ref Ref) (store.Project, error) {
	p, err := s.find(ctx, ref)
	if errs.Is(err, errs.NotFound) {
		return store.Project{}, s.absentProject(ctx, c, ref)
	}
	if err != nil {
		return store.Project{}, err
	}
	ok, err := s.may(ctx, c, auth.Access{Resource: "project", Project: p.Name, Action: "read"})
	if err != nil {
		return store.Project{}, err
	}
	if !ok {
		return store.Project{}, unseen(c, ref)
	}
	return p, nil
}

func (s *Service) find(ctx context.Context, ref Ref) (store.Project, error) {
	if ref.Name != "" {
		return s.store.ProjectByName(ctx, ref.Name)
	}
	return s.store.Project(ctx, ref.ID)
}

// unseen is the one answer for a project that does not exist and for one that the caller may not see. Whoever is not
// signed in is asked to, in both cases.
func unseen(c Caller, ref Ref) error {
	if c.Anonymous() {
		return signIn("see the project " + clipped(ref.String()))
	}
	return errs.New(errs.NotFound, "project %s does not exist or is not visible to you", clipped(ref.String())).
		WithHint("check the name, or ask for a membership")
}

// UpdateProject changes a project. Invalid: there is no such metadata, or it can't have the value.
func (s *Service) UpdateProject(ctx context.Context, c Caller, ref Ref, change Change) error {
	return s.onProject(ctx, c, ref, func(p store.Project) deed {
		limit := p.StorageLimit
		return deed{
			operation: "project.update", what: "change project " + strconv.Quote(p.Name),
			access: auth.Access{Resource: "project", Project: p.Name, Action: "update"},
			check: func(ctx context.Context) (err error) {
				if change.Storage != nil {
					if limit, err = s.changedLimit(ctx, c, p, *change.Storage); err != nil {
						return err
					}
				}
				return CheckMetadata(change.Metadata)
			},
			do: func(ctx context.Context) error {
				_, err := s.store.UpdateProject(ctx, p.ID, func(p *store.Project) error {
					if change.Public != nil {
						p.Public = *change.Public
					}
					if change.Storage != nil {
						p.StorageLimit = limit
					}
					tell(p, change.Metadata)
					return nil
				})
				return err
			},
		}
	})
}

// DeleteProject removes a project, its memberships and what is left of its repositories. Precondition: it has images
// with tags yet.
func (s *Service) DeleteProject(ctx context.Context, c Caller, ref Ref) error {
	return s.onProject(ctx, c, ref, func(p store.Project) deed {
		return deed{
			operation: "project.delete", what: "delete project " + strconv.Quote(p.Name),
			access: auth.Access{Resource: "project", Project: p.Name, Action: "delete"},
			check:  func(ctx context.Context) error { return s.empty(ctx, p.Name) },
			do: func(ctx context.Context) error {
				if err := s.store.DeleteProject(ctx, p.ID); err != nil || s.contents == nil {
					return err
				}
				return s.contents.DropRepositories(ctx, p.Name)
			},
		}
	})
}

// unclaimed refuses a name under which a registry still holds repositories: whoever made a project of it would own
// them. A system administrator may, to adopt them.
func (s *Service) unclaimed(ctx context.Context, c Caller, name string) error {
	if s.contents == nil || c.SysAdmin {
		return nil
	}
	left, err := s.contents.HasRepositories(ctx, name)
	if err != nil {
		return fmt.Errorf("looking for repositories of project %q: %w", name, err)
	}
	if left {
		return errs.New(errs.Precondition, "the registry holds repositories of an earlier project %q", name).
			WithHint("choose another name, or ask a system administrator to create it")
	}
	return nil
}

// empty returns an error if the project has images.
func (s *Service) empty(ctx context.Context, name string) error {
	if s.contents == nil {
		return nil
	}
	full, err := s.contents.HasContent(ctx, name)
	if err != nil {
		return fmt.Errorf("looking for images of project %q: %w", name, err)
	}
	if full {
		return errs.New(errs.Precondition, "project %q has images", name).
			WithHint("\"sealock repository list %s\" shows where, and \"sealock repository delete\" deletes them", name)
	}
	return nil
}

// onProject performs a deed on a project or something in it. For a project that the caller can't see, the answer is
// that of Project; the attempt is recorded if there is one.
func (s *Service) onProject(ctx context.Context, c Caller, ref Ref, of func(store.Project) deed) error {
	p, err := s.Project(ctx, c, ref)
	if err == nil {
		d := of(p)
		d.remedy = askProjectAdmin
		if d.resource == "" {
			d.resource = "project:" + p.Name
		}
		return s.perform(ctx, c, d)
	}
	if kind := errs.KindOf(err); kind != errs.NotFound && kind != errs.Unauthenticated {
		return err
	}
	d := of(store.Project{Name: ref.Name, ID: ref.ID})
	d.resource = "project:" + clipped(ref.String())
	if recorded := s.record(ctx, c, d, audit.Refused, "the project does not exist or is not visible"); recorded != nil {
		return recorded
	}
	return err
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// clip quotes what a client sent, shortened.
func clip(s string) string { return strconv.Quote(clipped(s)) }

// clipped shortens what a client sent, for messages and records, and hides a secret that stands where a name should.
func clipped(s string) string { return auth.Presented(s) }
