package e2e_test

import (
	"fmt"
	"testing"

	"github.com/sealock/sealock/e2e/internal/proc"
	"github.com/sealock/sealock/e2e/internal/registry"
	"github.com/sealock/sealock/e2e/internal/sealock"
)

// The people of every row, and what they may do.
const (
	alice         = "alice" // maintains team and other
	alicePassword = "Alice-e2e-12345"
	bob           = "bob" // a guest of team: pulls, and no more
	bobPassword   = "Bob-e2e-1234567"
	adminPassword = sealock.AdminPassword
)

// row is a registry and the way in which sealock stands to it.
type row struct {
	name  string
	title string
	// plugin says that clients reach the registry itself: sealock gives tokens and
	// sees nothing else.
	plugin bool
	kind   registry.Kind // what it is without sealock
	start  func(t *testing.T) *site
	// refuses says which clients do not work with this row at all, and why.
	refuses map[string]refusal
}

// refusal is why a client can't be used with a registry, and what it then says.
type refusal struct{ why, says string }

// site is a row that runs.
type site struct {
	host    string // what clients speak to
	server  *sealock.Server
	restart func(t testing.TB) // of the registry
}

func rows() []row {
	return []row{
		{name: "embedded", title: "the registry inside sealock (distribution 3.1.2)", kind: registry.V31, start: startEmbedded},
		{name: "3.1.2", title: "distribution 3.1.2 behind sealock's front proxy", kind: registry.V31, start: behind(registry.V31)},
		{name: "2.8.2", title: "Debian's docker-registry 2.8.2 behind sealock's front proxy", kind: registry.Debian28, start: behind(registry.Debian28)},
		{name: "plugin-3.1.2", title: "distribution 3.1.2 reached directly, sealock gives the tokens", plugin: true, kind: registry.V31, start: beside(registry.V31), refuses: otherOrigin()},
		{name: "plugin-3.0.0", title: "distribution 3.0.0 reached directly, sealock gives the tokens", plugin: true, kind: registry.V30, start: beside(registry.V30), refuses: otherOrigin()},
		{name: "plugin-2.8.2", title: "Debian's docker-registry 2.8.2 reached directly, sealock gives the tokens", plugin: true, kind: registry.Debian28, start: beside(registry.Debian28), refuses: otherOrigin()},
	}
}

// otherOrigin lists the clients that take no token from a server on another port of a
// private address.
func otherOrigin() map[string]refusal {
	r := refusal{
		why:  "refuses a token server on another port than the registry's when the address is a private one",
		says: "private or link-local",
	}
	return map[string]refusal{"crane": r, "cosign": r}
}

// startEmbedded starts sealock with nothing beside it.
func startEmbedded(t *testing.T) *site {
	t.Helper()
	server := sealock.Prepare(t, sealock.Options{Addr: proc.FreeAddr(t)})
	server.Start(t)
	populate(t, server)
	return &site{host: server.Addr, server: server, restart: server.Restart}
}

// behind returns a start of sealock in front of a stock registry.
func behind(kind registry.Kind) func(t *testing.T) *site {
	return func(t *testing.T) *site {
		t.Helper()
		upstream := proc.FreeAddr(t)
		server := sealock.Prepare(t, sealock.Options{
			Addr: proc.FreeAddr(t), Settings: fmt.Sprintf("registry:\n  url: http://%s\n", upstream),
		})
		stock := registry.Start(t, kind, upstream, server.RegistryConfig(t))
		server.Start(t)
		populate(t, server)
		return &site{host: server.Addr, server: server, restart: stock.Restart}
	}
}

// beside returns a start of sealock as a token server only.
func beside(kind registry.Kind) func(t *testing.T) *site {
	return func(t *testing.T) *site {
		t.Helper()
		server := sealock.Prepare(t, sealock.Options{Addr: proc.FreeAddr(t), Flags: []string{"--only", "auth"}})
		stock := registry.Start(t, kind, proc.FreeAddr(t), server.RegistryConfig(t))
		server.Start(t)
		populate(t, server)
		return &site{host: stock.Addr, server: server, restart: stock.Restart}
	}
}

// populate makes the people and projects. Nobody but the administrator sees vault, and
// calico does not exist.
func populate(t *testing.T, server *sealock.Server) {
	t.Helper()
	server.LogIn(t)
	server.AddUser(t, alice, alicePassword)
	server.AddUser(t, bob, bobPassword)
	server.AddProject(t, "team", alice+":maintainer", bob+":guest")
	server.AddProject(t, "other", alice+":maintainer")
	server.AddProject(t, "vault")
	server.CLI(t, "project", "create", "open", "--public")
	server.CLI(t, "member", "add", "open", alice, "--role", "maintainer")
}
