package auth

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

// SubjectCache remembers for a short time what a [Resolver] answered, because the door asks it for each request. A
// refusal is never remembered.
type SubjectCache struct {
	next       Resolver
	known      *otter.Cache[string, Subject]
	generation atomic.Uint64 // as in CredentialCache
}

// NewSubjectCache wraps a resolver. An entry lives for at most life: that is how long another process's changes may
// take to count here.
func NewSubjectCache(next Resolver, life time.Duration) *SubjectCache {
	return &SubjectCache{next: next, known: otter.Must(&otter.Options[string, Subject]{
		MaximumSize:      10_000,
		ExpiryCalculator: otter.ExpiryWriting[string, Subject](life),
	})}
}

// Resolve answers from memory, or asks the resolver.
func (c *SubjectCache) Resolve(ctx context.Context, name string) (Subject, error) {
	if sub, ok := c.known.GetIfPresent(name); ok {
		return sub, nil
	}
	before := c.generation.Load()
	sub, err := c.next.Resolve(ctx, name)
	if err != nil {
		return Subject{}, err
	}
	c.known.Set(name, sub)
	if c.generation.Load() != before {
		c.known.Invalidate(name)
	}
	return sub, nil
}

// Forget drops what is known of the user with the id, as when it was changed or removed.
func (c *SubjectCache) Forget(id int64) {
	c.generation.Add(1)
	for name, sub := range c.known.All() {
		if sub.ID == id {
			c.known.Invalidate(name)
		}
	}
}
