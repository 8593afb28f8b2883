package embedded

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/distribution/v3/registry/storage/driver/base"
	"github.com/distribution/distribution/v3/registry/storage/driver/factory"
	"github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
)

// disk is the library's driver for files, but for how often it waits for the disk: a small push waited 28 times. What is
// waited for is what a client may rely on once it has its answer: blobs, and links to them, before they get their names. Not
// waited for is what belongs to an upload that nobody was told is complete, as long as it is short: after a power cut such
// an upload has to begin anew, as it has when the client was cut off, too.
type disk struct {
	driver.StorageDriver

	root string
}

const (
	diskDriver = "sealock-disk"
	// cheapUpload is how much of an upload may be lost in a power cut, in bytes.
	cheapUpload = 4 << 20
)

// registerDisk makes the driver known to the library, which has one register for the process.
var registerDisk = sync.OnceFunc(func() { factory.Register(diskDriver, diskFactory{}) })

type diskFactory struct{}

// Create implements factory.StorageDriverFactory.
func (diskFactory) Create(_ context.Context, parameters map[string]any) (driver.StorageDriver, error) {
	files, err := filesystem.FromParameters(parameters)
	if err != nil {
		return nil, err
	}
	limit, err := base.GetLimitFromParameter(parameters["maxthreads"], 1, maxThreads)
	if err != nil {
		return nil, err
	}
	return base.NewRegulator(&disk{files, fmt.Sprint(parameters["rootdirectory"])}, limit), nil
}

// PutContent implements driver.StorageDriver. The file has all of its content before it has its name.
func (d *disk) PutContent(_ context.Context, path string, content []byte) error {
	if !driver.PathRegexp.MatchString(path) {
		return driver.InvalidPathError{Path: path, DriverName: d.Name()}
	}
	name := filepath.Join(d.root, path)
	lasting := !cheapState(path)
	if err := d.create(name, content, lasting); err != nil {
		return driver.Error{DriverName: d.Name(), Detail: err}
	}
	return nil
}

func (d *disk) create(name string, content []byte, lasting bool) error {
	temp := name + "." + rand.Text() + ".tmp"
	f, err := createIn(temp)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil && lasting {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(temp, name) //nolint:gosec // names that the gate lets in
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp)) //nolint:gosec // names that the gate lets in
	}
	if !lasting {
		return nil
	}
	return syncFolder(filepath.Dir(name))
}

// createIn makes a file, and its folder if that is not there: mostly it is.
func createIn(name string) (*os.File, error) {
	const flags, mode = os.O_WRONLY | os.O_CREATE, 0o666 // less the umask, as the library has it
	f, err := os.OpenFile(name, flags, mode)             //nolint:gosec // names that the gate lets in
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil { //nolint:gosec // less the umask
		return nil, err
	}
	return os.OpenFile(name, flags, mode) //nolint:gosec // names that the gate lets in
}

func syncFolder(name string) error {
	f, err := os.Open(name)             //nolint:gosec // names that the gate lets in
	if errors.Is(err, fs.ErrNotExist) { // an upload that was cancelled meanwhile
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// cheapState reports whether a file says no more than how an upload goes, and of a short one.
func cheapState(path string) bool {
	_, state, ok := strings.Cut(path, "/_uploads/")
	if !ok {
		return false
	}
	_, state, _ = strings.Cut(state, "/")
	if state == "startedat" {
		return true
	}
	offset, ok := strings.CutPrefix(state, "hashstates/sha256/")
	n, err := strconv.ParseInt(offset, 10, 64)
	return ok && err == nil && n < cheapUpload
}

// Writer implements driver.StorageDriver. What an upload goes on with is opened when something comes: the library forgets a
// writer whose upload is resumed at a wrong offset, without closing it.
func (d *disk) Writer(_ context.Context, path string, appending bool) (driver.FileWriter, error) {
	if !driver.PathRegexp.MatchString(path) {
		return nil, driver.InvalidPathError{Path: path, DriverName: d.Name()}
	}
	w := &diskWriter{name: filepath.Join(d.root, path)}
	if info, err := os.Stat(w.name); appending && err == nil && info.Mode().IsRegular() {
		w.size = info.Size()
		return w, nil
	}
	f, err := createIn(w.name)
	if err != nil {
		return nil, driver.Error{DriverName: d.Name(), Detail: err}
	}
	if appending { // it may have come just now
		w.size, err = f.Seek(0, io.SeekEnd)
	} else {
		err = f.Truncate(0)
	}
	if err != nil {
		return nil, driver.Error{DriverName: d.Name(), Detail: errors.Join(err, f.Close())}
	}
	w.f, w.buffer = f, bufio.NewWriter(f)
	return w, nil
}

// diskWriter writes an upload. It implements driver.FileWriter.
type diskWriter struct {
	name   string
	f      *os.File // nil as long as nothing is to be written
	buffer *bufio.Writer
	size   int64
	ended  string // "committed" or "cancelled"; "" as long as it is neither
	closed bool
}

// open makes sure that the file is open.
func (w *diskWriter) open() error {
	switch {
	case w.closed:
		return errors.New("the upload is closed")
	case w.ended != "":
		return errors.New("the upload is " + w.ended)
	case w.f != nil:
		return nil
	}
	f, err := os.OpenFile(w.name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := f.Seek(w.size, io.SeekStart); err != nil {
		return errors.Join(err, f.Close())
	}
	w.f, w.buffer = f, bufio.NewWriter(f)
	return nil
}

// Write implements io.Writer.
func (w *diskWriter) Write(p []byte) (int, error) {
	if err := w.open(); err != nil {
		return 0, err
	}
	n, err := w.buffer.Write(p)
	w.size += int64(n)
	return n, err
}

// Size implements driver.FileWriter.
func (w *diskWriter) Size() int64 { return w.size }

// Commit implements driver.FileWriter. What is committed lasts.
func (w *diskWriter) Commit(context.Context) error {
	if err := w.open(); err != nil {
		return err
	}
	if err := w.buffer.Flush(); err != nil {
		return err
	}
	w.ended = "committed"
	return w.f.Sync()
}

// Cancel implements driver.FileWriter.
func (w *diskWriter) Cancel(context.Context) error {
	if w.closed {
		return errors.New("the upload is closed")
	}
	w.closed, w.ended = true, "cancelled"
	if w.f != nil {
		_ = w.f.Close() // it is removed
	}
	return os.Remove(w.name)
}

// Close implements io.Closer. What can be gone on with lasts if it is long.
func (w *diskWriter) Close() error {
	if w.closed {
		return errors.New("the upload is closed")
	}
	w.closed = true
	if w.f == nil { // what is there was kept before
		return nil
	}
	var err error
	if w.ended == "" {
		if err = w.buffer.Flush(); err == nil && w.size >= cheapUpload {
			err = w.f.Sync()
		}
	}
	return errors.Join(err, w.f.Close())
}
