package e2e_test

import (
	"testing"

	"github.com/sealock/sealock/e2e/internal/client"
	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
	"github.com/sealock/sealock/e2e/internal/registry"
	"github.com/sealock/sealock/e2e/internal/sealock"
)

// desk is a client machine of a person: docker logs in, and crane pushes and pulls with what docker left behind.
type desk struct {
	*client.Session
	crane client.Driver
}

func newDesk(t *testing.T, server *sealock.Server) *desk {
	t.Helper()
	need.Tool(t, "docker")
	need.Tool(t, "crane")
	return &desk{client.NewSession(t, server.Addr, client.Engines{}), driver(t, "crane")}
}

func driver(t *testing.T, name string) client.Driver {
	t.Helper()
	for _, d := range client.Drivers() {
		if d.Name == name {
			return d
		}
	}
	t.Fatalf("there is no driver %q", name)
	return client.Driver{}
}

// login is docker login. Without an engine, the command itself asks the registry.
func (d *desk) login(user, secret string) client.Output {
	d.T.Helper()
	return d.RunWith(secret, "docker", "login", "--username", user, "--password-stdin", d.Host)
}

// push pushes an image that no registry has seen before.
func (d *desk) push(repository string) client.Output {
	d.T.Helper()
	return d.crane.Push(d.Session, d.ref(repository), unique(repository))
}

// pull pulls what was pushed there.
func (d *desk) pull(repository string) client.Output {
	d.T.Helper()
	_, out := d.crane.Pull(d.Session, d.ref(repository), "")
	return out
}

func (d *desk) ref(repository string) client.Ref {
	return client.Ref{Host: d.Host, Repository: repository, Tag: "1.0.0"}
}

// serve starts a sealock with an embedded registry and these settings, where the administrator is logged in.
func serve(t *testing.T, settings string) *sealock.Server {
	t.Helper()
	return serveAt(t, proc.FreeAddr(t), settings)
}

// serveAt is serve at an address that somebody has to know before.
func serveAt(t *testing.T, addr, settings string) *sealock.Server {
	t.Helper()
	server := sealock.Prepare(t, sealock.Options{Addr: addr, Settings: settings})
	server.Start(t)
	server.LogIn(t)
	return server
}

// serveBefore is serveAt before a stock registry, or for a kind of "" with the embedded one.
func serveBefore(t *testing.T, kind registry.Kind, addr, settings string) (*sealock.Server, *registry.Registry) {
	t.Helper()
	if kind == "" {
		return serveAt(t, addr, settings), nil
	}
	upstream := proc.FreeAddr(t)
	server := sealock.Prepare(t, sealock.Options{Addr: addr, Settings: settings + "registry:\n  url: http://" + upstream + "\n"})
	stock := registry.Start(t, kind, upstream, server.RegistryConfig(t))
	server.Start(t)
	server.LogIn(t)
	return server, stock
}
