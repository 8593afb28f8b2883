// Package seal owns the encryption of secrets that the server must be able to read again, such as those of one-time
// codes: whoever gets hold of the database alone learns none of them. It does not keep what is sealed.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/pki"
	"github.com/sealock/sealock/internal/secret"
)

// Ring seals with its newest key and opens with any of its keys (AES-256-GCM). It is safe for concurrent use.
type Ring struct {
	newest string
	keys   map[string]cipher.AEAD
}

// key is a key as it stands in the file.
type key struct {
	ID  string `json:"id"`
	Key []byte `json:"key"` // 32 bytes, in base64
}

type keyFile struct {
	Keys []key `json:"keys"` // the last one seals
}

const keySize = 32

// Open reads the key file at path, or makes it with a first key. A key is replaced by adding another one behind it:
// what was sealed before stays readable for as long as its key stands there.
func Open(path string) (*Ring, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the operator chose the folder
	if errors.Is(err, fs.ErrNotExist) {
		return create(path)
	}
	if err != nil {
		return nil, err
	}
	var file keyFile
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, damaged(path, err)
	}
	r, err := newRing(file.Keys)
	if err != nil {
		return nil, damaged(path, err)
	}
	return r, nil
}

func damaged(path string, err error) error {
	return errs.New(errs.Invalid, "the key file %q is damaged", path).
		WithHint("restore it from a backup; without it, what was sealed with it is lost").Because(err)
}

func create(path string) (*Ring, error) {
	k := key{ID: rand.Text()[:8], Key: make([]byte, keySize)}
	rand.Read(k.Key)
	text, err := json.MarshalIndent(keyFile{[]key{k}}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding the sealing key: %w", err)
	}
	if err := pki.WriteFile(path, append(text, '\n'), 0o600); err != nil {
		return nil, err
	}
	return newRing([]key{k})
}

func newRing(keys []key) (*Ring, error) {
	r := &Ring{keys: make(map[string]cipher.AEAD, len(keys))}
	for _, k := range keys {
		if k.ID == "" || strings.Contains(k.ID, ".") || len(k.Key) != keySize || r.keys[k.ID] != nil {
			return nil, fmt.Errorf("key %q has no id of its own or not %d bytes", k.ID, keySize)
		}
		block, err := aes.NewCipher(k.Key)
		if err != nil {
			return nil, err
		}
		if r.keys[k.ID], err = cipher.NewGCM(block); err != nil {
			return nil, err
		}
		r.newest = k.ID
	}
	if r.newest == "" {
		return nil, errors.New("it holds no key")
	}
	return r, nil
}

// Seal encrypts a secret. about says what and whose it is, as in "totp:7": it is not kept, and what is sealed opens with
// the same alone, so that nobody passes off one record's secret as another's.
func (r *Ring) Seal(plain secret.Text, about string) string {
	aead := r.keys[r.newest]
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain.Reveal())+aead.Overhead())
	rand.Read(nonce)
	box := aead.Seal(nonce, nonce, []byte(plain.Reveal()), []byte(about)) //nolint:gosec // 96 random bits: read a line above
	return "v1." + r.newest + "." + base64.RawURLEncoding.EncodeToString(box)
}

// errUnopened tells nobody why: it goes to the log with whatever wanted the secret.
var errUnopened = errors.New("not sealed by a key of this server for this purpose")

// Unseal returns the secret that was sealed with the same about.
func (r *Ring) Unseal(sealed, about string) (secret.Text, error) {
	parts := strings.Split(sealed, ".")
	if len(parts) != 3 || parts[0] != "v1" {
		return secret.Text{}, errUnopened
	}
	aead, ok := r.keys[parts[1]]
	box, err := base64.RawURLEncoding.DecodeString(parts[2])
	if !ok || err != nil || len(box) < aead.NonceSize() {
		return secret.Text{}, errUnopened
	}
	n := aead.NonceSize()
	plain, err := aead.Open(nil, box[:n], box[n:], []byte(about))
	if err != nil {
		return secret.Text{}, errUnopened
	}
	return secret.New(string(plain)), nil
}
