package external

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sealock/sealock/auth"
)

// Exit codes of an exec hook, after the HTTP statuses. Every other one means that it could not tell: a script that
// breaks ends with 1, 2 or 127, and must not look like one that does not know a user.
const (
	exitBad     = 41
	exitUnknown = 44
)

// safePath is the PATH of a hook that is given none.
const safePath = "PATH=/usr/local/bin:/usr/bin:/bin"

// execHook runs a program for each question. The question goes to its standard input: arguments and environment are
// for everybody on the machine to see.
type execHook struct {
	command []string
	env     []string
}

func newExecHook(cfg Config) (*execHook, error) {
	program := cfg.Command[0]
	info, err := os.Stat(program)
	if err != nil {
		return nil, fmt.Errorf("looking for the command: %w", err)
	}
	if info.IsDir() || info.Mode().Perm()&0o111 == 0 {
		return nil, fmt.Errorf("the command %q is no program", program)
	}
	if info.Mode().Perm()&0o002 != 0 {
		return nil, fmt.Errorf("the command %q can be written by everybody: chmod o-w %s", program, program)
	}
	return &execHook{command: cfg.Command, env: append([]string{safePath}, cfg.Env...)}, nil
}

func (h *execHook) close() {}

func (h *execHook) ask(ctx context.Context, _ string, text []byte) ([]byte, error) {
	cmd := exec.CommandContext(ctx, h.command[0], h.command[1:]...) //nolint:gosec // the operator chose the command
	cmd.Env, cmd.Dir = h.env, filepath.Dir(h.command[0])
	cmd.Stdin = bytes.NewReader(append(text, '\n'))
	var said, complaint bounded
	said.limit, complaint.limit = maxAnswer+1, 2000
	cmd.Stdout, cmd.Stderr = &said, &complaint
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // with whatever it started
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it left behind holds on to its output
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		switch exit.ExitCode() {
		case exitBad:
			return nil, auth.ErrBadCredential
		case exitUnknown:
			return nil, auth.ErrUnknownSubject
		}
		return nil, fmt.Errorf("the command ends with %w: %q", err, strings.TrimSpace(complaint.String()))
	}
	return said.Bytes(), err
}

// bounded keeps the beginning of what is written to it.
type bounded struct {
	bytes.Buffer
	limit int
}

func (b *bounded) Write(p []byte) (int, error) {
	if room := b.limit - b.Len(); room > 0 {
		_, _ = b.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
