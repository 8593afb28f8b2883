// Package proc runs the programs of a test: servers that live as long as the test,
// and commands that end by themselves.
//
// It owns their lives, their ports and their output, and ends nothing that it did not
// start. It knows nothing of registries.
package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server says how a server is run.
type Server struct {
	Name  string        // for messages
	Args  []string      // the command
	Env   []string      // the whole environment
	Ready func() error  // nil once the server answers
	Wait  time.Duration // how long that may take; 30 s if zero
	Dir   string        // the working directory
}

// Process is a server that runs.
type Process struct {
	server Server
	cmd    *exec.Cmd
	stdin  io.Closer
	log    string
	done   chan struct{}
	once   sync.Once
}

// Start runs a server, waits until it is ready, and ends it with the test. The end of
// its output is printed if the test fails.
func Start(t testing.TB, s Server) *Process {
	t.Helper()
	p, err := Launch(t, s)
	if err != nil {
		t.Fatalf("starting %s: %v", s.Name, err)
	}
	return p
}

// Launch is Start for a server that a subtest starts and its parent t owns.
func Launch(t testing.TB, s Server) (*Process, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding the test binary: %w", err)
	}
	log, err := os.CreateTemp(Dir(t), s.Name+"-*.log")
	if err != nil {
		return nil, fmt.Errorf("making a log: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(self, s.Args...) //nolint:gosec,noctx // the supervisor ends it with the test
	cmd.Env = append(s.Env[:len(s.Env):len(s.Env)], superviseEnv+"=1")
	cmd.Dir = s.Dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("running the supervisor: %w", err)
	}
	p := &Process{server: s, cmd: cmd, stdin: stdin, log: log.Name(), done: make(chan struct{})}
	go func() { _ = cmd.Wait(); close(p.done) }()
	t.Cleanup(func() {
		p.Stop()
		if t.Failed() {
			t.Logf("end of the output of %s:\n%s", s.Name, p.Tail(15))
		}
	})
	return p, p.await()
}

// await polls until the server is ready.
func (p *Process) await() error {
	wait := p.server.Wait
	if wait == 0 {
		wait = 30 * time.Second
	}
	deadline := time.Now().Add(wait)
	for {
		err := p.server.Ready()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("it ended at once; its output:\n%s", p.Tail(40))
		case <-time.After(25 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not ready after %s: %w; its output:\n%s", wait, err, p.Tail(40))
		}
	}
}

// Stop ends the server and waits for it. It may be called twice.
func (p *Process) Stop() {
	p.once.Do(func() { _ = p.stdin.Close() })
	<-p.done
}

// Kill ends the server as a power cut would, and waits for its supervisor.
func (p *Process) Kill() error {
	if err := p.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.done
	return nil
}

// Signal sends the server a signal.
func (p *Process) Signal(signal syscall.Signal) error {
	pids, err := p.pids()
	for _, pid := range pids {
		_ = syscall.Kill(pid, signal) // it may have ended
	}
	return err
}

// pids are the children of the supervisor: the server.
func (p *Process) pids() ([]int, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", p.cmd.Process.Pid))
	if err != nil || len(threads) == 0 {
		return nil, errors.Join(err, errors.New("looking for the server: its supervisor is gone"))
	}
	var pids []int
	for _, name := range threads {
		children, err := os.ReadFile(name) //nolint:gosec // the kernel names them
		if err != nil {
			continue // a thread that has ended
		}
		for _, field := range strings.Fields(string(children)) {
			if pid, err := strconv.Atoi(field); err == nil && !slices.Contains(pids, pid) {
				pids = append(pids, pid)
			}
		}
	}
	return pids, nil
}

// serving is the process that takes connections: the youngest of the server's, which are a process group. After a restart it is
// not the one that was started.
func (p *Process) serving() (int, error) {
	pids, err := p.pids()
	if err != nil || len(pids) == 0 {
		return 0, errors.Join(err, errors.New("looking for the server: it is gone"))
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, fmt.Errorf("looking for the server: %w", err)
	}
	youngest, began := pids[0], uint64(0)
	for _, name := range stats {
		text, err := os.ReadFile(name)                     //nolint:gosec // the kernel names them
		_, after, found := strings.Cut(string(text), ") ") // the name before may hold spaces
		fields := strings.Fields(after)
		if err != nil || !found || len(fields) < 20 || fields[0] == "Z" || fields[2] != strconv.Itoa(pids[0]) {
			continue // or it has ended
		}
		pid, pidErr := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if start, err := strconv.ParseUint(fields[19], 10, 64); err == nil && pidErr == nil && start > began {
			youngest, began = pid, start
		}
	}
	return youngest, nil
}

// Quit has the process that takes connections print its goroutines and end.
func (p *Process) Quit() error {
	pid, err := p.serving()
	if err != nil {
		return err
	}
	return syscall.Kill(pid, syscall.SIGQUIT)
}

// Files names the files and sockets that are open in the process that takes connections.
func (p *Process) Files() ([]string, error) {
	pid, err := p.serving()
	if err != nil {
		return nil, err
	}
	folder := fmt.Sprintf("/proc/%d/fd", pid)
	open, err := os.ReadDir(folder)
	var names []string
	for _, e := range open {
		if name, err := os.Readlink(filepath.Join(folder, e.Name())); err == nil { // it may be closed by now
			names = append(names, name)
		}
	}
	return names, err
}

// ExitCode is the exit code of a server that was stopped.
func (p *Process) ExitCode() int {
	<-p.done
	return p.cmd.ProcessState.ExitCode()
}

// Output returns all that the server printed so far.
func (p *Process) Output() (string, error) {
	raw, err := os.ReadFile(p.log)
	return string(raw), err
}

// longest is how much of a line is worth reading in a failure.
const longest = 400

// Tail returns the last lines of what the server printed.
func (p *Process) Tail(lines int) string {
	raw, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(raw), "\n"), "\n")
	all = all[max(0, len(all)-lines):]
	for i, line := range all {
		all[i] = line[:min(len(line), longest)]
	}
	return strings.Join(all, "\n")
}

// Answers returns a Ready that asks a URL until it gives status.
func Answers(url string, status int) func() error {
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return fmt.Errorf("asking %s: %w", url, err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return fmt.Errorf("asking %s: %w", url, err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != status {
			return fmt.Errorf("asking %s: got %d, want %d", url, resp.StatusCode, status)
		}
		return nil
	}
}

// Listens returns a Ready that waits for a Unix socket.
func Listens(socket string) func() error { return dials("unix", socket) }

// Dials returns a Ready that waits for a TCP address.
func Dials(addr string) func() error { return dials("tcp", addr) }

func dials(network, addr string) func() error {
	return func() error {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(context.Background(), network, addr)
		if err != nil {
			return fmt.Errorf("connecting to %s: %w", addr, err)
		}
		if err := conn.Close(); err != nil {
			return fmt.Errorf("hanging up on %s: %w", addr, err)
		}
		return nil
	}
}

// Output is what a command printed and how it ended.
type Output struct {
	Command string
	Stdout  string
	Text    string // stdout and stderr as they came
	Err     error
}

// String shows the command as a person would have seen it.
func (o Output) String() string {
	result := "exit 0"
	if o.Err != nil {
		result = o.Err.Error()
	}
	return fmt.Sprintf("$ %s\n%s(%s)", o.Command, o.Text, result)
}

// Command is a program that ends by itself.
type Command struct {
	Args  []string
	Env   []string
	Dir   string
	Stdin string
	Limit time.Duration // 60 s if zero
}

// Run runs a command in a process group of its own, which ends with it.
func Run(c Command) Output {
	if c.Limit == 0 {
		c.Limit = time.Minute
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.Limit)
	defer cancel()
	var stdout bytes.Buffer
	var both syncBuffer
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...) //nolint:gosec // the test says what to run
	cmd.Env, cmd.Dir = c.Env, c.Dir
	cmd.Stdin = strings.NewReader(c.Stdin)
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&stdout, &both), &both
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("still running after %s: %w", c.Limit, errors.Join(ctx.Err(), err))
	}
	shown := append([]string{filepath.Base(c.Args[0])}, c.Args[1:]...)
	return Output{Command: strings.Join(shown, " "), Stdout: stdout.String(), Text: both.String(), Err: err}
}

// syncBuffer takes stdout and stderr in the order they come.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// FreePort returns a loopback port that nobody listens on. It lies below the range
// that the system hands to outgoing connections, so that a server which is restarted
// finds its port again.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 200 {
		port := 18000 + rand.IntN(14000) //nolint:gosec // no secret
		ln, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		if err := ln.Close(); err != nil {
			t.Fatalf("closing port %d: %v", port, err)
		}
		return port
	}
	t.Fatal("no free port between 18000 and 32000")
	return 0
}

// FreeAddr returns a free loopback address.
func FreeAddr(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", FreePort(t))
}

// Dir returns a folder that goes away with the test. Its name is short, since sockets
// lie in it and their paths may not be long.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sealock-e2e-")
	if err != nil {
		t.Fatalf("making a folder: %v", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("removing %s: %v", dir, err)
		}
	})
	return dir
}
