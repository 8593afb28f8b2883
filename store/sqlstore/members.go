package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

type memberRow struct {
	bun.BaseModel `bun:"table:members,alias:t"`

	ID          int64      `bun:"id,pk,autoincrement"`
	ProjectID   int64      `bun:"project_id"`
	UserID      int64      `bun:"user_id,nullzero"`
	GroupID     int64      `bun:"group_id,nullzero"`
	Role        store.Role `bun:"role"`
	Custom      string     `bun:"role_name"`
	Only        string     `bun:"repositories"`
	CreatedAt   int64      `bun:"created_at"`
	UpdatedAt   int64      `bun:"updated_at"`
	ProjectName string     `bun:"project_name,scanonly"`
	UserName    string     `bun:"user_name,scanonly"`
	GroupName   string     `bun:"group_name,scanonly"`
	NameKey     string     `bun:"name_key,scanonly"` // of either
}

func (r memberRow) record() store.Member {
	return store.Member{
		ID: r.ID, ProjectID: r.ProjectID, ProjectName: r.ProjectName, UserID: r.UserID, UserName: r.UserName,
		GroupID: r.GroupID, GroupName: r.GroupName, Role: r.Role, Custom: r.Custom, Only: store.Patterns(r.Only),
		CreatedAt: fromMicros(r.CreatedAt), UpdatedAt: fromMicros(r.UpdatedAt),
	}
}

func (r memberRow) change() store.Change {
	return store.Change{Kind: store.MemberChanged, UserID: r.UserID, GroupID: r.GroupID, ProjectID: r.ProjectID, Project: r.ProjectName}
}

// maxOnly is how long patterns may be, in characters: as many of them as there may be.
const maxOnly = store.MaxPatterns * 256

func (r memberRow) check() error {
	if err := store.CheckRole(r.Role, r.Custom); err != nil {
		return err
	}
	return checkFields(field{"the name of a role", r.Custom, maxName}, field{"the patterns of a member", r.Only, maxOnly})
}

func memberListing(projectID int64, f store.Filter) listing[memberRow, store.Member] {
	l := listing[memberRow, store.Member]{
		table:   "members",
		project: projectID,
		id:      column[memberRow]{"t.id", func(r memberRow) any { return r.ID }},
		sorts: map[string]column[memberRow]{
			"id":            {"t.id", func(r memberRow) any { return r.ID }},
			"name":          {memberNameKey, func(r memberRow) any { return r.NameKey }},
			"role":          {"t.role", func(r memberRow) any { return r.Role }},
			"creation_time": {"t.created_at", func(r memberRow) any { return r.CreatedAt }},
		},
		filter: func(q *bun.SelectQuery, f store.Filter) *bun.SelectQuery {
			return filterMembers(q.Where("t.project_id = ?", projectID), f)
		},
		columns: memberNames,
		record:  memberRow.record,
	}
	if f.Name == "" && f.Exact == "" && strings.TrimPrefix(f.Sort, "-") != "name" {
		l.bare = func(q *bun.SelectQuery, f store.Filter) *bun.SelectQuery {
			return plainMembers(q.Where("t.project_id = ?", projectID), f)
		}
	}
	return l
}

// memberNameKey is the name by which a member is found and sorted.
const memberNameKey = "COALESCE(u.name_key, g.name_key)"

func filterMembers(q *bun.SelectQuery, f store.Filter) *bun.SelectQuery {
	q = q.Join("LEFT JOIN users AS u ON u.id = t.user_id").Join("LEFT JOIN user_groups AS g ON g.id = t.group_id")
	if f.Name != "" {
		q = contains(q, memberNameKey, store.NameKey(f.Name))
	}
	if f.Exact != "" {
		q = q.Where("? = ?", bun.Safe(memberNameKey), store.NameKey(f.Exact))
	}
	return plainMembers(q, f)
}

// plainMembers adds the conditions that need no names.
func plainMembers(q *bun.SelectQuery, f store.Filter) *bun.SelectQuery {
	if f.MemberID != 0 {
		q = q.Where("t.user_id = ?", f.MemberID)
	}
	if f.Role != 0 {
		q = q.Where("t.role = ?", f.Role)
	}
	return q
}

// memberNames adds the names of the user or the group, and of the project. The first two are joined by filterMembers.
func memberNames(q *bun.SelectQuery) *bun.SelectQuery {
	return q.ColumnExpr("t.*").ColumnExpr("u.name AS user_name").ColumnExpr("g.name AS group_name").
		ColumnExpr("? AS name_key", bun.Safe(memberNameKey)).
		ColumnExpr("p.name AS project_name").Join("JOIN projects AS p ON p.id = t.project_id")
}

// AddMember gives a user or a group a role in a project. Conflict: it has one there already. NotFound: no such user,
// group or project. Invalid: no such role, or a user and a group at once.
func (s *Store) AddMember(ctx context.Context, m store.Member) (store.Member, error) {
	var row memberRow
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		id, err := s.insertMember(ctx, tx, m)
		if err != nil {
			return err
		}
		row, err = s.memberRow(ctx, tx.NewSelect(), m.ProjectID, id)
		return err
	})
	if err != nil {
		return store.Member{}, s.memberFailed("adding a member", err)
	}
	s.changes.publish(row.change())
	return row.record(), nil
}

func (s *Store) insertMember(ctx context.Context, tx bun.Tx, m store.Member) (id int64, err error) {
	now := s.stamp()
	row := memberRow{
		ProjectID: m.ProjectID, UserID: m.UserID, GroupID: m.GroupID, Role: m.Role, Custom: m.Custom, Only: string(m.Only),
		CreatedAt: now, UpdatedAt: now,
	}
	if err := row.check(); err != nil {
		return 0, err
	}
	if m.UserID == 0 && m.GroupID == 0 {
		return 0, notFound("user", m.UserID)
	}
	if m.UserID != 0 && m.GroupID != 0 {
		return 0, errs.New(errs.Invalid, "a member is a user or a group, not both").WithHint("add two members")
	}
	_, err = tx.NewInsert().Model(&row).Exec(ctx)
	return row.ID, err
}

func (s *Store) memberFailed(doing string, err error) error {
	switch s.dialect.fault(err) {
	case faultDuplicate:
		return errs.New(errs.Conflict, "the user or group is a member of the project already").WithHint("change the role of that member instead")
	case faultReference:
		return errs.New(errs.NotFound, "user, group or project not found")
	default:
		return s.failed(doing, err)
	}
}

// Member returns the member with the id if it is one of that project, or NotFound.
func (s *Store) Member(ctx context.Context, projectID, memberID int64) (store.Member, error) {
	row, err := s.memberRow(ctx, s.read.NewSelect(), projectID, memberID)
	if err != nil {
		return store.Member{}, err
	}
	return row.record(), nil
}

func (s *Store) memberRow(ctx context.Context, q *bun.SelectQuery, projectID, memberID int64) (memberRow, error) {
	var row memberRow
	q = memberNames(filterMembers(q.Model(&row), store.Filter{}))
	err := q.Where("t.project_id = ?", projectID).Where("t.id = ?", memberID).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return memberRow{}, notFound("member", memberID)
	}
	if err != nil {
		return memberRow{}, s.failed("reading a member", err)
	}
	return row, nil
}

// lockMember reads the member and keeps others from changing it until the transaction ends.
func (s *Store) lockMember(ctx context.Context, tx bun.Tx, projectID, memberID int64) (memberRow, error) {
	if s.dialect.rowLocks { // a query of its own, because an outer join can't be locked
		if _, err := tx.NewSelect().Model((*memberRow)(nil)).Column("id").Where("t.id = ?", memberID).For("UPDATE").Exec(ctx); err != nil {
			return memberRow{}, err
		}
	}
	return s.memberRow(ctx, tx.NewSelect(), projectID, memberID)
}

// ListMembers lists the members of a project. They can be sorted by id, name, role and creation_time.
func (s *Store) ListMembers(ctx context.Context, projectID int64, f store.Filter) iter.Seq2[store.Member, error] {
	return memberListing(projectID, f).all(ctx, s, f)
}

// CountMembers counts the members that the filter lets through, whatever its page.
func (s *Store) CountMembers(ctx context.Context, projectID int64, f store.Filter) (int, error) {
	return memberListing(projectID, f).count(ctx, s, f)
}

// UpdateMember runs fn on the stored member and stores the role that fn gave it, and for what. NotFound: no such member in
// that project. Invalid: no such role.
func (s *Store) UpdateMember(ctx context.Context, projectID, memberID int64, fn func(*store.Member) error) (store.Member, error) {
	var row memberRow
	changed := false
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		if row, err = s.lockMember(ctx, tx, projectID, memberID); err != nil {
			return err
		}
		m := row.record()
		if err := fn(&m); err != nil {
			return err
		}
		if changed = m.Role != row.Role || m.Custom != row.Custom || string(m.Only) != row.Only; !changed {
			return nil
		}
		row.Role, row.Custom, row.Only, row.UpdatedAt = m.Role, m.Custom, string(m.Only), s.stamp()
		if err := row.check(); err != nil {
			return err
		}
		_, err = tx.NewUpdate().Model(&row).WherePK().Exec(ctx)
		return err
	})
	if err != nil {
		return store.Member{}, s.failed("changing a member", err)
	}
	if changed {
		s.changes.publish(row.change())
	}
	return row.record(), nil
}

// RemoveMember takes the member's role away, or returns NotFound.
func (s *Store) RemoveMember(ctx context.Context, projectID, memberID int64) error {
	var row memberRow
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		if row, err = s.lockMember(ctx, tx, projectID, memberID); err != nil {
			return err
		}
		_, err = tx.NewDelete().Model((*memberRow)(nil)).Where("id = ?", memberID).Exec(ctx)
		return err
	})
	if err != nil {
		return s.failed("removing a member", err)
	}
	s.changes.publish(row.change())
	return nil
}

// MemberRole returns the role of a user in a project by one look-up in an index, or NotFound.
func (s *Store) MemberRole(ctx context.Context, projectID, userID int64) (store.Role, error) {
	r, err := s.memberRole(ctx, projectID, userID)
	return r.Role, err
}

func (s *Store) memberRole(ctx context.Context, projectID, userID int64) (r store.MemberRole, err error) {
	err = s.hot.memberRole.QueryRowContext(ctx, projectID, userID).Scan(&r.Role, &r.Custom, &r.Only)
	if errors.Is(err, sql.ErrNoRows) {
		return r, notFound("member", userID)
	}
	return r, s.failed("reading a role", err)
}

// groupRole is a row of rolesOfGroups.
type groupRole struct {
	Role   store.Role `bun:"role"`
	Custom string     `bun:"role_name"`
	Only   string     `bun:"repositories"`
}

// MemberRoles returns the roles of a user and of groups in a project, the strongest first. Groups are looked up by the
// same index as users.
func (s *Store) MemberRoles(ctx context.Context, projectID, userID int64, groupIDs []int64) ([]store.MemberRole, error) {
	var roles []store.MemberRole
	if userID != 0 {
		role, err := s.memberRole(ctx, projectID, userID)
		if err == nil {
			roles = append(roles, role)
		} else if !errs.Is(err, errs.NotFound) {
			return nil, err
		}
	}
	for some := range slices.Chunk(groupIDs, lookUpSize) {
		var found []groupRole
		err := s.read.NewRaw(rolesOfGroups, projectID, bun.List(some)).Scan(ctx, &found)
		if err != nil {
			return nil, s.failed("reading roles of groups", err)
		}
		for _, r := range found {
			roles = append(roles, store.MemberRole{Role: r.Role, Custom: r.Custom, Only: store.Patterns(r.Only)})
		}
	}
	slices.SortFunc(roles, store.MemberRole.ByStrength)
	return slices.Compact(roles), nil
}

// LimitedProjects returns the ids of the projects in which a user or one of the groups has a role for some repositories
// only. It reads the memberships that the user and the groups have, by the index.
func (s *Store) LimitedProjects(ctx context.Context, userID int64, groupIDs, projects []int64) ([]int64, error) {
	var all []int64
	find := func(where string, whose any) error {
		q := s.read.NewSelect().Model((*memberRow)(nil)).Column("t.project_id").Where(where, whose).Where("t.repositories <> ''")
		var found []int64
		err := inProjects(q, projects).Scan(ctx, &found)
		all = append(all, found...)
		return s.failed("looking for memberships for some repositories", err)
	}
	if userID != 0 {
		if err := find("t.user_id = ?", userID); err != nil {
			return nil, err
		}
	}
	for some := range slices.Chunk(groupIDs, lookUpSize) {
		if err := find("t.group_id IN (?)", bun.List(some)); err != nil {
			return nil, err
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// CustomRoles returns the names of the roles not of Harbor's that any member has: each is found behind the one before,
// by the index.
func (s *Store) CustomRoles(ctx context.Context) ([]string, error) {
	var names []string
	last := ""
	for {
		var next sql.NullString
		err := s.read.NewSelect().Model((*memberRow)(nil)).ColumnExpr("MIN(t.role_name)").Where("t.role_name > ''").Where("t.role_name > ?", last).Scan(ctx, &next)
		if err != nil {
			return nil, s.failed("reading the roles of members", err)
		}
		if !next.Valid {
			return names, nil
		}
		last = next.String
		names = append(names, last)
	}
}
