package policy

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sealock/sealock/internal/errs"
)

//go:embed default/model.conf default/policy.csv
var defaults embed.FS

// WriteDefault writes the default policy into dir, which it makes where it is missing. A file that exists is left as
// it is. It returns the paths of those that it wrote.
func WriteDefault(dir string) ([]string, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, unwritable(dir, err)
	}
	var written []string
	for _, name := range []string{ModelFile, PolicyFile} {
		path := filepath.Join(dir, name)
		err := writeNew(path, embedded(name))
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return written, unwritable(path, err)
		}
		written = append(written, path)
	}
	return written, nil
}

// writeNew writes a file that must not exist, completely or not at all.
func writeNew(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator chose the folder
	if err != nil {
		return fmt.Errorf("creating: %w", err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("writing: %w", err), os.Remove(path))
	}
	return nil
}

func unwritable(path string, err error) error {
	return errs.New(errs.Invalid, "%s can't be written", path).WithHint("choose a folder that the user who runs sealock may write to").Because(err)
}

// embedded returns a default file. One that is missing is a fault of the build, which the tests would show.
func embedded(name string) []byte {
	data, err := defaults.ReadFile("default/" + name)
	if err != nil {
		panic(err)
	}
	return data
}

func defaultSource() source {
	return source{model: embedded(ModelFile), rules: embedded(PolicyFile), file: PolicyFile}
}
