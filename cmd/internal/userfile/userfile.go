// Package userfile owns how files of the user's own are kept: where they lie, replaced at once, for their owner alone,
// and locked against other processes that change them. It does not know what is in them.
package userfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Path returns where a file of sealock's is kept for the user of an environment.
func Path(getenv func(string) string, name string) (string, error) {
	dir := getenv("XDG_CONFIG_HOME")
	if dir == "" {
		home := getenv("HOME")
		if home == "" {
			return "", errors.New("neither XDG_CONFIG_HOME nor HOME is set: set one, the login is kept there")
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "sealock", name), nil
}

// Replace puts content at path at once, so that whoever reads it meanwhile reads the old or the new one. The file's
// folder is made if there is none. A new file can be read by its owner alone; an old one keeps its mode.
func Replace(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // a link stays one
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if old, statErr := os.Stat(path); statErr == nil {
		err = errors.Join(err, f.Chmod(old.Mode().Perm()))
	}
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// Lock waits until no other process holds the lock of the file at path, and holds it until unlock is called or the
// process ends. The lock is a file beside it: the file itself is replaced.
func Lock(path string) (unlock func() error, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the user's own file
	if err != nil {
		return nil, err
	}
	for err = syscall.EINTR; errors.Is(err, syscall.EINTR); {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), f.Close())
	}
	return f.Close, nil
}
