package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/sealock/sealock/internal/transport"
)

// startPatience is how long the next process may take until it serves: its database may have to be migrated.
const startPatience = 10 * time.Minute

// turn is the time in which this process serves, in the row of those that hand the sockets from one to the next.
type turn struct {
	*system
	env    *environment
	doors  entrances
	row    *transport.Succession
	finish func() error // ends the background work and closes the system; it may be called twice
}

// serve serves until ctx ends, or until an heir serves and this process is not needed any more.
func (t turn) serve(ctx context.Context, legacy *transport.Legacy) error {
	again, deaf := restartSignals(t.env)
	defer deaf()
	serving, served := context.WithCancel(ctx)
	defer served()
	handedOver, heirs := make(chan struct{}), make(chan *transport.Heir, 1)
	go func() {
		defer close(heirs)
		if heir := t.awaitHeir(serving, again); heir != nil {
			heirs <- heir
			close(handedOver)
		}
	}()
	draining, cut := context.WithCancel(ctx)
	defer cut()
	ended := make(chan error, 1)
	go func() { ended <- t.doors.serve(draining, handedOver) }()
	if err := legacy.Ready(); err != nil {
		t.log.Warn("the process before this one is gone", "error", err)
	}
	var err error
	select {
	case heir := <-heirs:
		if heir != nil {
			return t.leave(ctx, heir, again, ended, cut)
		}
		err = <-ended
	case err = <-ended:
	}
	served()
	if heir := <-heirs; heir != nil { // just now
		ended <- err
		return t.leave(ctx, heir, again, ended, cut)
	}
	t.row.Done()
	return errors.Join(err, t.doors.remove())
}

// leave lets requests under way finish while the heir serves, and stays as long as the row wants.
func (t turn) leave(ctx context.Context, heir *transport.Heir, again <-chan os.Signal, ended <-chan error, cut func()) error {
	t.leaveCertificates()
	settled := make(chan struct{})
	followed := make(chan error, 1)
	go func() { followed <- t.row.Follow(ctx, heir, again, settled) }()
	var err error
	select {
	case lost := <-followed: // nobody serves any more
		cut()
		err = <-ended
		followed <- lost
	case err = <-ended:
	}
	t.log.Info("what was under way here has finished")
	close(settled)
	err = errors.Join(err, t.finish()) // the first process stays, with nothing open
	debug.FreeOSMemory()
	return errors.Join(err, <-followed)
}

// awaitHeir hands over when it is told to. It returns nil when ctx ends before.
func (t turn) awaitHeir(ctx context.Context, again <-chan os.Signal) *transport.Heir {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-again:
		}
		t.log.Info("starting the process that takes over")
		heir, err := t.handOver(ctx)
		if err == nil {
			t.log.Info("another process takes new connections: what is under way here finishes")
			return heir
		}
		t.log.Error("the restart failed: this process goes on with the settings that it has", "error", err)
	}
}

func (t turn) handOver(ctx context.Context) (*transport.Heir, error) {
	cmd, err := t.env.Again()
	if err != nil {
		return nil, err
	}
	files, free, err := t.doors.bequests()
	if err != nil {
		return nil, err
	}
	defer free()
	return t.row.HandOver(ctx, cmd, startPatience, append(files, transport.Bequest{Name: t.dir.lockName(), File: t.lock}))
}

// restartSignals returns what tells the server to restart. A terminal that is closed sends SIGHUP too: then it is to end,
// and a program that was told to ignore it goes on ignoring it.
func restartSignals(env *environment) (again <-chan os.Signal, deaf func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR2)
	if env.ReadPassword == nil && !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	return signals, func() { signal.Stop(signals) }
}

// runAgain is this program as it was started, from the file that is there now.
func runAgain() (*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding the program: %w", err)
	}
	cmd := exec.CommandContext(context.Background(), program, os.Args[1:]...) //nolint:gosec // as it was started
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd, nil
}

// lockName is under which name the next process gets the lock: of another folder it is none.
func (d dataDir) lockName() string {
	path := d.path("lock")
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return "lock " + path
}
