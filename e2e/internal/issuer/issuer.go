// Package issuer is an OpenID Connect issuer, as a CI system or a cluster has one: it publishes its keys and signs JWTs
// with the claims that a test wants. It checks nothing.
package issuer

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// Issuer runs until the test ends.
type Issuer struct {
	URL string

	key  *rsa.PrivateKey
	down atomic.Bool
}

// New starts an issuer.
func New(t testing.TB) *Issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := &Issuer{key: key}
	server := httptest.NewServer(http.HandlerFunc(i.serve))
	t.Cleanup(server.Close)
	i.URL = server.URL
	return i
}

// Down lets every request for its keys fail.
func (i *Issuer) Down() { i.down.Store(true) }

func (i *Issuer) serve(w http.ResponseWriter, r *http.Request) {
	var said any
	switch {
	case i.down.Load():
		w.WriteHeader(http.StatusBadGateway)
		return
	case r.URL.Path == "/.well-known/openid-configuration":
		said = map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/jwks"}
	case r.URL.Path == "/jwks":
		said = map[string]any{"keys": []any{map[string]any{
			"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1",
			"n": encode(i.key.N.Bytes()), "e": encode(big.NewInt(int64(i.key.E)).Bytes()),
		}}}
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(said) // sealock is gone if this fails
}

// Sign returns a JWT that is good for ten minutes, with these claims besides iss and the times.
func (i *Issuer) Sign(t testing.TB, claims map[string]any) string {
	t.Helper()
	now := time.Now()
	all := map[string]any{"iss": i.URL, "iat": now.Unix(), "nbf": now.Unix() - 5, "exp": now.Add(10 * time.Minute).Unix()}
	for name, value := range claims {
		all[name] = value
	}
	signed := part(t, map[string]any{"alg": "RS256", "typ": "JWT", "kid": "1"}) + "." + part(t, all)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, i.key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + encode(signature)
}

func part(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return encode(text)
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
