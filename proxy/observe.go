package proxy

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
)

// Observer is told what comes into the registry through the gate, what leaves it, and what is pulled. It is told after
// the registry has done it.
type Observer interface {
	// Pushed is told of a manifest before the client hears that it was taken. The same may be told again.
	Pushed(ctx context.Context, p Pushed) error
	// Deleted is told of a tag or a digest that the registry has no more, before the client hears of it.
	Deleted(ctx context.Context, repository, reference string) error
	// Pulled is told of a manifest that a client got, by a tag ("" for none). It returns at once.
	Pulled(repository, tag, digest string)
}

// Pushed is a manifest that the registry has taken.
type Pushed struct {
	Repository string
	Tag        string // "" for one that was pushed by its digest
	MediaType  string
	Digest     string
	Body       []byte // nil where the gate left the manifest to the registry unread: it can be read there
}

// observeTimeout bounds how long a push may take once the gate has it: it goes on when its client has gone, so that what
// the registry takes is told.
const observeTimeout = 5 * time.Minute

// pass lets the request through to the upstream, and the observer know what came of it. sent is the manifest of a push,
// as far as it was read.
func (g *Gate) pass(ctx context.Context, v *visit, sub auth.Subject, answer http.ResponseWriter, out *http.Request, sent manifestSent) {
	upstream := g.answerer(ctx, v, sub)
	if g.Observer == nil || v.Kind != KindManifest {
		upstream.ServeHTTP(g.passing(v, answer), out)
		return
	}
	switch v.Method {
	case http.MethodPut, http.MethodDelete:
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), observeTimeout)
		defer cancel()
		w := &observedWriter{w: answer, told: g.teller(ctx, v, sent)}
		w.fail = func(err error) { g.Errors.WriteRegistry(answer, v.r, err) }
		upstream.ServeHTTP(w, out.WithContext(ctx))
	case http.MethodGet:
		w := &countedWriter{ResponseWriter: answer}
		upstream.ServeHTTP(w, out)
		if digest := w.digest(); w.status == http.StatusOK && !w.broken && validDigest(digest) && !v.to.away {
			g.Observer.Pulled(v.Repository, v.tag(), digest)
		}
	default:
		upstream.ServeHTTP(answer, out)
	}
}

// teller returns what tells the observer of an answer.
func (g *Gate) teller(ctx context.Context, v *visit, sent manifestSent) func(status int, h http.Header) error {
	return func(status int, h http.Header) error {
		switch {
		case v.Method == http.MethodPut && status == http.StatusCreated:
			p := Pushed{Repository: v.Repository, Tag: v.tag(), MediaType: sent.mediaType, Digest: h.Get(digestHeader), Body: sent.body}
			if !validDigest(p.Digest) {
				p.Digest = sent.digest
			}
			if p.Digest == "" && p.Tag == "" {
				p.Digest = v.Reference
			}
			if err := g.Observer.Pushed(ctx, p); err != nil {
				return untold("push", err)
			}
			g.acknowledge(h, sent)
			return nil
		case v.Method == http.MethodDelete && (status == http.StatusAccepted || status == http.StatusNotFound):
			// What is not there may be left over from a delete that could not be told.
			return untold("delete", g.Observer.Deleted(ctx, v.Repository, v.Reference))
		}
		return nil
	}
}

const digestHeader = "Docker-Content-Digest"

func untold(what string, err error) error {
	if err == nil {
		return nil
	}
	return errs.New(errs.Unavailable, "the registry has done it, but the index of what it holds can't be written").
		WithHint("%s again in a moment: nothing is sent twice", what).Because(err)
}

// observedWriter holds an answer back until it was told. When it can't be told, the client gets that for an answer. It
// is for answers that are short: to a push or a delete of a manifest. It has no way around WriteHeader, so none to
// take over the connection.
type observedWriter struct {
	w         http.ResponseWriter
	told      func(status int, h http.Header) error
	fail      func(err error)
	committed bool
	failed    bool
}

func (o *observedWriter) Header() http.Header { return o.w.Header() }

// WriteHeader implements http.ResponseWriter.
func (o *observedWriter) WriteHeader(status int) {
	switch {
	case status < http.StatusOK: // there may be several before the answer
		o.w.WriteHeader(status)
		return
	case o.committed:
		return
	}
	o.committed = true
	if err := o.told(status, o.w.Header()); err != nil {
		o.failed = true
		for _, name := range []string{"Location", digestHeader, "Content-Length", "Content-Type", "Etag", "Transfer-Encoding"} {
			o.w.Header().Del(name)
		}
		o.fail(err)
		return
	}
	o.w.WriteHeader(status)
}

// Write implements http.ResponseWriter. What belongs to an answer that the client does not get is dropped.
func (o *observedWriter) Write(b []byte) (int, error) {
	if !o.committed {
		o.WriteHeader(http.StatusOK)
	}
	if o.failed {
		return len(b), nil
	}
	return o.w.Write(b)
}

// Flush implements http.Flusher.
func (o *observedWriter) Flush() { _ = o.FlushError() }

// FlushError is what http.ResponseController flushes by.
func (o *observedWriter) FlushError() error {
	if !o.committed {
		o.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(o.w).Flush()
}

// countedWriter notes how an answer went.
type countedWriter struct {
	http.ResponseWriter
	status int
	broken bool
}

func (c *countedWriter) digest() string { return c.Header().Get(digestHeader) }

// WriteHeader implements http.ResponseWriter.
func (c *countedWriter) WriteHeader(status int) {
	if c.status == 0 && status >= http.StatusOK {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (c *countedWriter) Write(b []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	n, err := c.ResponseWriter.Write(b)
	c.broken = c.broken || err != nil
	return n, err
}

// ReadFrom implements io.ReaderFrom, by which the kernel can send a file.
func (c *countedWriter) ReadFrom(r io.Reader) (int64, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	n, err := io.Copy(c.ResponseWriter, r)
	c.broken = c.broken || err != nil
	return n, err
}

// Flush implements http.Flusher.
func (c *countedWriter) Flush() { _ = c.FlushError() }

// FlushError is what http.ResponseController flushes by.
func (c *countedWriter) FlushError() error {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	return http.NewResponseController(c.ResponseWriter).Flush()
}
