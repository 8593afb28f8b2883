package api

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/project"
)

// answerFormer answers a request that only reads and names a project by what it was called as if it named it by what it is
// called, as the front door does with pulls, and says where that is. Nothing is told that way which the caller does not see
// under the new name: the request is made again. It reports whether it answered.
func answerFormer(e *echo.Echo, err error, c echo.Context) bool {
	var renamed *project.RenamedError
	r, out := c.Request(), c.Response()
	if !errors.As(err, &renamed) || r.Method != http.MethodGet && r.Method != http.MethodHead || out.Committed {
		return false
	}
	if out.Header().Get(contentLocation) != "" {
		return false // renamed again meanwhile
	}
	now, ok := renamedURL(r.URL, *renamed)
	if !ok {
		return false
	}
	again := r.Clone(r.Context())
	again.URL = now
	out.Header().Set(contentLocation, now.RequestURI())
	e.ServeHTTP(out.Writer, again)
	return true
}

const contentLocation = "Content-Location"

// renamedURL puts a project's new name into the place of the one that it had, in the path or where HEAD asks for it.
func renamedURL(u *url.URL, renamed project.RenamedError) (*url.URL, bool) {
	const before = Prefix + "v2.0/projects/"
	now := *u
	if query := u.Query(); u.Path+"/" == before && query.Get("project_name") == renamed.From {
		query.Set("project_name", renamed.To)
		now.RawQuery = query.Encode()
		return &now, true
	}
	after, ok := strings.CutPrefix(u.EscapedPath(), before)
	name, rest, more := strings.Cut(after, "/")
	if name, err := url.PathUnescape(name); !ok || err != nil || name != renamed.From {
		return nil, false
	}
	path := before + url.PathEscape(renamed.To)
	if more {
		path += "/" + rest
	}
	plain, err := url.PathUnescape(path)
	now.Path, now.RawPath = plain, path
	return &now, err == nil
}
