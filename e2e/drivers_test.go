package e2e_test

import (
	"testing"

	"github.com/sealock/sealock/e2e/internal/client"
	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
	"github.com/sealock/sealock/e2e/internal/registry"
)

// TestDrivers proves the drivers against a registry to which everybody may do
// everything: what fails here is no fault of sealock.
func TestDrivers(t *testing.T) {
	t.Parallel()
	stock := registry.Start(t, registry.V31, proc.FreeAddr(t), "")
	s := &site{host: stock.Addr, restart: stock.Restart}
	engines := client.StartEngines(t)
	bare := row{name: "bare", title: "distribution 3.1.2 without sealock"}
	for _, driver := range client.Drivers() {
		t.Run(driver.Name, func(t *testing.T) {
			for _, tool := range driver.Tools {
				need.Tool(t, tool)
			}
			c := newCell(t, bare, s, driver, engines)
			for _, o := range operations() {
				if bareOperation(o.name) && driver.Cannot[o.name] == "" && (!testing.Short() || everywhere(o.name)) {
					t.Run(string(o.name), func(t *testing.T) {
						c.alice.T = t
						o.try(t, c)
					})
				}
			}
		})
	}
}

// bareOperation reports whether an operation needs no tokens.
func bareOperation(o client.Operation) bool {
	switch o {
	case client.Push, client.Pull, client.Tags, client.Copy, client.Restart, client.Delete:
		return true
	default:
		return false
	}
}
