package seal_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/sealock/sealock/internal/seal"
)

func load(t testing.TB, path string) seal.Box {
	t.Helper()
	b, err := seal.LoadOrCreate(path)
	if err != nil {
		t.Fatalf("LoadOrCreate = %v, want a box", err)
	}
	return b
}

func TestSeal(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "seal.json")
	b, text := load(t, path), []byte("JBSWY3DP")
	sealed := b.Seal(text, "totp of user 7")
	if bytes.Contains(sealed, text) || bytes.Equal(sealed, b.Seal(text, "totp of user 7")) {
		t.Error("what is sealed shows, or is the same twice")
	}
	for name, box := range map[string]seal.Box{"the same": b, "after a restart": load(t, path)} {
		if got, err := box.Open(sealed, "totp of user 7"); err != nil || !bytes.Equal(got, text) {
			t.Errorf("Open by %s = %q, %v, want what was sealed", name, got, err)
		}
	}
	if got, err := b.Open(sealed, "totp of user 8"); err == nil {
		t.Errorf("Open for another purpose = %q, want an error", got)
	}
	if got, err := load(t, path+"-2").Open(sealed, "totp of user 7"); err == nil {
		t.Errorf("Open with another key = %q, want an error", got)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if got, err := b.Open(bad, "totp of user 7"); err == nil {
			t.Errorf("Open with byte %d changed = %q, want an error", i, got)
		}
	}
	for n := range sealed {
		if got, err := b.Open(sealed[:n], "totp of user 7"); err == nil {
			t.Errorf("Open of the first %d bytes = %q, want an error", n, got)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key file = %v, %v, want it for its owner alone", info.Mode(), err)
	}
}

type keys struct {
	Keys [][]byte `json:"keys"`
}

func readKeys(t *testing.T, path string) (k keys) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &k)
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestRotation adds a key behind the first one: it seals from then on, and the old one still opens.
func TestRotation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, other := filepath.Join(dir, "seal.json"), filepath.Join(dir, "other.json")
	old := load(t, path).Seal([]byte("old"), "x")
	load(t, other)
	text, err := json.Marshal(keys{append(readKeys(t, path).Keys, readKeys(t, other).Keys...)})
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	b := load(t, path)
	if got, err := b.Open(old, "x"); err != nil || string(got) != "old" {
		t.Errorf("Open of what the old key sealed = %q, %v, want it", got, err)
	}
	if got, err := load(t, other).Open(b.Seal([]byte("new"), "x"), "x"); err != nil || string(got) != "new" {
		t.Errorf("Open by the new key alone = %q, %v, want what was sealed after it came", got, err)
	}
}

func TestDamagedKeyFile(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "zz", "{}", `{"keys":[]}`, `{"keys":["c2hvcnQ="]}`} {
		path := filepath.Join(t.TempDir(), "seal.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := seal.LoadOrCreate(path); err == nil {
			t.Errorf("LoadOrCreate of %q = no error, want one", text)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("after LoadOrCreate, the file holds %q, want it untouched", got)
		}
	}
}

func FuzzOpen(f *testing.F) {
	b := load(f, filepath.Join(f.TempDir(), "seal.json"))
	good := b.Seal([]byte("x"), "about")
	f.Add(good, "about")
	f.Add(good[:4], "")
	f.Fuzz(func(t *testing.T, sealed []byte, purpose string) {
		got, err := b.Open(sealed, purpose)
		if (err == nil) != (bytes.Equal(sealed, good) && purpose == "about") {
			t.Errorf("Open(%x, %q) = %q, %v, want what this server sealed for the purpose and nothing else", sealed, purpose, got, err)
		}
	})
}
