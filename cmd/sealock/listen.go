package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/httpx"
	"github.com/sealock/sealock/internal/pki"
	"github.com/sealock/sealock/internal/transport"
	"github.com/sealock/sealock/settings"
)

// listen opens the listener or takes it over from the process before, or says why the address can't be had.
func listen(ctx context.Context, cfg settings.Config, address string, legacy *transport.Legacy) (*transport.Socket, error) {
	mode, err := cfg.SocketPermissions()
	if err != nil {
		return nil, err // the settings were checked
	}
	l, err := transport.Listen(ctx, address, mode, legacy)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, errs.New(errs.Invalid, "the address %s is taken", address).
			WithHint("stop what listens there, or choose another with --listen, such as --listen localhost:8081")
	case errors.Is(err, syscall.EACCES):
		return nil, errs.New(errs.Invalid, "the address %s is not allowed for this user", address).
			WithHint("choose a port above 1023 with --listen, or grant CAP_NET_BIND_SERVICE")
	}
	return nil, errs.New(errs.Invalid, "can't listen on %s", address).WithHint("choose another address with --listen").Because(err)
}

// maxHeaderBytes bounds the head of a request.
const maxHeaderBytes = 64 << 10

// newHTTPServer returns a server without limits on how long a body takes: blobs are large. How slow it may be, the pace says.
func newHTTPServer(handler http.Handler, tlsConfig *tls.Config, limits settings.Limits, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		TLSConfig:         tlsConfig,
		ReadHeaderTimeout: limits.Header,
		IdleTimeout:       limits.Idle,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // what clients do wrong
	}
}

// pace is how slow a body may be.
func pace(limits settings.Limits) transport.Pace {
	return transport.Pace{Stall: limits.Stall, Rate: limits.MinRate}
}

// entrance is a socket and the server that takes its connections.
type entrance struct {
	socket *transport.Socket
	server *http.Server
	limits settings.Limits
	drain  settings.Drain
	before httpx.TrustedProxies // those that have to begin with the PROXY protocol

	leaving atomic.Bool // another process takes new connections
}

func newEntrance(socket *transport.Socket, server *http.Server, cfg settings.Config, before httpx.TrustedProxies) *entrance {
	e := &entrance{socket: socket, server: server, limits: cfg.Limits, drain: cfg.Drain, before: before}
	inner := server.Handler
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e.leaving.Load() {
			w.Header().Set("Connection", "close") // in HTTP/2, the server makes a GOAWAY of it
		}
		inner.ServeHTTP(w, r)
	})
	return e
}

// entrances are all sockets of a server.
type entrances []*entrance

// serve serves on all of them. If one fails, all end.
func (e entrances) serve(ctx context.Context, handedOver <-chan struct{}) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, one := range e {
		g.Go(func() error { return one.serve(ctx, handedOver) })
	}
	return g.Wait()
}

// bequests are copies of the sockets. free closes them.
func (e entrances) bequests() (list []transport.Bequest, free func(), err error) {
	free = func() {
		for _, b := range list {
			_ = b.File.Close() // a copy
		}
	}
	for _, one := range e {
		b, err := one.socket.Bequest()
		if err != nil {
			free()
			return nil, nil, err
		}
		list = append(list, b)
	}
	return list, free, nil
}

// remove removes what listening has left on the disk.
func (e entrances) remove() error {
	var all []error
	for _, one := range e {
		all = append(all, one.socket.Remove())
	}
	return errors.Join(all...)
}

// lastCalls is how long idle connections are kept after another process took over. A client that was about to send
// a request on one would find it closed; so it gets its answer, and with it the word to open another connection.
const lastCalls = 10 * time.Second

// serve serves until ctx ends or another process has taken over, then lets requests under way finish.
func (e *entrance) serve(ctx context.Context, handedOver <-chan struct{}) error {
	failed := make(chan error, 1)
	go func() { failed <- e.accept() }()
	patience := e.drain.Stop
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	case <-handedOver:
		patience = e.drain.Restart
		e.leaving.Store(true)
		_ = e.socket.Close() // a copy of it is open elsewhere
		<-failed             //nolint:errcheck // it says that the socket was closed
		failed <- nil
		select {
		case <-ctx.Done():
		case <-time.After(lastCalls):
		}
	}
	if err := e.shutdown(ctx, patience); err != nil {
		_ = e.server.Close() // what did not finish in time is cut
	}
	<-failed //nolint:errcheck // it says that the server was closed
	return nil
}

func (e *entrance) accept() error {
	l := pace(e.limits).Listener(e.socket)
	if len(e.before) > 0 {
		l = transport.ProxyProtocol{Trusted: e.before.Contains, Timeout: e.limits.Header}.Listener(l)
	}
	sniffing := httpx.Sniffing{Timeout: e.limits.Header}
	if e.server.TLSConfig != nil {
		return e.server.Serve(transport.TLS(sniffing.ExpectTLS(l), e.server.TLSConfig, e.limits.Header, e.unshaken))
	}
	return e.server.Serve(transport.Framed(sniffing.ExpectPlain(l)))
}

// unshaken is told of clients that don't get as far as a request.
func (e *entrance) unshaken(from net.Addr, err error) {
	e.server.ErrorLog.Printf("TLS handshake with %s: %v", from, err)
}

// shutdown waits for requests under way: as long as patience, and when ctx ends no longer than a stop may take.
func (e *entrance) shutdown(ctx context.Context, patience time.Duration) error {
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	stopped := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(e.drain.Stop):
			cancel()
		case <-wait.Done():
		}
	})
	defer stopped()
	return e.server.Shutdown(wait)
}

// certificateLook is how often the files of a certificate are looked at.
const certificateLook = 2 * time.Second

// openTLS decides what the listener shows: nothing for plain HTTP, and in a self-signed set-up a certificate of the CA that
// clients have to trust.
func (s *system) openTLS(ctx context.Context) error {
	base := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	switch {
	case s.cfg.TLS.SelfSigned:
		root, _, err := s.dir.tlsRoot(time.Now())
		if err != nil {
			return err
		}
		s.tlsRoot = root
		base.GetCertificate = (&selfSigned{root: root, name: "sealock", urls: s.cfg.ExternalURLs, now: time.Now}).certificate
	case s.cfg.TLS.CertFile != "":
		pairs, err := transport.OpenPairs(certificateFiles(s.cfg.TLS), time.Now, s.log)
		if err != nil {
			return errs.New(errs.Invalid, "the TLS certificate can't be used").
				WithHint("check tls.cert_file and tls.key_file").Because(err)
		}
		s.pairs = pairs
		base.GetCertificate = pairs.For
	case s.cfg.TLS.ACME.Enabled():
		if err := s.openACME(ctx, base); err != nil {
			return err
		}
	default:
		return nil
	}
	s.tls = base
	return nil
}

func certificateFiles(cfg settings.TLS) []transport.PairFiles {
	files := []transport.PairFiles{{Cert: cfg.CertFile, Key: cfg.KeyFile}}
	for _, c := range cfg.Certificates {
		files = append(files, transport.PairFiles{Cert: c.CertFile, Key: c.KeyFile})
	}
	return files
}

// selfSigned makes certificates for hosts. They live for some weeks and are made anew in time.
type selfSigned struct {
	root *pki.Root
	name string   // whom it is for, to people
	urls []string // of the hosts
	now  func() time.Time

	mu   sync.Mutex
	cert *tls.Certificate
}

// selfSignedLife is short, because the key is in memory only and nobody trusts the certificate itself.
const selfSignedLife = 60 * 24 * time.Hour

func (s *selfSigned) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cert != nil && s.cert.Leaf.NotAfter.Sub(s.now()) > selfSignedLife/3 {
		return s.cert, nil
	}
	key, err := pki.NewECKey()
	if err != nil {
		return nil, err
	}
	leaf, err := s.root.Certify(key.Public(), s.template(), s.now(), selfSignedLife)
	if err != nil {
		return nil, err
	}
	s.cert = &tls.Certificate{Certificate: [][]byte{leaf.Raw, s.root.Certificate.Raw}, PrivateKey: key, Leaf: leaf}
	return s.cert, nil
}

func (s *selfSigned) template() x509.Certificate {
	t := x509.Certificate{
		Subject:     pkix.Name{CommonName: s.name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, raw := range s.urls {
		u, err := url.Parse(raw)
		if err != nil {
			continue // the settings were checked
		}
		if addr, err := netip.ParseAddr(u.Hostname()); err == nil {
			t.IPAddresses = append(t.IPAddresses, addr.AsSlice())
		} else {
			t.DNSNames = append(t.DNSNames, u.Hostname())
		}
	}
	return t
}
