package embedded

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/distribution/distribution/v3"
	"github.com/distribution/distribution/v3/registry/api/errcode"
	"github.com/maypok86/otter/v2"
	"github.com/opencontainers/go-digest"

	"github.com/sealock/sealock/internal/httpx"
	"github.com/sealock/sealock/internal/secret"
)

// uploads begins uploads, and takes those that come whole in one short request: the library makes and removes six files and
// folders for each. The state of an upload that has nothing yet is in the Location that the client has, signed as the library
// signs it, on each replica alike; it becomes the library's files as soon as anything else is done with it.
type uploads struct {
	stored   *stored
	disk     *disk
	incoming string // the folder for what comes
	secret   secret.Text
	log      *slog.Logger
	touched  *otter.Cache[string, struct{}] // uploads that have become files, or are done with
}

const (
	// freshLife is how long an upload can be begun and not gone on with. The library sweeps its own after a week.
	freshLife = 7 * 24 * time.Hour
	// mostTouched is how many uploads are remembered. What has fallen out could be begun again, by who has its Location.
	mostTouched = 10_000
	// leftoverLife is longer than any short request takes.
	leftoverLife = 24 * time.Hour
)

// uploadState is the library's. It comes back with each request of the upload.
type uploadState struct {
	Name      string
	UUID      string
	Offset    int64
	StartedAt time.Time
}

func newUploads(s *stored, root string, key secret.Text, log *slog.Logger) *uploads {
	u := &uploads{
		stored: s, disk: &disk{root: root}, incoming: root + libraryRoot + "/incoming/", secret: key, log: log,
		touched: otter.Must(&otter.Options[string, struct{}]{MaximumSize: mostTouched}),
	}
	u.sweep(time.Now())
	return u
}

// sweep removes what was coming when a process ended.
func (u *uploads) sweep(now time.Time) {
	entries, _ := os.ReadDir(u.incoming) // there may be none yet
	for _, e := range entries {
		if info, err := e.Info(); err == nil && now.Sub(info.ModTime()) > leftoverLife {
			_ = os.Remove(u.incoming + e.Name()) // the next start tries again
		}
	}
}

// serve reports whether it answered a request.
func (u *uploads) serve(w http.ResponseWriter, req *http.Request) bool {
	name, id, ok := parted(req, uploadsInfix)
	if !ok {
		return false
	}
	if id == "" {
		return u.begin(w, req, name)
	}
	state, ok := u.fresh(req, name, id)
	if !ok {
		return false
	}
	if u.take(w, req, state) {
		return true
	}
	u.hand(state)
	return false
}

// origin returns what absolute URLs begin with, if the gate alone has said it.
func origin(req *http.Request) (string, bool) {
	proto := req.Header["X-Forwarded-Proto"]
	if len(proto) != 1 || proto[0] != "http" && proto[0] != "https" || req.Host == "" {
		return "", false
	}
	for _, name := range []string{"Forwarded", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix"} {
		if len(req.Header[name]) > 0 {
			return "", false
		}
	}
	return proto[0] + "://" + req.Host, true
}

// begin answers the start of an upload, unless it asks for more.
func (u *uploads) begin(w http.ResponseWriter, req *http.Request, name string) bool {
	base, ok := origin(req)
	if !ok || req.Method != http.MethodPost || req.URL.RawQuery != "" || req.ContentLength != 0 {
		return false
	}
	state := uploadState{Name: name, UUID: newID(), StartedAt: time.Now().UTC()}
	h := w.Header()
	h.Set(httpx.APIVersionHeader, httpx.APIVersion)
	h.Set("Docker-Upload-Uuid", state.UUID)
	h.Set("Location", base+"/v2/"+name+uploadsInfix+state.UUID+"?"+url.Values{"_state": {u.sign(state)}}.Encode())
	h.Set("Range", "0-0")
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusAccepted)
	return true
}

// newID returns a random UUID (RFC 9562, version 4).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (u *uploads) mac(text []byte) []byte {
	m := hmac.New(sha256.New, []byte(u.secret.Reveal()))
	m.Write(text)
	return m.Sum(nil)
}

func (u *uploads) sign(state uploadState) string {
	text, _ := json.Marshal(state) // strings, a number and a time of this century
	return base64.URLEncoding.EncodeToString(append(u.mac(text), text...))
}

// fresh returns the state of an upload that was begun and has come no further.
func (u *uploads) fresh(req *http.Request, name, id string) (state uploadState, ok bool) {
	values, err := url.ParseQuery(req.URL.RawQuery)
	if err != nil || len(values["_state"]) != 1 {
		return state, false
	}
	signed, err := base64.URLEncoding.DecodeString(values["_state"][0])
	if err != nil || len(signed) < sha256.Size || !hmac.Equal(u.mac(signed[sha256.Size:]), signed[:sha256.Size]) {
		return state, false
	}
	if err := json.Unmarshal(signed[sha256.Size:], &state); err != nil {
		return state, false
	}
	if state.Name != name || state.UUID != id || state.Offset != 0 || time.Since(state.StartedAt) > freshLife {
		return state, false
	}
	if _, was := u.touched.GetIfPresent(id); was {
		return state, false
	}
	_, err = os.Stat(u.folder(state))
	return state, errors.Is(err, fs.ErrNotExist)
}

// folder is where the library keeps an upload.
func (u *uploads) folder(state uploadState) string {
	return u.stored.repositories + state.Name + "/_uploads/" + state.UUID
}

func (u *uploads) touch(state uploadState) { u.touched.Set(state.UUID, struct{}{}) }

// hand makes the upload the library's. Where that fails, the library does not know it, and the client begins anew.
func (u *uploads) hand(state uploadState) {
	if err := u.disk.create(u.folder(state)+"/startedat", []byte(state.StartedAt.Format(time.RFC3339)), false); err != nil {
		u.log.Error("an upload can't be kept", "repository", state.Name, "err", err)
		return
	}
	u.touch(state)
}

// take takes the whole of a short blob, if that is what the request brings.
func (u *uploads) take(w http.ResponseWriter, req *http.Request, state uploadState) bool {
	base, ok := origin(req)
	if !ok || req.Method != http.MethodPut || req.ContentLength <= 0 || req.ContentLength > cheapUpload || len(req.Header["Content-Range"]) > 0 {
		return false
	}
	wanted := req.URL.Query()["digest"]
	if len(wanted) != 1 {
		return false
	}
	sum, ok := sum(wanted[0])
	if !ok {
		return false
	}
	temp, err := u.receive(req, sum)
	if err == nil {
		err = u.keep(state.Name, temp, sum, req.ContentLength)
	}
	if err != nil {
		u.refuse(w, req, state, err)
		return true
	}
	u.touch(state)
	h := w.Header()
	h.Set(httpx.APIVersionHeader, httpx.APIVersion)
	h.Set("Location", base+"/v2/"+state.Name+"/blobs/"+wanted[0])
	h.Set("Docker-Content-Digest", wanted[0])
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusCreated)
	return true
}

// receive writes the body into a file that lasts, and holds it to its digest.
func (u *uploads) receive(req *http.Request, wanted string) (name string, err error) {
	f, err := createIn(u.incoming + rand.Text())
	if err != nil {
		return "", err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			_ = os.Remove(f.Name()) // swept otherwise
		}
	}()
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, hash), req.Body)
	switch {
	case err != nil:
		return "", err
	case n != req.ContentLength:
		return "", io.ErrUnexpectedEOF
	case !bytes.Equal(hash.Sum(nil), unhex(wanted)):
		return "", distribution.ErrBlobInvalidDigest{Digest: digest.Digest(digestPrefix + wanted), Reason: errors.New("content does not match digest")}
	}
	return f.Name(), f.Sync()
}

func unhex(s string) []byte {
	b, _ := hex.DecodeString(s) // it was looked at
	return b
}

// keep gives content its name and links it to the repository, in the library's way: what is there already stays.
func (u *uploads) keep(repository, temp, sum string, size int64) error {
	blob := u.stored.blob(sum)
	if sized(blob, size) {
		_ = os.Remove(temp) //nolint:gosec // made here; swept otherwise
	} else if err := move(temp, blob); err != nil {
		return errors.Join(err, os.Remove(temp)) //nolint:gosec // names that the gate lets in
	}
	return u.disk.create(u.stored.link(repository, layersFolder, sum), []byte(digestPrefix+sum), true)
}

// move renames a file into a folder that may not be there.
func move(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil { //nolint:gosec // less the umask, as the library has it
		return err
	}
	return os.Rename(from, to) //nolint:gosec // names that the gate lets in
}

// refuse answers as the library does. After a wrong digest the upload is over; after anything else it has as much as before,
// which is nothing.
func (u *uploads) refuse(w http.ResponseWriter, req *http.Request, state uploadState, err error) {
	w.Header().Set(httpx.APIVersionHeader, httpx.APIVersion)
	if wrong, ok := errors.AsType[distribution.ErrBlobInvalidDigest](err); ok {
		u.touch(state)
		_ = errcode.ServeJSON(w, errcode.ErrorCodeDigestInvalid.WithDetail(wrong)) // nobody else can be told
		return
	}
	if req.Context().Err() != nil {
		w.WriteHeader(499) // the client has gone, and the log says so
		return
	}
	u.log.Error("a blob can't be kept", "repository", state.Name, "err", err)
	_ = errcode.ServeJSON(w, errcode.ErrorCodeUnknown.WithDetail(err.Error())) // nobody else can be told
}
