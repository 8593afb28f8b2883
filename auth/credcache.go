package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"
)

// CredentialCache remembers for a short time that a source has accepted a credential, so that a slow password hash
// runs once and not with every request. It keeps a keyed hash of the secret, never the secret; the key dies with the
// process.
type CredentialCache struct {
	next  Authenticator
	key   [32]byte
	known *otter.Cache[string, knownCredential]
	// generation counts forgettings: an answer that was under way while something was forgotten is not kept.
	generation atomic.Uint64
	asking     singleflight.Group
}

type knownCredential struct {
	mac     [sha256.Size]byte
	subject Subject
}

// NewCredentialCache wraps a source. An entry lives for at most life, which should not exceed a minute.
func NewCredentialCache(next Authenticator, life time.Duration) *CredentialCache {
	c := &CredentialCache{
		next: next,
		known: otter.Must(&otter.Options[string, knownCredential]{
			MaximumSize:      10_000,
			ExpiryCalculator: otter.ExpiryWriting[string, knownCredential](life),
		}),
	}
	rand.Read(c.key[:])
	return c
}

// Authenticate answers from memory when the same name and secret were accepted lately, and else asks the source; many
// that present the same at once share one question. A refusal is never remembered.
func (c *CredentialCache) Authenticate(ctx context.Context, cred Credential) (Subject, error) {
	name := strings.ToLower(cred.Name)
	mac := c.mac(name, cred)
	if sub, ok := c.find(name, mac); ok {
		return sub, nil
	}
	// The generation is a part of the key: whoever comes after something was forgotten gets an answer of their own.
	before := c.generation.Load()
	key := string(binary.BigEndian.AppendUint64(mac[:], before))
	answer := c.asking.DoChan(key, func() (any, error) {
		// The one who asked first may hang up; the others still wait.
		sub, err := c.next.Authenticate(context.WithoutCancel(ctx), cred)
		if err != nil {
			return Subject{}, err
		}
		c.remember(name, knownCredential{mac: mac, subject: sub}, before)
		return sub, nil
	})
	select {
	case r := <-answer:
		sub, _ := r.Val.(Subject)
		return sub, r.Err
	case <-ctx.Done():
		return Subject{}, ctx.Err()
	}
}

// Remembered returns the subject if the same name and secret were accepted lately. It asks nobody.
func (c *CredentialCache) Remembered(cred Credential) (Subject, bool) {
	name := strings.ToLower(cred.Name)
	return c.find(name, c.mac(name, cred))
}

func (c *CredentialCache) find(name string, mac [sha256.Size]byte) (Subject, bool) {
	hit, ok := c.known.GetIfPresent(name)
	if !ok || !hmac.Equal(hit.mac[:], mac[:]) {
		return Subject{}, false
	}
	return hit.subject, true
}

// remember keeps an answer unless something was forgotten while it was under way.
func (c *CredentialCache) remember(name string, known knownCredential, before uint64) {
	c.known.Set(name, known)
	if c.generation.Load() != before {
		c.known.Invalidate(name)
	}
}

// Forget drops what is known of the user with the id, as when its password, its memberships or the user itself
// changed. Names would not do: two spellings may be the same user.
func (c *CredentialCache) Forget(id int64) {
	c.ForgetIf(func(sub Subject) bool { return sub.ID == id })
}

// ForgetIf drops what is known of subjects, as when a group that they are in changed.
func (c *CredentialCache) ForgetIf(concerns func(Subject) bool) {
	c.generation.Add(1)
	for name, known := range c.known.All() {
		if concerns(known.subject) {
			c.known.Invalidate(name)
		}
	}
}

// mac binds name and secret; the length of the name is hashed too, so that no two pairs run together.
func (c *CredentialCache) mac(name string, cred Credential) (sum [sha256.Size]byte) {
	h := hmac.New(sha256.New, c.key[:])
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(name)))
	h.Write(size[:])
	h.Write([]byte(name))
	h.Write([]byte(cred.Secret.Reveal()))
	h.Sum(sum[:0])
	return sum
}
