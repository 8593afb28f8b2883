package project

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// Follower makes the index say of a tag or a digest what the registry says of it, after the service changed it there. at is
// when it was pushed, zero for now. It returns the digest that the registry has, "" for none.
type Follower interface {
	Follow(ctx context.Context, repository, reference string, at time.Time) (digest string, err error)
}

// WithRegistry returns a service that changes what a registry holds.
func (s *Service) WithRegistry(r Registry, f Follower) *Service {
	with := *s
	with.registry, with.follower = r, f
	return &with
}

// RepositoryRef names a repository of a project, without the project's name.
type RepositoryRef struct {
	Project Ref
	Name    string
}

// RepositoryQuery narrows a list of repositories.
type RepositoryQuery struct {
	Name string // names that contain this
	Paging
}

func (q RepositoryQuery) filter() store.IndexFilter {
	return q.index(store.IndexFilter{Name: q.Name})
}

// index is apply for lists of the index.
func (p Paging) index(f store.IndexFilter) store.IndexFilter {
	page := p.apply(store.Filter{})
	f.Offset, f.Limit, f.After, f.Sort, f.Where = page.Offset, page.Limit, page.After, page.Sort, page.Where
	return f
}

// ListRepositories lists the repositories in all projects that the caller may see. What the policy hides in them is
// left out of its page.
func (s *Service) ListRepositories(ctx context.Context, c Caller, q RepositoryQuery) (List[store.Repository], error) {
	f := q.filter()
	all, err := s.may(ctx, c, auth.Access{Resource: "project", Action: "list"})
	if err != nil {
		return List[store.Repository]{}, err
	}
	if !all {
		seen, possible := visible(store.Filter{}, c)
		if !possible {
			return List[store.Repository]{Items: []store.Repository{}}, nil
		}
		f.Visible = &seen
	}
	in := part{}
	if !all || narrowed(c, "repository") {
		if in, err = s.partial(ctx, c, "repository", nil); err != nil {
			return List[store.Repository]{}, err
		}
	}
	return s.repositoryRecords(ctx, c).page(ctx, f, in)
}

// ListProjectRepositories lists the repositories of a project.
func (s *Service) ListProjectRepositories(ctx context.Context, c Caller, ref Ref, q RepositoryQuery) (List[store.Repository], error) {
	p, err := s.Project(ctx, c, ref)
	if err != nil {
		return List[store.Repository]{}, err
	}
	what := "list the repositories of project " + strconv.Quote(p.Name)
	if err := s.require(ctx, c, auth.Access{Resource: "repository", Project: p.Name, Action: "list"}, what, askProjectAdmin); err != nil {
		return List[store.Repository]{}, err
	}
	f := q.filter()
	f.Projects = []int64{p.ID}
	in, err := s.partial(ctx, c, "repository", []store.Project{p})
	if err != nil {
		return List[store.Repository]{}, err
	}
	return s.repositoryRecords(ctx, c).page(ctx, f, in)
}

// PublicProjects tells which projects of repositories that were listed for the caller are public, by their ids.
func (s *Service) PublicProjects(ctx context.Context, repositories []store.Repository) (map[int64]bool, error) {
	public := map[int64]bool{}
	for _, r := range repositories {
		if _, known := public[r.ProjectID]; known {
			continue
		}
		p, err := s.store.Project(ctx, r.ProjectID)
		if absent(err) != nil {
			return nil, err
		}
		public[r.ProjectID] = p.Public
	}
	return public, nil
}

// shown keeps the items that may be shown. Where the last one may not, the next page is found by its number: an id that
// somebody may not see is told to nobody.
func shown[T any](l List[T], id func(T) int64, may func(T) (bool, error)) (List[T], error) {
	kept := List[T]{Items: make([]T, 0, len(l.Items)), Total: l.Total}
	for _, item := range l.Items {
		ok, err := may(item)
		if err != nil {
			return kept, err
		}
		if kept.Last = 0; ok {
			kept.Items, kept.Last = append(kept.Items, item), id(item)
		}
	}
	return kept, nil
}

// mayIn asks the policy about something in a repository.
func (s *Service) mayIn(ctx context.Context, c Caller, repository, resource, action string) (bool, error) {
	of, _ := auth.Project(repository)
	return s.may(ctx, c, auth.Access{Resource: resource, Project: of, Repository: repository, Action: action})
}

// place is a repository that was asked for, or why there is none.
type place struct {
	project    store.Project
	name       string // the whole one
	repository store.Repository
	err        error
}

// seek looks for a repository of a project.
func (s *Service) seek(ctx context.Context, p store.Project, name string) place {
	at := place{project: p, name: p.Name + "/" + name}
	if !auth.ValidRepository(at.name) {
		at.err = noRepository(at.name)
		return at
	}
	at.repository, at.err = s.store.RepositoryByName(ctx, at.name)
	// The name begins with the project's: another one's can only be one that is on its way out.
	if errs.Is(at.err, errs.NotFound) || (at.err == nil && at.repository.ProjectID != p.ID) {
		at.err = noRepository(at.name)
	}
	return at
}

func noRepository(name string) error {
	return errs.New(errs.NotFound, "there is no repository %s", clip(name)).WithHint("list the repositories of its project")
}

// open finds a repository for somebody who may do the action to the resource in it.
func (s *Service) open(ctx context.Context, c Caller, ref RepositoryRef, resource, action, what string) (place, error) {
	p, err := s.Project(ctx, c, ref.Project)
	if err != nil {
		return place{}, err
	}
	at := place{name: p.Name + "/" + ref.Name}
	if !auth.ValidRepository(at.name) {
		return at, noRepository(at.name)
	}
	access := auth.Access{Resource: resource, Project: p.Name, Repository: at.name, Action: action}
	if err := s.require(ctx, c, access, what+" "+strconv.Quote(at.name), askProjectAdmin); err != nil {
		return at, err
	}
	at = s.seek(ctx, p, ref.Name)
	return at, at.err
}

// onRepository performs a deed on a repository or something in it. The policy is asked before anything is told of what
// there is.
func (s *Service) onRepository(ctx context.Context, c Caller, ref RepositoryRef, of func(place) deed) error {
	return s.onProject(ctx, c, ref.Project, func(p store.Project) deed {
		at := s.place(ctx, p, ref.Name)
		return at.bind(of(at))
	})
}

// place is seek in a project that may not be there.
func (s *Service) place(ctx context.Context, p store.Project, name string) place {
	if p.ID == 0 || p.Name == "" {
		return place{project: p, name: p.Name + "/" + name}
	}
	return s.seek(ctx, p, name)
}

// bind makes a deed one in the repository, which must be there.
func (at place) bind(d deed) deed {
	d.access.Project = at.project.Name
	if auth.ValidRepository(at.name) {
		d.access.Repository = at.name
	}
	check := d.check
	d.check = func(ctx context.Context) error {
		if at.err != nil || check == nil {
			return at.err
		}
		return check(ctx)
	}
	return d
}

// Repository returns a repository.
func (s *Service) Repository(ctx context.Context, c Caller, ref RepositoryRef) (store.Repository, error) {
	at, err := s.open(ctx, c, ref, "repository", "read", "see repository")
	return at.repository, err
}

// DescribeRepository changes what people read of a repository.
func (s *Service) DescribeRepository(ctx context.Context, c Caller, ref RepositoryRef, text string) error {
	return s.onRepository(ctx, c, ref, func(at place) deed {
		return deed{
			operation: "repository.update", resource: "repository:" + clipped(at.name), what: "change repository " + clip(at.name),
			access: auth.Access{Resource: "repository", Action: "update"},
			do: func(ctx context.Context) error {
				_, err := s.store.UpdateRepository(ctx, at.repository.ID, func(r *store.Repository) error {
					r.Description = text
					return nil
				})
				return err
			},
		}
	})
}

// DeleteRepository removes a repository with all that is in it, from the registry and the index. Precondition: a tag is
// immutable. Unsupported: the registry does not delete.
func (s *Service) DeleteRepository(ctx context.Context, c Caller, ref RepositoryRef) error {
	return s.onRepository(ctx, c, ref, func(at place) deed {
		return deed{
			operation: "repository.delete", resource: "repository:" + clipped(at.name), what: "delete repository " + clip(at.name),
			access: auth.Access{Resource: "repository", Action: "delete"},
			check: func(ctx context.Context) error {
				if err := s.changeable(); err != nil {
					return err
				}
				if err := s.tagRules(ctx, c, at.name, "delete", auth.EveryTag); err != nil {
					return err
				}
				return s.noneImmutable(ctx, at, store.IndexFilter{Repository: at.repository.ID})
			},
			do: func(ctx context.Context) error { return s.deleteRepository(ctx, at.repository) },
		}
	})
}

// RepositoriesIn counts what the caller sees of the repositories of projects that were listed for it, by the projects' ids. Of
// the projects, the id and the name are needed.
func (s *Service) RepositoriesIn(ctx context.Context, c Caller, projects []store.Project) (map[int64]int64, error) {
	counts, err := s.store.RepositoriesIn(ctx, projectIDs(projects))
	if err != nil {
		return nil, err
	}
	in, err := s.partial(ctx, c, "repository", projects)
	if err != nil || in.nowhere() {
		return counts, err
	}
	seen, err := s.countEach(ctx, c, store.IndexFilter{Projects: projectIDs(in.projects)})
	for _, p := range in.projects {
		counts[p.ID] = seen[p.ID]
	}
	return counts, err
}

// changeable refuses where there is no registry to change anything in.
func (s *Service) changeable() error {
	if s.registry == nil || s.follower == nil {
		return errs.New(errs.Unsupported, "this server does not stand before a registry that it could change").
			WithHint("use the registry itself, for instance with crane")
	}
	return nil
}

// tagRules holds somebody who may do something to a repository's content to the policy's rules about its tags, which are
// about the resource repository.
func (s *Service) tagRules(ctx context.Context, c Caller, repository, action, tag string) error {
	of, _ := auth.Project(repository)
	ruling, err := s.policy.Decide(ctx, c.Subject, auth.Access{Resource: "repository", Project: of, Repository: repository, Tag: tag, Action: action})
	if err != nil {
		return err
	}
	if !ruling.Forbidden {
		return nil
	}
	what := "tag " + clip(tag)
	if tag == auth.EveryTag {
		what = "all tags"
	}
	return errs.New(errs.Denied, "a rule keeps you from this (%s) with %s of repository %s", action, what, strconv.Quote(repository)).WithHint(askProjectAdmin)
}

// noneImmutable refuses if one of the tags is immutable.
func (s *Service) noneImmutable(ctx context.Context, at place, tags store.IndexFilter) error {
	immutable, err := s.immutableIn(ctx, at.project, at.name)
	if err != nil {
		return err
	}
	for tag, err := range s.store.ListTags(ctx, tags) {
		if err != nil {
			return err
		}
		if immutable(tag.Name) {
			return errImmutable(at.name, tag.Name)
		}
	}
	return nil
}

func errImmutable(repository, tag string) error {
	return errs.New(errs.Precondition, "tag %s of repository %s is immutable", clip(tag), strconv.Quote(repository)).
		WithHint("a rule of the project says so: %s", askProjectAdmin)
}

// immutableIn returns what says of a repository's tags whether they are immutable.
func (s *Service) immutableIn(ctx context.Context, p store.Project, repository string) (func(tag string) bool, error) {
	rules, err := collect(s.store.ListImmutableRules(ctx, p.ID, store.Filter{}), 0, nil, asIs)
	_, name := split(repository)
	return func(tag string) bool { return Immutable(rules.Items, name, tag) }, err
}

// deleteRepository removes what the index knows of, and what it does not and a tag leads to.
func (s *Service) deleteRepository(ctx context.Context, r store.Repository) error {
	for a, err := range s.store.ListArtifacts(ctx, store.IndexFilter{Repository: r.ID}) {
		if err != nil {
			return err
		}
		if err := s.registry.DeleteManifest(ctx, r.Name, a.Digest); absent(err) != nil {
			return err
		}
	}
	if err := s.deleteTagged(ctx, r.Name); err != nil {
		return err
	}
	if err := s.store.DeleteRepository(ctx, r.ID); err != nil {
		return err
	}
	// What was pushed meanwhile is still there.
	tags, _, err := s.registry.Tags(ctx, r.Name, "", MaxPage)
	if err != nil {
		return absent(err)
	}
	for _, tag := range tags {
		if err := s.follow(ctx, r.Name, tag); err != nil {
			return err
		}
	}
	return nil
}

// deleteTagged removes the manifests that tags lead to.
func (s *Service) deleteTagged(ctx context.Context, repository string) error {
	last := ""
	for {
		tags, more, err := s.registry.Tags(ctx, repository, last, MaxPage)
		if err != nil {
			return absent(err)
		}
		for _, tag := range tags {
			_, body, err := s.registry.Manifest(ctx, repository, tag)
			if err == nil {
				err = s.registry.DeleteManifest(ctx, repository, digestOf(body))
			}
			if absent(err) != nil {
				return err
			}
		}
		if !more || len(tags) == 0 {
			return nil
		}
		last = slices.Max(tags)
	}
}

// follow makes the index say what the registry says after a change.
func (s *Service) follow(ctx context.Context, repository, reference string) error {
	_, err := s.follower.Follow(ctx, repository, reference, time.Time{})
	return err
}

// split parts a repository's whole name.
func split(repository string) (project, name string) {
	project, name, _ = strings.Cut(repository, "/")
	return project, name
}
