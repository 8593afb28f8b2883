package proc

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

// superviseEnv tells a test binary that it was started as a supervisor.
const superviseEnv = "SEALOCK_E2E_SUPERVISE"

// grace is how long a server may take to stop by itself.
const grace = 10 * time.Second

// Supervise turns the process into a supervisor when it was started as one, and does
// nothing otherwise. TestMain calls it first.
//
// A supervisor runs one server and ends it when told to, or when the test that
// started it is gone: a test that panics or is killed leaves nothing running.
func Supervise() {
	if os.Getenv(superviseEnv) == "" {
		return
	}
	os.Exit(supervise(os.Args[1:]))
}

func supervise(args []string) int {
	// Caught and left there: what is ignored would be ignored by the server too.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	if err := os.Unsetenv(superviseEnv); err != nil {
		return 1
	}
	cmd := exec.Command(args[0], args[1:]...) //nolint:gosec,noctx // the test says what to run, and ends it
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "supervisor:", err)
		return 127
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in ProcessState
		close(done)
	}()
	orphaned := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends when the test closes its side, or is gone
		close(orphaned)
	}()
	select {
	case <-done:
	case <-orphaned:
		stop(cmd, done)
	}
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what the server left behind
	return cmd.ProcessState.ExitCode()
}

// stop asks the server to end, and makes it end.
func stop(cmd *exec.Cmd, done <-chan struct{}) {
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-done:
	case <-time.After(grace):
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-done
	}
}
