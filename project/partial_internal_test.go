package project

import (
	"context"
	"fmt"
	"iter"
	"testing"

	"github.com/sealock/sealock/store"
)

// numbers are records 1 to n, of which the caller sees those that a divisor divides. looked counts how many were looked at.
func numbers(n, divisor int64, looked *int) records[int64] {
	return records[int64]{
		list: func(_ context.Context, f store.IndexFilter) iter.Seq2[int64, error] {
			return func(yield func(int64, error) bool) {
				for i := f.After + 1; i <= n; i++ {
					if *looked++; !yield(i, nil) {
						return
					}
				}
			}
		},
		count: func(context.Context, store.IndexFilter) (int, error) { return int(n), nil },
		find:  func(_ context.Context, id int64) (int64, error) { return id, nil },
		id:    func(i int64) int64 { return i },
		may:   func(i int64) (bool, error) { return i%divisor == 0, nil },
	}
}

// TestPartialPages pages through what a caller sees of more than there is: nothing is left out, nothing else is counted, and
// no more is looked at than for the count and the page.
func TestPartialPages(t *testing.T) {
	for _, tt := range []struct {
		n, divisor    int64
		offset, limit int
		after         int64
		want          string // items, total, last
		most          int    // that may be looked at
	}{
		{20, 3, 0, 2, 0, "[3 6] 6 6", 20 + 6},
		{20, 3, 2, 2, 0, "[9 12] 6 12", 20 + 12},
		{20, 3, 2, 2, 6, "[9 12] 6 12", 20 + 6},
		{20, 3, 2, 2, 7, "[9 12] 6 12", 20 + 12}, // 7 is hidden: the number counts
		{20, 3, 4, 4, 0, "[15 18] 6 18", 20 + 18},
		{20, 3, 6, 2, 0, "[] 6 0", 20},
		{20, 30, 0, 10, 0, "[] 0 0", 20},
		{mostCounted - 1, 5000, 0, 10, 0, "[5000] 1 5000", mostCounted + 5000},
		{3 * mostCounted, 5000, 0, 2, 0, "[5000 10000] 3 10000", 2 * mostCounted}, // at least one more, nobody knows how many
		{3 * mostCounted, 5000, 4, 10, 0, "[25000 30000] 6 30000", 4 * mostCounted},
		{3 * mostCounted, 1, 0, 2, 0, "[1 2] 10000 2", mostCounted + 2},
	} {
		name := fmt.Sprintf("%d of which each %dth is seen, from %d or after %d at most %d", tt.n, tt.divisor, tt.offset, tt.after, tt.limit)
		looked := 0
		l, err := numbers(tt.n, tt.divisor, &looked).page(t.Context(), store.IndexFilter{Offset: tt.offset, Limit: tt.limit, After: tt.after}, part{everywhere: true})
		if got := fmt.Sprint(l.Items, l.Total, l.Last); err != nil || got != tt.want {
			t.Errorf("page of %s = %s, %v, want %s", name, got, err, tt.want)
		}
		if looked > tt.most {
			t.Errorf("page of %s looked at %d, want at most %d", name, looked, tt.most)
		}
	}
}
