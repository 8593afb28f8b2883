// Command docker-credential-sealock is a docker credential helper that keeps refresh tokens and no passwords. This folder
// owns the process alone: cmd/internal/credhelper is the helper.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/sealock/sealock/cmd/internal/credhelper"
)

// version is set by the linker for a release.
var version = ""

func main() { os.Exit(mainCode()) }

// mainCode runs the helper of this process and returns its exit code.
func mainCode() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return credhelper.OfProcess(version).Run(ctx, os.Args[1:])
}
