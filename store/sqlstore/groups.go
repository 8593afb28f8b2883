package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"slices"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

const (
	maxGroupKey = 600 // characters: what an index of every database can hold
	maxSource   = 63
	// lookUpSize is how many keys are looked up in one query.
	lookUpSize = 500
)

type groupRow struct {
	bun.BaseModel `bun:"table:user_groups,alias:t"`

	ID        int64           `bun:"id,pk,autoincrement"`
	Name      string          `bun:"name"`
	NameKey   string          `bun:"name_key"`
	Type      store.GroupType `bun:"type"`
	Source    string          `bun:"source"`
	Key       string          `bun:"group_key"`
	CreatedAt int64           `bun:"created_at"`
	UpdatedAt int64           `bun:"updated_at"`
}

// groupMemberRow is a user in a group that is kept here.
type groupMemberRow struct {
	bun.BaseModel `bun:"table:group_members,alias:t"`

	ID      int64 `bun:"id,pk,autoincrement"`
	GroupID int64 `bun:"group_id"`
	UserID  int64 `bun:"user_id"`
}

func newGroupRow(g store.Group) groupRow {
	row := groupRow{
		ID: g.ID, Name: g.Name, NameKey: store.NameKey(g.Name), Type: g.Type, Source: g.Source, Key: g.Key,
		CreatedAt: toMicros(g.CreatedAt), UpdatedAt: toMicros(g.UpdatedAt),
	}
	if g.Local() {
		row.Key = row.NameKey
	}
	return row
}

func (r groupRow) record() store.Group {
	return store.Group{
		ID: r.ID, Name: r.Name, Type: r.Type, Source: r.Source, Key: r.Key,
		CreatedAt: fromMicros(r.CreatedAt), UpdatedAt: fromMicros(r.UpdatedAt),
	}
}

func (r groupRow) change() store.Change {
	return store.Change{Kind: store.GroupChanged, GroupID: r.ID, Source: r.Source, GroupKey: r.Key}
}

func (r groupRow) check() error {
	switch {
	case r.Name == "":
		return errs.New(errs.Invalid, "a group needs a name").WithHint("give one")
	case r.Key == "":
		return errs.New(errs.Invalid, "a group of a source needs what the source calls it").WithHint("give it, such as the DN in a directory")
	case r.Type < store.GroupLocal || r.Type > store.GroupOIDC || (r.Source == "") != (r.Type == store.GroupLocal):
		return errs.New(errs.Invalid, "a group of the type %d can't be of the source %s", int(r.Type), show(r.Source)).
			WithHint("groups of type 0 are kept here, others name the source that they come from")
	}
	return checkFields(field{"the group name", r.Name, maxName}, field{"the group name", r.NameKey, maxName},
		field{"the source", r.Source, maxSource}, field{"the group's key", r.Key, maxGroupKey})
}

func groupListing() listing[groupRow, store.Group] {
	return listing[groupRow, store.Group]{
		table: "groups",
		id:    column[groupRow]{"t.id", func(r groupRow) any { return r.ID }},
		sorts: map[string]column[groupRow]{
			"id":            {"t.id", func(r groupRow) any { return r.ID }},
			"name":          {"t.name_key", func(r groupRow) any { return r.NameKey }},
			"creation_time": {"t.created_at", func(r groupRow) any { return r.CreatedAt }},
		},
		filter: filterGroups,
		record: groupRow.record,
	}
}

func filterGroups(q *bun.SelectQuery, f store.Filter) *bun.SelectQuery {
	if f.Name != "" {
		q = contains(q, "t.name_key", store.NameKey(f.Name))
	}
	if f.Exact != "" {
		q = q.Where("t.name_key = ?", store.NameKey(f.Exact))
	}
	if f.Key != "" {
		q = q.Where("t.group_key = ?", f.Key)
	}
	return q
}

// CreateGroup stores a new group. Conflict: there is one of that name here, or of that key of the source. Invalid: a
// field is empty, too long, or does not go with another.
func (s *Store) CreateGroup(ctx context.Context, g store.Group) (store.Group, error) {
	first := newGroupRow(g)
	first.ID, first.CreatedAt = 0, s.stamp()
	first.UpdatedAt = first.CreatedAt
	if err := first.check(); err != nil {
		return store.Group{}, err
	}
	var row groupRow
	err := s.again(ctx, func() error {
		row = first
		_, err := s.write.NewInsert().Model(&row).Exec(ctx)
		return err
	})
	if err != nil {
		return store.Group{}, s.groupFailed("creating a group", row, err)
	}
	s.changes.publish(row.change())
	return row.record(), nil
}

func (s *Store) groupFailed(doing string, row groupRow, err error) error {
	if s.dialect.fault(err) == faultDuplicate {
		return taken("group", row.Name)
	}
	return s.failed(doing, err)
}

// Group returns the group with the id, or NotFound.
func (s *Store) Group(ctx context.Context, id int64) (store.Group, error) {
	row, err := s.groupRow(ctx, s.read.NewSelect().Where("t.id = ?", id), id)
	if err != nil {
		return store.Group{}, err
	}
	return row.record(), nil
}

// GroupByKey returns the group that the source calls so, or NotFound. For the source "", key is a name.
func (s *Store) GroupByKey(ctx context.Context, source, key string) (store.Group, error) {
	if !storable(source) || !storable(key) {
		return store.Group{}, notFound("group", key)
	}
	stored := key
	if source == "" {
		stored = store.NameKey(key)
	}
	row, err := s.groupRow(ctx, s.read.NewSelect().Where("t.source = ? AND t.group_key = ?", source, stored), key)
	if err != nil {
		return store.Group{}, err
	}
	return row.record(), nil
}

// groupRow reads the group that q finds; key is what it was looked for by.
func (s *Store) groupRow(ctx context.Context, q *bun.SelectQuery, key any) (groupRow, error) {
	var row groupRow
	err := q.Model(&row).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return groupRow{}, notFound("group", key)
	}
	return row, s.failed("reading a group", err)
}

// lockGroup reads the group and keeps others from changing it until the transaction ends.
func (s *Store) lockGroup(ctx context.Context, tx bun.Tx, id int64) (groupRow, error) {
	return s.groupRow(ctx, s.locked(tx.NewSelect()).Where("t.id = ?", id), id)
}

// ListGroups lists groups. They can be sorted by id, name and creation_time.
func (s *Store) ListGroups(ctx context.Context, f store.Filter) iter.Seq2[store.Group, error] {
	return groupListing().all(ctx, s, f)
}

// CountGroups counts the groups that the filter lets through, whatever its page.
func (s *Store) CountGroups(ctx context.Context, f store.Filter) (int, error) {
	return groupListing().count(ctx, s, f)
}

// UpdateGroup runs fn on the stored group and stores the name that fn gave it. NotFound: no such group. Conflict: the
// name of one that is kept here is taken.
func (s *Store) UpdateGroup(ctx context.Context, id int64, fn func(*store.Group) error) (store.Group, error) {
	var before, after groupRow
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		if before, err = s.lockGroup(ctx, tx, id); err != nil {
			return err
		}
		after, err = s.renameGroup(ctx, tx, before, fn)
		return err
	})
	if err != nil {
		return store.Group{}, s.groupFailed("changing a group", after, err)
	}
	if after != before {
		s.changes.publish(before.change())
		if after.Key != before.Key { // caches may hold that there is none of the new name
			s.changes.publish(after.change())
		}
	}
	return after.record(), nil
}

func (s *Store) renameGroup(ctx context.Context, tx bun.Tx, before groupRow, fn func(*store.Group) error) (groupRow, error) {
	g := before.record()
	if err := fn(&g); err != nil || g.Name == before.Name {
		return before, err
	}
	renamed := before.record()
	renamed.Name = g.Name
	after := newGroupRow(renamed)
	after.UpdatedAt = s.stamp()
	if err := after.check(); err != nil {
		return after, err
	}
	_, err := tx.NewUpdate().Model(&after).WherePK().Exec(ctx)
	return after, err
}

// DeleteGroup removes the group, who is in it, and its memberships, or returns NotFound.
func (s *Store) DeleteGroup(ctx context.Context, id int64) error {
	var row groupRow
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		if row, err = s.lockGroup(ctx, tx, id); err != nil {
			return err
		}
		_, err = tx.NewDelete().Model((*groupRow)(nil)).Where("id = ?", id).Exec(ctx)
		return err
	})
	if err != nil {
		return s.failed("deleting a group", err)
	}
	s.changes.publish(row.change())
	return nil
}

// AddGroupMember puts a user into a group that is kept here. NotFound: no such group or user. Conflict: the user is in
// it already. Invalid: the group's source says who is in it.
func (s *Store) AddGroupMember(ctx context.Context, groupID, userID int64) error {
	return s.onGroupMembers(ctx, groupID, userID, "adding a user to a group", func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewInsert().Model(&groupMemberRow{GroupID: groupID, UserID: userID}).Exec(ctx)
		switch s.dialect.fault(err) {
		case faultDuplicate:
			return errs.New(errs.Conflict, "the user is in the group already").WithHint("there is nothing to do")
		case faultReference:
			return notFound("user", userID)
		default:
			return err
		}
	})
}

// RemoveGroupMember takes a user out of a group that is kept here. NotFound: no such group, or the user is not in it.
func (s *Store) RemoveGroupMember(ctx context.Context, groupID, userID int64) error {
	return s.onGroupMembers(ctx, groupID, userID, "removing a user from a group", func(ctx context.Context, tx bun.Tx) error {
		result, err := tx.NewDelete().Model((*groupMemberRow)(nil)).Where("group_id = ? AND user_id = ?", groupID, userID).Exec(ctx)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err == nil && n == 0 {
			return errs.New(errs.NotFound, "the user is not in the group")
		}
		return err
	})
}

func (s *Store) onGroupMembers(ctx context.Context, groupID, userID int64, doing string, fn func(context.Context, bun.Tx) error) error {
	var row groupRow
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		if row, err = s.lockGroup(ctx, tx, groupID); err != nil {
			return err
		}
		if row.Source != "" {
			return errs.New(errs.Invalid, "the source %s says who is in the group %s", show(row.Source), show(row.Name)).
				WithHint("change it there, or make a group here")
		}
		return fn(ctx, tx)
	})
	if err != nil {
		return s.failed(doing, err)
	}
	change := row.change()
	change.UserID = userID
	s.changes.publish(change)
	return nil
}

// groupMemberListing lists users, those in the group alone.
func groupMemberListing(groupID int64) listing[userRow, store.User] {
	l := userListing()
	l.filter = func(q *bun.SelectQuery, f store.Filter) *bun.SelectQuery {
		return filterUsers(q, f).Where("t.id IN (SELECT gm.user_id FROM group_members AS gm WHERE gm.group_id = ?)", groupID)
	}
	return l
}

// ListGroupMembers lists the users in a group that is kept here; they can be sorted as those of ListUsers.
func (s *Store) ListGroupMembers(ctx context.Context, groupID int64, f store.Filter) iter.Seq2[store.User, error] {
	return groupMemberListing(groupID).all(ctx, s, f)
}

// CountGroupMembers counts the users in a group that is kept here, whatever the filter's page.
func (s *Store) CountGroupMembers(ctx context.Context, groupID int64, f store.Filter) (int, error) {
	return groupMemberListing(groupID).count(ctx, s, f)
}

// UserGroups returns the groups that a user is in: those kept here, and of the keys that its source gives those that are
// known. No cost grows with how many groups or users there are.
func (s *Store) UserGroups(ctx context.Context, userID int64, source string, keys []string) (store.UserGroups, error) {
	groups, err := s.hotGroups(ctx, userID)
	if err != nil {
		return store.UserGroups{}, s.failed("reading the groups of a user", err)
	}
	if source == "" {
		return groups, nil
	}
	keys = slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return !storable(key) })
	for some := range slices.Chunk(keys, lookUpSize) {
		var found []int64
		err := s.read.NewRaw(groupsByKey, source, bun.List(some)).Scan(ctx, &found)
		if err != nil {
			return store.UserGroups{}, s.failed("reading groups of a source", err)
		}
		groups.IDs = append(groups.IDs, found...)
	}
	slices.Sort(groups.IDs)
	groups.IDs = slices.Compact(groups.IDs)
	return groups, nil
}

// hotGroups returns the groups kept here that the user is in.
func (s *Store) hotGroups(ctx context.Context, userID int64) (g store.UserGroups, err error) {
	if userID == 0 {
		return g, nil
	}
	rows, err := s.hot.groupsOf.QueryContext(ctx, userID)
	if err != nil {
		return g, err
	}
	defer func() { _ = rows.Close() }() // what is wrong with it, Err has said
	for rows.Next() {
		var id int64
		var name string
		if err := rows.Scan(&id, &name); err != nil {
			return g, err
		}
		g.IDs, g.Local = append(g.IDs, id), append(g.Local, name)
	}
	return g, rows.Err()
}
