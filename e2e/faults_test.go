package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealock/sealock/e2e/internal/fixture"
	"github.com/sealock/sealock/e2e/internal/proc"
	"github.com/sealock/sealock/e2e/internal/registry"
	"github.com/sealock/sealock/e2e/internal/sealock"
	"github.com/sealock/sealock/e2e/internal/wire"
)

// ward is a sealock that faults happen to, and its registry.
type ward struct {
	server *sealock.Server
	stock  *registry.Registry // nil: the embedded one
	client *wire.Client
	http   *http.Transport // a connection for each request
	issued time.Time
	token  string
}

// admit starts a sealock before a registry; "" is the embedded one.
func admit(t *testing.T, kind registry.Kind, settings string) *ward {
	t.Helper()
	w := &ward{http: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}
	w.server, w.stock = serveBefore(t, kind, proc.FreeAddr(t), settings)
	w.server.AddProject(t, "team")
	w.client = wire.New(w.server.Addr, "admin", adminPassword)
	return w
}

// eachWard runs a test before the embedded registry and before stock ones.
func eachWard(t *testing.T, settings string, test func(t *testing.T, w *ward)) {
	t.Helper()
	for _, kind := range []registry.Kind{"", registry.Debian28, registry.V31} {
		name := string(kind)
		if kind == "" {
			name = "embedded"
		}
		t.Run(name, func(t *testing.T) {
			if !soaking() { // else the disk has to hold one blob at a time
				t.Parallel()
			}
			test(t, admit(t, kind, settings))
		})
	}
}

// bearer returns a token for the repository, and a new one in time.
func (w *ward) bearer(t *testing.T) string {
	t.Helper()
	if time.Since(w.issued) > 30*time.Second {
		const scope = "repository:team/app:pull,push,delete"
		given, _, err := w.client.Token(wire.Challenge{Realm: w.server.URL + "/service/token", Service: "sealock", Scope: scope}, scope)
		if err != nil {
			t.Fatal(err)
		}
		w.token, w.issued = given.Token, time.Now()
	}
	return w.token
}

// send sends a request whose answer is read to its end; an error means that it was cut.
func (w *ward) send(t *testing.T, method, target string, body io.Reader, header ...string) (wire.Response, error) {
	t.Helper()
	if strings.HasPrefix(target, "/") {
		target = w.server.URL + target
	}
	patience := 30 * time.Second
	if soaking() {
		patience = 10 * time.Minute // a blob of 10 GB is hashed
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.bearer(t))
	if body != nil {
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := w.http.RoundTrip(req)
	if err != nil {
		return wire.Response{}, err
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	return wire.Response{Status: resp.StatusCode, Header: resp.Header, Body: all}, err
}

// must is send for a request that has to be answered so.
func (w *ward) must(t *testing.T, status int, method, target string, body []byte, header ...string) wire.Response {
	t.Helper()
	var from io.Reader
	if body != nil {
		from = bytes.NewReader(body)
	}
	resp, err := w.send(t, method, target, from, header...)
	if err != nil || resp.Status != status {
		t.Fatalf("%s %s = %s, %v, want %d", method, target, resp, err, status)
	}
	return resp
}

// begin starts an upload and returns where it goes on.
func (w *ward) begin(t *testing.T) string {
	t.Helper()
	return w.must(t, http.StatusAccepted, http.MethodPost, "/v2/team/app/blobs/uploads/", nil).Header.Get("Location")
}

// finish ends an upload.
func (w *ward) finish(t *testing.T, location, digest string) {
	t.Helper()
	w.must(t, http.StatusCreated, http.MethodPut, ended(t, location, "digest", digest), nil)
}

func ended(t *testing.T, location, name, value string) string {
	t.Helper()
	u, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// put uploads a blob in two requests, and pulls it.
func (w *ward) put(t *testing.T, blob []byte) string {
	t.Helper()
	location := w.must(t, http.StatusAccepted, http.MethodPatch, w.begin(t), blob).Header.Get("Location")
	digest := fixture.Digest(blob)
	w.finish(t, location, digest)
	w.holds(t, digest)
	return digest
}

// holds pulls a blob.
func (w *ward) holds(t *testing.T, digest string) {
	t.Helper()
	if got := w.must(t, http.StatusOK, http.MethodGet, "/v2/team/app/blobs/"+digest, nil); fixture.Digest(got.Body) != digest {
		t.Errorf("the blob %s came out wrong: %d bytes", digest, len(got.Body))
	}
}

// healthy pushes an image and pulls it.
func (w *ward) healthy(t *testing.T) {
	t.Helper()
	image, err := fixture.NewImage(unique("fault"))
	if err != nil {
		t.Fatal(err)
	}
	w.put(t, image.Layer)
	w.put(t, image.Config)
	w.must(t, http.StatusCreated, http.MethodPut, "/v2/team/app/manifests/v1", image.Manifest, "Content-Type", fixture.MediaTypeManifest)
	got := w.must(t, http.StatusOK, http.MethodGet, "/v2/team/app/manifests/v1", nil, "Accept", fixture.MediaTypeManifest)
	if fixture.Digest(got.Body) != image.Digest() {
		t.Errorf("the manifest came out as %s, want the one that was pushed", got.Body)
	}
}

// retriable fails unless an answer is a registry error that can be tried again, or the connection was cut.
func retriable(t *testing.T, what string, resp wire.Response, err error) {
	t.Helper()
	if err != nil {
		return
	}
	var body struct {
		Errors []struct{ Code, Message string } `json:"errors"`
	}
	_ = json.Unmarshal(resp.Body, &body) // what is no JSON has no errors
	switch {
	case resp.Status != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "":
		t.Errorf("%s = %s, want 503 with Retry-After", what, resp)
	case len(body.Errors) != 1 || body.Errors[0].Code != "UNAVAILABLE" || body.Errors[0].Message == "":
		t.Errorf("%s = %s, want UNAVAILABLE in errors", what, resp)
	case strings.Contains(string(resp.Body), w127):
		t.Errorf("%s shows where the registry is: %s", what, resp.Body)
	}
}

const w127 = "127.0.0.1"

// slowBody is a body that comes part by part.
type slowBody struct {
	*io.PipeReader
	w *io.PipeWriter
}

func newSlowBody() slowBody { r, w := io.Pipe(); return slowBody{r, w} }

// answered is what came of a request that went on meanwhile.
type answered struct {
	wire.Response
	err error
}

// go begins to send a request.
func (w *ward) start(t *testing.T, method, target string, body io.ReadCloser, header ...string) <-chan answered {
	t.Helper()
	w.bearer(t)
	ch := make(chan answered, 1)
	go func() {
		resp, err := w.send(t, method, target, body, header...)
		_ = body.Close()
		ch <- answered{resp, err}
	}()
	return ch
}

// large is a blob that does not wait in buffers.
func large() []byte { return bytes.Repeat([]byte(unique("large")), 16<<20/len(unique("large"))) }

// TestFaults makes one thing after the other go wrong. After each, the same push and pull succeed, and no file or socket is
// left open; at the end there is no goroutine of a request.
func TestFaults(t *testing.T) {
	t.Parallel()
	eachWard(t, "", func(t *testing.T, w *ward) {
		blob := large()
		digest := w.put(t, blob)
		w.healthy(t)
		files := w.server.Files(t)
		for _, f := range faults() {
			if f.stock && w.stock == nil {
				continue
			}
			for range f.times {
				f.happen(t, w, digest)
			}
			w.healthy(t)
			w.holds(t, digest)
			w.settled(t, f.name, files)
		}
		w.idle(t)
	})
}

// settled waits until the server has no more open than before. Some connections to the registry, and of clients that are
// idle, are kept.
func (w *ward) settled(t *testing.T, after string, before []string) {
	t.Helper()
	const spare = 4
	var now []string
	for range 200 {
		if now = w.server.Files(t); len(now) <= len(before)+spare {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("%s: open are %q, before it were %q", after, now, before)
}

// idle ends the server, which has nothing to do.
func (w *ward) idle(t *testing.T) {
	t.Helper()
	time.Sleep(200 * time.Millisecond) // what was closed last ends
	kept := 0
	for _, stack := range w.server.Goroutines(t) {
		switch {
		case strings.Contains(stack, "proxy.(*Gate).ServeHTTP"), strings.Contains(stack, "net/http.serverHandler.ServeHTTP"), strings.Contains(stack, "proxy.(*flights)"):
			t.Errorf("a request is still under way:\n%s", stack)
		case strings.Contains(stack, "net/http.(*persistConn).readLoop"):
			kept++
		}
	}
	if kept > 8 {
		t.Errorf("%d connections to the registry are kept, want some at most", kept)
	}
}

// fault is something that goes wrong.
type fault struct {
	name   string
	stock  bool // to a registry in another process
	times  int
	happen func(t *testing.T, w *ward, digest string)
}

func faults() []fault {
	return []fault{
		{"the registry is killed in mid-upload", true, 2, killedInUpload},
		{"the registry is killed in mid-pull", true, 2, killedInPull},
		{"the registry is down", true, 1, down},
		{"the registry stands still for a moment", true, 2, pausing},
		{"the registry stands still, and clients go", true, 6, standing},
		{"clients go in mid-push", false, 8, goneInPush},
		{"clients go in mid-pull", false, 8, goneInPull},
		{"clients half-close", false, 8, halfClosed},
		{"clients go on at a wrong place", false, 16, wrongPlace},
	}
}

func killedInUpload(t *testing.T, w *ward, _ string) {
	t.Helper()
	body := newSlowBody()
	got := w.start(t, http.MethodPatch, w.begin(t), body)
	for n := range 8 {
		if n == 4 {
			w.stock.Kill(t)
		}
		if _, err := io.WriteString(body.w, part); err != nil {
			break // it has its answer
		}
	}
	_ = body.w.Close()
	a := <-got
	retriable(t, "an upload whose registry was killed", a.Response, a.err)
	w.stock.Again(t)
	w.put(t, []byte(strings.Repeat(part, 8)))
}

func killedInPull(t *testing.T, w *ward, digest string) {
	t.Helper()
	resp := w.open(t, digest)
	defer resp.Body.Close()
	if _, err := io.CopyN(io.Discard, resp.Body, 1<<20); err != nil {
		t.Fatal(err)
	}
	w.stock.Kill(t)
	if n, err := io.Copy(io.Discard, resp.Body); err == nil && n+1<<20 != resp.ContentLength {
		t.Errorf("a pull whose registry was killed ends after %d bytes as if it was whole", n+1<<20)
	}
	w.stock.Again(t)
}

// open begins to pull a blob.
func (w *ward) open(t *testing.T, digest string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL+"/v2/team/app/blobs/"+digest, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.bearer(t))
	resp, err := w.http.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("pulling a blob = %v, %v, want 200", resp, err)
	}
	return resp
}

func down(t *testing.T, w *ward, digest string) {
	t.Helper()
	w.stock.Kill(t)
	for _, r := range [][2]string{
		{http.MethodGet, "/v2/team/app/blobs/" + digest},
		{http.MethodGet, "/v2/team/app/manifests/v1"},
		{http.MethodPost, "/v2/team/app/blobs/uploads/"},
		{http.MethodDelete, "/v2/team/app/manifests/" + digest},
		{http.MethodPut, "/v2/team/app/manifests/v2"},
	} {
		var body io.Reader
		if r[0] != http.MethodGet {
			body = strings.NewReader(strings.Repeat("x", 1<<20))
		}
		resp, err := w.send(t, r[0], r[1], body)
		if err != nil && body == nil { // nobody was still sending
			t.Errorf("%s %s while the registry is down: %v, want an answer", r[0], r[1], err)
		}
		retriable(t, r[0]+" while the registry is down", resp, err)
	}
	w.stock.Again(t)
}

func pausing(t *testing.T, w *ward, digest string) {
	t.Helper()
	body := newSlowBody()
	got := w.start(t, http.MethodPatch, w.begin(t), body)
	pulled := w.open(t, digest)
	defer pulled.Body.Close()
	w.stock.Signal(t, syscall.SIGSTOP)
	time.AfterFunc(300*time.Millisecond, func() { w.stock.Signal(t, syscall.SIGCONT) })
	_, _ = io.WriteString(body.w, strings.Repeat(part, 4)) // the answer shows
	_ = body.w.Close()
	if a := <-got; a.err != nil || a.Status != http.StatusAccepted {
		t.Errorf("an upload to a registry that stood still = %s, %v, want 202", a.Response, a.err)
	}
	all, err := io.ReadAll(pulled.Body)
	if err != nil || fixture.Digest(all) != digest {
		t.Errorf("a pull from a registry that stood still = %d bytes, %v, want all", len(all), err)
	}
}

func standing(t *testing.T, w *ward, digest string) {
	t.Helper()
	location := w.begin(t)
	w.stock.Signal(t, syscall.SIGSTOP)
	defer w.stock.Signal(t, syscall.SIGCONT)
	for _, head := range []string{
		w.head(t, http.MethodGet, "/v2/team/app/blobs/"+digest, ""),
		w.head(t, http.MethodGet, "/v2/team/app/manifests/v1", ""),
		w.head(t, http.MethodPatch, strings.TrimPrefix(location, w.server.URL), "Content-Length: 1000000\r\n"),
	} {
		c := w.dial(t)
		_, _ = io.WriteString(c, head+strings.Repeat("x", 1000)) // it may be closed
		time.Sleep(10 * time.Millisecond)
		_ = c.Close()
	}
}

func (w *ward) dial(t *testing.T) *net.TCPConn {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", w.server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		t.Fatalf("a connection is %T", c)
	}
	_ = tcp.SetDeadline(time.Now().Add(30 * time.Second))
	return tcp
}

func (w *ward) head(t *testing.T, method, target, lines string) string {
	t.Helper()
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nConnection: close\r\n%s\r\n", method, target, w.server.Addr, w.bearer(t), lines)
}

func goneInPush(t *testing.T, w *ward, _ string) {
	t.Helper()
	target := strings.TrimPrefix(w.begin(t), w.server.URL)
	for _, lines := range []string{"Content-Length: 1000000\r\n", "Transfer-Encoding: chunked\r\n"} {
		c := w.dial(t)
		_, _ = io.WriteString(c, w.head(t, http.MethodPatch, target, lines)+"1000\r\n"+strings.Repeat("x", 1000))
		time.Sleep(10 * time.Millisecond)
		_ = c.SetLinger(0) // a cable that was cut
		_ = c.Close()
	}
	c := w.dial(t)
	_, _ = io.WriteString(c, w.head(t, http.MethodPut, "/v2/team/app/manifests/gone", "Content-Type: "+fixture.MediaTypeManifest+"\r\nContent-Length: 1000\r\n")+"{")
	_ = c.Close()
}

func goneInPull(t *testing.T, w *ward, digest string) {
	t.Helper()
	c := w.dial(t)
	_, _ = io.WriteString(c, w.head(t, http.MethodGet, "/v2/team/app/blobs/"+digest, ""))
	if _, err := io.CopyN(io.Discard, c, 100_000); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}

// halfClosed sends all that it has to say, and waits. Like nginx, the server may take that for a client that has gone, when
// it has to ask elsewhere: it says so, and nothing is left.
func halfClosed(t *testing.T, w *ward, digest string) {
	t.Helper()
	for _, path := range []string{"/v2/team/app/blobs/" + digest, "/v2/team/app/manifests/v1"} {
		c := w.dial(t)
		defer c.Close()
		_, _ = io.WriteString(c, w.head(t, http.MethodGet, path, "Accept: "+fixture.MediaTypeManifest+"\r\n"))
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Errorf("GET %s of a half-closed client got no answer: %v", path, err)
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		switch got := resp.Header.Get("Docker-Content-Digest"); {
		case resp.StatusCode == http.StatusOK && err == nil && fixture.Digest(body) == got && (got == digest || strings.Contains(path, "/manifests/")):
		case resp.StatusCode == http.StatusOK && (w.stock == nil || err == nil):
			t.Errorf("GET %s of a half-closed client = %d, %d bytes (%.300s), %v, want all", path, resp.StatusCode, len(body), body, err)
		case resp.StatusCode != http.StatusOK:
			retriable(t, "a half-closed client's pull", wire.Response{Status: resp.StatusCode, Header: resp.Header, Body: body}, err)
		}
	}
}

// wrongPlace sends a chunk twice: the second time it does not fit any more. A registry of 2.8 then forgets the upload.
func wrongPlace(t *testing.T, w *ward, _ string) {
	t.Helper()
	location := w.begin(t)
	next := w.must(t, http.StatusAccepted, http.MethodPatch, location, []byte("a chunk")).Header.Get("Location")
	resp, err := w.send(t, http.MethodPatch, location, strings.NewReader("a chunk"))
	switch {
	case err == nil && resp.Status == http.StatusRequestedRangeNotSatisfiable:
		w.finish(t, next, fixture.Digest([]byte("a chunk")))
	case err == nil && resp.Status == http.StatusNotFound && w.stock != nil && strings.Contains(string(resp.Body), "BLOB_UPLOAD_INVALID"):
		w.put(t, []byte("a chunk"))
	default:
		t.Errorf("a chunk that came before = %s, %v, want 416", resp, err)
	}
}
