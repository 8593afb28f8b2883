package image_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/e2e/internal/fixture"
	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
)

const (
	baseImage = "localhost/go-base"
	image     = "localhost/sealock"
	version   = "v0.0.1-test"
)

// TestDockerfile builds the image as it stands, and runs it as an operator does.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	e.docker(t, "load", "--input", buildImage(t))

	t.Run("says what it is", func(t *testing.T) { describes(t, e) })
	t.Run("holds the version", func(t *testing.T) {
		got := e.docker(t, "run", "--rm", "--network=none", image, "version")
		if !strings.HasPrefix(got, "sealock "+version+" ") {
			t.Errorf("sealock version in the image printed %q, want version %s", got, version)
		}
	})
	t.Run("is healthy as it stands", func(t *testing.T) { healthy(t, e) })
	t.Run("serves as nobody", func(t *testing.T) { serves(t, e) })
	t.Run("gives a registry its root", func(t *testing.T) {
		volume := e.docker(t, "volume", "create")
		e.docker(t, "run", "--rm", "--network=none", "--volume", volume+":/trust", image, "registry-config", "--out", "/trust")
	})
}

// buildImage builds the Dockerfile with buildah and returns an archive that an engine loads.
func buildImage(t *testing.T) string {
	t.Helper()
	need.Root(t, "buildah")
	b := buildah{path: need.Tool(t, "buildah"), dir: proc.Dir(t)}
	b.makeBase(t)
	goRoot, modules, cache := goEnv(t, "GOROOT"), goEnv(t, "GOMODCACHE"), goEnv(t, "GOCACHE")
	download := proc.Run(proc.Command{Args: []string{"go", "mod", "download"}, Dir: repository(), Env: os.Environ(), Limit: 5 * time.Minute})
	must(t, download) // so that the build finds all modules without a network
	b.run(t, "bud", "--format=docker", "--network=host", "--build-arg=GO_IMAGE="+baseImage, "--build-arg=GOPROXY=off",
		"--build-arg=VERSION="+version, "--volume="+goRoot+":/usr/local/go:ro", "--volume="+modules+":/go/pkg/mod",
		"--volume="+cache+":/go/cache", "--tag="+image, repository())
	archive := filepath.Join(b.dir, "image.tar")
	b.run(t, "push", image, "docker-archive:"+archive+":"+image)
	return archive
}

// buildah keeps all it makes in a folder of the test.
type buildah struct{ path, dir string }

func (b buildah) run(t *testing.T, args ...string) string {
	t.Helper()
	all := append([]string{
		b.path, "--root", filepath.Join(b.dir, "root"), "--runroot", filepath.Join(b.dir, "run"), "--storage-driver=vfs",
	}, args...)
	return strings.TrimSpace(must(t, proc.Run(proc.Command{Args: all, Env: environment(b.dir), Dir: b.dir, Limit: 10 * time.Minute})))
}

// makeBase makes the image that stands for golang's own: a shell, what the Dockerfile calls, and the certificates.
// Go itself is mounted, since it is on this machine.
func (b buildah) makeBase(t *testing.T) {
	t.Helper()
	root := filepath.Join(b.dir, "base")
	for _, program := range []string{"/bin/sh", "/bin/mkdir"} {
		copyFile(t, program, filepath.Join(root, program))
		for _, library := range libraries(t, program) {
			copyFile(t, library, filepath.Join(root, library))
		}
	}
	const certificates = "/etc/ssl/certs/ca-certificates.crt"
	if _, err := os.Stat(certificates); err == nil {
		copyFile(t, certificates, filepath.Join(root, certificates))
	} else {
		fixture.File(t, filepath.Join(root, certificates), "")
	}
	if err := os.MkdirAll(filepath.Join(root, "tmp"), 0o755); err != nil {
		t.Fatal(err)
	}
	container := b.run(t, "from", "scratch")
	b.run(t, "add", container, root, "/")
	b.run(t, "config", "--env=PATH=/usr/local/go/bin:/bin", "--env=GOPATH=/go", "--env=GOCACHE=/go/cache", "--env=GOTOOLCHAIN=local", container)
	b.run(t, "commit", "--rm", container, baseImage)
}

// libraries lists what a program is linked with.
func libraries(t *testing.T, program string) []string {
	t.Helper()
	var found []string
	for word := range strings.FieldsSeq(must(t, proc.Run(proc.Command{Args: []string{"ldd", program}, Env: os.Environ()}))) {
		if strings.HasPrefix(word, "/") {
			found = append(found, word)
		}
	}
	return found
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, content, 0o755); err != nil {
		t.Fatal(err)
	}
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSpace(must(t, proc.Run(proc.Command{Args: []string{"go", "env", name}, Dir: repository(), Env: os.Environ()})))
}

// describes reads what the image says of itself.
func describes(t *testing.T, e *engine) {
	t.Helper()
	var list []struct {
		Size   int64
		Config struct {
			User         string
			Env          []string
			Entrypoint   []string
			Cmd          []string
			Volumes      map[string]any
			ExposedPorts map[string]any
			Healthcheck  struct{ Test []string }
		}
	}
	if err := json.Unmarshal([]byte(e.docker(t, "image", "inspect", image)), &list); err != nil || len(list) != 1 {
		t.Fatalf("image inspect: got %d images, %v, want 1, nil", len(list), err)
	}
	c := list[0].Config
	uid, _, _ := strings.Cut(c.User, ":")
	if strings.Trim(uid, "0123456789") != "" || strings.Trim(uid, "0") == "" {
		t.Errorf("user %q, want a number other than 0", c.User)
	}
	if want := []string{"/sealock", "serve"}; !slices.Equal(append(c.Entrypoint, c.Cmd...), want) {
		t.Errorf("entry point %q and command %q, want %q", c.Entrypoint, c.Cmd, want)
	}
	if c.Volumes["/data"] == nil || c.ExposedPorts["8080/tcp"] == nil {
		t.Errorf("volumes %v and ports %v, want /data and 8080/tcp", c.Volumes, c.ExposedPorts)
	}
	if want := []string{"CMD", "/sealock", "health"}; !slices.Equal(c.Healthcheck.Test, want) {
		t.Errorf("health check %q, want %q", c.Healthcheck.Test, want)
	}
	if list[0].Size > 100<<20 {
		t.Errorf("size %d MB, want at most 100", list[0].Size>>20)
	}
}

// healthy starts the image with nothing set, in a network of its own, and waits for the engine to find it healthy.
func healthy(t *testing.T, e *engine) {
	t.Helper()
	id := e.container(t, "--network=none", "--health-interval=1s", image)
	deadline := time.Now().Add(time.Minute)
	for {
		status := e.docker(t, "inspect", "--format={{.State.Status}} {{.State.Health.Status}}", id)
		if status == "running healthy" {
			return
		}
		if !strings.HasPrefix(status, "running") || time.Now().After(deadline) {
			t.Fatalf("the container is %q, want running healthy: %s", status, e.docker(t, "inspect", "--format={{json .State.Health.Log}}", id))
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// serves runs the image with nothing to write to but its volume, and pushes to it and pulls from it.
func serves(t *testing.T, e *engine) {
	t.Helper()
	addr := proc.FreeAddr(t)
	id := e.container(t, "--network=host", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges",
		"--env=SEALOCK_LISTEN="+addr, "--env=SEALOCK_ADMIN_PASSWORD="+password, image)
	await(t, "http://"+addr+"/api/v2.0/ping", http.StatusOK)
	e.docker(t, "exec", id, "/sealock", "health")
	runsAsNobody(t, e.docker(t, "inspect", "--format={{.State.Pid}}", id))

	must(t, e.try(password, "login", "--username=admin", "--password-stdin", addr))
	pushed := addr + "/library/sealock:v1"
	e.docker(t, "tag", image, pushed)
	e.docker(t, "push", pushed)
	e.docker(t, "rmi", pushed)
	e.docker(t, "pull", pushed)
	copyBack(t, pushed)
}

// runsAsNobody looks at the process from outside.
func runsAsNobody(t *testing.T, pid string) {
	t.Helper()
	status, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		fields := strings.Fields(line)
		switch fields[0] {
		case "Uid:", "Gid:":
			if slices.Contains(fields[1:], "0") {
				t.Errorf("process: got %q, want no 0", line)
			}
		case "CapEff:":
			if strings.Trim(fields[1], "0") != "" {
				t.Errorf("process: got %q, want no capabilities", line)
			}
		}
	}
}

// copyBack pulls with a client that was not there when the image was pushed.
func copyBack(t *testing.T, ref string) {
	t.Helper()
	dir := proc.Dir(t)
	out := proc.Run(proc.Command{
		Args: []string{need.Tool(t, "skopeo"), "copy", "--src-tls-verify=false", "--src-creds=admin:" + password, "docker://" + ref, "dir:" + filepath.Join(dir, "copy")},
		Env:  environment(dir), Dir: dir,
	})
	must(t, out)
}

// await waits for an answer.
func await(t *testing.T, url string, status int) {
	t.Helper()
	ready := proc.Answers(url, status)
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := ready()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(fmt.Errorf("not ready: %w", err))
		}
		time.Sleep(50 * time.Millisecond)
	}
}
