package store

import (
	"context"
	"time"
)

// ReindexState says how a walk through the registry stands.
type ReindexState string

// The states. The zero value: there was none yet.
const (
	ReindexRunning  ReindexState = "running"
	ReindexStopping ReindexState = "stopping" // somebody wants it to stop
	ReindexStopped  ReindexState = "stopped"  // it can go on
	ReindexDone     ReindexState = "done"
	ReindexFailed   ReindexState = "failed" // it can go on
)

// Active reports whether somebody works on it, or should.
func (s ReindexState) Active() bool { return s == ReindexRunning || s == ReindexStopping }

// Reindex is the walk through the registry that fills the index: the one that is on, or the last.
type Reindex struct {
	State ReindexState
	Owner string // the process that does it
	By    string // who wanted it
	Phase string // what is done at the moment
	// Cursor is the last repository that the phase is through with.
	Cursor                                        string
	Total                                         int64 // how many repositories the registry has; 0: not known yet
	Repositories, Artifacts, Tags, Projects, Gone int64 // looked at; found; found; made; removed from the index
	Skipped                                       int64 // repositories that can't be in the index
	Notes                                         []ReindexNote
	Untagged                                      bool // manifests without a tag are found, too
	Error                                         string
	StartedAt                                     time.Time
	SeenAt                                        time.Time // when the owner was last heard of
	EndedAt                                       time.Time // zero while it is on
}

// ReindexNote is a repository that was left, and why.
type ReindexNote struct {
	Repository, Reason string
}

// MaxReindexNotes is how many notes are kept: the first.
const MaxReindexNotes = 100

// Reindexes keeps how the walk through the registry stands.
type Reindexes interface {
	// Reindex returns how it stands, the zero value if there was none.
	Reindex(ctx context.Context) (Reindex, error)
	// UpdateReindex changes how it stands, from the zero value if there was none.
	UpdateReindex(ctx context.Context, fn func(*Reindex) error) (Reindex, error)
}
