package embedded

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/sealock/sealock/internal/httpx"
)

// What follows answers reads straight from the files of the library, in its words: without the library's detour of routes,
// contexts and log entries for each request, and with the kernel sending a blob's file. It answers nothing but what it
// has seen to be all right; for everything else it leaves the request to the library, refusals too.

// stored answers for the library from its files. It keeps nothing that a file could contradict: a tag's link is read and
// a revision's looked for each time, so that what is deleted, overwritten or collected, here or by another replica on
// the same files, counts at once. What it remembers is content by its digest.
type stored struct {
	repositories string // the folder
	blobs        string // the folder of SHA-256 blobs
	manifests    *otter.Cache[string, *manifest]
}

// manifest is a small one that the library has answered with before, with the headers that go with it. It is shared
// and never changed.
type manifest struct {
	digest    string
	mediaType []string
	etag      []string
	length    []string
	named     []string // Docker-Content-Digest
	body      []byte
}

const (
	// maxHot is the size of a manifest from which on it is not remembered, and hotMemory how much is, in bytes.
	maxHot    = 256 << 10
	hotMemory = 8 << 20
	// linkSize is the size of a file that names a SHA-256 digest and nothing else.
	linkSize = int64(len(digestPrefix) + 2*sha256.Size)
	// linkMax is more than any link has.
	linkMax = 256

	digestPrefix = "sha256:"
)

func newStored(root string) *stored {
	return &stored{
		repositories: root + repositoriesRoot + "/",
		blobs:        root + libraryRoot + "/blobs/sha256/",
		manifests: otter.Must(&otter.Options[string, *manifest]{
			MaximumWeight: hotMemory,
			Weigher:       func(_ string, m *manifest) uint32 { return uint32(len(m.body)) + 1024 }, //nolint:gosec // no longer than maxHot
		}),
	}
}

// sum returns the part of a SHA-256 digest behind the colon.
func sum(digest string) (string, bool) {
	s, ok := strings.CutPrefix(digest, digestPrefix)
	if !ok || len(s) != 2*sha256.Size {
		return "", false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return "", false
		}
	}
	return s, true
}

// blob is where the content of a digest is.
func (s *stored) blob(sum string) string { return s.blobs + sum[:2] + "/" + sum + "/data" }

// linked reports whether the repository has the content: whether there is a link to it, in the folder of its kind. A link is
// named like what it leads to; one of another size is something else.
func (s *stored) linked(repository, kind, sum string) bool {
	return sized(s.link(repository, kind, sum), linkSize)
}

func (s *stored) link(repository, kind, sum string) string {
	return s.repositories + repository + "/" + kind + "/sha256/" + sum + "/link"
}

const (
	layersFolder    = "_layers"
	revisionsFolder = manifestsFolder + "/revisions"
)

// tagged returns the digest that a tag stands for, as far as its link can be read.
func (s *stored) tagged(repository, tag string) string {
	link, _ := readLink(s.repositories + repository + "/" + manifestsFolder + "/tags/" + tag + "/current/link")
	return link
}

// ServeBlob implements proxy.Straight.
func (r *Registry) ServeBlob(w http.ResponseWriter, req *http.Request, repository, digest string) bool {
	sum, ok := sum(digest)
	if !ok || r.stored == nil || !r.stored.linked(repository, layersFolder, sum) {
		return false
	}
	f, err := os.Open(r.stored.blob(sum))
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	h := w.Header()
	h[httpx.APIVersionHeader] = []string{httpx.APIVersion}
	h["Etag"] = []string{`"` + digest + `"`}
	h["Cache-Control"] = []string{"max-age=31536000"}
	h["Docker-Content-Digest"] = []string{digest}
	h["Content-Type"] = []string{"application/octet-stream"}
	// No Content-Length: the library sets it here, and its answers to a condition that fails are then cut short.
	http.ServeContent(w, req, "", time.Time{}, f)
	return true
}

// ServeManifest implements proxy.Straight.
func (r *Registry) ServeManifest(w http.ResponseWriter, req *http.Request, repository, reference string) (status int, digest string, err error) {
	if r.stored == nil {
		return 0, "", nil
	}
	digest, byTag := reference, false
	if !strings.Contains(reference, ":") {
		digest, byTag = r.stored.tagged(repository, reference), true
	}
	m, ok := r.stored.manifests.GetIfPresent(digest)
	if !ok || !m.suits(req.Header, byTag) {
		return 0, "", nil
	}
	sum, ok := sum(m.digest)
	if !ok || !r.stored.linked(repository, revisionsFolder, sum) {
		return 0, "", nil
	}
	if !sized(r.stored.blob(sum), int64(len(m.body))) { // it may have been collected
		return 0, "", nil
	}
	status, err = m.send(w, req)
	return status, m.digest, err
}

// send answers with the manifest.
func (m *manifest) send(w http.ResponseWriter, req *http.Request) (status int, err error) {
	h := w.Header()
	h[httpx.APIVersionHeader] = []string{httpx.APIVersion}
	for _, known := range req.Header["If-None-Match"] { // one value for each header, quoted or not, as the library has it
		if known == m.digest || known == m.etag[0] {
			w.WriteHeader(http.StatusNotModified)
			return http.StatusNotModified, nil
		}
	}
	h["Content-Type"], h["Content-Length"], h["Docker-Content-Digest"], h["Etag"] = m.mediaType, m.length, m.named, m.etag
	w.WriteHeader(http.StatusOK)
	if req.Method != http.MethodHead {
		_, err = w.Write(m.body)
	}
	return http.StatusOK, err
}

// Media types of manifests.
const (
	typeOCI    = "application/vnd.oci.image.manifest.v1+json"
	typeIndex  = "application/vnd.oci.image.index.v1+json"
	typeDocker = "application/vnd.docker.distribution.manifest.v2+json"
	typeList   = "application/vnd.docker.distribution.manifest.list.v2+json"
)

// suits reports whether the client is sure to get the manifest from the library. It reads Accept less well than the
// library does, and is in doubt about what has parameters.
func (m *manifest) suits(h http.Header, byTag bool) bool {
	own := m.mediaType[0]
	if own == typeDocker || own == typeList && !byTag {
		return true
	}
	for _, line := range h["Accept"] {
		for accepted := range strings.SplitSeq(line, ",") {
			if strings.TrimSpace(accepted) == own {
				return true
			}
		}
	}
	return false
}

// learn remembers what the library has just answered with, after a look at the content: nothing is believed that has not
// the digest.
func (s *stored) learn(h http.Header) {
	mediaType, digest := h.Get("Content-Type"), h.Get("Docker-Content-Digest")
	switch mediaType {
	case typeOCI, typeIndex, typeDocker, typeList:
	default:
		return
	}
	size, err := strconv.Atoi(h.Get("Content-Length"))
	wanted, ok := sum(digest)
	if err != nil || !ok || size > maxHot || h.Get("Etag") != `"`+digest+`"` {
		return
	}
	if _, known := s.manifests.GetIfPresent(digest); known {
		return
	}
	body, err := os.ReadFile(s.blob(wanted))
	if err != nil || len(body) != size {
		return
	}
	if found := sha256.Sum256(body); hex.EncodeToString(found[:]) != wanted {
		return
	}
	s.manifests.Set(digest, &manifest{
		digest: digest, body: body, mediaType: []string{mediaType}, etag: []string{`"` + digest + `"`},
		length: []string{strconv.Itoa(size)}, named: []string{digest},
	})
}
