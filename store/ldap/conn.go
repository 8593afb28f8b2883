package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/sealock/sealock/internal/pki"
)

func joinHostPort(host, port string) string { return net.JoinHostPort(host, port) }

// dialer makes connections to one of several servers.
type dialer struct {
	servers []server
	tls     *tls.Config
	timeout time.Duration
	last    atomic.Int32 // the server that answered last: it is asked first
}

func newDialer(cfg Config) (*dialer, error) {
	d := &dialer{tls: &tls.Config{MinVersion: tls.VersionTLS12}, timeout: cfg.Timeout}
	for _, raw := range cfg.URLs {
		s, err := parseServer(raw)
		if err != nil {
			return nil, err
		}
		d.servers = append(d.servers, s)
	}
	var err error
	if d.tls.RootCAs, err = pki.Trusted(cfg.CAFile); err != nil {
		return nil, err
	}
	return d, nil
}

// dial connects to the first server that answers.
func (d *dialer) dial(ctx context.Context) (*ldap.Conn, error) {
	var all []error
	first := int(d.last.Load())
	for i := range d.servers {
		n := (first + i) % len(d.servers)
		conn, err := d.dialOne(ctx, d.servers[n])
		if err == nil {
			d.last.Store(int32(n)) //nolint:gosec // as many as a person wrote down
			return conn, nil
		}
		all = append(all, fmt.Errorf("connecting to %s: %w", d.servers[n].address, err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(all...)
}

// dialOne connects with a verified certificate, within the timeout, handshakes included.
func (d *dialer) dialOne(ctx context.Context, s server) (*ldap.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, err
	}
	conf := d.tls.Clone()
	conf.ServerName = s.host
	if s.tls {
		secured := tls.Client(raw, conf)
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, raw.Close())
		}
		conn := ldap.NewConn(secured, true)
		conn.SetTimeout(d.timeout)
		conn.Start()
		return conn, nil
	}
	conn := ldap.NewConn(raw, false)
	conn.SetTimeout(d.timeout)
	conn.Start()
	// The library's handshake has no end of its own.
	err = raw.SetDeadline(time.Now().Add(d.timeout))
	if err == nil {
		err = conn.StartTLS(conf)
	}
	if err == nil {
		err = raw.SetDeadline(time.Time{})
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// pool keeps connections for one purpose: to search, or to try passwords.
type pool struct {
	dial func(ctx context.Context) (*ldap.Conn, error)
	idle chan *ldap.Conn
	slot chan struct{}
}

func newPool(size int, dial func(ctx context.Context) (*ldap.Conn, error)) *pool {
	return &pool{dial: dial, idle: make(chan *ldap.Conn, size), slot: make(chan struct{}, size)}
}

// do runs fn with a connection. One that had been idle may have died in the meantime: then fn runs again with a new one.
func (p *pool) do(ctx context.Context, fn func(*ldap.Conn) error) error {
	select {
	case p.slot <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("waiting for a connection: %w", context.Cause(ctx))
	}
	defer func() { <-p.slot }()
	if conn := p.waiting(); conn != nil {
		err := fn(conn)
		if p.keep(conn, err) || ctx.Err() != nil {
			return err
		}
	}
	answered, err := p.fresh(ctx, fn)
	if !answered && ctx.Err() == nil {
		_, err = p.fresh(ctx, fn) // a server that restarts cuts off those who come first
	}
	return err
}

// fresh runs fn with a new connection and reports whether the server has answered.
func (p *pool) fresh(ctx context.Context, fn func(*ldap.Conn) error) (answered bool, err error) {
	conn, err := p.dial(ctx)
	if err != nil {
		return true, err // dial has tried every server
	}
	err = fn(conn)
	return p.keep(conn, err), err
}

// waiting returns an idle connection, or nil.
func (p *pool) waiting() *ldap.Conn {
	for {
		select {
		case conn := <-p.idle:
			if !conn.IsClosing() {
				return conn
			}
		default:
			return nil
		}
	}
}

// keep puts a connection back on which the server has answered, be it with a refusal, and reports whether it has.
func (p *pool) keep(conn *ldap.Conn, err error) bool {
	answered := err == nil
	if e, ok := errors.AsType[*ldap.Error](err); ok {
		answered = e.ResultCode < ldap.ErrorNetwork // the library's own codes start there
	}
	if answered && !conn.IsClosing() {
		select {
		case p.idle <- conn:
			return true
		default:
		}
	}
	_ = conn.Close() // nothing is lost with it
	return answered
}

func (p *pool) close() {
	for conn := p.waiting(); conn != nil; conn = p.waiting() {
		_ = conn.Close() // as above
	}
}
