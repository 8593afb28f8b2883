package project

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/clock"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// Catalog is a registry that can be walked through.
type Catalog interface {
	Registry
	// Repositories returns up to n names that follow last, and whether there may be more.
	Repositories(ctx context.Context, last string, n int) (names []string, more bool, err error)
	// Digests returns all manifests of a repository, with a tag or without. Unsupported: this registry does not tell.
	Digests(ctx context.Context, repository string) ([]string, error)
}

// ReindexStore is what a Reindexer reads and writes.
type ReindexStore interface {
	IndexStore
	store.Reindexes
	CreateProject(ctx context.Context, p store.Project, members ...store.Member) (store.Project, error)
}

// Reindexer walks through a registry and makes the index say what is there. One walks at a time, of all that share the
// store; where it is lost, another goes on where it was last noted.
type Reindexer struct {
	indexer *Indexer
	store   ReindexStore
	catalog Catalog
	trail   audit.Recorder
	clock   clock.Clock
	log     *slog.Logger
	owner   string
	wake    chan struct{}
}

// NewReindexer returns a reindexer, whose walks Run does. owner is a name that no other process has.
func NewReindexer(x *Indexer, st ReindexStore, c Catalog, trail audit.Recorder, clk clock.Clock, log *slog.Logger, owner string) *Reindexer {
	return &Reindexer{indexer: x, store: st, catalog: c, trail: trail, clock: clk, log: log, owner: owner, wake: make(chan struct{}, 1)}
}

// Times of a walk.
const (
	reindexLook  = 2 * time.Second  // how often it is looked whether there is one to do
	reindexBeat  = time.Second      // how often it is noted how far it is
	reindexLost  = 10 * time.Second // after so long without a note, another goes on
	reindexPause = 2 * time.Second  // before something is tried again
	reindexTries = 3
	catalogPage  = 500
	tagsPage     = 1000
	indexPage    = 500
)

// Phases of a walk, in this order.
const (
	phaseCounting = "counting"
	phaseWalking  = "walking"
	phaseSweeping = "sweeping"
)

var (
	errNotOurs = errors.New("another process walks through the registry")           //nolint:gochecknoglobals // a sentinel
	errStopped = errors.New("somebody wants the walk through the registry to stop") //nolint:gochecknoglobals // a sentinel
)

// Run does the walks that are wanted until ctx ends. One that is on then can be gone on with.
func (r *Reindexer) Run(ctx context.Context) {
	tick := time.NewTicker(reindexLook)
	defer tick.Stop()
	for {
		if err := r.look(ctx); err != nil && ctx.Err() == nil {
			r.log.Error("walking through the registry", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-r.wake:
		}
	}
}

// look does a walk if there is one to do.
func (r *Reindexer) look(ctx context.Context) error {
	now, err := r.store.Reindex(ctx)
	if err != nil || !now.State.Active() || !r.free(now) {
		return err
	}
	st, err := r.store.UpdateReindex(ctx, func(st *store.Reindex) error {
		if !st.State.Active() || !r.free(*st) {
			return errNotOurs
		}
		st.Owner, st.SeenAt = r.owner, r.clock.Now()
		return nil
	})
	if errors.Is(err, errNotOurs) {
		return nil
	}
	if err != nil {
		return err
	}
	w := &walk{Reindexer: r, st: st}
	return r.end(ctx, w, w.run(ctx))
}

// free reports whether nobody else does the walk.
func (r *Reindexer) free(st store.Reindex) bool {
	return st.Owner == "" || st.Owner == r.owner || r.clock.Now().Sub(st.SeenAt) > reindexLost
}

// end notes how a walk ended.
func (r *Reindexer) end(ctx context.Context, w *walk, err error) error {
	if errors.Is(err, errNotOurs) {
		return nil
	}
	interrupted := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reindexPause)
	defer cancel()
	_, noted := r.store.UpdateReindex(ctx, func(st *store.Reindex) error {
		if st.Owner != r.owner {
			return errNotOurs
		}
		w.onto(st)
		st.Owner = ""
		switch {
		case errors.Is(err, errStopped), st.State == store.ReindexStopping && err != nil:
			st.State = store.ReindexStopped
		case interrupted: // whoever starts next goes on
			return nil
		case err != nil:
			st.State, st.Error = store.ReindexFailed, errs.As(err).Public()
		default:
			st.State = store.ReindexDone
		}
		st.EndedAt = r.clock.Now()
		return nil
	})
	if errors.Is(err, errStopped) || interrupted {
		err = nil
	}
	return errors.Join(err, noted)
}

// walk is one walk, as far as it was noted (st), and what it found in the repository that it is in.
type walk struct {
	*Reindexer
	st   store.Reindex
	here store.Reindex // counts only
	seen time.Time     // when the last note was made
}

func (w *walk) run(ctx context.Context) error {
	if err := w.beat(ctx, true); err != nil {
		return err
	}
	for _, phase := range []struct {
		name string
		do   func(ctx context.Context) error
	}{{phaseCounting, w.count}, {phaseWalking, w.walk}, {phaseSweeping, w.sweep}} {
		if w.st.Phase == "" {
			w.st.Phase, w.st.Cursor = phase.name, ""
		}
		if w.st.Phase != phase.name {
			continue
		}
		if err := phase.do(ctx); err != nil {
			return err
		}
		w.st.Phase, w.st.Cursor = "", ""
	}
	return nil
}

// onto puts what the walk found into the record.
func (w *walk) onto(st *store.Reindex) {
	state, owner, by, started := st.State, st.Owner, st.By, st.StartedAt
	*st = w.st
	st.State, st.Owner, st.By, st.StartedAt, st.SeenAt = state, owner, by, started, w.clock.Now()
}

// beat notes how far the walk is, now and then, and hears whether it should stop.
func (w *walk) beat(ctx context.Context, now bool) error {
	if !now && time.Since(w.seen) < reindexBeat {
		return nil
	}
	w.seen = time.Now()
	st, err := w.store.UpdateReindex(ctx, func(st *store.Reindex) error {
		if st.Owner != w.owner || !st.State.Active() {
			return errNotOurs
		}
		w.onto(st)
		return nil
	})
	if err == nil && st.State == store.ReindexStopping {
		return errStopped
	}
	return err
}

// again does something that needs the registry, more than once if that does not answer.
func (w *walk) again(ctx context.Context, do func() error) error {
	for n := 1; ; n++ {
		err := do()
		if !errs.Is(err, errs.Unavailable) || n == reindexTries {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(reindexPause):
		}
		if err := w.beat(ctx, true); err != nil {
			return err
		}
	}
}

// names calls fn for each repository of the registry that follows the cursor.
func (w *walk) names(ctx context.Context, fn func(name string) error) error {
	last := w.st.Cursor
	for {
		var names []string
		var more bool
		err := w.again(ctx, func() (err error) {
			names, more, err = w.catalog.Repositories(ctx, last, catalogPage)
			return err
		})
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := fn(name); err != nil {
				return err
			}
			last = name
		}
		if err := w.beat(ctx, false); err != nil {
			return err
		}
		if !more || len(names) == 0 {
			return nil
		}
	}
}

// count finds out how many repositories there are, so that people see how far it is.
func (w *walk) count(ctx context.Context) error {
	w.st.Total = 0
	return w.names(ctx, func(string) error { w.st.Total++; return nil })
}

// walk looks at each repository of the registry.
func (w *walk) walk(ctx context.Context) error {
	return w.names(ctx, func(name string) error {
		if err := w.visit(ctx, name); err != nil {
			return err
		}
		w.st.Repositories++
		w.st.Cursor = name
		return w.beat(ctx, false)
	})
}

// visit makes the index say of a repository what the registry does. What is found counts when it is through.
func (w *walk) visit(ctx context.Context, name string) error {
	w.here = store.Reindex{}
	err := w.again(ctx, func() error { w.here = store.Reindex{}; return w.repository(ctx, name) })
	if kind := errs.KindOf(err); err != nil && (kind == errs.Invalid || kind == errs.Conflict || kind == errs.NotFound) {
		w.skip(name, errs.As(err).Public())
		err = nil
	}
	w.st.Artifacts += w.here.Artifacts
	w.st.Tags += w.here.Tags
	w.st.Gone += w.here.Gone
	w.st.Projects += w.here.Projects
	return err
}

func (w *walk) skip(name, reason string) {
	w.st.Skipped++
	if len(w.st.Notes) < store.MaxReindexNotes {
		w.st.Notes = append(w.st.Notes, store.ReindexNote{Repository: name, Reason: reason})
	}
}

func (w *walk) repository(ctx context.Context, name string) error {
	tags, err := w.tags(ctx, name)
	if err != nil {
		return err
	}
	digests, err := w.catalog.Digests(ctx, name)
	if w.st.Untagged = !errs.Is(err, errs.Unsupported); err != nil && w.st.Untagged && absent(err) != nil {
		return err
	}
	if len(tags)+len(digests) > 0 {
		if err := w.project(ctx, name); err != nil {
			return err
		}
	}
	known := make(map[string]bool, len(tags))
	for _, tag := range tags {
		known[tag] = true
	}
	for _, reference := range append(tags, digests...) {
		if _, err := w.follow(ctx, name, reference); err != nil {
			return err
		}
	}
	w.here.Tags = int64(len(tags))
	return w.clean(ctx, name, known)
}

// tags returns all tags of a repository.
func (w *walk) tags(ctx context.Context, name string) ([]string, error) {
	var all []string
	for {
		page, more, err := w.catalog.Tags(ctx, name, last(all), tagsPage)
		if err != nil {
			return all, absent(err)
		}
		all = append(all, page...)
		if !more || len(page) == 0 {
			return all, nil
		}
		if err := w.beat(ctx, false); err != nil {
			return nil, err
		}
	}
}

func last(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

// follow follows one reference. What is no manifest that the index could hold is noted and left.
func (w *walk) follow(ctx context.Context, name, reference string) (changed bool, err error) {
	if err := w.beat(ctx, false); err != nil {
		return false, err
	}
	found, err := w.indexer.follow(ctx, name, reference, time.Time{}, 0)
	if errs.Is(err, errs.Invalid) {
		w.skip(name, reference+": "+errs.As(err).Public())
		return false, nil
	}
	return found.changed, err
}

// project makes the project of a repository if it is missing: private, and nobody's.
func (w *walk) project(ctx context.Context, repository string) error {
	name, ok := auth.Project(repository)
	if !ok {
		return errs.New(errs.Invalid, "%s is in no project", repository).WithHint("copy it to PROJECT/%s", repository)
	}
	_, err := w.store.ProjectByName(ctx, name)
	if !errs.Is(err, errs.NotFound) {
		return err
	}
	if err := CheckName(name); err != nil {
		return err
	}
	err = w.trail.Record(ctx, audit.Record{
		Time: w.clock.Now(), Actor: w.st.By, Method: "system", Operation: "project.create", Resource: "project:" + name, Outcome: audit.Allowed,
		Reason: "the registry has repositories of it (reindex)",
	})
	if err != nil {
		return errs.New(errs.Unavailable, "the audit trail can't be written").WithHint("try again; the server's log has the cause").Because(err)
	}
	if _, err = w.store.CreateProject(ctx, store.Project{Name: name}); err == nil {
		w.here.Projects++
	}
	if errs.Is(err, errs.Conflict) { // somebody was first, or it is a project's former name
		_, found := w.store.ProjectByName(ctx, name)
		if found == nil {
			return nil
		}
	}
	return err
}

// clean takes out of the index what the registry does not have: tags that are not among those known, and artifacts that
// no tag vouches for.
func (w *walk) clean(ctx context.Context, name string, known map[string]bool) error {
	repo, err := w.store.RepositoryByName(ctx, name)
	if err != nil {
		return absent(err)
	}
	f := store.IndexFilter{Repository: repo.ID, Limit: indexPage}
	err = inPages(f, func(f store.IndexFilter) (int64, int, error) {
		page, err := all(w.store.ListTags(ctx, f))
		for _, tag := range page {
			f.After = tag.ID
			if err == nil && !known[tag.Name] {
				err = w.dropped(ctx, name, tag.Name)
			}
		}
		return f.After, len(page), err
	})
	if err != nil {
		return err
	}
	untagged := false
	f.Tagged = &untagged
	err = inPages(f, func(f store.IndexFilter) (int64, int, error) {
		page, err := all(w.store.ListArtifacts(ctx, f))
		for _, a := range page {
			f.After = a.ID
			if err == nil {
				err = w.dropped(ctx, name, a.Digest)
			}
		}
		return f.After, len(page), err
	})
	if err != nil {
		return err
	}
	n, err := w.store.CountArtifacts(ctx, store.IndexFilter{Repository: repo.ID})
	w.here.Artifacts = int64(n)
	return err
}

func (w *walk) dropped(ctx context.Context, name, reference string) error {
	changed, err := w.follow(ctx, name, reference)
	if changed {
		w.here.Gone++
	}
	return err
}

// inPages calls fn, which returns the last id of its page and how many it had, until there is no more.
func inPages(f store.IndexFilter, fn func(f store.IndexFilter) (last int64, n int, err error)) error {
	for {
		last, n, err := fn(f)
		if err != nil || n < f.Limit {
			return err
		}
		f.After = last
	}
}

// all collects a page: nobody may hold the store open while it asks the registry.
func all[T any](seq func(yield func(T, error) bool)) ([]T, error) {
	var page []T
	for item, err := range seq {
		if err != nil {
			return nil, err
		}
		page = append(page, item)
	}
	return page, nil
}

// sweep looks at the repositories in the index that the registry does not list. Its cursor is an id.
func (w *walk) sweep(ctx context.Context) error {
	after, _ := strconv.ParseInt(w.st.Cursor, 10, 64) // the empty one is 0
	return inPages(store.IndexFilter{After: after, Limit: indexPage}, func(f store.IndexFilter) (int64, int, error) {
		page, err := all(w.store.ListRepositories(ctx, f))
		if err != nil {
			return 0, 0, err
		}
		for _, repo := range page {
			if err := w.sweepOne(ctx, repo); err != nil {
				return 0, 0, err
			}
			w.st.Cursor, f.After = strconv.FormatInt(repo.ID, 10), repo.ID
			if err := w.beat(ctx, false); err != nil {
				return 0, 0, err
			}
		}
		return f.After, len(page), nil
	})
}

func (w *walk) sweepOne(ctx context.Context, repo store.Repository) error {
	absentThere, err := w.missing(ctx, repo.Name)
	if err != nil || !absentThere {
		return err
	}
	w.here = store.Reindex{}
	err = w.again(ctx, func() error { return w.clean(ctx, repo.Name, nil) })
	w.st.Gone += w.here.Gone
	if err != nil || w.here.Artifacts > 0 {
		return absent(err)
	}
	if err := w.store.DeleteRepository(ctx, repo.ID); err != nil {
		return absent(err)
	}
	if absentThere, err = w.missing(ctx, repo.Name); err == nil && !absentThere { // pushed to meanwhile
		return w.visit(ctx, repo.Name)
	}
	return err
}

// missing reports whether the registry knows no tags of the repository.
func (w *walk) missing(ctx context.Context, name string) (bool, error) {
	var there bool
	err := w.again(ctx, func() error {
		tags, _, err := w.catalog.Tags(ctx, name, "", 1)
		there = err == nil && len(tags) > 0
		return absent(err)
	})
	return !there, err
}
