package auth

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

// SubjectCache remembers for a short time what a [Holders] answered, because the door asks it for each request. A
// refusal is never remembered.
type SubjectCache struct {
	next       Holders
	known      *otter.Cache[holder, Subject]
	generation atomic.Uint64 // as in CredentialCache
}

// holder is what a token says of who holds it.
type holder struct{ name, via string }

// NewSubjectCache wraps what it remembers the answers of. An entry lives for at most life: that is how long another process's changes may
// take to count here.
func NewSubjectCache(next Holders, life time.Duration) *SubjectCache {
	return &SubjectCache{next: next, known: otter.Must(&otter.Options[holder, Subject]{
		MaximumSize:      10_000,
		ExpiryCalculator: otter.ExpiryWriting[holder, Subject](life),
	})}
}

// Holder answers from memory, or asks.
func (c *SubjectCache) Holder(ctx context.Context, name, via string) (Subject, error) {
	key := holder{name, via}
	if sub, ok := c.known.GetIfPresent(key); ok {
		return sub, nil
	}
	before := c.generation.Load()
	sub, err := c.next.Holder(ctx, name, via)
	if err != nil {
		return Subject{}, err
	}
	c.known.Set(key, sub)
	if c.generation.Load() != before {
		c.known.Invalidate(key)
	}
	return sub, nil
}

// Forget drops what is known of the user with the id, as when it was changed or removed.
func (c *SubjectCache) Forget(id int64) {
	c.forget(func(_ holder, sub Subject) bool { return sub.ID == id })
}

// ForgetName drops what is known of the subject of that name, as when a robot account was changed.
func (c *SubjectCache) ForgetName(name string) {
	c.forget(func(h holder, sub Subject) bool { return h.name == name || sub.Name == name })
}

// ForgetVia drops what is known of who acts by a credential, as when it was revoked.
func (c *SubjectCache) ForgetVia(via string) {
	c.forget(func(h holder, _ Subject) bool { return h.via == via })
}

// ForgetIf drops what is known of subjects, as when a group that they are in changed.
func (c *SubjectCache) ForgetIf(concerns func(Subject) bool) {
	c.forget(func(_ holder, sub Subject) bool { return concerns(sub) })
}

// ForgetAll drops everything, as when a change may concern anybody.
func (c *SubjectCache) ForgetAll() { c.forget(func(holder, Subject) bool { return true }) }

func (c *SubjectCache) forget(which func(holder, Subject) bool) {
	c.generation.Add(1)
	for h, sub := range c.known.All() {
		if which(h, sub) {
			c.known.Invalidate(h)
		}
	}
}
