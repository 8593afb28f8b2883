package image_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
)

// engine is a docker engine of the test's own: no bridge, no packet filter, every file below one folder.
type engine struct {
	dir, socket string
}

// startEngine starts one that ends with the test.
func startEngine(t *testing.T) *engine {
	t.Helper()
	need.Tool(t, "docker")
	need.Root(t, "dockerd")
	path := need.Tool(t, "dockerd")
	dir := proc.Dir(t)
	e := &engine{dir: dir, socket: "unix://" + filepath.Join(dir, "docker.sock")}
	t.Cleanup(e.unmount)
	if err := os.WriteFile(filepath.Join(dir, "daemon.json"), []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	proc.Start(t, proc.Server{
		Name: "dockerd",
		Args: []string{
			path, "--config-file", filepath.Join(dir, "daemon.json"), "--host", e.socket,
			"--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs",
			"--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
			"--pidfile", filepath.Join(dir, "dockerd.pid"), "--log-level=warn",
		},
		Env:   environment(dir),
		Dir:   dir,
		Ready: proc.Listens(filepath.Join(dir, "docker.sock")),
		Wait:  time.Minute,
	})
	return e
}

// unmount takes away the network namespaces that an engine leaves in its folder.
func (e *engine) unmount() {
	left, err := filepath.Glob(filepath.Join(e.dir, "exec", "netns", "*"))
	if err != nil {
		return // the pattern is a fixed one
	}
	for _, path := range left {
		_ = syscall.Unmount(path, syscall.MNT_DETACH) // one that is none is no matter
	}
}

// try runs the docker command.
func (e *engine) try(stdin string, args ...string) proc.Output {
	return proc.Run(proc.Command{
		Args: append([]string{"docker"}, args...), Env: environment(e.dir, "DOCKER_HOST="+e.socket),
		Dir: e.dir, Stdin: stdin, Limit: 2 * time.Minute,
	})
}

// docker runs the docker command, which must succeed.
func (e *engine) docker(t *testing.T, args ...string) string {
	t.Helper()
	return strings.TrimSpace(must(t, e.try("", args...)))
}

// container runs the image and removes the container with the test.
func (e *engine) container(t *testing.T, args ...string) string {
	t.Helper()
	id := e.docker(t, append([]string{"run", "--detach"}, args...)...)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the container:\n%s", e.try("", "logs", id).Text)
		}
		if out := e.try("", "rm", "--force", "--volumes", id); out.Err != nil {
			t.Error(out)
		}
	})
	return id
}
