package sqlstore

import (
	"context"
	"iter"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

type labelRow struct {
	bun.BaseModel `bun:"table:labels,alias:t"`
	rowHead

	Owner       int64  `bun:"owner"` // the project, or 0: an index takes two NULLs for different
	ProjectID   int64  `bun:"project_id,nullzero"`
	Name        string `bun:"name"`
	NameKey     string `bun:"name_key"`
	Description string `bun:"description"`
	Color       string `bun:"color"`
}

func newLabelRow(l store.Label) labelRow {
	return labelRow{Owner: l.ProjectID, ProjectID: l.ProjectID, Name: l.Name, NameKey: store.NameKey(l.Name), Description: l.Description, Color: l.Color}
}

func (r labelRow) record() store.Label {
	return store.Label{
		ID: r.ID, ProjectID: r.ProjectID, Name: r.Name, Description: r.Description, Color: r.Color,
		CreatedAt: fromMicros(r.CreatedAt), UpdatedAt: fromMicros(r.UpdatedAt),
	}
}

func (r *labelRow) name() string          { return r.Name }
func (r *labelRow) keep(before labelRow)  { r.Owner, r.ProjectID = before.Owner, before.ProjectID }
func (r *labelRow) within() (string, any) { return "", nil }

func (r *labelRow) check() error {
	if r.Name == "" {
		return errs.New(errs.Invalid, "a label needs a name").WithHint("give one")
	}
	return checkFields(field{"the label's name", r.Name, maxName}, field{"the label's name", r.NameKey, maxName},
		field{"the description", r.Description, maxRemark}, field{"the colour", r.Color, maxName})
}

// labelKind is for the labels of a project, or for global ones; where one is named by its id, that is no matter.
func labelKind(owner int64) plain[labelRow, *labelRow, store.Label] {
	return plain[labelRow, *labelRow, store.Label]{
		what: "label", row: newLabelRow,
		missing: func(r labelRow) error { return notFound("project", r.ProjectID) },
		listing: listing[labelRow, store.Label]{
			table: "labels",
			id:    column[labelRow]{"t.id", func(r labelRow) any { return r.ID }},
			sorts: headSorts(map[string]column[labelRow]{
				"name": {"t.name_key", func(r labelRow) any { return r.NameKey }},
			}),
			fields: headFields(map[string]narrowing{"name": writtenName()}),
			filter: func(q *bun.SelectQuery, f store.Filter) *bun.SelectQuery {
				return filterNames(q.Where("t.owner = ?", owner), f)
			},
			record: labelRow.record,
		},
	}
}

// CreateLabel stores a new label. Conflict: the name is taken where the label belongs. NotFound: there is no such project.
func (s *Store) CreateLabel(ctx context.Context, l store.Label) (store.Label, error) {
	return labelKind(0).create(ctx, s, l, nil)
}

// Label returns the label with the id, or NotFound.
func (s *Store) Label(ctx context.Context, id int64) (store.Label, error) {
	return labelKind(0).get(ctx, s, id, labelRow{})
}

// ListLabels lists the labels of the filter's project, or the global ones. They can be sorted by id, name, creation_time
// and update_time.
func (s *Store) ListLabels(ctx context.Context, f store.Filter) iter.Seq2[store.Label, error] {
	return labelKind(f.Project).all(ctx, s, f)
}

// CountLabels counts the labels that the filter lets through, whatever its page.
func (s *Store) CountLabels(ctx context.Context, f store.Filter) (int, error) {
	return labelKind(f.Project).count(ctx, s, f)
}

// UpdateLabel runs fn on the stored label and stores what fn made of it. Conflict: the new name is taken.
func (s *Store) UpdateLabel(ctx context.Context, id int64, fn func(*store.Label) error) (store.Label, error) {
	return labelKind(0).update(ctx, s, id, labelRow{}, fn)
}

// DeleteLabel removes the label, or returns NotFound.
func (s *Store) DeleteLabel(ctx context.Context, id int64) error {
	return labelKind(0).remove(ctx, s, id, labelRow{}, nil)
}
