// Package objectstore starts servers that registries keep images in: each speaks the API of one cloud.
//
// It owns their buckets and their credentials, and writes the block storage: with which a registry finds them.
package objectstore

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
)

// Store is a server with an empty bucket.
type Store struct {
	Addr   string
	Driver string            // the name of distribution's driver
	Values map[string]string // what it is given, as YAML; the secret is among them
	Secret string            // the key in Values that holds the secret
	Env    []string          // without which the driver does not find it

	process *proc.Process
}

// SecretKey is what a store lets in.
const SecretKey = "c2VhbG9jay1lMmUtc2VjcmV0" //nolint:gosec // of a server that lives as long as the test

// WrongKey is what no store lets in, and nobody may read anywhere.
const WrongKey = "d3Jvbmctd3JvbmctY2FuYXJ5" // it opens nothing

// bucket is the bucket or container in each store.
const bucket = "images"

// Block returns the block storage: as text, indented, with more lines at its end.
func (s *Store) Block(indent string, more ...string) string {
	text := indent + "storage:\n" + indent + "  " + s.Driver + ":\n"
	for key, value := range s.Values {
		text += indent + "    " + key + ": " + value + "\n"
	}
	for _, line := range more {
		text += indent + "  " + line + "\n"
	}
	return text
}

// With returns the store as somebody knows it who has another value.
func (s *Store) With(key, value string) *Store {
	other := &Store{Addr: s.Addr, Driver: s.Driver, Secret: s.Secret, Values: map[string]string{}}
	for k, v := range s.Values {
		other.Values[k] = v
	}
	other.Values[key] = value
	return other
}

// Stop ends the server.
func (s *Store) Stop() { s.process.Stop() }

// S3 starts versitygw, an S3 server over a folder.
func S3(t testing.TB) *Store {
	t.Helper()
	dir, addr := proc.Dir(t), proc.FreeAddr(t)
	data, meta := filepath.Join(dir, "data"), filepath.Join(dir, "meta")
	for _, folder := range []string{filepath.Join(data, bucket), meta} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatalf("making a bucket: %v", err)
		}
	}
	process := proc.Start(t, proc.Server{
		Name: "versitygw",
		Args: []string{need.Tool(t, "versitygw"), "--port", addr, "--quiet", "--keep-alive", "posix", "--sidecar", meta, data},
		Env:  []string{"ROOT_ACCESS_KEY=sealock", "ROOT_SECRET_KEY=" + SecretKey, "HOME=" + dir}, Dir: dir, Ready: proc.Dials(addr),
	})
	return &Store{Addr: addr, Driver: "s3", Secret: "secretkey", process: process, Values: map[string]string{
		"accesskey": "sealock", "secretkey": SecretKey, "region": "us-east-1", "regionendpoint": "http://" + addr,
		"bucket": bucket, "forcepathstyle": "true", "secure": "false",
	}}
}

// Azure starts Azurite, the emulator of Azure's blobs. Its account is the one that every Azurite has.
func Azure(t testing.TB) *Store {
	t.Helper()
	dir, addr := proc.Dir(t), proc.FreeAddr(t)
	var host, port string
	if _, err := fmt.Sscanf(addr, "127.0.0.1:%s", &port); err == nil {
		host = "127.0.0.1"
	}
	process := proc.Start(t, proc.Server{
		Name: "azurite",
		Args: []string{need.Tool(t, "azurite-blob"), "--blobHost", host, "--blobPort", port, "--location", dir, "--skipApiVersionCheck", "--silent"},
		Env:  []string{"AZURITE_ACCOUNTS=sealock:" + SecretKey, "HOME=" + dir, "PATH=" + need.Path()}, Dir: dir, Ready: proc.Dials(addr),
	})
	s := &Store{Addr: addr, Driver: "azure", Secret: "accountkey", process: process, Values: map[string]string{ //nolint:gosec // as long as the test
		"accountname": "sealock", "accountkey": SecretKey, "container": bucket, "serviceurl": "http://" + addr + "/sealock",
		"credentials": "{type: shared_key}",
	}}
	s.makeContainer(t)
	return s
}
