package project

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// CopyArtifact copies an artifact of another repository ("project/repository:tag" or "…@digest") with all that it is made
// of, and what is about it. It returns the artifact's digest. No content moves: the registry makes the blobs parts of
// both repositories. Whoever copies may pull there and push here.
func (s *Service) CopyArtifact(ctx context.Context, c Caller, to RepositoryRef, from string) (copied string, err error) {
	source, err := ParseArtifact(from)
	if err != nil {
		return "", err
	}
	var a store.Artifact
	var tag string
	if separator(source.Reference) == ":" {
		tag = source.Reference
	}
	err = s.onProject(ctx, c, to.Project, func(p store.Project) deed {
		at := s.place(ctx, p, to.Name)
		if errs.Is(at.err, errs.NotFound) && auth.ValidRepository(at.name) {
			at.err = nil // it will be made
		}
		return at.bind(deed{
			operation: "artifact.create", resource: "artifact:" + clipped(at.name) + " from " + clipped(from), what: "copy artifacts to repository " + clip(at.name),
			access: auth.Access{Resource: "artifact", Action: "create"},
			check: func(ctx context.Context) (err error) {
				if err := s.changeable(); err != nil {
					return err
				}
				if a, err = s.pullable(ctx, c, source); err != nil {
					return err
				}
				return s.pushable(ctx, c, at, tag, a.Digest)
			},
			do: func(ctx context.Context) error { return s.copyWhole(ctx, a, at.name, tag) },
		})
	})
	return a.Digest, err
}

// ParseArtifact reads "project/repository:tag" or "project/repository@digest". The error is of the kind Invalid.
func ParseArtifact(text string) (ArtifactRef, error) {
	name, reference, ok := strings.Cut(text, "@")
	if !ok {
		if i := strings.LastIndexByte(text, ':'); i > strings.LastIndexByte(text, '/') {
			name, reference = text[:i], text[i+1:]
		}
	}
	of, rest := split(name)
	if !auth.ValidRepository(name) || rest == "" || reference == "" || ok != strings.Contains(reference, ":") {
		return ArtifactRef{}, errs.New(errs.Invalid, "%s does not name an artifact", clip(text)).WithHint("write from=team/app:v1 or from=team/app@sha256:…")
	}
	return ArtifactRef{RepositoryRef{Ref{Name: of}, rest}, reference}, nil
}

// pullable returns an artifact that the caller may pull.
func (s *Service) pullable(ctx context.Context, c Caller, ref ArtifactRef) (store.Artifact, error) {
	p, err := s.Project(ctx, c, ref.Project)
	if err != nil {
		return store.Artifact{}, err
	}
	name := p.Name + "/" + ref.Name
	access := auth.Access{Resource: "repository", Project: p.Name, Repository: name, Action: "pull"}
	if separator(ref.Reference) == ":" {
		access.Tag = ref.Reference
	}
	if err := s.require(ctx, c, access, "pull from repository "+strconv.Quote(name), askProjectAdmin); err != nil {
		return store.Artifact{}, err
	}
	return s.artifactIn(ctx, s.seek(ctx, p, ref.Name), ref.Reference)
}

// pushable refuses what the caller could not push: to the repository, to the tag, or over what is there under it.
func (s *Service) pushable(ctx context.Context, c Caller, at place, tag, digest string) error {
	push := auth.Access{Resource: "repository", Project: at.project.Name, Repository: at.name, Tag: tag, Action: "push"}
	if err := s.require(ctx, c, push, "push to repository "+strconv.Quote(at.name), askProjectAdmin); err != nil {
		return err
	}
	if tag == "" || at.repository.ID == 0 {
		return nil
	}
	there, err := s.store.ArtifactByTag(ctx, at.repository.ID, tag)
	if err != nil || there.Digest == digest {
		return absent(err)
	}
	push.Action = "overwrite"
	what := "overwrite tag " + clip(tag) + " of repository " + strconv.Quote(at.name)
	if err := s.require(ctx, c, push, what, askProjectAdmin); err != nil {
		return err
	}
	return s.noneImmutable(ctx, at, store.IndexFilter{Repository: at.repository.ID, Exact: tag})
}

// copyWhole copies an artifact and what is about it.
func (s *Service) copyWhole(ctx context.Context, a store.Artifact, to, tag string) error {
	j := copying{s, a.RepositoryName, to, map[string]bool{}}
	if err := j.manifest(ctx, a.Digest, 0); err != nil {
		return err
	}
	if tag != "" {
		if err := j.tag(ctx, a.Digest, tag); err != nil {
			return err
		}
	}
	about, err := s.about(ctx, a)
	if err != nil {
		return err
	}
	for _, other := range about {
		if err := j.manifest(ctx, other.Digest, 0); err != nil {
			return err
		}
	}
	return j.clientTags(ctx, a.Digest)
}

// copying is a copy on its way.
type copying struct {
	*Service
	from, to string
	done     map[string]bool
}

// maxCopied bounds how many manifests and blobs one request copies.
const maxCopied = 5000

// manifest copies what a manifest refers to and then the manifest, so that the target never has one with parts missing.
func (j copying) manifest(ctx context.Context, digest string, depth int) error {
	if !j.first(digest) {
		return nil
	}
	if len(j.done) > maxCopied || depth > maxDepth {
		return errs.New(errs.Invalid, "this artifact is made of too many parts to be copied at once").WithHint("use a client, such as crane")
	}
	mediaType, body, err := j.registry.Manifest(ctx, j.from, digest)
	if err != nil {
		return err
	}
	var text manifestText
	if err := json.Unmarshal(body, &text); err != nil {
		return errs.New(errs.Invalid, "manifest %s of %s can't be read", digest, strconv.Quote(j.from)).WithHint("push it again").Because(err)
	}
	for _, child := range text.Manifests {
		if err := j.manifest(ctx, child.Digest, depth+1); err != nil {
			return err
		}
	}
	if err := j.fits(ctx, text, digest, int64(len(body))); err != nil {
		return err
	}
	if err := j.blobs(ctx, text); err != nil {
		return err
	}
	if err := j.registry.PutManifest(ctx, j.to, digest, mediaType, body); err != nil {
		return err
	}
	return j.follow(ctx, j.to, digest)
}

// first reports whether something was not copied yet, and notes it.
func (j copying) first(digest string) bool {
	if j.done[digest] {
		return false
	}
	j.done[digest] = true
	return true
}

// fits refuses a manifest that would take the project over its quota, with what it refers to.
func (j copying) fits(ctx context.Context, text manifestText, digest string, size int64) error {
	k := NewKeeper(j.store, func() bool { return j.rules != nil && j.rules.QuotasCount() })
	limit, used, err := k.Room(ctx, j.to)
	if err != nil || limit == 0 {
		return err
	}
	sizes := map[string]int64{digest: size}
	if text.Config != nil {
		sizes[text.Config.Digest] = text.Config.Size
	}
	for _, layer := range text.Layers {
		sizes[layer.Digest] = layer.Size
	}
	adds, err := k.NewBytes(ctx, j.to, sizes)
	if err != nil || adds <= 0 || adds <= limit-used {
		return err
	}
	return errs.New(errs.Denied, "repository %q has no room for %d bytes more: its project holds %d of its quota of %d bytes", j.to, adds, used, limit).
		WithHint("delete what nobody needs, or ask an administrator of this server for a larger quota")
}

func (j copying) blobs(ctx context.Context, text manifestText) error {
	parts := text.Layers
	if text.Config != nil {
		parts = append([]descriptor{*text.Config}, parts...)
	}
	for _, p := range parts {
		if len(p.URLs) > 0 || !j.first(p.Digest) { // with a URL it is kept elsewhere
			continue
		}
		if len(j.done) > maxCopied {
			return errs.New(errs.Invalid, "this artifact is made of too many parts to be copied at once").WithHint("use a client, such as crane")
		}
		if err := j.registry.Mount(ctx, j.from, j.to, p.Digest); err != nil {
			return err
		}
	}
	return nil
}

func (j copying) tag(ctx context.Context, digest, tag string) error {
	return j.putTag(ctx, store.Artifact{RepositoryName: j.to, Digest: digest}, tag)
}

// clientTags copies what clients keep about an artifact under tags of its digest: signatures, and the list of what refers
// to it where a registry has none. What the target has of the kind stays.
func (j copying) clientTags(ctx context.Context, digest string) error {
	for _, suffix := range []string{"", ".sig", ".att", ".sbom"} {
		tag := strings.Replace(digest, ":", "-", 1) + suffix
		_, body, err := j.registry.Manifest(ctx, j.from, tag)
		if errs.Is(err, errs.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		_, _, err = j.registry.Manifest(ctx, j.to, tag)
		if err == nil {
			continue
		}
		if absent(err) != nil {
			return err
		}
		about := digestOf(body)
		if err := j.manifest(ctx, about, 0); err != nil {
			return err
		}
		if err := j.tag(ctx, about, tag); err != nil {
			return err
		}
	}
	return nil
}
