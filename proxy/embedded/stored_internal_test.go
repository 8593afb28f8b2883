package embedded

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// What is remembered of manifests stays within its bounds, however many are asked for, and is nothing that has not its digest.
func TestHotManifestsAreBounded(t *testing.T) {
	s := newStored(t.TempDir())
	defer s.manifests.StopAllGoroutines()
	ask := func(digest string, size int, content []byte) {
		t.Helper()
		path := s.blob(digest)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		named := digestPrefix + digest
		s.learn(http.Header{"Content-Type": {typeOCI}, "Docker-Content-Digest": {named}, "Content-Length": {strconv.Itoa(size)}, "Etag": {`"` + named + `"`}})
	}
	remembered := func(digest string) bool {
		_, ok := s.manifests.GetIfPresent(digestPrefix + digest)
		return ok
	}
	of := func(content []byte) string {
		h := sha256.Sum256(content)
		return hex.EncodeToString(h[:])
	}

	small := []byte("a small one")
	ask(of(small), len(small), small)
	if !remembered(of(small)) {
		t.Error("a small manifest is not remembered")
	}
	other := of([]byte("another"))
	ask(other, len(small), small)
	large := bytes.Repeat([]byte("x"), maxHot+1)
	ask(of(large), len(large), large)
	torn := []byte("half of it is lost")
	ask(of(torn), len(torn), torn[:9])
	for what, digest := range map[string]string{"of another digest": other, "that is large": of(large), "that is torn": of(torn)} {
		if remembered(digest) {
			t.Errorf("a manifest %s is remembered", what)
		}
	}

	const each = 200 << 10
	for n := range 2 * hotMemory / each {
		content := append(bytes.Repeat([]byte("x"), each), fmt.Sprint(n)...)
		ask(of(content), len(content), content)
	}
	s.manifests.CleanUp()
	held := 0
	for _, m := range s.manifests.All() {
		held += len(m.body)
	}
	if held > hotMemory || held < hotMemory/2 {
		t.Errorf("%d bytes of manifests are remembered, want up to %d", held, hotMemory)
	}
}
