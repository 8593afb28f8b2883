package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/docker/libtrust"
	"github.com/golang-jwt/jwt/v5"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/pki"
)

// The algorithms that tokens may be signed with. Registries up to 2.8 refuse EdDSA.
const (
	ES256 = "ES256"
	RS256 = "RS256"
	EdDSA = "EdDSA"
)

// Key is a leaf key of the ring with the certificate that ties it to the root.
type Key struct {
	ID          string // libtrust fingerprint
	Algorithm   string
	Private     crypto.Signer
	Certificate *x509.Certificate
	CreatedAt   time.Time
	ActiveAt    time.Time // when it began to sign; zero while it is the next key
	RetiredAt   time.Time // when it ceased to sign; zero until then

	headers map[Header]string // encoded JOSE header, by form
	method  jwt.SigningMethod
}

// newKey makes a key and lets the root certify it.
func newKey(algorithm string, root *pki.Root, now time.Time, life time.Duration) (*Key, error) {
	private, err := generate(algorithm)
	if err != nil {
		return nil, err
	}
	id, err := Fingerprint(private.Public())
	if err != nil {
		return nil, err
	}
	k := &Key{ID: id, Algorithm: algorithm, Private: private, CreatedAt: now.UTC()}
	return k, k.certify(root, now, life)
}

// generate makes a private key for the algorithm.
func generate(algorithm string) (crypto.Signer, error) {
	switch algorithm {
	case ES256:
		return pki.NewECKey()
	case RS256:
		return rsa.GenerateKey(rand.Reader, 2048)
	case EdDSA:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	return nil, errs.New(errs.Invalid, "token algorithm %q is unknown", algorithm).WithHint("use ES256, RS256 or EdDSA")
}

// certify gives the key a new certificate.
func (k *Key) certify(root *pki.Root, now time.Time, life time.Duration) error {
	template := x509.Certificate{Subject: pkix.Name{CommonName: "sealock token key " + k.ID[:9]}}
	cert, err := root.Certify(k.Private.Public(), template, now, life)
	if err != nil {
		return fmt.Errorf("certifying key %s: %w", k.ID, err)
	}
	k.Certificate = cert
	return k.prepare()
}

// prepare encodes the headers once, as they are the same for all tokens of a key.
func (k *Key) prepare() error {
	if k.method = jwt.GetSigningMethod(k.Algorithm); k.method == nil {
		return fmt.Errorf("key %s: no signing method %q", k.ID, k.Algorithm)
	}
	k.headers = make(map[Header]string, 2)
	for _, form := range []Header{HeaderX5C, HeaderKeyID} {
		h := struct {
			Alg string   `json:"alg"`
			Typ string   `json:"typ"`
			Kid string   `json:"kid"`
			X5C []string `json:"x5c,omitempty"`
		}{Alg: k.Algorithm, Typ: "JWT", Kid: k.ID}
		if form == HeaderX5C {
			h.X5C = []string{base64.StdEncoding.EncodeToString(k.Certificate.Raw)} // RFC 7515 section 4.1.6: not base64url
		}
		text, err := json.Marshal(h)
		if err != nil {
			return fmt.Errorf("encoding header of key %s: %w", k.ID, err)
		}
		k.headers[form] = base64.RawURLEncoding.EncodeToString(text)
	}
	return nil
}

// Fingerprint returns the key id that registries up to 2.8 compute: the first 240 bits of the SHA-256 of the
// SubjectPublicKeyInfo in base32, in groups of four.
func Fingerprint(pub crypto.PublicKey) (string, error) {
	if _, ok := pub.(ed25519.PublicKey); !ok {
		key, err := libtrust.FromCryptoPublicKey(pub)
		if err != nil {
			return "", fmt.Errorf("computing key id: %w", err)
		}
		return key.KeyID(), nil
	}
	// libtrust does not know Ed25519; the rule is the same.
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return "", fmt.Errorf("computing key id: %w", err)
	}
	sum := sha256.Sum256(der)
	text := base32.StdEncoding.EncodeToString(sum[:30])
	groups := make([]string, 0, 12)
	for i := 0; i < len(text); i += 4 {
		groups = append(groups, text[i:i+4])
	}
	return strings.Join(groups, ":"), nil
}

// usable refuses keys that some registry would compute a wrong id for.
func (k *Key) usable() error {
	if pub, ok := k.Private.Public().(*ecdsa.PublicKey); ok && pki.LeadingZero(pub) {
		return fmt.Errorf("key %s has a coordinate with a leading zero byte", k.ID)
	}
	return nil
}

// public returns what verifies the key's tokens.
func (k *Key) public() PublicKey {
	return PublicKey{ID: k.ID, Algorithm: k.Algorithm, Key: k.Private.Public()}
}

// sign returns the compact token: header, claims, signature (RFC 7515 section 7.1).
func (k *Key) sign(claims []byte, h Header) (string, error) {
	header, ok := k.headers[h]
	if !ok {
		return "", fmt.Errorf("unknown header form %q", h)
	}
	b64 := base64.RawURLEncoding
	text := make([]byte, 0, len(header)+b64.EncodedLen(len(claims))+maxSignature)
	text = append(append(text, header...), '.')
	text = b64.AppendEncode(text, claims)
	sig, err := k.method.Sign(string(text), k.Private)
	if err != nil {
		return "", fmt.Errorf("signing with key %s: %w", k.ID, err)
	}
	return string(b64.AppendEncode(append(text, '.'), sig)), nil
}

// maxSignature is room for two dots and an RSA signature of 2,048 bits in base64; a longer one costs an allocation.
const maxSignature = 2 + 343

// JWK renders a public key (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).
func (p PublicKey) JWK() (map[string]string, error) {
	m := map[string]string{"kid": p.ID, "alg": p.Algorithm, "use": "sig"}
	b64 := base64.RawURLEncoding.EncodeToString
	switch key := p.Key.(type) {
	case *ecdsa.PublicKey:
		point, err := key.Bytes()
		if err != nil {
			return nil, fmt.Errorf("encoding key %s: %w", p.ID, err)
		}
		half := (len(point) - 1) / 2
		m["kty"], m["crv"], m["x"], m["y"] = "EC", key.Curve.Params().Name, b64(point[1:1+half]), b64(point[1+half:])
	case *rsa.PublicKey:
		e := big.NewInt(int64(key.E)).Bytes()
		m["kty"], m["n"], m["e"] = "RSA", b64(key.N.Bytes()), b64(e)
	case ed25519.PublicKey:
		m["kty"], m["crv"], m["x"] = "OKP", "Ed25519", b64(key)
	default:
		return nil, fmt.Errorf("key %s: no JWK for %T", p.ID, p.Key)
	}
	return m, nil
}

// JWKS renders a key set (RFC 7517 section 5).
func JWKS(keys []PublicKey) ([]byte, error) {
	set := struct {
		Keys []map[string]string `json:"keys"`
	}{Keys: make([]map[string]string, 0, len(keys))}
	for _, k := range keys {
		m, err := k.JWK()
		if err != nil {
			return nil, err
		}
		set.Keys = append(set.Keys, m)
	}
	return json.MarshalIndent(set, "", "  ")
}
