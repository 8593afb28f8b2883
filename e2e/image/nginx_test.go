package image_test

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sealock/sealock/e2e/internal/cert"
	"github.com/sealock/sealock/e2e/internal/fixture"
	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
	"github.com/sealock/sealock/e2e/internal/sealock"
)

// TestNginx runs the site of the example before the settings of the example, with this machine's addresses in them, and
// pushes and pulls what nginx as it comes would refuse for its size.
func TestNginx(t *testing.T) {
	t.Parallel()
	nginx, skopeo := need.Tool(t, "nginx"), need.Tool(t, "skopeo")
	dir := proc.Dir(t)
	port, plain := strconv.Itoa(proc.FreePort(t)), strconv.Itoa(proc.FreePort(t))
	at := "localhost:" + port
	certs := filepath.Join(dir, "certs") // as clients want it (--cert-dir): a key in it they would take for their own
	if err := os.Mkdir(certs, 0o700); err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := filepath.Join(certs, "ca.crt"), filepath.Join(dir, "nginx.key")
	cert.Make(t, certFile, keyFile, "localhost")
	socket := filepath.Join(dir, "sealock.sock")
	environ := environment(dir, "SEALOCK_LISTEN=unix:"+socket, "SEALOCK_DATA_DIR="+filepath.Join(dir, "data"),
		"SEALOCK_EXTERNAL_URLS=https://"+at, "SEALOCK_ADMIN_PASSWORD="+password)
	proc.Start(t, proc.Server{
		Name:  "sealock",
		Args:  []string{sealock.Binary(t), "serve", "--config", repository("examples", "nginx", "sealock.yaml")},
		Env:   environ,
		Dir:   dir,
		Ready: proc.Listens(socket),
	})
	site := adapt(t, repository("examples", "nginx", "sealock.conf"), [][2]string{
		{"unix:/run/sealock/sealock.sock", "unix:" + socket},
		{"listen 443 ", "listen 127.0.0.1:" + port + " "},
		{"listen [::]:443 ", "listen [::1]:" + port + " "},
		{"listen 80;", "listen 127.0.0.1:" + plain + ";"},
		{"listen [::]:80;", "listen [::1]:" + plain + ";"},
		{"server_name registry.example.com;", "server_name localhost;"},
		{"https://registry.example.com$", "https://" + at + "$"},
		{"/etc/ssl/registry.example.com.crt", certFile},
		{"/etc/ssl/registry.example.com.key", keyFile},
	})
	config := fixture.File(t, filepath.Join(dir, "nginx.conf"), fmt.Sprintf(nginxRest, userOf(), dir, fixture.File(t, filepath.Join(dir, "site.conf"), site)))
	proc.Start(t, proc.Server{
		Name: "nginx", Args: []string{nginx, "-e", "stderr", "-p", dir, "-c", config}, Env: environment(dir), Dir: dir,
		Ready: proc.Dials("127.0.0.1:" + port),
	})

	layout := fixture.Layout(t, filepath.Join(dir, "layout"), "v1", noise(3<<20)) // nginx's own limit is 1 MB
	run := func(args ...string) proc.Output {
		return proc.Run(proc.Command{Args: append([]string{skopeo}, args...), Env: environment(dir), Dir: dir})
	}
	image := "docker://" + at + "/library/app:v1"
	must(t, run("copy", "--dest-cert-dir="+certs, "--dest-creds=admin:"+password, "oci:"+layout+":v1", image))
	must(t, run("copy", "--src-cert-dir="+certs, image, "oci:"+filepath.Join(dir, "back")+":v1"))
	if out := run("copy", "--dest-cert-dir="+certs, "oci:"+layout+":v1", "docker://"+at+"/library/app:v2"); out.Err == nil {
		t.Errorf("push of nobody in particular: got %s, want a refusal", out)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost:"+plain+"/v2/?a=b", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if got, want := resp.Header.Get("Location"), "https://"+at+"/v2/?a=b"; resp.StatusCode != http.StatusPermanentRedirect || got != want {
		t.Errorf("plain HTTP: %d to %q, want 308 to %q", resp.StatusCode, got, want)
	}
}

// nginxRest is what stands around a site in Debian's nginx.conf, as far as it matters here.
const nginxRest = `daemon off;
%[1]s
pid %[2]s/nginx.pid;
error_log stderr error;
events {}
http {
  access_log off;
  client_body_temp_path %[2]s/body;
  proxy_temp_path %[2]s/proxy;
  fastcgi_temp_path %[2]s/fastcgi;
  uwsgi_temp_path %[2]s/uwsgi;
  scgi_temp_path %[2]s/scgi;
  include %[3]s;
}
`

// userOf lets nginx's workers write below a folder of root's.
func userOf() string {
	if os.Getuid() == 0 {
		return "user root;"
	}
	return ""
}

// adapt returns the text of a file with each of these replaced, of which none may be missing.
func adapt(t *testing.T, path string, pairs [][2]string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for _, p := range pairs {
		if !strings.Contains(text, p[0]) {
			t.Fatalf("%s has no %q", path, p[0])
		}
		text = strings.ReplaceAll(text, p[0], p[1])
	}
	return text
}

// noise is text that no compression makes small.
func noise(size int) string {
	raw := make([]byte, size/2)
	_, _ = rand.Read(raw) // it never fails
	return hex.EncodeToString(raw)
}
