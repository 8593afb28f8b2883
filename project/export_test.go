package project

import "github.com/sealock/sealock/store"

// Describe lets tests see what is read of a manifest alone.
func Describe(m Manifest) (a store.Artifact, blobs []store.Blob, tag string, err error) {
	d, err := describe(m)
	return d.artifact, d.blobs, d.tag, err
}

// Extra lets tests see what is read of a config alone.
func Extra(kind string, config []byte) []byte { return extra(kind, config) }
