package project

import (
	"context"
	"encoding/binary"
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
	Roles  []string  // names as the policy file has them, the strongest first: its own role and those of its groups
	Some   []Limited // roles that are for some repositories only
	Since  time.Time // when the project was made: another one may have had the name before
	Now    string    // what the project is called now, if it was renamed since; else ""

	pulls *pullRules // what nobody may pull; nil for nothing
}

// Limited is a role that is for the repositories that match one of the patterns, which are held against what follows the
// project in a repository's name.
type Limited struct {
	Role string
	Only []string
}

// Memberships is what a [Directory] asks of a store.
type Memberships interface {
	ProjectByName(ctx context.Context, name string) (store.Project, error)
	ProjectByFormerName(ctx context.Context, name string) (store.Project, error)
	MemberRoles(ctx context.Context, projectID, userID int64, groupIDs []int64) ([]store.MemberRole, error)
	Group(ctx context.Context, id int64) (store.Group, error)
	Subscribe(fn func(store.Change)) (cancel func())
}

const (
	// directoryTTL is how long an answer may be used when another process changes the store; this one's changes count
	// at once.
	directoryTTL = 5 * time.Second
	// directorySize is how many answers are kept, at some 200 bytes each.
	directorySize = 1 << 16
	// directoryShards is how many counters tell apart the users, the groups, and the projects, that a change is about.
	directoryShards = 512
)

// Directory answers from memory what a subject is to a project. An answer is used only as long as neither the user nor
// its groups nor the project have changed since before it was read: a membership that was taken away is gone with the
// very next call, and an answer that was on its way while it was taken away is never used.
//
// For that, an answer carries the counters of its user, its groups and its project as they stood before it was read;
// each change moves the counter on before the method that made it returns. Users, groups and projects share counters by
// hash, so that there is nothing to grow and nothing to clean up; what is shared is at worst read once more. In which
// groups a subject is, the subject says: an answer is for those alone.
type Directory struct {
	store    Memberships
	clock    clock.Clock
	cache    *otter.Cache[directoryKey, directoryEntry]
	cancel   func()
	roles    map[store.Role][]string
	seed     maphash.Seed
	users    [directoryShards]atomic.Uint64
	groups   [directoryShards]atomic.Uint64
	projects [directoryShards]atomic.Uint64
}

type directoryKey struct {
	user    int64
	groups  string // their ids
	project string
}

type directoryEntry struct {
	standing              Standing
	user, groups, project uint64    // the counters; for the groups their sum, because none of them ever falls
	until                 time.Time // directoryTTL after it was read
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

// Standing returns what the subject is to the project that has the name or, if none has, had it. A project that does not
// exist is no error.
func (d *Directory) Standing(ctx context.Context, sub auth.Subject, project string) (Standing, error) {
	s, err := d.named(ctx, sub, project)
	for renames := 0; err == nil && s.Now != "" && renames < mostRenames; renames++ {
		now := s.Now
		if s, err = d.named(ctx, sub, now); s.Now == "" {
			s.Now = now
			return s, err
		}
	}
	if s.Now != "" {
		return Standing{}, err // it is being renamed all the time
	}
	return s, err
}

// mostRenames is how many steps are followed that other processes may not have seen the last of yet.
const mostRenames = 4

// named returns what the subject is to the project that has the name. Of one that had it, it says the name of now alone.
func (d *Directory) named(ctx context.Context, sub auth.Subject, project string) (Standing, error) {
	key := directoryKey{user: sub.ID, groups: packed(sub.GroupIDs), project: project}
	user, proj := d.userCounter(sub.ID), d.projectCounter(project)
	entry := directoryEntry{user: user.Load(), groups: d.groupCounters(sub.GroupIDs), project: proj.Load()} // before anything is read
	now := d.clock.Now()
	if e, ok := d.cache.GetIfPresent(key); ok && e.same(entry) && now.Before(e.until) {
		return e.standing, nil
	}
	if !isName(project) {
		return Standing{}, nil // not worth a place in memory
	}
	standing, err := d.read(ctx, sub, project)
	if err != nil {
		return Standing{}, err
	}
	entry.standing, entry.until = standing, now.Add(directoryTTL)
	key.project = strings.Clone(project) // what was asked about may be a part of a long request
	d.cache.Set(key, entry)
	return standing, nil
}

// Known returns what the project that has the name, or had it, is called now, and when it was made; "" if there is none.
func (d *Directory) Known(ctx context.Context, project string) (name string, since time.Time, err error) {
	s, err := d.Standing(ctx, auth.Subject{}, project)
	switch {
	case err != nil || !s.Exists:
		return "", time.Time{}, err
	case s.Now != "":
		return s.Now, s.Since, nil
	}
	return project, s.Since, nil
}

// same reports whether nothing has changed between two readings of the counters.
func (e directoryEntry) same(other directoryEntry) bool {
	return e.user == other.user && e.groups == other.groups && e.project == other.project
}

// packed writes ids as the part of a key. Who is in no group costs nothing.
func packed(ids []int64) string {
	if len(ids) == 0 {
		return ""
	}
	b := make([]byte, 0, 3*len(ids))
	for _, id := range ids {
		b = binary.AppendVarint(b, id)
	}
	return string(b)
}

// read asks the store, by look-ups in indexes.
func (d *Directory) read(ctx context.Context, sub auth.Subject, project string) (Standing, error) {
	p, err := d.store.ProjectByName(ctx, project)
	if errs.Is(err, errs.NotFound) {
		return d.renamed(ctx, project)
	}
	if err != nil {
		return Standing{}, err
	}
	s := Standing{Exists: true, Public: p.Public, Since: p.CreatedAt, pulls: pullRulesOf(p.Metadata)}
	if sub.ID == 0 && len(sub.GroupIDs) == 0 {
		return s, nil
	}
	roles, err := d.store.MemberRoles(ctx, p.ID, sub.ID, sub.GroupIDs)
	if err != nil {
		return Standing{}, err
	}
	s.Roles, s.Some = d.parted(roles)
	return s, nil
}

func (d *Directory) renamed(ctx context.Context, project string) (Standing, error) {
	p, err := d.store.ProjectByFormerName(ctx, project)
	if errs.Is(err, errs.NotFound) {
		return Standing{}, nil
	}
	return Standing{Now: p.Name}, err
}

// Origin is a role in a project, and where a subject has it from.
type Origin struct{ Role, From string }

// Origins says where the roles of a subject in a project come from: the member list itself, or groups in it. It asks the
// store anew, and is for explanations only.
func (d *Directory) Origins(ctx context.Context, sub auth.Subject, project string) ([]Origin, error) {
	p, err := d.store.ProjectByName(ctx, project)
	if errs.Is(err, errs.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	own, err := d.store.MemberRoles(ctx, p.ID, sub.ID, nil)
	if err != nil {
		return nil, err
	}
	origins := d.originsOf(own, "member list")
	for _, id := range sub.GroupIDs {
		roles, err := d.store.MemberRoles(ctx, p.ID, 0, []int64{id})
		if err != nil || len(roles) == 0 {
			if err != nil {
				return nil, err
			}
			continue
		}
		group, err := d.store.Group(ctx, id)
		if err != nil {
			return nil, err
		}
		origins = append(origins, d.originsOf(roles, "group "+group.Name)...)
	}
	return origins, nil
}

func (d *Directory) originsOf(roles []store.MemberRole, from string) []Origin {
	var origins []Origin
	for _, r := range roles {
		origin := Origin{r.Name(), from}
		if only := r.Only.List(); only != nil {
			origin.From += ", for " + strings.Join(only, ", ") + " alone"
		}
		origins = append(origins, origin)
	}
	return origins
}

// parted returns the names of the roles that are for the whole project, and those that are for some of its repositories.
// Most have one role of Harbor's or none, and share its list.
func (d *Directory) parted(roles []store.MemberRole) (names []string, some []Limited) {
	if len(roles) == 1 && roles[0].Only == "" && roles[0].Custom == "" {
		return d.roles[roles[0].Role], nil
	}
	for _, r := range roles {
		if only := r.Only.List(); only != nil {
			some = append(some, Limited{Role: r.Name(), Only: only})
		} else {
			names = append(names, r.Name())
		}
	}
	return names, some
}

// changed makes the answers about a user, a group or a project invalid.
func (d *Directory) changed(c store.Change) {
	switch c.Kind {
	case store.UserChanged, store.MemberChanged, store.GroupChanged:
		if c.UserID != 0 {
			d.userCounter(c.UserID).Add(1)
		}
		if c.GroupID != 0 {
			d.groupCounter(c.GroupID).Add(1)
		}
	case store.ProjectChanged:
		d.projectCounter(c.Project).Add(1)
	case store.RobotChanged, store.PersonalAccessTokenChanged: // nothing here is about them
	}
}

func (d *Directory) groupCounter(id int64) *atomic.Uint64 {
	return &d.groups[uint64(id)%directoryShards] //nolint:gosec // any number will do
}

func (d *Directory) groupCounters(ids []int64) (sum uint64) {
	for _, id := range ids {
		sum += d.groupCounter(id).Load()
	}
	return sum
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
