package project

import (
	"context"
	"hash/maphash"
	"strings"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/clock"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// Standing is what a subject is to a project. Roles must not be changed.
type Standing struct {
	Exists bool
	Public bool
	Roles  []string // names of store.RoleNames
}

// Memberships is what a [Directory] asks of a store.
type Memberships interface {
	ProjectByName(ctx context.Context, name string) (store.Project, error)
	MemberRole(ctx context.Context, projectID, userID int64) (store.Role, error)
	Subscribe(fn func(store.Change)) (cancel func())
}

const (
	// directoryTTL is how long an answer may be used when another process changes the store; this one's changes count
	// at once.
	directoryTTL = 5 * time.Second
	// directorySize is how many answers are kept, at some 200 bytes each.
	directorySize = 1 << 16
	// directoryShards is how many counters tell apart the users, and the projects, that a change is about.
	directoryShards = 512
)

// Directory answers from memory what a subject is to a project. An answer is used only as long as neither the user nor
// the project has changed since before it was read: a membership that was taken away is gone with the very next call,
// and an answer that was on its way while it was taken away is never used.
//
// For that, an answer carries the counters of its user and its project as they stood before it was read; each change
// moves the counter on before the method that made it returns. Users and projects share counters by hash, so that there
// is nothing to grow and nothing to clean up; what is shared is at worst read once more.
type Directory struct {
	store    Memberships
	clock    clock.Clock
	cache    *otter.Cache[directoryKey, directoryEntry]
	cancel   func()
	roles    map[store.Role][]string
	seed     maphash.Seed
	users    [directoryShards]atomic.Uint64
	projects [directoryShards]atomic.Uint64
}

type directoryKey struct {
	user    int64
	project string
}

type directoryEntry struct {
	standing      Standing
	user, project uint64    // the counters
	until         time.Time // directoryTTL after it was read
}

// NewDirectory returns a Directory over the store. Close ends it.
func NewDirectory(st Memberships, c clock.Clock) *Directory {
	d := &Directory{
		store: st,
		clock: c,
		cache: otter.Must(&otter.Options[directoryKey, directoryEntry]{MaximumSize: directorySize}),
		roles: make(map[store.Role][]string),
		seed:  maphash.MakeSeed(),
	}
	for role, name := range store.RoleNames() {
		d.roles[role] = []string{name}
	}
	d.cancel = st.Subscribe(d.changed)
	return d
}

// Close lets go of the store.
func (d *Directory) Close() {
	d.cancel()
	d.cache.StopAllGoroutines()
}

// Standing returns what the subject is to the project. A project that does not exist is no error.
func (d *Directory) Standing(ctx context.Context, sub auth.Subject, project string) (Standing, error) {
	key := directoryKey{user: sub.ID, project: project}
	user, proj := d.userCounter(sub.ID), d.projectCounter(project)
	entry := directoryEntry{user: user.Load(), project: proj.Load()} // before anything is read
	now := d.clock.Now()
	if e, ok := d.cache.GetIfPresent(key); ok && e.user == entry.user && e.project == entry.project && now.Before(e.until) {
		return e.standing, nil
	}
	if !isName(project) {
		return Standing{}, nil // not worth a place in memory
	}
	standing, err := d.read(ctx, sub.ID, project)
	if err != nil {
		return Standing{}, err
	}
	entry.standing, entry.until = standing, now.Add(directoryTTL)
	key.project = strings.Clone(project) // what was asked about may be a part of a long request
	d.cache.Set(key, entry)
	return standing, nil
}

// read asks the store, by two look-ups in indexes.
func (d *Directory) read(ctx context.Context, userID int64, project string) (Standing, error) {
	p, err := d.store.ProjectByName(ctx, project)
	if errs.Is(err, errs.NotFound) {
		return Standing{}, nil
	}
	if err != nil {
		return Standing{}, err
	}
	s := Standing{Exists: true, Public: p.Public}
	if userID == 0 {
		return s, nil
	}
	role, err := d.store.MemberRole(ctx, p.ID, userID)
	if errs.Is(err, errs.NotFound) {
		return s, nil
	}
	if err != nil {
		return Standing{}, err
	}
	s.Roles = d.roles[role]
	return s, nil
}

// changed makes the answers about a user or a project invalid.
func (d *Directory) changed(c store.Change) {
	switch c.Kind {
	case store.UserChanged, store.MemberChanged:
		d.userCounter(c.UserID).Add(1)
	case store.ProjectChanged:
		d.projectCounter(c.Project).Add(1)
	}
}

func (d *Directory) userCounter(id int64) *atomic.Uint64 {
	return &d.users[uint64(id)%directoryShards] //nolint:gosec // any number will do
}

func (d *Directory) projectCounter(name string) *atomic.Uint64 {
	return &d.projects[maphash.String(d.seed, name)%directoryShards]
}

// isName reports whether a project can have this name: one component of a repository's name.
func isName(name string) bool {
	return auth.ValidRepository(name) && !strings.Contains(name, "/")
}
