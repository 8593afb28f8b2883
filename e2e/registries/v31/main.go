// Command registry is distribution v3.1.2 as it is, minus what the end-to-end tests never use.
//
// It runs distribution's own command with the drivers of files and S3 and token
// authentication linked in: it collects garbage of what sealock keeps. The stock
// command links the drivers of two more clouds, which doubles the time a build takes
// from nothing.
package main

import (
	"os"

	"github.com/distribution/distribution/v3/registry"
	_ "github.com/distribution/distribution/v3/registry/auth/token"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/s3-aws"
)

func main() {
	if err := registry.RootCmd.Execute(); err != nil {
		os.Exit(1)
	}
}
