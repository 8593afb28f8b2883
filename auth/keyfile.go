package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/pki"
)

// KeyFile keeps the ring in one file that only its owner may read.
type KeyFile struct{ Path string }

// keyRecord is a key as it stands in the file.
type keyRecord struct {
	ID          string    `json:"kid"`
	Algorithm   string    `json:"alg"`
	Private     string    `json:"private_key"`
	Certificate string    `json:"certificate"`
	CreatedAt   time.Time `json:"created_at"`
	ActiveAt    time.Time `json:"active_at,omitzero"`
	RetiredAt   time.Time `json:"retired_at,omitzero"`
}

type keyFileContent struct {
	Keys []keyRecord `json:"keys"`
}

// LoadKeys reads the file; one that is not there holds no keys.
func (f KeyFile) LoadKeys() ([]*Key, error) {
	text, err := os.ReadFile(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var content keyFileContent
	if err := json.Unmarshal(text, &content); err != nil {
		return nil, f.damaged(err)
	}
	keys := make([]*Key, 0, len(content.Keys))
	for _, r := range content.Keys {
		k, err := r.key()
		if err != nil {
			return nil, f.damaged(err)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func (f KeyFile) damaged(err error) error {
	return errs.New(errs.Internal, "the key file %q is damaged", f.Path).
		WithHint("restore it from a backup, or move it away to start with new keys").Because(err)
}

func (r keyRecord) key() (*Key, error) {
	private, err := pki.ParseKey([]byte(r.Private))
	if err != nil {
		return nil, fmt.Errorf("private key %s: %w", r.ID, err)
	}
	cert, err := pki.ParseCertificate([]byte(r.Certificate))
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", r.ID, err)
	}
	id, err := Fingerprint(private.Public())
	if err != nil {
		return nil, err
	}
	if id != r.ID {
		return nil, fmt.Errorf("key %s has the id %s", r.ID, id)
	}
	return &Key{
		ID: id, Algorithm: r.Algorithm, Private: private, Certificate: cert,
		CreatedAt: r.CreatedAt, ActiveAt: r.ActiveAt, RetiredAt: r.RetiredAt,
	}, nil
}

// SaveKeys replaces the file in one step.
func (f KeyFile) SaveKeys(keys []*Key) error {
	var content keyFileContent
	for _, k := range keys {
		private, err := pki.KeyPEM(k.Private)
		if err != nil {
			return err
		}
		content.Keys = append(content.Keys, keyRecord{
			ID: k.ID, Algorithm: k.Algorithm, Private: string(private), Certificate: string(pki.CertificatePEM(k.Certificate)),
			CreatedAt: k.CreatedAt, ActiveAt: k.ActiveAt, RetiredAt: k.RetiredAt,
		})
	}
	text, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding keys: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o700); err != nil {
		return err
	}
	return pki.WriteFile(f.Path, append(text, '\n'), 0o600)
}
