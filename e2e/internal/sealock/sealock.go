// Package sealock builds sealock, starts it and speaks to it as an operator does.
//
// It owns the server process, its data folder and the operator's command line. It
// looks into the server's files only where a test needs what no client could get: a
// token that has expired.
package sealock

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
)

// BinaryEnv names a sealock that was built before.
const BinaryEnv = "SEALOCK_E2E_BINARY"

// AdminPassword is the administrator's.
const AdminPassword = "Admin-e2e-12345" //nolint:gosec // of a server that lives as long as the test

// Build builds sealock and its credential helper into a folder and returns the path of sealock.
func Build(dir string) (string, error) {
	out := proc.Run(proc.Command{
		Args:  []string{"go", "build", "-o", dir + string(filepath.Separator), "./cmd/sealock", "./cmd/docker-credential-sealock"},
		Dir:   need.Repository(),
		Env:   append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off"),
		Limit: 15 * 60 * 1e9,
	})
	if out.Err != nil {
		return "", fmt.Errorf("building sealock: %w\n%s", out.Err, out.Text)
	}
	return filepath.Join(dir, "sealock"), nil
}

// Helpers returns the folder with docker's credential helper, which is built beside sealock.
func Helpers(t testing.TB) string { return filepath.Dir(Binary(t)) }

// Binary returns the sealock that TestMain built.
func Binary(t testing.TB) string {
	t.Helper()
	path := os.Getenv(BinaryEnv)
	if path == "" {
		t.Fatalf("%s is not set: TestMain has to build sealock", BinaryEnv)
	}
	return path
}

// Options say how a server is started. Settings is text for sealock.yaml.
type Options struct {
	Addr     string
	DataDir  string // a new one if empty
	Settings string
	Flags    []string
	Env      []string // beside what every server gets
	TLS      bool     // speak TLS with a certificate of sealock's own
	Secure   bool     // the settings let it speak TLS
	Under    []string // the command that starts it, if it is another one
}

// Server is a sealock that runs.
type Server struct {
	Addr    string
	URL     string
	DataDir string
	t       testing.TB
	dir     string
	options Options
	process *proc.Process
}

// Prepare makes the folders of a server that is not started yet, so that its registry
// can be configured first.
func Prepare(t testing.TB, o Options) *Server {
	t.Helper()
	dir := proc.Dir(t)
	s := &Server{Addr: o.Addr, URL: "http://" + o.Addr, DataDir: o.DataDir, t: t, dir: dir, options: o}
	if o.TLS || o.Secure {
		s.URL = "https://" + o.Addr
	}
	if o.TLS {
		s.options.Flags = append(s.options.Flags, "--tls-self-signed")
	}
	if s.DataDir == "" {
		s.DataDir = filepath.Join(dir, "data")
	}
	if o.Settings != "" {
		if err := os.WriteFile(s.settings(), []byte(o.Settings), 0o600); err != nil {
			t.Fatalf("writing sealock.yaml: %v", err)
		}
	}
	return s
}

// SettingsFile is the path of the settings.
func (s *Server) SettingsFile() string { return s.settings() }

func (s *Server) settings() string { return filepath.Join(s.dir, "sealock.yaml") }

// Start starts the server and waits until it answers.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	args := append(s.options.Under[:len(s.options.Under):len(s.options.Under)], Binary(t), "serve", "--data-dir", s.DataDir, "--listen", s.Addr)
	if s.options.Settings != "" {
		args = append(args, "--config", s.settings())
	}
	process, err := proc.Launch(s.t, proc.Server{
		Name:  "sealock",
		Args:  append(args, s.options.Flags...),
		Env:   append(append(s.env(), "SEALOCK_ADMIN_PASSWORD="+AdminPassword), s.options.Env...),
		Dir:   s.dir,
		Ready: s.ready(),
	})
	if err != nil {
		t.Fatalf("starting sealock: %v", err)
	}
	s.process = process
}

// ready asks for the ping. Over TLS a connection has to do, as nobody trusts the
// certificate yet.
func (s *Server) ready() func() error {
	if s.options.TLS || s.options.Secure {
		return proc.Dials(s.Addr)
	}
	return proc.Answers(s.URL+"/api/v2.0/ping", http.StatusOK)
}

// Restart stops the server, which has to end cleanly, and starts it again.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.process.Stop()
	if code := s.process.ExitCode(); code != 0 {
		t.Errorf("sealock after SIGTERM: got exit code %d, want 0; its output:\n%s", code, s.process.Tail(20))
	}
	s.Start(t)
}

// Signal sends the process that was started a signal.
func (s *Server) Signal(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if err := s.process.Signal(signal); err != nil {
		t.Fatalf("sending %s: %v", signal, err)
	}
}

// Said waits until the server has printed the words so many times.
func (s *Server) Said(t testing.TB, words string, times int) {
	t.Helper()
	var text string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(25 * time.Millisecond) {
		var err error
		if text, err = s.process.Output(); err != nil {
			t.Fatal(err)
		}
		if strings.Count(text, words) >= times {
			return
		}
	}
	t.Fatalf("the server has not printed %q %d times within 30 s:\n%s", words, times, text)
}

// Configure replaces the settings file, for the next start.
func (s *Server) Configure(t testing.TB, settings string) {
	t.Helper()
	if err := os.WriteFile(s.settings(), []byte(settings), 0o600); err != nil {
		t.Fatalf("writing sealock.yaml: %v", err)
	}
}

// Ended waits until the server has ended by itself, and returns its exit code.
func (s *Server) Ended() int { return s.process.ExitCode() }

// Kill ends the server in the middle of what it does.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if err := s.process.Kill(); err != nil {
		t.Fatalf("killing sealock: %v", err)
	}
}

// Files names the files and sockets that the server has open, but for those of its database: of these it opens more as
// it has more to do, and keeps them.
func (s *Server) Files(t testing.TB) []string {
	t.Helper()
	names, err := s.process.Files()
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(names, func(name string) bool { return strings.Contains(name, "/sealock.db") })
}

// Goroutines ends the server, and returns the stack of each goroutine that it had.
func (s *Server) Goroutines(t testing.TB) []string {
	t.Helper()
	if err := s.process.Quit(); err != nil {
		t.Fatal(err)
	}
	s.process.ExitCode()
	text, err := s.process.Output()
	if err != nil {
		t.Fatal(err)
	}
	stacks := strings.Split(text, "\n\ngoroutine ")
	if len(stacks) < 2 {
		t.Fatalf("the server has not printed its goroutines:\n%s", s.process.Tail(20))
	}
	return stacks[1:]
}

// Output returns all that the server printed so far.
func (s *Server) Output() (string, error) { return s.process.Output() }

func (s *Server) env() []string {
	return []string{
		"PATH=" + need.Path(), "HOME=" + s.dir, "TMPDIR=" + s.dir,
		"XDG_CONFIG_HOME=" + filepath.Join(s.dir, "config"),
	}
}

// CLI runs a command of sealock as the operator, and fails the test if it fails.
func (s *Server) CLI(t testing.TB, args ...string) string {
	t.Helper()
	return s.CLIWith(t, "", args...)
}

// Try runs a command of sealock as the operator, which may fail.
func (s *Server) Try(t testing.TB, args ...string) proc.Output {
	t.Helper()
	return proc.Run(proc.Command{Args: append([]string{Binary(t)}, args...), Env: s.env(), Dir: s.dir})
}

// CLIWith runs a command that reads stdin.
func (s *Server) CLIWith(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	out := proc.Run(proc.Command{
		Args: append([]string{Binary(t)}, args...), Env: s.env(), Dir: s.dir, Stdin: stdin,
	})
	if out.Err != nil {
		t.Fatalf("as the operator:\n%s", out)
	}
	return out.Stdout
}

// LogIn saves a login of the administrator for the other commands.
func (s *Server) LogIn(t testing.TB) {
	t.Helper()
	s.CLIWith(t, AdminPassword+"\n", "login", s.URL, "--username", "admin", "--password-stdin")
}

// AddUser makes a user.
func (s *Server) AddUser(t testing.TB, name, password string) {
	t.Helper()
	s.CLIWith(t, password+"\n", "user", "create", name, "--password-stdin")
}

// AddProject makes a project, with members as "name:role".
func (s *Server) AddProject(t testing.TB, name string, members ...string) {
	t.Helper()
	s.CLI(t, "project", "create", name)
	for _, member := range members {
		user, role, _ := strings.Cut(member, ":")
		s.CLI(t, "member", "add", name, user, "--role", role)
	}
}

// RegistryConfig returns the auth block for a stock registry.
func (s *Server) RegistryConfig(t testing.TB, flags ...string) string {
	t.Helper()
	args := []string{"registry-config", "--data-dir", s.DataDir, "--external-url", s.URL, "--out", s.dir}
	if s.options.Settings != "" {
		args = append(args, "--config", s.settings())
	}
	return s.CLI(t, append(args, flags...)...)
}

// RotateKeys makes a new signing key current.
func (s *Server) RotateKeys(t testing.TB) {
	t.Helper()
	s.CLI(t, "keys", "rotate")
}

// RefreshToken is a refresh token in the operator's list.
type RefreshToken struct {
	ID       string `json:"id"`
	Username string `json:"username"`
	ClientID string `json:"client_id"`
}

// RevokeRefreshTokens revokes every refresh token of a user.
func (s *Server) RevokeRefreshTokens(t testing.TB, user string) int {
	t.Helper()
	var list []RefreshToken
	raw := s.CLI(t, "token", "list", "--all", "--output", "json")
	if err := json.Unmarshal([]byte(raw), &list); err != nil {
		t.Fatalf("reading the list of refresh tokens: %v\n%s", err, raw)
	}
	revoked := 0
	for _, token := range list {
		if token.Username == user {
			s.CLI(t, "token", "revoke", token.ID)
			revoked++
		}
	}
	return revoked
}
