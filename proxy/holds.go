package proxy

import (
	"context"

	"github.com/opencontainers/go-digest"

	"github.com/sealock/sealock/internal/errs"
)

// mostRead is how many manifests the door reads to find out whether an immutable tag needs what is to be deleted, and
// maxNesting how deep it follows indexes in indexes.
const (
	mostRead   = 1000
	maxNesting = 4
)

// holding looks in the registry for what the tags that rules keep refer to. Who deletes content by its digest is rare; the
// registry itself would let a kept image lose a layer.
type holding struct {
	inside     *Inside
	repository string
	wanted     string
	seen       map[string]bool // manifests by digest
}

// holder returns a tag that a rule keeps and that stands for the digest, or for what refers to it; "" for none.
func (g *Gate) holder(ctx context.Context, repository, wanted string) (string, error) {
	keeps, err := g.Keeper.Keeps(ctx, repository)
	if err != nil || keeps == nil {
		return "", err
	}
	h := holding{g.inside, repository, wanted, map[string]bool{}}
	last := ""
	for {
		tags, more, err := g.inside.Tags(ctx, repository, last, mostRead)
		if err != nil {
			return "", none(err)
		}
		for _, tag := range tags {
			if !keeps(tag) {
				continue
			}
			if found, err := h.holds(ctx, tag, 0); found || err != nil {
				return tag, err
			}
		}
		if !more || len(tags) == 0 {
			return "", nil
		}
		last = tags[len(tags)-1]
	}
}

// none makes of what is not there no error.
func none(err error) error {
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}

// holds reports whether a manifest is, or refers to, what is wanted. One that can't be read could.
func (h *holding) holds(ctx context.Context, reference string, depth int) (bool, error) {
	mediaType, body, err := h.inside.Manifest(ctx, h.repository, reference)
	if err != nil {
		return false, none(err)
	}
	if wanted := digest.Digest(h.wanted); wanted.Algorithm().Available() && wanted.Algorithm().FromBytes(body) == wanted {
		return true, nil
	}
	own := digest.FromBytes(body).String()
	if h.seen[own] {
		return false, nil
	}
	if h.seen[own] = true; len(h.seen) > mostRead {
		return false, errs.New(errs.Precondition, "repository %q has too many immutable tags to see whether one of them needs %s", h.repository, h.wanted).
			WithHint("delete what is not needed by its tag, or ask an administrator of the project to change its immutable tag rules")
	}
	m, err := ReadManifest(mediaType, body)
	if err != nil || depth > maxNesting {
		return true, nil //nolint:nilerr // nobody knows what it needs
	}
	if _, ok := m.blobs()[h.wanted]; ok {
		return true, nil
	}
	for _, child := range m.Manifests {
		if child.Digest.String() == h.wanted {
			return true, nil
		}
		if found, err := h.holds(ctx, child.Digest.String(), depth+1); found || err != nil {
			return found, err
		}
	}
	return false, nil
}
