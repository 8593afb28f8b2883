package testkit

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Server is a database server that runs until the test ends.
type Server struct {
	Scheme   string // of its URLs
	Address  string // 127.0.0.1:port
	User     string
	Password string // with characters that a URL must escape

	create func(t testing.TB, name string)
	launch func(t testing.TB) (stop func())
	stop   func()
	made   atomic.Int32
}

// password is what every server lets in. It holds what must be written differently in a URL.
const password = "s3cret:/@?#%"

// URL returns the URL of a database.
func (s *Server) URL(database string) string { return s.URLAs(s.User, s.Password, database) }

// URLAs returns the URL of a database for a user.
func (s *Server) URLAs(user, password, database string) string {
	u := url.URL{Scheme: s.Scheme, User: url.UserPassword(user, password), Host: s.Address, Path: "/" + database}
	return u.String()
}

// Database makes an empty database and returns its URL.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("sealock_%d", s.made.Add(1))
	s.create(t, name)
	return s.URL(name)
}

// Stop ends the server, as when its machine is restarted.
func (s *Server) Stop() { s.stop() }

// Start runs a stopped server again, at the same address and with the same databases.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	s.stop = s.launch(t)
}

// daemon is a server program and who it runs as.
type daemon struct {
	owner testing.TB // at whose end it ends
	path  string
	args  []string
	dir   string // that it owns
	who   *syscall.Credential
}

// home makes a short-named folder for a server, owned by who it runs as: a socket's path may have 100 characters.
func home(t testing.TB, account string) (dir string, who *syscall.Credential) {
	t.Helper()
	dir, err := os.MkdirTemp("", "sealock-")
	if err != nil {
		t.Fatalf("making a folder for a server: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if os.Geteuid() != 0 {
		return dir, nil
	}
	u, err := user.Lookup(account)
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		t.Fatalf("looking for an account to run a server with: %v", err)
	}
	uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	if uidErr != nil || gidErr != nil {
		t.Fatalf("the account %q has no numbers", u.Username)
	}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		t.Fatalf("giving a folder to %q: %v", u.Username, err)
	}
	return dir, &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// output runs a program to its end as who the server runs as.
func output(t testing.TB, who *syscall.Credential, dir, stdin, path string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...) //nolint:gosec // tests choose the program
	cmd.Dir, cmd.Env, cmd.Stdin = dir, plain(dir), bytes.NewReader([]byte(stdin))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(path), err, out)
	}
}

// plain is an environment without the settings of whoever runs the test.
func plain(home string) []string {
	return []string{"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin", "HOME=" + home, "TMPDIR=" + home, "LC_ALL=C.UTF-8", "TZ=UTC"}
}

// start runs the server until it is stopped or its owner ends, and waits for it to listen. It is ended by its own
// process id.
func (d daemon) start(t testing.TB, address string, signal syscall.Signal) (stop func()) {
	t.Helper()
	logName := filepath.Join(d.dir, "server.log")
	log, err := os.Create(logName) //nolint:gosec // in the folder made above
	if err != nil {
		t.Fatalf("making the log of a server: %v", err)
	}
	defer func() { _ = log.Close() }()     // the server has it
	cmd := exec.Command(d.path, d.args...) //nolint:gosec,noctx // tests choose the program; it is ended below
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = d.dir, plain(d.dir), log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: d.who, Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", d.path, err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop = func() { end(cmd, ended, signal) }
	d.owner.Cleanup(stop)
	if err := listens(address, ended); err != nil {
		said, _ := os.ReadFile(logName) //nolint:gosec // in the folder made above; nothing, then
		t.Fatalf("%s does not listen on %s: %v\n%s", filepath.Base(d.path), address, err, said)
	}
	return stop
}

func end(cmd *exec.Cmd, ended <-chan struct{}, signal syscall.Signal) {
	_ = cmd.Process.Signal(signal) // it may have ended by itself
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		_ = cmd.Process.Kill()
		<-ended
	}
}

func listens(address string, ended <-chan struct{}) error {
	deadline := time.Now().Add(time.Minute)
	for {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(context.Background(), "tcp", address)
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(deadline) {
			return err
		}
		select {
		case <-ended:
			return errEnded
		case <-time.After(20 * time.Millisecond):
		}
	}
}
