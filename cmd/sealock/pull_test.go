package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

const ociImage = "application/vnd.oci.image.manifest.v1+json"

// bearer gets a token as the administrator.
func (s *system) bearer(tb testing.TB, scope string) string {
	tb.Helper()
	w := s.call(tb, "admin", testPassword, "GET", "/service/token?service="+s.cfg.Token.Service+"&scope="+url.QueryEscape(scope), "")
	var a struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || a.Token == "" {
		tb.Fatalf("asking for a token = %d %s, want one", w.Code, w.Body)
	}
	return a.Token
}

// pushed pushes library/app:v1 and returns its layer's content and a token.
func (s *system) pushed(tb testing.TB) (token string, layer []byte) {
	tb.Helper()
	token = s.bearer(tb, "repository:library/app:pull,push")
	send := func(method, path, mediaType string, body []byte, want int) http.Header {
		req := httptest.NewRequestWithContext(tb.Context(), method, path, bytes.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", mediaType)
		w := httptest.NewRecorder()
		if s.handler.ServeHTTP(w, req); w.Code != want {
			tb.Fatalf("%s %s = %d %s, want %d", method, path, w.Code, w.Body, want)
		}
		return w.Header()
	}
	descriptor := func(content []byte) string {
		return fmt.Sprintf(`{"mediaType":"application/octet-stream","digest":"sha256:%x","size":%d}`, sha256.Sum256(content), len(content))
	}
	layer = bytes.Repeat([]byte("layer"), 100_000)
	for _, content := range [][]byte{layer, []byte("{}")} {
		at, err := url.Parse(send("POST", "/v2/library/app/blobs/uploads/", "", nil, http.StatusAccepted).Get("Location"))
		if err != nil {
			tb.Fatal(err)
		}
		send("PUT", fmt.Sprintf("%s&digest=sha256:%x", at.RequestURI(), sha256.Sum256(content)), "application/octet-stream", content, http.StatusCreated)
	}
	text := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]}`, ociImage, descriptor([]byte("{}")), descriptor(layer))
	send("PUT", "/v2/library/app/manifests/v1", ociImage, []byte(text), http.StatusCreated)
	return token, layer
}

// kernelWriter is a server's writer that the kernel can send a file by.
type kernelWriter struct {
	*httptest.ResponseRecorder

	files int
}

func (w *kernelWriter) ReadFrom(r io.Reader) (int64, error) {
	w.files++
	return io.Copy(w.ResponseRecorder, r)
}

// Nothing in the whole system stands between a blob's file and the server's own writer.
func TestBlobsGoByTheKernel(t *testing.T) {
	s := startSystem(t, nil)
	token, layer := s.pushed(t)
	req := httptest.NewRequestWithContext(t.Context(), "GET", fmt.Sprintf("/v2/library/app/blobs/sha256:%x", sha256.Sum256(layer)), http.NoBody)
	req.Header.Set("Authorization", "Bearer "+token)
	w := &kernelWriter{ResponseRecorder: httptest.NewRecorder()}
	s.handler.ServeHTTP(w, req)
	if w.Code != http.StatusOK || !bytes.Equal(w.Body.Bytes(), layer) || w.files != 1 {
		t.Errorf("GET of the layer = %d, %d bytes, %d times by ReadFrom, want 200, %d, once", w.Code, w.Body.Len(), w.files, len(layer))
	}
}

// What is answered straight, by a token that was remembered, is refused with the next request after it was revoked.
func TestRevokedTokenOnTheStraightWay(t *testing.T) {
	s := startSystem(t, nil)
	token, layer := s.pushed(t)
	var digest string
	pull := func(path string) int {
		t.Helper()
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Accept", ociImage)
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, req)
		digest = w.Header().Get("Docker-Content-Digest")
		return w.Code
	}
	pull("/v2/library/app/manifests/v1")
	paths := []string{"/v2/library/app/manifests/v1", "/v2/library/app/manifests/" + digest, fmt.Sprintf("/v2/library/app/blobs/sha256:%x", sha256.Sum256(layer))}
	for range 2 { // from the registry's files, and from memory
		for _, path := range paths {
			if got := pull(path); got != http.StatusOK {
				t.Fatalf("GET %s = %d, want 200", path, got)
			}
		}
	}
	if w := s.call(t, "", "", http.MethodPost, "/service/token/revoke", url.Values{"token": {token}}.Encode()); w.Code != http.StatusOK {
		t.Fatalf("revoking = %d %s, want 200", w.Code, w.Body)
	}
	for _, path := range paths {
		if got := pull(path); got != http.StatusUnauthorized {
			t.Errorf("GET %s with a token that was revoked = %d, want 401", path, got)
		}
	}
}

// BenchmarkPull measures a manifest by tag through everything but the network.
func BenchmarkPull(b *testing.B) {
	s := startSystem(b, nil)
	token, _ := s.pushed(b)
	req := httptest.NewRequestWithContext(b.Context(), "GET", "/v2/library/app/manifests/v1", http.NoBody)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", ociImage)
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		if s.handler.ServeHTTP(w, req); w.Code != http.StatusOK {
			b.Fatalf("GET of the manifest = %d %s, want 200", w.Code, w.Body)
		}
	}
}
