// Package postgres starts a PostgreSQL server for the records of several sealocks.
//
// It owns the server and one empty database.
package postgres

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
)

// Start returns the URL of an empty database, whose server ends with the test.
func Start(t testing.TB) string {
	t.Helper()
	initdb, server, psql := program(t, "initdb"), program(t, "postgres"), program(t, "psql")
	dir, addr := proc.Dir(t), proc.FreeAddr(t)
	as := account(t, dir)
	port := addr[strings.LastIndex(addr, ":")+1:]
	run := func(args ...string) proc.Output {
		return proc.Run(proc.Command{Args: slices.Concat(as, args), Env: []string{"PATH=" + need.Path(), "HOME=" + dir}, Dir: dir})
	}
	data := filepath.Join(dir, "data")
	if out := run(initdb, "--pgdata", data, "--username=sealock", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"); out.Err != nil {
		t.Fatalf("making a database server:\n%s", out)
	}
	query := []string{psql, "-X", "-q", "-h", "127.0.0.1", "-p", port, "-U", "sealock", "-d", "postgres", "-c"}
	proc.Start(t, proc.Server{
		Name: "postgres", Env: []string{"PATH=" + need.Path()}, Dir: dir,
		Args:  slices.Concat(as, []string{server, "-D", data, "-p", port, "-k", dir, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"}),
		Ready: func() error { return run(append(query, "SELECT 1")...).Err },
	})
	if out := run(append(query, "CREATE DATABASE sealock")...); out.Err != nil {
		t.Fatalf("making a database:\n%s", out)
	}
	return "postgres://sealock@" + addr + "/sealock?sslmode=disable"
}

// program finds what Debian keeps apart from other programs.
func program(t testing.TB, name string) string {
	t.Helper()
	if found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name); err == nil && len(found) > 0 {
		return found[len(found)-1]
	}
	return need.Tool(t, name)
}

// account gives the folder to who the server runs as: it refuses to run as root.
func account(t testing.TB, dir string) (prefix []string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	who, err := user.Lookup("postgres")
	if err != nil {
		t.Fatalf("looking for an account to run the server with: %v", err)
	}
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		t.Fatalf("looking for a way to run as %s: %v", who.Username, err)
	}
	uid, _ := strconv.Atoi(who.Uid) // Debian's are numbers
	gid, _ := strconv.Atoi(who.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatalf("giving a folder to %s: %v", who.Username, err)
	}
	return []string{setpriv, "--reuid=" + who.Uid, "--regid=" + who.Gid, "--clear-groups"}
}
