// Package seal owns how sealock encrypts small things that it keeps elsewhere and must read again: secrets in the
// database, so that whoever gets hold of that alone learns none of them, and what a browser keeps for it.
package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/pki"
)

// Box encrypts with its newest key and decrypts with any of its keys (AES-256-GCM). It is safe for concurrent use.
type Box struct{ keys []boxKey }

// boxKey is a key with the id that what it sealed begins with.
type boxKey struct {
	id   [idSize]byte
	aead cipher.AEAD
	raw  []byte
}

const (
	keySize = 32
	idSize  = 4 // of an id: it need only tell the keys of one file apart
)

// keyFile is the file. The last key seals.
type keyFile struct {
	Keys [][]byte `json:"keys"` // 32 bytes each, in base64
}

// New returns a box with the keys, of 32 bytes each. The last one seals.
func New(keys ...[]byte) (Box, error) {
	var b Box
	for _, key := range keys {
		if len(key) != keySize {
			return Box{}, fmt.Errorf("a key of %d bytes, want %d", len(key), keySize)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return Box{}, err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return Box{}, err
		}
		sum := sha256.Sum256(append([]byte("key id"), key...))
		b.keys = append(b.keys, boxKey{[idSize]byte(sum[:]), aead, bytes.Clone(key)})
	}
	if len(b.keys) == 0 {
		return Box{}, errors.New("there is no key")
	}
	return b, nil
}

// LoadOrCreate returns a box with the keys in the file at path, which is made if there is none. A key is replaced by
// adding another one behind it: what was sealed before opens for as long as its key stands there.
func LoadOrCreate(path string) (Box, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the operator chose the folder
	if errors.Is(err, fs.ErrNotExist) {
		return create(path)
	}
	if err != nil {
		return Box{}, err
	}
	var file keyFile
	err = json.Unmarshal(text, &file)
	if err == nil {
		var b Box
		if b, err = New(file.Keys...); err == nil {
			return b, nil
		}
	}
	return Box{}, errs.New(errs.Invalid, "the key file %q is damaged", path).
		WithHint("restore it from a backup; without it, what was sealed with it is lost").Because(err)
}

func create(path string) (Box, error) {
	key := make([]byte, keySize)
	rand.Read(key) // crypto/rand never fails (Go 1.24)
	text, err := json.MarshalIndent(keyFile{[][]byte{key}}, "", "  ")
	if err != nil {
		return Box{}, fmt.Errorf("encoding a key: %w", err)
	}
	if err := pki.WriteFile(path, append(text, '\n'), 0o600); err != nil {
		return Box{}, err
	}
	return New(key)
}

// Seal encrypts. The purpose says what and whose it is, as in "totp of user 7": it is not kept, and must be the same when
// it is opened, so that nobody passes off one thing as another.
func (b Box) Seal(text []byte, purpose string) []byte {
	key := b.keys[len(b.keys)-1]
	return key.aead.Seal(key.id[:], nil, text, []byte(purpose)) //nolint:gosec // this AEAD makes its nonces up and keeps them in the text
}

// Open decrypts, or says that the box was not sealed with one of these keys for this purpose.
func (b Box) Open(sealed []byte, purpose string) ([]byte, error) {
	for _, key := range b.keys {
		if rest, ours := bytes.CutPrefix(sealed, key.id[:]); ours {
			text, err := key.aead.Open(nil, nil, rest, []byte(purpose))
			if err != nil {
				return nil, fmt.Errorf("opening what was sealed for %s: %w", purpose, err)
			}
			return text, nil
		}
	}
	return nil, fmt.Errorf("opening what was sealed for %s: by none of this server's keys", purpose)
}

// Derived is a key made from one of a box's.
type Derived struct {
	ID  string // tells those of a box apart
	Key []byte
}

// Derive returns a key for another purpose from each of the box's, the newest last. Who knows one of them knows nothing
// of what the box sealed.
func (b Box) Derive(purpose string) []Derived {
	all := make([]Derived, len(b.keys))
	for i, key := range b.keys {
		mac := hmac.New(sha256.New, key.raw)
		mac.Write([]byte("derive " + purpose))
		all[i] = Derived{ID: hex.EncodeToString(key.id[:]), Key: mac.Sum(nil)}
	}
	return all
}
