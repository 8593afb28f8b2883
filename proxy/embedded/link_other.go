//go:build !unix

package embedded

import "os"

// readLink reads a small file.
func readLink(path string) (string, bool) {
	b, err := os.ReadFile(path)
	return string(b), err == nil
}

// sized reports whether there is a file of the size.
func sized(path string, size int64) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Size() == size
}
