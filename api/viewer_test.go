package api_test

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestViewer fetches all that the page names, as a browser does, and wants it to be on the server that the page came from:
// the page works where there is no internet. The policy that the page comes with forbids everything else.
func TestViewer(t *testing.T) {
	w := newWorld(t)
	const start = "/api/docs"
	named := regexp.MustCompile(`(?:src|href|action|data-[a-z]+)="([^"#]+)"|url\(["']?([^"')]+)|@import ["']([^"']+)|(?:fetch|import|Worker|XMLHttpRequest)\(["'` + "`]([^\"'`]+)")
	seen, left := map[string]string{}, []string{start}
	for len(left) > 0 {
		at := left[0]
		left = left[1:]
		if _, done := seen[at]; done {
			continue
		}
		a := w.send("GET", at, "")
		w.want(a, 200, "GET %s", at)
		seen[at] = a.header.Get("Content-Type")
		if !strings.HasPrefix(at, start) {
			continue // the document, which names what it likes
		}
		if csp := a.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") ||
			!strings.Contains(csp, "frame-ancestors 'none'") || a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("GET %s has the headers %v, want a policy that lets nothing in from elsewhere", at, a.header)
		}
		if foreign := regexp.MustCompile(`(?:https?:)?//[a-z0-9-]+\.[a-z]+`).FindString(strings.ReplaceAll(a.body, "http://www.w3.org/2000/svg", "")); foreign != "" {
			t.Errorf("GET %s names %s, want nothing outside", at, foreign)
		}
		if inline := regexp.MustCompile(`(?i)<style|<script(?:>|[^>]*[^"]>)|\sstyle=|\son[a-z]+=|javascript:|innerHTML|insertAdjacentHTML|document\.write|\beval\(`).FindString(a.body); inline != "" && !strings.Contains(inline, "defer>") {
			t.Errorf("GET %s holds %q, which the policy forbids or which runs what it shows", at, inline)
		}
		for _, found := range named.FindAllStringSubmatch(a.body, -1) {
			link, err := url.Parse(strings.Join(found[1:], ""))
			must(t, link, err)
			if link.IsAbs() || link.Host != "" {
				t.Errorf("GET %s names %s, want what is on this server", at, link)
			} else if strings.HasPrefix(link.Path, "/api/") { // "/" is the portal's
				left = append(left, link.Path)
			}
		}
	}
	for path, want := range map[string]string{
		start: "text/html", "/api/docs/viewer.js": "text/javascript", "/api/docs/viewer.css": "text/css", "/api/docs/viewer.svg": "image/svg+xml", "/api/v2.0/openapi.json": "application/json",
	} {
		if !strings.HasPrefix(seen[path], want) {
			t.Errorf("%s, which the page needs, is %q, want %s", path, seen[path], want)
		}
	}
	if css := w.send("GET", "/api/docs/viewer.css", "").body; !strings.Contains(css, "color-scheme: light dark") || !strings.Contains(css, "light-dark(") {
		t.Error("the page has one look, want one for light and one for dark")
	}
	for _, none := range []string{"nothing.js", "..%2Fviewer.go", "..%2f..%2fapi.go", "viewer", ".", "%00"} {
		if a := w.send("GET", "/api/docs/"+none, ""); !slices.Contains([]int{400, 404}, a.status) {
			t.Errorf("GET /api/docs/%s = %d, want nothing", none, a.status)
		}
	}
}
