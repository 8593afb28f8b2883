// Package cert makes the certificates that servers of a test show, and reads the ones that a test trusts. It knows nothing of
// who shows them.
package cert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"testing"
	"time"

	"github.com/sealock/sealock/e2e/internal/fixture"
)

// Make writes a certificate for the hosts, names or addresses, and its key, in PEM form. It is its own authority, and good for
// an hour.
func Make(t testing.TB, certFile, keyFile string, hosts ...string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: hosts[0]},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []struct {
		file, kind string
		der        []byte
	}{{certFile, "CERTIFICATE", raw}, {keyFile, "PRIVATE KEY", secret}} {
		fixture.File(t, part.file, string(pem.EncodeToMemory(&pem.Block{Type: part.kind, Bytes: part.der})))
	}
}

// Trusted returns the certificates in a file, for a client that trusts no others.
func Trusted(t testing.TB, file string) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	text, err := os.ReadFile(file) //nolint:gosec // the test's own
	if err != nil || !pool.AppendCertsFromPEM(text) {
		t.Fatalf("reading certificates from %s: %v", file, err)
	}
	return pool
}
