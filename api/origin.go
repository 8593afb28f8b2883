package api

import (
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/internal/errs"
)

// ownSite refuses changes that another web site's page asks for: a browser that was once asked for a password sends it
// along by itself. Programs send neither header.
func ownSite(d Deps) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			switch r := c.Request(); r.Method {
			case http.MethodGet, http.MethodHead, http.MethodOptions:
			default:
				if !d.fromOwnSite(r) {
					return errs.New(errs.Denied, "another site's page asks for a change").WithHint("use this server's own pages, or a program")
				}
			}
			return next(c)
		}
	}
}

// fromOwnSite reads what browsers say about where a request comes from (Fetch Metadata; RFC 6454 section 7).
func (d Deps) fromOwnSite(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
	default:
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host == d.Origins.Of(r).Host
}
