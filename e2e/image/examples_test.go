package image_test

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/sealock/sealock/e2e/internal/fixture"
	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
	"github.com/sealock/sealock/e2e/internal/sealock"
)

// TestYAML lets each YAML file under examples be read by the program that it is for.
func TestYAML(t *testing.T) {
	t.Parallel()
	files := 0
	err := filepath.WalkDir(repository("examples"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".yaml") && !strings.HasSuffix(path, ".yml") {
			return err
		}
		files++
		t.Run(strings.TrimPrefix(path, repository("examples")+"/"), func(t *testing.T) {
			t.Parallel()
			switch name := d.Name(); {
			case strings.HasPrefix(name, "sealock") || name == "config.full.yaml":
				checkSettings(t, path)
			case strings.HasPrefix(name, "compose"):
				checkCompose(t, path)
			case name == "config.yml":
				checkRegistryConfig(t, path)
			default:
				t.Errorf("%s: no test knows what this is, want one that reads it", path)
			}
		})
		return nil
	})
	if err != nil || files == 0 {
		t.Errorf("walking examples: got %d files, %v, want some, nil", files, err)
	}
}

// checkSettings lets sealock say whether it would start with a settings file.
func checkSettings(t *testing.T, path string) {
	t.Helper()
	dir := proc.Dir(t)
	must(t, proc.Run(proc.Command{
		Args: []string{sealock.Binary(t), "check", "--config", path}, Env: environment(dir), Dir: dir,
	}))
}

// checkRegistryConfig wants the auth block to be what sealock prints for a registry.
func checkRegistryConfig(t *testing.T, path string) {
	t.Helper()
	dir := proc.Dir(t)
	printed := must(t, proc.Run(proc.Command{
		Args: []string{sealock.Binary(t), "registry-config", "--data-dir", filepath.Join(dir, "data"), "--out", filepath.Join(dir, "trust")},
		Env:  environment(dir), Dir: dir,
	}))
	type config struct {
		Auth struct{ Token map[string]string }
	}
	var got, want config
	readYAML(t, path, &got)
	if err := yaml.Unmarshal([]byte(printed), &want); err != nil {
		t.Fatalf("sealock registry-config printed %q: %v", printed, err)
	}
	for key, value := range want.Auth.Token {
		if key == "rootcertbundle" {
			value = filepath.Join("/trust", filepath.Base(value))
		}
		if got.Auth.Token[key] != value {
			t.Errorf("%s: auth.token.%s is %q, want %q", path, key, got.Auth.Token[key], value)
		}
	}
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// TestStockRegistry runs the plain processes of the example, both ways, and pushes and pulls.
func TestStockRegistry(t *testing.T) {
	t.Parallel()
	registry, skopeo := need.Tool(t, "docker-registry"), need.Tool(t, "skopeo")
	for _, mode := range []string{"proxy", "plug-in"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			dir := proc.Dir(t)
			door, behind := proc.FreePort(t), proc.FreePort(t)
			at := "localhost:" + strconv.Itoa(door)
			proc.Start(t, proc.Server{
				Name: "run.sh",
				Args: []string{repository("examples", "stock-registry", "run.sh"), mode},
				Env: environment(dir, "SEALOCK="+sealock.Binary(t), "SEALOCK_ADMIN_PASSWORD="+password, "REGISTRY="+registry,
					"PORT="+strconv.Itoa(door), "REGISTRY_AT="+strconv.Itoa(behind), "DATA="+filepath.Join(dir, "data")),
				Dir:   dir,
				Ready: proc.Answers("http://"+at+"/api/v2.0/ping", http.StatusOK),
			})
			images := "localhost:" + strconv.Itoa(behind)
			await(t, "http://"+images+"/v2/", http.StatusUnauthorized)
			if mode == "proxy" {
				images = at
			}
			layout := fixture.Layout(t, filepath.Join(dir, "layout"), "v1", mode)
			run := func(args ...string) proc.Output {
				return proc.Run(proc.Command{Args: append([]string{skopeo}, args...), Env: environment(dir), Dir: dir})
			}
			must(t, run("copy", "--dest-tls-verify=false", "--dest-creds=admin:"+password, "oci:"+layout+":v1", "docker://"+images+"/library/app:v1"))
			must(t, run("inspect", "--tls-verify=false", "docker://"+images+"/library/app:v1"))
			if out := run("copy", "--dest-tls-verify=false", "oci:"+layout+":v1", "docker://"+images+"/library/app:v2"); out.Err == nil {
				t.Errorf("push of nobody in particular: got %s, want a refusal", out)
			}
		})
	}
}

// TestUnit reads the unit as systemd does, and starts what it would start.
func TestUnit(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(repository("examples", "all-in-one", "sealock.service"))
	if err != nil {
		t.Fatal(err)
	}
	const installed = "/usr/local/bin/sealock"
	if !strings.Contains(string(text), "\nExecStart="+installed+" serve --config /etc/sealock/sealock.yaml\n") {
		t.Errorf("sealock.service: want an ExecStart that serves with /etc/sealock/sealock.yaml")
	}
	t.Run("systemd reads it", func(t *testing.T) {
		t.Parallel()
		dir := proc.Dir(t)
		unit := fixture.File(t, filepath.Join(dir, "sealock.service"), strings.ReplaceAll(string(text), installed, sealock.Binary(t)))
		out := proc.Run(proc.Command{Args: []string{need.Tool(t, "systemd-analyze"), "verify", unit}, Env: environment(dir), Dir: dir})
		must(t, out)
		if strings.Contains(out.Text, "sealock.service:") {
			t.Errorf("systemd-analyze verify: got %s, want no complaint about the unit", out.Text)
		}
	})
	t.Run("its settings start", func(t *testing.T) {
		t.Parallel()
		dir, addr := proc.Dir(t), proc.FreeAddr(t)
		proc.Start(t, proc.Server{
			Name:  "sealock",
			Args:  []string{sealock.Binary(t), "serve", "--config", repository("examples", "all-in-one", "sealock.yaml")},
			Env:   environment(dir, "SEALOCK_LISTEN="+addr, "SEALOCK_DATA_DIR="+filepath.Join(dir, "data")),
			Dir:   dir,
			Ready: proc.Answers("http://"+addr+"/api/v2.0/ping", http.StatusOK),
		})
	})
}
