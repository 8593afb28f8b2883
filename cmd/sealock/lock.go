package main

import (
	"os"
	"syscall"

	"github.com/sealock/sealock/internal/errs"
)

// lock keeps a second server out of the data folder: SQLite would bear it, but what one has in memory the other would
// not hear of. The lock ends with the process, however it ends.
func (d dataDir) lock() (unlock func() error, err error) {
	f, err := os.OpenFile(d.path("lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, errs.New(errs.Invalid, "the data folder %q can't be locked", string(d)).
			WithHint("make it writable for this user, or choose another with --data-dir").Because(cause(err))
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close() // it was not locked
		return nil, errs.New(errs.Invalid, "the data folder %q is in use by another sealock", string(d)).
			WithHint("stop that one, or choose another folder with --data-dir")
	}
	return f.Close, nil
}
