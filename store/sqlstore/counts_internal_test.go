package sqlstore

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealock/sealock/store"
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
		got, err := c.get(t.Context(), now, 0, "q", count)
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
	got, err := c.get(t.Context(), now, 0, "q", count) // and counted behind
	if err != nil || got != countLong {
		t.Errorf("get() = %d, %v, want what was counted before", got, err)
	}
	c.behind.Wait()
	get(countLong+5, 3)

	c.tell(store.Change{Kind: store.ProjectChanged, ProjectID: 7})
	n.Store(countLong + 6)
	if got, err := c.get(t.Context(), now, 0, "q", count); err != nil || got != countLong+5 {
		t.Errorf("get() after a change = %d, %v, want what was counted before", got, err)
	}
	c.behind.Wait() // and counted behind
	get(countLong+6, 4)
	now = now.Add(countStale)
	get(countLong+6, 5)

	broken := errors.New("broken")
	now = now.Add(countStale)
	if _, err := c.get(t.Context(), now, 0, "q", func(context.Context) (int, error) { return 0, broken }); !errors.Is(err, broken) {
		t.Errorf("get() = %v, want the error", err)
	}
	get(countLong+6, 6)
	now = now.Add(countFresh)
	c.close()
	get(countLong+6, 6) // nothing is counted behind any more
}

// TestCountsOfAProject wants a list of what is in a project counted anew when it, or who is nobody's alone, changed, and not
// for the sake of another one.
func TestCountsOfAProject(t *testing.T) {
	c := newCounts()
	defer c.close()
	asked := 0
	count := func(context.Context) (int, error) { asked++; return countLong, nil }
	for _, step := range []struct {
		change store.Change
		want   int
	}{
		{store.Change{Kind: store.ProjectChanged, ProjectID: 8}, 1},
		{store.Change{Kind: store.MemberChanged, ProjectID: 8, UserID: 7}, 1},
		{store.Change{Kind: store.MemberChanged, ProjectID: 7}, 2},
		{store.Change{Kind: store.UserChanged, UserID: 3}, 3}, // its memberships may be gone
		{store.Change{Kind: store.GroupChanged, GroupID: 3}, 4},
	} {
		if step.want == 1 {
			if _, err := c.get(t.Context(), time.Time{}, 7, "q", count); err != nil {
				t.Fatal(err)
			}
		}
		c.tell(step.change)
		_, err := c.get(t.Context(), time.Time{}, 7, "q", count)
		if c.behind.Wait(); err != nil || asked != step.want {
			t.Errorf("after %+v it was counted %d times, %v, want %d", step.change, asked, err, step.want)
		}
	}
}
