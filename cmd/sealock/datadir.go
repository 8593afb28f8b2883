package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/pki"
)

// dataDir is the layout of the data folder.
type dataDir string

func (d dataDir) path(parts ...string) string {
	return filepath.Join(append([]string{string(d)}, parts...)...)
}

func (d dataDir) database() string { return d.path("sealock.db") }
func (d dataDir) registry() string { return d.path("registry") }
func (d dataDir) keys() string     { return d.path("keys") }
func (d dataDir) acme() string     { return d.path("acme") }
func (d dataDir) keyFile() auth.KeyFile {
	return auth.KeyFile{Path: d.path("keys", "keys.json")}
}

// prepare makes the folder, or says why it can't be used.
func (d dataDir) prepare() error {
	err := os.MkdirAll(d.keys(), 0o700)
	if err == nil {
		var probe *os.File
		if probe, err = os.CreateTemp(string(d), ".probe-*"); err == nil {
			err = errors.Join(probe.Close(), os.Remove(probe.Name()))
		}
	}
	if err == nil {
		return nil
	}
	return errs.New(errs.Invalid, "the data folder %q can't be written", string(d)).
		WithHint("make it writable for this user, or choose another with --data-dir").Because(cause(err))
}

// cause drops the operation and the path of a file error, which the message around it names already.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// rootLife is how long sealock's own roots are good for: longer than anybody keeps a registry's settings.
const rootLife = 20 * 365 * 24 * time.Hour

// tokenRoot is the root that registries trust (rootcertbundle).
func (d dataDir) tokenRoot(now time.Time) (*pki.Root, bool, error) {
	root, created, err := pki.LoadOrCreateRoot(d.keys(), "token-root", "sealock token root", now, rootLife)
	return root, created, d.rootError("token-root", err)
}

// tlsRoot is the root that clients trust in a self-signed set-up. It is another one than the token root, so that
// trust in one is no trust in the other.
func (d dataDir) tlsRoot(now time.Time) (*pki.Root, bool, error) {
	root, created, err := pki.LoadOrCreateRoot(d.keys(), "tls-root", "sealock TLS root", now, rootLife)
	return root, created, d.rootError("tls-root", err)
}

// waitRoot signs what is shown until a CA has given a certificate. Nobody is told to trust it, but for the health command.
func (d dataDir) waitRoot(now time.Time) (*pki.Root, error) {
	root, _, err := pki.LoadOrCreateRoot(d.keys(), "acme-wait-root", "sealock waits for a certificate", now, rootLife)
	return root, d.rootError("acme-wait-root", err)
}

func (d dataDir) rootError(name string, err error) error {
	if err == nil {
		return nil
	}
	return errs.New(errs.Invalid, "the certificate authority %s.pem and %s.key in %q can't be used", name, name, d.keys()).
		WithHint("restore both from a backup, or move both away to start with a new one").Because(err)
}

// httpSecret is what the embedded registry signs the state of uploads with; it must survive a restart.
func (d dataDir) httpSecret() (string, error) {
	name := d.path("keys", "http-secret")
	text, err := os.ReadFile(name) //nolint:gosec // the operator chose the folder
	if err == nil && len(text) > 0 {
		return strings.TrimSpace(string(text)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	var b [32]byte
	rand.Read(b[:])
	made := base64.RawURLEncoding.EncodeToString(b[:])
	return made, pki.WriteFile(name, []byte(made+"\n"), 0o600)
}
