package image_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealock/sealock/e2e/internal/fixture"
	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/objectstore"
	"github.com/sealock/sealock/e2e/internal/proc"
	"github.com/sealock/sealock/e2e/internal/sealock"
)

// TestS3 runs the settings of the example as they are, with a server's address, bucket and key from the environment.
func TestS3(t *testing.T) {
	t.Parallel()
	skopeo, store, dir, addr := need.Tool(t, "skopeo"), objectstore.S3(t), proc.Dir(t), proc.FreeAddr(t)
	environ := environment(dir, "SEALOCK_LISTEN="+addr, "SEALOCK_DATA_DIR="+filepath.Join(dir, "data"), "SEALOCK_ADMIN_PASSWORD="+password)
	for key, value := range store.Values {
		environ = append(environ, "SEALOCK_REGISTRY_STORAGE_S3_"+strings.ToUpper(key)+"="+value)
	}
	proc.Start(t, proc.Server{
		Name: "sealock", Args: []string{sealock.Binary(t), "serve", "--config", repository("examples", "s3", "sealock.yaml")},
		Env: environ, Dir: dir, Ready: proc.Answers("http://"+addr+"/api/v2.0/ping", http.StatusOK),
	})
	layout := fixture.Layout(t, filepath.Join(dir, "layout"), "v1", noise(1<<20))
	run := func(args ...string) proc.Output {
		return proc.Run(proc.Command{Args: append([]string{skopeo}, args...), Env: environment(dir), Dir: dir})
	}
	image := "docker://" + addr + "/library/app:v1"
	must(t, run("copy", "--dest-tls-verify=false", "--dest-creds=admin:"+password, "oci:"+layout+":v1", image))
	must(t, run("copy", "--src-tls-verify=false", "--src-creds=admin:"+password, image, "oci:"+filepath.Join(dir, "pulled")+":v1"))
	if found, err := filepath.Glob(filepath.Join(dir, "data", "registry", "*")); err != nil || len(found) > 0 {
		t.Errorf("data_dir holds %q, %v, want no images", found, err)
	}
}
