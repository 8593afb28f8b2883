package transport

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// unixPrefix marks an address as the path of a unix socket.
const unixPrefix = "unix:"

// UnixPath returns the path of an address that is a unix socket's.
func UnixPath(address string) (path string, ok bool) { return strings.CutPrefix(address, unixPrefix) }

// Socket is where connections come in. It can be handed to another process.
type Socket struct {
	net.Listener
	address string
	foreign bool // systemd opened it, and will need it
}

// Listen opens host:port or unix:path, or takes over the socket on which the process before listened there, or that systemd
// opened there. A unix socket that is opened gets the mode.
func Listen(ctx context.Context, address string, mode fs.FileMode, legacy *Legacy) (*Socket, error) {
	l, foreign, err := legacy.socket(address)
	if l == nil && err == nil {
		l, err = open(ctx, address, mode)
	}
	if err != nil {
		return nil, err
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // another process may have it then; Remove is for the last one
		l = asLoopback{u}
	}
	return &Socket{Listener: l, address: address, foreign: foreign}, nil
}

func open(ctx context.Context, address string, mode fs.FileMode) (net.Listener, error) {
	var lc net.ListenConfig
	path, ok := UnixPath(address)
	if !ok {
		return lc.Listen(ctx, "tcp", address)
	}
	if err := removeStale(ctx, path); err != nil {
		return nil, err
	}
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// removeStale removes a socket that a process left behind when it was killed. One that answers is in use.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&fs.ModeSocket == 0 {
		return nil //nolint:nilerr // listening says what is wrong
	}
	c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", path)
	if err == nil {
		_ = c.Close() // that it answers is enough
		return &net.OpError{Op: "listen", Net: "unix", Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return nil
	}
	return os.Remove(path)
}

func socketName(address string, foreign bool) string {
	if foreign {
		return "foreign socket " + address
	}
	return "socket " + address
}

// Bequest returns a copy of the socket for another process.
func (s *Socket) Bequest() (Bequest, error) {
	l := s.Listener
	if u, ok := l.(asLoopback); ok {
		l = u.UnixListener
	}
	conn, ok := l.(syscall.Conn)
	if !ok {
		return Bequest{}, fmt.Errorf("a listener of type %T can't be handed over", l)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return Bequest{}, err
	}
	// Not the listener's File: the Fd of that would make the socket a blocking one, for this process too.
	var dup int
	var dupErr error
	err = raw.Control(func(fd uintptr) {
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
		if dup, dupErr = syscall.Dup(int(fd)); dupErr == nil {
			syscall.CloseOnExec(dup)
		}
	})
	if err = errors.Join(err, dupErr); err != nil {
		return Bequest{}, fmt.Errorf("copying the socket of %s: %w", s.address, err)
	}
	return Bequest{socketName(s.address, s.foreign), os.NewFile(uintptr(dup), s.address)}, nil
}

// Remove removes the file of a unix socket, when the last process that listened on it ends.
func (s *Socket) Remove() error {
	path, ok := UnixPath(s.address)
	if !ok || s.foreign {
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// asLoopback gives connections of a unix socket an address, because every program that can open the socket is on this machine:
// what is trusted, locked and recorded by address then works alike for both.
type asLoopback struct{ *net.UnixListener }

func (l asLoopback) Accept() (net.Conn, error) {
	c, err := l.AcceptUnix()
	if err != nil {
		return nil, err
	}
	return loopbackConn{c}, nil
}

type loopbackConn struct{ *net.UnixConn }

func (loopbackConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
