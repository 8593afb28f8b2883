package api

import (
	"embed"
	"net/http"
	"path"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/internal/errs"
)

// The page that shows the document to people. It is all there is of it: nothing is read from anywhere else.
//
//go:embed viewer
var viewerFiles embed.FS

func (h *handlers) GetViewer(c echo.Context) error { return viewerFile(c, "index.html") }

func (h *handlers) GetViewerFile(c echo.Context, name gen.ViewerFile) error {
	return viewerFile(c, name)
}

func viewerFile(c echo.Context, name string) error {
	text, err := viewerFiles.ReadFile(path.Join("viewer", path.Base(name)))
	if err != nil {
		return errs.New(errs.NotFound, "there is no file %s", quoted(name)).WithHint("the page is at /api/docs")
	}
	h := c.Response().Header()
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	// Said here and not by the machine: some have no words for a script.
	kind := map[string]string{".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}[path.Ext(name)]
	return c.Blob(http.StatusOK, kind+"; charset=utf-8", text)
}
