package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// projectNameRow is what a project was called.
type projectNameRow struct {
	bun.BaseModel `bun:"table:project_names,alias:t"`

	ID        int64  `bun:"id,pk,autoincrement"`
	ProjectID int64  `bun:"project_id"`
	Name      string `bun:"name"`
	Since     int64  `bun:"since"`
	CreatedAt int64  `bun:"created_at"`
}

// RenameProject gives a project another name, and its repositories with it, and remembers the one that it had.
// NotFound: there is no such project. Conflict: the name is another project's, or was.
func (s *Store) RenameProject(ctx context.Context, id int64, name string) (store.Project, error) {
	var before, after projectRow
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		if before, err = s.lockProject(ctx, tx, id); err != nil || before.Name == name {
			after = before
			return err
		}
		after, err = s.updateProject(ctx, tx, before, func(p *store.Project) error { p.Name = name; return nil })
		if err != nil {
			return err
		}
		if err := s.remember(ctx, tx, before, name); err != nil {
			return err
		}
		return s.renameRepositories(ctx, tx, before, name)
	})
	if err != nil {
		return store.Project{}, s.projectFailed("renaming a project", projectRow{Name: name}, err)
	}
	if after.Name != before.Name {
		s.publishProject(before, after)
	}
	return after.record(), nil
}

// remember notes what a project was called and since when it has its new name. Its own former name, which nobody else
// could have meanwhile, is its name again, and since then.
func (s *Store) remember(ctx context.Context, tx bun.Tx, before projectRow, name string) error {
	now := s.stamp()
	var again projectNameRow
	err := tx.NewSelect().Model(&again).Where("t.project_id = ? AND t.name = ?", before.ID, name).Scan(ctx)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		again.Since = now
	case err != nil:
		return err
	default:
		if _, err := tx.NewDelete().Model((*projectNameRow)(nil)).Where("id = ?", again.ID).Exec(ctx); err != nil {
			return err
		}
	}
	if err := s.unclaimedName(ctx, tx, name); err != nil {
		return err
	}
	if _, err := tx.NewUpdate().Table("projects").Set("named_at = ?", again.Since).Where("id = ?", before.ID).Exec(ctx); err != nil {
		return err
	}
	_, err = tx.NewInsert().Model(&projectNameRow{ProjectID: before.ID, Name: before.Name, Since: before.NamedAt, CreatedAt: now}).Exec(ctx)
	return err
}

func (s *Store) renameRepositories(ctx context.Context, tx bun.Tx, before projectRow, name string) error {
	rest := fmt.Sprintf("SUBSTR(name, %d)", utf8.RuneCountInString(before.Name)+1)
	joined := "? || " + rest
	if s.dialect.duplicateKey { // || is a logical or there
		joined = "CONCAT(?, " + rest + ")"
	}
	_, err := tx.NewUpdate().Table("repositories").Set("name = "+joined, name).Where("project_id = ?", before.ID).Exec(ctx)
	return err
}

// unclaimedName refuses a name under which another project is pulled from.
func (s *Store) unclaimedName(ctx context.Context, tx bun.Tx, name string) error {
	now := ""
	err := tx.NewSelect().Model((*projectNameRow)(nil)).ColumnExpr("p.name").Join("JOIN projects AS p ON p.id = t.project_id").Where("t.name = ?", name).Scan(ctx, &now)
	if err = s.found("project", name, err); errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return errs.New(errs.Conflict, "project %s was called %s, and is pulled under that name yet", show(now), show(name)).
		WithHint("choose another name, or let it forget the old one: sealock project forget-name")
}

// ProjectByFormerName returns the project that had the name, or NotFound.
func (s *Store) ProjectByFormerName(ctx context.Context, name string) (store.Project, error) {
	if !storable(name) {
		return store.Project{}, notFound("project", name)
	}
	var row projectRow
	err := withOwner(s.read.NewSelect().Model(&row)).Join("JOIN project_names AS n ON n.project_id = t.id").Where("n.name = ?", name).Scan(ctx)
	return row.record(), s.found("project", name, err)
}

// FormerNames returns what a project was called, the oldest first.
func (s *Store) FormerNames(ctx context.Context, projectID int64) ([]string, error) {
	names := []string{}
	err := s.read.NewSelect().Model((*projectNameRow)(nil)).Column("t.name").Where("t.project_id = ?", projectID).Order("t.id").Scan(ctx, &names)
	return names, s.failed("reading what a project was called", err)
}

// ProjectNames returns what a project is called and what it was called before, and since when.
func (s *Store) ProjectNames(ctx context.Context, projectID int64) ([]store.NamedSince, error) {
	var now struct {
		Name      string `bun:"name"`
		NamedAt   int64  `bun:"named_at"`
		CreatedAt int64  `bun:"created_at"`
	}
	err := s.read.NewSelect().Table("projects").Column("name", "named_at", "created_at").Where("id = ?", projectID).Scan(ctx, &now)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notFound("project", projectID)
	}
	if err != nil {
		return nil, s.failed("reading what a project is called", err)
	}
	var rows []projectNameRow
	if err := s.read.NewSelect().Model(&rows).Where("t.project_id = ?", projectID).Order("t.id").Scan(ctx); err != nil {
		return nil, s.failed("reading what a project was called", err)
	}
	names := []store.NamedSince{{Name: now.Name, Since: fromMicros(cmp.Or(now.NamedAt, now.CreatedAt))}}
	for _, r := range rows {
		names = append(names, store.NamedSince{Name: r.Name, Since: fromMicros(cmp.Or(r.Since, now.CreatedAt))})
	}
	return names, nil
}

// ForgetName lets go of what a project was called, or returns NotFound.
func (s *Store) ForgetName(ctx context.Context, projectID int64, name string) error {
	if !storable(name) {
		return notFound("former name", name)
	}
	n, err := s.deleted(s.write.NewDelete().Model((*projectNameRow)(nil)).Where("project_id = ? AND name = ?", projectID, name).Exec(ctx))
	if err != nil {
		return s.failed("forgetting what a project was called", err)
	}
	if n == 0 {
		return notFound("former name", name)
	}
	s.changes.publish(store.Change{Kind: store.ProjectChanged, ProjectID: projectID, Project: name})
	return nil
}
