// Command floor is the smallest Go server that answers a token request: it signs a claim set as sealock's tokens hold
// it and writes JSON. It asks nobody who is there, decides nothing, records nothing and keeps nothing.
//
// It owns the lower bound of what a token costs, so that the benchmark can say what the rest costs. Its argument is the
// address to listen on, by default a free port of loopback; it prints the address once it listens.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

func main() {
	addr := "127.0.0.1:0"
	if len(os.Args) > 1 {
		addr = os.Args[1]
	}
	if err := run(context.Background(), addr, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

// run serves until the process is ended.
func run(ctx context.Context, addr string, stdout io.Writer) error {
	s, err := newSigner()
	if err != nil {
		return err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	if _, err := fmt.Fprintln(stdout, l.Addr()); err != nil {
		return fmt.Errorf("telling the address: %w", err)
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: 20 * time.Second}
	return fmt.Errorf("serving: %w", server.Serve(l))
}

// signer holds a key and the header of its tokens, encoded once.
type signer struct {
	key    *ecdsa.PrivateKey
	header string
}

// newSigner makes a leaf key under a root, as sealock does: the certificate in x5c is what makes a token long.
func newSigner() (*signer, error) {
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the root's key: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the key: %w", err)
	}
	root := template("floor token root")
	root.IsCA, root.KeyUsage = true, x509.KeyUsageCertSign
	leaf := template("floor token leaf")
	leaf.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, leaf, root, key.Public(), rootKey)
	if err != nil {
		return nil, fmt.Errorf("making the certificate: %w", err)
	}
	header, err := json.Marshal(map[string]any{
		"alg": "ES256", "typ": "JWT",
		"kid": "FLOR:AAAA:BBBB:CCCC:DDDD:EEEE:FFFF:GGGG:HHHH:IIII:JJJJ:KKKK", // as long as a real one
		"x5c": []string{base64.StdEncoding.EncodeToString(der)},
	})
	if err != nil {
		return nil, fmt.Errorf("encoding the header: %w", err)
	}
	return &signer{key: key, header: base64.RawURLEncoding.EncodeToString(header)}, nil
}

func template(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour), NotAfter: now.Add(90 * 24 * time.Hour),
		BasicConstraintsValid: true,
	}
}

// claims are the claims of sealock's tokens.
type claims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  string   `json:"aud"`
	ExpiresAt int64    `json:"exp"`
	NotBefore int64    `json:"nbf"`
	IssuedAt  int64    `json:"iat"`
	JTI       string   `json:"jti"`
	Access    []access `json:"access"`
}

type access struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

// answer is what clients read.
type answer struct {
	Token       string `json:"token"`
	AccessToken string `json:"access_token"`
	ExpiresIn   int    `json:"expires_in"`
	IssuedAt    string `json:"issued_at"`
}

// life is that of sealock's tokens, in seconds.
const life = 300

// ServeHTTP answers every request with a token for the same subject and scope.
func (s *signer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	now := time.Now().UTC()
	token, err := s.sign(claims{
		Issuer: "sealock", Subject: "alice", Audience: "sealock",
		ExpiresAt: now.Unix() + life, NotBefore: now.Unix(), IssuedAt: now.Unix(), JTI: jti(),
		Access: []access{{Type: "repository", Name: "team/app", Actions: []string{"pull", "push"}}},
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	body, err := json.Marshal(answer{Token: token, AccessToken: token, ExpiresIn: life, IssuedAt: now.Format(time.RFC3339)})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // the client is gone if this fails
}

func jti() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// sign returns the compact form of a token (RFC 7515 section 7.1, RFC 7518 section 3.4).
func (s *signer) sign(c claims) (string, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("encoding claims: %w", err)
	}
	input := s.header + "." + base64.RawURLEncoding.EncodeToString(text)
	sum := sha256.Sum256([]byte(input))
	der, err := ecdsa.SignASN1(rand.Reader, s.key, sum[:])
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	var point struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &point); err != nil {
		return "", fmt.Errorf("reading the signature: %w", err)
	}
	var raw [64]byte
	point.R.FillBytes(raw[:32])
	point.S.FillBytes(raw[32:])
	return input + "." + base64.RawURLEncoding.EncodeToString(raw[:]), nil
}
