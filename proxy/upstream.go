package proxy

import (
	"context"
	"net/http"
)

// Upstream is the registry behind the gate. ServeHTTP gets only requests that the gate let in, with the Host and
// X-Forwarded-Proto that clients see; it streams both ways and answers in the registry's own words.
type Upstream interface {
	http.Handler
	Catalog
	// TakesTokens reports whether the upstream verifies tokens itself, and so must get the client's.
	TakesTokens() bool
}

// Catalog lists repositories, whoever may see them: what it returns must be filtered before it is shown.
type Catalog interface {
	// CatalogPage returns up to n names that follow last, in the upstream's order, and whether there may be more.
	// A registry without repositories has an empty page. Errors: [errs.Unavailable] if the upstream can't be asked.
	CatalogPage(ctx context.Context, last string, n int) (names []string, more bool, err error)
	// HasTags reports whether the repository has any tag. One that does not exist has none.
	HasTags(ctx context.Context, repository string) (bool, error)
	// TagDigest returns the digest that a tag of the repository stands for, or "" if there is no such tag.
	TagDigest(ctx context.Context, repository, tag string) (string, error)
	// DropRepositories forgets the repositories of a project, where the upstream can: a stock registry has no way to.
	DropRepositories(ctx context.Context, project string) error
	// RenameRepositories makes the repositories of a project those of another one, which has none. [errs.Unsupported]: the
	// registry can't, as no stock registry can.
	RenameRepositories(ctx context.Context, from, to string) error
}
