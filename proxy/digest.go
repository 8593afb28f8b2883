package proxy

import (
	"net/http"
	"strings"
)

// canonical is the algorithm that stock registries know content by. What is sent under a digest of another one is kept, and
// answered to by both digests; but answers then speak of a digest that the client did not send, and clients compare.
const canonical = "sha256:"

// namedDigest returns the digest that the client names the content of a blob by, if registries have another name for it;
// "" otherwise.
func (v *visit) namedDigest() string {
	named := ""
	switch v.Kind {
	case KindBlob:
		named = v.Reference
	case KindUploads, KindUpload:
		if v.r.URL.RawQuery != "" {
			named = v.r.URL.Query().Get("digest")
		}
	case KindBase, KindCatalog, KindTags, KindManifest, KindReferrers:
	}
	if strings.HasPrefix(named, canonical) || !validDigest(named) {
		return ""
	}
	return named
}

// namingWriter answers with the digest that the client named, where the registry has found the content by it.
type namingWriter struct {
	http.ResponseWriter

	digest string
	sent   bool
}

// WriteHeader implements http.ResponseWriter.
func (w *namingWriter) WriteHeader(status int) {
	if !w.sent && status >= http.StatusOK {
		w.sent = true
		w.rename(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *namingWriter) rename(status int) {
	h := w.Header()
	found := h.Get(digestHeader)
	if status >= http.StatusMultipleChoices || found == "" {
		return
	}
	h.Set(digestHeader, w.digest)
	if base, ok := strings.CutSuffix(h.Get("Location"), "/blobs/"+found); ok {
		h.Set("Location", base+"/blobs/"+w.digest)
	}
}

// Write implements http.ResponseWriter.
func (w *namingWriter) Write(p []byte) (int, error) {
	if !w.sent {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets [http.ResponseController] reach what is below.
func (w *namingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
