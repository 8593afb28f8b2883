package auth

import (
	"context"
	"sync"
)

// turnstile lets so many through at once for each key, and the others wait. Without it all guesses that come at the
// same moment would be looked at before the first of them is counted.
type turnstile struct {
	mu   sync.Mutex
	keys map[string]*passage
}

type passage struct {
	places chan struct{}
	users  int // who is inside or waits
}

// enter waits for a place. leave must be called once it is taken.
func (t *turnstile) enter(ctx context.Context, key string, places int) (leave func(), err error) {
	p := t.passage(key, places)
	select {
	case p.places <- struct{}{}:
		return func() { <-p.places; t.done(key, p) }, nil
	case <-ctx.Done():
		t.done(key, p)
		return nil, ctx.Err()
	}
}

func (t *turnstile) passage(key string, places int) *passage {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.keys == nil {
		t.keys = map[string]*passage{}
	}
	p := t.keys[key]
	if p == nil {
		p = &passage{places: make(chan struct{}, places)}
		t.keys[key] = p
	}
	p.users++
	return p
}

func (t *turnstile) done(key string, p *passage) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.users--; p.users == 0 {
		delete(t.keys, key)
	}
}
