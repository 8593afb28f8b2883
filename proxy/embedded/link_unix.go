//go:build unix

package embedded

import (
	"errors"
	"syscall"
)

// readLink reads a small file with as few calls of the kernel as there can be: it is done for each request, and package os
// makes three more to find out what else the file may be. What does not fit into linkMax comes out too long to be a link.
func readLink(path string) (string, bool) {
	fd, err := again(func() (int, error) { return syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0) })
	if err != nil {
		return "", false
	}
	defer syscall.Close(fd) // it was read from alone
	var b [linkMax]byte
	n, err := again(func() (int, error) { return syscall.Read(fd, b[:]) })
	return string(b[:max(n, 0)]), err == nil
}

// again repeats a call that a signal cut short.
func again(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}

// sized reports whether there is a file of the size.
func sized(path string, size int64) bool {
	var st syscall.Stat_t
	_, err := again(func() (int, error) { return 0, syscall.Stat(path, &st) })
	return err == nil && st.Mode&syscall.S_IFMT == syscall.S_IFREG && st.Size == size
}
