package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// PairFiles names a certificate chain and its key, both in PEM form.
type PairFiles struct{ Cert, Key string }

// Pair is a certificate that is read from its files again when they change. A new pair that can't be used leaves the old
// one in place: a renewal that went wrong must not take the server down.
type Pair struct {
	files   PairFiles
	now     func() time.Time
	log     *slog.Logger
	current atomic.Pointer[tls.Certificate]

	// Look alone touches these.
	good   pairText // what current was read from
	fault  string   // what is wrong with what stands there now
	blamed bool     // and the log says so
}

// pairText is what stands in the files.
type pairText struct{ cert, key []byte }

// OpenPair reads a pair for the first time.
func OpenPair(files PairFiles, now func() time.Time, log *slog.Logger) (*Pair, error) {
	p := &Pair{files: files, now: now, log: log}
	text, err := p.read()
	if err != nil {
		return nil, err
	}
	cert, err := tls.X509KeyPair(text.cert, text.key) // an expired one is used, for want of another
	if err != nil {
		return nil, err
	}
	p.good = text
	p.current.Store(&cert)
	return p, nil
}

func (p *Pair) read() (t pairText, err error) {
	var certErr, keyErr error
	t.cert, certErr = os.ReadFile(p.files.Cert)
	t.key, keyErr = os.ReadFile(p.files.Key)
	return t, errors.Join(certErr, keyErr)
}

// Certificate returns the pair as it was when it was last good.
func (p *Pair) Certificate() *tls.Certificate { return p.current.Load() }

// Look reads the files and takes what is new in them. They are replaced one after the other, so that the log blames a
// pair only when it is still bad at the next look. One goroutine at a time may look.
func (p *Pair) Look() {
	text, err := p.read()
	if err == nil && bytes.Equal(text.cert, p.good.cert) && bytes.Equal(text.key, p.good.key) {
		p.fault, p.blamed = "", false
		return
	}
	var cert tls.Certificate
	if err == nil {
		cert, err = p.usable(text)
	}
	if err != nil {
		p.blame(err)
		return
	}
	p.current.Store(&cert)
	p.good, p.fault, p.blamed = text, "", false
	p.log.Info("took a new TLS certificate", "cert_file", p.files.Cert, "not_after", cert.Leaf.NotAfter)
}

// usable refuses what would be worse than what is there.
func (p *Pair) usable(text pairText) (tls.Certificate, error) {
	cert, err := tls.X509KeyPair(text.cert, text.key)
	if err != nil {
		return cert, err
	}
	if end := cert.Leaf.NotAfter; end.Before(p.now()) {
		return cert, fmt.Errorf("it ended at %s", end.Format(time.RFC3339))
	}
	return cert, nil
}

func (p *Pair) blame(err error) {
	switch fault := err.Error(); {
	case fault != p.fault:
		p.fault, p.blamed = fault, false
	case !p.blamed:
		p.blamed = true
		p.log.Error("the TLS certificate that stands in the files now can't be used: the old one stays", "cert_file", p.files.Cert, "key_file", p.files.Key, "error", err)
	}
}

// Pairs are the certificates of a server with several names.
type Pairs []*Pair

// OpenPairs reads all of them.
func OpenPairs(files []PairFiles, now func() time.Time, log *slog.Logger) (Pairs, error) {
	pairs := make(Pairs, len(files))
	for i, f := range files {
		p, err := OpenPair(f, now, log)
		if err != nil {
			return nil, fmt.Errorf("reading %s and %s: %w", f.Cert, f.Key, err)
		}
		pairs[i] = p
	}
	return pairs, nil
}

// For returns the first certificate that the client can use and that has the name it asks for, or else the first one: a
// client that names nothing, or something else, then sees who answers.
func (p Pairs) For(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	for _, pair := range p {
		if cert := pair.Certificate(); hello.SupportsCertificate(cert) == nil {
			return cert, nil
		}
	}
	return p[0].Certificate(), nil
}

// Run looks at the files again and again until ctx ends. It reads them rather than waiting for the kernel's word, which
// does not come for every way in which a file is replaced (links of a mounted secret, network disks).
func (p Pairs) Run(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			for _, pair := range p {
				pair.Look()
			}
		}
	}
}
