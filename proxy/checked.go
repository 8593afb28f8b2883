package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/sealock/sealock/internal/errs"
)

// checking returns the registry, held to the digests of what it answers with. One in this process answers from files that
// it has checked when they came; between here and one elsewhere there is a network, another program and its storage.
func (g *Gate) checking(v *visit) http.Handler {
	if !v.to.Upstream.TakesTokens() || v.Method != http.MethodGet || v.Kind != KindManifest && v.Kind != KindBlob {
		return v.to.Upstream
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &checkedWriter{w: w, reference: v.Reference, manifest: v.Kind == KindManifest}
		if !c.answered(v.to.Upstream, r) {
			g.Errors.WriteRegistry(w, v.r, errWrong(c.wrong))
		}
	})
}

func errWrong(cause error) error {
	return errs.New(errs.Unavailable, "the registry behind sealock sent something else than what was asked for").
		WithHint("try again in a moment; if it stays, its administrator finds the cause in the log").Because(cause)
}

// checkedWriter compares a body with its digest on its way to the client. A manifest is held back until it is known to be right, and
// of a blob the last bytes are: the client of one that is wrong sees the connection cut, and never a whole answer. A manifest
// that is long is as a blob: clients that read slowly would otherwise have one each held in memory.
// It has no way around Write, so none for the kernel to send what nobody has looked at.
type checkedWriter struct {
	w         http.ResponseWriter
	reference string // what was asked for: a digest, or a tag
	manifest  bool

	status int
	want   digest.Digest // "" where the body can't be checked
	sum    hash.Hash
	length int64 // as the registry tells it; -1: it does not
	passed int64
	held   bytes.Buffer // a manifest
	begun  bool         // the client has the head
	wrong  error
}

// answered lets the registry answer, and reports whether it has. If it has not, wrong says why, and nothing was written; when it is
// too late for that, it panics as handlers do that cut a connection.
func (c *checkedWriter) answered(registry http.Handler, r *http.Request) (whole bool) {
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler || c.begun || c.status == 0 || r.Context().Err() != nil { //nolint:errorlint // as net/http compares it
				panic(p)
			}
			if c.wrong == nil {
				c.fail(errors.New("a manifest was cut"))
			}
			whole = false
		}
	}()
	registry.ServeHTTP(c, r)
	return c.finish()
}

// holding reports whether nothing of the answer was let through yet.
func (c *checkedWriter) holding() bool { return c.manifest && c.want != "" }

// Header implements http.ResponseWriter.
func (c *checkedWriter) Header() http.Header { return c.w.Header() }

// WriteHeader implements http.ResponseWriter.
func (c *checkedWriter) WriteHeader(status int) {
	switch {
	case status < http.StatusOK:
		return // a registry has nothing to say before its answer
	case c.status != 0:
		return
	}
	c.status, c.length = status, -1
	if status == http.StatusOK {
		c.begin()
	}
	if c.want == "" && c.wrong == nil {
		c.start()
	}
}

// start lets the head through. That of a blob waits for its first bytes: until then there may be a refusal.
func (c *checkedWriter) start() {
	if !c.begun {
		c.begun = true
		c.w.WriteHeader(c.status)
	}
}

// begin finds out what the body has to be.
func (c *checkedWriter) begin() {
	h := c.w.Header()
	said, mediaType := digest.Digest(h.Get(digestHeader)), h.Get("Content-Type")
	switch {
	case h.Get("Content-Encoding") != "": // something on the way packs it: a digest is of what is packed
		return
	case c.manifest && strings.Contains(mediaType, "distribution.manifest.v1+"): // signed within; the digest is of a part
		return
	}
	want := digest.Digest(c.reference)
	if !strings.Contains(c.reference, ":") {
		want = said
	}
	if want.Validate() != nil || !want.Algorithm().Available() {
		return
	}
	c.want, c.sum = want, want.Algorithm().Hash()
	if n, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
		c.length = n
	}
	switch {
	case said.Validate() == nil && said.Algorithm() == want.Algorithm() && said != want:
		c.fail(fmt.Errorf("asked for %s, it answers with %s", want, said))
	case c.manifest && c.length > maxManifest:
		c.fail(fmt.Errorf("a manifest of %d bytes", c.length))
	case c.length > maxShared:
		c.manifest = false
	case c.length == 0:
		c.check()
	}
}

// fail keeps the answer back: headers that were of it are dropped.
func (c *checkedWriter) fail(err error) {
	c.wrong = err
	for _, name := range []string{digestHeader, "Content-Length", "Content-Type", "Etag", "Cache-Control", "Transfer-Encoding", "Accept-Ranges", "Last-Modified"} {
		c.w.Header().Del(name)
	}
}

// check compares what has come.
func (c *checkedWriter) check() {
	if got := digest.NewDigest(c.want.Algorithm(), c.sum); got != c.want {
		c.fail(fmt.Errorf("asked for %s, it sent %s", c.want, got))
	}
}

// Write implements http.ResponseWriter.
func (c *checkedWriter) Write(p []byte) (int, error) {
	if c.status == 0 {
		c.WriteHeader(http.StatusOK)
	}
	switch {
	case c.wrong != nil:
		return 0, c.wrong
	case c.want == "":
		return c.w.Write(p)
	case c.manifest && c.held.Len()+len(p) > maxManifest:
		c.fail(fmt.Errorf("a manifest of more than %d bytes", maxManifest))
		return 0, c.wrong
	}
	_, _ = c.sum.Write(p) // it never fails
	if c.manifest {
		return c.held.Write(p)
	}
	if c.passed += int64(len(p)); c.passed == c.length {
		if c.check(); c.wrong != nil {
			return 0, c.wrong
		}
	}
	c.start()
	return c.w.Write(p)
}

// finish ends an answer, as answered tells it.
func (c *checkedWriter) finish() bool {
	switch {
	case c.holding() && c.wrong == nil:
		if c.check(); c.wrong != nil {
			return false
		}
		c.w.Header().Set("Content-Length", strconv.Itoa(c.held.Len()))
		c.start()
		_, _ = c.w.Write(c.held.Bytes()) // a client that hung up needs no answer
	case c.want == "":
	case c.wrong == nil && c.passed == c.length:
		c.start()
	case c.wrong == nil && c.length < 0: // only now it is known to be all
		switch c.check(); {
		case c.wrong == nil:
			c.start()
		case c.begun:
			panic(http.ErrAbortHandler)
		default:
			return false
		}
	case c.begun: // too short, or wrong at its end
		panic(http.ErrAbortHandler)
	default:
		return false
	}
	return true
}

// Flush implements http.Flusher.
func (c *checkedWriter) Flush() { _ = c.FlushError() }

// FlushError is what http.ResponseController flushes by.
func (c *checkedWriter) FlushError() error {
	if c.status == 0 {
		c.WriteHeader(http.StatusOK)
	}
	switch {
	case c.wrong != nil:
		return c.wrong
	case c.holding():
		return nil
	}
	c.start()
	return http.NewResponseController(c.w).Flush()
}
