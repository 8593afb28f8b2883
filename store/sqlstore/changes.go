package sqlstore

import (
	"maps"
	"slices"
	"sync"

	"github.com/sealock/sealock/store"
)

// changes tells subscribers what was changed. The zero value is ready.
type changes struct {
	mu   sync.RWMutex
	next int
	subs map[int]func(store.Change)
}

// Subscribe calls fn after each change until cancel is called.
func (s *Store) Subscribe(fn func(store.Change)) (cancel func()) {
	c := &s.changes
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.subs == nil {
		c.subs = make(map[int]func(store.Change))
	}
	c.next++
	id := c.next
	c.subs[id] = fn
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.subs, id)
	}
}

// publish tells everybody, in the order of subscription and outside of the lock, so that a subscriber may cancel.
func (c *changes) publish(change store.Change) {
	c.mu.RLock()
	ids := slices.Sorted(maps.Keys(c.subs))
	fns := make([]func(store.Change), len(ids))
	for i, id := range ids {
		fns[i] = c.subs[id]
	}
	c.mu.RUnlock()
	for _, fn := range fns {
		fn(change)
	}
}
