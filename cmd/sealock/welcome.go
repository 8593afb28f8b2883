package main

import (
	"html/template"
	"net/http"

	"github.com/labstack/echo/v4"
)

// welcomePage is what a browser sees at the root until there is a portal: what this is, and what to type.
const welcomePage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>sealock</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem }
pre { padding: 1rem; overflow-x: auto; border: 1px solid color-mix(in srgb, currentColor 25%, transparent); border-radius: .5rem }
</style>
<h1>sealock</h1>
<p>This is a Docker/OCI registry with a token server and projects.</p>
<pre>docker login {{.Host}}
docker tag IMAGE {{.Host}}/PROJECT/NAME:TAG
docker push {{.Host}}/PROJECT/NAME:TAG</pre>
<p>Projects, members and users: <code>sealock login {{.Origin}}</code>, or the REST API at <a href="/api/v2.0/openapi.json">/api/v2.0</a>.</p>
{{if .CA}}<p>The certificate of this server is its own: <a href="/ca.crt">ca.crt</a> goes to <code>/etc/docker/certs.d/{{.Host}}/ca.crt</code>.</p>{{end}}
</html>
`

func (s *system) serveWelcome(c echo.Context) error {
	page, err := template.New("welcome").Parse(welcomePage)
	if err != nil {
		return err
	}
	origin := s.origins.Of(c.Request())
	h := c.Response().Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	c.Response().WriteHeader(http.StatusOK)
	return page.Execute(c.Response(), map[string]any{"Host": origin.Host, "Origin": origin.String(), "CA": s.tlsRoot != nil})
}
