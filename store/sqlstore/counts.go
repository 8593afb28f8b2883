package sqlstore

import (
	"context"
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/sealock/sealock/store"
)

// To count is to read everything, so that the first page of a long list would cost more with each row that is added. What
// was counted is used again for a while therefore, where it is so much that nobody counts after: for countFresh as it is,
// until countStale while it is counted anew behind. What [Store.Subscribe] tells of makes it count at once; artifacts,
// tags and audit records come too often for that.
const (
	countLong  = 1000 // what is shorter is counted each time
	countFresh = 5 * time.Second
	countStale = time.Minute
	countTime  = time.Minute // for one count behind
	countKept  = 4096        // how many are remembered

	countShards = 256
)

// counts remembers how many rows queries let through. Its owner closes it.
type counts struct {
	known    *otter.Cache[queryKey, counted]
	changed  atomic.Uint64              // moves on with each change that is told
	projects [countShards]atomic.Uint64 // move on with what is told of projects; several share one
	others   atomic.Uint64              // moves on with all the rest
	busy     sync.Map                   // queries that are counted anew
	ctx      context.Context            //nolint:containedctx // ends what runs behind
	stop     context.CancelFunc
	behind   sync.WaitGroup
	stopping sync.Mutex // so that nothing is added to behind while it is waited for
}

// queryKey stands for a query: a client decides how long some of them are.
type queryKey [sha256.Size]byte

type counted struct {
	n       int
	at      time.Time
	changed uint64
}

func newCounts() *counts {
	c := &counts{known: otter.Must(&otter.Options[queryKey, counted]{MaximumSize: countKept})}
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c
}

func (c *counts) close() {
	c.stopping.Lock()
	c.stop()
	c.stopping.Unlock()
	c.behind.Wait()
	c.known.StopAllGoroutines()
}

// tell notes a change.
func (c *counts) tell(change store.Change) {
	c.changed.Add(1)
	if change.ProjectID != 0 {
		c.shard(change.ProjectID).Add(1)
	} else {
		c.others.Add(1)
	}
}

func (c *counts) shard(project int64) *atomic.Uint64 {
	return &c.projects[uint64(project)%countShards] //nolint:gosec // any number will do
}

// seen says what has been told that a list of what is in a project, or in any (0), depends on. Neither counter ever falls.
func (c *counts) seen(project int64) uint64 {
	if project == 0 {
		return c.changed.Load()
	}
	return c.shard(project).Load() + c.others.Load()
}

// get returns what the query counts, or counted when it was asked last. What it counts is in the project, or in any (0).
func (c *counts) get(ctx context.Context, now time.Time, project int64, query string, count func(context.Context) (int, error)) (int, error) {
	seen := c.seen(project)                                    // before anything is read
	if n, ok := c.remembered(now, project, query, count); ok { //nolint:contextcheck // whoever asked does not wait for what goes on behind
		return n, nil
	}
	n, err := count(ctx)
	c.keep(keyOf(query), counted{n, now, seen}, err)
	return n, err
}

// remembered returns what the query counted when it was asked last, if that is still good.
func (c *counts) remembered(now time.Time, project int64, query string, count func(context.Context) (int, error)) (int, bool) {
	key, seen := keyOf(query), c.seen(project)
	last, ok := c.known.GetIfPresent(key)
	age := now.Sub(last.at)
	if !ok || last.changed != seen || age >= countStale {
		return 0, false
	}
	if age >= countFresh {
		c.refresh(key, now, seen, count)
	}
	return last.n, true
}

func keyOf(query string) queryKey { return sha256.Sum256([]byte(query)) }

func (c *counts) keep(query queryKey, n counted, err error) {
	if err == nil && n.n >= countLong {
		c.known.Set(query, n)
	} else {
		c.known.Invalidate(query)
	}
}

// refresh counts behind, unless somebody does already.
func (c *counts) refresh(query queryKey, now time.Time, seen uint64, count func(context.Context) (int, error)) {
	c.stopping.Lock()
	defer c.stopping.Unlock()
	if c.ctx.Err() != nil {
		return
	}
	if _, running := c.busy.LoadOrStore(query, true); running {
		return
	}
	c.behind.Go(func() {
		defer c.busy.Delete(query)
		ctx, cancel := context.WithTimeout(c.ctx, countTime)
		defer cancel()
		n, err := count(ctx)
		c.keep(query, counted{n, now, seen}, err)
	})
}
