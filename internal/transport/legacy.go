package transport

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"syscall"
)

// legacyEnv names the files that a process left to the next one: a list in JSON, for the descriptors from 3 on.
const legacyEnv = "SEALOCK_LEGACY"

const firstLeft = 3 // after stdin, stdout and stderr

// Legacy is what the process before this one left: sockets on which connections wait, and a lock that nobody else must get
// in between. In a process that somebody started, there may be sockets of systemd instead.
type Legacy struct {
	files     map[string]*os.File
	activated []net.Listener // nil once taken
}

// Names of what every heir gets. What it is for, the processes at both ends know.
const (
	readyName = "ready" // closed by the heir, with a word before if it serves
	leashName = "leash" // ends when the first process wants all to end, or is gone itself
	lineName  = "line"  // tells the first process who serves
)

// Inherit takes what the environment says that there is. It must be called once, before anything opens a file that could get
// such a number.
func Inherit(getenv func(string) string) (*Legacy, error) {
	l := &Legacy{files: map[string]*os.File{}}
	text := getenv(legacyEnv)
	if text == "" {
		return l, l.activate(getenv)
	}
	var names []string
	if err := json.Unmarshal([]byte(text), &names); err != nil {
		return nil, fmt.Errorf("reading %s: %w", legacyEnv, err)
	}
	for i, name := range names {
		fd := firstLeft + i
		syscall.CloseOnExec(fd)
		if err := syscall.SetNonblock(fd, true); err != nil { // so that closing it ends a read
			l.Close()
			return nil, fmt.Errorf("taking over %q: %w", name, err)
		}
		l.files[name] = os.NewFile(uintptr(fd), name)
	}
	return l, nil
}

// Empty reports whether there was no process before.
func (l *Legacy) Empty() bool { return len(l.files) == 0 }

// Take returns what was left under the name; nil if there is no such thing. It is the caller's then.
func (l *Legacy) Take(name string) *os.File {
	f := l.files[name]
	delete(l.files, name)
	return f
}

// listener takes a socket; nil if there is none of the name.
func (l *Legacy) listener(name string) (net.Listener, error) {
	f := l.Take(name)
	if f == nil {
		return nil, nil //nolint:nilnil // as Take has it
	}
	defer f.Close() // the listener has a copy
	listener, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("taking over the socket %q: %w", name, err)
	}
	return listener, nil
}

// Ready tells the process before this one to take no more connections.
func (l *Legacy) Ready() error {
	f := l.Take(readyName)
	if f == nil {
		return nil
	}
	if _, err := f.WriteString(readyName); err != nil {
		_ = f.Close() // the other end is gone
		return fmt.Errorf("telling the process before: %w", err)
	}
	return f.Close()
}

// socket takes what was left for an address: nil if there is nothing. Whether somebody else opened it is part of it.
func (l *Legacy) socket(address string) (socket net.Listener, foreign bool, err error) {
	for _, foreign := range []bool{false, true} {
		socket, err := l.listener(socketName(address, foreign))
		if socket != nil || err != nil {
			return socket, foreign, err
		}
	}
	socket = l.takeActivated(address)
	return socket, socket != nil, nil
}

// Close closes what nobody took, such as the socket of an address that is not listened on any more.
func (l *Legacy) Close() {
	for name, f := range l.files {
		_ = f.Close() // it was not used
		delete(l.files, name)
	}
	for i, socket := range l.activated {
		if socket != nil {
			_ = socket.Close() // the same
			l.activated[i] = nil
		}
	}
}
