package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealock/sealock/internal/pki"
)

// KeyStore keeps the ring's keys between runs, the newest last.
type KeyStore interface {
	LoadKeys() ([]*Key, error)
	SaveKeys([]*Key) error
}

// KeyRingConfig says how keys are made and how long they live.
type KeyRingConfig struct {
	Algorithm   string
	CertLife    time.Duration // of a leaf certificate
	RotateEvery time.Duration // 0: by hand only
	KeepRetired time.Duration // how long a retired key still verifies: at least a token's life
	Now         func() time.Time
	Log         *slog.Logger
}

// KeyRing holds the leaf keys: the current one signs, the next one is published before it signs (for registries that
// read a JWKS file once at start), retired ones verify until their last token has ended.
type KeyRing struct {
	cfg   KeyRingConfig
	root  *pki.Root
	store KeyStore

	mu   sync.Mutex // held while the ring is changed and saved
	keys atomic.Pointer[ring]
}

// ring is an immutable view of the keys.
type ring struct {
	current, next *Key
	retired       []*Key
	byID          map[string]*Key
}

func newRing(current, next *Key, retired []*Key) *ring {
	r := &ring{current: current, next: next, retired: retired, byID: make(map[string]*Key, 2+len(retired))}
	for _, k := range r.all() {
		r.byID[k.ID] = k
	}
	return r
}

// all lists the keys, the oldest first.
func (r *ring) all() []*Key { return append(slices.Clone(r.retired), r.current, r.next) }

// OpenKeyRing loads the keys or makes the first ones. A change of the algorithm rotates at once.
func OpenKeyRing(root *pki.Root, store KeyStore, cfg KeyRingConfig) (*KeyRing, error) {
	k := &KeyRing{cfg: cfg, root: root, store: store}
	keys, err := store.LoadKeys()
	if err != nil {
		return nil, fmt.Errorf("loading token keys: %w", err)
	}
	var r *ring
	if len(keys) == 0 {
		r, err = k.first()
	} else if r, err = k.restore(keys); err == nil && r.current.Algorithm != cfg.Algorithm {
		r, err = k.rotated(r)
	}
	if err != nil {
		return nil, err
	}
	return k, k.publish(r)
}

func (k *KeyRing) first() (*ring, error) {
	current, err := k.newKey()
	if err != nil {
		return nil, err
	}
	current.ActiveAt = k.cfg.Now().UTC()
	next, err := k.newKey()
	if err != nil {
		return nil, err
	}
	return newRing(current, next, nil), nil
}

// restore sorts loaded keys into their places and makes what is missing.
func (k *KeyRing) restore(keys []*Key) (*ring, error) {
	var current, next *Key
	var retired []*Key
	for _, key := range keys {
		if err := errors.Join(key.usable(), key.prepare()); err != nil {
			return nil, err
		}
		// The root was replaced: registries trust the new one, so the leaves need its signature.
		if key.Certificate.CheckSignatureFrom(k.root.Certificate) != nil {
			if err := key.certify(k.root, k.cfg.Now(), k.cfg.CertLife); err != nil {
				return nil, err
			}
		}
		switch {
		case !key.RetiredAt.IsZero():
			retired = append(retired, key)
		case !key.ActiveAt.IsZero():
			current = key
		default:
			next = key
		}
	}
	var err error
	if next == nil {
		if next, err = k.newKey(); err != nil {
			return nil, err
		}
	}
	r := newRing(current, next, retired)
	if current == nil {
		return k.rotated(&ring{next: next, retired: retired})
	}
	return r, nil
}

func (k *KeyRing) newKey() (*Key, error) {
	return newKey(k.cfg.Algorithm, k.root, k.cfg.Now(), k.cfg.CertLife)
}

// rotated returns the ring in which the next key signs and a new one waits. A waiting key of another algorithm than
// the configured one is dropped: it never signed.
func (k *KeyRing) rotated(r *ring) (*ring, error) {
	now := k.cfg.Now().UTC()
	next := r.next
	var err error
	if next.Algorithm != k.cfg.Algorithm {
		if next, err = k.newKey(); err != nil {
			return nil, err
		}
	}
	current := *next
	current.ActiveAt = now
	if err := current.certify(k.root, now, k.cfg.CertLife); err != nil {
		return nil, err
	}
	waiting, err := k.newKey()
	if err != nil {
		return nil, err
	}
	retired := r.retired
	if r.current != nil {
		old := *r.current
		old.RetiredAt = now
		retired = append(slices.Clone(retired), &old)
	}
	return newRing(&current, waiting, retired), nil
}

// publish saves the ring and then lets it sign: a key that could not be kept never signs.
func (k *KeyRing) publish(r *ring) error {
	if err := k.store.SaveKeys(r.all()); err != nil {
		return fmt.Errorf("saving token keys: %w", err)
	}
	k.keys.Store(r)
	return nil
}

// Rotate lets the next key sign from now on and returns its id. Tokens of the old key stay good until their end.
func (k *KeyRing) Rotate(context.Context) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, err := k.rotated(k.keys.Load())
	if err != nil {
		return "", err
	}
	if err := k.publish(r); err != nil {
		return "", err
	}
	k.cfg.Log.Info("token key rotated", "kid", r.current.ID, "algorithm", r.current.Algorithm)
	return r.current.ID, nil
}

// Keys lists the ring, the oldest first.
func (k *KeyRing) Keys() []Key {
	all := k.keys.Load().all()
	keys := make([]Key, len(all))
	for i, key := range all {
		keys[i] = *key
	}
	return keys
}

// PublicKeys lists the keys whose tokens may be in use now or next, the current one first.
func (k *KeyRing) PublicKeys(context.Context) ([]PublicKey, error) {
	r := k.keys.Load()
	keys := []PublicKey{r.current.public(), r.next.public()}
	for _, old := range r.retired {
		keys = append(keys, old.public())
	}
	return keys, nil
}

// Maintain does what is due: rotates on schedule, renews certificates in the last third of their life, forgets keys
// whose tokens have ended.
func (k *KeyRing) Maintain() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.cfg.Now()
	r := k.keys.Load()
	if k.cfg.RotateEvery > 0 && now.Sub(r.current.ActiveAt) >= k.cfg.RotateEvery {
		next, err := k.rotated(r)
		if err != nil {
			return err
		}
		k.cfg.Log.Info("token key rotated on schedule", "kid", next.current.ID)
		return k.publish(next)
	}
	next, changed, err := k.renewed(r, now)
	if err != nil || !changed {
		return err
	}
	return k.publish(next)
}

// renewed returns the ring with fresh certificates and without keys that nothing needs any more.
func (k *KeyRing) renewed(r *ring, now time.Time) (*ring, bool, error) {
	changed := false
	keep := func(key *Key) (*Key, error) {
		life := key.Certificate.NotAfter.Sub(key.Certificate.NotBefore)
		if key.Certificate.NotAfter.Sub(now) > life/3 {
			return key, nil
		}
		changed = true
		fresh := *key
		k.cfg.Log.Info("certificate of token key renewed", "kid", key.ID)
		return &fresh, fresh.certify(k.root, now, k.cfg.CertLife)
	}
	current, err := keep(r.current)
	if err != nil {
		return nil, false, err
	}
	next, err := keep(r.next)
	if err != nil {
		return nil, false, err
	}
	retired := slices.DeleteFunc(slices.Clone(r.retired), func(old *Key) bool {
		return now.Sub(old.RetiredAt) > k.cfg.KeepRetired
	})
	changed = changed || len(retired) != len(r.retired)
	return newRing(current, next, retired), changed, nil
}

// Run maintains the ring until ctx ends.
func (k *KeyRing) Run(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := k.Maintain(); err != nil {
				k.cfg.Log.Error("maintaining token keys", "error", err)
			}
		}
	}
}
