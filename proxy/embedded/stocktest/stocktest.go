// Package stocktest owns a stock registry for tests: the one that other people run, which verifies tokens itself, and
// the router with which it reads requests. Nothing but tests imports it.
package stocktest

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/distribution/distribution/v3/configuration"
	v2 "github.com/distribution/distribution/v3/registry/api/v2"
	_ "github.com/distribution/distribution/v3/registry/auth/token" // registers the access controller that is named below
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"          // registers the driver that is named below
	_ "github.com/distribution/distribution/v3/registry/storage/driver/middleware/redirect" // registers the middleware that is named below
	"github.com/gorilla/mux"
	"github.com/sirupsen/logrus"
)

// Config says where the registry keeps things and whose tokens it takes.
type Config struct {
	Root           string
	Realm          string
	Service        string
	Issuer         string
	RootCertBundle string // a file
	RedirectTo     string // the base of the URLs where clients are sent for blobs; "" for nowhere
}

// New returns the registry and what ends its background work.
func New(ctx context.Context, c Config) (h http.Handler, shutdown func() error, err error) {
	cfg := &configuration.Configuration{
		Version: configuration.CurrentVersion,
		Storage: configuration.Storage{"filesystem": {"rootdirectory": c.Root}, "delete": {"enabled": true}},
		Auth: configuration.Auth{"token": {
			"realm": c.Realm, "service": c.Service, "issuer": c.Issuer, "rootcertbundle": c.RootCertBundle,
		}},
	}
	if c.RedirectTo != "" {
		cfg.Middleware = map[string][]configuration.Middleware{"storage": {{Name: "redirect", Options: configuration.Parameters{"baseurl": c.RedirectTo}}}}
	}
	cfg.HTTP.Secret, cfg.Catalog.MaxEntries, cfg.Tags.MaxTags = "stock", 1000, 1000
	logrus.SetOutput(io.Discard)
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("starting stock registry: %v", p)
		}
	}()
	app := handlers.NewApp(ctx, cfg)
	return app, app.Shutdown, nil
}

// Router reads requests as a stock registry does.
type Router struct{ mux *mux.Router }

// NewRouter returns the router of API v2.
func NewRouter() Router { return Router{v2.RouterWithPrefix("")} }

// Read returns the repository and the last part that a stock registry finds in the request, and whether it has a route.
func (r Router) Read(req *http.Request) (repository, reference string, ok bool) {
	var m mux.RouteMatch
	if !r.mux.Match(req, &m) || m.Route == nil {
		return "", "", false
	}
	return m.Vars["name"], m.Vars["reference"] + m.Vars["digest"] + m.Vars["uuid"], true
}
