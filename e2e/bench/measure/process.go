package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server that is measured.
type process struct {
	cmd   *exec.Cmd
	log   *os.File
	Addr  string
	Began time.Time
}

// launch starts a server whose output goes to a file in dir. It is ended with ctx.
func launch(ctx context.Context, dir string, env []string, args ...string) (*process, error) {
	log, err := os.CreateTemp(dir, "log-*")
	if err != nil {
		return nil, fmt.Errorf("making a log: %w", err)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // a program that is measured
	cmd.Env, cmd.Stderr = env, log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 15 * time.Second
	return &process{cmd: cmd, log: log}, nil
}

// startFloor starts the smallest server.
func startFloor(ctx context.Context, dir, binary string) (*process, error) {
	p, err := launch(ctx, dir, os.Environ(), binary)
	if err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting floor: %w", err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reading the address of floor: %w", err), p.stop())
	}
	p.Addr = strings.TrimSpace(line)
	return p, nil
}

// stop ends the server as an operator does.
func (p *process) stop() error {
	defer p.log.Close()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping %s: %w", p.name(), err)
	}
	err := p.cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGTERM {
			return nil // floor does not catch it
		}
	}
	if err != nil {
		text, _ := os.ReadFile(p.log.Name()) // what there is of it
		return fmt.Errorf("%s ended: %w\n%s", p.name(), err, text)
	}
	return nil
}

func (p *process) name() string { return filepath.Base(p.cmd.Path) }

// clockTick is the unit of CPU times in /proc: USER_HZ, which is 100 on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// cpu is the CPU time that the process has taken.
func (p *process) cpu() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("reading CPU time: %w", err)
	}
	_, after, _ := strings.Cut(string(text), ") ") // the name before may hold spaces
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0, fmt.Errorf("reading CPU time: %q has too few fields", text)
	}
	user, userErr := strconv.Atoi(fields[11])
	system, systemErr := strconv.Atoi(fields[12])
	if err := errors.Join(userErr, systemErr); err != nil {
		return 0, fmt.Errorf("reading CPU time: %w", err)
	}
	return time.Duration(user+system) * clockTick, nil
}

// resident is the memory that the process holds, in bytes.
func (p *process) resident() (int64, error) { return residentOf(strconv.Itoa(p.cmd.Process.Pid)) }

// family is the memory that the process and its children hold, as if they shared none.
func (p *process) family() (int64, error) {
	pid := strconv.Itoa(p.cmd.Process.Pid)
	children, err := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children") //nolint:gosec // of a process of ours
	if err != nil {
		return 0, fmt.Errorf("looking for children: %w", err)
	}
	var sum int64
	for _, member := range append(strings.Fields(string(children)), pid) {
		n, err := residentOf(member)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

func residentOf(pid string) (int64, error) {
	text, err := os.ReadFile("/proc/" + pid + "/status") //nolint:gosec // of a process of ours
	if err != nil {
		return 0, fmt.Errorf("reading memory: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmRSS:" {
			kilobytes, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("reading memory: %w", err)
			}
			return kilobytes << 10, nil
		}
	}
	return 0, errors.New("reading memory: there is no VmRSS")
}
