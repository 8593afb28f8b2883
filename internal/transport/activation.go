package transport

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"

	"github.com/sealock/sealock/internal/errs"
)

// What systemd says of the sockets that it opened for this process (sd_listen_fds(3)): they are the descriptors from 3 on.
const (
	activatedPID   = "LISTEN_PID"
	activatedFiles = "LISTEN_FDS"
)

// activate takes the sockets that systemd opened. What it says to another process, such as the one before, counts not.
func (l *Legacy) activate(getenv func(string) string) error {
	if getenv(activatedPID) != strconv.Itoa(os.Getpid()) {
		return nil
	}
	n, err := strconv.Atoi(getenv(activatedFiles))
	if err != nil || n < 0 {
		return fmt.Errorf("reading %s: %q is no number of files", activatedFiles, getenv(activatedFiles))
	}
	for fd := firstLeft; fd < firstLeft+n; fd++ {
		syscall.CloseOnExec(fd)
		f := os.NewFile(uintptr(fd), "socket of systemd")
		socket, err := net.FileListener(f)
		_ = f.Close() // the listener has a copy
		if err != nil {
			l.Close()
			return errs.New(errs.Invalid, "file %d, which systemd handed over, is no socket that takes connections", fd).
				WithHint("use ListenStream= alone in the .socket unit").Because(err)
		}
		l.activated = append(l.activated, socket)
	}
	return nil
}

// takeActivated returns the socket that systemd opened at the address; nil if there is none.
func (l *Legacy) takeActivated(address string) net.Listener {
	for i, socket := range l.activated {
		if socket != nil && isAt(socket.Addr(), address) {
			l.activated[i] = nil
			return socket
		}
	}
	return nil
}

// Unclaimed returns an error if systemd opened a socket that nothing listens on: who connects there would wait for ever.
func (l *Legacy) Unclaimed() error {
	for _, socket := range l.activated {
		if socket != nil {
			return errs.New(errs.Invalid, "systemd hands over a socket on %s, and neither listen nor tls.redirect_listen is that", socket.Addr()).
				WithHint("let ListenStream= in the .socket unit and these settings be the same")
		}
	}
	return nil
}

// isAt reports whether a socket is what the address, as somebody wrote it, means.
func isAt(socket net.Addr, address string) bool {
	if path, ok := UnixPath(address); ok {
		u, isUnix := socket.(*net.UnixAddr)
		return isUnix && u.Name == path
	}
	t, ok := socket.(*net.TCPAddr)
	want, err := net.ResolveTCPAddr("tcp", address)
	if !ok || err != nil || t.Port != want.Port {
		return false
	}
	if want.IP == nil || want.IP.IsUnspecified() {
		return t.IP.IsUnspecified()
	}
	return t.IP.Equal(want.IP)
}
