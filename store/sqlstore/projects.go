package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"maps"
	"slices"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// maxMetadata is how long a project's metadata may be, in bytes.
const maxMetadata = 8000

type projectRow struct {
	bun.BaseModel `bun:"table:projects,alias:t"`

	ID        int64  `bun:"id,pk,autoincrement"`
	Name      string `bun:"name"`
	NameKey   string `bun:"name_key"`
	OwnerID   int64  `bun:"owner_id,nullzero"`
	Public    bool   `bun:"public"`
	CreatedAt int64  `bun:"created_at"`
	UpdatedAt int64  `bun:"updated_at"`
	Metadata  string `bun:"metadata"`
	Limit     int64  `bun:"storage_limit"`
	NamedAt   int64  `bun:"named_at,scanonly"`   // written by a rename alone
	Used      int64  `bun:"used_bytes,scanonly"` // as it was summed up last
	OwnerName string `bun:"owner_name,scanonly"`
}

func newProjectRow(p store.Project) projectRow {
	return projectRow{
		ID: p.ID, Name: p.Name, NameKey: store.NameKey(p.Name), OwnerID: p.OwnerID, OwnerName: p.OwnerName, Public: p.Public,
		CreatedAt: toMicros(p.CreatedAt), UpdatedAt: toMicros(p.UpdatedAt), Metadata: string(p.Metadata), Limit: p.StorageLimit,
	}
}

func (r projectRow) record() store.Project {
	return store.Project{
		ID: r.ID, Name: r.Name, OwnerID: r.OwnerID, OwnerName: r.OwnerName, Public: r.Public,
		CreatedAt: fromMicros(r.CreatedAt), UpdatedAt: fromMicros(r.UpdatedAt), Metadata: store.Metadata(r.Metadata), StorageLimit: r.Limit,
	}
}

func (r projectRow) check() error {
	if r.Name == "" {
		return errs.New(errs.Invalid, "a project needs a name").WithHint("give one")
	}
	if len(r.Metadata) > maxMetadata {
		return errs.New(errs.Invalid, "the metadata of a project are longer than %d bytes", maxMetadata).WithHint("shorten them")
	}
	return checkFields(field{"the project name", r.Name, maxName}, field{"the project name", r.NameKey, maxName},
		field{"the metadata", r.Metadata, maxMetadata})
}

func projectListing() listing[projectRow, store.Project] {
	return listing[projectRow, store.Project]{
		table: "projects",
		id:    column[projectRow]{"t.id", func(r projectRow) any { return r.ID }},
		sorts: map[string]column[projectRow]{
			"id":            {"t.id", func(r projectRow) any { return r.ID }},
			"name":          {"t.name_key", func(r projectRow) any { return r.NameKey }},
			"creation_time": {"t.created_at", func(r projectRow) any { return r.CreatedAt }},
			"update_time":   {"t.updated_at", func(r projectRow) any { return r.UpdatedAt }},
			"storage_limit": {"t.storage_limit", func(r projectRow) any { return r.Limit }},
			usedField:       {"t.used_bytes", func(r projectRow) any { return r.Used }},
		},
		fields: headFields(map[string]narrowing{
			"name":          writtenName(),
			"owner_id":      {kind: store.Number, sql: "t.owner_id", null: int64(0)},
			"storage_limit": {kind: store.Number, sql: "t.storage_limit"},
			usedField:       {kind: store.Number, sql: "t.used_bytes"},
		}),
		filter:  filterProjects,
		columns: withOwner,
		record:  projectRow.record,
		parts:   partsOfProjects,
	}
}

// partsOfProjects parts what a user may see into what is public and what else it is a member of.
func partsOfProjects(f store.Filter) []store.Filter {
	if f.MemberID == 0 || f.Public != nil {
		return []store.Filter{f}
	}
	public, private := f, f
	public.Public, public.MemberID, public.GroupIDs = new(true), 0, nil
	private.Public = new(false)
	return []store.Filter{public, private}
}

// withOwner adds the name of the owner.
func withOwner(q *bun.SelectQuery) *bun.SelectQuery {
	return q.ColumnExpr("t.*").ColumnExpr("o.name AS owner_name").Join("LEFT JOIN users AS o ON o.id = t.owner_id")
}

func filterProjects(q *bun.SelectQuery, f store.Filter) *bun.SelectQuery {
	if f.Name != "" {
		q = contains(q, "t.name_key", store.NameKey(f.Name))
	}
	if f.Exact != "" {
		q = q.Where("t.name = ?", f.Exact)
	}
	switch {
	case f.Public == nil:
	case f.MemberID != 0 && !*f.Public:
		q = q.Where("COALESCE(t.public, ?) = ?", true, false) // no index: what somebody is a member of is less than all that is private
	default:
		q = q.Where("t.public = ?", *f.Public)
	}
	if f.MemberID == 0 {
		return q
	}
	of, args := projectsOf(f)
	if f.Public == nil {
		return q.Where("(t.public = ? OR "+of+")", append([]any{true}, args...)...)
	}
	return q.Where(of, args...)
}

// projectsOf is the condition that a user or one of its groups is a member of the project.
func projectsOf(f store.Filter) (string, []any) {
	const users = "SELECT m.project_id FROM members AS m WHERE m.user_id = ?"
	if len(f.GroupIDs) == 0 {
		return "t.id IN (" + users + ")", []any{f.MemberID}
	}
	return "t.id IN (" + users + " UNION ALL SELECT m.project_id FROM members AS m WHERE m.group_id IN (?))",
		[]any{f.MemberID, bun.List(f.GroupIDs)}
}

// CreateProject stores a new project and its first members. Conflict: the name is taken. Invalid: the name is empty or
// too long, or there is no such role. NotFound: there is no such owner or user.
func (s *Store) CreateProject(ctx context.Context, p store.Project, members ...store.Member) (store.Project, error) {
	first := newProjectRow(p)
	first.ID, first.CreatedAt = 0, s.stamp()
	first.UpdatedAt = first.CreatedAt
	if err := first.check(); err != nil {
		return store.Project{}, err
	}
	var row projectRow
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		row = first // without the id of an attempt before
		if _, err = tx.NewInsert().Model(&row).Exec(ctx); err != nil {
			return s.projectFailed("creating a project", row, err)
		}
		if err := s.unclaimedName(ctx, tx, row.Name); err != nil {
			return err
		}
		for _, m := range members {
			m.ProjectID = row.ID
			if _, err := s.insertMember(ctx, tx, m); err != nil {
				return s.memberFailed("adding a first member", err)
			}
		}
		row, err = s.projectRow(ctx, tx.NewSelect(), row.ID)
		return err
	})
	if err != nil {
		return store.Project{}, s.failed("creating a project", err)
	}
	s.changes.publish(store.Change{Kind: store.ProjectChanged, ProjectID: row.ID, Project: row.Name})
	return row.record(), nil
}

func (s *Store) projectFailed(doing string, row projectRow, err error) error {
	switch s.dialect.fault(err) {
	case faultDuplicate:
		return taken("project", row.Name)
	case faultReference:
		return notFound("user", row.OwnerID)
	default:
		return s.failed(doing, err)
	}
}

// Project returns the project with the id, or NotFound.
func (s *Store) Project(ctx context.Context, id int64) (store.Project, error) {
	row, err := s.projectRow(ctx, s.read.NewSelect(), id)
	if err != nil {
		return store.Project{}, err
	}
	return row.record(), nil
}

func (s *Store) projectRow(ctx context.Context, q *bun.SelectQuery, id int64) (projectRow, error) {
	var row projectRow
	err := withOwner(q.Model(&row)).Where("t.id = ?", id).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return projectRow{}, notFound("project", id)
	}
	if err != nil {
		return projectRow{}, s.failed("reading a project", err)
	}
	return row, nil
}

// ProjectByName returns the project with exactly this name, or NotFound.
func (s *Store) ProjectByName(ctx context.Context, name string) (store.Project, error) {
	if !storable(name) {
		return store.Project{}, notFound("project", name)
	}
	var r projectRow
	var ownerID sql.NullInt64
	var ownerName sql.NullString
	err := s.hot.projectByName.QueryRowContext(ctx, name).Scan(&r.ID, &r.Name, &ownerID, &ownerName, &r.Public, &r.CreatedAt, &r.UpdatedAt, &r.Metadata, &r.Limit)
	if errors.Is(err, sql.ErrNoRows) {
		return store.Project{}, notFound("project", name)
	}
	if err != nil {
		return store.Project{}, s.failed("reading a project", err)
	}
	r.OwnerID, r.OwnerName = ownerID.Int64, ownerName.String
	return r.record(), nil
}

// ListProjects lists projects. They can be sorted by id, name, creation_time, update_time, storage_limit and used.
func (s *Store) ListProjects(ctx context.Context, f store.Filter) iter.Seq2[store.Project, error] {
	return func(yield func(store.Project, error) bool) {
		if err := s.sumUp(ctx, f); err != nil {
			yield(store.Project{}, err)
			return
		}
		projectListing().all(ctx, s, f)(yield)
	}
}

// CountProjects counts the projects that the filter lets through, whatever its page.
func (s *Store) CountProjects(ctx context.Context, f store.Filter) (int, error) {
	if err := s.sumUp(ctx, f); err != nil {
		return 0, err
	}
	return projectListing().count(ctx, s, f)
}

// UpdateProject runs fn on the stored project and stores what fn made of it; what the store sets itself stays.
// NotFound: no such project or owner. Conflict: the new name is taken.
func (s *Store) UpdateProject(ctx context.Context, id int64, fn func(*store.Project) error) (store.Project, error) {
	var before, after projectRow
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		if before, err = s.lockProject(ctx, tx, id); err != nil {
			return err
		}
		after, err = s.updateProject(ctx, tx, before, fn)
		return err
	})
	if err != nil {
		return store.Project{}, s.projectFailed("changing a project", after, err)
	}
	if after != before {
		s.publishProject(before, after)
	}
	return after.record(), nil
}

// lockProject reads the project and keeps others from changing it until the transaction ends.
func (s *Store) lockProject(ctx context.Context, tx bun.Tx, id int64) (projectRow, error) {
	if s.dialect.rowLocks { // a query of its own, because an outer join can't be locked
		if _, err := tx.NewSelect().Model((*projectRow)(nil)).Column("id").Where("t.id = ?", id).For("UPDATE").Exec(ctx); err != nil {
			return projectRow{}, err
		}
	}
	return s.projectRow(ctx, tx.NewSelect(), id)
}

func (s *Store) updateProject(ctx context.Context, tx bun.Tx, before projectRow, fn func(*store.Project) error) (projectRow, error) {
	p := before.record()
	if err := fn(&p); err != nil {
		return before, err
	}
	after := newProjectRow(p)
	after.ID, after.OwnerName, after.NamedAt, after.Used = before.ID, before.OwnerName, before.NamedAt, before.Used
	after.CreatedAt, after.UpdatedAt = before.CreatedAt, before.UpdatedAt
	if after == before {
		return after, nil
	}
	after.UpdatedAt = s.stamp()
	if err := after.check(); err != nil {
		return after, err
	}
	if _, err := tx.NewUpdate().Model(&after).WherePK().Exec(ctx); err != nil {
		return after, err
	}
	return s.projectRow(ctx, tx.NewSelect(), after.ID) // the owner may be another one
}

// publishProject tells of a change under both names, because caches may hold that the new one does not exist.
func (s *Store) publishProject(before, after projectRow) {
	s.changes.publish(store.Change{Kind: store.ProjectChanged, ProjectID: before.ID, Project: before.Name})
	if before.Name != after.Name {
		s.changes.publish(store.Change{Kind: store.ProjectChanged, ProjectID: after.ID, Project: after.Name})
	}
}

// DeleteProject removes the project and its memberships, or returns NotFound.
func (s *Store) DeleteProject(ctx context.Context, id int64) error {
	var row projectRow
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		if row, err = s.lockProject(ctx, tx, id); err != nil {
			return err
		}
		_, err = tx.NewDelete().Model((*projectRow)(nil)).Where("id = ?", id).Exec(ctx)
		return err
	})
	if err != nil {
		return s.failed("deleting a project", err)
	}
	s.changes.publish(store.Change{Kind: store.ProjectChanged, ProjectID: id, Project: row.Name})
	return nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
