// Package engine starts Debian's containerd and a docker engine on top of it.
//
// It owns how both are started so that they work in a container and on a busy machine:
// no bridge, no packet filter, every file below one folder. The same containerd serves
// the ctr client and the docker engine.
package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
)

// Containerd is a containerd that runs.
type Containerd struct {
	Socket string
	dir    string
}

// containerdConfig keeps everything below dir, leaves out what a registry client does
// not need, and lets no namespace see what another one has pulled: a pull is a pull.
const containerdConfig = `version = 2
root = %[1]q
state = %[2]q
disabled_plugins = [
  "io.containerd.grpc.v1.cri",
  "io.containerd.internal.v1.opt",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
  address = %[3]q

[debug]
  level = "warn"

[ttrpc]
  address = %[4]q

[plugins."io.containerd.metadata.v1.bolt"]
  content_sharing_policy = "isolated"
`

// StartContainerd starts a containerd that ends with the test.
func StartContainerd(t testing.TB) *Containerd {
	t.Helper()
	path := need.Tool(t, "containerd")
	need.Root(t, "containerd")
	dir := proc.Dir(t)
	c := &Containerd{Socket: filepath.Join(dir, "containerd.sock"), dir: dir}
	config := filepath.Join(dir, "containerd.toml")
	text := fmt.Sprintf(containerdConfig,
		filepath.Join(dir, "root"), filepath.Join(dir, "state"), c.Socket, c.Socket+".ttrpc")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatalf("writing the configuration of containerd: %v", err)
	}
	proc.Start(t, proc.Server{
		Name:  "containerd",
		Args:  []string{path, "--config", config},
		Env:   environment(dir),
		Dir:   dir,
		Ready: proc.Listens(c.Socket),
	})
	return c
}

// Docker is a docker engine that runs.
type Docker struct {
	Socket string
}

// Host is what DOCKER_HOST has to say.
func (d *Docker) Host() string { return "unix://" + d.Socket }

// StartDocker starts a docker engine on a containerd.
func StartDocker(t testing.TB, c *Containerd) *Docker {
	t.Helper()
	path := need.Tool(t, "dockerd")
	need.Root(t, "dockerd")
	dir := proc.Dir(t)
	d := &Docker{Socket: filepath.Join(dir, "docker.sock")}
	config := filepath.Join(dir, "daemon.json")
	if err := os.WriteFile(config, []byte("{}\n"), 0o600); err != nil {
		t.Fatalf("writing the configuration of dockerd: %v", err)
	}
	proc.Start(t, proc.Server{
		Name: "dockerd",
		Args: []string{
			path, "--config-file", config, "--containerd", c.Socket,
			"--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs",
			"--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
			"--pidfile", filepath.Join(dir, "dockerd.pid"), "--host", d.Host(), "--log-level", "warn",
			"--insecure-registry", "127.0.0.0/8",
		},
		Env:   environment(dir),
		Dir:   dir,
		Ready: proc.Listens(d.Socket),
		Wait:  time.Minute,
	})
	return d
}

func environment(dir string) []string {
	return []string{"PATH=" + need.Path(), "HOME=" + dir, "TMPDIR=" + dir}
}
