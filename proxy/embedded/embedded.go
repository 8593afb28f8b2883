// Package embedded owns the stock registry inside sealock: distribution used as a library, behind one type so that its
// unstable interfaces end here. It checks no tokens: only the gate may reach it.
package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	"github.com/distribution/distribution/v3/registry/storage/driver/filesystem"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
)

// Config describes the embedded registry. All fields are required.
type Config struct {
	Root       string      // the folder that holds blobs and manifests; made if it does not exist
	HTTPSecret secret.Text // signs the state of uploads; the same after each start and on each replica
	Log        *slog.Logger
}

// Registry is the embedded registry. It implements proxy.Upstream.
type Registry struct {
	app     *handlers.App
	disk    *filesystem.Driver
	stored  *stored
	uploads *uploads
}

// New opens the registry. The context ends its background work. The library logs through a logger that the process has
// one of; the last New decides where that goes.
//
// There is no cache of blob descriptors: garbage collection would leave it naming blobs that are gone, and a push would
// then skip them for good (protocol.md section 6).
func New(ctx context.Context, c Config) (*Registry, error) {
	if c.HTTPSecret.Empty() {
		return nil, errs.New(errs.Invalid, "the embedded registry has no secret for uploads").WithHint("generate one and keep it, or uploads break at each restart")
	}
	if err := writable(c.Root); err != nil {
		return nil, err
	}
	routeLogs(ctx, c.Log)
	registerDisk()
	app, err := newApp(ctx, configure(c))
	if err != nil {
		return nil, errs.New(errs.Unavailable, "the embedded registry does not start on %q", c.Root).
			WithHint("check that the folder is a registry's and readable").Because(err)
	}
	files := newStored(c.Root)
	return &Registry{
		app: app, disk: filesystem.New(filesystem.DriverParameters{RootDirectory: c.Root, MaxThreads: maxThreads}),
		stored: files, uploads: newUploads(files, c.Root, c.HTTPSecret, c.Log),
	}, nil
}

// maxThreads bounds file operations at one time, as in a stock registry.
const maxThreads = 100

func configure(c Config) *configuration.Configuration {
	cfg := &configuration.Configuration{
		Version: configuration.CurrentVersion,
		Storage: configuration.Storage{
			diskDriver: {"rootdirectory": c.Root, "maxthreads": maxThreads},
			"delete":   {"enabled": true},
		},
	}
	cfg.HTTP.Secret = c.HTTPSecret.Reveal()
	// Layers that licences keep elsewhere are named by their URLs. The library takes no such image by default.
	cfg.Validation.Manifests.URLs.Allow = []string{"^https?://"}
	// What configuration.Parse would fill in: zero would mean that lists are empty.
	cfg.Catalog.MaxEntries, cfg.Tags.MaxTags = 1000, 1000
	return cfg
}

// newApp turns the library's panics about its settings into errors.
func newApp(ctx context.Context, cfg *configuration.Configuration) (app *handlers.App, err error) {
	defer func() {
		if p := recover(); p != nil {
			app, err = nil, fmt.Errorf("starting registry library: %v", p)
		}
	}()
	return handlers.NewApp(ctx, cfg), nil
}

// ServeHTTP implements proxy.Upstream.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if a, ok := aliasOf(req); ok {
		r.putAlias(w, req, a)
		return
	}
	if r.uploads.serve(w, req) {
		return
	}
	r.app.ServeHTTP(w, req)
	if req.Method == http.MethodGet || req.Method == http.MethodHead {
		r.stored.learn(w.Header())
	}
}

// TakesTokens implements proxy.Upstream: nothing behind the gate reads tokens.
func (r *Registry) TakesTokens() bool { return false }

// Shutdown ends the registry's background work, but for one idle goroutine that the library keeps for events. Requests
// under way are not waited for: the server's own shutdown does.
func (r *Registry) Shutdown() error {
	r.stored.manifests.StopAllGoroutines()
	r.uploads.touched.StopAllGoroutines()
	if err := r.app.Shutdown(); err != nil {
		return fmt.Errorf("stopping embedded registry: %w", err)
	}
	return nil
}
