package project

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/clock"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// Manifest is what a registry has taken.
type Manifest struct {
	Repository string
	Tag        string // "" for one that was pushed by its digest
	MediaType  string
	Digest     string
	Body       []byte    // nil where it has to be read from the registry
	At         time.Time // zero: now
}

// IndexStore is what an Indexer writes to.
type IndexStore interface {
	store.Index
	ProjectByName(ctx context.Context, name string) (store.Project, error)
}

// Indexer makes the index follow the registry. It asks for nobody's rights: what it is told has happened.
type Indexer struct {
	store    IndexStore
	registry Registry
	pulls    *pullCounts
	clock    clock.Clock
	log      *slog.Logger
}

// NewIndexer returns an indexer. Run writes the pulls that it counts.
func NewIndexer(st IndexStore, registry Registry, c clock.Clock, log *slog.Logger) *Indexer {
	return &Indexer{store: st, registry: registry, pulls: newPullCounts(), clock: c, log: log}
}

// maxNesting is how deep indexes in indexes are followed.
const maxNesting = 4

// Pushed notes a manifest that a registry has taken. NotFound: there is no such project.
func (x *Indexer) Pushed(ctx context.Context, m Manifest) error {
	if m.Body == nil || m.Digest == "" {
		_, err := x.Follow(ctx, m.Repository, firstOf(m.Tag, m.Digest), m.At)
		return err
	}
	return x.put(ctx, m, 0)
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// Deleted notes that a tag or a manifest is gone.
func (x *Indexer) Deleted(ctx context.Context, repository, reference string) error {
	_, err := x.Follow(ctx, repository, reference, time.Time{})
	return err
}

// Pulled counts a pull, and returns at once.
func (x *Indexer) Pulled(repository, tag, digest string) {
	x.pulls.add(pulledManifest{repository, tag, digest}, 1, x.clock.Now())
}

// followTries bounds how often something that changes meanwhile is looked at.
const followTries = 5

// Follow makes the index say of a tag or a digest what the registry says of it now, whatever came before: told twice, late
// or in the wrong order, the outcome is the same. at is when it was pushed, zero for now. It returns the
// digest that the registry has, "" for none. NotFound: there is no such project.
func (x *Indexer) Follow(ctx context.Context, repository, reference string, at time.Time) (string, error) {
	found, err := x.follow(ctx, repository, reference, at, 0)
	return found.digest, err
}

// followed is what came of following a reference.
type followed struct {
	digest  string // that the registry has; "" for none
	changed bool   // the index said something else before
}

func (x *Indexer) follow(ctx context.Context, repository, reference string, at time.Time, depth int) (followed, error) {
	m, err := x.read(ctx, repository, reference)
	if err != nil {
		return followed{}, err
	}
	for n := range followTries {
		changed, err := x.apply(ctx, m, reference, at, depth)
		if err != nil || !changed {
			return followed{m.Digest, n > 0}, err
		}
		// Somebody may have pushed or deleted it between the look and the note, and been noted first.
		now, err := x.read(ctx, repository, reference)
		if err != nil || now.Digest == m.Digest {
			return followed{m.Digest, true}, err
		}
		m = now
	}
	return followed{m.Digest, true}, errs.New(errs.Unavailable, "%s of %s changes all the time", clipped(reference), clipped(repository)).WithHint("try again in a moment")
}

// read reads a manifest from the registry; one that is not there has no digest.
func (x *Indexer) read(ctx context.Context, repository, reference string) (Manifest, error) {
	m := Manifest{Repository: repository}
	mediaType, body, err := x.registry.Manifest(ctx, repository, reference)
	if errs.Is(err, errs.NotFound) {
		return m, nil
	}
	if err != nil {
		return m, err
	}
	m.MediaType, m.Body = mediaType, body
	if isDigest(reference) {
		m.Digest = reference
	} else {
		m.Tag, m.Digest = reference, digest.FromBytes(body).String()
	}
	return m, nil
}

func isDigest(reference string) bool { return strings.Contains(reference, ":") }

// apply notes what the registry said of the reference, and reports whether the index said something else.
func (x *Indexer) apply(ctx context.Context, m Manifest, reference string, at time.Time, depth int) (changed bool, err error) {
	if m.Digest == "" {
		return x.remove(ctx, m.Repository, reference)
	}
	known, err := x.knows(ctx, m)
	if known || err != nil {
		return false, err
	}
	m.At = at
	return true, x.put(ctx, m, depth)
}

// knows reports whether the index says of the manifest and its tag what is so.
func (x *Indexer) knows(ctx context.Context, m Manifest) (bool, error) {
	repo, err := x.store.RepositoryByName(ctx, m.Repository)
	if err != nil {
		return false, absent(err)
	}
	a, err := x.store.ArtifactByDigest(ctx, repo.ID, m.Digest)
	if err != nil {
		return false, absent(err)
	}
	if about, _ := subjectOfTag(m.Tag); m.Tag == "" || about != "" {
		return true, nil
	}
	tag, err := x.store.TagByName(ctx, repo.ID, m.Tag)
	return err == nil && tag.ArtifactID == a.ID, absent(err)
}

// absent takes NotFound for no error.
func absent(err error) error {
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}

// remove takes a tag or an artifact out of the index, and reports whether it was there.
func (x *Indexer) remove(ctx context.Context, repository, reference string) (bool, error) {
	repo, err := x.store.RepositoryByName(ctx, repository)
	if err != nil {
		return false, absent(err)
	}
	if !isDigest(reference) {
		err := x.store.DeleteTag(ctx, repo.ID, reference)
		return err == nil, absent(err)
	}
	a, err := x.store.ArtifactByDigest(ctx, repo.ID, reference)
	if err != nil {
		return false, absent(err)
	}
	err = x.store.DeleteArtifact(ctx, a.ID)
	return err == nil, absent(err)
}

// put notes a manifest, and what it refers to that was not noted yet.
func (x *Indexer) put(ctx context.Context, m Manifest, depth int) error {
	name, ok := auth.Project(m.Repository)
	if !ok {
		return errs.New(errs.Invalid, "repository %q is in no project", clipped(m.Repository)).WithHint("name it PROJECT/%s", clipped(m.Repository))
	}
	p, err := x.store.ProjectByName(ctx, name)
	if err != nil {
		return err
	}
	d, err := describe(m)
	if err != nil {
		return err
	}
	known, err := x.complete(ctx, m, &d, depth)
	if err != nil {
		return err
	}
	if !known {
		d.artifact.Extra = x.extra(ctx, m.Repository, d)
		if err := x.keptHere(ctx, m.Repository, &d); err != nil {
			return err
		}
	}
	_, err = x.store.PutArtifact(ctx, store.Push{ProjectID: p.ID, Repository: m.Repository, Tag: d.tag, Artifact: d.artifact, Blobs: d.blobs, At: m.At})
	return err
}

// mostElsewhere bounds how many layers the registry is asked about for one manifest. Those above count as they say.
const mostElsewhere = 100

// keptHere adds the layers that the registry has, though the manifest names URLs for them: what names some would take up
// space that counts for nobody.
func (x *Indexer) keptHere(ctx context.Context, repository string, d *described) error {
	for i, layer := range d.urls {
		size := max(layer.Size, 0)
		if i < mostElsewhere {
			found, err := x.registry.Size(ctx, repository, layer.Digest)
			if errs.Is(err, errs.NotFound) {
				continue
			}
			if err != nil {
				return err
			}
			size = found
		}
		size = min(size, maxArtifactSize-d.artifact.Size)
		d.blobs = append(d.blobs, store.Blob{Digest: layer.Digest, Size: size})
		d.artifact.Size += size
	}
	return nil
}

// complete adds the sizes of an index's children, and reports whether the artifact itself is known already.
func (x *Indexer) complete(ctx context.Context, m Manifest, d *described, depth int) (known bool, err error) {
	for _, c := range d.children {
		size, err := x.child(ctx, m.Repository, c, depth)
		if err != nil {
			return false, err
		}
		d.artifact.Size = min(d.artifact.Size+size, maxArtifactSize)
	}
	repo, err := x.store.RepositoryByName(ctx, m.Repository)
	if err != nil {
		return false, absent(err)
	}
	_, err = x.store.ArtifactByDigest(ctx, repo.ID, m.Digest)
	return err == nil, absent(err)
}

// child returns the size of an index's child, which is noted first. One that the registry does not have, as in indexes
// that were copied for some platforms only, counts as what the index says of its manifest.
func (x *Indexer) child(ctx context.Context, repository string, c descriptor, depth int) (int64, error) {
	stated := min(max(c.Size, 0), maxArtifactSize)
	for try := range 2 {
		repo, err := x.store.RepositoryByName(ctx, repository)
		if absent(err) != nil {
			return 0, err
		}
		if err == nil {
			a, err := x.store.ArtifactByDigest(ctx, repo.ID, c.Digest)
			if err == nil {
				return a.Size, nil
			}
			if absent(err) != nil {
				return 0, err
			}
		}
		if try > 0 || depth >= maxNesting {
			break
		}
		_, err = x.follow(ctx, repository, c.Digest, time.Time{}, depth+1)
		if errs.Is(err, errs.Invalid) { // what an index names may be no manifest
			break
		}
		if err != nil {
			return 0, err
		}
	}
	return stated, nil
}

// extra reads what the config says. A config that can't be read is no reason to refuse a push.
func (x *Indexer) extra(ctx context.Context, repository string, d described) []byte {
	c := d.config
	if c == nil || c.Size > maxConfig || c.MediaType == emptyConfig || d.artifact.Kind == kindCosign {
		return nil
	}
	text, err := x.registry.Blob(ctx, repository, c.Digest, maxConfig)
	if err != nil {
		x.log.Info("the config of an artifact can't be read", "repository", repository, "digest", d.artifact.Digest, "error", err)
		return nil
	}
	return extra(d.artifact.Kind, text)
}
