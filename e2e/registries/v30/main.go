// Command registry is distribution v3.0.0 as it is, minus what the end-to-end tests never use.
//
// It runs distribution's own command with the filesystem driver and token
// authentication linked in. The stock command links the drivers of three clouds
// as well, which more than doubles the time a build takes from nothing.
package main

import (
	"os"

	"github.com/distribution/distribution/v3/registry"
	_ "github.com/distribution/distribution/v3/registry/auth/token"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
)

func main() {
	if err := registry.RootCmd.Execute(); err != nil {
		os.Exit(1)
	}
}
