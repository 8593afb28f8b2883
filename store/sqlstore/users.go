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

// maxName is how long a name may be, in characters, here and in every index.
const maxName = 255

type userRow struct {
	bun.BaseModel `bun:"table:users,alias:t"`

	ID           int64  `bun:"id,pk,autoincrement"`
	Name         string `bun:"name"`
	NameKey      string `bun:"name_key"`
	Email        string `bun:"email"`
	RealName     string `bun:"real_name"`
	Comment      string `bun:"comment"`
	PasswordHash string `bun:"password_hash"`
	SysAdmin     bool   `bun:"sysadmin"`
	SecondFactor bool   `bun:"second_factor"`
	CreatedAt    int64  `bun:"created_at"`
	UpdatedAt    int64  `bun:"updated_at"`
}

func newUserRow(u store.User) userRow {
	return userRow{
		ID: u.ID, Name: u.Name, NameKey: store.NameKey(u.Name), Email: u.Email, RealName: u.RealName, Comment: u.Comment,
		PasswordHash: u.PasswordHash, SysAdmin: u.SysAdmin, SecondFactor: u.SecondFactor, CreatedAt: toMicros(u.CreatedAt), UpdatedAt: toMicros(u.UpdatedAt),
	}
}

func (r userRow) record() store.User {
	return store.User{
		ID: r.ID, Name: r.Name, Email: r.Email, RealName: r.RealName, Comment: r.Comment, PasswordHash: r.PasswordHash,
		SysAdmin: r.SysAdmin, SecondFactor: r.SecondFactor, CreatedAt: fromMicros(r.CreatedAt), UpdatedAt: fromMicros(r.UpdatedAt),
	}
}

func (r userRow) check() error {
	if r.Name == "" {
		return errs.New(errs.Invalid, "a user needs a name").WithHint("give one")
	}
	return checkFields(field{"the user name", r.Name, maxName}, field{"the user name", r.NameKey, maxName},
		field{"the e-mail address", r.Email, maxName}, field{"the real name", r.RealName, maxName},
		field{"the comment", r.Comment, 2000}, field{"the password hash", r.PasswordHash, 1000})
}

func userListing() listing[userRow, store.User] {
	return listing[userRow, store.User]{
		table: "users",
		id:    column[userRow]{"t.id", func(r userRow) any { return r.ID }},
		sorts: map[string]column[userRow]{
			"id":            {"t.id", func(r userRow) any { return r.ID }},
			"name":          {"t.name_key", func(r userRow) any { return r.NameKey }},
			"email":         {"t.email", func(r userRow) any { return r.Email }},
			"creation_time": {"t.created_at", func(r userRow) any { return r.CreatedAt }},
			"update_time":   {"t.updated_at", func(r userRow) any { return r.UpdatedAt }},
		},
		fields: map[string]narrowing{
			"id":            {kind: store.Number, sql: "t.id"},
			"name":          {kind: store.Name, sql: "t.name_key"},
			"sysadmin":      {kind: store.Truth, sql: "t.sysadmin"},
			"creation_time": {kind: store.Moment, sql: "t.created_at"},
		},
		filter: filterUsers,
		record: userRow.record,
	}
}

func filterUsers(q *bun.SelectQuery, f store.Filter) *bun.SelectQuery {
	if f.Name != "" {
		q = contains(q, "t.name_key", store.NameKey(f.Name))
	}
	if f.Exact != "" {
		q = q.Where("t.name_key = ?", store.NameKey(f.Exact))
	}
	return q
}

// CreateUser stores a new user. Conflict: the name is taken. Invalid: a field is empty or too long.
func (s *Store) CreateUser(ctx context.Context, u store.User) (store.User, error) {
	row := newUserRow(u)
	row.ID, row.CreatedAt, row.SecondFactor = 0, s.stamp(), false
	row.UpdatedAt = row.CreatedAt
	if err := row.check(); err != nil {
		return store.User{}, err
	}
	err := s.again(ctx, func() error {
		_, err := s.write.NewInsert().Model(&row).Exec(ctx)
		return err
	})
	if err != nil {
		return store.User{}, s.userFailed("creating a user", row, err)
	}
	s.changes.publish(store.Change{Kind: store.UserChanged, UserID: row.ID, User: row.Name})
	return row.record(), nil
}

func (s *Store) userFailed(doing string, row userRow, err error) error {
	if s.dialect.fault(err) == faultDuplicate {
		return taken("user", row.Name)
	}
	return s.failed(doing, err)
}

// User returns the user with the id, or NotFound.
func (s *Store) User(ctx context.Context, id int64) (store.User, error) {
	row, err := s.userRow(ctx, s.read.NewSelect(), id)
	if err != nil {
		return store.User{}, err
	}
	return row.record(), nil
}

func (s *Store) userRow(ctx context.Context, q *bun.SelectQuery, id int64) (userRow, error) {
	var row userRow
	err := q.Model(&row).Where("t.id = ?", id).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return userRow{}, notFound("user", id)
	}
	if err != nil {
		return userRow{}, s.failed("reading a user", err)
	}
	return row, nil
}

// UserByName returns the user with the name, without regard to case, or NotFound.
func (s *Store) UserByName(ctx context.Context, name string) (store.User, error) {
	if !storable(name) {
		return store.User{}, notFound("user", name)
	}
	var r userRow
	err := s.hot.userByName.QueryRowContext(ctx, store.NameKey(name)).Scan(&r.ID, &r.Name, &r.Email, &r.RealName,
		&r.Comment, &r.PasswordHash, &r.SysAdmin, &r.SecondFactor, &r.CreatedAt, &r.UpdatedAt)
	if errors.Is(err, sql.ErrNoRows) {
		return store.User{}, notFound("user", name)
	}
	if err != nil {
		return store.User{}, s.failed("reading a user", err)
	}
	return r.record(), nil
}

// ListUsers lists users. They can be sorted by id, name, email, creation_time and update_time.
func (s *Store) ListUsers(ctx context.Context, f store.Filter) iter.Seq2[store.User, error] {
	return userListing().all(ctx, s, f)
}

// CountUsers counts the users that the filter lets through, whatever its page.
func (s *Store) CountUsers(ctx context.Context, f store.Filter) (int, error) {
	return userListing().count(ctx, s, f)
}

// UpdateUser runs fn on the stored user and stores what fn made of it; what the store sets itself stays. NotFound: no
// such user. Conflict: the new name is taken. Precondition: it is the last system administrator.
func (s *Store) UpdateUser(ctx context.Context, id int64, fn func(*store.User) error) (store.User, error) {
	var before, after userRow
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		if before, err = s.lockUser(ctx, tx, id); err != nil {
			return err
		}
		after, err = s.updateUser(ctx, tx, before, fn)
		return err
	})
	if err != nil {
		return store.User{}, s.userFailed("changing a user", after, err)
	}
	if after != before {
		s.publishUser(before, after)
	}
	return after.record(), nil
}

// lockUser reads the user and keeps others from changing it until the transaction ends. Who touches a system
// administrator locks all of them, always in the same order, so that two who do never wait for each other.
func (s *Store) lockUser(ctx context.Context, tx bun.Tx, id int64) (userRow, error) {
	if s.dialect.rowLocks {
		row, err := s.userRow(ctx, tx.NewSelect(), id)
		if err != nil {
			return userRow{}, err
		}
		if row.SysAdmin {
			if _, err := s.sysAdmins(ctx, tx); err != nil {
				return userRow{}, err
			}
		}
	}
	return s.userRow(ctx, s.locked(tx.NewSelect()), id)
}

// sysAdmins returns the ids of the system administrators and locks them.
func (s *Store) sysAdmins(ctx context.Context, tx bun.Tx) (ids []int64, err error) {
	q := tx.NewSelect().Model((*userRow)(nil)).Column("id").Where("t.sysadmin = ?", true).Order("t.id")
	err = s.locked(q).Scan(ctx, &ids)
	return ids, err
}

func (s *Store) updateUser(ctx context.Context, tx bun.Tx, before userRow, fn func(*store.User) error) (userRow, error) {
	u := before.record()
	if err := fn(&u); err != nil {
		return before, err
	}
	after := newUserRow(u)
	after.ID, after.SecondFactor, after.CreatedAt, after.UpdatedAt = before.ID, before.SecondFactor, before.CreatedAt, before.UpdatedAt
	if after == before {
		return after, nil
	}
	after.UpdatedAt = s.stamp()
	if err := after.check(); err != nil {
		return after, err
	}
	if before.SysAdmin && !after.SysAdmin {
		if err := s.notLastAdmin(ctx, tx, before.ID); err != nil {
			return after, err
		}
	}
	_, err := tx.NewUpdate().Model(&after).WherePK().Exec(ctx)
	return after, err
}

// publishUser tells of a change under both names, because caches may hold that the new one does not exist.
func (s *Store) publishUser(before, after userRow) {
	s.changes.publish(store.Change{Kind: store.UserChanged, UserID: before.ID, User: before.Name})
	if before.Name != after.Name {
		s.changes.publish(store.Change{Kind: store.UserChanged, UserID: after.ID, User: after.Name})
	}
}

// notLastAdmin refuses to lose the last system administrator: only the store can check this without a race.
func (s *Store) notLastAdmin(ctx context.Context, tx bun.Tx, id int64) error {
	admins, err := s.sysAdmins(ctx, tx)
	if err != nil {
		return err
	}
	for _, other := range admins {
		if other != id {
			return nil
		}
	}
	return errs.New(errs.Precondition, "this is the last system administrator").WithHint("make somebody else a system administrator first")
}

// DeleteUser removes the user, its memberships and its refresh tokens. NotFound: no such user. Precondition: it is the
// last system administrator.
func (s *Store) DeleteUser(ctx context.Context, id int64) error {
	var row userRow
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		if row, err = s.lockUser(ctx, tx, id); err != nil {
			return err
		}
		if row.SysAdmin {
			if err := s.notLastAdmin(ctx, tx, id); err != nil {
				return err
			}
		}
		_, err = tx.NewDelete().Model((*userRow)(nil)).Where("id = ?", id).Exec(ctx)
		return err
	})
	if err != nil {
		return s.failed("deleting a user", err)
	}
	s.changes.publish(store.Change{Kind: store.UserChanged, UserID: id, User: row.Name})
	return nil
}
