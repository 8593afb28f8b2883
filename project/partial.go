package project

import (
	"context"
	"iter"
	"slices"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// A member can be there for some repositories of a project, and a credential be good for some. What such a caller does not
// see must neither be listed nor counted. Which these are no index knows: the policy is asked about one after the other. That
// is done for those alone whom it is about; all others have what the database counts.

// mostCounted is up to how many records are looked at to count those that a caller sees of them.
const mostCounted = 10_000

// part is where a caller sees a part of what there is.
type part struct {
	everywhere bool
	projects   []store.Project
}

func (p part) nowhere() bool { return !p.everywhere && len(p.projects) == 0 }

// partial returns where of the projects, of all that there are where it is nil, the caller sees a part of what there is of a
// resource.
func (s *Service) partial(ctx context.Context, c Caller, resource string, among []store.Project) (in part, err error) {
	if narrowed(c, resource) {
		if in.everywhere = among == nil; in.everywhere {
			return in, nil
		}
	} else if among, err = s.limitedTo(ctx, c, among); err != nil {
		return in, err
	}
	for _, p := range among {
		whole, err := s.may(ctx, c, auth.Access{Resource: resource, Project: p.Name, Action: "list", Whole: true})
		if err != nil {
			return in, err
		}
		if !whole {
			in.projects = append(in.projects, p)
		}
	}
	return in, nil
}

// narrowed reports whether a caller is good for some repositories wherever it is, for all that is known of the projects.
func narrowed(c Caller, resource string) bool {
	all := auth.Permissions{{Project: "*", Resource: resource, Actions: []string{"list"}}}
	return c.Bounds != nil && !c.Bounds.Cover(all) || slices.ContainsFunc(c.Grants, func(p auth.Permission) bool { return len(p.Repositories) > 0 })
}

// limitedTo returns the projects in which the caller has a role for some repositories only.
func (s *Service) limitedTo(ctx context.Context, c Caller, among []store.Project) ([]store.Project, error) {
	if c.ID == 0 && len(c.GroupIDs) == 0 || among != nil && len(among) == 0 {
		return nil, nil
	}
	var ids []int64
	for _, p := range among {
		ids = append(ids, p.ID)
	}
	found, err := s.store.LimitedProjects(ctx, c.ID, c.GroupIDs, ids)
	if err != nil {
		return nil, err
	}
	if among != nil {
		return slices.DeleteFunc(slices.Clone(among), func(p store.Project) bool { return !slices.Contains(found, p.ID) }), nil
	}
	var limited []store.Project
	for _, id := range found {
		p, err := s.store.Project(ctx, id)
		if errs.Is(err, errs.NotFound) {
			continue // gone meanwhile
		}
		if err != nil {
			return nil, err
		}
		limited = append(limited, p)
	}
	return limited, nil
}

// records are those of a list of the index, and what says of them whether the caller sees them.
type records[T any] struct {
	list  func(context.Context, store.IndexFilter) iter.Seq2[T, error]
	count func(context.Context, store.IndexFilter) (int, error)
	find  func(context.Context, int64) (T, error)
	id    func(T) int64
	may   func(T) (bool, error)
}

// repositoryRecords are repositories as lists show them.
func (s *Service) repositoryRecords(ctx context.Context, c Caller) records[store.Repository] {
	return records[store.Repository]{
		list: s.store.ListRepositories, count: s.store.CountRepositories, find: s.store.Repository, id: func(r store.Repository) int64 { return r.ID },
		may: func(r store.Repository) (bool, error) { return s.mayIn(ctx, c, r.Name, "repository", "list") },
	}
}

// artifactRecords are the artifacts of projects as lists show them.
func (s *Service) artifactRecords(ctx context.Context, c Caller) records[store.Artifact] {
	known := map[string]bool{}
	return records[store.Artifact]{
		list: s.store.ListArtifacts, count: s.store.CountArtifacts, find: s.store.Artifact, id: artifactID,
		may: func(a store.Artifact) (ok bool, err error) {
			ok, asked := known[a.RepositoryName]
			if !asked {
				ok, err = s.mayIn(ctx, c, a.RepositoryName, "artifact", "list")
				known[a.RepositoryName] = ok && err == nil
			}
			return ok, err
		},
	}
}

// page reads a page of what the caller sees.
func (r records[T]) page(ctx context.Context, f store.IndexFilter, in part) (l List[T], err error) {
	if f.After, err = r.after(ctx, f.After); err != nil {
		return l, err
	}
	total, sure, err := r.total(ctx, f, in)
	if err != nil {
		return l, err
	}
	if in.nowhere() {
		l, err := collect(r.list(ctx, f), total, nil, asIs)
		if err != nil {
			return l, err
		}
		return shown(l, r.id, r.may)
	}
	if l, err = r.seen(ctx, f, total, sure); err != nil {
		return l, err
	}
	if end := f.Offset + len(l.Items); !sure && len(l.Items) > 0 {
		if len(l.Items) == f.Limit {
			end++ // nobody knows how many more
		}
		total = max(total, end)
	}
	l.Total = total
	return l.follow(r.id), nil
}

// after is the id of a record to page on after, if it may be shown, and else 0: where a record stands in an order tells what it
// is called.
func (r records[T]) after(ctx context.Context, id int64) (int64, error) {
	if id == 0 {
		return 0, nil
	}
	record, err := r.find(ctx, id)
	if err != nil {
		return 0, absent(err)
	}
	ok, err := r.may(record)
	if !ok {
		id = 0
	}
	return id, err
}

// seen looks through the list until the page is full, or there is nothing more to be seen.
func (r records[T]) seen(ctx context.Context, f store.IndexFilter, total int, sure bool) (List[T], error) {
	l := List[T]{Items: []T{}}
	skip, want := f.Offset, f.Limit
	switch {
	case f.After != 0:
		skip = 0
	case sure:
		want = min(want, total-skip)
	}
	if want <= 0 {
		return l, nil
	}
	f.Offset, f.Limit = 0, 0
	for item, err := range r.list(ctx, f) {
		ok := false
		if err == nil {
			ok, err = r.may(item)
		}
		switch {
		case err != nil:
			return l, err
		case !ok:
		case skip > 0:
			skip--
		default:
			l.Items = append(l.Items, item)
		}
		if len(l.Items) == want {
			break
		}
	}
	return l, nil
}

// total counts what the caller sees of what a filter lets through, whatever its page: in the projects of the part by looking
// at it, and not sure where that is too much.
func (r records[T]) total(ctx context.Context, f store.IndexFilter, in part) (n int, sure bool, err error) {
	f.After, f.Offset, f.Limit, f.Sort = 0, 0, 0, ""
	if !in.everywhere {
		if n, err = r.count(ctx, f); err != nil || in.nowhere() {
			return n, true, err
		}
		f.Projects = projectIDs(in.projects)
		hidden, err := r.count(ctx, f)
		if err != nil {
			return n, false, err
		}
		n = max(n-hidden, 0)
	}
	looked := 0
	for item, err := range r.list(ctx, f) {
		ok := false
		if err == nil {
			ok, err = r.may(item)
		}
		if err != nil {
			return n, false, err
		}
		if ok {
			n++
		}
		if looked++; looked == mostCounted {
			return n, false, nil
		}
	}
	return n, true, nil
}

// countEach counts the repositories that the caller sees by the project's id, looking at the first mostCounted.
func (s *Service) countEach(ctx context.Context, c Caller, f store.IndexFilter) (map[int64]int64, error) {
	counts := map[int64]int64{}
	records := s.repositoryRecords(ctx, c)
	f.Limit = mostCounted
	for r, err := range records.list(ctx, f) {
		ok := false
		if err == nil {
			ok, err = records.may(r)
		}
		if err != nil {
			return nil, err
		}
		if ok {
			counts[r.ProjectID]++
		}
	}
	return counts, nil
}

// statisticsSeen makes the numbers of repositories those that the caller sees.
func (s *Service) statisticsSeen(ctx context.Context, c Caller, visible *store.Filter, st *store.Statistics) error {
	in, err := s.partial(ctx, c, "repository", nil)
	if err != nil || in.nowhere() {
		return err
	}
	f := store.IndexFilter{Projects: projectIDs(in.projects)}
	counted := map[int64]int64{} // in st, and not to be
	if in.everywhere {
		f = store.IndexFilter{Visible: visible}
		st.PrivateRepositories, st.PublicRepositories = 0, 0
	} else if counted, err = s.store.RepositoriesIn(ctx, f.Projects); err != nil {
		return err
	}
	seen, err := s.countEach(ctx, c, f)
	if err != nil {
		return err
	}
	for id := range seen {
		counted[id] -= seen[id]
	}
	for id, n := range counted {
		p, err := s.store.Project(ctx, id)
		if absent(err) != nil {
			return err
		}
		count := &st.PrivateRepositories
		if p.Public {
			count = &st.PublicRepositories
		}
		*count -= int(n)
	}
	return nil
}

func projectIDs(projects []store.Project) []int64 {
	ids := make([]int64, len(projects))
	for i, p := range projects {
		ids[i] = p.ID
	}
	return ids
}
