package main

import (
	"regexp"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/web"
)

// newPortal puts the web pages together.
func (s *system) newPortal() (*web.Portal, error) {
	return web.New(web.Deps{
		Authn: s.authn, Holders: s.holders, Sessions: s.store, Trail: s.trail, Origins: s.origins, Proxies: s.trusted,
		Log: s.log, Now: time.Now, HasCA: s.tlsRoot != nil,
		SessionIdle: s.cfg.Portal.SessionIdle, SessionAbsolute: s.cfg.Portal.SessionAbsolute,
		Hurdles: s.hurdles(), Pages: s.webPages(), Links: s.signInLinks(),
	})
}

// hurdles are what has to be passed after a sign-in, in this order.
func (s *system) hurdles() []web.Hurdle { return nil }

// webPages are the pages besides the portal's own.
func (s *system) webPages() []web.Page { return web.DevicePages(s.devices) }

// signInLinks are the other ways to sign in.
func (s *system) signInLinks() []web.Link { return nil }

// routePortal mounts the pages.
func routePortal(e *echo.Echo, p *web.Portal) {
	for _, path := range p.Paths() {
		e.Any(echoPath(path), echo.WrapHandler(p))
	}
}

// echoPath writes a pattern of http.ServeMux as echo does.
func echoPath(pattern string) string {
	pattern = strings.TrimSuffix(pattern, "{$}")
	if pattern != "/" && strings.HasSuffix(pattern, "/") {
		pattern += "*"
	}
	return regexp.MustCompile(`\{(\w+)\}`).ReplaceAllString(pattern, ":$1")
}
