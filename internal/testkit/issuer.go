package testkit

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
	"strconv"
	"sync"
	"testing"
)

// Issuer is an OpenID Connect issuer, with a discovery document and a key set, that signs whatever a test wants. It
// runs until the test ends.
type Issuer struct {
	*httptest.Server

	t         testing.TB
	mu        sync.Mutex
	keys      []*rsa.PrivateKey // by their ids: "key-0", "key-1", …
	published []int             // which of them the key set shows
	instead   http.HandlerFunc  // answers instead, if there is one
	asked     int
}

// NewIssuer starts an issuer without TLS, on this machine.
func NewIssuer(t testing.TB) *Issuer {
	t.Helper()
	return startIssuer(t, func(i *Issuer) { i.Start() })
}

// NewTLSIssuer starts an issuer with a certificate that only [httptest.Server.Certificate] vouches for.
func NewTLSIssuer(t testing.TB) *Issuer {
	t.Helper()
	return startIssuer(t, func(i *Issuer) { i.StartTLS() })
}

func startIssuer(t testing.TB, start func(*Issuer)) *Issuer {
	t.Helper()
	i := &Issuer{t: t}
	i.Server = httptest.NewUnstartedServer(http.HandlerFunc(i.serve))
	start(i)
	t.Cleanup(i.Close)
	return i
}

// Rotate makes a new key, by which the next JWT is signed, and shows only this one.
func (i *Issuer) Rotate() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.first()
	i.add()
}

// first makes the first key when somebody needs one: that takes its time.
func (i *Issuer) first() {
	if len(i.keys) == 0 {
		i.add()
	}
}

func (i *Issuer) add() {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		i.t.Errorf("making a key: %v", err)
		return
	}
	i.keys = append(i.keys, key)
	i.published = []int{len(i.keys) - 1}
}

// Instead lets a handler answer every request until it is nil again.
func (i *Issuer) Instead(handler http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.instead = handler
}

// Down lets every request fail.
func (i *Issuer) Down() {
	i.Instead(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
}

// Asked returns how many requests came.
func (i *Issuer) Asked() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}

// Key returns the newest key and its id.
func (i *Issuer) Key() (*rsa.PrivateKey, string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.first()
	last := len(i.keys) - 1
	return i.keys[last], "key-" + strconv.Itoa(last)
}

// Sign returns a JWT with the claims, signed by the newest key.
func (i *Issuer) Sign(claims map[string]any) string {
	i.t.Helper()
	key, id := i.Key()
	return SignJWT(i.t, key, map[string]any{"alg": "RS256", "typ": "JWT", "kid": id}, claims)
}

func (i *Issuer) serve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	i.asked++
	instead := i.instead
	i.mu.Unlock()
	switch {
	case instead != nil:
		instead(w, r)
	case r.URL.Path == "/.well-known/openid-configuration":
		i.write(w, map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/jwks"})
	case r.URL.Path == "/jwks":
		i.write(w, i.KeySet())
	default:
		http.NotFound(w, r)
	}
}

// KeySet returns the key set as the issuer publishes it.
func (i *Issuer) KeySet() map[string]any {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.first()
	keys := []any{}
	for _, n := range i.published {
		public := i.keys[n].PublicKey
		keys = append(keys, map[string]any{
			"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "key-" + strconv.Itoa(n),
			"n": encode(public.N.Bytes()), "e": encode(big.NewInt(int64(public.E)).Bytes()),
		})
	}
	return map[string]any{"keys": keys}
}

func (i *Issuer) write(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		i.t.Errorf("the issuer's answer: %v", err)
	}
}

// SignJWT returns a JWT by RS256, whatever the header says.
func SignJWT(t testing.TB, key *rsa.PrivateKey, header, claims map[string]any) string {
	t.Helper()
	signed := UnsignedJWT(t, header, claims)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + encode(signature)
}

// UnsignedJWT returns the part of a JWT that is signed.
func UnsignedJWT(t testing.TB, header, claims map[string]any) string {
	t.Helper()
	var parts [2]string
	for n, part := range []map[string]any{header, claims} {
		text, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		parts[n] = encode(text)
	}
	return parts[0] + "." + parts[1]
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
