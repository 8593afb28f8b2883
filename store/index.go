package store

import (
	"context"
	"encoding/json"
	"iter"
	"time"
)

// Repository is a repository as the index knows it.
type Repository struct {
	ID          int64
	ProjectID   int64
	Name        string // the full one: team/app
	Description string
	Artifacts   int   // how many there are
	Pulls       int64 // how many there were
	CreatedAt   time.Time
	UpdatedAt   time.Time // the last push, or change of the description
}

// Artifact is a manifest in a repository, as the index knows it.
type Artifact struct {
	ID             int64
	ProjectID      int64
	RepositoryID   int64
	RepositoryName string // read only
	Digest         string
	MediaType      string // of the manifest
	ArtifactType   string // what the manifest says it is, else the media type of its config
	ConfigType     string // the media type of its config
	Kind           string // what people call it, as in Harbor: IMAGE, CHART, …
	Size           int64  // of the manifest and all that it refers to but its subject, in bytes
	Subject        string // the digest of the artifact that it is about, if it is about one
	Referrer       bool   // its manifest names the subject; else a tag does
	Annotations    map[string]string
	Extra          json.RawMessage // what its config says of it: the operating system, …; null for nothing
	Children       []Child         // of an index, in its order
	PushedAt       time.Time       // last
	PulledAt       time.Time       // last; zero: never
}

// Child is a manifest in an index.
type Child struct {
	Digest      string
	Platform    json.RawMessage // as the index says it; null for nothing
	Annotations map[string]string
}

// Blob is something that an artifact takes up space with: its manifest, its config, its layers.
type Blob struct {
	Digest string
	Size   int64
}

// Tag is a name for an artifact.
type Tag struct {
	ID           int64
	RepositoryID int64
	ArtifactID   int64
	Name         string
	PushedAt     time.Time
	PulledAt     time.Time // zero: never
}

// Push is a manifest that came into a registry.
type Push struct {
	ProjectID  int64
	Repository string // the full name
	Tag        string // "" for one that was pushed by its digest
	Artifact   Artifact
	Blobs      []Blob    // its own manifest too
	At         time.Time // zero: now. An artifact that is known already keeps the later time.
}

// Pull is how often a manifest was pulled, and when last.
type Pull struct {
	RepositoryID int64
	ArtifactID   int64
	TagID        int64 // 0 for pulls by digest
	Times        int64
	At           time.Time
}

// IndexFilter narrows and pages a list of repositories, artifacts or tags. The zero value is everything.
type IndexFilter struct {
	Projects   []int64     // in one of these projects; nil is all, empty is none
	Visible    *Filter     // in a project that this lets through, by its Public, MemberID and GroupIDs; nil is all
	Repository int64       // artifacts and tags of this repository
	Artifact   int64       // tags of this artifact; the artifact itself
	Name       string      // repositories and tags whose name contains this
	Exact      string      // repositories and tags of this name; artifacts that have a tag of this name
	Digest     string      // artifacts of this digest
	Subject    string      // artifacts about this digest
	Tagged     *bool       // artifacts that have a tag, or have none
	Holds      string      // indexes that this digest is in
	Digests    []string    // artifacts of one of these digests; nil is any
	Labels     []int64     // artifacts that have all of these labels
	Top        bool        // artifacts that stand for themselves: neither in an index nor about another one, unless they have a tag
	Latest     bool        // of each repository the artifact that was pushed last
	Where      []Condition // what holds for the fields of each record, as in Filter
	After      int64       // as in Filter
	Offset     int
	Limit      int
	// Sort: repositories by name, creation_time, update_time, pull_count; artifacts by push_time,
	// pull_time, size; tags by name, push_time, pull_time; "" is by id, "-…" is falling.
	Sort string
}

// ReferrerFilter narrows and pages a list of referrers.
type ReferrerFilter struct {
	Repository int64
	Subject    string // the digest that they refer to
	Type       string // of this artifact type; "" is any
	After      int64  // the id of the last one of the page before
	Limit      int
}

// Referrer is an artifact whose manifest names another one as its subject, as lists of referrers describe it.
type Referrer struct {
	ID           int64
	Digest       string
	MediaType    string
	ArtifactType string
	Size         int64 // of the manifest
	Annotations  map[string]string
}

// Statistics count what is in the index.
type Statistics struct {
	PublicProjects, PrivateProjects         int
	PublicRepositories, PrivateRepositories int
	Bytes                                   int64 // blobs that a project has several times are counted once
}

// Index keeps what registries hold: it follows the registry, and decides nothing. Everything of a project goes with it.
type Index interface {
	// PutArtifact notes a push: the repository and the artifact are made if they are new, and the tag stands for the artifact
	// from now on. NotFound: there is no such project.
	PutArtifact(ctx context.Context, p Push) (Artifact, error)
	Artifact(ctx context.Context, id int64) (Artifact, error)
	ArtifactByDigest(ctx context.Context, repositoryID int64, digest string) (Artifact, error)
	ArtifactByTag(ctx context.Context, repositoryID int64, tag string) (Artifact, error)
	ListArtifacts(ctx context.Context, f IndexFilter) iter.Seq2[Artifact, error]
	CountArtifacts(ctx context.Context, f IndexFilter) (int, error)
	// Referrers returns what refers to a digest, in the order in which it came first. The digest itself may be unknown.
	Referrers(ctx context.Context, f ReferrerFilter) ([]Referrer, error)
	// DeleteArtifact removes the artifact with its tags.
	DeleteArtifact(ctx context.Context, id int64) error

	TagByName(ctx context.Context, repositoryID int64, name string) (Tag, error)
	// TagsOf returns the tags of artifacts, by the artifact's id and in the order of names, at most so many of each.
	TagsOf(ctx context.Context, artifactIDs []int64, most int) (map[int64][]Tag, error)
	ListTags(ctx context.Context, f IndexFilter) iter.Seq2[Tag, error]
	CountTags(ctx context.Context, f IndexFilter) (int, error)
	DeleteTag(ctx context.Context, repositoryID int64, name string) error

	Repository(ctx context.Context, id int64) (Repository, error)
	RepositoryByName(ctx context.Context, name string) (Repository, error)
	ListRepositories(ctx context.Context, f IndexFilter) iter.Seq2[Repository, error]
	CountRepositories(ctx context.Context, f IndexFilter) (int, error)
	// RepositoriesIn counts the repositories of projects, by the projects' ids.
	RepositoriesIn(ctx context.Context, projectIDs []int64) (map[int64]int64, error)
	// UpdateRepository can change the description.
	UpdateRepository(ctx context.Context, id int64, fn func(*Repository) error) (Repository, error)
	// DeleteRepository removes the repository with all that is in it.
	DeleteRepository(ctx context.Context, id int64) error

	// AddPulls adds to what was counted. What is gone meanwhile is left out.
	AddPulls(ctx context.Context, pulls []Pull) error
	// Usage returns how many bytes projects hold, by their ids. A blob that a project has several times is counted once.
	Usage(ctx context.Context, projectIDs []int64) (map[int64]int64, error)
	// NewBytes returns how many of the bytes of the blobs a project does not hold yet.
	NewBytes(ctx context.Context, projectID int64, blobs []Blob) (int64, error)
	Statistics(ctx context.Context, visible Filter) (Statistics, error)
}
