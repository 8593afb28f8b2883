package main

import (
	"os"
	"syscall"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/transport"
)

// lock keeps a second server out of the data folder: SQLite would bear it, but what one has in memory the other would
// not hear of. The lock ends with the process, however it ends. A process that takes over from another gets its lock: the one
// before only finishes what is under way (docs/decisions/2026-11-26-restart.md).
func (d dataDir) lock(legacy *transport.Legacy) (*os.File, error) {
	if f := legacy.Take(d.lockName()); f != nil {
		return f, nil
	}
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
	return f, nil
}
