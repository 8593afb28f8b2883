package project_test

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/clock"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/sqlstore"
)

// shelf is a registry in memory. The real ones are tried in cmd/sealock and e2e.
type shelf struct {
	mu        sync.Mutex
	manifests map[string]project.Manifest // by repository@digest
	tags      map[string]string           // repository:tag to digest
	blobs     map[string]string
	down      bool
	onRead    func() // what happens while something is looked up
	mute      bool   // does not tell of untagged ones, as a stock registry
	reads     int
	onTags    func(repository string) // what happens when a walk comes to it
	visited   []string
}

func newShelf() *shelf {
	return &shelf{manifests: map[string]project.Manifest{}, tags: map[string]string{}, blobs: map[string]string{}}
}

// push keeps a manifest and returns it.
func (s *shelf) push(repository, tag, mediaType, body string) project.Manifest {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := project.Manifest{Repository: repository, Tag: tag, MediaType: mediaType, Digest: digestOf(body), Body: []byte(body)}
	s.manifests[repository+"@"+m.Digest] = m
	if tag != "" {
		s.tags[repository+":"+tag] = m.Digest
	}
	return m
}

func (s *shelf) drop(repository, reference string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !strings.Contains(reference, ":") {
		delete(s.tags, repository+":"+reference)
		return
	}
	delete(s.manifests, repository+"@"+reference)
	maps.DeleteFunc(s.tags, func(tag, digest string) bool { return strings.HasPrefix(tag, repository+":") && digest == reference })
}

func (s *shelf) gone(what string) error {
	if s.down {
		return errs.New(errs.Unavailable, "down")
	}
	return errs.New(errs.NotFound, "no %s", what)
}

func (s *shelf) Manifest(_ context.Context, repository, reference string) (string, []byte, error) {
	s.mu.Lock()
	s.reads++
	digest := reference
	if !strings.Contains(reference, ":") {
		digest = s.tags[repository+":"+reference]
	}
	m, ok := s.manifests[repository+"@"+digest]
	down, meanwhile := s.down, s.onRead
	s.onRead = nil
	s.mu.Unlock()
	if meanwhile != nil {
		meanwhile()
	}
	if down || !ok {
		return "", nil, s.gone(reference)
	}
	return m.MediaType, m.Body, nil
}

func (s *shelf) Blob(_ context.Context, _, digest string, _ int64) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.blobs[digest]
	if !ok {
		return nil, s.gone(digest)
	}
	return []byte(b), nil
}

func (s *shelf) Size(_ context.Context, _, digest string) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.blobs[digest]
	if !ok {
		return 0, s.gone(digest)
	}
	return int64(len(b)), nil
}

func (s *shelf) Tags(_ context.Context, repository, last string, n int) ([]string, bool, error) {
	s.mu.Lock()
	s.visited = append(s.visited, repository)
	meanwhile := s.onTags
	s.mu.Unlock()
	if meanwhile != nil {
		meanwhile(repository)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down || !slices.Contains(s.names(), repository) {
		return nil, false, s.gone(repository)
	}
	var tags []string
	for _, t := range slices.Sorted(maps.Keys(s.tags)) {
		if repo, tag, _ := strings.Cut(t, ":"); repo == repository && tag > last {
			tags = append(tags, tag)
		}
	}
	return tags[:min(n, len(tags))], len(tags) > n, nil
}

func (s *shelf) names() []string {
	var names []string
	for key := range s.manifests {
		name, _, _ := strings.Cut(key, "@")
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (s *shelf) Repositories(_ context.Context, last string, n int) ([]string, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, false, s.gone("catalog")
	}
	names := slices.DeleteFunc(s.names(), func(name string) bool { return name <= last })
	return names[:min(n, len(names))], len(names) > n, nil
}

func (s *shelf) Digests(_ context.Context, repository string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mute {
		return nil, errs.New(errs.Unsupported, "mute")
	}
	var digests []string
	for key := range s.manifests {
		if name, digest, _ := strings.Cut(key, "@"); name == repository {
			digests = append(digests, digest)
		}
	}
	return digests, nil
}

func (s *shelf) PutManifest(context.Context, string, string, string, []byte) error {
	return s.gone("use")
}
func (s *shelf) DeleteManifest(context.Context, string, string) error { return s.gone("use") }
func (s *shelf) DeleteTag(context.Context, string, string) error      { return s.gone("use") }
func (s *shelf) Mount(context.Context, string, string, string) error  { return s.gone("use") }

// indexed is an indexer with its store and registry, and the project team.
type indexed struct {
	*project.Indexer
	t     *testing.T
	store *sqlstore.Store
	shelf *shelf
	clock *clock.Manual
}

func newIndexed(t *testing.T) *indexed {
	t.Helper()
	x := &indexed{t: t, store: open(t), shelf: newShelf(), clock: clock.NewManual(time.Unix(1_900_000_000, 0))}
	x.Indexer = project.NewIndexer(x.store, x.shelf, x.clock, slog.New(slog.DiscardHandler))
	_, err := x.store.CreateProject(t.Context(), store.Project{Name: "team"})
	x.ok(err)
	return x
}

func (x *indexed) ok(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
}

// image pushes an image to the registry alone.
func (x *indexed) image(repository, tag, content string) project.Manifest {
	x.shelf.mu.Lock()
	config := `{"os":"linux","architecture":"` + content + `"}`
	x.shelf.blobs[digestOf(config)] = config
	x.shelf.mu.Unlock()
	return x.shelf.push(repository, tag, imageType, `{"schemaVersion":2,"config":`+desc(configType, config)+`,"layers":[`+desc("layer", content)+`]}`)
}

func (x *indexed) index(repository, tag string, children ...project.Manifest) project.Manifest {
	var list []string
	for i, c := range children {
		list = append(list, strings.TrimSuffix(desc(c.MediaType, string(c.Body)), "}")+`,"platform":{"os":"linux","architecture":"a`+string(rune('0'+i))+`"}}`)
	}
	return x.shelf.push(repository, tag, indexType, `{"schemaVersion":2,"manifests":[`+strings.Join(list, ",")+`]}`)
}

// artifact returns what a reference stands for in the index.
func (x *indexed) artifact(repository, reference string) (store.Artifact, bool) {
	x.t.Helper()
	repo, err := x.store.RepositoryByName(x.t.Context(), repository)
	if errs.Is(err, errs.NotFound) {
		return store.Artifact{}, false
	}
	x.ok(err)
	get := x.store.ArtifactByTag
	if strings.Contains(reference, ":") {
		get = x.store.ArtifactByDigest
	}
	a, err := get(x.t.Context(), repo.ID, reference)
	if errs.Is(err, errs.NotFound) {
		return a, false
	}
	x.ok(err)
	return a, true
}

func (x *indexed) want(repository, reference string, want bool) {
	x.t.Helper()
	if _, got := x.artifact(repository, reference); got != want {
		x.t.Errorf("%s %s is in the index: %v, want %v", repository, reference, got, want)
	}
}

func TestPushedIsIndexed(t *testing.T) {
	x := newIndexed(t)
	one, two := x.image("team/app", "", "amd64"), x.image("team/app", "", "arm64")
	x.ok(x.Pushed(t.Context(), one))
	all := x.index("team/app", "v1", one, two) // the second was there before anybody looked
	x.ok(x.Pushed(t.Context(), all))
	a, _ := x.artifact("team/app", "v1")
	b, _ := x.artifact("team/app", one.Digest)
	c, found := x.artifact("team/app", two.Digest)
	if want := int64(len(all.Body)) + b.Size + c.Size; !found || a.Size != want || a.Kind != "IMAGE" {
		t.Errorf("an index has size %d and kind %s, want %d with its children", a.Size, a.Kind, want)
	}
	if len(a.Children) != 2 || string(a.Children[1].Platform) != `{"os":"linux","architecture":"a1"}` {
		t.Errorf("children = %+v, want both with their platforms", a.Children)
	}
	if got, want := string(b.Extra), `{"architecture":"amd64","os":"linux"}`; got != want {
		t.Errorf("extra of an image = %s, want %s", got, want)
	}
	usage, err := x.store.Usage(t.Context(), []int64{a.ProjectID})
	x.ok(err)
	if usage[a.ProjectID] != a.Size {
		t.Errorf("the project holds %d, want %d: what the index refers to, once", usage[a.ProjectID], a.Size)
	}
	// A config that is gone is no reason to refuse; a project that is not there is.
	x.ok(x.Pushed(t.Context(), x.shelf.push("team/odd", "v1", imageType, `{"schemaVersion":2,"config":`+desc(configType, "gone")+`,"layers":[]}`)))
	if err := x.Pushed(t.Context(), x.image("none/app", "v1", "x")); !errs.Is(err, errs.NotFound) {
		t.Errorf("Pushed to no project = %v, want NotFound", err)
	}
}

// TestFollowIsHarmless tells of things late, twice and in the wrong order: the index says what the registry says.
func TestFollowIsHarmless(t *testing.T) {
	x := newIndexed(t)
	first, second := x.image("team/app", "v1", "first"), x.image("team/app", "v1", "second")
	x.ok(x.Pushed(t.Context(), second))
	x.ok(x.following("team/app", "v1")) // of the first, late
	if a, _ := x.artifact("team/app", "v1"); a.Digest != second.Digest {
		t.Errorf("v1 = %s, want the second, %s", a.Digest, second.Digest)
	}
	x.ok(x.following("team/app", first.Digest))
	x.want("team/app", first.Digest, true)
	x.ok(x.Deleted(t.Context(), "team/app", "v1")) // but it was pushed again since
	x.want("team/app", "v1", true)
	for n := range 2 {
		x.shelf.drop("team/app", "v1")
		x.ok(x.Deleted(t.Context(), "team/app", "v1"))
		x.want("team/app", "v1", false)
		x.want("team/app", second.Digest, n == 0)
		x.shelf.drop("team/app", second.Digest)
		x.ok(x.Deleted(t.Context(), "team/app", second.Digest))
		x.want("team/app", second.Digest, false)
	}
	x.ok(x.Deleted(t.Context(), "team/none", "v1"))
	x.shelf.down = true
	if err := x.following("team/app", first.Digest); !errs.Is(err, errs.Unavailable) {
		t.Errorf("Follow without a registry = %v, want Unavailable", err)
	}
	x.want("team/app", first.Digest, true)
}

// TestFollowSeesWhatChangesMeanwhile lets somebody delete and push between the look and the note.
func TestFollowSeesWhatChangesMeanwhile(t *testing.T) {
	x := newIndexed(t)
	m := x.image("team/app", "v1", "it")
	x.shelf.onRead = func() { // it is read, then deleted and noted
		x.shelf.drop("team/app", m.Digest)
		x.ok(x.Deleted(t.Context(), "team/app", m.Digest))
	}
	x.ok(x.following("team/app", m.Digest))
	x.want("team/app", m.Digest, false)
	x.shelf.onRead = func() { // it is not there, then pushed and noted
		x.ok(x.Pushed(t.Context(), x.image("team/app", "v1", "it")))
	}
	x.ok(x.following("team/app", "v1"))
	x.want("team/app", "v1", true)
}

func TestPullsAreCountedInBatches(t *testing.T) {
	x := newIndexed(t)
	m := x.image("team/app", "v1", "it")
	x.ok(x.Pushed(t.Context(), m))
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for range 100 {
				x.Pulled("team/app", "v1", m.Digest)
			}
		})
	}
	wg.Wait()
	x.Pulled("team/none", "v1", m.Digest)
	if got := x.repository("team/app").Pulls; got != 0 {
		t.Errorf("%d pulls were written one by one, want none", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	x.Run(ctx) // its end writes
	a, _ := x.artifact("team/app", "v1")
	tag, err := x.store.TagByName(t.Context(), a.RepositoryID, "v1")
	x.ok(err)
	if got := x.repository("team/app").Pulls; got != 1000 || !a.PulledAt.Equal(x.clock.Now()) || !tag.PulledAt.Equal(x.clock.Now()) {
		t.Errorf("%d pulls at %v and %v, want 1000 now", got, a.PulledAt, tag.PulledAt)
	}
	x.WritePulls(t.Context())
	if got := x.repository("team/app").Pulls; got != 1000 {
		t.Errorf("%d pulls after nothing was pulled, want 1000", got)
	}
	x.Pulled("team/app", "", m.Digest)
	x.WritePulls(ctx) // can't be written
	x.WritePulls(t.Context())
	if got := x.repository("team/app").Pulls; got != 1001 {
		t.Errorf("%d pulls, one of which could not be written at first, want 1001", got)
	}
}

func (x *indexed) repository(name string) store.Repository {
	x.t.Helper()
	r, err := x.store.RepositoryByName(x.t.Context(), name)
	x.ok(err)
	return r
}

func (x *indexed) following(repository, reference string) error {
	_, err := x.Follow(x.t.Context(), repository, reference, time.Time{})
	return err
}
