// Package registry starts stock registries as processes of their own.
//
// It owns their configuration files, storage folders and restarts. It knows nothing
// of tokens: an auth block comes from outside, as text.
package registry

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
)

// Kind is a registry program, by the name of its command.
type Kind string

// The registries that sealock is tried with.
const (
	Debian28 Kind = "docker-registry" // Debian 12: 2.8.2
	V30      Kind = "registry-3.0.0"
	V31      Kind = "registry-3.1.2"
)

// Registry is a stock registry that runs.
type Registry struct {
	Addr    string
	t       testing.TB
	path    string
	kind    Kind
	config  string
	dir     string
	ready   int
	process *proc.Process
}

const config = `version: 0.1
log:
  level: warn
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: %[1]s
  delete:
    enabled: true
  maintenance:
    uploadpurging:
      enabled: false
http:
  addr: %[2]s
  secret: end-to-end
%[3]s`

// Start starts a registry on a loopback address. auth is the auth block of its
// configuration, with what else it is to have; without one everybody may do everything.
func Start(t testing.TB, kind Kind, addr, auth string) *Registry {
	t.Helper()
	path := need.Tool(t, string(kind))
	dir := proc.Dir(t)
	r := &Registry{Addr: addr, t: t, path: path, kind: kind, dir: dir, config: filepath.Join(dir, "config.yml"), ready: http.StatusOK}
	if auth != "" {
		r.ready = http.StatusUnauthorized
	}
	text := fmt.Sprintf(config, r.Storage(), addr, auth)
	if err := os.WriteFile(r.config, []byte(text), 0o600); err != nil {
		t.Fatalf("writing the configuration of %s: %v", kind, err)
	}
	r.start(t)
	return r
}

func (r *Registry) start(t testing.TB) {
	t.Helper()
	process, err := proc.Launch(r.t, proc.Server{
		Name:  string(r.kind),
		Args:  []string{r.path, "serve", r.config},
		Env:   []string{"PATH=" + need.Path(), "HOME=" + r.dir, "OTEL_TRACES_EXPORTER=none"},
		Dir:   r.dir,
		Ready: proc.Answers("http://"+r.Addr+"/v2/", r.ready),
	})
	if err != nil {
		t.Fatalf("starting %s: %v", r.kind, err)
	}
	r.process = process
}

// Restart stops the registry and starts it again with what it has stored.
func (r *Registry) Restart(t testing.TB) {
	t.Helper()
	r.process.Stop()
	r.start(t)
}

// Stop ends the registry.
func (r *Registry) Stop() { r.process.Stop() }

// Kill ends the registry in the middle of what it does.
func (r *Registry) Kill(t testing.TB) {
	t.Helper()
	if err := r.process.Kill(); err != nil {
		t.Fatalf("killing %s: %v", r.kind, err)
	}
}

// Again starts a registry that was stopped or killed, with what it has stored.
func (r *Registry) Again(t testing.TB) {
	t.Helper()
	r.start(t)
}

// Signal sends the registry a signal.
func (r *Registry) Signal(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if err := r.process.Signal(signal); err != nil {
		t.Fatalf("sending %s: %v", signal, err)
	}
}

// Storage is the folder that the registry keeps what it has in.
func (r *Registry) Storage() string { return filepath.Join(r.dir, "storage") }

// Kind is which registry it is.
func (r *Registry) Kind() Kind { return r.kind }

// StartReplica starts a registry beside another one, with the same storage and settings.
func StartReplica(t testing.TB, of *Registry, addr string) *Registry {
	t.Helper()
	text, err := os.ReadFile(of.config)
	if err != nil {
		t.Fatalf("reading the configuration of a registry: %v", err)
	}
	r := *of
	r.Addr, r.t, r.config = addr, t, filepath.Join(proc.Dir(t), "config.yml")
	if err := os.WriteFile(r.config, []byte(strings.Replace(string(text), "addr: "+of.Addr, "addr: "+addr, 1)), 0o600); err != nil { //nolint:gosec // the test's own
		t.Fatalf("writing the configuration of a registry: %v", err)
	}
	r.start(t)
	return &r
}
