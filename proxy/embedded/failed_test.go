package embedded_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/sealock/sealock/proxy/embedded"
)

// ask sends the registry a request.
func ask(r *embedded.Registry, method, target string, body io.Reader, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequestWithContext(context.Background(), method, target, body)
	req.Header.Set("Content-Type", "application/octet-stream")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w
}

// broken is a body that ends in the middle.
type broken struct{ io.Reader }

func (b broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// TestCutChunkIsResumed cuts an upload in the middle of a chunk: the client that asks how much came goes on from there.
func TestCutChunkIsResumed(t *testing.T) {
	r, err := embedded.New(t.Context(), config(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Shutdown() }()
	at := func(w *httptest.ResponseRecorder) string {
		u, err := url.Parse(w.Header().Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		return u.RequestURI()
	}
	first := at(ask(r, "POST", "/v2/team/app/blobs/uploads/", nil))
	if w := ask(r, "PATCH", first, broken{strings.NewReader("hello ")}, "Content-Range", "0-9"); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "ended early") {
		t.Errorf("a body that ends early = %d %s, want 400 that says so", w.Code, w.Body)
	}
	if w := ask(r, "PATCH", first, strings.NewReader("again")); w.Code < 400 {
		t.Errorf("going on blindly = %d, want it refused", w.Code)
	}
	status := ask(r, "GET", first, nil)
	if got := status.Header().Get("Range"); status.Code != http.StatusNoContent || got != "0-5" {
		t.Fatalf("asking how much has come = %d %q, want 204 and 0-5", status.Code, got)
	}
	next := at(status)
	if w := ask(r, "PATCH", next, strings.NewReader("x"), "Content-Range", "9-9", "Content-Length", "1"); w.Code != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("going on in the wrong place = %d, want 416", w.Code)
	}
	patch := ask(r, "PATCH", next, strings.NewReader("world"), "Content-Range", "6-10", "Content-Length", "5")
	if patch.Code != http.StatusAccepted {
		t.Fatalf("going on = %d %s, want 202", patch.Code, patch.Body)
	}
	sum := digest.FromString("hello world")
	if w := ask(r, "PUT", at(patch)+"&digest="+sum.String(), nil); w.Code != http.StatusCreated {
		t.Fatalf("finishing = %d %s, want 201", w.Code, w.Body)
	}
	if w := ask(r, "GET", "/v2/team/app/blobs/"+sum.String(), nil); w.Body.String() != "hello world" {
		t.Errorf("the blob = %d %q, want hello world", w.Code, w.Body)
	}
}

// TestFailureShowsNothing makes writing fail: the client may try again, and hears nothing of files.
func TestFailureShowsNothing(t *testing.T) {
	root := t.TempDir()
	r, err := embedded.New(t.Context(), config(root))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Shutdown() }()
	repositories := filepath.Join(root, "docker/registry/v2/repositories")
	if err := os.MkdirAll(repositories, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(repositories, "team"), nil, 0o600); err != nil { // where a folder should be
		t.Fatal(err)
	}
	w := ask(r, "POST", "/v2/team/app/blobs/uploads/", nil)
	text := w.Body.String()
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(text, `"code":"UNAVAILABLE"`) {
		t.Errorf("an upload that can't be begun = %d %s, want 503 UNAVAILABLE", w.Code, text)
	}
	if strings.Contains(text, root) || strings.Contains(text, "docker/registry") || bytes.Count(w.Body.Bytes(), []byte("{")) != 2 {
		t.Errorf("an upload that can't be begun = %s, want one error and no path", text)
	}
	if got := fmt.Sprint(w.Header()["Content-Type"]); got != "[application/json]" {
		t.Errorf("Content-Type of a failure = %s, want application/json", got)
	}
}
