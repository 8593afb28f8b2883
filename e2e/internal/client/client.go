// Package client drives real registry clients: docker, skopeo, crane and the others.
//
// It owns how each one is called and what it can't do; what ought to happen then is
// the business of the tests. A driver is a struct of functions: an operation that is
// not set is one that the client does not have, and Cannot says why.
package client

import (
	"testing"

	"github.com/sealock/sealock/e2e/internal/engine"
	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
)

// Output is what a client printed and how it ended.
type Output = proc.Output

// Pulled is what a client says it pulled.
type Pulled struct {
	Digest string
	Dir    string // where it put the files; empty if it has a store of its own
}

// Operation is one thing that is tried with every client at every registry.
type Operation string

// The operations, in the order in which they are tried.
const (
	Login         Operation = "login"
	Push          Operation = "push"
	Pull          Operation = "pull"
	Tags          Operation = "list-tags"
	Catalog       Operation = "catalog"
	Copy          Operation = "copy"
	MountDenied   Operation = "mount-denied"
	WrongPassword Operation = "wrong-password"
	DeniedPush    Operation = "denied-push"
	Narrowed      Operation = "narrowed-scope"
	Anonymous     Operation = "anonymous"
	Expired       Operation = "expired-token"
	RefreshToken  Operation = "refresh-token"
	Restart       Operation = "registry-restart"
	Rotation      Operation = "key-rotation"
	Delete        Operation = "delete"
)

// Driver is how one client is called. Functions that fail return what the user saw.
type Driver struct {
	Name  string
	Tools []string // what has to be installed

	// Login logs in, or leaves user and password in the session where the client
	// keeps none.
	Login func(s *Session, user, pass string) Output
	// Push makes an image that holds content and pushes it.
	Push func(s *Session, ref Ref, content string) Output
	// Pull pulls what is not there yet, and is told the digest that was pushed.
	Pull func(s *Session, ref Ref, digest string) (Pulled, Output)
	// Tags prints the tags of a repository.
	Tags func(s *Session, ref Ref) Output
	// Catalog prints the repositories of the registry.
	Catalog func(s *Session) Output
	// Copy copies what was pushed or pulled before to another repository.
	Copy func(s *Session, src, dst Ref) Output
	// Delete deletes an image.
	Delete func(s *Session, ref Ref, digest string) Output
	// UseToken stores a bearer token that the client is to send as it is.
	UseToken func(s *Session, token string)
	// Remount pushes to dst what was pushed to src before by the same session with
	// other rights, in the way in which the client would try to mount the blobs.
	Remount func(s *Session, src, dst Ref, content string) Output

	// Engine says that the client needs one of the Engines, which run as root.
	Engine bool
	// Signs says that Push signs an image that has to be there already.
	Signs bool
	// LoginIsOffline says that Login only writes a file, and that a wrong password is
	// noticed by the first command that needs it.
	LoginIsOffline bool
	// Deleted says which tag Delete removes; the one of the image if nil.
	Deleted func(ref Ref, digest string) (tag string)

	// Shows says what the user sees when things go wrong.
	Shows Screens
	// Cannot says why an operation is not possible, by design of the client.
	Cannot map[Operation]string
}

// Screens are parts of what a user sees.
type Screens struct {
	WrongPassword string // what goes with a wrong password
	Denied        bool   // the client prints the message of a 403 to a push
}

// Drivers lists all clients.
func Drivers() []Driver {
	return []Driver{
		plainHTTP(),
		docker(), skopeo(), podman(), buildah(), crane(), oras(), helm(), ctr(), regctl(), cosign(),
	}
}

// StartEngines starts the servers that some clients need, once for all tests. Where
// they can't be started, the tests that need them say so.
func StartEngines(t testing.TB) Engines {
	t.Helper()
	var e Engines
	if !need.Has(t, "containerd") {
		return e
	}
	containerd := engine.StartContainerd(t)
	e.Containerd = containerd.Socket
	if need.Has(t, "dockerd") {
		e.DockerHost = engine.StartDocker(t, containerd).Host()
	}
	return e
}
