package e2e_test

import (
	"fmt"
	"testing"

	"github.com/sealock/sealock/e2e/internal/fixture"
	"github.com/sealock/sealock/e2e/internal/proc"
	"github.com/sealock/sealock/e2e/internal/registry"
	"github.com/sealock/sealock/e2e/internal/sealock"
	"github.com/sealock/sealock/e2e/internal/wire"
)

// TestSigning tries every way to sign that a registry takes: the registry is set up
// with nothing but what sealock registry-config prints. EdDSA is for registries 3.x, a
// JWKS file as well.
func TestSigning(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		algorithm, header string
		kind              registry.Kind
	}{
		{"ES256", "kid", registry.V30},
		{"ES256", "kid", registry.V31},
		{"RS256", "x5c", registry.Debian28},
		{"RS256", "x5c", registry.V30},
		{"RS256", "x5c", registry.V31},
		{"RS256", "kid", registry.V30},
		{"RS256", "kid", registry.V31},
		{"EdDSA", "x5c", registry.V30},
		{"EdDSA", "x5c", registry.V31},
		{"EdDSA", "kid", registry.V30},
		{"EdDSA", "kid", registry.V31},
	} {
		t.Run(fmt.Sprintf("%s/%s/%s", row.algorithm, row.header, row.kind), func(t *testing.T) {
			t.Parallel()
			signsFor(t, row.algorithm, row.header, row.kind)
		})
	}
}

// signsFor pushes and pulls an image at a registry that trusts sealock's tokens.
func signsFor(t *testing.T, algorithm, header string, kind registry.Kind) {
	t.Helper()
	server := sealock.Prepare(t, sealock.Options{
		Addr: proc.FreeAddr(t), Flags: []string{"--only", "auth"},
		Settings: fmt.Sprintf("token:\n  algorithm: %s\n  key_header: %s\n", algorithm, header),
	})
	var flags []string
	if header == "kid" {
		flags = append(flags, "--jwks")
	}
	stock := registry.Start(t, kind, proc.FreeAddr(t), server.RegistryConfig(t, flags...))
	server.Start(t)
	server.LogIn(t)
	server.AddProject(t, "team")

	content := unique("signing")
	image, err := fixture.NewImage(content)
	if err != nil {
		t.Fatalf("making an image: %v", err)
	}
	w := wire.New(stock.Addr, "admin", adminPassword)
	if err := w.Push("team/signing", "1.0.0", image); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Check("team/signing", "1.0.0", content); err != nil {
		t.Error(err)
	}
	// A key set holds the key that comes next as well.
	server.RotateKeys(t)
	if _, err := w.Check("team/signing", "1.0.0", content); err != nil {
		t.Errorf("after the key was changed once: %v", err)
	}
}
