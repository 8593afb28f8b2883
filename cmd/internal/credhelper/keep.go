package credhelper

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"

	"github.com/sealock/sealock/cmd/internal/userfile"
)

// credential is what is kept for one host: a refresh token, and where it is revoked.
type credential struct {
	Username     string `json:"username"`
	RefreshToken string `json:"refresh_token"`
	Service      string `json:"service,omitempty"`
	Realm        string `json:"realm,omitempty"` // the token end-point
}

// keeper keeps credentials in a file of the user's. Several helpers may run at once.
type keeper struct{ path string }

func newKeeper(getenv func(string) string) (keeper, error) {
	path, err := userfile.Path(getenv, "credentials.json")
	return keeper{path}, err
}

// all returns what is kept, by host.
func (k keeper) all() (map[string]credential, error) {
	text, err := os.ReadFile(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]credential{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the credentials: %w", err)
	}
	var file struct {
		Credentials map[string]credential `json:"credentials"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("%s is damaged: remove it and log in again", k.path) // nothing of it: it holds secrets
	}
	if file.Credentials == nil {
		file.Credentials = map[string]credential{}
	}
	return file.Credentials, nil
}

// put keeps a credential and returns the one that it replaces.
func (k keeper) put(host string, c credential) (before credential, err error) {
	return k.change(host, func(all map[string]credential) { all[host] = c })
}

// drop forgets a credential and returns it.
func (k keeper) drop(host string) (before credential, err error) {
	return k.change(host, func(all map[string]credential) { delete(all, host) })
}

// change changes the file while no other helper does.
func (k keeper) change(host string, fn func(map[string]credential)) (before credential, err error) {
	unlock, err := userfile.Lock(k.path)
	if err != nil {
		return credential{}, fmt.Errorf("keeping the credentials: %w", err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	all, err := k.all()
	if err != nil {
		return credential{}, err
	}
	before, old := all[host], maps.Clone(all)
	if fn(all); maps.Equal(all, old) {
		return before, nil
	}
	text, err := json.MarshalIndent(map[string]any{"credentials": all}, "", "  ")
	if err != nil {
		return credential{}, fmt.Errorf("encoding the credentials: %w", err)
	}
	if err := userfile.Replace(k.path, append(text, '\n')); err != nil {
		return credential{}, fmt.Errorf("keeping the credentials: %w", err)
	}
	return before, nil
}
