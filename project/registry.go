package project

import "context"

// Registry is the registry behind the front door, for what the service does there itself. Errors of all methods: NotFound,
// Unavailable: it can't be asked.
type Registry interface {
	// Manifest returns a manifest by its tag or digest, and its media type.
	Manifest(ctx context.Context, repository, reference string) (mediaType string, body []byte, err error)
	// PutManifest keeps a manifest under a tag or its digest. What it refers to must be in the repository.
	PutManifest(ctx context.Context, repository, reference, mediaType string, body []byte) error
	// DeleteManifest removes a manifest with its tags.
	DeleteManifest(ctx context.Context, repository, digest string) error
	// DeleteTag removes a tag and leaves the manifest. Unsupported: this registry is told not to delete.
	DeleteTag(ctx context.Context, repository, tag string) error
	// Tags returns up to n tags that follow last, in the registry's order, and whether there may be more.
	Tags(ctx context.Context, repository, last string, n int) (tags []string, more bool, err error)
	// Blob returns a blob of at most limit bytes. Invalid: it is longer.
	Blob(ctx context.Context, repository, digest string, limit int64) ([]byte, error)
	// Size returns how many bytes a blob has.
	Size(ctx context.Context, repository, digest string) (int64, error)
	// Mount makes a blob of one repository one of another, without copying.
	Mount(ctx context.Context, from, to, digest string) error
}
