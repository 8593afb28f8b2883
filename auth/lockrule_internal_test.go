package auth

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/secret"
)

func testRule() LockRule {
	return LockRule{Limit: 5, First: 10 * time.Second, Max: time.Hour, Forget: 24 * time.Hour}
}

func TestDelayDoubles(t *testing.T) {
	r := testRule()
	for failures, want := range map[int]time.Duration{
		5: 10 * time.Second, 6: 20 * time.Second, 7: 40 * time.Second, 13: 2560 * time.Second, 14: time.Hour, 15: time.Hour, 1000: time.Hour, 1 << 40: time.Hour,
	} {
		if got := r.delay(failures); got != want {
			t.Errorf("delay(%d) = %s, want %s", failures, got, want)
		}
	}
}

// Whatever comes when: nothing is locked below the limit, and as long as failures go on no lock is shorter than the one
// before it, nor ends earlier.
func TestDelayNeverShrinks(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		r := LockRule{Limit: 1 + rnd.IntN(9), First: time.Duration(1+rnd.IntN(60)) * time.Second, Forget: 24 * time.Hour}
		r.Max = r.First + time.Duration(rnd.Int64N(int64(3*time.Hour)))
		now, f := time.Unix(1e9, 0), LoginFailures{}
		last := time.Duration(0)
		for i := range 60 {
			was, counted := f.LockedUntil, f.Failures
			r.count(&f, "alice", secret.New(fmt.Sprint(i)), now)
			lock := f.LockedUntil.Sub(now)
			if i > 0 && f.Failures == counted && counted >= r.Limit {
				continue // one in 8,192 secrets passes for another one
			}
			switch {
			case i < r.Limit-1 && !f.LockedUntil.IsZero():
				t.Fatalf("seed %d: %+v locks after %d failures", seed, r, i+1)
			case f.Failures < r.Limit && f.LockedUntil.After(now):
				t.Fatalf("seed %d: %+v locks with %d failures", seed, r, f.Failures)
			case f.LockedUntil.Before(was):
				t.Fatalf("seed %d: a failure moves the end of a lock from %s to %s", seed, was, f.LockedUntil)
			case f.Failures > r.Limit && lock < last:
				t.Fatalf("seed %d: the lock after %d failures is %s, the one before it %s", seed, f.Failures, lock, last)
			}
			if f.Failures >= r.Limit {
				last = lock
			}
			// The next failure is after the lock, and before all is forgotten.
			now = now.Add(max(lock, 0) + time.Duration(rnd.Int64N(int64(8*time.Hour))))
		}
	}
}

func TestTheSameSecretCountsOnce(t *testing.T) {
	r, f, now := testRule(), LoginFailures{}, time.Unix(1e9, 0)
	for range 3 { // POST, GET, POST
		r.count(&f, "alice", secret.New("wrong"), now)
	}
	if f.Failures != 1 {
		t.Errorf("the same secret three times = %d failures, want 1", f.Failures)
	}
	for i := range 3 {
		r.count(&f, "alice", secret.New(fmt.Sprint("other", i)), now)
		r.count(&f, "alice", secret.New("wrong"), now)
	}
	if f.Failures != 4 {
		t.Errorf("four secrets, one of them again and again = %d failures, want 4", f.Failures)
	}
	r.count(&f, "bob", secret.New("wrong"), now)
	if f.Failures != 5 {
		t.Errorf("the same secret for another name = %d failures, want 5", f.Failures)
	}
}

// What is kept of wrong secrets is too little to find one by, however many there were.
func TestLittleIsKept(t *testing.T) {
	r, f, now := testRule(), LoginFailures{}, time.Unix(1e9, 0)
	for i := range 100 {
		r.count(&f, "alice", secret.New(fmt.Sprint(i)), now)
	}
	if len(f.Tags) != 16 || len(f.Salt) != 16 {
		t.Errorf("%d bytes of tags and %d of salt are kept, want 16 and 16", len(f.Tags), len(f.Salt))
	}
	other := LoginFailures{}
	r.count(&other, "alice", secret.New("99"), now)
	if string(other.Salt) == string(f.Salt) {
		t.Error("two keys have the same salt")
	}
}

func TestForgetting(t *testing.T) {
	r, now := testRule(), time.Unix(1e9, 0)
	after := func(idle time.Duration, failures int) int {
		f := LoginFailures{}
		for i := range failures {
			r.count(&f, "alice", secret.New(fmt.Sprint(i)), now)
		}
		r.count(&f, "alice", secret.New("x"), now.Add(idle))
		return f.Failures
	}
	for _, row := range []struct {
		idle     time.Duration
		failures int
		want     int
	}{
		{time.Minute, 4, 5},
		{5 * time.Hour, 4, 4},
		{10 * time.Hour, 4, 3},
		{10 * time.Hour, 1, 1},
		{23 * time.Hour, 4, 1},
		{24 * time.Hour, 4, 1},
		{23 * time.Hour, 5, 6},
		{23 * time.Hour, 9, 10},
		{24 * time.Hour, 9, 1},
		{-time.Hour, 4, 5},
	} {
		if got := after(row.idle, row.failures); got != row.want {
			t.Errorf("one more %s after %d failures = %d, want %d", row.idle, row.failures, got, row.want)
		}
	}
}
