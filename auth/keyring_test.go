package auth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/pki"
)

func openRing(t *testing.T, root *pki.Root, path string, cfg auth.KeyRingConfig) *auth.KeyRing {
	t.Helper()
	ring, err := auth.OpenKeyRing(root, auth.KeyFile{Path: path}, cfg)
	if err != nil {
		t.Fatalf("OpenKeyRing: %v", err)
	}
	return ring
}

// find returns the ring's current and next key.
func find(t *testing.T, ring *auth.KeyRing) (current, next auth.Key) {
	t.Helper()
	for _, k := range ring.Keys() {
		switch {
		case k.RetiredAt.IsZero() && !k.ActiveAt.IsZero():
			current = k
		case k.ActiveAt.IsZero():
			next = k
		}
	}
	if current.ID == "" || next.ID == "" {
		t.Fatal("the ring has no current or no next key")
	}
	return current, next
}

func TestKeyRingSurvivesRestart(t *testing.T) {
	c := newClock()
	root, err := pki.NewRoot("root", c.Now(), 365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir() + "/keys.json"
	for _, algorithm := range []string{auth.ES256, auth.RS256, auth.EdDSA} {
		ring := openRing(t, root, path, ringConfig(c, algorithm))
		current, next := find(t, ring)
		if current.Algorithm != algorithm || next.Algorithm != algorithm {
			t.Errorf("OpenKeyRing(%s) has keys for %s and %s", algorithm, current.Algorithm, next.Algorithm)
		}
		again, _ := find(t, openRing(t, root, path, ringConfig(c, algorithm)))
		if again.ID != current.ID {
			t.Errorf("OpenKeyRing(%s) again signs with %s, want %s", algorithm, again.ID, current.ID)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key file has mode %v (%v), want 0600", info.Mode(), err)
	}
}

func TestRotatePromotesTheNextKey(t *testing.T) {
	w := newWorld(t)
	old, next := find(t, w.ring)
	id, err := w.ring.Rotate(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	current, _ := find(t, w.ring)
	if id != next.ID || current.ID != next.ID {
		t.Errorf("Rotate() = %s and signs with %s, want the published next key %s", id, current.ID, next.ID)
	}
	keys, err := w.tokens.PublicKeys(context.Background())
	if err != nil || len(keys) != 3 || keys[2].ID != old.ID {
		t.Errorf("PublicKeys() = %v, %v, want three keys with the old one last", keys, err)
	}
}

func TestOldTokensOutliveARotation(t *testing.T) {
	w := newWorld(t)
	token := w.login(t, "svc")
	if _, err := w.ring.Rotate(context.Background()); err != nil {
		t.Fatal(err)
	}
	// Another replica has not seen the token before.
	fresh := auth.NewTokens(w.ring, "test-issuer", w.clock.Now)
	if _, err := fresh.Verify(context.Background(), token, "svc"); err != nil {
		t.Errorf("Verify(token of the old key) = %v, want none", err)
	}
	w.clock.Advance(11 * time.Minute)
	if err := w.ring.Maintain(); err != nil {
		t.Fatal(err)
	}
	if n := len(w.ring.Keys()); n != 2 {
		t.Errorf("the ring has %d keys after the old one's time, want 2", n)
	}
}

func TestMaintainRotatesAndRenews(t *testing.T) {
	c := newClock()
	root, err := pki.NewRoot("root", c.Now(), 20*365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	cfg := ringConfig(c, auth.ES256)
	ring := openRing(t, root, t.TempDir()+"/keys.json", cfg)
	first, _ := find(t, ring)
	c.Advance(29 * 24 * time.Hour)
	maintain(t, ring)
	if now, _ := find(t, ring); now.ID != first.ID {
		t.Error("Maintain() rotated before its time")
	}
	c.Advance(2 * 24 * time.Hour)
	maintain(t, ring)
	if now, _ := find(t, ring); now.ID == first.ID {
		t.Error("Maintain() did not rotate on schedule")
	}

	cfg.RotateEvery = 0
	ring = openRing(t, root, t.TempDir()+"/keys.json", cfg)
	before, _ := find(t, ring)
	c.Advance(61 * 24 * time.Hour)
	maintain(t, ring)
	after, _ := find(t, ring)
	if after.ID != before.ID || !after.Certificate.NotAfter.After(before.Certificate.NotAfter) {
		t.Errorf("Maintain() leaves key %s with a certificate to %s, want the same key with a later one than %s", after.ID, after.Certificate.NotAfter, before.Certificate.NotAfter)
	}
}

func maintain(t *testing.T, ring *auth.KeyRing) {
	t.Helper()
	if err := ring.Maintain(); err != nil {
		t.Fatalf("Maintain: %v", err)
	}
}

func TestLeafCertificatesChainToTheRoot(t *testing.T) {
	w := newWorld(t)
	pool := x509.NewCertPool()
	pool.AddCert(w.root.Certificate)
	for _, k := range w.ring.Keys() {
		_, err := k.Certificate.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		if err != nil {
			t.Errorf("certificate of %s: %v", k.ID, err)
		}
		if k.Certificate.IsCA {
			t.Errorf("certificate of %s may sign others", k.ID)
		}
	}
}

// Registries 3.x compute the thumbprint of keys with a leading zero byte wrongly (protocol notes, finding 3). One key
// in 128 has one, so 2,000 keys without a check hold some with all but certainty.
func TestNoKeyWithALeadingZero(t *testing.T) {
	for range 2_000 {
		key, err := pki.NewECKey()
		if err != nil {
			t.Fatal(err)
		}
		if pki.LeadingZero(&key.PublicKey) {
			t.Fatal("NewECKey() made a key with a leading zero byte")
		}
	}
}

func TestReplacedRootCertifiesAgain(t *testing.T) {
	c := newClock()
	path := t.TempDir() + "/keys.json"
	first, err := pki.NewRoot("first", c.Now(), 365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	openRing(t, first, path, ringConfig(c, auth.ES256))
	second, err := pki.NewRoot("second", c.Now(), 365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	current, _ := find(t, openRing(t, second, path, ringConfig(c, auth.ES256)))
	if err := current.Certificate.CheckSignatureFrom(second.Certificate); err != nil {
		t.Errorf("the current key's certificate is not by the new root: %v", err)
	}
}

func TestDamagedKeyFile(t *testing.T) {
	c := newClock()
	root, err := pki.NewRoot("root", c.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir() + "/keys.json"
	for _, text := range []string{"{", `{"keys":[{"kid":"X"}]}`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := auth.OpenKeyRing(root, auth.KeyFile{Path: path}, ringConfig(c, auth.ES256)); err == nil {
			t.Errorf("OpenKeyRing(%s) works, want an error", text)
		}
	}
}

// The libtrust fingerprint of a known key, as registry 2.8 printed it.
func TestJWKSAgreesWithFingerprint(t *testing.T) {
	w := newWorld(t)
	keys, err := w.tokens.PublicKeys(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	text, err := auth.JWKS(keys)
	if err != nil {
		t.Fatal(err)
	}
	var set struct {
		Keys []map[string]string `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		t.Fatal(err)
	}
	for i, k := range keys {
		id, err := auth.Fingerprint(k.Key)
		if err != nil || set.Keys[i]["kid"] != id || len(id) != 59 {
			t.Errorf("JWKS kid = %q, want %q (%v)", set.Keys[i]["kid"], id, err)
		}
		if _, ok := k.Key.(*ecdsa.PublicKey); !ok || len(set.Keys[i]["x"]) != 43 || len(set.Keys[i]["y"]) != 43 {
			t.Errorf("JWKS of %s has x %q and y %q, want 43 characters each", id, set.Keys[i]["x"], set.Keys[i]["y"])
		}
	}
}
