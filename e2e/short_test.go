package e2e_test

import (
	"slices"
	"testing"

	"github.com/sealock/sealock/e2e/internal/client"
)

// everywhere reports whether an operation is tried with every client at every registry, even in the short form: these
// are the ones in which client and registry speak most to each other. The others hang on one of the two.
func everywhere(o client.Operation) bool {
	return slices.Contains([]client.Operation{client.Login, client.Push, client.Pull}, o)
}

// inShort reports whether the short form of the table has a cell. Every client does all it can at one registry behind
// the front proxy and at one that is reached directly; the registries take turns. The client http, which costs next to
// nothing, does everything everywhere.
func inShort(registry, name string, o client.Operation) bool {
	if everywhere(o) || name == "http" {
		return true
	}
	turn := slices.IndexFunc(client.Drivers(), func(d client.Driver) bool { return d.Name == name })
	for _, plugin := range []bool{false, true} {
		alike := slices.DeleteFunc(rows(), func(r row) bool { return r.plugin != plugin })
		if alike[turn%len(alike)].name == registry {
			return true
		}
	}
	return false
}

// TestShortForm wants the short form to leave out no client, no operation and no registry, in any pair of the three.
func TestShortForm(t *testing.T) {
	t.Parallel()
	tried := map[[2]string]bool{}
	for _, r := range rows() {
		for _, d := range client.Drivers() {
			for _, o := range operations() {
				if _, refuses := r.refuses[d.Name]; !refuses && d.Cannot[o.name] == "" && inShort(r.name, d.Name, o.name) {
					tried[[2]string{r.name, d.Name}] = true
					tried[[2]string{r.name, string(o.name)}] = true
					tried[[2]string{reached(r) + d.Name, string(o.name)}] = true
				}
			}
		}
	}
	for _, r := range rows() {
		for _, d := range client.Drivers() {
			_, refuses := r.refuses[d.Name]
			for _, o := range operations() {
				if refuses || d.Cannot[o.name] != "" {
					continue
				}
				for _, pair := range [][2]string{{r.name, d.Name}, {r.name, string(o.name)}, {reached(r) + d.Name, string(o.name)}} {
					if !tried[pair] {
						t.Errorf("short form: %s with %s is never tried", pair[0], pair[1])
					}
				}
			}
		}
	}
}

// reached says how clients reach a registry, as a prefix.
func reached(r row) string {
	if r.plugin {
		return "directly, "
	}
	return "through the front proxy, "
}
