// Command cosign is cosign as it is, minus the key services of four clouds.
//
// It runs cosign's own command tree. The stock command links the key management
// clients of AWS, Azure, Google and Vault as well, which the tests never use and
// which take long to build from nothing.
package main

import (
	"log"

	"github.com/sigstore/cosign/v3/cmd/cosign/cli"
)

func main() {
	if err := cli.New().Execute(); err != nil {
		log.Fatalf("error during command execution: %v", err)
	}
}
