// Package seal owns how sealock encrypts small things that it keeps elsewhere: in a cookie, in the database.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/sealock/sealock/internal/pki"
)

// Box encrypts and decrypts with AES-256-GCM.
type Box struct{ aead cipher.AEAD }

const keySize = 32

// New returns a box with the key, of 32 bytes.
func New(key []byte) (Box, error) {
	if len(key) != keySize {
		return Box{}, fmt.Errorf("a key of %d bytes, want %d", len(key), keySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return Box{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return Box{aead}, err
}

// LoadOrCreate returns a box with the key in the file at path, which is made if there is none.
func LoadOrCreate(path string) (Box, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the operator chose the folder
	if errors.Is(err, fs.ErrNotExist) {
		key := make([]byte, keySize)
		rand.Read(key) // crypto/rand never fails (Go 1.24)
		if err := pki.WriteFile(path, []byte(hex.EncodeToString(key)+"\n"), 0o600); err != nil {
			return Box{}, err
		}
		return New(key)
	}
	if err != nil {
		return Box{}, err
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return Box{}, fmt.Errorf("%s holds no key: %w", path, err)
	}
	return New(key)
}

// Seal encrypts. The purpose is not kept, and must be the same when it is opened: what was sealed for one thing is no
// good for another.
func (b Box) Seal(text []byte, purpose string) []byte {
	return b.aead.Seal(nil, nil, text, []byte(purpose))
}

// Open decrypts, or says that the box was not sealed with this key for this purpose.
func (b Box) Open(box []byte, purpose string) ([]byte, error) {
	text, err := b.aead.Open(nil, nil, box, []byte(purpose))
	if err != nil {
		return nil, fmt.Errorf("opening what was sealed for %s: %w", purpose, err)
	}
	return text, nil
}
