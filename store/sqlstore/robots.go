package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

type robotRow struct {
	bun.BaseModel `bun:"table:robots,alias:t"`

	ID           int64  `bun:"id,pk,autoincrement"`
	Name         string `bun:"name"`
	NameKey      string `bun:"name_key"`
	ProjectID    int64  `bun:"project_id,nullzero"`
	ProjectName  string `bun:"project_name,scanonly"`
	Description  string `bun:"description"`
	Disabled     bool   `bun:"disabled"`
	Days         int64  `bun:"days"`
	ExpiresAt    int64  `bun:"expires_at"` // 0 is never
	Permissions  string `bun:"permissions"`
	Creator      string `bun:"creator"`
	SecretID     string `bun:"secret_id"`
	SecretHash   string `bun:"secret_hash"`
	OldID        string `bun:"old_id"`
	OldHash      string `bun:"old_hash"`
	OldEndsAt    int64  `bun:"old_ends_at"`
	LastUsedAt   int64  `bun:"last_used_at"` // 0 is never
	LastUsedFrom string `bun:"last_used_from"`
	CreatedAt    int64  `bun:"created_at"`
	UpdatedAt    int64  `bun:"updated_at"`
}

// robotPermission is a permission as it is kept: projects have their ids. Without an id and without Every it is one at
// system level.
type robotPermission struct {
	Project      int64    `json:"project,omitempty"`
	Every        bool     `json:"every,omitempty"` // in each project
	Repositories []string `json:"repositories,omitempty"`
	Resource     string   `json:"resource"`
	Actions      []string `json:"actions"`
}

// maxRobotPermissions bounds what is read with each login of a robot, in bytes of JSON.
const maxRobotPermissions = 1 << 18

// touchEvery is how exactly the last use of a robot is known: a busy one must not write with each request.
const touchEvery = time.Minute

// newRobotRow returns the row without its permissions.
func newRobotRow(r store.Robot) robotRow {
	return robotRow{
		ID: r.ID, Name: r.Name, NameKey: store.NameKey(r.Name), ProjectID: r.ProjectID, ProjectName: r.ProjectName,
		Description: r.Description, Disabled: r.Disabled, Days: int64(r.Days), ExpiresAt: toMicrosOrZero(r.ExpiresAt), Creator: r.Creator,
		SecretID: r.Secret.ID, SecretHash: r.Secret.Hash, OldID: r.Old.ID, OldHash: r.Old.Hash, OldEndsAt: toMicrosOrZero(r.Old.Ends),
		LastUsedAt: toMicrosOrZero(r.LastUsedAt), LastUsedFrom: r.LastUsedFrom,
		CreatedAt: toMicros(r.CreatedAt), UpdatedAt: toMicros(r.UpdatedAt),
	}
}

// record returns the robot without its permissions.
func (r robotRow) record() store.Robot {
	return store.Robot{
		ID: r.ID, Name: r.Name, ProjectID: r.ProjectID, ProjectName: r.ProjectName, Description: r.Description, Disabled: r.Disabled,
		Days: int(r.Days), ExpiresAt: fromMicrosOrZero(r.ExpiresAt), Creator: r.Creator,
		Secret:     store.RobotSecret{ID: r.SecretID, Hash: r.SecretHash},
		Old:        store.RobotSecret{ID: r.OldID, Hash: r.OldHash, Ends: fromMicrosOrZero(r.OldEndsAt)},
		LastUsedAt: fromMicrosOrZero(r.LastUsedAt), LastUsedFrom: r.LastUsedFrom,
		CreatedAt: fromMicros(r.CreatedAt), UpdatedAt: fromMicros(r.UpdatedAt),
	}
}

// toMicrosOrZero and fromMicrosOrZero keep the zero time, which is no time at all, as 0.
func toMicrosOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return toMicros(t)
}

func fromMicrosOrZero(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return fromMicros(n)
}

func (r robotRow) check() error {
	if r.Name == "" || r.SecretID == "" || r.SecretHash == "" {
		return errs.New(errs.Invalid, "a robot needs a name and a secret").WithHint("give both")
	}
	if len(r.Permissions) > maxRobotPermissions {
		return errs.New(errs.Invalid, "the robot has too many permissions").WithHint("make several robots, or use * for the project")
	}
	const maxRobotName = 2 * maxName // a project's name and its own
	return checkFields(field{"the robot's name", r.Name, maxRobotName}, field{"the robot's name", r.NameKey, maxRobotName},
		field{"the description", r.Description, maxRobotDescription}, field{"the permissions", r.Permissions, maxRobotPermissions},
		field{"the creator", r.Creator, 2 * maxRobotName}, field{"the secret's id", r.SecretID, maxName}, field{"the secret", r.SecretHash, maxName},
		field{"the old secret's id", r.OldID, maxName}, field{"the old secret", r.OldHash, maxName}, field{"the address", r.LastUsedFrom, maxName})
}

// maxRobotDescription is how long a description may be, in characters.
const maxRobotDescription = 1024

func robotListing() listing[robotRow, robotRow] {
	return listing[robotRow, robotRow]{
		table: "robots",
		id:    column[robotRow]{"t.id", func(r robotRow) any { return r.ID }},
		sorts: map[string]column[robotRow]{
			"id":            {"t.id", func(r robotRow) any { return r.ID }},
			"name":          {"t.name_key", func(r robotRow) any { return r.NameKey }},
			"creation_time": {"t.created_at", func(r robotRow) any { return r.CreatedAt }},
			"update_time":   {"t.updated_at", func(r robotRow) any { return r.UpdatedAt }},
		},
		fields:  headFields(map[string]narrowing{"name": {kind: store.Name, sql: "t.name_key"}}),
		filter:  filterRobots,
		columns: withProject,
		record:  func(r robotRow) robotRow { return r },
	}
}

// withProject adds the name of the project that a robot belongs to.
func withProject(q *bun.SelectQuery) *bun.SelectQuery {
	return q.ColumnExpr("t.*").ColumnExpr("p.name AS project_name").Join("LEFT JOIN projects AS p ON p.id = t.project_id")
}

func filterRobots(q *bun.SelectQuery, f store.Filter) *bun.SelectQuery {
	if f.Name != "" {
		q = contains(q, "t.name_key", store.NameKey(f.Name))
	}
	if f.Exact != "" {
		q = q.Where("t.name_key = ?", store.NameKey(f.Exact))
	}
	if f.Project != 0 {
		q = q.Where("t.project_id = ?", f.Project)
	}
	if f.System {
		q = q.Where("t.project_id IS NULL")
	}
	return q
}

// CreateRobot stores a new robot account. Conflict: the name is taken. Invalid: name or secret is missing, or something
// is too long. NotFound: there is no such project.
func (s *Store) CreateRobot(ctx context.Context, r store.Robot) (store.Robot, error) {
	first := newRobotRow(r)
	first.ID, first.CreatedAt = 0, s.stamp()
	first.UpdatedAt = first.CreatedAt
	var made store.Robot
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		row := first // without the id of an attempt before
		if row.Permissions, err = keptPermissions(ctx, tx, r.Permissions); err != nil {
			return err
		}
		if err := row.check(); err != nil {
			return err
		}
		if _, err = tx.NewInsert().Model(&row).Exec(ctx); err != nil {
			return s.robotFailed("creating a robot", row, err)
		}
		made, _, err = s.robot(ctx, tx, row.ID)
		return err
	})
	if err != nil {
		return store.Robot{}, s.failed("creating a robot", err)
	}
	s.publishRobot(made.ID, made.Name)
	return made, nil
}

func (s *Store) publishRobot(id int64, name string) {
	s.changes.publish(store.Change{Kind: store.RobotChanged, RobotID: id, Robot: name})
}

func (s *Store) robotFailed(doing string, row robotRow, err error) error {
	switch s.dialect.fault(err) {
	case faultDuplicate:
		return taken("robot", row.Name)
	case faultReference:
		return notFound("project", row.ProjectID)
	default:
		return s.failed(doing, err)
	}
}

// keptPermissions turns permissions into what is kept. NotFound: there is no such project.
func keptPermissions(ctx context.Context, db bun.IDB, list auth.Permissions) (string, error) {
	ids, err := projectIDs(ctx, db, list)
	if err != nil {
		return "", err
	}
	kept := make([]robotPermission, len(list))
	for i, p := range list {
		k := robotPermission{Repositories: p.Repositories, Resource: p.Resource, Actions: p.Actions}
		switch p.Project {
		case "":
		case "*":
			k.Every = true
		default:
			if k.Project = ids[p.Project]; k.Project == 0 {
				return "", notFound("project", p.Project)
			}
		}
		kept[i] = k
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return "", fmt.Errorf("writing permissions: %w", err)
	}
	return string(text), nil
}

// projectIDs finds the ids of the projects that permissions name.
func projectIDs(ctx context.Context, db bun.IDB, list auth.Permissions) (map[string]int64, error) {
	var names []string
	for _, p := range list {
		if p.Project != "" && p.Project != "*" && storable(p.Project) && !slices.Contains(names, p.Project) {
			names = append(names, p.Project)
		}
	}
	ids := make(map[string]int64, len(names))
	for part := range slices.Chunk(names, batchSize) {
		var rows []projectRow
		if err := db.NewSelect().Model(&rows).Column("id", "name").Where("t.name IN (?)", bun.List(part)).Scan(ctx); err != nil {
			return nil, err
		}
		for _, r := range rows {
			ids[r.Name] = r.ID
		}
	}
	return ids, nil
}

// withPermissions returns the robot with what it may do in the projects that there are.
func (s *Store) withPermissions(ctx context.Context, db bun.IDB, row robotRow) (store.Robot, error) {
	r := row.record()
	var kept []robotPermission
	if err := json.Unmarshal([]byte(row.Permissions), &kept); err != nil {
		return store.Robot{}, fmt.Errorf("reading the permissions of robot %d: %w", row.ID, err)
	}
	names, err := projectNames(ctx, db, row, kept)
	if err != nil {
		return store.Robot{}, s.failed("reading the projects of a robot", err)
	}
	for _, k := range kept {
		p := auth.Permission{Repositories: k.Repositories, Resource: k.Resource, Actions: k.Actions}
		switch {
		case k.Every:
			p.Project = "*"
		case k.Project != 0:
			if p.Project = names[k.Project]; p.Project == "" {
				continue // "" would be the system
			}
		}
		r.Permissions = append(r.Permissions, p)
	}
	return r, nil
}

// projectNames finds the names of the projects in kept permissions. The robot's own one came with its row.
func projectNames(ctx context.Context, db bun.IDB, row robotRow, kept []robotPermission) (map[int64]string, error) {
	names := map[int64]string{}
	if row.ProjectID != 0 {
		names[row.ProjectID] = row.ProjectName
	}
	var others []int64
	for _, k := range kept {
		if _, known := names[k.Project]; k.Project != 0 && !known && !slices.Contains(others, k.Project) {
			others = append(others, k.Project)
		}
	}
	for part := range slices.Chunk(others, batchSize) {
		var rows []projectRow
		if err := db.NewSelect().Model(&rows).Column("id", "name").Where("t.id IN (?)", bun.List(part)).Scan(ctx); err != nil {
			return nil, err
		}
		for _, r := range rows {
			names[r.ID] = r.Name
		}
	}
	return names, nil
}

// Robot returns the robot with the id, or NotFound.
func (s *Store) Robot(ctx context.Context, id int64) (store.Robot, error) {
	r, _, err := s.robot(ctx, s.read, id)
	return r, err
}

func (s *Store) robot(ctx context.Context, db bun.IDB, id int64) (store.Robot, robotRow, error) {
	var row robotRow
	err := withProject(db.NewSelect().Model(&row)).Where("t.id = ?", id).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return store.Robot{}, robotRow{}, notFound("robot", id)
	}
	if err != nil {
		return store.Robot{}, robotRow{}, s.failed("reading a robot", err)
	}
	r, err := s.withPermissions(ctx, db, row)
	return r, row, err
}

// RobotByName returns the robot with the name, without regard to case, or NotFound.
func (s *Store) RobotByName(ctx context.Context, name string) (store.Robot, error) {
	if !storable(name) {
		return store.Robot{}, notFound("robot", name)
	}
	var r robotRow
	var projectID sql.NullInt64
	var projectName sql.NullString
	err := s.hot.robotByName.QueryRowContext(ctx, store.NameKey(name)).Scan(&r.ID, &r.Name, &projectID, &projectName, &r.Description,
		&r.Disabled, &r.Days, &r.ExpiresAt, &r.Permissions, &r.Creator, &r.SecretID, &r.SecretHash, &r.OldID, &r.OldHash, &r.OldEndsAt,
		&r.LastUsedAt, &r.LastUsedFrom, &r.CreatedAt, &r.UpdatedAt)
	if errors.Is(err, sql.ErrNoRows) {
		return store.Robot{}, notFound("robot", name)
	}
	if err != nil {
		return store.Robot{}, s.failed("reading a robot", err)
	}
	r.ProjectID, r.ProjectName = projectID.Int64, projectName.String
	return s.withPermissions(ctx, s.read, r)
}

// ListRobots lists robots. They can be sorted by id, name, creation_time and update_time.
func (s *Store) ListRobots(ctx context.Context, f store.Filter) iter.Seq2[store.Robot, error] {
	return func(yield func(store.Robot, error) bool) {
		for row, err := range robotListing().all(ctx, s, f) {
			var r store.Robot
			if err == nil {
				r, err = s.withPermissions(ctx, s.read, row)
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// CountRobots counts the robots that the filter lets through, whatever its page.
func (s *Store) CountRobots(ctx context.Context, f store.Filter) (int, error) {
	return robotListing().count(ctx, s, f)
}

// UpdateRobot runs fn on the stored robot and stores what fn made of it; what the store sets itself stays, and the
// project too. NotFound: no such robot or project. Conflict: the new name is taken.
func (s *Store) UpdateRobot(ctx context.Context, id int64, fn func(*store.Robot) error) (store.Robot, error) {
	var before, after robotRow
	var changed store.Robot
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		if s.dialect.rowLocks { // a query of its own, because an outer join can't be locked
			if _, err := tx.NewSelect().Model((*robotRow)(nil)).Column("id").Where("t.id = ?", id).For("UPDATE").Exec(ctx); err != nil {
				return err
			}
		}
		r, row, err := s.robot(ctx, tx, id)
		if err != nil {
			return err
		}
		before = row
		if after, err = s.updateRobot(ctx, tx, row, r, fn); err != nil {
			return err
		}
		changed, _, err = s.robot(ctx, tx, id)
		return err
	})
	if err != nil {
		return store.Robot{}, s.robotFailed("changing a robot", after, err)
	}
	if after != before {
		s.publishRobot(id, before.Name)
		if after.Name != before.Name {
			s.publishRobot(id, after.Name)
		}
	}
	return changed, nil
}

func (s *Store) updateRobot(ctx context.Context, tx bun.Tx, before robotRow, r store.Robot, fn func(*store.Robot) error) (after robotRow, err error) {
	given := slices.Clone(r.Permissions)
	if err := fn(&r); err != nil {
		return before, err
	}
	after = newRobotRow(r)
	after.ID, after.ProjectID, after.ProjectName = before.ID, before.ProjectID, before.ProjectName
	after.CreatedAt, after.UpdatedAt, after.Permissions = before.CreatedAt, before.UpdatedAt, before.Permissions
	if !reflect.DeepEqual(given, slices.Clone(r.Permissions)) {
		if after.Permissions, err = keptPermissions(ctx, tx, r.Permissions); err != nil {
			return after, err
		}
	}
	if after == before {
		return after, nil
	}
	after.UpdatedAt = s.stamp()
	if err := after.check(); err != nil {
		return after, err
	}
	_, err = tx.NewUpdate().Model(&after).WherePK().Exec(ctx)
	return after, err
}

// TouchRobot notes a use, unless one of the minute before is noted. Nobody is told, and a robot that is gone is no error.
func (s *Store) TouchRobot(ctx context.Context, id int64, at time.Time, from string) error {
	if err := checkFields(field{"the address", from, maxName}); err != nil {
		return err
	}
	_, err := s.write.NewUpdate().Model((*robotRow)(nil)).Set("last_used_at = ?", toMicros(at)).Set("last_used_from = ?", from).
		Where("id = ? AND last_used_at <= ?", id, toMicros(at.Add(-touchEvery))).Exec(ctx)
	return s.failed("noting the use of a robot", err)
}

// DeleteRobot removes the robot, or returns NotFound.
func (s *Store) DeleteRobot(ctx context.Context, id int64) error {
	var name string
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, row, err := s.robot(ctx, tx, id)
		if err != nil {
			return err
		}
		name = row.Name
		_, err = tx.NewDelete().Model((*robotRow)(nil)).Where("id = ?", id).Exec(ctx)
		return err
	})
	if err != nil {
		return s.failed("deleting a robot", err)
	}
	s.publishRobot(id, name)
	return nil
}
