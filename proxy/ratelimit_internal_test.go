package proxy

import (
	"fmt"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
)

// However many addresses there are, only so many are remembered, and who pulls all the time does not start anew for it.
func TestLimiterIsBounded(t *testing.T) {
	start := time.Now()
	l := NewLimiter(Limits{User: 100, Address: 100, Window: time.Hour}, func() time.Time { return start })
	defer l.Close()
	busy := auth.Subject{Name: "alice", Remote: "192.0.2.1"}
	for range 90 {
		l.take(busy, true)
	}
	for n := range 2 * limiterSize {
		l.take(auth.Subject{Remote: fmt.Sprintf("10.%d.%d.%d", n>>16, n>>8&255, n&255)}, true)
		if n%1000 == 0 {
			l.take(busy, false)
		}
	}
	l.buckets.CleanUp()
	if n := l.buckets.EstimatedSize(); n > limiterSize {
		t.Errorf("%d users and addresses are remembered, want %d at most", n, limiterSize)
	}
	if a, ok := l.take(busy, false); !ok || a.remaining != 10 {
		t.Errorf("who has pulled 90 of 100 has %d left, want 10", a.remaining)
	}
}
