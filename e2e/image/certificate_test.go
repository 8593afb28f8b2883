package image_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealock/sealock/e2e/internal/fixture"
)

// certificate makes one for localhost, which is its own authority, in a folder as clients want it (--cert-dir).
func certificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	text := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	cert = fixture.File(t, filepath.Join(dir, "ca.crt"), text("CERTIFICATE", raw))
	// Beside the folder: a client would take a key in it for its own.
	return cert, fixture.File(t, dir+".key", text("PRIVATE KEY", secret))
}

// noise is text that no compression makes small.
func noise(size int) string {
	raw := make([]byte, size/2)
	_, _ = rand.Read(raw) // it never fails
	return hex.EncodeToString(raw)
}
