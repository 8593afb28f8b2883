package credhelper

import (
	"os"
	"runtime/debug"

	"golang.org/x/term"

	"github.com/sealock/sealock/cmd/internal/remote"
)

// OfProcess returns the helper of this process. Without a version, the build's own is told.
func OfProcess(version string) *Helper {
	hostname, _ := os.Hostname() // it only names the login in lists
	if info, ok := debug.ReadBuildInfo(); ok && version == "" {
		version = info.Main.Version
	}
	return &Helper{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv,
		Terminal: term.IsTerminal(int(os.Stdin.Fd())), Hostname: hostname, Version: version, Wait: remote.Sleep,
	}
}
