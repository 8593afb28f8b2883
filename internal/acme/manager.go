package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
)

// Protocol is what a CA speaks over TLS when it looks whether this server has a name (RFC 8737). It has to stand in NextProtos.
const Protocol = acmez.ACMETLS1Protocol

// Config says whose certificates are wanted, and of whom. Whoever makes one has agreed to the CA's terms.
type Config struct {
	Dir       string   // keeps the account and the certificates
	Hosts     []string // the first one's certificate is shown to clients that name no host
	Directory string   // URL
	Email     string
	Profile   string
	Roots     *x509.CertPool // whom to believe that the directory is the directory; nil: the system's

	KeyID  string // of an account at the CA that this one is bound to
	MACKey secret.Text

	// Where the CA's looks arrive; "" for a challenge that is not to be used.
	HTTP, TLS string
}

// Manager gets certificates and shows them.
type Manager struct {
	hosts   []string
	log     *slog.Logger
	storage *storage
	cache   *certmagic.Cache
	issuer  *certmagic.ACMEIssuer
	certs   *certmagic.Config // gets them
	shown   *certmagic.Config // shows them, and logs nothing of what strangers send

	taken chan struct{} // tells that there is another certificate to look after

	mu     sync.Mutex
	faults map[string]*errs.Error // by host: why it could get no certificate the last time

	closed chan struct{} // ends Run
	once   sync.Once
}

// loadPatience bounds what certmagic asks of others about a certificate from the disk (OCSP).
const loadPatience = 10 * time.Second

// Open takes what the folder has. Close must be called, also if Run never is.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*Manager, error) {
	m := &Manager{hosts: cfg.Hosts, log: log, storage: newStorage(cfg.Dir), taken: make(chan struct{}, 1), closed: make(chan struct{}), faults: map[string]*errs.Error{}}
	logger := zap.New(bridge{log})
	m.cache = certmagic.NewCache(m.options(certmagic.DefaultRenewCheckInterval, logger))
	base := certmagic.Config{Storage: m.storage, Logger: logger, OnEvent: m.note, DefaultServerName: cfg.Hosts[0], FallbackServerName: cfg.Hosts[0]}
	m.certs = certmagic.New(m.cache, base)
	m.issuer = certmagic.NewACMEIssuer(m.certs, cfg.template(logger))
	m.certs.Issuers = []certmagic.Issuer{m.issuer}
	quiet := *m.certs
	quiet.Logger, quiet.OnEvent = zap.NewNop(), nil
	m.shown = &quiet
	ctx, cancel := context.WithTimeout(ctx, loadPatience)
	defer cancel()
	for _, host := range m.hosts {
		switch err := m.load(ctx, host); {
		case err == nil:
		case errors.Is(err, fs.ErrNotExist):
			log.Info("there is no certificate yet: one will be asked for", "host", host, "directory", cfg.Directory)
		default:
			m.Close()
			return nil, errs.New(errs.Invalid, "the certificate of %s in %s can't be used", host, cfg.Dir).
				WithHint("check its permissions, or move the folder away to get a new one").Because(err)
		}
	}
	return m, nil
}

func (m *Manager) options(every time.Duration, logger *zap.Logger) certmagic.CacheOptions {
	return certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return m.certs, nil },
		RenewCheckInterval: every, Logger: logger,
	}
}

func (c Config) template(logger *zap.Logger) certmagic.ACMEIssuer {
	t := certmagic.ACMEIssuer{
		CA: c.Directory, Email: c.Email, Agreed: true, Profile: c.Profile, TrustedRoots: c.Roots, Logger: logger,
		DisableHTTPChallenge: c.HTTP == "", DisableTLSALPNChallenge: c.TLS == "",
	}
	if c.KeyID != "" {
		t.ExternalAccount = &acme.EAB{KeyID: c.KeyID, MACKey: c.MACKey.Reveal()}
	}
	// certmagic looks whether somebody listens there, and would do so itself.
	t.ListenHost, t.AltHTTPPort, t.AltTLSALPNPort = listenHost(c.HTTP, c.TLS), port(c.HTTP), port(c.TLS)
	return t
}

// listenHost is where both addresses are reached: certmagic knows one host.
func listenHost(addresses ...string) string {
	for _, a := range addresses {
		host, _, err := net.SplitHostPort(a)
		addr, addrErr := netip.ParseAddr(host)
		if err == nil && host != "" && (addrErr != nil || !addr.IsUnspecified()) {
			return host
		}
	}
	return ""
}

func port(address string) int {
	_, text, err := net.SplitHostPort(address)
	n, numErr := strconv.Atoi(text)
	if err != nil || numErr != nil {
		return 0 // the challenge is not used
	}
	return n
}

// load takes the host's certificate from the folder.
func (m *Manager) load(ctx context.Context, host string) error {
	cert, err := m.certs.CacheManagedCertificate(ctx, host)
	if err != nil {
		return err
	}
	m.log.Info("took a TLS certificate", "host", host, "not_after", cert.Leaf.NotAfter)
	select {
	case m.taken <- struct{}{}:
	default: // it is known already that there is something to look after
	}
	return nil
}

// Run gets what is missing, and new certificates before the old ones end, until ctx ends or Close is called. When it returns,
// nothing of it is under way.
func (m *Manager) Run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-ctx.Done():
		case <-m.closed:
			cancel()
		}
	})
	for _, host := range m.hosts {
		if len(m.kept(host)) == 0 {
			wg.Go(func() { m.obtain(ctx, host) })
		}
	}
	wg.Go(func() { m.renew(ctx) })
	wg.Wait()
	m.storage.close() // renewals are certmagic's, and have just been told to end
}

// again is when to try once more after what certmagic does not try again itself, such as a disk that is full.
const again = 5 * time.Minute

func (m *Manager) obtain(ctx context.Context, host string) {
	for {
		err := m.certs.ObtainCertAsync(ctx, host) // waits, and tries again and again
		if err == nil {
			err = m.load(ctx, host)
		}
		if err == nil || ctx.Err() != nil {
			return
		}
		m.blame(host, err)
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
}

// Bounds of how often certificates are looked at. It is often enough for one that lives for some minutes.
const (
	looksInLife = 30
	oftenest    = time.Second
)

func (m *Manager) renew(ctx context.Context) {
	for {
		every := m.interval()
		m.cache.SetOptions(m.options(every, m.certs.Logger))
		if err := m.cache.RenewManagedCertificates(ctx); err != nil {
			m.log.Error("looking after certificates failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-m.taken:
		case <-time.After(every):
		}
	}
}

// interval is how often certificates are looked at.
func (m *Manager) interval() time.Duration {
	every := certmagic.DefaultRenewCheckInterval
	for _, host := range m.hosts {
		for _, cert := range m.kept(host) {
			every = min(every, cert.Lifetime()/looksInLife)
		}
	}
	return max(every, oftenest)
}

// kept returns the certificates of a host; there are two for a moment when it gets a new one.
func (m *Manager) kept(host string) []certmagic.Certificate {
	return m.cache.AllMatchingCertificates(host)
}

// Close ends Run and does not wait for it. Certificates are shown further.
func (m *Manager) Close() {
	m.once.Do(func() {
		close(m.closed)
		m.cache.Stop()
	})
}

// For returns what to show a client: the certificate of the host that it names, or the first one's. To a CA that looks
// whether this server has a name, it shows that. Without any, it is nil.
func (m *Manager) For(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if slices.Equal(hello.SupportedProtos, []string{Protocol}) {
		return m.shown.GetCertificate(hello) // an error ends the handshake: nobody else says that
	}
	cert, err := m.shown.GetCertificate(hello)
	if err != nil || cert == nil || len(cert.Certificate) == 0 {
		return nil, nil //nolint:nilnil,nilerr // as said
	}
	return cert, nil
}

// Answers lets the CA have what it asks for over plain HTTP, and next all the others.
func (m *Manager) Answers(next http.Handler) http.Handler {
	return m.issuer.HTTPChallengeHandler(next)
}

// Kept returns the certificates that the folder has: what a server with these settings shows.
func (c Config) Kept(ctx context.Context) ([]*x509.Certificate, error) {
	key := certmagic.NewACMEIssuer(&certmagic.Config{}, certmagic.ACMEIssuer{CA: c.Directory, Logger: zap.NewNop()}).IssuerKey()
	files := &certmagic.FileStorage{Path: c.Dir}
	var list []*x509.Certificate
	for _, host := range c.Hosts {
		text, err := files.Load(ctx, certmagic.StorageKeys.SiteCert(key, host))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		block, _ := pem.Decode(text)
		if block == nil {
			return nil, fmt.Errorf("the certificate of %s is no PEM", host)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		list = append(list, cert)
	}
	return list, nil
}
