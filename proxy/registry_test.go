package proxy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const manifestType = "application/vnd.oci.image.manifest.v1+json"

// pushBlob uploads in one go, or in chunks of the size if it is not zero, and returns the digest.
func (d *door) pushBlob(tb testing.TB, token, repository string, blob []byte, chunk int) string {
	tb.Helper()
	digest := digestOf(blob)
	a := d.do(tb, call{method: "POST", path: "/v2/" + repository + "/blobs/uploads/", token: token}).want(tb, "starting an upload", http.StatusAccepted)
	location := a.header.Get("Location")
	for start := 0; chunk > 0 && start < len(blob); start += chunk {
		part := blob[start:min(start+chunk, len(blob))]
		a = d.do(tb, call{method: "PATCH", path: location, token: token, body: part, header: map[string]string{
			"Content-Type": "application/octet-stream", "Content-Range": fmt.Sprintf("%d-%d", start, start+len(part)-1),
		}}).want(tb, "sending a chunk", http.StatusAccepted)
		location = a.header.Get("Location")
		if got, want := a.header.Get("Range"), fmt.Sprintf("0-%d", start+len(part)-1); got != want {
			tb.Errorf("Range after a chunk = %q, want %q", got, want)
		}
	}
	u, err := url.Parse(location)
	must(tb, err)
	q := u.Query()
	q.Set("digest", digest)
	u.RawQuery = q.Encode()
	body := blob
	if chunk > 0 {
		body = nil
	}
	a = d.do(tb, call{method: "PUT", path: u.String(), token: token, body: body, header: map[string]string{"Content-Type": "application/octet-stream"}}).
		want(tb, "finishing an upload", http.StatusCreated)
	if got, want := a.header.Get("Location"), d.srv.URL+"/v2/"+repository+"/blobs/"+digest; got != want {
		tb.Errorf("Location of a blob = %q, want %q", got, want)
	}
	return digest
}

// pushImage pushes a small image and returns its manifest's digest.
func (d *door) pushImage(tb testing.TB, token, repository, tag string) string {
	tb.Helper()
	config, layer := []byte(`{"architecture":"amd64","os":"linux"}`), []byte("layer of "+repository)
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": manifestType,
		"config": map[string]any{"mediaType": "application/vnd.oci.image.config.v1+json", "digest": d.pushBlob(tb, token, repository, config, 0), "size": len(config)},
		"layers": []any{map[string]any{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": d.pushBlob(tb, token, repository, layer, 0), "size": len(layer)}},
	})
	must(tb, err)
	a := d.do(tb, call{method: "PUT", path: "/v2/" + repository + "/manifests/" + tag, token: token, body: manifest, header: map[string]string{"Content-Type": manifestType}}).
		want(tb, "putting a manifest", http.StatusCreated)
	if got := a.header.Get("Docker-Content-Digest"); got != digestOf(manifest) {
		tb.Errorf("Docker-Content-Digest = %q, want %q", got, digestOf(manifest))
	}
	return digestOf(manifest)
}

func TestPushAndPull(t *testing.T) {
	eachUpstream(t, func(t *testing.T, d *door) {
		token := d.token(t, "alice", "repository:team/app:pull,push,delete", 0)
		digest := d.pushImage(t, token, "team/app", "v1")

		for _, reference := range []string{"v1", digest} {
			path := "/v2/team/app/manifests/" + reference
			get := d.do(t, call{method: "GET", path: path, token: token, header: map[string]string{"Accept": manifestType}}).want(t, "GET "+path, 200)
			if digestOf(get.body) != digest || get.header.Get("Docker-Distribution-Api-Version") != "registry/2.0" {
				t.Errorf("GET %s = %s %s, want the manifest pushed", path, get.body, headerText(get.header))
			}
			head := d.do(t, call{method: "HEAD", path: path, token: token, header: map[string]string{"Accept": manifestType}}).want(t, "HEAD "+path, 200)
			if len(head.body) != 0 || head.header.Get("Content-Length") != fmt.Sprint(len(get.body)) || head.header.Get("Docker-Content-Digest") != digest {
				t.Errorf("HEAD %s = %q %s, want no body and the length of the manifest", path, head.body, headerText(head.header))
			}
			if n := len(head.header["Docker-Distribution-Api-Version"]); n != 1 {
				t.Errorf("HEAD %s has %d API version headers, want 1", path, n)
			}
		}

		tags := d.do(t, call{method: "GET", path: "/v2/team/app/tags/list", token: token}).want(t, "listing tags", 200)
		if got := strings.TrimSpace(string(tags.body)); got != `{"name":"team/app","tags":["v1"]}` {
			t.Errorf("tags = %s, want v1", got)
		}
		d.do(t, call{method: "DELETE", path: "/v2/team/app/manifests/" + digest, token: token}).want(t, "deleting a manifest", http.StatusAccepted)
		gone := d.do(t, call{method: "GET", path: "/v2/team/app/manifests/v1", token: token}).want(t, "pulling what is deleted", 404)
		if !strings.HasPrefix(gone.text(), "MANIFEST_UNKNOWN") {
			t.Errorf("pulling what is deleted says %q, want MANIFEST_UNKNOWN", gone.text())
		}
	})
}

func TestChunkedUploadAndRanges(t *testing.T) {
	eachUpstream(t, func(t *testing.T, d *door) {
		token := d.token(t, "alice", "repository:team/app:pull,push", 0)
		blob := bytes.Repeat([]byte("0123456789abcdef"), 40_000)
		path := "/v2/team/app/blobs/" + d.pushBlob(t, token, "team/app", blob, 100_000)

		whole := d.do(t, call{method: "GET", path: path, token: token}).want(t, "GET blob", 200)
		if !bytes.Equal(whole.body, blob) {
			t.Errorf("GET blob = %d bytes, want the %d bytes pushed", len(whole.body), len(blob))
		}
		part := d.do(t, call{method: "GET", path: path, token: token, header: map[string]string{"Range": "bytes=16-31"}}).want(t, "GET range", http.StatusPartialContent)
		if string(part.body) != "0123456789abcdef" || part.header.Get("Content-Range") != "bytes 16-31/640000" {
			t.Errorf("GET range = %q %q, want 16 bytes from 16 on", part.body, part.header.Get("Content-Range"))
		}
		d.do(t, call{method: "GET", path: path, token: token, header: map[string]string{"Range": "bytes=900000-"}}).
			want(t, "GET beyond the end", http.StatusRequestedRangeNotSatisfiable)
	})
}

// TestConditions asks for what a client has already, and for parts of it, before both kinds of registries.
func TestConditions(t *testing.T) {
	eachUpstream(t, func(t *testing.T, d *door) {
		token := d.token(t, "alice", "repository:team/app:pull,push", 0)
		manifest := d.pushImage(t, token, "team/app", "v1")
		blob := []byte("0123456789abcdef")
		digest := d.pushBlob(t, token, "team/app", blob, 0)
		blobPath := "/v2/team/app/blobs/" + digest
		for _, row := range []struct {
			path   string
			header map[string]string
			status int
			body   string // of GET
		}{
			{blobPath, map[string]string{"If-None-Match": `"` + digest + `"`}, http.StatusNotModified, ""},
			{blobPath, map[string]string{"If-None-Match": `"` + manifest + `"`}, http.StatusOK, string(blob)},
			{blobPath, map[string]string{"Range": "bytes=-4"}, http.StatusPartialContent, "cdef"},
			{blobPath, map[string]string{"Range": "bytes=10-"}, http.StatusPartialContent, "abcdef"},
			{blobPath, map[string]string{"Range": "bytes=10-", "If-Range": `"` + digest + `"`}, http.StatusPartialContent, "abcdef"},
			{blobPath, map[string]string{"Range": "bytes=10-", "If-Range": `"` + manifest + `"`}, http.StatusOK, string(blob)},
			{blobPath, map[string]string{"Range": "bytes=16-"}, http.StatusRequestedRangeNotSatisfiable, "not looked at"},
			{"/v2/team/app/manifests/v1", map[string]string{"If-None-Match": `"` + manifest + `"`}, http.StatusNotModified, ""},
			{"/v2/team/app/manifests/" + manifest, map[string]string{"If-None-Match": `"` + manifest + `"`}, http.StatusNotModified, ""},
		} {
			row.header["Accept"] = manifestType
			for _, method := range []string{"GET", "HEAD"} {
				for range 2 { // the second is answered from what is remembered
					a := d.do(t, call{method: method, path: row.path, token: token, header: row.header})
					if a.status != row.status || method == "GET" && row.body != "not looked at" && string(a.body) != row.body {
						t.Errorf("%s %s with %v = %d %q, want %d %q", method, row.path, row.header, a.status, a.body, row.status, row.body)
					}
				}
			}
		}
		// Overwritten, the tag is something else than the client has.
		d.putManifest(t, token, "team/app", "v1", map[string]any{"schemaVersion": 2, "mediaType": indexType, "manifests": []any{}}).want(t, "overwriting", 201)
		d.do(t, call{method: "GET", path: "/v2/team/app/manifests/v1", token: token, header: map[string]string{"Accept": indexType, "If-None-Match": `"` + manifest + `"`}}).
			want(t, "GET of an overwritten tag", http.StatusOK)
	})
}

func TestUploadIsResumedAndCancelled(t *testing.T) {
	eachUpstream(t, func(t *testing.T, d *door) {
		token := d.token(t, "alice", "repository:team/app:pull,push,delete", 0)
		start := d.do(t, call{method: "POST", path: "/v2/team/app/blobs/uploads/", token: token}).want(t, "starting an upload", http.StatusAccepted)
		location := start.header.Get("Location")
		patch := d.do(t, call{method: "PATCH", path: location, token: token, body: []byte("half"), header: map[string]string{"Content-Type": "application/octet-stream"}}).
			want(t, "PATCH", http.StatusAccepted)
		status := d.do(t, call{method: "GET", path: patch.header.Get("Location"), token: token}).want(t, "asking for an upload", http.StatusNoContent)
		if got := status.header.Get("Range"); got != "0-3" {
			t.Errorf("Range of an upload = %q, want 0-3", got)
		}
		d.do(t, call{method: "DELETE", path: patch.header.Get("Location"), token: token}).want(t, "cancelling an upload", http.StatusNoContent)
		d.do(t, call{method: "GET", path: patch.header.Get("Location"), token: token}).want(t, "asking for a cancelled upload", http.StatusNotFound)
	})
}

func TestReferrersReachTheUpstream(t *testing.T) {
	eachUpstream(t, func(t *testing.T, d *door) {
		token := d.token(t, "alice", "repository:team/app:pull", 0)
		path := "/v2/team/app/referrers/" + digestOf(nil)
		d.do(t, call{method: "GET", path: path, token: token}).want(t, "GET referrers of a stock registry", http.StatusNotFound)
		d.do(t, call{method: "GET", path: path}).want(t, "GET referrers without a token", http.StatusUnauthorized)
	})
}
