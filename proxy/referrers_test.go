package proxy_test

import (
	"context"
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/proxy"
)

const indexType = "application/vnd.oci.image.index.v1+json"

// listed is what refers to a digest, as a table: repository@digest.
type listed map[string][]proxy.Referrer

func (l listed) Referrers(_ context.Context, repository, digest, artifactType string, after int64, most int) ([]proxy.Referrer, error) {
	if repository == "team/broken" {
		return nil, errs.New(errs.Unavailable, "the index is gone")
	}
	var found []proxy.Referrer
	for _, r := range l[repository+"@"+digest] {
		if r.Number > after && len(found) < most && (artifactType == "" || r.ArtifactType == artifactType) {
			found = append(found, r)
		}
	}
	return found, nil
}

// referring opens a door with a table of referrers before the upstream.
func referring(t *testing.T, m *mint, up proxy.Upstream, l listed) *door {
	t.Helper()
	return open(t, m, up, func(c *proxy.Config) { c.Referrers, c.Observer = l, &listener{} })
}

// referrers asks for a page and returns the digests in it.
func (d *door) referrers(t *testing.T, token, path string) (digests []string, a answer) {
	t.Helper()
	a = d.do(t, call{method: "GET", path: path, token: token}).want(t, "GET "+path, 200)
	var index struct {
		SchemaVersion int
		MediaType     string
		Manifests     []proxy.Referrer
	}
	if err := json.Unmarshal(a.body, &index); err != nil || index.SchemaVersion != 2 || index.MediaType != indexType || a.header.Get("Content-Type") != indexType || index.Manifests == nil {
		t.Fatalf("GET %s = %s %s, want an index", path, a.body, headerText(a.header))
	}
	for _, r := range index.Manifests {
		digests = append(digests, r.Digest)
	}
	return digests, a
}

// TestReferrersAreListed asks for lists before each kind of registry: what it can do itself makes no difference.
func TestReferrersAreListed(t *testing.T) {
	m := newMint(t)
	for name, up := range map[string]proxy.Upstream{"embedded": newEmbedded(t), "separate": newSeparate(t, m, newStock(t, m).URL), "old": old{Upstream: newEmbedded(t)}} {
		t.Run(name, func(t *testing.T) { listReferrers(t, m, up) })
	}
}

func listReferrers(t *testing.T, m *mint, up proxy.Upstream) {
	t.Helper()
	subject, many, large := digestOf([]byte("subject")), digestOf([]byte("many")), digestOf([]byte("large"))
	l := listed{"team/app@" + subject: {
		{Number: 3, MediaType: manifestType, Digest: digestOf([]byte("sbom")), Size: 7, ArtifactType: "application/a+b", Annotations: map[string]string{"ö": "<&>"}},
		{Number: 5, MediaType: manifestType, Digest: digestOf([]byte("signature")), Size: 8},
	}}
	for i := range 250 {
		r := proxy.Referrer{Number: int64(i + 1), MediaType: manifestType, Digest: digestOf(fmt.Append(nil, i)), ArtifactType: "application/a+b"}
		l["team/app@"+many] = append(l["team/app@"+many], r)
		if r.Annotations = map[string]string{"a": strings.Repeat("x", 700_000)}; i < 3 {
			l["team/app@"+large] = append(l["team/app@"+large], r)
		}
	}
	d := referring(t, m, up, l)
	token := d.token(t, "alice", "repository:team/app:pull repository:team/broken:pull", 0)
	base := "/v2/team/app/referrers/"

	digests, a := d.referrers(t, token, base+subject)
	if len(digests) != 2 || a.header.Get("Link") != "" || a.header.Get("OCI-Filters-Applied") != "" {
		t.Errorf("GET referrers = %q %s, want both and neither Link nor filter", digests, headerText(a.header))
	}
	want := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":7,"artifactType":"application/a+b","annotations":{"ö":"\u003c\u0026\u003e"}},{"mediaType":%q,"digest":%q,"size":8}]}`,
		indexType, manifestType, digestOf([]byte("sbom")), manifestType, digestOf([]byte("signature")))
	if string(a.body) != want {
		t.Errorf("GET referrers = %s, want %s", a.body, want)
	}
	head := d.do(t, call{method: "HEAD", path: base + subject, token: token}).want(t, "HEAD referrers", 200)
	if len(head.body) != 0 || head.header.Get("Content-Length") != fmt.Sprint(len(want)) {
		t.Errorf("HEAD referrers = %q %s, want the length alone", head.body, headerText(head.header))
	}
	if digests, a := d.referrers(t, token, base+subject+"?artifactType=application%2Fa%2Bb"); len(digests) != 1 || a.header.Get("OCI-Filters-Applied") != "artifactType" {
		t.Errorf("GET referrers of a type = %q %s, want one and the filter", digests, headerText(a.header))
	}
	if digests, _ := d.referrers(t, token, base+digestOf([]byte("unknown"))); len(digests) != 0 {
		t.Errorf("GET referrers of what is unknown = %q, want none", digests)
	}
	for name, pages := range map[string][]int{base + many + "?artifactType=application%2Fa%2Bb": {100, 100, 50}, base + large: {1, 1, 1}} {
		var sizes []int
		seen := map[string]bool{}
		for path := name; path != "" && len(sizes) < 10; {
			digests, a := d.referrers(t, token, path)
			for _, digest := range digests {
				seen[digest] = true
			}
			sizes = append(sizes, len(digests))
			link := a.header.Get("Link")
			if path = ""; link != "" {
				path = strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
			}
		}
		total := 0
		for _, n := range pages {
			total += n
		}
		if !slices.Equal(sizes, pages) || len(seen) != total {
			t.Errorf("pages of %s = %v with %d different ones, want %v", name, sizes, len(seen), pages)
		}
	}
	for path, status := range map[string]int{
		base + subject + "?last=x": 400, base + subject + "?last=-1": 400, base + "sha256:1": 400, "/v2/team/broken/referrers/" + subject: 503,
	} {
		d.do(t, call{method: "GET", path: path, token: token}).want(t, "GET "+path, status)
	}
	d.do(t, call{method: "GET", path: base + subject}).want(t, "GET referrers without a token", 401)
	d.do(t, call{method: "GET", path: "/v2/mine/app/referrers/" + subject, token: d.token(t, "bob", "repository:mine/app:pull", 0)}).want(t, "GET referrers of what may not be pulled", 403)
	// A project goes on to be pulled from under the name that it had.
	d.policy.table["alice"]["crew"] = "pull"
	if digests, _ := d.referrers(t, d.token(t, "alice", "repository:crew/app:pull", 0), "/v2/crew/app/referrers/"+subject); len(digests) != 2 {
		t.Errorf("GET referrers under a former name = %q, want both", digests)
	}
}

// putManifest pushes a manifest under a tag or a digest.
func (d *door) putManifest(t *testing.T, token, repository, reference string, manifest map[string]any) answer {
	t.Helper()
	body, err := json.Marshal(manifest)
	must(t, err)
	mediaType, _ := manifest["mediaType"].(string)
	return d.do(t, call{method: "PUT", path: "/v2/" + repository + "/manifests/" + reference, token: token, body: body, header: map[string]string{"Content-Type": mediaType}})
}

func TestSubjectIsAcknowledged(t *testing.T) {
	subject := digestOf([]byte("subject"))
	m := newMint(t)
	for name, up := range map[string]proxy.Upstream{"embedded": newEmbedded(t), "separate": newSeparate(t, m, newStock(t, m).URL)} {
		d := referring(t, m, up, listed{})
		token := d.token(t, "alice", "repository:team/app:pull,push", 0)
		index := map[string]any{"schemaVersion": 2, "mediaType": indexType, "manifests": []any{}}
		a := d.putManifest(t, token, "team/app", "v1", index).want(t, "PUT without a subject", 201)
		if got := a.header.Get("OCI-Subject"); got != "" {
			t.Errorf("%s: OCI-Subject without a subject = %q, want none", name, got)
		}
		index["subject"] = map[string]any{"mediaType": manifestType, "digest": subject, "size": 7}
		a = d.putManifest(t, token, "team/app", "v2", index).want(t, "PUT with a subject", 201)
		if got := a.header.Get("OCI-Subject"); got != subject {
			t.Errorf("%s: OCI-Subject = %q, want %q", name, got, subject)
		}
		// Where nobody knows of referrers, clients must keep their lists.
		plain := open(t, m, up, func(c *proxy.Config) { c.Observer = &listener{} })
		if got := plain.putManifest(t, token, "team/app", "v2", index).want(t, "PUT with a subject", 201).header.Get("OCI-Subject"); got != "" {
			t.Errorf("%s: OCI-Subject where there is no index = %q, want none", name, got)
		}
	}
}

// old is a registry that lists and deletes as 2.8 does: all tags at once and in no order, and by digest alone.
type old struct {
	proxy.Upstream
	fixed bool // it deletes nothing
}

func (o old) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, reference, byReference := strings.Cut(r.URL.Path, "/manifests/")
	switch {
	case r.Method == http.MethodDelete && byReference && !strings.Contains(reference, ":"):
		http.Error(w, `{"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match uploaded content"}]}`, http.StatusBadRequest)
		return
	case r.Method == http.MethodDelete && o.fixed:
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	in := r.Clone(r.Context())
	in.URL.RawQuery = ""
	if !strings.HasSuffix(r.URL.Path, "/tags/list") {
		in = r
	}
	o.Upstream.ServeHTTP(w, in)
}

func TestDeleteOneTag(t *testing.T) {
	m := newMint(t)
	embedded := newEmbedded(t)
	for name, up := range map[string]proxy.Upstream{"embedded": embedded, "separate": newSeparate(t, m, newStock(t, m).URL), "old": old{Upstream: newEmbedded(t)}} {
		w := &listener{}
		d := open(t, m, up, func(c *proxy.Config) { c.Observer = w })
		token := d.token(t, "alice", "repository:team/app:pull,push,delete", 0)
		digest := d.pushImage(t, token, "team/app", "v1")
		d.pushImage(t, token, "team/app", "v2")
		w.take()
		d.do(t, call{method: "DELETE", path: "/v2/team/app/manifests/v1", token: token}).want(t, name+": DELETE v1", 202)
		if got, want := w.take(), []string{"delete team/app v1"}; !slices.Equal(got, want) {
			t.Errorf("%s: told of %q, want %q", name, got, want)
		}
		accept := map[string]string{"Accept": manifestType}
		d.do(t, call{method: "GET", path: "/v2/team/app/manifests/v1", token: token, header: accept}).want(t, name+": GET v1", 404)
		for _, left := range []string{"v2", digest} {
			if a := d.do(t, call{method: "GET", path: "/v2/team/app/manifests/" + left, token: token, header: accept}).want(t, name+": GET "+left, 200); digestOf(a.body) != digest {
				t.Errorf("%s: %s = %s, want what was pushed", name, left, a.body)
			}
		}
		gone := d.do(t, call{method: "DELETE", path: "/v2/team/app/manifests/v1", token: token}).want(t, name+": DELETE v1 again", 404)
		if !strings.HasPrefix(gone.text(), "MANIFEST_UNKNOWN") {
			t.Errorf("%s: DELETE of no tag says %q, want MANIFEST_UNKNOWN", name, gone.text())
		}
		tags := d.do(t, call{method: "GET", path: "/v2/team/app/tags/list", token: token}).want(t, "tags", 200)
		if got := strings.TrimSpace(string(tags.body)); got != `{"name":"team/app","tags":["v2"]}` {
			t.Errorf("%s: tags = %s, want v2", name, got)
		}
	}
	// A registry that deletes nothing keeps the tag, and says so.
	d := open(t, m, old{embedded, true})
	token := d.token(t, "alice", "repository:team/app:pull,push,delete", 0)
	digest := d.pushImage(t, token, "team/app", "v1")
	refused := d.do(t, call{method: "DELETE", path: "/v2/team/app/manifests/v1", token: token}).want(t, "DELETE where nothing is deleted", 405)
	if !strings.HasPrefix(refused.text(), "UNSUPPORTED") {
		t.Errorf("DELETE where nothing is deleted says %q, want UNSUPPORTED", refused.text())
	}
	if found, err := embedded.TagDigest(t.Context(), "team/app", "v1"); err != nil || found != digest {
		t.Errorf("the tag stands for %q %v, want %q", found, err, digest)
	}
}

func TestTagPages(t *testing.T) {
	m := newMint(t)
	for name, up := range map[string]proxy.Upstream{"embedded": newEmbedded(t), "separate": newSeparate(t, m, newStock(t, m).URL), "old": old{Upstream: newEmbedded(t)}} {
		d := open(t, m, up)
		token := d.token(t, "alice", "repository:team/app:pull,push repository:team/none:pull", 0)
		for _, tag := range []string{"b", "a", "C", "d", "10"} {
			d.pushImage(t, token, "team/app", tag)
		}
		for _, tt := range []struct{ query, tags, link string }{
			{"n=2", `["10","C"]`, "last=C&n=2"},
			{"n=2&last=C", `["a","b"]`, "last=b&n=2"},
			{"n=2&last=b", `["d"]`, ""},
			{"n=3&last=B", `["C","a","b"]`, "last=b&n=3"},
			{"n=5", `["10","C","a","b","d"]`, ""},
			{"n=100000", `["10","C","a","b","d"]`, ""},
			{"last=a", `["b","d"]`, ""},
			{"last=x", `[]`, ""},
			{"n=0", `[]`, ""},
		} {
			a := d.do(t, call{method: "GET", path: "/v2/team/app/tags/list?" + tt.query, token: token}).want(t, name+": "+tt.query, 200)
			link := ""
			if tt.link != "" {
				link = "</v2/team/app/tags/list?" + tt.link + `>; rel="next"`
			}
			if got, want := strings.TrimSpace(string(a.body)), `{"name":"team/app","tags":`+tt.tags+`}`; got != want || a.header.Get("Link") != link {
				t.Errorf("%s: tags?%s = %s %q, want %s %q", name, tt.query, got, a.header.Get("Link"), want, link)
			}
		}
		for path, want := range map[string]string{"/v2/team/app/tags/list?n=-1": "PAGINATION_NUMBER_INVALID", "/v2/team/app/tags/list?n=x": "PAGINATION_NUMBER_INVALID", "/v2/team/none/tags/list?n=1": "NAME_UNKNOWN"} {
			if a := d.do(t, call{method: "GET", path: path, token: token}); !strings.HasPrefix(a.text(), want) {
				t.Errorf("%s: GET %s = %d %s, want %s", name, path, a.status, a.body, want)
			}
		}
	}
}

func sha512Of(b []byte) string { return fmt.Sprintf("sha512:%x", sha512.Sum512(b)) }

// TestOtherDigests pushes and pulls under digests that are not canonical: answers name content as the client does.
func TestOtherDigests(t *testing.T) {
	eachUpstream(t, func(t *testing.T, d *door) {
		token := d.token(t, "alice", "repository:team/app:pull,push,delete repository:team/other:pull,push", 0)
		blob := []byte("a layer")
		named := sha512Of(blob)
		start := d.do(t, call{method: "POST", path: "/v2/team/app/blobs/uploads/", token: token}).want(t, "POST", 202)
		a := d.do(t, call{method: "PUT", path: start.header.Get("Location") + "&digest=" + named, token: token, body: blob}).want(t, "PUT", 201)
		if a.header.Get("Docker-Content-Digest") != named || !strings.HasSuffix(a.header.Get("Location"), "/blobs/"+named) {
			t.Errorf("PUT of a blob = %s, want it to be named %s", headerText(a.header), named)
		}
		for _, method := range []string{"HEAD", "GET"} {
			a := d.do(t, call{method: method, path: "/v2/team/app/blobs/" + named, token: token}).want(t, method, 200)
			if a.header.Get("Docker-Content-Digest") != named || method == "GET" && string(a.body) != string(blob) {
				t.Errorf("%s of a blob = %q %s, want it to be named %s", method, a.body, headerText(a.header), named)
			}
		}
		d.do(t, call{method: "GET", path: "/v2/team/app/blobs/" + digestOf(blob), token: token}).want(t, "GET by the canonical digest", 200)
		// A mount by such a digest is an upload: the registry would not find the blob by it.
		d.do(t, call{method: "POST", path: "/v2/team/other/blobs/uploads/?from=team/app&mount=" + named, token: token}).want(t, "mount", 202)
	})
}

// TestManifestsByOtherDigests keeps manifests in the embedded registry under the digest that they are sent under.
func TestManifestsByOtherDigests(t *testing.T) {
	d := open(t, newMint(t), newEmbedded(t))
	token := d.token(t, "alice", "repository:team/app:pull,push,delete", 0)
	body := []byte(`{"schemaVersion":2,"mediaType":"` + indexType + `","manifests":[]}`)
	named, header := sha512Of(body), map[string]string{"Content-Type": indexType, "Accept": indexType}
	path := "/v2/team/app/manifests/" + named
	d.do(t, call{method: "PUT", path: "/v2/team/app/manifests/" + sha512Of(nil), token: token, body: body, header: header}).want(t, "PUT under a wrong digest", 400)
	a := d.do(t, call{method: "PUT", path: path, token: token, body: body, header: header}).want(t, "PUT", 201)
	if a.header.Get("Docker-Content-Digest") != named || !strings.HasSuffix(a.header.Get("Location"), path) {
		t.Errorf("PUT of a manifest = %s, want it to be named %s", headerText(a.header), named)
	}
	for _, reference := range []string{named, digestOf(body)} {
		a := d.do(t, call{method: "GET", path: "/v2/team/app/manifests/" + reference, token: token, header: header}).want(t, "GET", 200)
		if a.header.Get("Docker-Content-Digest") != reference || string(a.body) != string(body) {
			t.Errorf("GET %s = %s %s, want what was pushed", reference, a.body, headerText(a.header))
		}
	}
	d.do(t, call{method: "DELETE", path: path, token: token}).want(t, "DELETE", 202)
	d.do(t, call{method: "GET", path: path, token: token, header: header}).want(t, "GET of what is deleted", 404)
}
