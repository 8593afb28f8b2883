package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

type repositoryRow struct {
	bun.BaseModel `bun:"table:repositories,alias:t"`

	ID          int64  `bun:"id,pk,autoincrement"`
	ProjectID   int64  `bun:"project_id"`
	Name        string `bun:"name"`
	Description string `bun:"description"`
	Artifacts   int    `bun:"artifact_count"`
	Pulls       int64  `bun:"pull_count"`
	CreatedAt   int64  `bun:"created_at"`
	UpdatedAt   int64  `bun:"updated_at"`
}

func (r repositoryRow) record() store.Repository {
	return store.Repository{
		ID: r.ID, ProjectID: r.ProjectID, Name: r.Name, Description: r.Description, Artifacts: r.Artifacts, Pulls: r.Pulls,
		CreatedAt: fromMicros(r.CreatedAt), UpdatedAt: fromMicros(r.UpdatedAt),
	}
}

// maxRepositoryText is how long what people write of a repository may be, in characters.
const maxRepositoryText = 64 << 10

// page returns the part of the filter that all lists have.
func page(f store.IndexFilter) store.Filter {
	paged := store.Filter{After: f.After, Offset: f.Offset, Limit: f.Limit, Sort: f.Sort, Where: f.Where}
	if f.Visible != nil {
		paged.Public, paged.MemberID, paged.GroupIDs = f.Visible.Public, f.Visible.MemberID, f.Visible.GroupIDs
	}
	return paged
}

// possible reports whether anything stored can match the filter at all.
func possible(f store.IndexFilter) bool {
	for _, text := range []string{f.Name, f.Exact, f.Digest, f.Subject, f.Kind, f.MediaType, f.Type, f.TagPart, f.Holds} {
		if !storable(text) {
			return false
		}
	}
	return f.Projects == nil || len(f.Projects) > 0
}

// none is an empty list.
func none[T any](func(T, error) bool) {}

// onlyProject is the project that a list is of; 0 for one of several.
func onlyProject(f store.IndexFilter) int64 {
	if len(f.Projects) == 1 {
		return f.Projects[0]
	}
	return 0
}

func inProjects(q *bun.SelectQuery, projects []int64) *bun.SelectQuery {
	switch len(projects) {
	case 0:
		return q
	case 1:
		return q.Where("t.project_id = ?", projects[0])
	}
	return q.Where("t.project_id IN (?)", bun.List(projects))
}

// inVisible narrows a list to projects that a filter lets through.
func inVisible(q *bun.SelectQuery, visible *store.Filter) *bun.SelectQuery {
	if visible == nil {
		return q
	}
	f := store.Filter{Public: visible.Public, MemberID: visible.MemberID, GroupIDs: visible.GroupIDs}
	return q.Where("t.project_id IN (?)", filterProjects(q.NewSelect().Model((*projectRow)(nil)).Column("t.id"), f))
}

// manyPublic is how many public projects make it less to go through the repositories of all projects until a page is full
// than to sort those of the public ones: about as many as the root of a page of a hundred thousand.
const manyPublic = 1000

// walk reports whether a list is to be looked through for what is in public projects.
func (s *Store) walk(ctx context.Context, f store.IndexFilter) (bool, error) {
	if f.Visible == nil {
		return false, nil
	}
	n, err := s.CountProjects(ctx, store.Filter{Public: new(true)})
	return n > manyPublic, err
}

// inPublic narrows a list to what is in public projects, which are looked up one by one if walk is set.
func inPublic(q *bun.SelectQuery, walk bool) *bun.SelectQuery {
	if walk {
		return q.Where("EXISTS (SELECT 1 FROM projects AS v WHERE v.id = t.project_id AND v.public = ?)", true)
	}
	return q.Where("t.project_id IN (SELECT v.id FROM projects AS v WHERE v.public = ?)", true)
}

func repositoryListing(f store.IndexFilter, walk bool) listing[repositoryRow, store.Repository] {
	return listing[repositoryRow, store.Repository]{
		table:   "repositories",
		unique:  "t.name",
		project: onlyProject(f),
		id:      column[repositoryRow]{"t.id", func(r repositoryRow) any { return r.ID }},
		sorts: map[string]column[repositoryRow]{
			"id":            {"t.id", func(r repositoryRow) any { return r.ID }},
			"name":          {"t.name", func(r repositoryRow) any { return r.Name }},
			"creation_time": {"t.created_at", func(r repositoryRow) any { return r.CreatedAt }},
			"update_time":   {"t.updated_at", func(r repositoryRow) any { return r.UpdatedAt }},
			"pull_count":    {"t.pull_count", func(r repositoryRow) any { return r.Pulls }},
		},
		fields: headFields(map[string]narrowing{
			"name":       {kind: store.Text, sql: "t.name"},
			"project_id": {kind: store.Number, sql: "t.project_id"},
			"pull_count": {kind: store.Number, sql: "t.pull_count"},
		}),
		parts: partsOfProjects,
		filter: func(q *bun.SelectQuery, in store.Filter) *bun.SelectQuery {
			q = inProjects(q, f.Projects)
			if in.Public != nil && *in.Public && in.MemberID == 0 {
				q = inPublic(q, walk)
			} else if in.Public != nil || in.MemberID != 0 {
				q = inVisible(q, &in)
			}
			if in.Project != 0 {
				q = q.Where("t.project_id = ?", in.Project)
			}
			if f.Name != "" {
				q = contains(q, "t.name", f.Name)
			}
			if f.Exact != "" {
				q = q.Where("t.name = ?", f.Exact)
			}
			return q
		},
		record: repositoryRow.record,
	}
}

// ListRepositories lists repositories. They can be sorted by id, name, creation_time, update_time and pull_count.
func (s *Store) ListRepositories(ctx context.Context, f store.IndexFilter) iter.Seq2[store.Repository, error] {
	if !possible(f) {
		return none[store.Repository]
	}
	return func(yield func(store.Repository, error) bool) {
		walk, err := s.walk(ctx, f)
		if err != nil {
			yield(store.Repository{}, err)
			return
		}
		l, paged := repositoryListing(f, walk), page(f)
		parts, err := s.partsOfRepositories(ctx, paged)
		if err != nil {
			yield(store.Repository{}, err)
			return
		}
		l.parts = func(store.Filter) []store.Filter { return parts }
		l.all(ctx, s, paged)(yield)
	}
}

// manyPrivate is of how many projects, besides public ones, a list is put together from what each has at its place in the
// order. What is in more of them is sorted.
const manyPrivate = 32

// partsOfRepositories parts what a user may see as partsOfProjects does, and what it is a member of by project.
func (s *Store) partsOfRepositories(ctx context.Context, f store.Filter) ([]store.Filter, error) {
	parts := partsOfProjects(f)
	if len(parts) == 1 {
		return parts, nil
	}
	var private []int64
	of := store.Filter{Public: new(false), MemberID: f.MemberID, GroupIDs: f.GroupIDs}
	err := filterProjects(s.read.NewSelect().Model((*projectRow)(nil)).Column("t.id"), of).Limit(manyPrivate+1).Scan(ctx, &private)
	if err != nil || len(private) > manyPrivate {
		return parts, s.failed("reading what somebody is a member of", err)
	}
	parts = parts[:1]
	for _, id := range private {
		part := f
		part.MemberID, part.GroupIDs, part.Project = 0, nil, id
		parts = append(parts, part)
	}
	return parts, nil
}

// CountRepositories counts the repositories that the filter lets through, whatever its page.
func (s *Store) CountRepositories(ctx context.Context, f store.IndexFilter) (int, error) {
	if !possible(f) {
		return 0, nil
	}
	return repositoryListing(f, false).count(ctx, s, page(f))
}

// RepositoriesIn counts the repositories of projects. Of many it may have been some seconds ago, as in a list.
func (s *Store) RepositoriesIn(ctx context.Context, projectIDs []int64) (map[int64]int64, error) {
	counts := make(map[int64]int64, len(projectIDs))
	seen := make(map[int64]uint64, len(projectIDs))
	now := s.now()
	var unknown []int64
	for _, id := range projectIDs {
		seen[id] = s.counts.seen(id)                                                                  // before anything is read
		if n, ok := s.counts.remembered(now, id, repositoriesIn(id), s.countRepositoriesIn(id)); ok { //nolint:contextcheck // nobody waits for what goes on behind
			counts[id] = int64(n)
		} else {
			unknown = append(unknown, id)
		}
	}
	if len(unknown) == 0 {
		return counts, nil
	}
	var rows []struct {
		ProjectID int64 `bun:"project_id"`
		N         int64 `bun:"n"`
	}
	err := s.read.NewSelect().Table("repositories").Column("project_id").ColumnExpr("COUNT(*) AS n").
		Where("project_id IN (?)", bun.List(unknown)).Group("project_id").Scan(ctx, &rows)
	for _, r := range rows {
		counts[r.ProjectID] = r.N
		s.counts.keep(keyOf(repositoriesIn(r.ProjectID)), counted{int(r.N), now, seen[r.ProjectID]}, err)
	}
	return counts, s.failed("counting repositories", err)
}

// repositoriesIn is what the number of a project's repositories is remembered by.
func repositoriesIn(projectID int64) string { return fmt.Sprint("repositories in ", projectID) }

func (s *Store) countRepositoriesIn(projectID int64) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		n, err := s.read.NewSelect().Table("repositories").Where("project_id = ?", projectID).Count(ctx)
		return int(n), err
	}
}

// Repository returns the repository with the id, or NotFound.
func (s *Store) Repository(ctx context.Context, id int64) (store.Repository, error) {
	row, err := s.repositoryRow(ctx, s.read.NewSelect(), id)
	return row.record(), err
}

func (s *Store) repositoryRow(ctx context.Context, q *bun.SelectQuery, id int64) (row repositoryRow, err error) {
	err = q.Model(&row).Where("t.id = ?", id).Scan(ctx)
	return row, s.found("repository", id, err)
}

// found turns the answer to a question for one row into an error of ours.
func (s *Store) found(what string, key any, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return notFound(what, key)
	}
	return s.failed("reading a "+what, err)
}

// RepositoryByName returns the repository with exactly this name, or NotFound.
func (s *Store) RepositoryByName(ctx context.Context, name string) (store.Repository, error) {
	if !storable(name) {
		return store.Repository{}, notFound("repository", name)
	}
	var row repositoryRow
	err := s.read.NewSelect().Model(&row).Where("t.name = ?", name).Scan(ctx)
	return row.record(), s.found("repository", name, err)
}

// UpdateRepository runs fn on the stored repository and stores its description. NotFound: there is no such repository.
// Invalid: the description is too long.
func (s *Store) UpdateRepository(ctx context.Context, id int64, fn func(*store.Repository) error) (r store.Repository, err error) {
	err = s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		row, err := s.repositoryRow(ctx, s.locked(tx.NewSelect()), id)
		if err != nil {
			return err
		}
		r = row.record()
		if err := fn(&r); err != nil {
			return err
		}
		if r.Description == row.Description {
			return nil
		}
		if err := checkFields(field{"the description", r.Description, maxRepositoryText}); err != nil {
			return err
		}
		row.Description, row.UpdatedAt = r.Description, s.stamp()
		r = row.record()
		_, err = tx.NewUpdate().Model(&row).Column("description", "updated_at").WherePK().Exec(ctx)
		return err
	})
	return r, s.failed("changing a repository", err)
}

// DeleteRepository removes the repository with all that is in it, or returns NotFound.
func (s *Store) DeleteRepository(ctx context.Context, id int64) error {
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		row, err := s.repositoryRow(ctx, s.locked(tx.NewSelect()), id)
		if err != nil {
			return err
		}
		artifacts := tx.NewSelect().Model((*artifactRow)(nil)).Column("t.id").Where("t.repository_id = ?", id)
		if err := s.letGo(ctx, tx, row, artifacts); err != nil {
			return err
		}
		_, err = tx.NewDelete().Model((*repositoryRow)(nil)).Where("id = ?", id).Exec(ctx)
		return err
	})
	return s.failed("deleting a repository", err)
}

// AddPulls adds to the counts of repositories and the times of artifacts and tags, in the order of their ids.
func (s *Store) AddPulls(ctx context.Context, pulls []store.Pull) error {
	if len(pulls) == 0 {
		return nil
	}
	times := map[int64]int64{}
	artifacts, tags := map[int64]int64{}, map[int64]int64{}
	for _, p := range pulls {
		at := toMicros(p.At)
		times[p.RepositoryID] += p.Times
		artifacts[p.ArtifactID] = max(artifacts[p.ArtifactID], at)
		if p.TagID != 0 {
			tags[p.TagID] = max(tags[p.TagID], at)
		}
	}
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		for _, id := range sortedIDs(times) {
			if _, err := tx.NewUpdate().Table("repositories").Set("pull_count = pull_count + ?", times[id]).Where("id = ?", id).Exec(ctx); err != nil {
				return err
			}
		}
		for table, seen := range map[string]map[int64]int64{"artifacts": artifacts, "tags": tags} {
			for _, id := range sortedIDs(seen) {
				_, err := tx.NewUpdate().Table(table).Set("pulled_at = ?", seen[id]).Where("id = ? AND pulled_at < ?", id, seen[id]).Exec(ctx)
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	return s.failed("counting pulls", err)
}

// Statistics count the projects and repositories that the filter lets through, and their bytes.
func (s *Store) Statistics(ctx context.Context, visible store.Filter) (st store.Statistics, err error) {
	visible = store.Filter{MemberID: visible.MemberID, GroupIDs: visible.GroupIDs, Public: visible.Public}
	var rows []struct {
		Public       bool  `bun:"public"`
		Projects     int   `bun:"projects"`
		Repositories int   `bun:"repositories"`
		Bytes        int64 `bun:"bytes"`
	}
	err = filterProjects(s.read.NewSelect().Model((*projectRow)(nil)), visible).
		ColumnExpr("t.public AS public").ColumnExpr("COUNT(*) AS projects").
		ColumnExpr("COALESCE(SUM((SELECT COUNT(*) FROM repositories AS r WHERE r.project_id = t.id)), 0) AS repositories").
		ColumnExpr("COALESCE(SUM((SELECT SUM(u.bytes) FROM project_usage AS u WHERE u.project_id = t.id)), 0) AS bytes").
		GroupExpr("t.public").Scan(ctx, &rows)
	for _, r := range rows {
		st.Bytes += r.Bytes
		if r.Public {
			st.PublicProjects, st.PublicRepositories = r.Projects, r.Repositories
		} else {
			st.PrivateProjects, st.PrivateRepositories = r.Projects, r.Repositories
		}
	}
	return st, s.failed("counting what there is", err)
}

// Usage returns how many bytes projects hold.
func (s *Store) Usage(ctx context.Context, projectIDs []int64) (map[int64]int64, error) {
	used := make(map[int64]int64, len(projectIDs))
	if len(projectIDs) == 0 {
		return used, nil
	}
	var rows []struct {
		ProjectID int64 `bun:"project_id"`
		Bytes     int64 `bun:"bytes"`
	}
	err := s.read.NewSelect().Table("project_usage").Column("project_id").ColumnExpr("SUM(bytes) AS bytes").
		Where("project_id IN (?)", bun.List(projectIDs)).Group("project_id").Scan(ctx, &rows)
	for _, r := range rows {
		used[r.ProjectID] = r.Bytes
	}
	return used, s.failed("reading what projects hold", err)
}

// errOtherProject is for a repository whose name begins with one project's and that belongs to another one's record: the
// project was deleted and made again meanwhile.
func errOtherProject(name string) error {
	return errs.New(errs.NotFound, "the project of repository %s is another one by now", show(name)).WithHint("push again")
}
