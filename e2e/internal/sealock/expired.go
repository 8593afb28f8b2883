package sealock

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Resign returns a token with the same header and claims as one that sealock issued,
// except that it was good until age ago. It is signed with sealock's own key, so that
// nothing but its age is wrong with it.
func (s *Server) Resign(t testing.TB, token string, age time.Duration) string {
	t.Helper()
	aged, err := s.resign(token, time.Now().Add(-age), false)
	if err != nil {
		t.Fatalf("making a token that ended %s ago: %v", age, err)
	}
	return aged
}

// ResignYoung is Resign for a token that is as young as it was: it was issued after its user was
// made, and has ended all the same.
func (s *Server) ResignYoung(t testing.TB, token string, age time.Duration) string {
	t.Helper()
	ended, err := s.resign(token, time.Now().Add(-age), true)
	if err != nil {
		t.Fatalf("making a token that ended %s ago: %v", age, err)
	}
	return ended
}

func (s *Server) resign(token string, end time.Time, young bool) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", fmt.Errorf("token %q: want three parts", token)
	}
	var claims map[string]any
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", fmt.Errorf("decoding the claims: %w", err)
	}
	if err := json.Unmarshal(raw, &claims); err != nil {
		return "", fmt.Errorf("decoding the claims: %w", err)
	}
	claims["exp"] = end.Unix()
	if !young && end.Before(time.Now()) { // else it stays as young as it is: a token from before its user is refused for that
		claims["iat"] = end.Add(-5 * time.Minute).Unix()
		claims["nbf"] = claims["iat"]
	}
	if raw, err = json.Marshal(claims); err != nil {
		return "", fmt.Errorf("encoding the claims: %w", err)
	}
	key, err := s.signingKey(parts[0])
	if err != nil {
		return "", err
	}
	signed := parts[0] + "." + base64.RawURLEncoding.EncodeToString(raw)
	sum := sha256.Sum256([]byte(signed))
	r, v, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	v.FillBytes(signature[32:])
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// signingKey finds the private key that a header names, in the file where sealock
// keeps its keys.
func (s *Server) signingKey(header string) (*ecdsa.PrivateKey, error) {
	var named struct {
		Kid string `json:"kid"`
	}
	raw, err := base64.RawURLEncoding.DecodeString(header)
	if err != nil {
		return nil, fmt.Errorf("decoding the header: %w", err)
	}
	if err := json.Unmarshal(raw, &named); err != nil {
		return nil, fmt.Errorf("decoding the header: %w", err)
	}
	if raw, err = os.ReadFile(filepath.Join(s.DataDir, "keys", "keys.json")); err != nil {
		return nil, fmt.Errorf("reading sealock's keys: %w", err)
	}
	var file struct {
		Keys []struct {
			Kid     string `json:"kid"`
			Private string `json:"private_key"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return nil, fmt.Errorf("reading sealock's keys: %w", err)
	}
	for _, k := range file.Keys {
		if k.Kid == named.Kid {
			return parseKey(k.Private)
		}
	}
	return nil, fmt.Errorf("no key %q among sealock's", named.Kid)
}

func parseKey(text string) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("a key of sealock is not PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parsing a key of sealock: %w", err)
	}
	private, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("a key of sealock is %T, want ECDSA", key)
	}
	return private, nil
}
