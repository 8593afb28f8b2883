package httpx

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Sniffing looks at the first byte of each connection, so that a client that speaks TLS to a plain port or plain HTTP to
// a TLS port is told so. The look happens in the connection's first Read, which net/http calls on the goroutine that it
// starts for the connection: Accept never waits, no goroutine is added, and a silent client costs what it would cost
// anyway until the deadline.
type Sniffing struct {
	Timeout time.Duration // from the first Read to the first byte; required
}

// ExpectPlain wraps the listener of a plain HTTP port. A TLS client gets a plain HTTP 400: Go's clients then say
// "server gave HTTP response to HTTPS client", on which docker falls back to plain HTTP where it may.
func (s Sniffing) ExpectPlain(l net.Listener) net.Listener {
	return sniffListener{l, func(c net.Conn) net.Conn {
		return newSniffConn(c, s.Timeout, func(b byte) bool { return b != tlsHandshake }, answerTLS)
	}}
}

// ExpectTLS wraps the listener below crypto/tls. A client that speaks plain HTTP gets a 400 that names the URL to use.
func (s Sniffing) ExpectTLS(l net.Listener) net.Listener {
	return sniffListener{l, func(c net.Conn) net.Conn {
		return newSniffConn(c, s.Timeout, func(b byte) bool { return b < 'A' || b > 'Z' }, answerPlain)
	}}
}

// tlsHandshake is the first byte of a ClientHello: the record type handshake (RFC 8446 section 5.1).
const tlsHandshake = 0x16

// errMismatch ends a connection that spoke the other protocol. It is what the server's error log shows.
var errMismatch = errors.New("client spoke the other protocol: answered with a hint and closed")

type sniffListener struct {
	net.Listener
	wrap func(net.Conn) net.Conn
}

func (l sniffListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.wrap(c), nil
}

// sniffConn checks its first byte in the first Read and is transparent after that. It passes on ReadFrom and
// CloseWrite, which net/http looks for: without ReadFrom no file would be sent by the kernel.
type sniffConn struct {
	net.Conn
	timeout time.Duration
	expect  func(byte) bool
	answer  func(*sniffConn, byte)

	once  sync.Once
	first []byte // the byte that was looked at and not yet read
	err   error

	mu       sync.Mutex
	sniffing bool
	deadline time.Time // the read deadline that the owner set
	limit    time.Time // the deadline of the look
}

func newSniffConn(c net.Conn, timeout time.Duration, expect func(byte) bool, answer func(*sniffConn, byte)) *sniffConn {
	return &sniffConn{Conn: c, timeout: timeout, expect: expect, answer: answer, sniffing: true}
}

func (c *sniffConn) Read(p []byte) (int, error) {
	c.once.Do(c.sniff)
	if c.err != nil {
		return 0, c.err
	}
	if len(c.first) > 0 && len(p) > 0 {
		p[0] = c.first[0]
		c.first = nil
		return 1, nil
	}
	return c.Conn.Read(p)
}

func (c *sniffConn) sniff() {
	c.startLimit()
	var b [1]byte
	if _, err := io.ReadFull(c.Conn, b[:]); err != nil {
		c.endLimit()
		c.err = err
		return
	}
	if !c.expect(b[0]) {
		c.answer(c, b[0])
		c.err = errMismatch
		return
	}
	c.endLimit()
	c.first = []byte{b[0]}
}

// startLimit sets the look's deadline unless the owner's comes first.
func (c *sniffConn) startLimit() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = time.Now().Add(c.timeout)
	_ = c.Conn.SetReadDeadline(c.effective(c.deadline)) // a closed connection shows in the Read that follows
}

func (c *sniffConn) endLimit() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sniffing = false
	_ = c.Conn.SetReadDeadline(c.deadline)
}

// effective returns the earlier of the owner's deadline and the look's. Callers hold mu.
func (c *sniffConn) effective(t time.Time) time.Time {
	if !c.sniffing || c.limit.IsZero() || (!t.IsZero() && t.Before(c.limit)) {
		return t
	}
	return c.limit
}

func (c *sniffConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return c.Conn.SetReadDeadline(c.effective(t))
}

func (c *sniffConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *sniffConn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

func (c *sniffConn) CloseWrite() error {
	if cw, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return nil
}
