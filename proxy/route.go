package proxy

import (
	"strings"

	"github.com/sealock/sealock/auth"
)

// Kind is the end-point of the OCI distribution specification that a request is for.
type Kind string

// The end-points (OCI distribution specification, "Endpoints"). All but the first two name a repository.
const (
	KindBase      Kind = "base"
	KindCatalog   Kind = "catalog"
	KindTags      Kind = "tags"
	KindManifest  Kind = "manifest"
	KindBlob      Kind = "blob"
	KindUploads   Kind = "uploads" // start an upload, or mount a blob
	KindUpload    Kind = "upload"  // an upload that was started
	KindReferrers Kind = "referrers"
)

// Route is one row of the route table. What is in no row never reaches the upstream.
type Route struct {
	Kind  Kind
	Path  string // as the specification writes it: <name> and the last <…> stand for what varies
	Allow string // the methods, as the header Allow lists them
}

// Routes returns the route table.
func Routes() []Route { t := routeTable(); return t[:] }

// routeTable returns an array so that looking something up allocates nothing.
func routeTable() [8]Route {
	return [8]Route{
		{KindBase, "/v2/", "GET, HEAD"},
		{KindCatalog, "/v2/_catalog", "GET, HEAD"},
		{KindTags, "/v2/<name>/tags/list", "GET, HEAD"},
		{KindManifest, "/v2/<name>/manifests/<reference>", "GET, HEAD, PUT, DELETE"},
		{KindBlob, "/v2/<name>/blobs/<digest>", "GET, HEAD, DELETE"},
		{KindUploads, "/v2/<name>/blobs/uploads/", "POST"},
		{KindUpload, "/v2/<name>/blobs/uploads/<id>", "GET, HEAD, PATCH, PUT, DELETE"},
		{KindReferrers, "/v2/<name>/referrers/<digest>", "GET, HEAD"},
	}
}

// allow returns the methods of the kind's route.
func (k Kind) allow() string {
	table := routeTable()
	for i := range table {
		if table[i].Kind == k {
			return table[i].Allow
		}
	}
	return ""
}

// hasMethod reports whether the list of a header Allow holds the method.
func hasMethod(allow, method string) bool {
	for m := range strings.SplitSeq(allow, ", ") {
		if m == method {
			return true
		}
	}
	return false
}

// actions returns what a registry demands of a token for the method (protocol.md 1.6): a stock registry asks for pull
// and push to write, and for delete to cancel an upload.
func actions(method string) []auth.Action {
	switch method {
	case "GET", "HEAD":
		return []auth.Action{auth.ActionPull}
	case "DELETE":
		return []auth.Action{auth.ActionDelete}
	default:
		return []auth.Action{auth.ActionPull, auth.ActionPush}
	}
}
