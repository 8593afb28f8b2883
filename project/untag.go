package project

import (
	"context"

	"github.com/sealock/sealock/store"
)

// removeTag removes a tag from the registry. One that is gone already is removed.
func (s *Service) removeTag(ctx context.Context, a store.Artifact, tag string) error {
	return absent(s.registry.DeleteTag(ctx, a.RepositoryName, tag))
}
