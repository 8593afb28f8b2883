package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/sealock/sealock/cmd/internal/userfile"
)

// login is what the command line remembers between two commands. There is no password in it: the refresh token is
// revoked by logout and by the server's administrator.
type login struct {
	URL          string `json:"url"`
	Username     string `json:"username"`
	RefreshToken string `json:"refresh_token"`
	CAFile       string `json:"ca_file,omitempty"`
}

// loginFile returns where the login is kept.
func loginFile(env *environment) (string, error) {
	return userfile.Path(env.Getenv, "login.json")
}

// loadLogin returns the saved login, or the zero value if there is none.
func loadLogin(env *environment) (login, error) {
	path, err := loginFile(env)
	if err != nil {
		return login{}, err
	}
	b, err := os.ReadFile(path) //nolint:gosec // the user's own configuration
	if errors.Is(err, fs.ErrNotExist) {
		return login{}, nil
	}
	if err != nil {
		return login{}, fmt.Errorf("reading the login: %w", err)
	}
	var l login
	if err := json.Unmarshal(b, &l); err != nil {
		return login{}, fmt.Errorf("%s is damaged: run sealock login again", path)
	}
	return l, nil
}

// saveLogin replaces the login at once, so that a command that runs meanwhile reads the old one or the new one.
func saveLogin(env *environment, l login) error {
	path, err := loginFile(env)
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the login: %w", err)
	}
	if err := userfile.Replace(path, append(b, '\n')); err != nil {
		return fmt.Errorf("saving the login: %w", err)
	}
	return nil
}

// forgetLogin removes the saved login.
func forgetLogin(env *environment) error {
	path, err := loginFile(env)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forgetting the login: %w", err)
	}
	return nil
}
