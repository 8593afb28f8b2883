package sqlstore

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

// TestCounts wants short lists counted each time, and long ones now and then: behind, while the last answer is used.
func TestCounts(t *testing.T) {
	c := newCounts()
	now := time.Unix(1_900_000_000, 0)
	var asked atomic.Int64
	var n atomic.Int64
	count := func(context.Context) (int, error) { asked.Add(1); return int(n.Load()), nil }
	get := func(wantN, wantAsked int) {
		t.Helper()
		got, err := c.get(t.Context(), now, "q", count)
		if err != nil || got != wantN || int(asked.Load()) != wantAsked {
			t.Errorf("get() = %d, %v after %d counts, want %d after %d", got, err, asked.Load(), wantN, wantAsked)
		}
	}
	n.Store(countLong - 1)
	get(countLong-1, 1)
	n.Store(countLong)
	get(countLong, 2)
	n.Store(countLong + 5)
	get(countLong, 2) // used again

	now = now.Add(countFresh)
	got, err := c.get(t.Context(), now, "q", count) // and counted behind
	if err != nil || got != countLong {
		t.Errorf("get() = %d, %v, want what was counted before", got, err)
	}
	c.behind.Wait()
	get(countLong+5, 3)

	c.changed.Add(1) // somebody was told of a change
	n.Store(countLong + 6)
	get(countLong+6, 4)
	now = now.Add(countStale)
	get(countLong+6, 5)

	broken := errors.New("broken")
	now = now.Add(countStale)
	if _, err := c.get(t.Context(), now, "q", func(context.Context) (int, error) { return 0, broken }); !errors.Is(err, broken) {
		t.Errorf("get() = %v, want the error", err)
	}
	get(countLong+6, 6)
	now = now.Add(countFresh)
	c.close()
	get(countLong+6, 6) // nothing is counted behind any more
}
