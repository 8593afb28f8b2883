package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/proxy/embedded/stocktest"
)

// pushes is a client that pushes and pulls through a system's front door.
type pushes struct {
	*system
	t     testing.TB
	token string
}

// send asks for a path; a Location of the answer is a path again.
func (p pushes) send(method, path, contentType, body string, want int) *httptest.ResponseRecorder {
	p.t.Helper()
	req := httptest.NewRequestWithContext(p.t.Context(), method, path, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+p.token)
	req.Header.Set("Accept", manifestType)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, req)
	if w.Code != want {
		p.t.Fatalf("%s %s = %d %s, want %d", method, path, w.Code, w.Body, want)
	}
	return w
}

func (p pushes) blob(repository, content string) string {
	p.t.Helper()
	d := digest.FromString(content).String()
	location := p.send(http.MethodPost, "/v2/"+repository+"/blobs/uploads/", "", "", 202).Header().Get("Location")
	_, path, _ := strings.Cut(location, "/v2/")
	p.send(http.MethodPut, "/v2/"+path+"&digest="+d, "application/octet-stream", content, 201)
	return fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d}`, d, len(content))
}

// image pushes an image, and returns its digest.
func (p pushes) image(repository, tag, architecture string) string {
	p.t.Helper()
	config := `{"os":"linux","architecture":"` + architecture + `","author":"me"}`
	body := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]}`, manifestType, p.blob(repository, config), p.blob(repository, "layer of "+architecture))
	p.send(http.MethodPut, "/v2/"+repository+"/manifests/"+tag, manifestType, body, 201)
	return digest.FromString(body).String()
}

// stockRegistry runs a registry of the library beside the system, and tells it of the system's root.
func stockRegistry(t *testing.T, dir string) string {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	root, _, err := dataDir(dir).tokenRoot(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	bundle := filepath.Join(dir, "root.pem")
	if err := os.WriteFile(bundle, root.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	handler, shutdown, err := stocktest.New(context.Background(), stocktest.Config{Root: t.TempDir(), Realm: "http://realm.invalid/token", Service: "sealock", Issuer: "sealock", RootCertBundle: bundle})
	if err != nil {
		t.Fatal(err)
	}
	srv.Config.Handler = handler
	srv.Start()
	t.Cleanup(func() { srv.Close(); _ = shutdown() })
	return srv.URL
}

// TestIndexFollowsTheDoor pushes, pulls and deletes before both kinds of registries.
func TestIndexFollowsTheDoor(t *testing.T) {
	for _, kind := range []string{"embedded", "separate"} {
		t.Run(kind, func(t *testing.T) {
			flags := map[string]string{"data_dir": t.TempDir()}
			if kind == "separate" {
				if err := dataDir(flags["data_dir"]).prepare(); err != nil {
					t.Fatal(err)
				}
				flags["registry.url"] = stockRegistry(t, flags["data_dir"])
			}
			s := startSystem(t, flags)
			token, _ := s.granted(t, "admin", testPassword, "repository:library/app:pull,push,delete")
			p := pushes{s, t, token}
			one := p.image("library/app", "v1", "amd64")
			p.image("library/app", "v2", "arm64")
			ctx := t.Context()
			repo, err := s.store.RepositoryByName(ctx, "library/app")
			if err != nil || repo.Artifacts != 2 {
				t.Fatalf("the repository after two pushes = %+v %v, want two artifacts", repo, err)
			}
			a, err := s.store.ArtifactByTag(ctx, repo.ID, "v1")
			if err != nil || a.Digest != one || a.Kind != "IMAGE" || string(a.Extra) != `{"architecture":"amd64","author":"me","os":"linux"}` {
				t.Errorf("v1 = %+v %v, want %s with what its config says", a, err, one)
			}
			p.send(http.MethodGet, "/v2/library/app/manifests/v1", "", "", 200)
			p.send(http.MethodHead, "/v2/library/app/manifests/v1", "", "", 200)
			p.send(http.MethodGet, "/v2/library/app/manifests/"+one, "", "", 200)
			s.indexer.WritePulls(ctx)
			if repo, err = s.store.RepositoryByName(ctx, "library/app"); err != nil || repo.Pulls != 2 {
				t.Errorf("%d pulls (%v), want 2", repo.Pulls, err)
			}
			p.send(http.MethodDelete, "/v2/library/app/manifests/"+one, "", "", 202)
			if _, err := s.store.ArtifactByDigest(ctx, repo.ID, one); !errs.Is(err, errs.NotFound) {
				t.Errorf("the artifact that was deleted = %v, want NotFound", err)
			}
			if _, err := s.store.ArtifactByTag(ctx, repo.ID, "v2"); err != nil {
				t.Errorf("the other one = %v, want it", err)
			}
		})
	}
}
