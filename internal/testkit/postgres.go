package testkit

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Postgres starts a PostgreSQL server of its own, which runs until the test ends. Its user may do everything.
func Postgres(t testing.TB) *Server {
	t.Helper()
	initdb, postgres, psql := Need(t, "initdb"), Need(t, "postgres"), Need(t, "psql")
	dir, who := home(t, "postgres") // it refuses to run as root
	data, secret := filepath.Join(dir, "data"), filepath.Join(dir, "password")
	if err := os.WriteFile(secret, []byte(password+"\n"), 0o600); err != nil {
		t.Fatalf("writing a password: %v", err)
	}
	if who != nil {
		if err := os.Chown(secret, int(who.Uid), int(who.Gid)); err != nil {
			t.Fatalf("giving a file away: %v", err)
		}
	}
	output(t, who, dir, "", initdb, "--pgdata", data, "--username=sealock", "--pwfile="+secret, "--auth=scram-sha-256",
		"--auth-local=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
	port := strconv.Itoa(FreePort(t))
	s := &Server{Scheme: "postgres", Address: net.JoinHostPort("127.0.0.1", port), User: "sealock", Password: password}
	server := daemon{owner: t, path: postgres, dir: dir, who: who, args: []string{
		"-D", data, "-p", port, "-k", dir, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=300",
		"-c", "shared_buffers=32MB", "-c", "autovacuum=off",
	}}
	query := func(t testing.TB, text string) {
		t.Helper()
		output(t, who, dir, text, psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", dir, "-p", port, "-U", "sealock", "-d", "postgres")
	}
	s.launch = func(t testing.TB) func() {
		t.Helper()
		stop := server.start(t, s.Address, syscall.SIGINT) // a fast shutdown
		await(func() bool {
			return answers(psql, who, dir, "-X", "-c", "SELECT 1", "-h", dir, "-p", port, "-U", "sealock", "-d", "postgres")
		}, time.Minute)
		return stop
	}
	s.Start(t)
	s.create = func(t testing.TB, name string) {
		t.Helper()
		query(t, "CREATE DATABASE "+name)
	}
	return s
}
