package main

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/web"
)

// newPortal puts the web pages together.
func (s *system) newPortal() (*web.Portal, error) {
	return web.New(web.Deps{
		Authn: s.signIn, Holders: s.holders, Sessions: s.store, Trail: s.trail, Origins: s.origins, Proxies: s.trusted,
		Tokens: s.service, Log: s.log, Now: time.Now, HasCA: s.tlsRoot != nil,
		SessionIdle: s.runtime.SessionIdle, SessionAbsolute: s.cfg.Portal.SessionAbsolute,
		Hurdles: s.hurdles(), Pages: s.webPages(), Links: s.signInLinks(),
	})
}

// hurdles are what has to be passed after a sign-in, in this order.
func (s *system) hurdles() []web.Hurdle { return []web.Hurdle{s.secondFactor()} }

// webPages are the pages besides the portal's own.
func (s *system) webPages() []web.Page {
	pages := slices.Concat(web.DevicePages(s.devices), s.secondFactor().Pages())
	for _, p := range s.providers {
		pages = append(pages, web.ProviderPages(p, s.box, time.Now)...)
	}
	return pages
}

// signInLinks are the other ways to sign in.
func (s *system) signInLinks() (links []web.Link) {
	for _, p := range s.providers {
		links = append(links, web.ProviderLink(p))
	}
	for _, origin := range s.origins.List() {
		if s.factors.PasskeysAt(origin.String()) {
			return append(links, s.secondFactor().Link())
		}
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
