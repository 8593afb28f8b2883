// Package embedded owns the stock registry inside sealock: distribution used as a library, behind one type so that its
// unstable interfaces end here, and the shorter ways that lead to the library's own files. It checks no tokens: only the gate
// may reach it.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	"github.com/distribution/distribution/v3/registry/storage/driver"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/httpx"
	"github.com/sealock/sealock/internal/secret"
)

// Config describes the embedded registry. All fields but Storage are required.
type Config struct {
	Root       string                    // the folder that holds blobs and manifests where Storage names no other place; made if it does not exist
	Storage    map[string]map[string]any // the block storage: of a stock registry's settings, whose words were checked
	HTTPSecret secret.Text               // signs the state of uploads; the same after each start and on each replica
	Log        *slog.Logger
}

// Registry is the embedded registry. It implements proxy.Upstream.
type Registry struct {
	app     *handlers.App
	inside  *handlers.App        // the same one, if it redirects nobody
	driver  driver.StorageDriver // to what the library keeps, past the library
	stored  *stored              // nil where there are no files
	uploads *uploads             // nil where there are no files, or none may be written
	errors  httpx.Errors
}

// New opens the registry. The context ends its background work. The library logs through a logger that the process has
// one of; the last New decides where that goes.
//
// There is no cache of blob descriptors: garbage collection would leave it naming blobs that are gone, and a push would
// then skip them for good (protocol.md section 6). So would a delete by another replica on the same storage.
func New(ctx context.Context, c Config) (*Registry, error) {
	if c.HTTPSecret.Empty() {
		return nil, errs.New(errs.Invalid, "the embedded registry has no secret for uploads").WithHint("generate one and keep it, or uploads break at each restart")
	}
	cfg := configure(c)
	r := &Registry{errors: httpx.Errors{Log: c.Log}}
	if root := filesAt(cfg.Storage); root != "" {
		if err := writable(root); err != nil {
			return nil, err
		}
		r.stored = newStored(root)
		if !readOnly(cfg.Storage) {
			r.uploads = newUploads(r.stored, root, c.HTTPSecret, c.Log)
		}
	}
	routeLogs(ctx, c.Log)
	var err error
	if r.driver, err = openDriver(ctx, cfg.Storage); err != nil {
		return nil, err
	}
	useDisk(cfg.Storage)
	if r.app, err = newApp(ctx, cfg); err != nil {
		return nil, startError(cfg.Storage, err)
	}
	r.inside = r.app
	if redirects(cfg.Storage) {
		if r.inside, err = newApp(ctx, insideConfig(cfg)); err != nil {
			return nil, startError(cfg.Storage, err)
		}
	}
	if !r.inFiles() {
		r.look(ctx, cfg.Storage, c.Log)
	}
	return r, nil
}

func configure(c Config) *configuration.Configuration {
	cfg := &configuration.Configuration{Version: configuration.CurrentVersion, Storage: storageOf(c)}
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
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.serve(r.app, w, req) }

func (r *Registry) serve(app http.Handler, answer http.ResponseWriter, asked *http.Request) {
	in := *asked
	req, body := &in, &watchedBody{ReadCloser: asked.Body}
	if in.Body != nil {
		in.Body = body
	}
	w := &failWriter{ResponseWriter: answer, body: body}
	defer func() {
		if w.failed {
			r.fail(w, req)
		}
	}()
	if a, ok := aliasOf(req); ok {
		r.putAlias(w, req, a)
		return
	}
	if r.uploads != nil && app == http.Handler(r.app) && r.uploads.serve(w, req) {
		return
	}
	app.ServeHTTP(w, req)
	if r.stored != nil && (req.Method == http.MethodGet || req.Method == http.MethodHead) {
		r.stored.learn(w.Header())
	}
}

// TakesTokens implements proxy.Upstream: nothing behind the gate reads tokens.
func (r *Registry) TakesTokens() bool { return false }

// Shutdown ends the registry's background work, but for one idle goroutine that the library keeps for events. Requests
// under way are not waited for: the server's own shutdown does.
func (r *Registry) Shutdown() error {
	if r.stored != nil {
		r.stored.manifests.StopAllGoroutines()
	}
	if r.uploads != nil {
		r.uploads.touched.StopAllGoroutines()
	}
	err := r.app.Shutdown()
	if r.inside != r.app {
		err = errors.Join(err, r.inside.Shutdown())
	}
	if err != nil {
		return fmt.Errorf("stopping embedded registry: %w", err)
	}
	return nil
}
