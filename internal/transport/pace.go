package transport

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"
)

// Pace is how slow a body may be: in Stall of waiting for the client, at least Rate bytes a second have to come or go. How
// long a body takes as a whole has no limit. Both must be above zero.
type Pace struct {
	Stall time.Duration
	Rate  int
}

// least is how many bytes have to be moved in Stall.
func (p Pace) least() int64 { return max(1, int64(p.Stall.Seconds()*float64(p.Rate))) }

// gauge measures one direction of a body, in time that was spent waiting for the client: what keeps the client waiting here does
// not count against it. One goroutine at a time may use it.
type gauge struct {
	pace     Pace
	set      func(time.Time) error // sets the deadline of what waits
	deadline time.Time             // as it was set last
	waited   time.Duration         // since least bytes were moved
	moved    int64
}

// begin makes sure that the next wait ends in time. Setting a deadline costs something, and reading the clock little:
// the deadline may be up to a quarter of Stall too early.
func (g *gauge) begin() time.Time {
	now := time.Now()
	if until := now.Add(g.pace.Stall - g.waited); until.Sub(g.deadline) > g.pace.Stall/4 {
		g.deadline = until
		_ = g.set(until) // a connection that is gone, the wait shows; a test's writer knows no deadlines
	}
	return now
}

// end takes note of what was moved meanwhile. It reports whether that was enough to start anew.
func (g *gauge) end(begun time.Time, n int64) bool {
	g.moved += n
	if g.moved >= g.pace.least() {
		g.moved, g.waited = 0, 0
		return true
	}
	g.waited += time.Since(begun)
	return false
}

// Bodies holds the bodies of requests to the pace. A client that is too slow has its connection cut.
func (p Pace) Bodies(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil || r.Body == http.NoBody {
			next.ServeHTTP(w, r)
			return
		}
		body := newPacedBody(p, w, r.Body)
		defer body.release()
		inner := *r
		inner.Body = body
		next.ServeHTTP(w, &inner)
	})
}

// Answers holds answers to the pace where many of them share a connection: [Pace.Listener] can't see them apart.
func (p Pace) Answers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor >= 2 {
			set := http.NewResponseController(w).SetWriteDeadline
			w = &pacedWriter{ResponseWriter: w, gauge: gauge{pace: p, set: set}}
		}
		next.ServeHTTP(w, r)
	})
}

// pacedBody is a request's body. A reader may outlive the handler (net/http's transport has one that sends the body on), and
// must not touch the deadline of the next request then.
type pacedBody struct {
	io.ReadCloser
	gauge gauge

	mu       sync.Mutex
	released bool
}

func newPacedBody(p Pace, w http.ResponseWriter, body io.ReadCloser) *pacedBody {
	b := &pacedBody{ReadCloser: body}
	set := http.NewResponseController(w).SetReadDeadline
	b.gauge = gauge{pace: p, set: func(t time.Time) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.released {
			return nil
		}
		return set(t)
	}}
	b.gauge.begin() // for a handler that answers without reading, after whom the server reads a little
	return b
}

func (b *pacedBody) Read(p []byte) (int, error) {
	begun := b.gauge.begin()
	n, err := b.ReadCloser.Read(p)
	b.gauge.end(begun, int64(n))
	if errors.Is(err, io.EOF) {
		b.gauge.deadline = time.Time{}
		_ = b.gauge.set(time.Time{}) // from here on the server waits for the client to hang up
	}
	return n, err
}

func (b *pacedBody) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.released = true
}

// pacedWriter is an answer on a connection with others.
type pacedWriter struct {
	http.ResponseWriter
	gauge gauge
}

func (w *pacedWriter) Write(p []byte) (int, error) {
	begun := w.gauge.begin()
	n, err := w.ResponseWriter.Write(p)
	w.gauge.end(begun, int64(n))
	return n, err
}

// Flush implements [http.Flusher].
func (w *pacedWriter) Flush() { _ = w.FlushError() }

// FlushError is Flush for [http.ResponseController].
func (w *pacedWriter) FlushError() error {
	begun := w.gauge.begin()
	err := http.NewResponseController(w.ResponseWriter).Flush()
	w.gauge.end(begun, 0)
	return err
}

// Unwrap is for [http.ResponseController].
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Listener holds what is written to connections to the pace. It is put directly around the sockets, so that files are
// still sent by the kernel.
func (p Pace) Listener(l net.Listener) net.Listener { return pacedListener{l, p} }

type pacedListener struct {
	net.Listener
	pace Pace
}

func (l pacedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	paced := &pacedConn{Conn: c}
	paced.gauge = gauge{pace: l.pace, set: paced.limit}
	return paced, nil
}

type pacedConn struct {
	net.Conn
	gauge gauge // of Write and ReadFrom, of which net/http and crypto/tls call one at a time

	mu    sync.Mutex
	owner time.Time // the write deadline that the owner set
	own   time.Time // the gauge's
}

// limit sets the gauge's deadline.
func (c *pacedConn) limit(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.own = t
	return c.apply()
}

// SetWriteDeadline sets the owner's.
func (c *pacedConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.owner = t
	return c.apply()
}

// SetDeadline sets both of the owner's.
func (c *pacedConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// apply lets the earlier deadline count. Callers hold mu.
func (c *pacedConn) apply() error {
	t := c.own
	if t.IsZero() || !c.owner.IsZero() && c.owner.Before(t) {
		t = c.owner
	}
	return c.Conn.SetWriteDeadline(t)
}

func (c *pacedConn) Write(p []byte) (int, error) {
	total := 0
	for {
		begun := c.gauge.begin()
		n, err := c.Conn.Write(p[total:])
		total += n
		if !c.comesOn(begun, int64(n), err) {
			return total, err
		}
	}
}

// comesOn takes note of n bytes that were moved until err. It reports whether to go on: the deadline was the gauge's, and
// enough was moved before it.
func (c *pacedConn) comesOn(begun time.Time, n int64, err error) bool {
	enough := c.gauge.end(begun, n)
	return enough && errors.Is(err, os.ErrDeadlineExceeded) && !c.ownersEnd()
}

func (c *pacedConn) ownersEnd() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.owner.IsZero() && !time.Now().Before(c.owner)
}

// file is what the kernel can send by itself, an *os.File or what os makes of it.
type file interface {
	io.Reader
	io.Seeker
	syscall.Conn
}

// ReadFrom sends a file by the kernel's means, however large, and what is no file by writing it.
func (c *pacedConn) ReadFrom(r io.Reader) (int64, error) {
	direct, ok := c.Conn.(io.ReaderFrom)
	f := fileOf(r)
	if !ok || f == nil {
		return io.Copy(onlyWriter{c}, r)
	}
	total := int64(0)
	for {
		at, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return total, err
		}
		begun := c.gauge.begin()
		n, err := direct.ReadFrom(r)
		total += n
		if !c.comesOn(begun, n, err) || !advanced(f, at+n) {
			return total, err
		}
	}
}

// fileOf returns the file that r reads, also a part of it; nil for anything else.
func fileOf(r io.Reader) file {
	if limited, ok := r.(*io.LimitedReader); ok {
		r = limited.R
	}
	f, _ := r.(file)
	return f
}

// advanced reports whether exactly what was sent was read: it is not so where the kernel did not do it.
func advanced(f io.Seeker, want int64) bool {
	at, err := f.Seek(0, io.SeekCurrent)
	return err == nil && at == want
}

// CloseWrite ends what is written, for those who wait for the client to read it.
func (c *pacedConn) CloseWrite() error {
	if cw, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return nil
}

type onlyWriter struct{ io.Writer }
