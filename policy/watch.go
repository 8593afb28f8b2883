package policy

import (
	"context"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Run loads the policy anew whenever its files change, until ctx ends. It belongs to whoever opened the engine, who
// calls it once, in a goroutine of its own. A source that is no folder is looked at on the beat alone.
//
// What the operating system reports about the folder is a hint only: a folder that is itself replaced, a file system
// that reports nothing and a full queue of reports all pass it by, so the files are compared on a slow beat as well.
func (e *Engine) Run(ctx context.Context) error {
	w := e.newWatch()
	defer w.close()
	settle := time.NewTimer(e.debounce) // for what changed between Open and here
	beat := time.NewTicker(e.poll)
	defer beat.Stop()
	var seen fingerprint
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.events:
			settle.Reset(e.debounce)
		case err := <-w.errors:
			e.log.Warn("policy folder is watched with gaps", "source", e.source.String(), "error", err)
			settle.Reset(e.debounce)
		case <-beat.C:
			w.renew()
			if sum, _ := e.look(ctx); sum != e.lastTried() {
				settle.Reset(e.debounce)
			}
		case <-settle.C:
			seen = e.settle(ctx, seen, settle)
		}
	}
}

// settle loads the files if they are as they were one debounce ago, and otherwise waits once more: an editor or a copy
// may be in the middle of them. It returns what it saw.
func (e *Engine) settle(ctx context.Context, before fingerprint, again *time.Timer) fingerprint {
	now, ok := e.look(ctx)
	switch {
	case now == e.lastTried():
	case now != before:
		again.Reset(e.debounce)
	case ok:
		e.reloadSettled(ctx, now)
	default:
		e.missing(ctx, now)
	}
	return now
}

// look returns the fingerprint of the files as they are, and whether they can be read. Files that can't be have one,
// too, so that they are reported once and not at each beat.
func (e *Engine) look(ctx context.Context) (fingerprint, bool) {
	src, err := e.read(ctx)
	if err != nil {
		return source{model: []byte(err.Error())}.fingerprint(), false
	}
	return src.fingerprint(), true
}

func (e *Engine) lastTried() fingerprint {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tried
}

// reloadSettled loads the files, unless a reload that was asked for came first. The result is in the log and in Status.
func (e *Engine) reloadSettled(ctx context.Context, now fingerprint) {
	e.reload.Lock()
	defer e.reload.Unlock()
	src, err := e.read(ctx)
	if err != nil || src.fingerprint() != now {
		return // they change again; the next report or beat brings us back
	}
	_, _ = e.load(ctx, src, Edit{}) // noted and logged by load
}

// missing notes that the files can't be read; the policy in force stays.
func (e *Engine) missing(ctx context.Context, now fingerprint) {
	e.reload.Lock()
	defer e.reload.Unlock()
	_, err := e.read(ctx)
	if err == nil {
		return
	}
	e.mu.Lock()
	e.tried = now
	e.mu.Unlock()
	e.refused(ctx, nil, err)
}

// watch is what the operating system reports about the folder. Where it can't, both channels stay silent.
type watch struct {
	dir    string
	w      *fsnotify.Watcher
	events chan fsnotify.Event
	errors chan error
}

func (e *Engine) newWatch() *watch {
	dir, isDir := e.source.(Dir)
	if !isDir {
		return &watch{}
	}
	w, err := fsnotify.NewWatcher()
	if err == nil {
		// The folder and not the files: an editor puts a new file in the old one's place, which ends a file's watch.
		err = w.Add(string(dir))
	}
	if err != nil {
		e.log.Warn("policy folder can't be watched, changes are noticed more slowly", "dir", string(dir), "every", e.poll, "error", err)
	}
	if w == nil {
		return &watch{}
	}
	return &watch{dir: string(dir), w: w, events: w.Events, errors: w.Errors}
}

// renew watches the folder again if its watch has ended, as it does when the folder is replaced.
func (w *watch) renew() {
	if w.w != nil && len(w.w.WatchList()) == 0 {
		_ = w.w.Add(w.dir) // the next beat tries again
	}
}

func (w *watch) close() {
	if w.w != nil {
		_ = w.w.Close() // nothing was written through it
	}
}
