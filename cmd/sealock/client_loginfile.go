package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	dir := env.Getenv("XDG_CONFIG_HOME")
	if dir == "" {
		home := env.Getenv("HOME")
		if home == "" {
			return "", errors.New("neither XDG_CONFIG_HOME nor HOME is set: set one, the login is kept there")
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "sealock", "login.json"), nil
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
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("saving the login: %w", err)
	}
	if err := replaceFile(path, append(b, '\n')); err != nil {
		return fmt.Errorf("saving the login: %w", err)
	}
	return nil
}

// replaceFile writes a file that only its owner can read (os.CreateTemp makes it so) and moves it into place.
func replaceFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".login-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
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
