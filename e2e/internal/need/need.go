// Package need says whether a program that a test drives is on this machine.
//
// It owns the rule that a missing tool never hides: a test without its tool is
// skipped with a line that says what to install, and fails where it is required.
// It installs nothing; hack/tools.sh does.
package need

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Env names the tools that must be there: a list with commas, or "all".
const Env = "SEALOCK_REQUIRE"

// Tool returns the path of the command name. Without it the test is skipped, or
// fails where Env says so.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, ok := Find(name)
	if !ok {
		Missing(t, name, fmt.Sprintf("%s is not installed: run hack/tools.sh", name))
	}
	return path
}

// Has reports whether a server that has to run as root can be started; where it is
// required, that it can't is a failure.
func Has(t testing.TB, name string) bool {
	t.Helper()
	_, found := Find(name)
	if found && os.Getuid() == 0 {
		return true
	}
	if Required(os.Getenv(Env), name) {
		t.Fatalf("%s is not installed or can't be started without root (%s=%s): run hack/tools.sh", name, Env, os.Getenv(Env))
	}
	return false
}

// Root skips or fails a test that has to run as root because of tool.
func Root(t testing.TB, tool string) {
	t.Helper()
	if os.Getuid() != 0 {
		Missing(t, tool, tool+" has to be started as root: run the tests as root")
	}
}

// Find looks for a command in the repository's .tools/bin, on PATH and where servers
// are kept.
func Find(name string) (string, bool) {
	for _, dir := range folders() {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
			return path, true
		}
	}
	path, err := exec.LookPath(name)
	return path, err == nil
}

// Path is a PATH on which every tool is found.
func Path() string {
	return strings.Join(append(folders()[:1:1], os.Getenv("PATH"), "/usr/sbin", "/sbin"), ":")
}

func folders() []string {
	return []string{filepath.Join(Repository(), ".tools", "bin"), "/usr/sbin", "/sbin"}
}

// Repository is the folder that holds go.mod of sealock: the nearest one above the
// working directory with a hack/tools.sh.
func Repository() string {
	dir, err := os.Getwd()
	if err != nil {
		return "."
	}
	for d := dir; d != filepath.Dir(d); d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "hack", "tools.sh")); err == nil {
			return d
		}
	}
	return dir
}

// Missing skips a test that can't use the tool, or fails it where Env says so. The message says why, and what to do.
func Missing(t testing.TB, name, message string) {
	t.Helper()
	if Required(os.Getenv(Env), name) {
		t.Fatalf("%s (%s=%s)", message, Env, os.Getenv(Env))
	}
	t.Skip(message)
}

// Required reports whether the list, as in Env, names the tool.
func Required(list, name string) bool {
	names := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
	return slices.Contains(names, "all") || slices.Contains(names, name)
}
