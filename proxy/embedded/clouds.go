//go:build !race && !noclouds

package embedded

// The drivers of clouds register themselves. Those that nobody asked for are not linked in. What they bring is not ours to
// watch, and takes minutes to compile: programs with the race detector have files alone. So has who wants it, by the tag noclouds: a
// program of half the size that starts in half the time.
import (
	_ "github.com/distribution/distribution/v3/registry/storage/driver/azure"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/gcs"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/s3-aws"
)
