package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"iter"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

type memberRow struct {
	bun.BaseModel `bun:"table:members,alias:t"`

	ID          int64      `bun:"id,pk,autoincrement"`
	ProjectID   int64      `bun:"project_id"`
	UserID      int64      `bun:"user_id,nullzero"`
	Role        store.Role `bun:"role"`
	CreatedAt   int64      `bun:"created_at"`
	UpdatedAt   int64      `bun:"updated_at"`
	ProjectName string     `bun:"project_name,scanonly"`
	UserName    string     `bun:"user_name,scanonly"`
	UserKey     string     `bun:"user_key,scanonly"`
}

func (r memberRow) record() store.Member {
	return store.Member{
		ID: r.ID, ProjectID: r.ProjectID, ProjectName: r.ProjectName, UserID: r.UserID, UserName: r.UserName, Role: r.Role,
		CreatedAt: fromMicros(r.CreatedAt), UpdatedAt: fromMicros(r.UpdatedAt),
	}
}

func (r memberRow) change() store.Change {
	return store.Change{Kind: store.MemberChanged, UserID: r.UserID, ProjectID: r.ProjectID, Project: r.ProjectName}
}

func checkRole(r store.Role) error {
	if _, ok := store.RoleNames()[r]; !ok {
		return errs.New(errs.Invalid, "there is no role %d", int(r)).
			WithHint("use 1 (projectAdmin), 2 (developer), 3 (guest), 4 (maintainer) or 5 (limitedGuest)")
	}
	return nil
}

func memberListing(projectID int64) listing[memberRow, store.Member] {
	return listing[memberRow, store.Member]{
		table: "members",
		id:    column[memberRow]{"t.id", func(r memberRow) any { return r.ID }},
		sorts: map[string]column[memberRow]{
			"id":            {"t.id", func(r memberRow) any { return r.ID }},
			"name":          {"u.name_key", func(r memberRow) any { return r.UserKey }},
			"role":          {"t.role", func(r memberRow) any { return r.Role }},
			"creation_time": {"t.created_at", func(r memberRow) any { return r.CreatedAt }},
		},
		filter: func(q *bun.SelectQuery, f store.Filter) *bun.SelectQuery {
			return filterMembers(q.Where("t.project_id = ?", projectID), f)
		},
		columns: memberNames,
		record:  memberRow.record,
	}
}

func filterMembers(q *bun.SelectQuery, f store.Filter) *bun.SelectQuery {
	q = q.Join("JOIN users AS u ON u.id = t.user_id")
	if f.Name != "" {
		q = contains(q, "u.name_key", store.NameKey(f.Name))
	}
	if f.Exact != "" {
		q = q.Where("u.name_key = ?", store.NameKey(f.Exact))
	}
	if f.MemberID != 0 {
		q = q.Where("t.user_id = ?", f.MemberID)
	}
	if f.Role != 0 {
		q = q.Where("t.role = ?", f.Role)
	}
	return q
}

// memberNames adds the names of the user and the project. The user is joined by filterMembers.
func memberNames(q *bun.SelectQuery) *bun.SelectQuery {
	return q.ColumnExpr("t.*").ColumnExpr("u.name AS user_name").ColumnExpr("u.name_key AS user_key").
		ColumnExpr("p.name AS project_name").Join("JOIN projects AS p ON p.id = t.project_id")
}

// AddMember gives a user a role in a project. Conflict: it has one there already. NotFound: no such user or project.
// Invalid: no such role.
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
	if err := checkRole(m.Role); err != nil {
		return 0, err
	}
	if m.UserID == 0 {
		return 0, notFound("user", m.UserID)
	}
	now := s.stamp()
	row := memberRow{ProjectID: m.ProjectID, UserID: m.UserID, Role: m.Role, CreatedAt: now, UpdatedAt: now}
	_, err = tx.NewInsert().Model(&row).Exec(ctx)
	return row.ID, err
}

func (s *Store) memberFailed(doing string, err error) error {
	switch s.dialect.fault(err) {
	case faultDuplicate:
		return errs.New(errs.Conflict, "the user is a member of the project already").WithHint("change the role of that member instead")
	case faultReference:
		return errs.New(errs.NotFound, "user or project not found")
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

// ListMembers lists the members of a project. They can be sorted by id, name, role and creation_time.
func (s *Store) ListMembers(ctx context.Context, projectID int64, f store.Filter) iter.Seq2[store.Member, error] {
	return memberListing(projectID).all(ctx, s, f)
}

// CountMembers counts the members that the filter lets through, whatever its page.
func (s *Store) CountMembers(ctx context.Context, projectID int64, f store.Filter) (int, error) {
	return memberListing(projectID).count(ctx, s, f)
}

// UpdateMember runs fn on the stored member and stores the role that fn gave it. NotFound: no such member in that
// project. Invalid: no such role.
func (s *Store) UpdateMember(ctx context.Context, projectID, memberID int64, fn func(*store.Member) error) (store.Member, error) {
	var row memberRow
	changed := false
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		if row, err = s.memberRow(ctx, s.locked(tx.NewSelect()), projectID, memberID); err != nil {
			return err
		}
		m := row.record()
		if err := fn(&m); err != nil {
			return err
		}
		if changed = m.Role != row.Role; !changed {
			return nil
		}
		row.Role, row.UpdatedAt = m.Role, s.stamp()
		if err := checkRole(row.Role); err != nil {
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
		if row, err = s.memberRow(ctx, s.locked(tx.NewSelect()), projectID, memberID); err != nil {
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
	var role store.Role
	err := s.hot.memberRole.QueryRowContext(ctx, projectID, userID).Scan(&role)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, notFound("member", userID)
	}
	return role, s.failed("reading a role", err)
}
