package proxy_test

import (
	"bufio"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/proxy"
	"github.com/sealock/sealock/proxy/embedded/stocktest"
)

var hexDigest = digestOf(nil)

// example fills a route's path with a repository and a last part that fits.
func example(r proxy.Route, repository string) string {
	last := map[proxy.Kind]string{proxy.KindManifest: "v1.0_a-b", proxy.KindUpload: "c9a0-42_a.b=="}[r.Kind]
	if last == "" {
		last = hexDigest
	}
	path := strings.Replace(r.Path, "<name>", repository, 1)
	return strings.NewReplacer("<reference>", last, "<digest>", last, "<id>", last).Replace(path)
}

// wire reads a request as a server reads it from a connection.
func wire(method, target string) (*http.Request, error) {
	return http.ReadRequest(bufio.NewReader(strings.NewReader(method + " " + target + " HTTP/1.1\r\nHost: h\r\n\r\n")))
}

func parse(t *testing.T, method, target string) (proxy.Request, error) {
	t.Helper()
	r, err := wire(method, target)
	if err != nil {
		return proxy.Request{}, errs.New(errs.Invalid, "not HTTP").Because(err)
	}
	return proxy.ParseRequest(r)
}

func TestRequiredAccessOfEachRoute(t *testing.T) {
	want := map[string]string{"GET": "pull", "HEAD": "pull", "PUT": "pull,push", "POST": "pull,push", "PATCH": "pull,push", "DELETE": "delete"}
	for _, route := range proxy.Routes() {
		for _, repository := range []string{"a/b", "a", "a/blobs/uploads", "a/manifests/b", "tags/list", "a/blobs/uploads/manifests", "blobs/uploads"} {
			path := example(route, repository)
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE", "get", "PROPFIND"} {
				r, err := wire(method, path)
				if err != nil {
					continue
				}
				scope, err := proxy.RequiredAccess(r)
				if !strings.Contains(", "+route.Allow+",", ", "+method+",") {
					if errs.As(err).Code != "UNSUPPORTED" || !errs.Is(err, errs.Invalid) {
						t.Errorf("RequiredAccess(%s %s) = %v, %v, want UNSUPPORTED", method, path, scope, err)
					}
					continue
				}
				expect := "repository:" + repository + ":" + want[method]
				switch route.Kind {
				case proxy.KindBase:
					expect = ""
				case proxy.KindCatalog:
					expect = "registry:catalog:*"
				default:
				}
				if err != nil || scope.String() != expect {
					t.Errorf("RequiredAccess(%s %s) = %q, %v, want %q", method, path, scope, err, expect)
				}
			}
		}
	}
}

// Each spelling of a path that is not the canonical one is refused for every route.
func TestPathVariantsAreRefused(t *testing.T) {
	variants := map[string]func(string) string{
		"double slash":         func(p string) string { return strings.Replace(p, "/v2/", "/v2//", 1) },
		"leading double slash": func(p string) string { return "/" + p },
		"inner double slash": func(p string) string {
			i := strings.LastIndex(strings.TrimSuffix(p, "/"), "/")
			return p[:i] + "/" + p[i:]
		},
		"dot":                 func(p string) string { return strings.Replace(p, "/v2/", "/v2/./", 1) },
		"dot dot":             func(p string) string { return strings.Replace(p, "/v2/", "/v2/x/../", 1) },
		"ends in dots":        func(p string) string { return p + "/.." },
		"escaped slash":       func(p string) string { i := strings.LastIndex(p, "/"); return p[:i] + "%2f" + p[i+1:] },
		"escaped slash upper": func(p string) string { i := strings.LastIndex(p, "/"); return p[:i] + "%2F" + p[i+1:] },
		"escaped letter":      func(p string) string { return strings.Replace(p, "/v2/", "/%762/", 1) },
		"escaped end":         func(p string) string { return p + "%00" },
		"escaped newline":     func(p string) string { return p + "%0a" },
		"upper case":          strings.ToUpper,
		"upper case version":  func(p string) string { return strings.Replace(p, "/v2/", "/V2/", 1) },
		"trailing slash":      func(p string) string { return p + "/" },
		"semicolon":           func(p string) string { return p + ";a=b" },
		"backslash":           func(p string) string { return strings.Replace(p, "/v2/", `/v2\`, 1) },
		"absolute form":       func(p string) string { return "http://h" + p },
		"other host":          func(p string) string { return "http://evil.example" + p },
		"prefix":              func(p string) string { return "/x" + p },
		"fragment":            func(p string) string { return p + "#x" },
		"space":               func(p string) string { return p + "%20" },
		"unicode":             func(p string) string { return p + "é" },
	}
	for _, route := range proxy.Routes() {
		for name, change := range variants {
			path := change(example(route, "team/app"))
			for method := range strings.SplitSeq(route.Allow, ", ") {
				if q, err := parse(t, method, path); err == nil {
					t.Errorf("%s: ParseRequest(%s %s) = %+v, want an error", name, method, path, q)
				}
			}
		}
	}
}

func TestUnknownPathsAreRefused(t *testing.T) {
	for _, row := range []struct {
		path string
		kind errs.Kind
		code string
	}{
		{"/v2/_catalog/", errs.NotFound, "UNSUPPORTED"},
		{"/v2/_catalogs", errs.NotFound, "UNSUPPORTED"},
		{"/v2/team", errs.NotFound, "UNSUPPORTED"},
		{"/v2/team/app", errs.NotFound, "UNSUPPORTED"},
		{"/v2/team/app/tags", errs.NotFound, "UNSUPPORTED"},
		{"/v2/team/app/tags/lists", errs.NotFound, "UNSUPPORTED"},
		{"/v2/manifests/latest", errs.NotFound, "UNSUPPORTED"},
		{"/v2/blobs/uploads/", errs.NotFound, "UNSUPPORTED"},
		{"/v2/team/app/blobs/uploads", errs.Invalid, "DIGEST_INVALID"},
		{"/v2/team/app/blobs/uploads/..", errs.NotFound, "BLOB_UPLOAD_UNKNOWN"},
		{"/v2/team/app/blobs/sha256:abc", errs.Invalid, "DIGEST_INVALID"},
		{"/v2/team/app/blobs/latest", errs.Invalid, "DIGEST_INVALID"},
		{"/v2/team/app/manifests/.latest", errs.NotFound, "MANIFEST_UNKNOWN"},
		{"/v2/team/app/manifests/" + strings.Repeat("a", 129), errs.NotFound, "MANIFEST_UNKNOWN"},
		{"/v2/team/app/manifests/sha256:" + strings.Repeat("A", 64), errs.Invalid, "DIGEST_INVALID"},
		{"/v2/team/app/manifests/SHA256:" + strings.Repeat("a", 64), errs.Invalid, "DIGEST_INVALID"},
		{"/v2/Team/app/manifests/latest", errs.Invalid, "NAME_INVALID"},
		{"/v2/team/App/manifests/latest", errs.Invalid, "NAME_INVALID"},
		{"/v2/localhost:5000/app/manifests/latest", errs.Invalid, "NAME_INVALID"},
		{"/v2/team/_app/manifests/latest", errs.Invalid, "NAME_INVALID"},
		{"/v2/" + strings.Repeat("a/", 200) + "manifests/latest", errs.Invalid, "NAME_INVALID"},
	} {
		_, err := parse(t, "GET", row.path)
		if e := errs.As(err); err == nil || e.Kind != row.kind || e.Code != row.code || e.Hint == "" {
			t.Errorf("ParseRequest(GET %s) = %v (%s), want %s %s with a hint", row.path, err, e.Code, row.kind, row.code)
		}
	}
}

// The gate judges what will be forwarded: a path that a handler in front has changed is not what the client asked for.
func TestChangedPathIsRefused(t *testing.T) {
	r, err := wire("GET", "/v2/team/app/tags/list")
	must(t, err)
	r.URL.Path = "/v2/mine/app/tags/list"
	if q, err := proxy.ParseRequest(r); err == nil {
		t.Errorf("ParseRequest of a changed path = %+v, want an error", q)
	}
}

func TestUploadParameters(t *testing.T) {
	const uploads = "/v2/team/app/blobs/uploads/?"
	for _, row := range []struct {
		method, target string
		access         string // "" means refused
	}{
		{"POST", uploads + "mount=" + hexDigest + "&from=a/b", "repository:team/app:pull,push repository:a/b:pull"},
		{"POST", uploads + "from=a/b&mount=" + url.QueryEscape(hexDigest), "repository:team/app:pull,push repository:a/b:pull"},
		{"POST", uploads + "mount=" + hexDigest + "&from=team/app", "repository:team/app:pull,push"},
		{"POST", uploads + "mount=" + hexDigest, "repository:team/app:pull,push"},
		{"POST", uploads + "from=a/b", "repository:team/app:pull,push"},
		{"POST", uploads + "digest=" + hexDigest, "repository:team/app:pull,push"},
		{"GET", "/v2/team/app/manifests/v1?ns=docker.io", "repository:team/app:pull"},
		{"POST", uploads + "mount=" + hexDigest + "&from=a/b&from=c/d", ""},
		{"POST", uploads + "mount=" + hexDigest + "&mount=" + hexDigest + "&from=a/b", ""},
		{"POST", uploads + "digest=" + hexDigest + "&digest=" + hexDigest, ""},
		{"POST", uploads + "mount=latest&from=a/b", ""},
		{"POST", uploads + "mount=" + hexDigest + "&from=A/b", ""},
		{"POST", uploads + "mount=" + hexDigest + "&from=BAD:x%20repository:z:pull", ""},
		{"POST", uploads + "mount=" + hexDigest + "&from=a/../b", ""},
		{"POST", uploads + "mount=" + hexDigest + "&from=a/b%00", ""},
		{"POST", uploads + "mount=" + hexDigest + ";from=a/b", ""},
		{"POST", uploads + "mount=%zz", ""},
		{"GET", "/v2/team/app/manifests/v1?from=a/b", ""},
		{"PUT", "/v2/team/app/blobs/uploads/x?digest=nonsense", ""},
		{"PUT", "/v2/team/app/blobs/uploads/x?_state=a&_state=b&digest=" + hexDigest, ""},
	} {
		q, err := parse(t, row.method, row.target)
		if row.access == "" {
			if !errs.Is(err, errs.Invalid) {
				t.Errorf("ParseRequest(%s %s) = %+v, %v, want an Invalid error", row.method, row.target, q, err)
			}
			continue
		}
		if err != nil || q.Access().String() != row.access {
			t.Errorf("ParseRequest(%s %s).Access() = %q, %v, want %q", row.method, row.target, q.Access(), err, row.access)
		}
	}
}

// What is accepted has one spelling, and a stock registry reads the same repository and reference from it.
func FuzzParseRequest(f *testing.F) {
	for _, route := range proxy.Routes() {
		for _, repository := range []string{"a/b", "a", "a/blobs/uploads", "a/manifests/b", "tags/list"} {
			for method := range strings.SplitSeq(route.Allow, ", ") {
				f.Add(method, example(route, repository))
			}
		}
	}
	f.Add("POST", "/v2/a/blobs/uploads/?mount="+hexDigest+"&from=a/b")
	f.Add("GET", "/v2/a//b/tags/list")
	f.Add("GET", "http://h/v2/")
	router := stocktest.NewRouter()
	f.Fuzz(func(t *testing.T, method, target string) {
		r, err := wire(method, target)
		if err != nil {
			return
		}
		q, err := proxy.ParseRequest(r)
		if err != nil {
			if e := errs.As(err); e.Kind != errs.Invalid && e.Kind != errs.NotFound {
				t.Errorf("ParseRequest(%q %q) = %v, want Invalid or NotFound", method, target, err)
			}
			return
		}
		path, _, _ := strings.Cut(target, "?")
		if q.Path() != path {
			t.Errorf("ParseRequest(%q).Path() = %q, want the path itself", target, q.Path())
		}
		if q.From != "" && !auth.ValidRepository(q.From) {
			t.Errorf("ParseRequest(%q).From = %q, want a repository", target, q.From)
		}
		if scope := q.Access(); len(scope) > 0 {
			if again, err := auth.ParseScope([]string{scope.String()}); err != nil || again.String() != scope.String() {
				t.Errorf("Access() = %q, read back as %q, %v, want itself", scope, again, err)
			}
		}
		sameToStock(t, router, r, q)
	})
}

// sameToStock compares with the router of a stock registry. It has no referrers and fewer digest algorithms, so it may
// find nothing, but never something else.
func sameToStock(t *testing.T, router stocktest.Router, r *http.Request, q proxy.Request) {
	t.Helper()
	repository, reference, ok := router.Read(r)
	if ok && (repository != q.Repository || reference != q.Reference) {
		t.Errorf("%s is %q %q for a stock registry, want %q %q as for the gate", r.URL.Path, repository, reference, q.Repository, q.Reference)
	}
}
