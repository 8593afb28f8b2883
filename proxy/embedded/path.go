package embedded

import (
	"net/http"
	"strings"

	"github.com/sealock/sealock/auth"
)

// What stands between the repository and the rest in the paths that are not left to the library.
const (
	uploadsInfix   = "/blobs/uploads/"
	manifestsInfix = "/manifests/"
)

// parted returns what stands before and behind the infix in a request's path, if the former can name a repository: it becomes
// a path on the disk. What the latter can be, whoever asks has to look at.
func parted(req *http.Request, infix string) (repository, rest string, ok bool) {
	path, under := strings.CutPrefix(req.URL.Path, "/v2/")
	i := strings.LastIndex(path, infix)
	if !under || i < 0 {
		return "", "", false
	}
	repository, rest = path[:i], path[i+len(infix):]
	return repository, rest, auth.ValidRepository(repository)
}
