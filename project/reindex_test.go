package project_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/clock"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

// reindexing is a fixture with a registry.
type reindexing struct {
	*fixture
	*indexed
	service *project.Service
	walker  *project.Reindexer
}

func newReindexing(t *testing.T) *reindexing {
	t.Helper()
	f := newFixture(t)
	log := slog.New(slog.DiscardHandler)
	x := &indexed{t: t, store: f.store, shelf: newShelf(), clock: f.clock}
	x.Indexer = project.NewIndexer(f.store, x.shelf, f.clock, log)
	r := &reindexing{fixture: f, indexed: x, walker: project.NewReindexer(x.Indexer, f.store, x.shelf, f.trail, clock.System{}, log, "first")}
	r.service = f.WithReindexer(r.walker)
	return r
}

func (r *reindexing) admin() project.Caller {
	return project.Caller{Subject: auth.Subject{ID: r.ids["admin"], Name: "admin", SysAdmin: true}, Method: "password"}
}

// walk does a walk to its end, which is at the latest when the state is one of those.
func (r *reindexing) walk(until ...store.ReindexState) store.Reindex {
	r.indexed.t.Helper()
	return r.run(r.walker, until...)
}

func (r *reindexing) run(w *project.Reindexer, until ...store.ReindexState) store.Reindex {
	t := r.indexed.t
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	defer func() { cancel(); <-done }()
	for range 2000 {
		st, err := r.indexed.store.Reindex(t.Context())
		r.indexed.ok(err)
		if slices.Contains(until, st.State) {
			return st
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the walk is not %v after 20 seconds", until)
	return store.Reindex{}
}

func TestReindexAdoptsRegistry(t *testing.T) {
	r := newReindexing(t)
	one, two := r.image("old/app", "", "amd64"), r.image("old/app", "", "arm64")
	r.index("old/app", "v1", one, two)
	r.image("team/app", "v1", "x")
	untagged := r.image("team/app", "", "untagged")
	r.image("loner", "v1", "y")                         // in no project
	r.image("a..b/app", "v1", "z")                      // no project can be called that
	r.shelf.push("team/bad", "v1", imageType, `[1, 2]`) // no manifest
	r.indexed.ok(r.Pushed(t.Context(), r.image("team/gone", "v1", "gone")))
	gone := r.image("team/app", "old", "gone, too")
	r.indexed.ok(r.Pushed(t.Context(), gone))
	r.shelf.drop("team/app", gone.Digest)
	r.shelf.drop("team/gone", r.indexedDigest("team/gone", "v1"))
	r.trail.take()

	if _, err := r.service.StartReindex(t.Context(), r.admin(), false); err != nil {
		t.Fatal(err)
	}
	if _, err := r.service.StartReindex(t.Context(), r.admin(), false); !errs.Is(err, errs.Conflict) {
		t.Errorf("a second walk = %v, want Conflict", err)
	}
	st := r.walk(store.ReindexDone)
	if st.Total != 5 || st.Repositories != 5 || st.Projects != 1 || st.Artifacts != 5 || st.Gone != 4 || !st.Untagged || st.By != "admin" || st.EndedAt.IsZero() {
		t.Errorf("the walk = %+v, want 5 repositories, 1 project, 5 artifacts, 4 gone", st)
	}
	var notes []string
	for _, n := range st.Notes {
		notes = append(notes, n.Repository)
	}
	slices.Sort(notes)
	if want := []string{"a..b/app", "loner", "team/bad", "team/bad"}; !slices.Equal(notes, want) || st.Skipped != 4 {
		t.Errorf("left were %q (%+v), want %q", notes, st.Notes, want)
	}
	r.want("old/app", "v1", true)
	r.want("old/app", two.Digest, true)
	r.want("team/app", untagged.Digest, true)
	r.want("team/app", "old", false)
	r.want("team/app", gone.Digest, false)
	if _, err := r.indexed.store.RepositoryByName(t.Context(), "team/gone"); !errs.Is(err, errs.NotFound) {
		t.Errorf("a repository that the registry does not have = %v, want NotFound", err)
	}
	p, err := r.indexed.store.ProjectByName(t.Context(), "old")
	if err != nil || p.Public || p.OwnerID != 0 {
		t.Errorf("project old = %+v %v, want a private one of nobody", p, err)
	}
	if got := r.trail.take(); !slices.Contains(got, "admin|project.create|project:old|allowed|the registry has repositories of it (reindex)") {
		t.Errorf("the audit trail has %q, want the project in it", got)
	}
	// Again, there is nothing to do.
	reads := r.shelf.reads
	if _, err := r.service.StartReindex(t.Context(), r.admin(), false); err != nil {
		t.Fatal(err)
	}
	if st := r.walk(store.ReindexDone); st.Gone != 0 || st.Projects != 0 || st.Artifacts != 5 {
		t.Errorf("the second walk = %+v, want 5 artifacts and nothing done", st)
	}
	if n := r.shelf.reads - reads; n > 20 {
		t.Errorf("the second walk read %d manifests, want each of 7 once or twice", n)
	}
}

func (r *reindexing) indexedDigest(repository, tag string) string {
	a, _ := r.artifact(repository, tag)
	return a.Digest
}

// TestReindexGoesOn stops in the middle, and ends in the middle, and looks at nothing twice.
func TestReindexGoesOn(t *testing.T) {
	r := newReindexing(t)
	for n := range 20 {
		r.image(fmt.Sprintf("team/app%02d", n), "v1", fmt.Sprint(n))
	}
	start := func(fresh bool) {
		if _, err := r.service.StartReindex(t.Context(), r.admin(), fresh); err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string, do func()) { // when the walk comes there
		r.shelf.mu.Lock()
		defer r.shelf.mu.Unlock()
		r.shelf.onTags = func(repository string) {
			if repository == name {
				r.shelf.onTags = nil
				do()
			}
		}
	}
	start(false)
	at("team/app07", func() { r.shelf.down = true })
	if st := r.walk(store.ReindexFailed); st.Cursor != "team/app06" || st.Error == "" || st.Repositories != 7 {
		t.Errorf("the walk through a registry that fails = %+v, want that it is through with app06 and says why", st)
	}
	r.shelf.down = false
	start(false)
	at("team/app12", func() {
		if err := r.service.StopReindex(t.Context(), r.admin()); err != nil {
			t.Error(err)
		}
		time.Sleep(1100 * time.Millisecond) // until the next note
	})
	if st := r.walk(store.ReindexStopped); st.Cursor != "team/app11" || st.Repositories != 12 {
		t.Errorf("the walk that was stopped = %+v, want that it is through with app11", st)
	}
	if err := r.service.StopReindex(t.Context(), r.admin()); !errs.Is(err, errs.NotFound) {
		t.Errorf("StopReindex of nothing = %v, want NotFound", err)
	}
	start(false)
	r.shelf.mu.Lock()
	r.shelf.visited = nil
	r.shelf.mu.Unlock()
	_, err := r.indexed.store.UpdateReindex(t.Context(), func(st *store.Reindex) error { // a process that was killed
		st.Owner, st.SeenAt = "killed", time.Now().Add(-time.Minute)
		return nil
	})
	r.indexed.ok(err)
	log := slog.New(slog.DiscardHandler)
	other := project.NewReindexer(r.Indexer, r.indexed.store, r.shelf, r.trail, clock.System{}, log, "second")
	st := r.run(other, store.ReindexDone)
	if st.Repositories != 20 || st.Artifacts != 20 || r.shelf.visited[0] != "team/app12" {
		t.Errorf("the walk that went on = %+v, looked at %q, want 20 repositories in all, from app12 on", st, r.shelf.visited)
	}
	r.want("team/app19", "v1", true)
}

func TestReindexIsForAdministrators(t *testing.T) {
	r := newReindexing(t)
	alice := project.Caller{Subject: auth.Subject{ID: r.ids["alice"], Name: "alice"}}
	_, start := r.service.StartReindex(t.Context(), alice, false)
	_, read := r.service.Reindex(t.Context(), alice)
	for what, err := range map[string]error{"StartReindex": start, "Reindex": read, "StopReindex": r.service.StopReindex(t.Context(), alice)} {
		if !errs.Is(err, errs.Denied) {
			t.Errorf("%s by alice = %v, want Denied", what, err)
		}
	}
	_, err := r.StartReindex(t.Context(), r.admin(), false)
	if !errs.Is(err, errs.Unsupported) || !strings.Contains(errs.As(err).Hint, "registry.url") {
		t.Errorf("StartReindex without a registry = %v, want Unsupported", err)
	}
}
