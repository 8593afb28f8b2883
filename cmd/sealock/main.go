// Command sealock is a token server, front door and project service for Docker/OCI registries. This folder owns the
// command line and the wiring: it is the only place that knows every package, and it holds no rules of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/sealock/sealock/settings"
)

func main() { os.Exit(mainCode()) }

// mainCode runs the command line of this process and returns its exit code.
func mainCode() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	env := processEnvironment()
	env.CheckPolicy = checkPolicyText
	err := run(ctx, env, os.Args[1:])
	report(env, err)
	return exitCode(err)
}

// run executes one command line.
func run(ctx context.Context, env *environment, args []string) error {
	root := newRootCommand(env) //nolint:contextcheck // commands get it from ExecuteContext
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

// report says in one line what went wrong; faulty settings get a line each.
func report(env *environment, err error) {
	if err == nil {
		return
	}
	if faults, ok := errors.AsType[settings.Faults](err); ok {
		for _, f := range faults {
			printError(env.Stderr, fmt.Errorf("settings: %s", f))
		}
		return
	}
	printError(env.Stderr, err)
}
