package proxy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/proxy"
)

// shelf is a keeper: tags that stay, digests that such a tag stands for, and what the project holds.
type shelf struct {
	tags map[string]bool
	kept map[string]string

	unknown bool // it knows no digest

	room  proxy.Room
	holds map[string]bool
	fail  error
}

func (s *shelf) KeepsTag(_ context.Context, _, tag string) (bool, error) { return s.tags[tag], s.fail }

func (s *shelf) KeptTag(_ context.Context, _, digest string) (string, bool, error) {
	return s.kept[digest], !s.unknown, s.fail
}

func (s *shelf) Keeps(context.Context, string) (func(string) bool, error) {
	if s.tags == nil {
		return nil, s.fail
	}
	return func(tag string) bool { return s.tags[tag] }, s.fail
}

func (s *shelf) Room(context.Context, string) (proxy.Room, error) { return s.room, s.fail }

func (s *shelf) NewBytes(_ context.Context, _ string, sizes map[string]int64) (n int64, err error) {
	for digest, size := range sizes {
		if !s.holds[digest] {
			n += size
		}
	}
	return n, s.fail
}

// eachKept is eachUpstream with a keeper.
func eachKept(t *testing.T, test func(t *testing.T, d *door, s *shelf)) {
	with := func(s *shelf) option { return func(c *proxy.Config) { c.Keeper = s } }
	t.Run("embedded", func(t *testing.T) {
		s := &shelf{}
		test(t, open(t, newMint(t), newEmbedded(t), with(s)), s)
	})
	t.Run("separate", func(t *testing.T) {
		s, m := &shelf{}, newMint(t)
		test(t, open(t, m, newSeparate(t, m, newStock(t, m).URL), with(s)), s)
	})
}

func (a answer) wantText(t *testing.T, what string, status int, words ...string) {
	t.Helper()
	a.want(t, what, status)
	for _, word := range words {
		if !strings.Contains(a.text(), word) {
			t.Errorf("%s says %q, want %q in it", what, a.text(), word)
		}
	}
}

const sealToken = "repository:team/app:pull,push,delete"

func TestImmutableTags(t *testing.T) {
	eachKept(t, func(t *testing.T, d *door, s *shelf) {
		token := d.token(t, "alice", sealToken, 0)
		digest := d.pushImage(t, token, "team/app", "v1")
		manifest := d.do(t, call{method: "GET", path: "/v2/team/app/manifests/v1", token: token, header: map[string]string{"Accept": manifestType}}).want(t, "GET", 200).body
		other := strings.Replace(string(manifest), `{`, `{ `, 1)
		put := func(reference, body string) answer {
			return d.do(t, call{method: "PUT", path: "/v2/team/app/manifests/" + reference, token: token, body: []byte(body), header: map[string]string{"Content-Type": manifestType}})
		}
		remove := func(reference string) answer {
			return d.do(t, call{method: "DELETE", path: "/v2/team/app/manifests/" + reference, token: token})
		}
		s.tags, s.kept = map[string]bool{"v1": true, "v2": true}, map[string]string{digest: "v1"}
		put("v1", other).wantText(t, "pushing other content", 412, "DENIED", `tag "v1" of repository "team/app" is immutable`, "use another tag")
		remove("v1").wantText(t, "deleting the tag", 412, "DENIED", `can't be deleted`)
		remove(digest).wantText(t, "deleting by digest", 412, "DENIED", `tag "v1"`)
		if n := strings.Count(strings.Join(done(d.trail.all()), "\n"), " refused"); n != 3 {
			t.Errorf("%d refusals are on record, want 3", n)
		}
		put("v1", string(manifest)).want(t, "pushing the same again", 201)
		put("v2", other).want(t, "pushing the tag for the first time", 201)
		put("v3", other).want(t, "pushing a tag that no rule keeps", 201)
		put("v3", string(manifest)).want(t, "overwriting a tag that no rule keeps", 201)

		s.fail = errs.New(errs.Unavailable, "nobody knows")
		put("v4", other).want(t, "pushing when nobody knows the rules", 503)
		remove(digest).want(t, "deleting when nobody knows the rules", 503)
		s.fail, s.tags, s.kept = nil, nil, nil
		put("v1", other).want(t, "pushing without a rule", 201)
		remove(digest).want(t, "deleting without a rule", 202)
	})
}

// TestWhatImmutableTagsNeed deletes what an immutable tag stands for, or refers to, by its digest where nobody but the registry
// knows of it.
func TestWhatImmutableTagsNeed(t *testing.T) {
	eachKept(t, func(t *testing.T, d *door, s *shelf) {
		s.unknown = true
		token := d.token(t, "alice", sealToken, 0)
		image := d.pushImage(t, token, "team/app", "v1")
		read := func(reference string) string {
			return string(d.do(t, call{method: "GET", path: "/v2/team/app/manifests/" + reference, token: token, header: map[string]string{"Accept": manifestType}}).want(t, "GET", 200).body)
		}
		var parts struct {
			Config struct{ Digest string }
			Layers []struct{ Digest string }
		}
		must(t, json.Unmarshal([]byte(read(image)), &parts))
		loose := d.pushBlob(t, token, "team/app", []byte("nobody needs this"), 0)
		child := digestOf([]byte(strings.Replace(read(image), `{`, `{ `, 1)))
		put := func(reference, mediaType, body string) {
			t.Helper()
			d.do(t, call{method: "PUT", path: "/v2/team/app/manifests/" + reference, token: token, body: []byte(body), header: map[string]string{"Content-Type": mediaType}}).want(t, "PUT", 201)
		}
		put(child, manifestType, strings.Replace(read(image), `{`, `{ `, 1))
		const indexType = "application/vnd.oci.image.index.v1+json"
		put("multi", indexType, fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`, indexType, manifestType, child, len(read(image))+1))
		remove := func(kind, digest string) answer {
			return d.do(t, call{method: "DELETE", path: "/v2/team/app/" + kind + "/" + digest, token: token})
		}
		for _, kept := range []string{"v1", "multi"} {
			s.tags = map[string]bool{kept: true}
			remove("blobs", parts.Config.Digest).wantText(t, "deleting the config of "+kept, 412, "DENIED", fmt.Sprintf("tag %q", kept), "deprived of what it refers to")
			remove("blobs", parts.Layers[0].Digest).want(t, "deleting a layer of "+kept, 412)
			digest := map[string]string{"v1": image, "multi": child}[kept]
			remove("manifests", digest).wantText(t, "deleting what "+kept+" stands for", 412, fmt.Sprintf("tag %q", kept))
			if n := len(read(digest)); n == 0 {
				t.Error("it is gone")
			}
		}
		remove("blobs", loose).want(t, "deleting a blob that no tag needs", 202)
		s.tags = map[string]bool{"multi": true}
		remove("manifests", image).want(t, "deleting an image that no immutable tag needs", 202)
		s.fail = errs.New(errs.Unavailable, "nobody knows")
		remove("blobs", parts.Config.Digest).want(t, "deleting a blob when nobody knows the rules", 503)
		s.fail, s.tags = nil, nil
		remove("blobs", parts.Config.Digest).want(t, "deleting a blob without a rule", 202)
	})
}

func TestQuota(t *testing.T) {
	eachKept(t, func(t *testing.T, d *door, s *shelf) {
		token := d.token(t, "alice", sealToken, 0)
		blob := []byte(strings.Repeat("x", 1000))
		layer := d.pushBlob(t, token, "team/app", blob, 0)
		start := func(query string, body []byte) answer {
			return d.do(t, call{method: "POST", path: "/v2/team/app/blobs/uploads/" + query, token: token, body: body})
		}
		body := func(size int) string {
			return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"x/y","digest":%q,"size":%d},"layers":[]}`, manifestType, layer, size)
		}
		put := func(body string) answer {
			return d.do(t, call{method: "PUT", path: "/v2/team/app/manifests/v1", token: token, body: []byte(body), header: map[string]string{"Content-Type": manifestType}})
		}
		adds := int64(1000 + len(body(1000)))

		s.room = proxy.Room{Limit: 5000, Used: 5000 - adds + 1}
		put(body(1000)).wantText(t, "a push that is a byte too large", http.StatusForbidden, `DENIED project "team" has no room for 1.2 KiB more: it holds 3.7 KiB of its quota of 4.9 KiB`, "larger quota")
		put(body(1)).wantText(t, "a push that lies about its size", http.StatusBadRequest, "MANIFEST_INVALID", "has 1 bytes, and it has 1000")
		s.room.Used--
		put(body(1000)).want(t, "a push that just fits", http.StatusCreated)
		s.room.Used, s.holds = 9000, map[string]bool{layer: true, digestOf([]byte(body(1000))): true}
		put(body(1000)).want(t, "what a full project holds, again", http.StatusCreated)

		start("", nil).wantText(t, "starting an upload in a full project", http.StatusForbidden, `DENIED project "team" is full: it holds 8.8 KiB of its quota of 4.9 KiB`)
		start("?mount="+layer+"&from=team/app", nil).want(t, "mounting what a full project holds", http.StatusCreated)
		s.holds = nil
		start("?mount="+layer+"&from=team/app", nil).want(t, "mounting something new in a full project", http.StatusForbidden)

		s.room.Used = 4500
		location := start("", nil).want(t, "starting an upload", http.StatusAccepted).header.Get("Location")
		send := func(method, location string, header map[string]string) answer {
			return d.do(t, call{method: method, path: location, token: token, body: blob, header: header})
		}
		send("PATCH", location, nil).wantText(t, "a chunk that is too large", http.StatusForbidden, `no room for 1000 B more: it holds 4.4 KiB`)
		send("PUT", location+"&digest="+layer, nil).want(t, "a blob that is too large", http.StatusForbidden)
		s.fail = errs.New(errs.Unavailable, "nobody knows")
		send("PATCH", location, nil).want(t, "a chunk when nobody knows the quota", http.StatusServiceUnavailable)
		s.fail, s.room.Used = nil, 100
		send("PUT", location+"&digest="+layer, nil).want(t, "a blob that fits", http.StatusCreated)
	})
}

// endless is the body of an upload that nobody knows the length of.
type endless struct{ sent atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	e.sent.Add(int64(len(p)))
	return len(p), nil
}

// TestQuotaOfChunks holds uploads to the quota whose length nobody tells, and those that come in many chunks: when the project
// has no room for more, they end there, and the client is told why.
func TestQuotaOfChunks(t *testing.T) {
	eachKept(t, func(t *testing.T, d *door, s *shelf) {
		token := d.token(t, "alice", sealToken, 0)
		s.room = proxy.Room{Limit: 1 << 20, Used: 1 << 19}
		start := func() string {
			return d.do(t, call{method: "POST", path: "/v2/team/app/blobs/uploads/", token: token}).want(t, "starting an upload", http.StatusAccepted).header.Get("Location")
		}
		send := func(method, location string, body io.Reader) answer {
			t.Helper()
			req, err := http.NewRequestWithContext(t.Context(), method, d.srv.URL, struct{ io.Reader }{body}) // which hides the length
			must(t, err)
			req.URL, err = req.URL.Parse(location)
			must(t, err)
			req.Header.Set("Authorization", "Bearer "+token)
			resp, err := d.srv.Client().Transport.RoundTrip(req)
			must(t, err)
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			must(t, err)
			return answer{resp.StatusCode, resp.Header, text}
		}
		kib := func(n int) io.Reader { return strings.NewReader(strings.Repeat("x", n<<10)) }

		body := &endless{}
		send("PATCH", start(), body).wantText(t, "an endless chunk", http.StatusForbidden, `DENIED project "team" has no room for 512 KiB more: it holds 512 KiB of its quota of 1.0 MiB`, "larger quota")
		if n := body.sent.Load(); n > 16<<20 {
			t.Errorf("%d bytes of an endless chunk were taken, want it to be cut off", n)
		}
		if lines := done(d.trail.all()); len(lines) != 1 || !strings.Contains(lines[0], "refused") {
			t.Errorf("the trail says %q, want one refusal", lines)
		}

		location := start()
		for range 2 {
			location = send("PATCH", location, kib(200)).want(t, "a chunk that fits", http.StatusAccepted).header.Get("Location")
		}
		send("PATCH", location, kib(200)).wantText(t, "a third chunk, of unknown length", http.StatusForbidden, "has no room for 512 KiB more")
		location = start()
		for range 2 {
			location = send("PATCH", location, kib(200)).want(t, "a chunk that fits", http.StatusAccepted).header.Get("Location")
		}
		d.do(t, call{method: "PATCH", path: location, token: token, body: []byte(strings.Repeat("x", 200<<10))}).
			wantText(t, "a third chunk, of known length", http.StatusForbidden, "has no room for 600 KiB more")
		whole := strings.Repeat("x", 400<<10)
		d.do(t, call{method: "PUT", path: location + "&digest=" + digestOf([]byte(whole)), token: token}).want(t, "what was sent before", http.StatusCreated)

		exact := strings.Repeat("y", 512<<10)
		location = send("PATCH", start(), strings.NewReader(exact)).want(t, "as much as there is room for", http.StatusAccepted).header.Get("Location")
		send("PUT", location+"&digest="+digestOf([]byte(exact)), strings.NewReader("")).want(t, "its end, of unknown length", http.StatusCreated)
		s.room = proxy.Room{}
		send("PATCH", start(), kib(2048)).want(t, "any length without a quota", http.StatusAccepted)
	})
}
