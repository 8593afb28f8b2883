package e2e_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealock/sealock/e2e/internal/fixture"
	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
	"github.com/sealock/sealock/e2e/internal/sealock"
	"github.com/sealock/sealock/e2e/internal/wire"
)

// disk is a small disk in memory, which goes away with the test.
func disk(t *testing.T, dir string) {
	t.Helper()
	need.Root(t, "mount")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("sealock-e2e", dir, "tmpfs", 0, "size=48m,mode=0750"); err != nil {
		need.Missing(t, "mount", fmt.Sprintf("no file system can be mounted here (%v): run the tests where root may", err))
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmounting %s: %v", dir, err)
		}
	})
}

// occupy takes the rest of a disk, and gives it back.
func occupy(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path) // a folder of the test
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for err == nil {
			_, err = f.Write(make([]byte, size))
		}
		err = nil
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDiskFull fills the disk with the blobs, and the disk with everything: clients are told that they can't push now, in
// words that show nothing of the disk, what is there can be pulled, and when there is room again all is as before.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, on string }{{"blobs", "registry"}, {"everything", ""}} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(proc.Dir(t), "data")
			full := filepath.Join(dir, row.on)
			disk(t, full)
			server := sealock.Prepare(t, sealock.Options{Addr: proc.FreeAddr(t), DataDir: dir})
			server.Start(t)
			server.LogIn(t)
			server.AddProject(t, "team")
			w := &ward{server: server, client: wire.New(server.Addr, "admin", adminPassword), http: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}
			digest := w.put(t, []byte("before"))
			w.healthy(t)
			files := server.Files(t)

			// A blob that is larger than what is left.
			location := w.begin(t)
			resp, err := w.send(t, http.MethodPatch, location, bytes.NewReader(bytes.Repeat([]byte("x"), 60<<20)))
			retriable(t, "a blob that fills the disk", resp, err)
			tells(t, resp, dir)

			free := occupy(t, full)
			for _, r := range []struct{ method, target, body string }{
				{http.MethodPost, "/v2/team/app/blobs/uploads/", ""},
				{http.MethodPost, "/v2/team/app/blobs/uploads/?digest=" + fixture.Digest([]byte("mono")), "mono"},
				{http.MethodPatch, location, strings.Repeat("x", 1<<20)},
				{http.MethodPut, ended(t, location, "digest", digest), strings.Repeat("x", 1<<20)},
				{http.MethodPut, "/v2/team/app/manifests/full", `{"schemaVersion":2}`},
				{http.MethodDelete, "/v2/team/app/manifests/v1", ""},
			} {
				resp, err := w.send(t, r.method, r.target, strings.NewReader(r.body))
				if err == nil && resp.Status >= http.StatusInternalServerError {
					retriable(t, r.method+" "+r.target, resp, err)
				}
				tells(t, resp, dir)
			}
			w.holds(t, digest)
			free()
			w.issued = time.Time{}
			w.healthy(t)
			w.holds(t, digest)
			w.settled(t, "a full disk", files)
			server.Restart(t) // nothing is broken on the disk
			w.issued = time.Time{}
			w.healthy(t)
			w.idle(t)
		})
	}
}

// tells fails if an answer tells where things are.
func tells(t *testing.T, resp wire.Response, dir string) {
	t.Helper()
	if text := string(resp.Body); strings.Contains(text, dir) || strings.Contains(text, "/docker/registry") || strings.Contains(text, `"Err"`) {
		t.Errorf("an answer shows what is on the disk: %s", text)
	}
}
