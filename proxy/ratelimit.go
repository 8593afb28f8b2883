package proxy

import (
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
)

// Limits say how many manifests may be pulled in a time: by each user, and from each address by those who are not logged in.
// 0 is any number.
type Limits struct {
	User    int
	Address int
	Window  time.Duration
	Exempt  []netip.Prefix // addresses from which nothing is counted
}

// limiterSize bounds how many users and addresses are remembered, at some 200 bytes each. What was seen least is forgotten
// first, and starts anew.
const limiterSize = 1 << 16

// Limiter counts pulls as a token bucket does: the whole number at once, and then as they come back evenly over the window.
// Each process counts for itself. It is safe for concurrent use.
type Limiter struct {
	limits  Limits
	now     func() time.Time
	buckets *otter.Cache[bucketKey, *bucket]
}

// bucketKey is a user or, where that is "", an address.
type bucketKey struct{ user, address string }

// bucket is full at a time; each pull puts that off by its share of the window (the generic cell rate algorithm).
type bucket struct {
	mu     sync.Mutex
	fullAt time.Time
}

// NewLimiter returns a limiter, or nil where there is nothing to limit. Close ends it.
func NewLimiter(l Limits, now func() time.Time) *Limiter {
	if l.User <= 0 && l.Address <= 0 {
		return nil
	}
	return &Limiter{limits: l, now: now, buckets: otter.Must(&otter.Options[bucketKey, *bucket]{MaximumSize: limiterSize})}
}

// Close ends the limiter's own work.
func (l *Limiter) Close() { l.buckets.StopAllGoroutines() }

// allowance is what somebody may still pull.
type allowance struct {
	limit     int
	remaining int
	source    string        // who or what is counted
	after     time.Duration // when the next pull is let through; 0: this one was
}

// take counts a pull, or with count false only looks. ok tells whether there is a limit.
func (l *Limiter) take(sub auth.Subject, count bool) (a allowance, ok bool) {
	key, limit, source := bucketKey{user: sub.Name}, l.limits.User, sub.Name
	if sub.Anonymous() {
		source = auth.LockedAddress(sub.Remote)
		key, limit = bucketKey{address: source}, l.limits.Address
	}
	if limit <= 0 || source == "" || l.exempt(sub.Remote) {
		return allowance{}, false
	}
	b, _ := l.buckets.ComputeIfAbsent(key, func() (*bucket, bool) { return &bucket{}, false })
	if b == nil {
		b = &bucket{}
	}
	a = b.take(l.now(), l.limits.Window, limit, count)
	a.limit, a.source = limit, source
	return a, true
}

func (l *Limiter) exempt(remote string) bool {
	addr, err := netip.ParseAddr(remote)
	if err != nil {
		return false
	}
	for _, p := range l.limits.Exempt {
		if p.Contains(addr.Unmap().WithZone("")) {
			return true
		}
	}
	return false
}

func (b *bucket) take(now time.Time, window time.Duration, limit int, count bool) (a allowance) {
	b.mu.Lock()
	defer b.mu.Unlock()
	share := max(window/time.Duration(limit), 1)
	missing := max(b.fullAt.Sub(now), 0)
	if count {
		if over := missing + share - share*time.Duration(limit); over > 0 {
			a.after = over
		} else {
			missing += share
			b.fullAt = now.Add(missing)
		}
	}
	a.remaining = limit - int((missing+share-1)/share)
	return a
}

// limit counts the pull of a manifest and tells what is left, in the headers that Docker Hub tells it in. A HEAD tells, and
// costs nothing.
func (g *Gate) limit(v *visit, sub auth.Subject) error {
	get := v.Method == http.MethodGet
	if g.Limiter == nil || v.Kind != KindManifest || !get && v.Method != http.MethodHead {
		return nil
	}
	a, limited := g.Limiter.take(sub, get)
	if !limited {
		return nil
	}
	seconds := int64(g.Limiter.limits.Window / time.Second)
	h := v.w.Header()
	h.Set("Ratelimit-Limit", fmt.Sprintf("%d;w=%d", a.limit, seconds))
	h.Set("Ratelimit-Remaining", fmt.Sprintf("%d;w=%d", max(a.remaining, 0), seconds))
	h.Set("Docker-Ratelimit-Source", a.source)
	if a.after == 0 {
		return nil
	}
	hint := "wait, or log in: who is logged in is counted by name"
	if !sub.Anonymous() {
		hint = "wait, or ask an administrator of this server for more"
	}
	denial := errs.New(errs.TooMany, "%s has pulled %d images in %s, which is the limit", a.source, a.limit, ageOf(g.Limiter.limits.Window)).WithHint("%s", hint)
	denial.After = a.after
	return denial
}

func ageOf(d time.Duration) string { return d.Round(time.Second).String() }
