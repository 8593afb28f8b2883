package project

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// KeeperStore is what a Keeper reads. All of it is look-ups by an index.
type KeeperStore interface {
	ProjectByName(ctx context.Context, name string) (store.Project, error)
	ListImmutableRules(ctx context.Context, projectID int64, f store.Filter) iter.Seq2[store.ImmutableRule, error]
	RepositoryByName(ctx context.Context, name string) (store.Repository, error)
	ArtifactByDigest(ctx context.Context, repositoryID int64, digest string) (store.Artifact, error)
	ListTags(ctx context.Context, f store.IndexFilter) iter.Seq2[store.Tag, error]
	ListArtifacts(ctx context.Context, f store.IndexFilter) iter.Seq2[store.Artifact, error]
	Usage(ctx context.Context, projectIDs []int64) (map[int64]int64, error)
	NewBytes(ctx context.Context, projectID int64, blobs []store.Blob) (int64, error)
}

// Keeper tells the front door which tags stay what they are and how much projects may hold, as the API shows both. It locks
// nothing.
type Keeper struct {
	store  KeeperStore
	quotas func() bool
}

// NewKeeper returns a keeper. quotas reports whether what projects may hold counts at the moment.
func NewKeeper(st KeeperStore, quotas func() bool) *Keeper { return &Keeper{st, quotas} }

// rulesOf returns the immutable tag rules for a repository, and what the repository is called in them.
func (k *Keeper) rulesOf(ctx context.Context, repository string) (rules []store.ImmutableRule, name string, err error) {
	p, err := k.projectOf(ctx, repository)
	if err != nil {
		return nil, "", err
	}
	l, err := collect(k.store.ListImmutableRules(ctx, p.ID, store.Filter{}), 0, nil, asIs)
	return l.Items, strings.TrimPrefix(repository, p.Name+"/"), err
}

func (k *Keeper) projectOf(ctx context.Context, repository string) (store.Project, error) {
	name, ok := auth.Project(repository)
	if !ok {
		return store.Project{}, errs.New(errs.Invalid, "repository %q is in no project", clipped(repository)).WithHint("name it PROJECT/%s", clipped(repository))
	}
	return k.store.ProjectByName(ctx, name)
}

// KeepsTag reports whether a tag of the repository, if it is there, can be neither pushed anew nor deleted.
func (k *Keeper) KeepsTag(ctx context.Context, repository, tag string) (bool, error) {
	rules, name, err := k.rulesOf(ctx, repository)
	return err == nil && Immutable(rules, name, tag), err
}

// Keeps returns what says of the tags of the repository what KeepsTag does; nil where no rule is about it.
func (k *Keeper) Keeps(ctx context.Context, repository string) (func(tag string) bool, error) {
	rules, name, err := k.rulesOf(ctx, repository)
	rules = slices.DeleteFunc(rules, func(r store.ImmutableRule) bool { return !about(r, name) })
	if err != nil || len(rules) == 0 {
		return nil, err
	}
	return func(tag string) bool { return Immutable(rules, name, tag) }, nil
}

// KeptTag returns a tag that stands for the digest, or for an index that lists it, and that KeepsTag is true of; "" for none.
// Tags are those that the index of images knows; known is whether it knows the digest, where any rule is about the repository.
func (k *Keeper) KeptTag(ctx context.Context, repository, digest string) (tag string, known bool, err error) {
	keeps, err := k.Keeps(ctx, repository)
	if err != nil || keeps == nil {
		return "", err == nil, err
	}
	repo, err := k.store.RepositoryByName(ctx, repository)
	if err != nil {
		return "", false, absent(err)
	}
	a, err := k.store.ArtifactByDigest(ctx, repo.ID, digest)
	if err != nil {
		return "", false, absent(err)
	}
	return k.keptOver(ctx, a, keeps, 0)
}

// keptOver looks for the tag at an artifact, and at those that list it. known is false where indexes lie deeper in indexes
// than is followed: whoever asks has to look further.
func (k *Keeper) keptOver(ctx context.Context, a store.Artifact, keeps func(tag string) bool, depth int) (tag string, known bool, err error) {
	for tag, err := range k.store.ListTags(ctx, store.IndexFilter{Repository: a.RepositoryID, Artifact: a.ID}) {
		if err != nil {
			return "", false, err
		}
		if keeps(tag.Name) {
			return tag.Name, true, nil
		}
	}
	known = true
	for index, err := range k.store.ListArtifacts(ctx, store.IndexFilter{Repository: a.RepositoryID, Holds: a.Digest}) {
		if err != nil || depth == maxDepth {
			return "", false, err
		}
		tag, sure, err := k.keptOver(ctx, index, keeps, depth+1)
		if tag != "" || err != nil {
			return tag, sure, err
		}
		known = known && sure
	}
	return "", known, nil
}

// Room returns how many bytes the project of the repository may hold, and holds. A limit of 0 is any number, and what it
// holds is not looked up then.
func (k *Keeper) Room(ctx context.Context, repository string) (limit, used int64, err error) {
	if !k.quotas() {
		return 0, 0, nil
	}
	p, err := k.projectOf(ctx, repository)
	if err != nil || p.StorageLimit == 0 {
		return 0, 0, err
	}
	all, err := k.store.Usage(ctx, []int64{p.ID})
	return p.StorageLimit, all[p.ID], err
}

// NewBytes returns how many of the bytes the project of the repository does not hold yet. Sizes are by digest.
func (k *Keeper) NewBytes(ctx context.Context, repository string, sizes map[string]int64) (int64, error) {
	p, err := k.projectOf(ctx, repository)
	if err != nil {
		return 0, err
	}
	blobs := make([]store.Blob, 0, len(sizes))
	for digest, size := range sizes {
		blobs = append(blobs, store.Blob{Digest: digest, Size: size})
	}
	return k.store.NewBytes(ctx, p.ID, blobs)
}
