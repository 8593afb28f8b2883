package project

import (
	"context"
	"strconv"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// AddLabel puts a label on an artifact: a global one, or one of its project. NotFound: there is no such label here.
// Conflict: the artifact has it.
func (s *Service) AddLabel(ctx context.Context, c Caller, ref ArtifactRef, id int64) error {
	return s.onArtifactLabel(ctx, c, ref, id, "create", s.store.LabelArtifact)
}

// RemoveLabel takes a label from an artifact. NotFound: the artifact has not got it.
func (s *Service) RemoveLabel(ctx context.Context, c Caller, ref ArtifactRef, id int64) error {
	return s.onArtifactLabel(ctx, c, ref, id, "delete", s.store.UnlabelArtifact)
}

func (s *Service) onArtifactLabel(ctx context.Context, c Caller, ref ArtifactRef, id int64, action string, do func(ctx context.Context, artifact, label int64) error) error {
	return s.onIndexed(ctx, c, ref, func(at place, a store.Artifact) deed {
		// Another project's label is not looked at: its name is not for this one's audit log.
		l, err := s.store.Label(ctx, id)
		if errs.Is(err, errs.NotFound) || (err == nil && l.ProjectID != 0 && l.ProjectID != at.project.ID) {
			l, err = store.Label{Name: "#" + itoa(id)}, errs.New(errs.NotFound, "project %s has no label %d", strconv.Quote(at.project.Name), id).
				WithHint("list its labels, and the global ones")
		}
		return deed{
			operation: "artifact-label." + action, resource: "artifact-label:" + a.RepositoryName + "@" + a.Digest + " " + clipped(l.Name),
			what:   map[string]string{"create": "label", "delete": "take labels from"}[action] + " artifacts of repository " + clip(at.name),
			access: auth.Access{Resource: "artifact-label", Action: action},
			check:  func(context.Context) error { return err },
			do:     func(ctx context.Context) error { return do(ctx, a.ID, id) },
		}
	})
}

// maxShownLabels is how many labels are shown of an artifact.
const maxShownLabels = 100

// LabelsOf returns the first labels of artifacts that were listed for the caller, by the artifact's id.
func (s *Service) LabelsOf(ctx context.Context, artifacts ...store.Artifact) (map[int64][]store.Label, error) {
	ids := make([]int64, len(artifacts))
	for i, a := range artifacts {
		ids[i] = a.ID
	}
	return s.store.LabelsOf(ctx, ids, maxShownLabels)
}
