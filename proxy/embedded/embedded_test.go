package embedded_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/proxy"
	"github.com/sealock/sealock/proxy/embedded"
)

var _ proxy.Upstream = (*embedded.Registry)(nil)

func config(root string) embedded.Config {
	return embedded.Config{Root: root, HTTPSecret: secret.New("s3cret"), Log: slog.New(slog.DiscardHandler)}
}

func TestNewRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]embedded.Config{
		"no secret": {Root: t.TempDir(), Log: slog.New(slog.DiscardHandler)},
		"a file":    config(file),
		"in a file": config(filepath.Join(file, "below")),
	} {
		_, err := embedded.New(t.Context(), c)
		if e := errs.As(err); err == nil || e.Hint == "" {
			t.Errorf("New with %s = %v, want an error with a hint", name, err)
		}
	}
}

// repositories makes empty repositories as the library lays them out.
func repositories(t *testing.T, root string, names ...string) {
	t.Helper()
	for _, name := range names {
		for _, folder := range []string{"_layers/sha256", "_manifests/revisions/sha256", "_manifests/tags/v1", "_uploads"} {
			if err := os.MkdirAll(filepath.Join(root, "docker/registry/v2/repositories", name, folder), 0o750); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestCatalogPages(t *testing.T) {
	root := t.TempDir()
	reg, err := embedded.New(t.Context(), config(root))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"0", "a-b", "a.b", "team", "team/1", "team/1/a", "team/1/b", "team/app", "team/app/x", "team/app-x", "zzz/x"}
	repositories(t, root, names...)
	slices.Sort(names)
	for n := 1; n < len(names)+2; n++ {
		var got []string
		last, more := "", true
		for range len(names) + 1 {
			var page []string
			if page, more, err = reg.CatalogPage(t.Context(), last, n); err != nil || len(page) > n {
				t.Fatalf("CatalogPage(%q, %d) = %q, %v, want at most %d names", last, n, page, err, n)
			}
			if got = append(got, page...); !more {
				break
			}
			last = page[len(page)-1]
		}
		if slices.Sort(got); !slices.Equal(got, names) || more {
			t.Errorf("pages of %d = %q, want %q", n, got, names)
		}
	}
}

// A repository that is deleted between two pages takes none of its neighbours with it.
func TestCatalogGoesOnAfterWhatIsGone(t *testing.T) {
	root := t.TempDir()
	reg, err := embedded.New(t.Context(), config(root))
	if err != nil {
		t.Fatal(err)
	}
	repositories(t, root, "a/1", "b/1", "b/3", "c/1")
	got, more, err := reg.CatalogPage(t.Context(), "b/2", 10)
	if err != nil || more || !slices.Equal(got, []string{"b/3", "c/1"}) {
		t.Errorf("CatalogPage(b/2) = %q, %v, %v, want b/3 and c/1", got, more, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := reg.CatalogPage(ctx, "", 10); !errs.Is(err, errs.Unavailable) {
		t.Errorf("CatalogPage for a client that is gone = %v, want Unavailable", err)
	}
}

// What the library logs goes to the log that it was given and nowhere else.
func TestLogsAreRouted(t *testing.T) {
	stderr := os.Stderr
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	os.Stderr = w
	t.Cleanup(func() { os.Stderr = stderr })
	var log bytes.Buffer
	c := config(t.TempDir())
	level := new(slog.LevelVar)
	c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level}))
	reg, err := embedded.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	reg.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", "/v2/team/app/manifests/v1", nil))
	if log.Len() > 0 {
		t.Errorf("log = %q for a tag that is not there, want nothing: every push looks for what it may have to upload", log.String())
	}
	level.Set(slog.LevelDebug)
	reg.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", "/v2/team/app/manifests/v1", nil))
	os.Stderr = stderr
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var wrote bytes.Buffer
	if _, err := wrote.ReadFrom(r); err != nil || wrote.Len() > 0 {
		t.Errorf("the library wrote %q to stderr (%v), want nothing", wrote.String(), err)
	}
	if !strings.Contains(log.String(), "component=embedded_registry") || !strings.Contains(log.String(), "manifest unknown") {
		t.Errorf("log = %q, want the library's line", log.String())
	}
}

// The library's event broadcaster is beyond reach and idles on; everything else ends.
func TestShutdownEndsBackgroundWork(t *testing.T) {
	for range 5 {
		reg, err := embedded.New(context.Background(), config(t.TempDir()))
		if err != nil {
			t.Fatal(err)
		}
		if err := reg.Shutdown(); err != nil {
			t.Fatal(err)
		}
	}
	var stacks string
	for range 100 {
		b := make([]byte, 1<<20)
		stacks = string(b[:runtime.Stack(b, true)])
		if !strings.Contains(stacks, "registry/handlers.startUploadPurger") {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("background work after Shutdown:\n%s", stacks)
}

// A project's repositories are renamed as a whole, and never over another one's.
func TestRenameRepositories(t *testing.T) {
	root := t.TempDir()
	repositories(t, root, "team/app", "team/a/b", "other/app")
	reg, err := embedded.New(t.Context(), config(root))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reg.Shutdown() })
	if err := reg.RenameRepositories(t.Context(), "team", "crew"); err != nil {
		t.Fatalf("RenameRepositories(team, crew) = %v, want no error", err)
	}
	names, _, err := reg.CatalogPage(t.Context(), "", 10)
	if err != nil || !slices.Equal(names, []string{"crew/a/b", "crew/app", "other/app"}) {
		t.Errorf("CatalogPage = %v, %v, want those of crew in place of team's", names, err)
	}
	if err := reg.RenameRepositories(t.Context(), "gone", "new"); err != nil {
		t.Errorf("RenameRepositories of nothing = %v, want no error", err)
	}
	if err := reg.RenameRepositories(t.Context(), "crew", "other"); !errs.Is(err, errs.Conflict) {
		t.Errorf("RenameRepositories over another project's = %v, want Conflict", err)
	}
	for _, bad := range [][2]string{{"../x", "y"}, {"x", "../../y"}, {"", "y"}, {"x", ""}} {
		if err := reg.RenameRepositories(t.Context(), bad[0], bad[1]); !errs.Is(err, errs.Invalid) {
			t.Errorf("RenameRepositories(%q) = %v, want Invalid", bad, err)
		}
	}
}

// What a stock registry's block says of deleting counts here: all can be deleted unless it forbids that.
func TestDeletingMayBeForbidden(t *testing.T) {
	for _, row := range []struct {
		storage map[string]map[string]any
		status  int
	}{
		{nil, http.StatusAccepted},
		{map[string]map[string]any{"delete": {"enabled": true}}, http.StatusAccepted},
		{map[string]map[string]any{"delete": {"enabled": false}}, http.StatusMethodNotAllowed},
	} {
		c := config(t.TempDir())
		c.Storage = row.storage
		w := &replicas{root: c.Root, srv: []*httptest.Server{serve(t, c)}}
		blob := []byte("a small blob")
		_, begun := w.send(t, 0, true, "POST", "/v2/team/app/blobs/uploads/", http.Header{}, nil)
		if r, _ := w.send(t, 0, true, "PUT", begun+"&digest="+digestOf(blob), http.Header{}, blob); r.status != http.StatusCreated {
			t.Fatalf("PUT = %d %s, want 201", r.status, r.text)
		}
		if r, _ := w.send(t, 0, true, "DELETE", "/v2/team/app/blobs/"+digestOf(blob), http.Header{}, nil); r.status != row.status {
			t.Errorf("DELETE with %v = %d %s, want %d", row.storage, r.status, r.text, row.status)
		}
	}
}
