package api_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/proxy"
	"github.com/sealock/sealock/proxy/embedded"
	"github.com/sealock/sealock/store"
)

const (
	imageType   = "application/vnd.oci.image.manifest.v1+json"
	indexType   = "application/vnd.oci.image.index.v1+json"
	configType  = "application/vnd.oci.image.config.v1+json"
	chartConfig = "application/vnd.cncf.helm.config.v1+json"
	layerType   = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// localRegistry is the embedded registry, opened when it is first asked: few tests do.
type localRegistry struct {
	*proxy.Inside
	w    *world
	root string
	once sync.Once
	http http.Handler
}

func (r *localRegistry) open(ctx context.Context) *proxy.Inside {
	r.once.Do(func() {
		t := r.w.t
		if r.w.blobs != nil {
			must(t, r, os.CopyFS(r.root, r.w.blobs))
		}
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		e, err := embedded.New(ctx, embedded.Config{Root: r.root, HTTPSecret: secret.New("0123456789abcdef0123456789abcdef"), Log: slog.New(slog.DiscardHandler)})
		must(t, e, err)
		t.Cleanup(func() { _ = e.Shutdown(); cancel() })
		r.http, r.Inside = e, proxy.NewInside(e)
		if r.w.blobs == nil {
			for _, p := range r.w.pushed {
				r.push(ctx, p)
			}
		}
	})
	return r.Inside
}

// push is what a client would do.
func (r *localRegistry) push(ctx context.Context, p pushed) {
	for _, b := range p.blobs {
		r.send(ctx, "POST", "/v2/"+p.repository+"/blobs/uploads/", func(location string) {
			sep := "?"
			if strings.Contains(location, "?") {
				sep = "&"
			}
			r.send(ctx, "PUT", location+sep+"digest="+digestOf(b), nil, b, "application/octet-stream")
		}, nil, "")
	}
	reference := p.tag
	if reference == "" {
		reference = digestOf(p.manifest)
	}
	r.send(ctx, "PUT", "/v2/"+p.repository+"/manifests/"+reference, nil, p.manifest, p.mediaType)
}

func (r *localRegistry) send(ctx context.Context, method, path string, then func(location string), body []byte, contentType string) {
	r.w.t.Helper()
	req := httptest.NewRequestWithContext(ctx, method, path, bytes.NewReader(body))
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	rec := httptest.NewRecorder()
	r.http.ServeHTTP(rec, req)
	if rec.Code >= 300 {
		r.w.t.Fatalf("%s %s = %d %s", method, path, rec.Code, rec.Body)
	}
	if then != nil {
		u, err := url.Parse(rec.Header().Get("Location"))
		must(r.w.t, u, err)
		then(u.RequestURI())
	}
}

func (r *localRegistry) Manifest(ctx context.Context, repository, reference string) (string, []byte, error) {
	return r.open(ctx).Manifest(ctx, repository, reference)
}

func (r *localRegistry) PutManifest(ctx context.Context, repository, reference, mediaType string, body []byte) error {
	return r.open(ctx).PutManifest(ctx, repository, reference, mediaType, body)
}

func (r *localRegistry) DeleteManifest(ctx context.Context, repository, digest string) error {
	return r.open(ctx).DeleteManifest(ctx, repository, digest)
}

func (r *localRegistry) DeleteTag(ctx context.Context, repository, tag string) error {
	return r.open(ctx).DeleteTag(ctx, repository, tag)
}

func (r *localRegistry) Tags(ctx context.Context, repository, last string, n int) ([]string, bool, error) {
	return r.open(ctx).Tags(ctx, repository, last, n)
}

func (r *localRegistry) Blob(ctx context.Context, repository, digest string, limit int64) ([]byte, error) {
	return r.open(ctx).Blob(ctx, repository, digest, limit)
}

func (r *localRegistry) Mount(ctx context.Context, from, to, digest string) error {
	return r.open(ctx).Mount(ctx, from, to, digest)
}

// pushed is something in the registry.
type pushed struct {
	repository, tag string
	mediaType       string
	manifest        []byte
	blobs           [][]byte
}

func digestOf(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

func described(mediaType string, content []byte) map[string]any {
	return map[string]any{"mediaType": mediaType, "digest": digestOf(content), "size": len(content)}
}

func encoded(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// image makes an image whose config has a history, about a subject if that is not nil.
func image(repository, tag, what string, subject []byte) pushed {
	config := encoded(map[string]any{"os": "linux", "architecture": "amd64", "history": []any{map[string]any{"created_by": what}}})
	layer := []byte("layer of " + what)
	m := map[string]any{"schemaVersion": 2, "mediaType": imageType, "config": described(configType, config), "layers": []any{described(layerType, layer)}}
	if subject != nil {
		m["subject"] = described(imageType, subject)
		m["artifactType"] = "application/spdx+json"
	}
	return pushed{repository, tag, imageType, encoded(m), [][]byte{config, layer}}
}

// chart makes a Helm chart.
func chart(repository, tag string) pushed {
	config := []byte(`{"name":"app","version":"1.0.0","dependencies":[{"name":"redis","version":"1.2.3","repository":"oci://example.com"}]}`)
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	archive := tar.NewWriter(zip)
	for _, f := range [][2]string{{"app/Chart.yaml", "name: app\n"}, {"app/README.md", "# The app\n<script>alert(1)</script>\n"}, {"app/values.yaml", "replicas: 1\n"}, {"app/charts/redis/README.md", "# Redis\n"}} {
		_ = archive.WriteHeader(&tar.Header{Name: f[0], Mode: 0o644, Size: int64(len(f[1]))})
		_, _ = archive.Write([]byte(f[1]))
	}
	_ = archive.Close()
	_ = zip.Close()
	m := encoded(map[string]any{"schemaVersion": 2, "mediaType": imageType, "config": described(chartConfig, config), "layers": []any{described("application/vnd.cncf.helm.chart.content.v1.tar+gzip", packed.Bytes())}})
	return pushed{repository, tag, imageType, m, [][]byte{config, packed.Bytes()}}
}

// index makes an index of images.
func index(repository, tag string, of ...pushed) pushed {
	var manifests []any
	for _, p := range of {
		d := described(p.mediaType, p.manifest)
		d["platform"] = map[string]any{"os": "linux", "architecture": "arm64", "os.version": "1"}
		manifests = append(manifests, d)
	}
	return pushed{repository, tag, indexType, encoded(map[string]any{"schemaVersion": 2, "mediaType": indexType, "manifests": manifests}), nil}
}

// fill puts the same things into the registry and the index.
func (w *world) fill() {
	main := image("team/app", "v1", "one", nil)
	arm := image("team/app", "", "arm", nil)
	w.pushed = []pushed{
		image("library/app", "v1", "public", nil), main, image("team/app", "", "bill", main.manifest),
		arm, index("team/app", "multi", arm), image("team/deep/er", "v1", "deep", nil), chart("team/chart", "1.0.0"),
	}
	for _, p := range w.pushed {
		w.note(p)
	}
}

// note is what an indexer does with a push.
func (w *world) note(p pushed) {
	w.t.Helper()
	must(w.t, p, w.indexer.Pushed(context.Background(), project.Manifest{
		Repository: p.repository, Tag: p.tag, MediaType: p.mediaType, Digest: digestOf(p.manifest), Body: p.manifest,
	}))
}

// newOpenWorld returns a world in which team's rule keeps other tags than those that are there from the start.
func newOpenWorld(t testing.TB) *world {
	t.Helper()
	w := newWorld(t)
	_, err := w.store.UpdateImmutableRule(t.Context(), w.team.ID, 1, func(r *store.ImmutableRule) error {
		r.Rule.TagSelectors = []store.Selector{{Kind: "doublestar", Decoration: "matches", Pattern: "keep*"}}
		return nil
	})
	must(t, w, err)
	return w
}

var _ project.Registry = (*localRegistry)(nil)

// inRegistry reports whether the registry has a manifest.
func (w *world) inRegistry(repository, reference string) bool {
	_, _, err := w.registry.Manifest(context.Background(), repository, reference)
	return err == nil
}

// pushNow pushes and notes.
func (w *world) pushNow(p pushed) string {
	ctx := w.t.Context()
	w.registry.open(ctx)
	w.registry.push(ctx, p)
	w.note(p)
	return digestOf(p.manifest)
}
