package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/distribution/v3/registry/storage/driver/factory"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem" // registers itself, as those in clouds.go

	"github.com/sealock/sealock/internal/errs"
)

const (
	filesystemDriver = "filesystem"
	// maxThreads bounds file operations at one time, as in a stock registry.
	maxThreads = 100
)

// storageOf completes the block: without a driver, images are in files of Root; what may be deleted is the gate's affair; and
// there is no cache of blob descriptors, see [New].
func storageOf(c Config) configuration.Storage {
	s := configuration.Storage{"delete": {"enabled": true}}
	for name, values := range c.Storage {
		s[name] = maps.Clone(values)
	}
	delete(s, "cache")
	if s.Type() == "" {
		s[filesystemDriver] = configuration.Parameters{}
	}
	if files, ok := s[filesystemDriver]; ok {
		for key, value := range map[string]any{"rootdirectory": c.Root, "maxthreads": maxThreads} {
			if files[key] == nil || files[key] == "" {
				files[key] = value
			}
		}
	}
	return s
}

// filesAt returns the folder that the driver keeps files in; "" for one that keeps none.
func filesAt(s configuration.Storage) string {
	for _, name := range []string{filesystemDriver, diskDriver} {
		if root, ok := s[name]["rootdirectory"].(string); ok {
			return root
		}
	}
	return ""
}

// readOnly reports whether the library takes nothing, such as while garbage is collected: a blob that came then would be
// removed, or linked to content that is about to be.
func readOnly(s configuration.Storage) bool {
	mode, _ := s["maintenance"]["readonly"].(map[any]any)
	on, _ := mode["enabled"].(bool)
	return on
}

// useDisk lets the library keep files as [disk] does.
func useDisk(s configuration.Storage) {
	files, ok := s[filesystemDriver]
	if !ok {
		return
	}
	registerDisk()
	delete(s, filesystemDriver)
	s[diskDriver] = files
}

// openDriver opens the way to what the library keeps, beside the one that it opens itself.
func openDriver(ctx context.Context, s configuration.Storage) (driver.StorageDriver, error) {
	d, err := factory.Create(ctx, s.Type(), maps.Clone(s.Parameters()))
	if _, missing := errors.AsType[factory.InvalidStorageDriverError](err); missing {
		return nil, errs.New(errs.Unsupported, "this sealock was built without the storage %s", s.Type()).WithHint("build it without the tag noclouds and without the race detector")
	}
	if err != nil {
		return nil, errs.New(errs.Invalid, "the embedded registry can't use its storage %s", s.Type()).WithHint("check registry.storage").Because(err)
	}
	return d, nil
}

// firstLook is how long a start waits for an object store before it goes on without.
const firstLook = 10 * time.Second

// look asks the storage for the first time. A store that does not answer may come back, so that it ends no start; what is
// wrong stands in the log before anybody asks for an image.
func (r *Registry) look(ctx context.Context, s configuration.Storage, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, firstLook)
	defer cancel()
	_, err := r.driver.Stat(ctx, repositoriesRoot)
	if _, empty := errors.AsType[driver.PathNotFoundError](err); err != nil && !empty {
		log.Error("the storage of the embedded registry can't be read: check registry.storage and the server that it names", "storage", s.Type(), "error", err)
	}
}

// inFiles reports whether the registry is in files of this machine.
func (r *Registry) inFiles() bool { return r.stored != nil }

// unreadable and unwritable say what is wrong with the storage.
func (r *Registry) unreadable(err error) error { return r.broken("read", err) }
func (r *Registry) unwritable(err error) error { return r.broken("changed", err) }

func (r *Registry) broken(what string, err error) error {
	if r.inFiles() {
		return errs.New(errs.Unavailable, "the embedded registry's folder can't be %s", what).WithHint("try again; if it stays, check the disk and its permissions").Because(err)
	}
	return errs.New(errs.Unavailable, "the embedded registry's storage can't be %s", what).WithHint("try again; if it stays, check registry.storage and the server that it names").Because(err)
}

// ServeInside answers requests of sealock's own: with what they ask for, and never with where it is.
func (r *Registry) ServeInside(w http.ResponseWriter, req *http.Request) {
	r.serve(r.inside, w, req)
}

// insideConfig is that of the library as sealock's own requests use it: it redirects nobody and purges nothing a second
// time.
func insideConfig(cfg *configuration.Configuration) *configuration.Configuration {
	own := *cfg
	own.Storage = maps.Clone(cfg.Storage)
	own.Storage["redirect"] = configuration.Parameters{"disable": true}
	own.Storage["maintenance"] = maps.Clone(cfg.Storage["maintenance"])
	if own.Storage["maintenance"] == nil {
		own.Storage["maintenance"] = configuration.Parameters{}
	}
	own.Storage["maintenance"]["uploadpurging"] = map[any]any{"enabled": false}
	return &own
}

// redirects reports whether clients are sent to the store.
func redirects(s configuration.Storage) bool {
	off, _ := s["redirect"]["disable"].(bool)
	return filesAt(s) == "" && !off
}

// startError says that the library does not start.
func startError(s configuration.Storage, err error) error {
	if root := filesAt(s); root != "" {
		return errs.New(errs.Unavailable, "the embedded registry does not start on %q", root).
			WithHint("check that the folder is a registry's and readable").Because(err)
	}
	return errs.New(errs.Unavailable, "the embedded registry does not start on its storage %s", s.Type()).
		WithHint("check registry.storage").Because(fmt.Errorf("opening storage: %w", err))
}
