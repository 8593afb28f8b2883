package embedded

import (
	"bytes"
	"io"
	"net/http"
	"strings"

	"github.com/distribution/distribution/v3/registry/api/errcode"
	"github.com/opencontainers/go-digest"
)

// maxManifest is the largest manifest that the library takes, in bytes.
const maxManifest = 4 << 20

// alias is a manifest that is sent under a digest of another algorithm than the library's. The library finds content by
// links, also from digests of other algorithms; but to manifests it makes links by its own alone, and refuses what is sent
// under another.
type alias struct {
	repository string
	digest     digest.Digest
}

// aliasOf reads a request.
func aliasOf(req *http.Request) (alias, bool) {
	if req.Method != http.MethodPut {
		return alias{}, false
	}
	repository, reference, ok := parted(req, manifestsInfix)
	a := alias{repository, digest.Digest(reference)}
	return a, ok && a.digest.Validate() == nil && a.digest.Algorithm() != digest.Canonical
}

// link is the path of the file that leads from the digest to the content.
func (a alias) link() string {
	return repositoriesRoot + "/" + a.repository + "/" + manifestsFolder + "/revisions/" + a.digest.Algorithm().String() + "/" + a.digest.Encoded() + "/link"
}

// putAlias keeps a manifest under the library's digest, and links the one that it was sent under to it before the client
// hears that it is there. What does not have that digest is left to the library to refuse.
func (r *Registry) putAlias(w http.ResponseWriter, req *http.Request, a alias) {
	body, err := io.ReadAll(io.LimitReader(req.Body, maxManifest+1))
	ctx := req.Context()
	in := req.Clone(ctx)
	in.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), req.Body))
	if err != nil || len(body) > maxManifest || a.digest.Algorithm().FromBytes(body) != a.digest {
		r.app.ServeHTTP(w, in)
		return
	}
	own := digest.FromBytes(body)
	in.URL.Path = "/v2/" + a.repository + manifestsInfix + own.String()
	in.RequestURI = in.URL.RequestURI()
	r.app.ServeHTTP(&aliasWriter{ResponseWriter: w, own: own, alias: a.digest, link: func() error {
		return r.driver.PutContent(ctx, a.link(), []byte(own))
	}}, in)
}

// aliasWriter answers with the digest that the client sent the manifest under, once it is linked.
type aliasWriter struct {
	http.ResponseWriter

	own, alias digest.Digest
	link       func() error
	failed     bool
}

// WriteHeader implements http.ResponseWriter.
func (w *aliasWriter) WriteHeader(status int) {
	if status != http.StatusCreated {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	h := w.Header()
	if err := w.link(); err != nil {
		w.failed = true
		h.Del("Location")
		h.Del("Docker-Content-Digest")
		_ = errcode.ServeJSON(w.ResponseWriter, errcode.ErrorCodeUnavailable.WithMessage("the manifest can't be kept under its digest: push it again")) // nobody else can be told
		return
	}
	h.Set("Docker-Content-Digest", w.alias.String())
	h.Set("Location", strings.TrimSuffix(h.Get("Location"), w.own.String())+w.alias.String())
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter. What belongs to an answer that the client does not get is dropped.
func (w *aliasWriter) Write(p []byte) (int, error) {
	if w.failed {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}
