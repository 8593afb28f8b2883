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
	"syscall"
	"time"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/httpx"
	"github.com/sealock/sealock/internal/pki"
	"github.com/sealock/sealock/internal/transport"
	"github.com/sealock/sealock/settings"
)

// listen opens the listener, or says why the address can't be had.
func listen(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
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

// Limits that stop slow or greedy clients and yet let a large blob take hours.
const (
	readHeaderTimeout = 20 * time.Second
	idleTimeout       = 2 * time.Minute
	sniffTimeout      = 20 * time.Second
	maxHeaderBytes    = 64 << 10
	drainTimeout      = 10 * time.Second
)

// newHTTPServer returns a server without limits on how long a body takes: blobs are large.
func newHTTPServer(handler http.Handler, tlsConfig *tls.Config, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		TLSConfig:         tlsConfig,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // what clients do wrong
	}
}

// serveHTTP serves until ctx ends, then lets requests under way finish for a while.
func serveHTTP(ctx context.Context, server *http.Server, l net.Listener) error {
	failed := make(chan error, 1)
	go func() {
		sniffing := httpx.Sniffing{Timeout: sniffTimeout}
		if server.TLSConfig != nil {
			failed <- server.ServeTLS(sniffing.ExpectTLS(l), "", "")
			return
		}
		failed <- server.Serve(sniffing.ExpectPlain(l))
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		_ = server.Close() // what did not finish in time is cut
	}
	<-failed //nolint:errcheck // it says that the server was closed
	return nil
}

// certificateLook is how often the files of a certificate are looked at.
const certificateLook = 2 * time.Second

// openTLS decides what the listener shows: nothing for plain HTTP, and in a self-signed set-up a certificate of the CA that
// clients have to trust.
func (s *system) openTLS() error {
	base := &tls.Config{MinVersion: tls.VersionTLS12}
	switch {
	case s.cfg.TLS.SelfSigned:
		root, _, err := s.dir.tlsRoot(time.Now())
		if err != nil {
			return err
		}
		s.tlsRoot = root
		base.GetCertificate = (&selfSigned{root: root, urls: s.cfg.ExternalURLs, now: time.Now}).certificate
	case s.cfg.TLS.CertFile != "":
		pairs, err := transport.OpenPairs(certificateFiles(s.cfg.TLS), time.Now, s.log)
		if err != nil {
			return errs.New(errs.Invalid, "the TLS certificate can't be used").
				WithHint("check tls.cert_file and tls.key_file").Because(err)
		}
		s.pairs = pairs
		base.GetCertificate = pairs.For
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

// selfSigned makes certificates for the hosts of external_urls. They live for some weeks and are made anew in time.
type selfSigned struct {
	root *pki.Root
	urls []string
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
		Subject:     pkix.Name{CommonName: "sealock"},
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
