package transport_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/pki"
	"github.com/sealock/sealock/internal/transport"
)

// authority signs certificates for tests.
type authority struct {
	*pki.Root
	t *testing.T
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	root, err := pki.NewRoot("test", time.Now(), 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return authority{root, t}
}

// pair returns a certificate for a host and its key in PEM form.
func (a authority) pair(host string, life time.Duration) (cert, key []byte) {
	a.t.Helper()
	k, err := pki.NewECKey()
	if err != nil {
		a.t.Fatal(err)
	}
	return a.sign(host, k, life), a.keyPEM(k)
}

func (a authority) sign(host string, k *ecdsa.PrivateKey, life time.Duration) []byte {
	a.t.Helper()
	leaf, err := a.Certify(k.Public(), x509.Certificate{DNSNames: []string{host}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, time.Now(), life)
	if err != nil {
		a.t.Fatal(err)
	}
	return pki.CertificatePEM(leaf)
}

func (a authority) keyPEM(k *ecdsa.PrivateKey) []byte {
	a.t.Helper()
	text, err := pki.KeyPEM(k)
	if err != nil {
		a.t.Fatal(err)
	}
	return text
}

func write(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// pairIn writes a pair into a folder.
func pairIn(t *testing.T, dir string, cert, key []byte) transport.PairFiles {
	t.Helper()
	files := transport.PairFiles{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}
	write(t, files.Cert, cert)
	write(t, files.Key, key)
	return files
}

func TestPairIsReadAgain(t *testing.T) {
	ca := newAuthority(t)
	cert, key := ca.pair("one.example", time.Hour)
	files := pairIn(t, t.TempDir(), cert, key)
	var log bytes.Buffer
	pair, err := transport.OpenPair(files, time.Now, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	shows := func(when, want string) {
		t.Helper()
		if got := pair.Certificate().Leaf.DNSNames[0]; got != want {
			t.Errorf("%s, the certificate is %s's, want %s's", when, got, want)
		}
	}
	shows("at first", "one.example")

	cert, key = ca.pair("two.example", time.Hour)
	write(t, files.Cert, cert)
	pair.Look()
	shows("half-way through a renewal", "one.example")
	write(t, files.Key, key)
	pair.Look()
	shows("after a renewal", "two.example")
	if strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("a renewal in two steps logs %s, want no error", &log)
	}

	expired, expiredKey := ca.pair("late.example", -time.Minute)
	for what, text := range map[string]pairTexts{
		"another's key":   {cert, expiredKey},
		"no certificate":  {[]byte("garbage"), key},
		"an expired pair": {expired, expiredKey},
		"empty files":     {nil, nil},
	} {
		log.Reset()
		pairIn(t, filepath.Dir(files.Cert), text.cert, text.key)
		for range 4 {
			pair.Look()
		}
		shows("with "+what, "two.example")
		if got := strings.Count(log.String(), "level=ERROR"); got != 1 || !strings.Contains(log.String(), files.Cert) {
			t.Errorf("%s is logged %d times, want once with the file's name: %s", what, got, &log)
		}
	}
	if err := os.Remove(files.Cert); err != nil {
		t.Fatal(err)
	}
	pair.Look()
	pair.Look()
	shows("without a file", "two.example")

	cert, key = ca.pair("three.example", time.Hour)
	pairIn(t, filepath.Dir(files.Cert), cert, key)
	pair.Look()
	shows("mended", "three.example")
}

type pairTexts struct{ cert, key []byte }

// Handshakes that come after a change see the new certificate; what is under way goes on.
func TestPairsByName(t *testing.T) {
	ca := newAuthority(t)
	dir := t.TempDir()
	var files []transport.PairFiles
	for _, host := range []string{"one.example", "two.example"} {
		sub := filepath.Join(dir, host)
		if err := os.Mkdir(sub, 0o700); err != nil {
			t.Fatal(err)
		}
		cert, key := ca.pair(host, time.Hour)
		files = append(files, pairIn(t, sub, cert, key))
	}
	pairs, err := transport.OpenPairs(files, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pairs.For})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go echo(l)
	for name, want := range map[string]string{"one.example": "one.example", "two.example": "two.example", "": "one.example", "other.example": "one.example"} {
		c := tls.Client(dial(t, l.Addr().String()), &tls.Config{MinVersion: tls.VersionTLS12, ServerName: name, InsecureSkipVerify: true})
		if err := c.HandshakeContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := c.ConnectionState().PeerCertificates[0].DNSNames[0]; got != want {
			t.Errorf("the certificate for %q is %s's, want %s's", name, got, want)
		}
		_ = c.Close()
	}
}

func TestOpenPairSaysWhatIsWrong(t *testing.T) {
	_, err := transport.OpenPairs([]transport.PairFiles{{Cert: "nowhere.crt", Key: "nowhere.key"}}, time.Now, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "nowhere.key") {
		t.Errorf("OpenPairs() without files = %v, want their names", err)
	}
}
