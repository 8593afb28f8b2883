package store

import (
	"context"
	"iter"
	"time"
)

// Label is a mark for artifacts: a global one, or one of a project.
type Label struct {
	ID          int64
	Name        string // unique among the global ones, and in a project
	Description string
	Color       string
	ProjectID   int64 // 0 for a global one
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// Labels keeps labels. Those of a project end with it.
type Labels interface {
	CreateLabel(ctx context.Context, l Label) (Label, error)
	Label(ctx context.Context, id int64) (Label, error)
	// ListLabels lists the labels of Filter's Project, or the global ones.
	ListLabels(ctx context.Context, f Filter) iter.Seq2[Label, error]
	CountLabels(ctx context.Context, f Filter) (int, error)
	// UpdateLabel can't move it to another project.
	UpdateLabel(ctx context.Context, id int64, fn func(*Label) error) (Label, error)
	// DeleteLabel takes it from artifacts, too.
	DeleteLabel(ctx context.Context, id int64) error

	// LabelArtifact puts a label on an artifact. NotFound: there is no such artifact, or the label is neither global nor of
	// the artifact's project. Conflict: the artifact has it.
	LabelArtifact(ctx context.Context, artifactID, labelID int64) error
	// UnlabelArtifact takes a label from an artifact. NotFound: the artifact has not got it.
	UnlabelArtifact(ctx context.Context, artifactID, labelID int64) error
	// LabelsOf returns the labels of artifacts, by the artifact's id and in the order in which they were put on, at most so
	// many of each.
	LabelsOf(ctx context.Context, artifactIDs []int64, most int) (map[int64][]Label, error)
}
