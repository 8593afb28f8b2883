package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed static
var staticFiles embed.FS

const staticPrefix = "/static/"

// static serves the files of the folder under names that hold their hash: a browser may keep them for good.
type static struct {
	files map[string][]byte // by the name with the hash
	urls  map[string]string // by the plain name
}

func newStatic() (static, error) {
	s := static{files: map[string][]byte{}, urls: map[string]string{}}
	entries, err := fs.ReadDir(staticFiles, "static")
	if err != nil {
		return s, err
	}
	for _, e := range entries {
		text, err := staticFiles.ReadFile(path.Join("static", e.Name()))
		if err != nil {
			return s, err
		}
		sum := sha256.Sum256(text)
		ext := path.Ext(e.Name())
		name := strings.TrimSuffix(e.Name(), ext) + "-" + hex.EncodeToString(sum[:8]) + ext
		s.files[name], s.urls[e.Name()] = text, staticPrefix+name
	}
	return s, nil
}

// url returns the path of a file by its plain name.
func (s static) url(name string) (string, error) {
	if u, ok := s.urls[name]; ok {
		return u, nil
	}
	return "", fmt.Errorf("there is no static file %q", name)
}

func (s static) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, staticPrefix)
	text, ok := s.files[name]
	if !ok {
		http.Error(w, "there is no such file", http.StatusNotFound)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "the method is not allowed here", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Etag", `"`+name+`"`)
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(text))
}
