package project

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// ArtifactRef names an artifact by its digest or one of its tags.
type ArtifactRef struct {
	RepositoryRef
	Reference string
}

// ArtifactQuery narrows a list of artifacts.
type ArtifactQuery struct {
	Tag    string  // that have a tag of this name
	Tagged *bool   // that have a tag, or have none
	Labels []int64 // that have all of these labels
	Latest bool    // of each repository the one that was pushed last
	Paging
}

func (q ArtifactQuery) filter() store.IndexFilter {
	return q.index(store.IndexFilter{
		Exact: q.Tag, Tagged: q.Tagged, Labels: q.Labels, Top: true, Latest: q.Latest,
	})
}

func digestOf(body []byte) string { return digest.FromBytes(body).String() }

// ListArtifacts lists the artifacts of a repository that stand for themselves.
func (s *Service) ListArtifacts(ctx context.Context, c Caller, ref RepositoryRef, q ArtifactQuery) (List[store.Artifact], error) {
	at, err := s.open(ctx, c, ref, "artifact", "list", "list the artifacts of repository")
	if err != nil {
		return List[store.Artifact]{}, err
	}
	f := q.filter()
	f.Repository = at.repository.ID
	total, err := s.store.CountArtifacts(ctx, f)
	l, err := collect(s.store.ListArtifacts(ctx, f), total, err, asIs)
	return l.follow(artifactID), err
}

func artifactID(a store.Artifact) int64 { return a.ID }

// ListProjectArtifacts lists the artifacts of a project that stand for themselves. What the policy hides in some
// repositories is left out of its page.
func (s *Service) ListProjectArtifacts(ctx context.Context, c Caller, ref Ref, q ArtifactQuery) (List[store.Artifact], error) {
	p, err := s.Project(ctx, c, ref)
	if err != nil {
		return List[store.Artifact]{}, err
	}
	what := "list the artifacts of project " + strconv.Quote(p.Name)
	if err := s.require(ctx, c, auth.Access{Resource: "artifact", Project: p.Name, Action: "list"}, what, askProjectAdmin); err != nil {
		return List[store.Artifact]{}, err
	}
	f := q.filter()
	f.Projects = []int64{p.ID}
	in, err := s.partial(ctx, c, "artifact", []store.Project{p})
	if err != nil {
		return List[store.Artifact]{}, err
	}
	return s.artifactRecords(ctx, c).page(ctx, f, in)
}

// Artifact returns an artifact.
func (s *Service) Artifact(ctx context.Context, c Caller, ref ArtifactRef) (store.Artifact, error) {
	_, a, err := s.openArtifact(ctx, c, ref, "artifact", "read", "see artifacts of repository")
	return a, err
}

func (s *Service) openArtifact(ctx context.Context, c Caller, ref ArtifactRef, resource, action, what string) (place, store.Artifact, error) {
	at, err := s.open(ctx, c, ref.RepositoryRef, resource, action, what)
	if err != nil {
		return at, store.Artifact{}, err
	}
	a, err := s.artifactIn(ctx, at, ref.Reference)
	return at, a, err
}

// artifactIn finds an artifact of a repository by its digest or a tag.
func (s *Service) artifactIn(ctx context.Context, at place, reference string) (a store.Artifact, err error) {
	if at.err != nil {
		return a, at.err
	}
	if isDigest(reference) {
		a, err = s.store.ArtifactByDigest(ctx, at.repository.ID, reference)
	} else {
		a, err = s.store.ArtifactByTag(ctx, at.repository.ID, reference)
	}
	if errs.Is(err, errs.NotFound) {
		err = errs.New(errs.NotFound, "repository %s has no artifact %s", strconv.Quote(at.name), clip(reference)).WithHint("list its artifacts")
	}
	return a, err
}

// onArtifact performs a deed on an artifact or a tag of it, in the registry.
func (s *Service) onArtifact(ctx context.Context, c Caller, ref ArtifactRef, of func(place, store.Artifact) deed) error {
	return s.onIndexed(ctx, c, ref, func(at place, a store.Artifact) deed {
		d := of(at, a)
		check := d.check
		d.check = func(ctx context.Context) error {
			if err := s.changeable(); err != nil || check == nil {
				return err
			}
			return check(ctx)
		}
		return d
	})
}

// onIndexed performs a deed on what the index knows of an artifact.
func (s *Service) onIndexed(ctx context.Context, c Caller, ref ArtifactRef, of func(place, store.Artifact) deed) error {
	return s.onRepository(ctx, c, ref.RepositoryRef, func(at place) deed {
		a, err := s.artifactIn(ctx, at, ref.Reference)
		if at.repository.ID == 0 {
			err = at.err
		}
		d := of(at, a)
		if a.ID == 0 { // what was asked for is on record instead
			d.resource = "artifact:" + clipped(at.name) + separator(ref.Reference) + clipped(ref.Reference)
		}
		check := d.check
		d.check = func(ctx context.Context) error {
			if err != nil || check == nil {
				return err
			}
			return check(ctx)
		}
		return d
	})
}

func separator(reference string) string {
	if strings.Contains(reference, ":") {
		return "@"
	}
	return ":"
}

func artifactName(a store.Artifact) string { return "artifact:" + a.RepositoryName + "@" + a.Digest }

func tagName(a store.Artifact, tag string) string {
	return "tag:" + a.RepositoryName + ":" + clipped(tag) + "@" + a.Digest
}

// DeleteArtifact removes an artifact with its tags, what is about it, and what was in it and nowhere else. Precondition:
// it is in an index, or a tag is immutable. Unsupported: the registry does not delete.
func (s *Service) DeleteArtifact(ctx context.Context, c Caller, ref ArtifactRef) error {
	return s.onArtifact(ctx, c, ref, func(at place, a store.Artifact) deed {
		return deed{
			operation: "artifact.delete", resource: artifactName(a), what: "delete artifacts of repository " + clip(at.name),
			access: auth.Access{Resource: "artifact", Action: "delete"},
			check: func(ctx context.Context) error {
				if err := s.tagRules(ctx, c, at.name, "delete", auth.EveryTag); err != nil {
					return err
				}
				if err := s.noneImmutable(ctx, at, store.IndexFilter{Repository: at.repository.ID, Artifact: a.ID}); err != nil {
					return err
				}
				return s.inNoIndex(ctx, a)
			},
			do: func(ctx context.Context) error { return s.deleteArtifact(ctx, a, 0) },
		}
	})
}

func (s *Service) inNoIndex(ctx context.Context, a store.Artifact) error {
	for index, err := range s.store.ListArtifacts(ctx, store.IndexFilter{Repository: a.RepositoryID, Holds: a.Digest, Limit: 1}) {
		if err != nil {
			return err
		}
		return errs.New(errs.Precondition, "%s is in the index %s", a.Digest, index.Digest).WithHint("delete the index, and it goes with it")
	}
	return nil
}

// maxDepth bounds how deep indexes in indexes, and what is about what is about an artifact, are followed.
const maxDepth = 4

// deleteArtifact removes what is about the artifact before it, and what was in it after: when it fails on the way, asking
// again goes on.
func (s *Service) deleteArtifact(ctx context.Context, a store.Artifact, depth int) error {
	about, err := s.about(ctx, a)
	if err != nil {
		return err
	}
	for _, other := range about {
		if err := s.deleteLoose(ctx, other, depth); err != nil {
			return err
		}
	}
	if err := s.registry.DeleteManifest(ctx, a.RepositoryName, a.Digest); absent(err) != nil {
		return err
	}
	if err := s.follow(ctx, a.RepositoryName, a.Digest); err != nil {
		return err
	}
	for _, c := range a.Children {
		child, err := s.store.ArtifactByDigest(ctx, a.RepositoryID, c.Digest)
		if err == nil {
			err = s.deleteLoose(ctx, child, depth)
		}
		if absent(err) != nil {
			return err
		}
	}
	return nil
}

// about lists what is about an artifact.
func (s *Service) about(ctx context.Context, a store.Artifact) (found []store.Artifact, err error) {
	l, err := collect(s.store.ListArtifacts(ctx, store.IndexFilter{Repository: a.RepositoryID, Subject: a.Digest}), 0, nil, asIs)
	return l.Items, err
}

// deleteLoose removes an artifact that went with another one, unless it has a tag or is in an index.
func (s *Service) deleteLoose(ctx context.Context, a store.Artifact, depth int) error {
	tagged, err := s.store.CountTags(ctx, store.IndexFilter{Repository: a.RepositoryID, Artifact: a.ID})
	if err != nil || tagged > 0 || depth >= maxDepth {
		return err
	}
	if err := s.inNoIndex(ctx, a); err != nil {
		if errs.Is(err, errs.Precondition) {
			return nil
		}
		return err
	}
	return s.deleteArtifact(ctx, a, depth+1)
}

// ListTags lists the tags of an artifact.
func (s *Service) ListTags(ctx context.Context, c Caller, ref ArtifactRef, page Paging) (List[store.Tag], error) {
	at, a, err := s.openArtifact(ctx, c, ref, "tag", "list", "list the tags of repository")
	if err != nil {
		return List[store.Tag]{}, err
	}
	f := page.index(store.IndexFilter{Repository: at.repository.ID, Artifact: a.ID})
	total, err := s.store.CountTags(ctx, f)
	return collect(s.store.ListTags(ctx, f), total, err, asIs)
}

// maxShownTags is how many tags are shown of an artifact in a list.
const maxShownTags = 100

// TagsOf returns the first tags of artifacts that were listed for the caller, by the artifact's id.
func (s *Service) TagsOf(ctx context.Context, artifacts ...store.Artifact) (map[int64][]store.Tag, error) {
	ids := make([]int64, len(artifacts))
	for i, a := range artifacts {
		ids[i] = a.ID
	}
	return s.store.TagsOf(ctx, ids, maxShownTags)
}

// ChildrenOf returns the ids of what is in indexes that were listed for the caller, by the repository's id and the digest.
// What the registry does not have is left out.
func (s *Service) ChildrenOf(ctx context.Context, artifacts ...store.Artifact) (map[int64]map[string]int64, error) {
	digests := map[int64][]string{}
	for _, a := range artifacts {
		for _, child := range a.Children {
			digests[a.RepositoryID] = append(digests[a.RepositoryID], child.Digest)
		}
	}
	found := make(map[int64]map[string]int64, len(digests))
	for repository, some := range digests {
		found[repository] = map[string]int64{}
		for part := range slices.Chunk(some, 500) {
			for a, err := range s.store.ListArtifacts(ctx, store.IndexFilter{Repository: repository, Digests: part}) {
				if err != nil {
					return nil, err
				}
				found[repository][a.Digest] = a.ID
			}
		}
	}
	return found, nil
}

// AccessoriesOf returns what is about artifacts that were listed for the caller, by the artifact's id.
func (s *Service) AccessoriesOf(ctx context.Context, artifacts ...store.Artifact) (map[int64][]store.Artifact, error) {
	found := make(map[int64][]store.Artifact, len(artifacts))
	for _, a := range artifacts {
		l, err := collect(s.store.ListArtifacts(ctx, store.IndexFilter{Repository: a.RepositoryID, Subject: a.Digest, Limit: MaxPage}), 0, nil, asIs)
		if err != nil {
			return nil, err
		}
		found[a.ID] = l.Items
	}
	return found, nil
}

// ListAccessories lists what is about an artifact, and returns the artifact.
func (s *Service) ListAccessories(ctx context.Context, c Caller, ref ArtifactRef, page Paging) (List[store.Artifact], store.Artifact, error) {
	at, a, err := s.openArtifact(ctx, c, ref, "accessory", "list", "list what is about artifacts of repository")
	if err != nil {
		return List[store.Artifact]{}, a, err
	}
	f := page.index(store.IndexFilter{Repository: at.repository.ID, Subject: a.Digest})
	total, err := s.store.CountArtifacts(ctx, f)
	l, err := collect(s.store.ListArtifacts(ctx, f), total, err, asIs)
	return l, a, err
}

// ImmutableIn returns what says of the tags of a repository that was listed for the caller whether they are immutable.
func (s *Service) ImmutableIn(ctx context.Context, repository string) (func(tag string) bool, error) {
	of, _ := split(repository)
	p, err := s.store.ProjectByName(ctx, of)
	if err != nil {
		return nil, err
	}
	return s.immutableIn(ctx, p, repository)
}

// AddTag gives an artifact a tag. Invalid: no tag can have this name. Conflict: the repository has a tag of this name.
func (s *Service) AddTag(ctx context.Context, c Caller, ref ArtifactRef, name string) error {
	return s.onArtifact(ctx, c, ref, func(at place, a store.Artifact) deed {
		return deed{
			operation: "tag.create", resource: tagName(a, name), what: "tag artifacts of repository " + clip(at.name),
			access: auth.Access{Resource: "tag", Action: "create"},
			check: func(ctx context.Context) error {
				if err := checkTag(name); err != nil {
					return err
				}
				if err := s.tagRules(ctx, c, at.name, "push", name); err != nil {
					return err
				}
				_, err := s.store.TagByName(ctx, at.repository.ID, name)
				if err == nil {
					return errs.New(errs.Conflict, "repository %s has a tag %s already", strconv.Quote(at.name), clip(name)).WithHint("delete it first, or choose another name")
				}
				return absent(err)
			},
			do: func(ctx context.Context) error { return s.putTag(ctx, a, name) },
		}
	})
}

func (s *Service) putTag(ctx context.Context, a store.Artifact, tag string) error {
	mediaType, body, err := s.registry.Manifest(ctx, a.RepositoryName, a.Digest)
	if err != nil {
		return err
	}
	if err := s.registry.PutManifest(ctx, a.RepositoryName, tag, mediaType, body); err != nil {
		return err
	}
	return s.follow(ctx, a.RepositoryName, tag)
}

// checkTag refuses what can't be a tag of people's: those that clients keep signatures under are theirs.
func checkTag(name string) error {
	if !regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`).MatchString(name) || regexp.MustCompile(`^sha256-[0-9a-f]{64}`).MatchString(name) {
		return errs.New(errs.Invalid, "%s can't be a tag", clip(name)).
			WithHint("use 1 to 128 letters, digits, . _ and -, with neither . nor - in front, and no sha256-… that stands for a digest")
	}
	return nil
}

// DeleteTag takes a tag from an artifact, which stays. NotFound: it is none of this artifact. Precondition: it is
// immutable. Unsupported: the registry does not delete.
func (s *Service) DeleteTag(ctx context.Context, c Caller, ref ArtifactRef, name string) error {
	return s.onArtifact(ctx, c, ref, func(at place, a store.Artifact) deed {
		return deed{
			operation: "tag.delete", resource: tagName(a, name), what: "delete tags of repository " + clip(at.name),
			access: auth.Access{Resource: "tag", Action: "delete"},
			check: func(ctx context.Context) error {
				if err := s.tagRules(ctx, c, at.name, "delete", name); err != nil {
					return err
				}
				tag, err := s.store.TagByName(ctx, at.repository.ID, name)
				if errs.Is(err, errs.NotFound) || (err == nil && tag.ArtifactID != a.ID) {
					return errs.New(errs.NotFound, "artifact %s has no tag %s", a.Digest, clip(name)).WithHint("list its tags")
				}
				if err != nil {
					return err
				}
				return s.noneImmutable(ctx, at, store.IndexFilter{Repository: at.repository.ID, Exact: name})
			},
			do: func(ctx context.Context) error {
				// One that is gone already is deleted.
				if err := absent(s.registry.DeleteTag(ctx, a.RepositoryName, name)); err != nil {
					return err
				}
				return s.follow(ctx, a.RepositoryName, name)
			},
		}
	})
}
