package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"time"

	"github.com/sealock/sealock/internal/acme"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/pki"
	"github.com/sealock/sealock/settings"
)

// openACME lets the listener show what a CA gives. Until there is something, it shows a certificate of sealock's own, whose name
// says so: clients refuse it, and whoever looks sees why.
func (s *system) openACME(ctx context.Context, to *tls.Config) error {
	cfg, err := acmeConfig(s.cfg)
	if err != nil {
		return err
	}
	root, err := s.dir.waitRoot(time.Now())
	if err != nil {
		return err
	}
	if s.acme, err = acme.Open(ctx, cfg, s.log); err != nil {
		return err
	}
	s.onClose(func() error { s.acme.Close(); return nil })
	own := &selfSigned{root: root, name: "sealock waits for a certificate", now: time.Now}
	for _, host := range cfg.Hosts {
		own.urls = append(own.urls, "https://"+host)
	}
	to.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if cert, err := s.acme.For(hello); cert != nil || err != nil {
			return cert, err
		}
		return own.certificate(hello)
	}
	to.NextProtos = []string{"h2", "http/1.1"}
	if cfg.TLS != "" {
		to.NextProtos = append(to.NextProtos, acme.Protocol)
	}
	return nil
}

// acmeConfig makes of the settings what is asked of a CA.
func acmeConfig(cfg settings.Config) (acme.Config, error) {
	a := cfg.TLS.ACME
	out := acme.Config{
		Dir: dataDir(cfg.DataDir).acme(), Hosts: a.Hosts, Directory: a.Directory, Email: a.Email, Profile: a.Profile,
		KeyID: a.EABKeyID, MACKey: a.EABKey,
	}
	if a.Answers(settings.TLSALPN01) {
		out.TLS = cfg.Listen
	}
	if a.Answers(settings.HTTP01) {
		out.HTTP = cfg.TLS.RedirectListen
	}
	roots, err := pki.Trusted(a.CAFile)
	if err != nil {
		return out, errs.New(errs.Invalid, "the CA certificates of tls.acme.ca_file can't be used").
			WithHint("name the file of the directory's CA, in PEM form, that this user can read").Because(err)
	}
	out.Roots = roots
	return out, nil
}

// acmeRoots adds what a server with these settings shows, also while it waits.
func acmeRoots(ctx context.Context, cfg settings.Config, to *x509.CertPool) error {
	root, err := dataDir(cfg.DataDir).waitRoot(time.Now())
	if err != nil {
		return err
	}
	to.AddCert(root.Certificate)
	wanted, err := acmeConfig(cfg)
	if err != nil {
		return err
	}
	kept, err := wanted.Kept(ctx)
	if err != nil {
		return errs.New(errs.Invalid, "the certificates in %s can't be read", wanted.Dir).WithHint("run this as the user that runs the server").Because(err)
	}
	for _, cert := range kept {
		to.AddCert(cert)
	}
	return nil
}

// plain answers what comes over plain HTTP: it is sent to TLS, but for a CA that looks whether this server has a name.
func (s *system) plain() http.Handler {
	redirect := http.HandlerFunc(s.origins.Redirect)
	if s.acme == nil {
		return redirect
	}
	return s.acme.Answers(redirect)
}

// endChallenges closes connections of a CA that has seen what it wanted: nothing is said on them (RFC 8737 section 3).
func endChallenges(server *http.Server) {
	server.Protocols = new(http.Protocols)
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetHTTP2(true)
	server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){
		acme.Protocol: func(_ *http.Server, c *tls.Conn, _ http.Handler) { _ = c.Close() },
	}
}

// leaveCertificates lets the process that has taken over get them: it is the one that a CA reaches.
func (s *system) leaveCertificates() {
	if s.acme != nil {
		s.acme.Close()
	}
}
