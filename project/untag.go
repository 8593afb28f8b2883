package project

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

const indexType = "application/vnd.oci.image.index.v1+json"

// removeTag removes a tag from the registry. A registry 2.8 can't, but it deletes a manifest with the tags that stand for
// it: the tag is put on an empty index then, which is deleted. The artifact and its other tags are there all the time.
func (s *Service) removeTag(ctx context.Context, a store.Artifact, tag string) error {
	unable := s.registry.DeleteTag(ctx, a.RepositoryName, tag)
	if !errs.Is(unable, errs.Unsupported) {
		return absent(unable)
	}
	// First without a tag: a registry that deletes nothing at all must not be left with a tag on an empty index.
	if err := s.decoy(ctx, a.RepositoryName, ""); err != nil {
		return errors.Join(unable, fmt.Errorf("deleting an empty index: %w", err))
	}
	err := s.decoy(ctx, a.RepositoryName, tag)
	if err == nil {
		return nil
	}
	return errors.Join(err, s.putTag(context.WithoutCancel(ctx), a, tag))
}

// decoy puts an empty index under a tag, or under its digest alone, and deletes it.
func (s *Service) decoy(ctx context.Context, repository, tag string) error {
	body, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": indexType, "manifests": []string{},
		"annotations": map[string]string{"sealock.untag": rand.Text()}, // no other manifest has this digest
	})
	if err != nil {
		return err
	}
	digest := digestOf(body)
	if tag == "" {
		tag = digest
	}
	if err := s.registry.PutManifest(ctx, repository, tag, indexType, body); err != nil {
		return err
	}
	return s.registry.DeleteManifest(context.WithoutCancel(ctx), repository, digest)
}
