package api

import (
	"net/http"

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
				if !d.Origins.FromOwnPage(r) {
					return errs.New(errs.Denied, "another site's page asks for a change").WithHint("use this server's own pages, or a program")
				}
			}
			return next(c)
		}
	}
}
