package embedded

import (
	"os"

	"github.com/sealock/sealock/internal/errs"
)

// writable makes the folder and proves that files can be written there: the library would find out at the first push.
func writable(root string) error {
	remedy := func(err error) error {
		return errs.New(errs.Unavailable, "the registry's folder %q can't be written", root).
			WithHint("check who owns it and whether the disk is full, or choose another with --data-dir or registry.storage").Because(err)
	}
	if err := os.MkdirAll(root, 0o750); err != nil {
		return remedy(err)
	}
	f, err := os.CreateTemp(root, ".writable-*")
	if err != nil {
		return remedy(err)
	}
	if err := f.Close(); err != nil {
		return remedy(err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return remedy(err)
	}
	return nil
}
