package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// environment is all that a command may touch of the world around it, so that a test can give it another one.
type environment struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string

	// HTTP carries requests to a running server; nil makes a transport that trusts the system's certificates and those
	// of --ca-file.
	HTTP http.RoundTripper

	// ReadPassword reads a line from the terminal without showing it; nil says that there is no terminal to ask on.
	ReadPassword func() (string, error)

	// Again returns this process's command line, to be run once more.
	Again func() (*exec.Cmd, error)

	// CheckPolicy looks for faults in policy files without a server; an empty model stands for the one that is built in.
	CheckPolicy func(ctx context.Context, model, policy string) ([]policyFinding, error)
}

// policyFinding is a fault in a policy file.
type policyFinding struct {
	Severity string `json:"severity"` // "error" or "warning"
	File     string `json:"file"`     // its name
	Line     int    `json:"line"`     // from 1; 0 for the whole file
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
}

// processEnvironment returns the environment of this process.
func processEnvironment() *environment {
	env := &environment{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Again: runAgain}
	if fd := int(os.Stdin.Fd()); term.IsTerminal(fd) {
		env.ReadPassword = func() (string, error) { return readPassword(fd) }
	}
	return env
}

// readPassword puts the terminal's echo back on when the question is interrupted: the shell would stay blind otherwise.
func readPassword(fd int) (string, error) {
	state, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("reading the terminal's state: %w", err)
	}
	interrupts, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	defer func() { signal.Stop(interrupts); close(done) }()
	go func() {
		select {
		case <-interrupts:
			_ = term.Restore(fd, state) // the process ends: nobody is left to tell
			os.Exit(exitFailure)
		case <-done:
		}
	}()
	b, err := term.ReadPassword(fd)
	if err != nil {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	return string(b), nil
}

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1 // what was asked for could not be done
	exitUsage   = 2 // what was asked for could not be understood
)

// usageError says that a command was called in a way that it does not have.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// usagef returns a usageError.
func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// usageArgs makes faults in the arguments usage errors that name the command's help.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usagef("%w: see %s --help", err, cmd.CommandPath())
		}
		return nil
	}
}

// groupCommand makes a command that only has commands below it: on its own it shows its help, and a word that is none
// of them is a usage error.
func groupCommand(use, short, example string, below ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Long: short + ".", Example: example,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(below...)
	return cmd
}

// exitCode returns the code that the process ends with after err.
func exitCode(err error) int {
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		return exitUsage
	default:
		return exitFailure
	}
}

// printError writes an error as one line.
func printError(w io.Writer, err error) {
	_, _ = fmt.Fprintf(w, "sealock: %s\n", printable(strings.ReplaceAll(err.Error(), "\n", " "))) // nowhere to tell of a failure
}
