package transport

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// TLS serves TLS on the listener, with the server's configuration and a limit on how long a handshake may take. net/http would do
// the same by itself, but then nobody could look at what comes out of it: connections with HTTP/1.1 are [Framed]. Those with HTTP/2, whose
// frames have one length, are given to net/http as they are. A server needs "h2" in its TLSConfig.NextProtos for them.
func TLS(l net.Listener, config *tls.Config, patience time.Duration, complain func(from net.Addr, err error)) net.Listener {
	ctx, cancel := context.WithCancel(context.Background())
	return &handshakes{Listener: l, config: config, patience: patience, complain: complain, ctx: ctx, cancel: cancel, ready: make(chan net.Conn)}
}

// handshakes is a listener whose connections have shaken hands. What is under way when the listener below ends is let through;
// Close ends it.
type handshakes struct {
	net.Listener
	config   *tls.Config
	patience time.Duration
	complain func(from net.Addr, err error)

	once   sync.Once
	ctx    context.Context //nolint:containedctx // the life of the listener
	cancel context.CancelFunc
	ready  chan net.Conn
	err    error // why no more come; it is written before ready is closed
}

// Accept implements net.Listener.
func (h *handshakes) Accept() (net.Conn, error) {
	h.once.Do(func() { go h.run() })
	c, ok := <-h.ready
	if !ok {
		return nil, h.err
	}
	return c, nil
}

// Close implements net.Listener.
func (h *handshakes) Close() error {
	h.cancel()
	return h.Listener.Close()
}

// run takes connections until there are no more, and ends when each has shaken hands or has failed to.
func (h *handshakes) run() {
	defer close(h.ready)
	var under sync.WaitGroup
	defer under.Wait()
	for pause := time.Duration(0); ; {
		c, err := h.Listener.Accept()
		if err == nil {
			pause = 0
			under.Go(func() { h.shake(c) })
			continue
		}
		if temporary, ok := err.(interface{ Temporary() bool }); !ok || !temporary.Temporary() {
			h.err = err
			return
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second) // as net/http does when there are no more files
		select {
		case <-time.After(pause):
		case <-h.ctx.Done():
		}
	}
}

func (h *handshakes) shake(c net.Conn) {
	secure := tls.Server(c, h.config)
	ctx, cancel := context.WithTimeout(h.ctx, h.patience)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		h.complain(c.RemoteAddr(), err)
		_ = c.Close() // it is no use
		return
	}
	var ready net.Conn = secure
	switch secure.ConnectionState().NegotiatedProtocol {
	case "h2":
	case "", "http/1.1":
		ready = &framedTLS{framedConn{Conn: secure}, secure}
	default: // a challenge of ACME ends with the handshake
		_ = secure.Close()
		return
	}
	select {
	case h.ready <- ready:
	case <-h.ctx.Done():
		_ = secure.Close() // nobody serves it
	}
}

// framedTLS is a connection with HTTP/1.1 over TLS.
type framedTLS struct {
	framedConn
	secure *tls.Conn
}

// ConnectionState is what net/http fills Request.TLS from.
func (c *framedTLS) ConnectionState() tls.ConnectionState { return c.secure.ConnectionState() }
