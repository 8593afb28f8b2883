package proxy

import (
	"net/http"

	"github.com/sealock/sealock/auth"
)

// Straight is an [Upstream] that can answer reads of what it has stored without the detour of a request to a registry. Its
// methods answer as ServeHTTP would, or leave the request untouched to ServeHTTP; they get nothing but GET and HEAD, of names
// and references that [ParseRequest] takes.
type Straight interface {
	// ServeBlob reports whether it answered with the blob.
	ServeBlob(w http.ResponseWriter, r *http.Request, repository, digest string) bool
	// ServeManifest returns the status that it answered with, 0 for none, the digest of the manifest, and what kept
	// the client from getting all of it.
	ServeManifest(w http.ResponseWriter, r *http.Request, repository, reference string) (status int, digest string, err error)
}

// straight answers a read that was let in without preparing a request to the registry, and reports whether it did. What rules
// may still keep back when it is known is no such read.
func (g *Gate) straight(v *visit, sub auth.Subject) bool {
	if v.to.stored == nil || v.ruled || v.Method != http.MethodGet && v.Method != http.MethodHead {
		return false
	}
	switch v.Kind {
	case KindBlob:
		return v.to.stored.ServeBlob(v.w, v.r, v.Repository, v.Reference)
	case KindManifest:
		status, digest, err := v.to.stored.ServeManifest(v.w, v.r, v.Repository, v.Reference)
		if status != 0 && v.Method == http.MethodGet {
			g.pulled(v, sub, digest, status == http.StatusOK && err == nil)
		}
		return status != 0
	case KindBase, KindCatalog, KindTags, KindUploads, KindUpload, KindReferrers:
	}
	return false
}

// readStraight answers a read of sealock's own, and reports whether it did.
func readStraight(s Straight, w http.ResponseWriter, r *http.Request, q Request) bool {
	switch {
	case q.Method != http.MethodGet && q.Method != http.MethodHead:
	case q.Kind == KindBlob:
		return s.ServeBlob(w, r, q.Repository, q.Reference)
	case q.Kind == KindManifest:
		status, _, _ := s.ServeManifest(w, r, q.Repository, q.Reference) // what the reader does not get, it does not want
		return status != 0
	}
	return false
}

// pulled takes note of a manifest that was answered straight: for the audit trail, and, where the client has got it, for the
// index.
func (g *Gate) pulled(v *visit, sub auth.Subject, digest string, whole bool) {
	if g.Observer != nil && whole && !v.to.away {
		g.Observer.Pulled(v.Repository, v.tag(), digest)
	}
	if g.Pulls != nil {
		operation, resource := v.deed()
		g.Pulls(g.recordOf(v, sub, operation, resource))
	}
}
