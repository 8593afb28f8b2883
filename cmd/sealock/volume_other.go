//go:build !unix

package main

import (
	"github.com/sealock/sealock/api"
	"github.com/sealock/sealock/internal/errs"
)

// volumeOf can't say how large a file system is here.
func volumeOf(string) (api.Volume, error) {
	return api.Volume{}, errs.New(errs.Unsupported, "the room of the data folder is not known on this system").WithHint("ask the system itself")
}
