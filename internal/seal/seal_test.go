package seal_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/sealock/sealock/internal/seal"
)

func TestSeal(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "key")
	one, err := seal.LoadOrCreate(file)
	if err != nil {
		t.Fatal(err)
	}
	two, err := seal.LoadOrCreate(file)
	if err != nil {
		t.Fatal(err)
	}
	other, err := seal.LoadOrCreate(file + "-2")
	if err != nil {
		t.Fatal(err)
	}
	text := []byte("a secret")
	box := one.Seal(text, "cookie")
	if got, err := two.Open(box, "cookie"); err != nil || !bytes.Equal(got, text) {
		t.Errorf("Open(Seal(%q)) = %q, %v", text, got, err)
	}
	if bytes.Contains(box, text) || bytes.Equal(box, one.Seal(text, "cookie")) {
		t.Error("what is sealed shows, or is the same twice")
	}
	if _, err := two.Open(box, "database"); err == nil {
		t.Error("what was sealed for one purpose opens for another")
	}
	if _, err := other.Open(box, "cookie"); err == nil {
		t.Error("another key opens it")
	}
	for i := range box {
		bad := bytes.Clone(box)
		bad[i] ^= 1
		if _, err := one.Open(bad, "cookie"); err == nil {
			t.Errorf("a changed byte %d goes unseen", i)
		}
	}
	for _, short := range [][]byte{nil, box[:5], box[:len(box)-1]} {
		if _, err := one.Open(short, "cookie"); err == nil {
			t.Errorf("%d bytes open", len(short))
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key file is %v, %v, want mode 600", info.Mode(), err)
	}
	if err := os.WriteFile(file, []byte("zz"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.LoadOrCreate(file); err == nil {
		t.Error("a file that holds no key is taken for one")
	}
}
