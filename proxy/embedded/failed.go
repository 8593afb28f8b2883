package embedded

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/sealock/sealock/internal/errs"
)

// failWriter keeps back what the library says when it fails: it names files, or repeats what an object store said. The log
// has it.
type failWriter struct {
	http.ResponseWriter

	body   *watchedBody
	failed bool
	said   bytes.Buffer
}

// watchedBody remembers that reading from the client failed, so that the disk is not blamed for it.
type watchedBody struct {
	io.ReadCloser

	broken bool
}

// Read implements io.Reader.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.broken = b.broken || err != nil && !errors.Is(err, io.EOF)
	return n, err
}

// maxSaid is as much of the library's words as is looked at, in bytes.
const maxSaid = 4 << 10

// WriteHeader implements http.ResponseWriter.
func (w *failWriter) WriteHeader(status int) {
	if w.failed = w.failed || status == http.StatusInternalServerError; !w.failed {
		w.ResponseWriter.WriteHeader(status)
	}
}

// Write implements http.ResponseWriter.
func (w *failWriter) Write(p []byte) (int, error) {
	if !w.failed {
		return w.ResponseWriter.Write(p)
	}
	if w.said.Len() < maxSaid {
		w.said.Write(p)
	}
	return len(p), nil
}

// Unwrap lets [http.ResponseController] reach what is below.
func (w *failWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// failure is what the client is told in place of the library's words.
func (r *Registry) failure(w *failWriter) (err *errs.Error, full bool) {
	switch {
	case w.body.broken:
		return errs.New(errs.Invalid, "the request's body ended early").WithHint("send it again").WithCode("BLOB_UPLOAD_INVALID"), false
	case !r.inFiles():
		err = errs.New(errs.Unavailable, "the registry's storage can't be used at the moment").WithHint("try again; if it stays, its administrator finds the cause in the log")
		err.After = storeAfter
		return err, false
	}
	for _, words := range []string{"no space left on device", "disk quota exceeded", "file too large"} {
		if strings.Contains(w.said.String(), words) {
			err = errs.New(errs.Unavailable, "the registry's disk is full").WithHint("push again when its administrator has made room; what is there can be pulled")
			err.After = fullAfter
			return err, true
		}
	}
	return errs.New(errs.Unavailable, "the registry can't read or write what it stores").
		WithHint("try again in a moment; if it stays, its administrator finds the cause in the log"), false
}

// storeAfter is when it is worth to ask an object store again.
const storeAfter = 5 * time.Second

// fullAfter is when it is worth to try again on a disk that is full.
const fullAfter = time.Minute

// fail answers in place of the library. What has come of an upload that filled the disk is removed: nobody could go on with it, and
// it would stand in the way of others for days.
func (r *Registry) fail(w *failWriter, req *http.Request) {
	err, full := r.failure(w)
	if name, id, ok := uploadOf(req); full && ok {
		// On a full disk the library leaves the file open until it is collected: removed alone, it would go on taking its room.
		_ = os.Truncate(r.stored.repositories+name+"/_uploads/"+id+"/data", 0)
		_ = r.driver.Delete(context.WithoutCancel(req.Context()), repositoriesRoot+"/"+name+"/_uploads/"+id) // if not, the library sweeps it
	}
	for _, name := range []string{"Location", "Range", "Docker-Upload-UUID", "Docker-Content-Digest"} {
		w.Header().Del(name)
	}
	r.errors.WriteRegistry(w.ResponseWriter, req, err)
}

// uploadOf returns the upload that a request is about. Both parts can be parts of a path on the disk.
func uploadOf(req *http.Request) (repository, id string, ok bool) {
	repository, id, ok = parted(req, uploadsInfix)
	return repository, id, ok && id != "" && !strings.ContainsAny(id, "/.")
}
