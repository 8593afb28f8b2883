package embedded

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/sealock/sealock/auth"
)

// stateParameter is where the library keeps what it knows of an upload: signed, in the Location that clients come back with.
const stateParameter = "_state"

// uploadState is the library's (registry/handlers/hmac.go).
type uploadState struct {
	Name      string
	UUID      string
	Offset    int64
	StartedAt time.Time
}

// resumed lets an upload go on that was cut in the middle of a request. The library has kept what had come until then, but the
// client's Location is from before, and the library wants to hear of no upload whose Location tells another length. So one
// that is genuine is made to tell the right one, where the client asks how much there is, or says itself where it goes on:
// what does not fit together then is refused by the library, and what is wrong by its digest.
func (r *Registry) resumed(req *http.Request) *http.Request {
	switch {
	case r.stored == nil: // an object store keeps what it was sent in whole parts
		return req
	case req.Method == http.MethodGet, req.Header.Get("Content-Range") != "", req.Method == http.MethodPut && req.ContentLength == 0:
	default:
		return req
	}
	name, id, ok := uploadOf(req)
	if !ok {
		return req
	}
	query := req.URL.Query()
	state, ok := r.unpack(query.Get(stateParameter))
	if !ok || state.Name != name || state.UUID != id {
		return req
	}
	info, err := os.Stat(r.stored.repositories + state.Name + "/_uploads/" + state.UUID + "/data")
	if err != nil || info.Size() <= state.Offset {
		return req
	}
	state.Offset = info.Size()
	query.Set(stateParameter, r.pack(state))
	return readdressed(req, query)
}

// uploadOf returns the upload that a request is about. They can be parts of a path.
func uploadOf(req *http.Request) (repository, id string, ok bool) {
	rest, under := strings.CutPrefix(req.URL.Path, "/v2/")
	i := strings.LastIndex(rest, "/blobs/uploads/")
	if !under || i < 0 {
		return "", "", false
	}
	repository, id = rest[:i], rest[i+len("/blobs/uploads/"):]
	return repository, id, auth.ValidRepository(repository) && id != "" && !strings.ContainsAny(id, "/.")
}

func readdressed(req *http.Request, query url.Values) *http.Request {
	in, u := *req, *req.URL
	u.RawQuery = query.Encode()
	in.URL, in.RequestURI, in.Form, in.PostForm = &u, u.RequestURI(), nil, nil
	return &in
}

func (r *Registry) mac(message []byte) []byte {
	mac := hmac.New(sha256.New, []byte(r.secret.Reveal()))
	_, _ = mac.Write(message) // it never fails
	return mac.Sum(nil)
}

func (r *Registry) unpack(text string) (s uploadState, ok bool) {
	raw, err := base64.URLEncoding.DecodeString(text)
	if err != nil || len(raw) < sha256.Size || !hmac.Equal(raw[:sha256.Size], r.mac(raw[sha256.Size:])) {
		return s, false
	}
	return s, json.Unmarshal(raw[sha256.Size:], &s) == nil
}

func (r *Registry) pack(s uploadState) string {
	message, _ := json.Marshal(s) // texts, a number and a time that was read from such a message
	return base64.URLEncoding.EncodeToString(append(r.mac(message), message...))
}
