package embedded

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
)

// The driver leaves the files that the library's own leaves, and says the same, whatever is done with it.
func TestDiskIsAsTheLibrarys(t *testing.T) {
	roots := []string{t.TempDir(), t.TempDir()}
	ours, err := diskFactory{}.Create(t.Context(), map[string]any{"rootdirectory": roots[0], "maxthreads": 25})
	if err != nil {
		t.Fatal(err)
	}
	theirs := filesystem.New(filesystem.DriverParameters{RootDirectory: roots[1], MaxThreads: 25})
	r := rand.New(rand.NewPCG(1, 2)) // the same each time
	paths := []string{"/a/b", "/a/c", "/a/b/c", "/d", "/r/_uploads/1/data", "/r/_uploads/1/startedat", "/r/_uploads/1/hashstates/sha256/0", "not absolute", "/x y"}
	for n := range 2000 {
		path, size, kind := paths[r.IntN(len(paths))], []int{0, 1, 5000}[r.IntN(3)], r.IntN(6)
		content, appending, end := bytes.Repeat([]byte{byte(n)}, size), r.IntN(2) == 0, r.IntN(4)
		do := func(d driver.StorageDriver) string {
			switch kind {
			case 0, 1:
				return outcome(d.PutContent(t.Context(), path, content))
			case 2:
				got, err := d.GetContent(t.Context(), path)
				return fmt.Sprint(len(got), outcome(err))
			case 3:
				if r := n % 5; r != 0 {
					return ""
				}
				return outcome(d.Delete(t.Context(), path))
			}
			w, err := d.Writer(t.Context(), path, appending)
			if err != nil {
				return outcome(err)
			}
			text := ""
			write := func() {
				k, err := w.Write(content)
				text += fmt.Sprintln(k, w.Size(), err == nil)
			}
			write()
			switch end {
			case 0:
				text += outcome(w.Commit(t.Context()))
				text += outcome(w.Commit(t.Context()))
			case 1:
				text += outcome(w.Cancel(t.Context()))
			case 2:
				write()
			}
			if end != 3 {
				text += outcome(w.Close())
				write()
			}
			return text + outcome(w.Close()) + outcome(w.Cancel(t.Context()))
		}
		if got, want := do(ours), do(theirs); got != want {
			t.Fatalf("step %d, kind %d on %s = %q, want %q", n, kind, path, got, want)
		}
		if got, want := files(t, roots[0]), files(t, roots[1]); !slices.Equal(got, want) {
			t.Fatalf("after step %d, kind %d on %s, there are %q, want %q", n, kind, path, got, want)
		}
	}
}

func outcome(err error) string {
	switch err.(type) { //nolint:errorlint // it is compared as it is
	case nil:
		return "done "
	case driver.PathNotFoundError, driver.InvalidPathError:
		return fmt.Sprintf("%T ", err)
	}
	return "failed "
}

func files(t *testing.T, root string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		info, _ := d.Info()
		all = append(all, fmt.Sprint(strings.TrimPrefix(path, root), info.Mode(), len(content), bytes.Count(content, content[:min(1, len(content))])))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A writer that the library forgets leaves no file open: it does so with an upload that is resumed at a wrong offset.
func TestForgottenWriterIsNotOpen(t *testing.T) {
	root := t.TempDir()
	d, err := diskFactory{}.Create(t.Context(), map[string]any{"rootdirectory": root, "maxthreads": 25})
	if err != nil {
		t.Fatal(err)
	}
	const path = "/r/_uploads/1/data"
	if err := d.PutContent(t.Context(), path, []byte("begun")); err != nil {
		t.Fatal(err)
	}
	forgotten := make([]driver.FileWriter, 3)
	for i := range forgotten {
		if forgotten[i], err = d.Writer(t.Context(), path, true); err != nil || forgotten[i].Size() != 5 {
			t.Fatalf("a writer that goes on = %v, %v, want one at 5", forgotten[i], err)
		}
	}
	open, err := os.ReadDir("/proc/self/fd")
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells in /proc what is open")
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range open {
		if name, _ := os.Readlink(filepath.Join("/proc/self/fd", e.Name())); strings.HasPrefix(name, root) {
			t.Errorf("%s is open, want no file to be", name)
		}
	}
	runtime.KeepAlive(forgotten) // or the collection of garbage closes them
}

// What a client relies on once it has its answer is waited for; of an upload, only what is too long to send again.
func TestWhatIsCheapToLose(t *testing.T) {
	for path, want := range map[string]bool{
		"/docker/registry/v2/repositories/team/app/_uploads/1/startedat":                       true,
		"/docker/registry/v2/repositories/team/app/_uploads/1/hashstates/sha256/0":             true,
		"/docker/registry/v2/repositories/team/app/_uploads/1/hashstates/sha256/4194303":       true,
		"/docker/registry/v2/repositories/team/app/_uploads/1/hashstates/sha256/4194304":       false,
		"/docker/registry/v2/repositories/team/app/_uploads/1/hashstates/sha512/0":             false,
		"/docker/registry/v2/repositories/team/app/_uploads/1/data":                            false,
		"/docker/registry/v2/repositories/team/app/_layers/sha256/0/link":                      false,
		"/docker/registry/v2/repositories/team/app/_manifests/tags/startedat/current/link":     false,
		"/docker/registry/v2/blobs/sha256/00/0/data":                                           false,
		"/docker/registry/v2/repositories/team/app/_manifests/revisions/sha256/startedat/link": false,
	} {
		if got := cheapState(path); got != want {
			t.Errorf("cheapState(%s) = %t, want %t", path, got, want)
		}
	}
}
