package proxy

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
)

// Request is what a request under /v2/ asks for.
type Request struct {
	Method     string
	Kind       Kind
	Repository string // "" for KindBase and KindCatalog
	Reference  string // tag or digest of a manifest, digest of a blob or subject, id of an upload
	Mount      string // digest of the blob to mount; KindUploads only, and only together with From
	From       string // repository to mount it from
}

// RequiredAccess returns the scope that a token must hold for the request; nil if any valid token will do. It reads
// the request line only. What it does not recognise is refused.
func RequiredAccess(r *http.Request) (auth.Scope, error) {
	q, err := ParseRequest(r)
	if err != nil {
		return nil, err
	}
	return q.Access(), nil
}

// ParseRequest reads the request line. It is strict: a path has one spelling, and two spellings of a parameter that
// matters are none, because a registry that reads a request differently from the gate would undo the gate.
//
// Errors: [errs.NotFound] for what is no end-point, [errs.Invalid] for names, digests, methods and parameters that
// break the specification.
func ParseRequest(r *http.Request) (Request, error) {
	path, err := canonicalPath(r)
	if err != nil {
		return Request{}, err
	}
	q, err := parsePath(path)
	if err != nil {
		return Request{}, err
	}
	q.Method = r.Method
	if allow := q.Kind.allow(); !hasMethod(allow, r.Method) && r.Method != http.MethodOptions {
		return q, errs.New(errs.Invalid, "method %q is not supported here", clip(r.Method)).WithHint("use one of %s", allow).WithCode("UNSUPPORTED")
	}
	return q, q.parseQuery(r.URL.RawQuery)
}

// Access returns the scope that a token must hold.
func (q Request) Access() auth.Scope {
	switch q.Kind {
	case KindBase:
		return nil
	case KindCatalog:
		return auth.Scope{{Type: auth.TypeRegistry, Name: auth.CatalogName, Actions: []auth.Action{auth.ActionAll}}}
	case KindTags, KindManifest, KindBlob, KindUploads, KindUpload, KindReferrers:
	}
	s := auth.Scope{repositoryAccess(q.Repository, actions(q.Method)...)}
	if q.From != "" && q.From != q.Repository {
		s = append(s, repositoryAccess(q.From, auth.ActionPull))
	}
	return s
}

func repositoryAccess(name string, a ...auth.Action) auth.ResourceActions {
	return auth.ResourceActions{Type: auth.TypeRepository, Name: name, Actions: a}
}

// Path returns the only path that ParseRequest reads as q.
func (q Request) Path() string {
	base := "/v2/" + q.Repository
	switch q.Kind {
	case KindBase:
		return "/v2/"
	case KindCatalog:
		return "/v2/_catalog"
	case KindTags:
		return base + "/tags/list"
	case KindManifest:
		return base + "/manifests/" + q.Reference
	case KindBlob:
		return base + "/blobs/" + q.Reference
	case KindUploads:
		return base + "/blobs/uploads/"
	case KindUpload:
		return base + "/blobs/uploads/" + q.Reference
	case KindReferrers:
		return base + "/referrers/" + q.Reference
	}
	return ""
}

// canonicalPath returns the path as it stands on the request line, if it can be read in one way only: no escapes, no
// absolute form, and nothing that was changed on the way here, because the upstream gets what is in r.URL.
func canonicalPath(r *http.Request) (string, error) {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if path != r.URL.Path || !strings.HasPrefix(path, "/v2/") {
		return "", errNoEndpoint()
	}
	for i := range len(path) {
		if !pathByte(path[i]) {
			return "", errNoEndpoint()
		}
	}
	return path, nil
}

func pathByte(c byte) bool { return alnum(c) || strings.IndexByte("/._-:=+", c) >= 0 }

func alnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// parsePath reads a path from its end, because a repository's name may itself hold "blobs" or "manifests".
func parsePath(path string) (Request, error) {
	rest := strings.TrimPrefix(path, "/v2/")
	switch rest {
	case "":
		return Request{Kind: KindBase}, nil
	case "_catalog":
		return Request{Kind: KindCatalog}, nil
	}
	if name, ok := strings.CutSuffix(rest, "/blobs/uploads/"); ok {
		return named(Request{Kind: KindUploads, Repository: name})
	}
	head, last, _ := cutLast(rest)
	name, word, ok := cutLast(head)
	if !ok {
		return Request{}, errNoEndpoint()
	}
	q := Request{Repository: name, Reference: last}
	switch {
	case word == "tags" && last == "list":
		q.Kind, q.Reference = KindTags, ""
	case word == "manifests":
		q.Kind = KindManifest
	case word == "blobs":
		q.Kind = KindBlob
	case word == "referrers":
		q.Kind = KindReferrers
	case word == "uploads" && strings.HasSuffix(name, "/blobs"):
		q.Kind, q.Repository = KindUpload, strings.TrimSuffix(name, "/blobs")
	default:
		return Request{}, errNoEndpoint()
	}
	if err := q.checkReference(); err != nil {
		return Request{}, err
	}
	return named(q)
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return "", s, false
	}
	return s[:i], s[i+1:], true
}

func named(q Request) (Request, error) {
	if !auth.ValidRepository(q.Repository) {
		return Request{}, errName(q.Repository)
	}
	return q, nil
}

// parseQuery reads the parameters that decide about access. A mount without a source is dropped here and in what goes
// upstream: a registry may look for the blob anywhere, and the caller may not see everywhere. So is one by a digest that is
// not canonical: registries say that they did it, and do not find the blob by that digest afterwards.
func (q *Request) parseQuery(raw string) error {
	if raw == "" {
		return nil
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return badQuery("the query can't be read").Because(err)
	}
	for _, name := range []string{"mount", "from", "digest", "n", "last", "_state", passParameter} {
		if len(values[name]) > 1 {
			return badQuery("parameter %q is given more than once", name)
		}
	}
	mount, from := values.Get("mount"), values.Get("from")
	if q.Kind != KindUploads && (values.Has("mount") || values.Has("from")) {
		return badQuery("parameters mount and from belong to the start of an upload")
	}
	if from != "" && !auth.ValidRepository(from) {
		return errName(from)
	}
	for _, d := range []string{mount, values.Get("digest")} {
		if d != "" && !validDigest(d) {
			return errDigest(d)
		}
	}
	if from != "" && strings.HasPrefix(mount, canonical) {
		q.Mount, q.From = mount, from
	}
	return q.checkLast(values.Get("last"))
}

// checkLast refuses a place in a list that no list can have had: registries walk folders to find it.
func (q *Request) checkLast(last string) error {
	switch {
	case last == "":
	case q.Kind == KindCatalog && !auth.ValidRepository(last):
		return badQuery("last=%q is no name of a repository", clip(last))
	case q.Kind == KindTags && !validTag(last):
		return badQuery("last=%q is no tag", clip(last))
	}
	return nil
}

// without returns the query without the parameters, the rest as the client wrote it.
func without(raw string, names ...string) string {
	var kept []string
	for pair := range strings.SplitSeq(raw, "&") {
		key, _, _ := strings.Cut(pair, "=")
		if name, err := url.QueryUnescape(key); err != nil || slices.Contains(names, name) {
			continue
		}
		kept = append(kept, pair)
	}
	return strings.Join(kept, "&")
}
