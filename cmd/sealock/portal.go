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
	pages, err := s.webPages()
	if err != nil {
		return nil, err
	}
	return web.New(web.Deps{
		Authn: s.authn, Holders: s.holders, Sessions: s.store, Trail: s.trail, Origins: s.origins, Proxies: s.trusted,
		Tokens: s.service, Log: s.log, Now: time.Now, HasCA: s.tlsRoot != nil,
		SessionIdle: s.cfg.Portal.SessionIdle, SessionAbsolute: s.cfg.Portal.SessionAbsolute,
		Hurdles: s.hurdles(), Pages: pages, Links: s.signInLinks(),
	})
}

// hurdles are what has to be passed after a sign-in, in this order.
func (s *system) hurdles() []web.Hurdle { return nil }

// webPages are the pages besides the portal's own.
func (s *system) webPages() ([]web.Page, error) {
	pages := web.DevicePages(s.devices)
	if len(s.providers) == 0 {
		return pages, nil
	}
	box, err := s.dir.box()
	for _, p := range s.providers {
		pages = append(pages, web.ProviderPages(p, box, time.Now)...)
	}
	return pages, err
}

// signInLinks are the other ways to sign in.
func (s *system) signInLinks() (links []web.Link) {
	for _, p := range s.providers {
		links = append(links, web.ProviderLink(p))
	}
	return links
}

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
