package proxy_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/proxy"
	"github.com/sealock/sealock/proxy/embedded/stocktest"
)

// bucket stands for an object store: it serves the files of a registry's folder, and keeps what it was asked.
type bucket struct {
	srv  *httptest.Server
	root string
	mu   sync.Mutex
	seen []*http.Request
}

func newBucket(t *testing.T) *bucket {
	t.Helper()
	b := &bucket{root: t.TempDir()}
	files := http.FileServer(http.Dir(b.root))
	b.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		b.seen = append(b.seen, r.Clone(context.WithoutCancel(r.Context())))
		b.mu.Unlock()
		w.Header().Set("Set-Cookie", "bucket=1")
		w.Header().Set("Content-Type", "text/html")
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(b.srv.Close)
	return b
}

func (b *bucket) take() []*http.Request {
	b.mu.Lock()
	defer b.mu.Unlock()
	seen := b.seen
	b.seen = nil
	return seen
}

// redirecting opens a door before a stock registry that sends its clients to the bucket.
func redirecting(t *testing.T, b *bucket, follow bool) *door {
	t.Helper()
	m := newMint(t)
	stock := newStockOf(t, m, stocktest.Config{Service: service, Root: b.root, RedirectTo: b.srv.URL})
	return open(t, m, following(t, m, follow, stock.URL))
}

func following(t *testing.T, m *mint, follow bool, at string, hosts ...string) *proxy.Separate {
	t.Helper()
	up, err := proxy.NewSeparate(proxy.SeparateConfig{URL: at, Minter: m, Log: quiet(), FollowRedirects: follow, StorageHosts: hosts})
	must(t, err)
	t.Cleanup(up.Close)
	return up
}

func TestRedirectsToRealStorage(t *testing.T) {
	blob := bytes.Repeat([]byte("0123456789"), 100_000)
	for _, follow := range []bool{false, true} {
		b := newBucket(t)
		d := redirecting(t, b, follow)
		token := d.token(t, "alice", pushToken, 0)
		digest := d.pushBlob(t, token, "team/app", blob, 0)
		b.take()
		for _, row := range []struct {
			method, ranges string
			status         int
			want           []byte
		}{
			{"GET", "", 200, blob},
			{"HEAD", "", 200, nil},
			{"GET", "bytes=10-19", 206, blob[10:20]},
			{"GET", "bytes=5-", 206, blob[5:]},
			{"GET", "bytes=99999999-", 416, nil},
		} {
			name := fmt.Sprintf("%s %s, follow %v", row.method, row.ranges, follow)
			c := call{method: row.method, path: "/v2/team/app/blobs/" + digest, token: token, header: map[string]string{"Cookie": "mine=1"}}
			if row.ranges != "" {
				c.header["Range"] = row.ranges
			}
			a := d.do(t, c)
			seen := b.take()
			if !follow {
				a.want(t, name, 307)
				if to := a.header.Get("Location"); !strings.HasPrefix(to, b.srv.URL+"/docker/registry/v2/blobs/") || len(seen) != 0 {
					t.Errorf("%s: Location = %q, and the bucket was asked %d times, want the client to go there", name, to, len(seen))
				}
				continue
			}
			a.want(t, name, row.status)
			if row.want != nil && !bytes.Equal(a.body, row.want) {
				t.Errorf("%s = %d bytes, want %d", name, len(a.body), len(row.want))
			}
			if row.status < 300 && (a.header.Get("Docker-Content-Digest") != digest || a.header.Get("Content-Type") != "application/octet-stream") {
				t.Errorf("%s: header = %s, want those of a registry's blob", name, headerText(a.header))
			}
			if a.header.Get("Set-Cookie")+a.header.Get("Location") != "" {
				t.Errorf("%s: header = %s, want nothing of the bucket's", name, headerText(a.header))
			}
			for _, r := range seen {
				if r.Header.Get("Authorization")+r.Header.Get("Cookie")+r.Header.Get("X-Forwarded-For") != "" || r.Method != row.method || r.Header.Get("Range") != row.ranges {
					t.Errorf("%s: the bucket sees %s %s, want the method and the Range alone", name, r.Method, headerText(r.Header))
				}
			}
		}
		// sealock's own reads go there in any case.
		if got, err := proxy.NewInside(d.config.Upstream).Blob(t.Context(), "team/app", digest, int64(len(blob))); err != nil || !bytes.Equal(got, blob) {
			t.Errorf("Blob = %d bytes, %v, want %d", len(got), err, len(blob))
		}
	}
}

// Followed bodies stream: the client has the first half before the storage has the second.
func TestFollowingStreams(t *testing.T) {
	more := make(chan struct{})
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "one")
		flush(w)
		<-more
		_, _ = io.WriteString(w, "two")
	}))
	t.Cleanup(store.Close)
	d := sending(t, true, func(*http.Request) (int, string) { return 307, store.URL + "/x" })
	req, err := http.NewRequestWithContext(t.Context(), "GET", d.srv.URL+"/v2/team/app/blobs/"+digestOf([]byte("onetwo")), nil)
	must(t, err)
	req.Header.Set("Authorization", "Bearer "+d.token(t, "alice", pushToken, 0))
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	b := make([]byte, 3)
	if _, err := io.ReadFull(resp.Body, b); err != nil || string(b) != "one" {
		t.Errorf("first half = %q, %v, want one", b, err)
	}
	close(more)
	if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "two" {
		t.Errorf("second half = %q, %v, want two", rest, err)
	}
}

// sending opens a door before a registry that sends everybody somewhere.
func sending(t *testing.T, follow bool, to func(*http.Request) (int, string), hosts ...string) *door {
	t.Helper()
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code, location := to(r)
		w.Header()["Location"] = []string{location}
		w.WriteHeader(code)
	}))
	t.Cleanup(up.Close)
	m := newMint(t)
	return open(t, m, following(t, m, follow, up.URL, hosts...))
}

// A registry sends clients to its storage for blobs, and nowhere else.
func TestRedirectsThatAreNotPassed(t *testing.T) {
	blob := "/v2/team/app/blobs/" + hexDigest
	const there = "https://bucket.example/x"
	for _, row := range []struct {
		name, method, path string
		code               int
		location           string
		want               int
	}{
		{"a blob, 307", "GET", blob, 307, there, 307},
		{"a blob, 302", "HEAD", blob, 302, there, 302},
		{"a blob, for ever", "GET", blob, 301, there, 503},
		{"a blob, 308", "GET", blob, 308, there, 503},
		{"a blob, 303", "GET", blob, 303, there, 503},
		{"a manifest", "GET", "/v2/team/app/manifests/v1", 307, there, 503},
		{"tags", "GET", "/v2/team/app/tags/list", 302, there, 503},
		{"an upload that starts", "POST", "/v2/team/app/blobs/uploads/", 307, there, 503},
		{"an upload", "PUT", "/v2/team/app/blobs/uploads/1", 307, there, 503},
		{"a blob, to a script", "GET", blob, 307, "javascript:alert(1)", 503},
		{"a blob, to no host", "GET", blob, 307, "https:///x", 503},
		{"a blob, to nothing", "GET", blob, 307, "", 503},
		{"a blob, with the token", "GET", blob, 307, "TOKEN", 503},
	} {
		d := sending(t, false, func(r *http.Request) (int, string) {
			if row.location == "TOKEN" {
				return row.code, there + "?t=" + strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			}
			return row.code, row.location
		})
		a := d.do(t, call{method: row.method, path: row.path, token: d.token(t, "alice", pushToken, 0)}).want(t, row.name, row.want)
		if to := a.header.Get("Location"); row.want == 503 && to != "" || row.want != 503 && to != there {
			t.Errorf("%s: Location = %q", row.name, to)
		}
	}
	// What is relative is at the registry, which clients know by our name.
	d := sending(t, false, func(*http.Request) (int, string) { return 307, "/v2/team/other/blobs/" + hexDigest })
	a := d.do(t, call{method: "GET", path: blob, token: d.token(t, "alice", pushToken, 0)}).want(t, "a relative redirect", 307)
	if to := a.header.Get("Location"); to != d.srv.URL+"/v2/team/other/blobs/"+hexDigest {
		t.Errorf("relative Location = %q, want an absolute one here", to)
	}
}

// sealock reaches what its clients don't: a registry, or who can make it send somebody somewhere, must not look there through
// sealock.
func TestWhereIsNotFollowed(t *testing.T) {
	blob := "/v2/team/app/blobs/" + hexDigest
	for _, to := range []string{
		"http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://100.100.100.200/", "http://168.63.129.16/", "http://[fe80::1]/", "http://0.0.0.0:1/",
		"http://[::ffff:169.254.169.254]/", "http://[64:ff9b::a9fe:a9fe]/", "http://[2002:a9fe:a9fe::]/", "http://224.0.0.1/",
		"ftp://127.0.0.1/", "http://u:p@127.0.0.1:1/", "file:///etc/passwd", "",
	} {
		d := sending(t, true, func(*http.Request) (int, string) { return 307, to })
		a := d.do(t, call{method: "GET", path: blob, token: d.token(t, "alice", pushToken, 0)}).want(t, "a redirect to "+to, 503)
		if !strings.Contains(a.text(), "sends its clients where they can't be sent") {
			t.Errorf("a redirect to %q = %q, want that it is not followed", to, a.text())
		}
	}

	// It goes on from one place to the next for a while only, and each is looked at.
	hops := 0
	var chain *httptest.Server
	chain = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hops++; r.URL.Path == "/metadata" {
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
			return
		}
		http.Redirect(w, r, chain.URL+"/again", http.StatusFound)
	}))
	t.Cleanup(chain.Close)
	for _, path := range []string{"/again", "/metadata"} {
		hops = 0
		d := sending(t, true, func(*http.Request) (int, string) { return 307, chain.URL + path })
		d.do(t, call{method: "GET", path: blob, token: d.token(t, "alice", pushToken, 0)}).want(t, "a chain of redirects", 503)
		if hops > 3 {
			t.Errorf("followed %d redirects, want a bound", hops)
		}
	}
}

func TestStorageThatFails(t *testing.T) {
	for code, want := range map[int]int{404: 404, 403: 503, 500: 503, 204: 503} {
		store := httptest.NewServer(status(code))
		t.Cleanup(store.Close)
		d := sending(t, true, func(*http.Request) (int, string) { return 307, store.URL + "/x" })
		a := d.do(t, call{method: "GET", path: "/v2/team/app/blobs/" + hexDigest, token: d.token(t, "alice", pushToken, 0)}).want(t, fmt.Sprint("storage that answers ", code), want)
		if want == 404 && !strings.HasPrefix(a.text(), "BLOB_UNKNOWN") {
			t.Errorf("storage without the blob = %q, want BLOB_UNKNOWN", a.text())
		}
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	d := sending(t, true, func(*http.Request) (int, string) { return 307, gone.URL + "/x" })
	a := d.do(t, call{method: "GET", path: "/v2/team/app/blobs/" + hexDigest, token: d.token(t, "alice", pushToken, 0)}).want(t, "storage that is down", 503)
	if !strings.Contains(a.text(), "the storage of the registry behind sealock does not answer") {
		t.Errorf("storage that is down = %q, want that", a.text())
	}
	if _, err := proxy.NewSeparate(proxy.SeparateConfig{URL: gone.URL, Log: quiet(), StorageHosts: []string{"no host"}}); !errs.Is(err, errs.Invalid) {
		t.Errorf("NewSeparate with a storage host that is none = %v, want Invalid", err)
	}
}
