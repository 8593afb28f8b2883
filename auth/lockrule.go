package auth

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"time"

	"github.com/sealock/sealock/internal/secret"
)

// LockRule says when failed logins lock, and for how long.
type LockRule struct {
	Limit  int           // so many failures lock; 0: never
	First  time.Duration // the first lock; each failure after it doubles it
	Max    time.Duration // no lock is longer
	Forget time.Duration // after so long without a failure all are forgotten
}

// count adds a failure with a secret. The same wrong secret again is no second one: docker push sends each up to three
// times, and a CI job whose password was changed for as long as it runs.
//
// Below the limit failures are forgiven one by one as time goes by, so that the typing errors of a week never add up.
// From the limit on nothing but [LockRule.Forget] without a failure helps: whoever goes on waits longer and longer.
func (r LockRule) count(f *LoginFailures, name string, key secret.Text, now time.Time) {
	if f.Failures > 0 && !now.Before(f.LastAt.Add(r.Forget)) {
		*f = LoginFailures{LockKey: f.LockKey}
	}
	if f.repeats(name, key) {
		return
	}
	if f.Failures < r.Limit {
		f.Failures -= r.forgiven(now.Sub(f.LastAt), f.Failures)
	}
	if f.Failures == 0 {
		f.FirstAt = now
	}
	f.Failures++
	f.LastAt = latest(f.LastAt, now)
	f.remember(name, key)
	if until := now.Add(r.delay(f.Failures)); r.locks(f.Failures) && until.After(f.LockedUntil) {
		f.LockedUntil = until
	}
}

func (r LockRule) locks(failures int) bool { return r.Limit > 0 && failures >= r.Limit }

// forgiven is how many of n failures are over after a time without one.
func (r LockRule) forgiven(idle time.Duration, n int) int {
	if r.Limit <= 0 || idle <= 0 {
		return 0
	}
	each := max(r.Forget/time.Duration(r.Limit), 1)
	return min(n, int(idle/each))
}

// delay is how long so many failures lock: 2^(failures - limit) times the first lock.
func (r LockRule) delay(failures int) time.Duration {
	doublings := max(failures-r.Limit, 0)
	if r.First <= 0 || r.First >= r.Max || doublings >= bits.Len64(uint64(r.Max/r.First)) { //nolint:gosec // both are above zero
		return r.Max
	}
	return min(r.First<<doublings, r.Max)
}

// Tags tell whether a wrong secret was presented before.
const (
	tagSize  = 2 // bytes
	keptTags = 8
	saltSize = 16
)

// secretTag is the first 16 bits of a salted SHA-256 of name and secret. That is enough to tell a repetition: another
// secret passes for one of the eight in one of 8,192 cases, and is then one guess for nothing. It is useless to find a
// secret by: of all guesses that somebody may make who has read the database, one in 65,536 fits each tag, and what it
// stands for was wrong anyway. It must not be made longer, and no more of the secret may be kept.
func secretTag(salt []byte, name string, key secret.Text) []byte {
	h := sha256.New()
	h.Write(salt)
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(name)))
	h.Write(size[:])
	h.Write([]byte(name))
	h.Write([]byte(key.Reveal()))
	return h.Sum(nil)[:tagSize]
}

// repeats reports whether the secret is one of those that were counted last.
func (f *LoginFailures) repeats(name string, key secret.Text) bool {
	if f.Failures == 0 || len(f.Salt) == 0 {
		return false
	}
	tag := secretTag(f.Salt, name, key)
	for i := 0; i+tagSize <= len(f.Tags); i += tagSize {
		if bytes.Equal(f.Tags[i:i+tagSize], tag) {
			return true
		}
	}
	return false
}

func (f *LoginFailures) remember(name string, key secret.Text) {
	if len(f.Salt) == 0 {
		f.Salt = make([]byte, saltSize)
		rand.Read(f.Salt) // crypto/rand never fails (Go 1.24)
	}
	tags := append(bytes.Clone(f.Tags), secretTag(f.Salt, name, key)...)
	f.Tags = tags[max(0, len(tags)-keptTags*tagSize):]
}

// known reports whether a failure with the secret is counted already and would change nothing.
func (r LockRule) known(f LoginFailures, name string, key secret.Text, now time.Time) bool {
	return now.Before(f.LastAt.Add(r.Forget)) && f.repeats(name, key)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
