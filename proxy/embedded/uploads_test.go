package embedded_test

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/proxy/embedded"
)

// replicas are two on one folder. They take short uploads straight where the request is as the gate makes it.
type replicas struct {
	root string
	srv  []*httptest.Server
}

func newReplicas(t *testing.T) *replicas {
	t.Helper()
	w := &replicas{root: t.TempDir()}
	for range 2 {
		w.srv = append(w.srv, serve(t, config(w.root)))
	}
	return w
}

// serve lets a registry answer until the test ends.
func serve(t *testing.T, c embedded.Config) *httptest.Server {
	t.Helper()
	reg, err := embedded.New(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(reg)
	t.Cleanup(func() {
		srv.Close()
		if err := reg.Shutdown(); err != nil {
			t.Error(err)
		}
	})
	return srv
}

// reply is an answer without what differs from one upload to the next.
type reply struct {
	status int
	header http.Header
	text   string
}

var (
	uploadID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	stateOf  = regexp.MustCompile(`_state=[^&]*`)
)

// send sends one request to a replica. Without the header that the gate sends, the library alone answers.
func (w *replicas) send(t *testing.T, replica int, gate bool, method, target string, h http.Header, body []byte) (reply, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.srv[replica].URL+target, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = h.Clone()
	r.Host = "reg.example"
	if gate {
		r.Header.Set("X-Forwarded-Proto", "http") // what the library takes without it, too
	}
	resp, err := w.srv[replica].Client().Transport.RoundTrip(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	location := resp.Header.Get("Location")
	plain := func(s string) string { return stateOf.ReplaceAllString(uploadID.ReplaceAllString(s, "ID"), "STATE") }
	got := reply{resp.StatusCode, resp.Header, plain(string(text))}
	got.header.Del("Date")
	for _, values := range got.header {
		for i := range values {
			values[i] = plain(values[i])
		}
	}
	if u, err := url.Parse(location); err == nil && location != "" {
		location = u.RequestURI()
	}
	return got, location
}

// step is one request of a script, to the Location of the answer before, with more in the query.
type step struct {
	method string
	query  string
	header http.Header
	body   []byte
	stay   bool // the next step goes where this one went, too
}

// run does a script on both replicas in turns, and returns the answers.
func (w *replicas) run(t *testing.T, gate bool, steps []step) []reply {
	t.Helper()
	target := "/v2/team/app/blobs/uploads/"
	var got []reply
	for i, s := range steps {
		at := target
		if s.query != "" {
			at = strings.TrimSuffix(at+"&"+s.query, "&")
			if !strings.Contains(at, "?") {
				at = strings.Replace(at, "&", "?", 1)
			}
		}
		h := s.header
		if h == nil {
			h = http.Header{}
		}
		r, location := w.send(t, i%2, gate, s.method, at, h, s.body)
		got = append(got, r)
		if location != "" && !s.stay {
			target = location
		}
	}
	return got
}

// tree lists what a folder holds but for what is made up anew each time.
func tree(t *testing.T, root string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		all = append(all, strings.TrimPrefix(path, root)+" "+string(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Short uploads answer as the library's, and leave the same files, whatever comes of them.
func TestShortUploadsAreAsTheLibrarys(t *testing.T) {
	octets := http.Header{"Content-Type": {"application/octet-stream"}}
	blob := []byte("a small blob")
	right, wrong := "digest="+digestOf(blob), "digest="+digestOf([]byte("another"))
	post := step{method: "POST"}
	for name, steps := range map[string][]step{
		"whole":                {post, {method: "PUT", query: right, header: octets, body: blob}},
		"whole without a type": {post, {method: "PUT", query: right, body: blob}},
		"wrong digest":         {post, {method: "PUT", query: wrong, header: octets, body: blob}},
		"no digest":            {post, {method: "PUT", header: octets, body: blob, stay: true}, {method: "PUT", query: right, header: octets, body: blob}},
		"no digest at all":     {post, {method: "PUT", query: "digest=sha256:0", header: octets, body: blob}},
		"sha512":               {post, {method: "PUT", query: "digest=sha512:" + strings.Repeat("0", 128), header: octets, body: blob}},
		"nothing":              {post, {method: "PUT", query: "digest=" + digestOf(nil), header: octets}},
		"chunk, then the end":  {post, {method: "PATCH", header: octets, body: blob}, {method: "PUT", query: right}},
		"chunks":               {post, {method: "PATCH", header: octets, body: blob[:4]}, {method: "PATCH", header: octets, body: blob[4:7]}, {method: "PUT", query: right, header: octets, body: blob[7:]}},
		"range":                {post, {method: "PUT", query: right, header: http.Header{"Content-Range": {"0-11"}, "Content-Length": {"12"}}, body: blob}},
		"wrong range":          {post, {method: "PUT", query: right, header: http.Header{"Content-Range": {"3-14"}, "Content-Length": {"12"}}, body: blob}},
		"status":               {post, {method: "GET", stay: true}, {method: "HEAD", stay: true}, {method: "PUT", query: right, header: octets, body: blob}},
		"cancelled":            {post, {method: "DELETE"}},
		"type of a chunk":      {post, {method: "PATCH", header: http.Header{"Content-Type": {"text/plain"}}, body: blob}},
		"long":                 {post, {method: "PUT", query: "digest=" + digestOf(bytes.Repeat(blob, 500_000)), header: octets, body: bytes.Repeat(blob, 500_000)}},
		"mount of nothing":     {{method: "POST", query: "mount=" + digestOf(blob) + "&from=team/none"}, {method: "PUT", query: right, header: octets, body: blob}},
		"twice":                {post, {method: "PUT", query: right, header: octets, body: blob}, {method: "GET"}},
	} {
		straight, library := newReplicas(t), newReplicas(t)
		got, want := straight.run(t, true, steps), library.run(t, false, steps)
		for i := range steps {
			if got[i].status != want[i].status || got[i].text != want[i].text || !maps.EqualFunc(got[i].header, want[i].header, slices.Equal) {
				t.Errorf("%s: step %d, %s = %d %v %s, want %d %v %s", name, i, steps[i].method,
					got[i].status, got[i].header, got[i].text, want[i].status, want[i].header, want[i].text)
			}
		}
		ids := func(list []string) (all []string) {
			for _, s := range list {
				s = uploadID.ReplaceAllString(s, "ID")
				if !strings.Contains(s, "/_uploads/") { // hash states are bytes, and times differ
					all = append(all, s)
				}
			}
			return all
		}
		if got, want := ids(tree(t, straight.root)), ids(tree(t, library.root)); !slices.Equal(got, want) {
			t.Errorf("%s: the folder holds %.300q, want %.300q", name, got, want)
		}
	}
}

// An upload that is over is over, and what is signed for one repository begins none in another.
func TestShortUploadsEnd(t *testing.T) {
	w := newReplicas(t)
	blob := []byte("a small blob")
	begin := func() string {
		r, location := w.send(t, 0, true, "POST", "/v2/team/app/blobs/uploads/", http.Header{}, nil)
		if r.status != http.StatusAccepted {
			t.Fatalf("POST = %d %s, want 202", r.status, r.text)
		}
		return location
	}
	put := func(location string, want int) {
		t.Helper()
		if r, _ := w.send(t, 0, true, "PUT", location+"&digest="+digestOf(blob), http.Header{}, blob); r.status != want {
			t.Errorf("PUT %s = %d %s, want %d", location, r.status, r.text, want)
		}
	}
	done := begin()
	put(done, http.StatusCreated)
	put(done, http.StatusNotFound)
	cancelled := begin()
	if r, _ := w.send(t, 0, true, "DELETE", cancelled, http.Header{}, nil); r.status != http.StatusNoContent {
		t.Errorf("DELETE = %d %s, want 204", r.status, r.text)
	}
	put(cancelled, http.StatusNotFound)
	put(strings.Replace(begin(), "/team/app/", "/team/other/", 1), http.StatusNotFound)
	if _, err := os.Stat(filepath.Join(w.root, "docker/registry/v2/repositories/team/other/_layers")); err == nil {
		t.Error("a state of one repository made a blob in another, want it refused")
	}
	forged := stateOf.ReplaceAllString(begin(), "_state="+strings.Repeat("A", 200))
	put(forged, http.StatusNotFound)
}

// While the settings let the library take nothing, nothing is taken past it either: garbage may be collected.
func TestShortUploadsWhileReadOnly(t *testing.T) {
	root := t.TempDir()
	writes := &replicas{root: root, srv: []*httptest.Server{serve(t, config(root))}}
	_, begun := writes.send(t, 0, true, "POST", "/v2/team/app/blobs/uploads/", http.Header{}, nil)
	only := config(root)
	only.Storage = map[string]map[string]any{"maintenance": {"readonly": map[any]any{"enabled": true}}}
	w := &replicas{root: root, srv: []*httptest.Server{serve(t, only)}}
	blob := []byte("a small blob")
	if r, _ := w.send(t, 0, true, "POST", "/v2/team/app/blobs/uploads/", http.Header{}, nil); r.status != http.StatusMethodNotAllowed {
		t.Errorf("POST = %d %s, want 405", r.status, r.text)
	}
	r, _ := w.send(t, 0, true, "PUT", begun+"&digest="+digestOf(blob), http.Header{}, blob)
	if left := tree(t, root); r.status < http.StatusBadRequest || len(left) > 0 {
		t.Errorf("PUT to what was begun before = %d, and the folder holds %q, want it refused and nothing", r.status, left)
	}
}

// A client that is cut off leaves nothing, and can begin anew where it was.
func TestShortUploadCutOff(t *testing.T) {
	w := newReplicas(t)
	blob := []byte("a small blob")
	_, location := w.send(t, 0, true, "POST", "/v2/team/app/blobs/uploads/", http.Header{}, nil)
	r, err := http.NewRequestWithContext(t.Context(), "PUT", w.srv[0].URL+location+"&digest="+digestOf(blob), io.MultiReader(bytes.NewReader(blob[:4]), failing{}))
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = int64(len(blob))
	r.Host = "reg.example"
	r.Header.Set("X-Forwarded-Proto", "http")
	if resp, err := w.srv[0].Client().Do(r); err == nil {
		resp.Body.Close()
		t.Errorf("PUT that is cut off = %d, want none", resp.StatusCode)
	}
	for n := 0; len(tree(t, w.root)) > 0; n++ { // the server notices a little later
		if n > 1000 {
			t.Fatalf("the folder holds %q, want nothing", tree(t, w.root))
		}
		time.Sleep(time.Millisecond)
	}
	if r, _ := w.send(t, 1, true, "PUT", location+"&digest="+digestOf(blob), http.Header{}, blob); r.status != http.StatusCreated {
		t.Errorf("PUT again = %d %s, want 201", r.status, r.text)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// What a process that was killed has left behind is swept once it is old.
func TestLeftoversAreSwept(t *testing.T) {
	root := t.TempDir()
	incoming := filepath.Join(root, "docker/registry/v2/incoming")
	if err := os.MkdirAll(incoming, 0o750); err != nil {
		t.Fatal(err)
	}
	for name, age := range map[string]time.Duration{"old": 25 * time.Hour, "young": time.Hour} {
		path := filepath.Join(incoming, name)
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Now().Add(-age), time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	reg, err := embedded.New(context.Background(), config(root))
	if err != nil {
		t.Fatal(err)
	}
	if err := reg.Shutdown(); err != nil {
		t.Error(err)
	}
	if got := tree(t, incoming); !slices.Equal(got, []string{"/young x"}) {
		t.Errorf("after a start there are %q, want the young one alone", got)
	}
}
