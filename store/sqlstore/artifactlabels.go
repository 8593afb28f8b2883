package sqlstore

import (
	"context"
	"slices"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// artifactLabelRow is a label on an artifact. ProjectID and RepositoryID are the artifact's.
type artifactLabelRow struct {
	bun.BaseModel `bun:"table:artifact_labels,alias:t"`

	ID           int64 `bun:"id,pk,autoincrement"`
	ArtifactID   int64 `bun:"artifact_id"`
	LabelID      int64 `bun:"label_id"`
	ProjectID    int64 `bun:"project_id"`
	RepositoryID int64 `bun:"repository_id"`
}

// LabelArtifact puts a label on an artifact. NotFound: there is no such artifact, or no such label where the artifact is.
// Conflict: it has the label.
func (s *Store) LabelArtifact(ctx context.Context, artifactID, labelID int64) error {
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		label, err := labelKind(0).find(ctx, s, tx.NewSelect(), labelID, labelRow{})
		if err != nil {
			return err
		}
		var a artifactRow
		if err := tx.NewSelect().Model(&a).Column("t.id", "t.project_id", "t.repository_id").Where("t.id = ?", artifactID).Scan(ctx); err != nil {
			return s.found("artifact", artifactID, err)
		}
		if label.ProjectID != 0 && label.ProjectID != a.ProjectID {
			return notFound("label", labelID)
		}
		_, err = tx.NewInsert().Model(&artifactLabelRow{ArtifactID: a.ID, LabelID: labelID, ProjectID: a.ProjectID, RepositoryID: a.RepositoryID}).Exec(ctx)
		return err
	})
	switch s.dialect.fault(err) {
	case faultDuplicate:
		return errs.New(errs.Conflict, "the artifact has the label %d already", labelID).WithHint("nothing is left to do")
	case faultReference: // one of them went meanwhile
		return notFound("label", labelID)
	default:
		return s.failed("labelling an artifact", err)
	}
}

// UnlabelArtifact takes a label from an artifact. NotFound: it has not got it.
func (s *Store) UnlabelArtifact(ctx context.Context, artifactID, labelID int64) error {
	var n int
	err := s.again(ctx, func() (err error) {
		n, err = s.deleted(s.write.NewDelete().Model((*artifactLabelRow)(nil)).Where("artifact_id = ? AND label_id = ?", artifactID, labelID).Exec(ctx))
		return err
	})
	if err == nil && n == 0 {
		return errs.New(errs.NotFound, "the artifact has no label %d", labelID).WithHint("list its labels")
	}
	return s.failed("taking a label from an artifact", err)
}

// LabelsOf returns the labels of artifacts in the order in which they were put on, at most so many of each.
func (s *Store) LabelsOf(ctx context.Context, artifactIDs []int64, most int) (map[int64][]store.Label, error) {
	found := make(map[int64][]store.Label, len(artifactIDs))
	if len(artifactIDs) == 0 {
		return found, nil
	}
	var marks []artifactLabelRow
	ranked := s.read.NewSelect().Model((*artifactLabelRow)(nil)).ColumnExpr("t.*").
		ColumnExpr("ROW_NUMBER() OVER (PARTITION BY t.artifact_id ORDER BY t.id) AS place").Where("t.artifact_id IN (?)", bun.List(artifactIDs))
	err := s.read.NewSelect().Model(&marks).ModelTableExpr("(?) AS t", ranked).Column("t.artifact_id", "t.label_id").
		Where("t.place <= ?", most).Order("t.artifact_id", "t.place").Scan(ctx)
	if err != nil {
		return nil, s.failed("reading labels of artifacts", err)
	}
	labels, err := s.labelsByID(ctx, marks)
	for _, m := range marks {
		if l, ok := labels[m.LabelID]; ok { // it may have gone meanwhile
			found[m.ArtifactID] = append(found[m.ArtifactID], l)
		}
	}
	return found, err
}

func (s *Store) labelsByID(ctx context.Context, marks []artifactLabelRow) (map[int64]store.Label, error) {
	labels := map[int64]store.Label{}
	for _, m := range marks {
		labels[m.LabelID] = store.Label{}
	}
	for some := range slices.Chunk(sortedIDs(labels), lookUpSize) {
		var rows []labelRow
		if err := s.read.NewSelect().Model(&rows).Where("t.id IN (?)", bun.List(some)).Scan(ctx); err != nil {
			return nil, s.failed("reading labels", err)
		}
		for _, id := range some {
			delete(labels, id)
		}
		for _, r := range rows {
			labels[r.ID] = r.record()
		}
	}
	return labels, nil
}

// withLabels narrows a list of artifacts to those that have all of the labels. What has a label in the repository, or in
// the project, is read from an index: the others are not looked at.
func withLabels(q *bun.SelectQuery, f store.IndexFilter) *bun.SelectQuery {
	for _, id := range f.Labels {
		marked := q.NewSelect().Model((*artifactLabelRow)(nil)).Column("t.artifact_id").Where("t.label_id = ?", id)
		switch {
		case f.Repository != 0:
			marked = marked.Where("t.repository_id = ?", f.Repository)
		case len(f.Projects) == 1:
			marked = marked.Where("t.project_id = ?", f.Projects[0])
		}
		q = q.Where("t.id IN (?)", marked)
	}
	return q
}
