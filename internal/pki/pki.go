// Package pki owns sealock's own certificates: a root that signs, leaves that are signed, and their PEM files; and how a
// file of CA certificates is read that an operator trusts. It does not decide which key signs what (auth for tokens, cmd/sealock for TLS).
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// Trusted returns the CA certificates in the file that a setting ca_file names; "" is nil, which stands for the system's.
func Trusted(caFile string) (*x509.CertPool, error) {
	if caFile == "" {
		return nil, nil //nolint:nilnil // as crypto/tls has it
	}
	text, err := os.ReadFile(caFile) //nolint:gosec // the operator chose the file
	if err != nil {
		return nil, fmt.Errorf("reading ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("ca_file %q holds no certificate in PEM form", caFile)
	}
	return pool, nil
}

// skew is how far certificates are dated back, for machines whose clock is behind.
const skew = time.Hour

// Root is a certificate authority.
type Root struct {
	Certificate *x509.Certificate
	key         crypto.Signer
}

// NewRoot makes a root with a P-256 key. now is its first moment, life how long it is good for.
func NewRoot(commonName string, now time.Time, life time.Duration) (*Root, error) {
	key, err := NewECKey()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: commonName},
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(life),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("signing root certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading root certificate back: %w", err)
	}
	return &Root{Certificate: cert, key: key}, nil
}

// Certify signs a leaf certificate for the public key. The template's Subject, names and extended key usage are
// kept, its serial number and times are set.
func (r *Root) Certify(pub crypto.PublicKey, template x509.Certificate, now time.Time, life time.Duration) (*x509.Certificate, error) {
	template.SerialNumber = serial()
	template.NotBefore = now.Add(-skew)
	template.NotAfter = now.Add(life)
	if template.NotAfter.After(r.Certificate.NotAfter) {
		template.NotAfter = r.Certificate.NotAfter
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.BasicConstraintsValid = true
	der, err := x509.CreateCertificate(rand.Reader, &template, r.Certificate, pub, r.key)
	if err != nil {
		return nil, fmt.Errorf("signing leaf certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

// PEM returns the root's certificate.
func (r *Root) PEM() []byte { return CertificatePEM(r.Certificate) }

// NewECKey makes a P-256 key neither of whose coordinates starts with a zero byte: distribution 3.x drops such
// bytes when it computes the key's thumbprint, and then refuses the key's tokens.
func NewECKey() (*ecdsa.PrivateKey, error) {
	for {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("making P-256 key: %w", err)
		}
		if !LeadingZero(&key.PublicKey) {
			return key, nil
		}
	}
}

// LeadingZero reports whether a coordinate of the key starts with a zero byte.
func LeadingZero(key *ecdsa.PublicKey) bool {
	point, err := key.Bytes() // 4, X, Y (SEC 1 section 2.3.3)
	size := (key.Curve.Params().BitSize + 7) / 8
	return err != nil || point[1] == 0 || point[1+size] == 0
}

// serial returns a random serial number of 127 bits (RFC 5280 section 4.1.2.2: positive, at most 20 octets).
func serial() *big.Int {
	var b [16]byte
	rand.Read(b[:])
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b[:])
}

// CertificatePEM encodes a certificate.
func CertificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// KeyPEM encodes a private key in PKCS #8.
func KeyPEM(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// ParseCertificate reads the first certificate of PEM text.
func ParseCertificate(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("no certificate in PEM form")
	}
	return x509.ParseCertificate(block.Bytes)
}

// ParseKey reads a PKCS #8 private key from PEM text.
func ParseKey(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no private key in PEM form")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T can't sign", key)
	}
	return signer, nil
}

// LoadOrCreateRoot reads NAME.pem and NAME.key from the folder, or makes them when neither is there. One without the
// other is an error, because a new root would silently end the trust in the old one.
func LoadOrCreateRoot(dir, name, commonName string, now time.Time, life time.Duration) (root *Root, created bool, err error) {
	certFile, keyFile := filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	certText, certErr := os.ReadFile(certFile) //nolint:gosec // the operator chose the folder
	keyText, keyErr := os.ReadFile(keyFile)    //nolint:gosec // the same
	if errors.Is(certErr, fs.ErrNotExist) && errors.Is(keyErr, fs.ErrNotExist) {
		root, err = createRoot(certFile, keyFile, commonName, now, life)
		return root, err == nil, err
	}
	if err := errors.Join(certErr, keyErr); err != nil {
		return nil, false, fmt.Errorf("reading root certificate: %w", err)
	}
	cert, err := ParseCertificate(certText)
	if err != nil {
		return nil, false, fmt.Errorf("reading %s: %w", certFile, err)
	}
	key, err := ParseKey(keyText)
	if err != nil {
		return nil, false, fmt.Errorf("reading %s: %w", keyFile, err)
	}
	if pub, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !pub.Equal(key.Public()) {
		return nil, false, fmt.Errorf("%s and %s do not belong together", certFile, keyFile)
	}
	return &Root{Certificate: cert, key: key}, false, nil
}

func createRoot(certFile, keyFile, commonName string, now time.Time, life time.Duration) (*Root, error) {
	root, err := NewRoot(commonName, now, life)
	if err != nil {
		return nil, err
	}
	keyText, err := KeyPEM(root.key)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(keyFile), 0o700); err != nil {
		return nil, err
	}
	if err := WriteFile(keyFile, keyText, 0o600); err != nil {
		return nil, err
	}
	return root, WriteFile(certFile, root.PEM(), 0o644)
}

// WriteFile replaces a file in one step, so that a reader or a crash sees the old text or the new one.
func WriteFile(name string, data []byte, mode fs.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), ".tmp-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // gone after the rename; an error means just that
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close())
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return os.Rename(tmp.Name(), name)
}
