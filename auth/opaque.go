package auth

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/sealock/sealock/internal/secret"
)

// OpaqueForm is how opaque secrets of a kind are written: prefix, public id, secret, checksum, as in
// sealock_pat_ID_SECRET. The prefix and the checksum let secret scanners find one that leaked, without asking anybody; the id
// finds the record, so that the secret itself is only ever compared, and in constant time.
type OpaqueForm struct{ Prefix string }

// PersonalAccessTokens is the form of personal access tokens.
func PersonalAccessTokens() OpaqueForm { return OpaqueForm{"sealock_pat_"} }

// RobotSecrets is the form of the secrets of robot accounts that sealock makes.
func RobotSecrets() OpaqueForm { return OpaqueForm{"sealock_rob_"} }

const (
	opaqueID       = 16 // characters of base32: 80 bits
	opaqueKey      = 43 // characters of base64url: 256 bits
	opaqueChecksum = 6  // characters of base62: CRC-32
)

// Opaque is one secret of a form, taken apart.
type Opaque struct {
	ID   string      // public, may be shown and logged
	Hash []byte      // SHA-256 of the secret part: what is kept; 256 random bits need no slow hash
	Text secret.Text // the whole, for its holder
}

// New makes a secret.
func (f OpaqueForm) New() Opaque {
	var b [42]byte
	rand.Read(b[:]) // crypto/rand never fails (Go 1.24)
	id := strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:10]))
	key := base64.RawURLEncoding.EncodeToString(b[10:])
	body := f.Prefix + id + "_" + key
	return Opaque{ID: id, Hash: hashSecret(secret.New(key)), Text: secret.New(body + checksum(body))}
}

// Recognizes reports whether a text claims to be of this form: it begins like one. Whether it is well formed, Parse says.
func (f OpaqueForm) Recognizes(t secret.Text) bool { return strings.HasPrefix(t.Reveal(), f.Prefix) }

// Parse takes apart what a client presents. It is false for what is malformed or mistyped.
func (f OpaqueForm) Parse(t secret.Text) (Opaque, bool) {
	body, ok := strings.CutPrefix(t.Reveal(), f.Prefix)
	if !ok || len(body) != opaqueID+1+opaqueKey+opaqueChecksum || body[opaqueID] != '_' {
		return Opaque{}, false
	}
	id, key := body[:opaqueID], body[opaqueID+1:opaqueID+1+opaqueKey]
	if !lowerAlnum(id) {
		return Opaque{}, false
	}
	whole := f.Prefix + id + "_" + key
	if checksum(whole) != body[opaqueID+1+opaqueKey:] {
		return Opaque{}, false
	}
	return Opaque{ID: id, Hash: hashSecret(secret.New(key)), Text: t}, true
}

// PublicID returns the public part of what is presented as an id: of a whole secret, its id alone, so that no secret is
// looked for, logged or shown.
func (f OpaqueForm) PublicID(s string) string {
	rest, whole := strings.CutPrefix(s, f.Prefix)
	if !whole {
		return s
	}
	id, _, _ := strings.Cut(rest, "_")
	return id
}

// Matches compares the secret with a kept hash, in constant time.
func (o Opaque) Matches(hash []byte) bool {
	return len(hash) > 0 && subtle.ConstantTimeCompare(o.Hash, hash) == 1
}

// checksum is CRC-32 (IEEE) in base62, as GitHub's tokens have it.
func checksum(s string) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	n := crc32.ChecksumIEEE([]byte(s))
	var b [opaqueChecksum]byte
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = digits[n%62]
		n /= 62
	}
	return string(b[:])
}

// Pattern returns a regular expression that finds secrets of this form in a text, for secret scanners.
func (f OpaqueForm) Pattern() string {
	return fmt.Sprintf(`\b%s[a-z2-7]{%d}_[A-Za-z0-9_-]{%d}[0-9A-Za-z]{%d}\b`, f.Prefix, opaqueID, opaqueKey, opaqueChecksum)
}
