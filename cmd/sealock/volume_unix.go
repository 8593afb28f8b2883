//go:build unix

package main

import (
	"fmt"
	"syscall"

	"github.com/sealock/sealock/api"
)

// volumeOf returns the size of the file system that a folder is on.
func volumeOf(dir string) (api.Volume, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return api.Volume{}, fmt.Errorf("asking for the room of %q: %w", dir, err)
	}
	unit := uint64(st.Bsize)                                                                //nolint:gosec,unconvert // no file system has blocks of a negative size; the type differs between systems
	return api.Volume{Total: uint64(st.Blocks) * unit, Free: uint64(st.Bavail) * unit}, nil //nolint:unconvert // likewise
}
