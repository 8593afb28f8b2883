package e2e_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealock/sealock/e2e/internal/registry"
	"github.com/sealock/sealock/e2e/internal/wire"
)

// Soak says that tests that have a short form are to run in full: make soak.
const Soak = "SEALOCK_E2E_SOAK"

func soaking() bool { return os.Getenv(Soak) != "" }

// stream is a blob of a size that is made as it is read, from any place on.
type stream struct{ size int64 }

// block is what the blob is made of: block n begins with its number.
const block = 64 << 10

func (s stream) from(at int64) io.Reader { return &streamReader{stream: s, at: at} }

func (s stream) digest(t *testing.T) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, s.from(0)); err != nil {
		t.Fatal(err)
	}
	return named(h)
}

func named(h hash.Hash) string { return "sha256:" + hex.EncodeToString(h.Sum(nil)) }

type streamReader struct {
	stream
	at   int64
	made [block]byte
	have int64 // the number of the block that was made, from 1 on
}

func (r *streamReader) Read(p []byte) (int, error) {
	if r.at >= r.size {
		return 0, io.EOF
	}
	if n := r.at/block + 1; n != r.have {
		r.have = n
		seed := rand.NewPCG(uint64(n), 7) // no secret
		for i := 0; i < block; i += 8 {
			v := seed.Uint64()
			for k := range 8 {
				r.made[i+k] = byte(v >> (8 * k)) // bytes
			}
		}
	}
	within := r.at % block
	n := copy(p[:min(int64(len(p)), r.size-r.at)], r.made[within:])
	r.at += int64(n)
	return n, nil
}

// errCut is a cable that was cut.
var errCut = fmt.Errorf("the connection was cut")

// cutReader ends in the middle of a request.
type cutReader struct {
	io.Reader
	left int64
}

func (c *cutReader) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, errCut
	}
	n, err := c.Reader.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// TestPushIsResumed pushes a large blob in chunks, is cut off five times, in the middle of a chunk where the registry can go on
// from there (not 2.8), and restarts sealock in between. Each time the client asks how much has come, and goes on from there.
func TestPushIsResumed(t *testing.T) {
	t.Parallel()
	blob, chunk := stream{64 << 20}, int64(4<<20)
	if soaking() {
		blob, chunk = stream{10 << 30}, 256<<20
	}
	digest := blob.digest(t)
	eachWard(t, "token: {life: 60s}\n", func(t *testing.T, w *ward) {
		w.healthy(t)
		files := w.server.Files(t)
		location, at := w.begin(t), int64(0)
		cuts, tries, step := 0, 0, blob.size/6
		for at < blob.size {
			n := min(chunk, blob.size-at)
			if cuts < 5 && at >= int64(cuts+1)*step-chunk {
				cuts++
				w.cut(t, location, blob, at, n, cuts)
				location, at = w.resume(t, location, at, n)
				continue
			}
			resp, err := w.patch(t, location, io.LimitReader(blob.from(at), n), at, n)
			// More of what was cut may have come meanwhile: a large chunk is refused while it is on its way, and then there is no answer.
			if again := err != nil || resp.Status == http.StatusRequestedRangeNotSatisfiable; again && tries < 20 {
				tries++
				time.Sleep(100 * time.Millisecond)
				location, at = w.resume(t, location, at, n)
				continue
			}
			if err != nil || resp.Status != http.StatusAccepted {
				t.Fatalf("a chunk from %d on = %s, %v, want 202", at, resp, err)
			}
			location, at = resp.Header.Get("Location"), at+n
		}
		w.finish(t, location, digest)
		if cuts != 5 {
			t.Errorf("the push was cut %d times, want 5", cuts)
		}
		resp := w.open(t, digest)
		defer resp.Body.Close()
		h := sha256.New()
		if _, err := io.Copy(h, resp.Body); err != nil || named(h) != digest {
			t.Errorf("the blob comes out as %s, %v, want %s", named(h), err, digest)
		}
		_ = resp.Body.Close() // all of it was read
		w.healthy(t)
		w.settled(t, "a push that was cut", files)
		w.idle(t)
	})
}

// cut loses a chunk. A registry 2.8 gives an upload up that is cut in the middle of one: there nothing of it comes.
func (w *ward) cut(t *testing.T, location string, blob stream, at, n int64, cuts int) {
	t.Helper()
	if w.stock == nil || w.stock.Kind() != registry.Debian28 {
		if resp, err := w.patch(t, location, &cutReader{blob.from(at), n / 2}, at, n); err == nil {
			t.Errorf("a chunk that was cut = %s, want no answer", resp)
		}
	} else {
		c := w.dial(t)
		in := bufio.NewWriter(c)
		_, _ = in.WriteString(w.head(t, http.MethodPatch, strings.TrimPrefix(location, w.server.URL), fmt.Sprintf("Content-Length: %d\r\n", n))[:40])
		_ = in.Flush()
		_ = c.SetLinger(0)
		_ = c.Close()
	}
	if cuts%2 == 0 {
		w.server.Signal(t, syscall.SIGHUP)
		w.server.Said(t, restarted, cuts/2)
	}
}

// resume asks how much of the upload has come, until the server has noticed that the rest does not.
func (w *ward) resume(t *testing.T, location string, at, n int64) (string, int64) {
	t.Helper()
	resp := w.must(t, http.StatusNoContent, http.MethodGet, location, nil)
	_, last, _ := strings.Cut(resp.Header.Get("Range"), "-")
	have, err := strconv.ParseInt(last, 10, 64)
	if err != nil || have+1 < at || have+1 > at+n {
		t.Fatalf("Range of an upload that was cut = %q, want between %d and %d", resp.Header.Get("Range"), at, at+n)
	}
	if have == 0 {
		return resp.Header.Get("Location"), at
	}
	return resp.Header.Get("Location"), have + 1
}

// patch sends a chunk.
func (w *ward) patch(t *testing.T, location string, body io.Reader, at, n int64) (wire.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPatch, location, body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = n
	req.Header.Set("Authorization", "Bearer "+w.bearer(t))
	req.Header.Set("Content-Type", "application/octet-stream")
	req.Header.Set("Content-Range", fmt.Sprintf("%d-%d", at, at+n-1))
	resp, err := w.http.RoundTrip(req)
	if err != nil {
		return wire.Response{}, err
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	return wire.Response{Status: resp.StatusCode, Header: resp.Header, Body: all}, err
}
