package seal_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealock/sealock/internal/seal"
	"github.com/sealock/sealock/internal/secret"
)

func open(t testing.TB, path string) *seal.Ring {
	t.Helper()
	r, err := seal.Open(path)
	if err != nil {
		t.Fatalf("Open = %v, want a ring", err)
	}
	return r
}

func TestSealed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seal.json")
	r := open(t, path)
	sealed := r.Seal(secret.New("JBSWY3DP"), "totp:7")
	if strings.Contains(sealed, "JBSWY3DP") {
		t.Errorf("Seal = %q, want it unreadable", sealed)
	}
	if again := r.Seal(secret.New("JBSWY3DP"), "totp:7"); again == sealed {
		t.Errorf("Seal of the same = %q twice, want two texts", again)
	}
	for name, ring := range map[string]*seal.Ring{"the same": r, "after a restart": open(t, path)} {
		if got, err := ring.Unseal(sealed, "totp:7"); err != nil || got.Reveal() != "JBSWY3DP" {
			t.Errorf("Unseal by %s = %q, %v, want what was sealed", name, got.Reveal(), err)
		}
	}
	for name, bad := range map[string]struct{ sealed, about string }{
		"another's":      {sealed, "totp:8"},
		"cut":            {sealed[:len(sealed)-4], "totp:7"},
		"changed":        {sealed[:len(sealed)-1] + map[bool]string{true: "B", false: "A"}[sealed[len(sealed)-1] != 'B'], "totp:7"},
		"empty":          {"", "totp:7"},
		"no box":         {strings.Join(strings.Split(sealed, ".")[:2], ".") + ".", "totp:7"},
		"another's key":  {"v1.OTHERKEY." + strings.Split(sealed, ".")[2], "totp:7"},
		"another's form": {"v2" + sealed[2:], "totp:7"},
	} {
		if got, err := r.Unseal(bad.sealed, bad.about); err == nil {
			t.Errorf("Unseal of what is %s = %q, want an error", name, got.Reveal())
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key file = %v, %v, want it for its owner alone", info.Mode(), err)
	}
}

// TestRotation adds a key behind the first one: it seals from then on, and the old one still opens.
func TestRotation(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "seal.json"), filepath.Join(dir, "other.json")
	old := open(t, path).Seal(secret.New("old"), "")
	open(t, other)
	var all, add struct {
		Keys []json.RawMessage `json:"keys"`
	}
	for name, into := range map[string]any{path: &all, other: &add} {
		text, err := os.ReadFile(name)
		if err == nil {
			err = json.Unmarshal(text, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	all.Keys = append(all.Keys, add.Keys...)
	text, err := json.Marshal(all)
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, path)
	if got, err := r.Unseal(old, ""); err != nil || got.Reveal() != "old" {
		t.Errorf("Unseal of what the old key sealed = %q, %v, want it", got.Reveal(), err)
	}
	if got, err := open(t, other).Unseal(r.Seal(secret.New("new"), ""), ""); err != nil || got.Reveal() != "new" {
		t.Errorf("Unseal by the new key alone = %q, %v, want what was sealed after it came", got.Reveal(), err)
	}
}

func TestDamagedKeyFile(t *testing.T) {
	for _, text := range []string{"", "{}", `{"keys":[{"id":"a","key":"c2hvcnQ="}]}`, `{"keys":[{"id":"a.b","key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}]}`} {
		path := filepath.Join(t.TempDir(), "seal.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := seal.Open(path); err == nil {
			t.Errorf("Open of %q = no error, want one", text)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("after Open, the file holds %q, want it untouched", got)
		}
	}
}

func FuzzUnseal(f *testing.F) {
	r := open(f, filepath.Join(f.TempDir(), "seal.json"))
	f.Add(r.Seal(secret.New("x"), "about"), "about")
	f.Add("v1..", "")
	f.Fuzz(func(t *testing.T, sealed, about string) {
		if got, err := r.Unseal(sealed, about); err != nil && !got.Empty() {
			t.Errorf("Unseal(%q) = %q with an error, want nothing", sealed, got.Reveal())
		}
	})
}
