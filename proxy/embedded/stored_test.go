package embedded_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sealock/sealock/proxy"
	"github.com/sealock/sealock/proxy/embedded"
)

var _ proxy.Straight = (*embedded.Registry)(nil)

// twins are two replicas on one folder: one answers straight where it can, the other is the library alone.
type twins struct {
	root            string
	straight, stock *httptest.Server
	answers         map[string]*atomic.Int64 // of the straight way, by kind and status
}

func newTwins(t *testing.T) *twins {
	t.Helper()
	w := &twins{root: t.TempDir(), answers: map[string]*atomic.Int64{}}
	for _, key := range []string{"blob", "manifest 200", "manifest 304"} {
		w.answers[key] = new(atomic.Int64)
	}
	open := func() *embedded.Registry {
		reg, err := embedded.New(context.Background(), config(w.root))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := reg.Shutdown(); err != nil {
				t.Error(err)
			}
		})
		return reg
	}
	reg := open()
	w.straight = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		q, err := proxy.ParseRequest(r)
		reads := err == nil && (r.Method == http.MethodGet || r.Method == http.MethodHead)
		switch {
		case reads && q.Kind == proxy.KindBlob:
			if reg.ServeBlob(rw, r, q.Repository, q.Reference) {
				w.answers["blob"].Add(1)
				return
			}
		case reads && q.Kind == proxy.KindManifest:
			if status, _, err := reg.ServeManifest(rw, r, q.Repository, q.Reference); status != 0 {
				if n := w.answers[fmt.Sprint("manifest ", status)]; n == nil || err != nil {
					t.Errorf("ServeManifest of %s = %d, %v, want 200 or 304", r.URL, status, err)
				} else {
					n.Add(1)
				}
				return
			}
		}
		reg.ServeHTTP(rw, r)
	}))
	w.stock = httptest.NewServer(open())
	t.Cleanup(w.straight.Close)
	t.Cleanup(w.stock.Close)
	return w
}

// send sends a request and returns the answer as text, without what differs from one moment to the next.
func (w *twins) send(t *testing.T, server *httptest.Server, method, path string, h http.Header, body []byte) (status int, header http.Header, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = h.Clone()
	resp, err := server.Client().Transport.RoundTrip(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil && (server == w.straight || resp.StatusCode != http.StatusPreconditionFailed) {
		t.Fatalf("%s %s: reading the body: %v", method, path, err)
	}
	text = string(content)
	resp.Header.Del("Date")
	if resp.StatusCode == http.StatusPreconditionFailed { // the library announces a body that it does not send
		resp.Header.Del("Content-Length")
	}
	if kind, parameters, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err == nil && kind == "multipart/byteranges" {
		text = strings.ReplaceAll(text, parameters["boundary"], "BOUNDARY")
		resp.Header.Set("Content-Type", kind)
	}
	return resp.StatusCode, resp.Header, text
}

func (w *twins) mustSend(t *testing.T, method, path string, h http.Header, body []byte, want int) http.Header {
	t.Helper()
	status, header, text := w.send(t, w.stock, method, path, h, body)
	if status != want {
		t.Fatalf("%s %s = %d %s, want %d", method, path, status, text, want)
	}
	return header
}

func (w *twins) blob(t *testing.T, repository string, content []byte) string {
	t.Helper()
	at, err := url.Parse(w.mustSend(t, "POST", "/v2/"+repository+"/blobs/uploads/", http.Header{}, nil, http.StatusAccepted).Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	digest := digestOf(content)
	w.mustSend(t, "PUT", at.Path+"?"+at.RawQuery+"&digest="+digest, http.Header{"Content-Type": {"application/octet-stream"}}, content, http.StatusCreated)
	return digest
}

func (w *twins) manifest(t *testing.T, repository, reference, mediaType string, content []byte) string {
	t.Helper()
	w.mustSend(t, "PUT", "/v2/"+repository+"/manifests/"+reference, http.Header{"Content-Type": {mediaType}}, content, http.StatusCreated)
	return digestOf(content)
}

func digestOf(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

const (
	ociImage    = "application/vnd.oci.image.manifest.v1+json"
	ociIndex    = "application/vnd.oci.image.index.v1+json"
	dockerImage = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList  = "application/vnd.docker.distribution.manifest.list.v2+json"
)

// furnished fills the folder with each kind of manifest, and returns what can be asked for.
func (w *twins) furnished(t *testing.T) (paths []string) {
	t.Helper()
	contents := [][]byte{[]byte("{}"), {}, []byte("0123456789"), bytes.Repeat([]byte("sealock "), 40_000)}
	for _, repository := range []string{"team/app", "team/other"} {
		for _, content := range contents {
			w.blob(t, repository, content)
		}
	}
	alone := w.blob(t, "team/other", []byte("of the other one alone"))
	descriptor := func(mediaType string, content []byte) map[string]any {
		return map[string]any{"mediaType": mediaType, "digest": digestOf(content), "size": len(content), "platform": map[string]string{"architecture": "amd64", "os": "linux"}}
	}
	text := func(m map[string]any) []byte {
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	image := func(mediaType, note string) []byte {
		m := map[string]any{
			"schemaVersion": 2, "config": descriptor("application/vnd.oci.image.config.v1+json", contents[0]),
			"layers": []any{descriptor("application/vnd.oci.image.layer.v1.tar", contents[3])}, "annotations": map[string]string{"note": note},
		}
		if mediaType != "" {
			m["mediaType"] = mediaType
		}
		return text(m)
	}
	images := map[string][]byte{"oci": image(ociImage, "1"), "plain": image("", "2"), "docker": image(dockerImage, "3"), "second": image(ociImage, "4"), "large": image(ociImage, strings.Repeat("x", 300<<10))}
	indexes := map[string][]byte{
		"index":      text(map[string]any{"schemaVersion": 2, "mediaType": ociIndex, "manifests": []any{descriptor(ociImage, images["oci"])}}),
		"plainindex": text(map[string]any{"schemaVersion": 2, "manifests": []any{descriptor(ociImage, images["oci"])}}),
		"list":       text(map[string]any{"schemaVersion": 2, "mediaType": dockerList, "manifests": []any{descriptor(dockerImage, images["docker"])}}),
	}
	types := map[string]string{"oci": ociImage, "plain": ociImage, "docker": dockerImage, "second": ociImage, "large": ociImage, "index": ociIndex, "plainindex": ociIndex, "list": dockerList}
	for _, all := range []map[string][]byte{images, indexes} {
		for _, tag := range slices.Sorted(maps.Keys(all)) {
			digest := w.manifest(t, "team/app", tag, types[tag], all[tag])
			paths = append(paths, "/v2/team/app/manifests/"+tag, "/v2/team/app/manifests/"+digest, "/v2/team/other/manifests/"+digest, "/v2/team/app/blobs/"+digest)
		}
	}
	for _, content := range contents {
		paths = append(paths, "/v2/team/app/blobs/"+digestOf(content), "/v2/team/other/blobs/"+digestOf(content), "/v2/team/app/manifests/"+digestOf(content))
	}
	return append(paths, "/v2/team/app/blobs/"+alone, "/v2/team/other/blobs/"+alone, "/v2/team/none/blobs/"+alone,
		"/v2/team/app/manifests/none", "/v2/team/none/manifests/oci", "/v2/team/app/manifests/"+digestOf([]byte("nothing")),
		"/v2/team/app/blobs/"+digestOf([]byte("nothing")), "/v2/team/app/blobs/sha512:"+strings.Repeat("0", 128), "/v2/team/app/blobs/sha256:0",
		"/v2/team/app/manifests/sha256:"+strings.Repeat("A", 64), "/v2/team/app/tags/list", "/v2/team/app/manifests/oci?ns=docker.io")
}

// randomHeader makes up what clients ask with, and what they should not.
func randomHeader(r *rand.Rand, digest string) http.Header {
	h := http.Header{}
	one := func(list ...string) string { return list[r.IntN(len(list))] }
	if r.IntN(2) == 0 {
		h["Range"] = []string{one("bytes=0-0", "bytes=5-", "bytes=-5", "bytes=0-1,4-5", "bytes=0-3,2-9,-1", "bytes=99999999-", "bytes=x", "bytes=5-2", "bytes=0-99999999", "lines=1-2", "bytes=", "")}
	}
	tags := []string{`"` + digest + `"`, digest, `"sha256:0"`, "*", `W/"` + digest + `"`, `"x", "` + digest + `"`, "", `"x"`}
	for _, name := range []string{"If-None-Match", "If-Match", "If-Range"} {
		if r.IntN(4) == 0 {
			h[name] = []string{one(tags...)}
			if r.IntN(4) == 0 {
				h[name] = append(h[name], one(tags...))
			}
		}
	}
	for _, name := range []string{"If-Modified-Since", "If-Unmodified-Since"} {
		if r.IntN(8) == 0 {
			h[name] = []string{one("Mon, 02 Jan 2006 15:04:05 GMT", "Fri, 01 Jan 2100 00:00:00 GMT", "yesterday")}
		}
	}
	types := []string{ociImage, ociIndex, dockerImage, dockerList, "*/*", "", "application/*", strings.ToUpper(ociImage), ociImage + ";q=0.5", ociIndex + "; q", "text/html", "a/b/c"}
	for range r.IntN(4) {
		var line []string
		for range 1 + r.IntN(4) {
			line = append(line, one(types...))
		}
		h["Accept"] = append(h["Accept"], strings.Join(line, one(",", ", ", " ,")))
	}
	if r.IntN(8) == 0 {
		h["Accept-Encoding"] = []string{"gzip"}
	}
	return h
}

// What is answered straight is what the library answers, to the letter, whatever is asked for and however; also after
// somebody else has changed what is stored.
func TestStraightAnswersAsTheLibrary(t *testing.T) {
	w := newTwins(t)
	paths := w.furnished(t)
	r := rand.New(rand.NewPCG(1, 2)) // the same each time
	compare := func(n int) {
		t.Helper()
		for range n {
			path := paths[r.IntN(len(paths))]
			method := []string{"GET", "HEAD"}[r.IntN(2)]
			_, last, _ := strings.Cut(path, "s/sha256:")
			h := randomHeader(r, "sha256:"+last)
			if !strings.Contains(path, "sha256:") && r.IntN(2) == 0 { // the digest of a tag
				_, header, _ := w.send(t, w.stock, "HEAD", path, http.Header{"Accept": {ociImage + "," + ociIndex + "," + dockerList}}, nil)
				h = randomHeader(r, header.Get("Docker-Content-Digest"))
			}
			status, header, text := w.send(t, w.straight, method, path, h, nil)
			wantStatus, wantHeader, wantText := w.send(t, w.stock, method, path, h, nil)
			if status != wantStatus || text != wantText || !maps.EqualFunc(header, wantHeader, slices.Equal) {
				t.Fatalf("%s %s with %v = %d %v (%d bytes) %.200q, want %d %v (%d bytes) %.200q", method, path, h,
					status, header, len(text), text, wantStatus, wantHeader, len(wantText), wantText)
			}
		}
	}
	compare(1500)
	for key, n := range w.answers {
		if n.Load() < 5 {
			t.Errorf("%d straight answers of the kind %q, want 5 at least", n.Load(), key)
		}
	}
	// The library on the other replica changes what is stored; then a person does.
	get := func(path string) string {
		_, header, _ := w.send(t, w.stock, "HEAD", path, http.Header{"Accept": {ociImage}}, nil)
		return header.Get("Docker-Content-Digest")
	}
	in := func(parts ...string) string {
		return filepath.Join(append([]string{w.root, "docker/registry/v2"}, parts...)...)
	}
	part := func(digest string) string { return strings.TrimPrefix(digest, "sha256:") }
	first, second, plain := get("/v2/team/app/manifests/oci"), get("/v2/team/app/manifests/second"), get("/v2/team/app/manifests/plain")
	tenth, long := digestOf([]byte("0123456789")), digestOf(bytes.Repeat([]byte("sealock "), 40_000))
	for _, c := range []struct {
		what   string
		change func() error
	}{
		{"a tag overwritten", func() error {
			_, _, text := w.send(t, w.stock, "GET", "/v2/team/app/manifests/second", http.Header{"Accept": {ociImage}}, nil)
			w.manifest(t, "team/app", "oci", ociImage, []byte(text))
			if got := get("/v2/team/app/manifests/oci"); got != second || got == first {
				t.Fatalf("tag oci stands for %s, want %s", got, second)
			}
			return nil
		}},
		{"a tag deleted", func() error {
			w.mustSend(t, "DELETE", "/v2/team/app/manifests/index", http.Header{}, nil, http.StatusAccepted)
			return nil
		}},
		{"a manifest deleted", func() error {
			w.mustSend(t, "DELETE", "/v2/team/app/manifests/"+plain, http.Header{}, nil, http.StatusAccepted)
			return nil
		}},
		{"a blob unlinked", func() error {
			w.mustSend(t, "DELETE", "/v2/team/app/blobs/"+tenth, http.Header{}, nil, http.StatusAccepted)
			return nil
		}},
		{"a blob collected", func() error { return os.Remove(in("blobs/sha256", part(long)[:2], part(long), "data")) }},
		{"a manifest collected", func() error { return os.Remove(in("blobs/sha256", part(first)[:2], part(first), "data")) }},
		{"a tag's link torn", func() error { return os.Truncate(in("repositories/team/app/_manifests/tags/docker/current/link"), 20) }},
		{"a blob's link torn", func() error {
			return os.Truncate(in("repositories/team/other/_layers/sha256", part(tenth), "link"), 0)
		}},
	} {
		if err := c.change(); err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		compare(300)
	}
}
