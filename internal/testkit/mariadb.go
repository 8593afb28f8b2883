package testkit

import (
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// MariaDB starts a MariaDB server of its own, which runs until the test ends. Its user may do everything.
func MariaDB(t testing.TB) *Server {
	t.Helper()
	install, mariadbd, client := Need(t, "mariadb-install-db"), Need(t, "mariadbd"), Need(t, "mariadb")
	dir, who := home(t, "mysql")
	data, socket := filepath.Join(dir, "data"), filepath.Join(dir, "s")
	quick := []string{"--no-defaults", "--datadir=" + data, "--innodb-flush-log-at-trx-commit=0", "--innodb-log-file-size=16M", "--innodb-buffer-pool-size=32M"}
	output(t, who, dir, "", install, append(quick, "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")...)
	port := strconv.Itoa(FreePort(t))
	s := &Server{Scheme: "mysql", Address: net.JoinHostPort("127.0.0.1", port), User: "sealock", Password: password}
	server := daemon{owner: t, path: mariadbd, dir: dir, who: who, args: append(quick, "--bind-address=127.0.0.1", "--port="+port, "--socket="+socket,
		"--pid-file="+filepath.Join(dir, "pid"), "--max-connections=300", "--skip-name-resolve", "--skip-log-bin")}
	access := []string{"--no-defaults", "--protocol=socket", "--socket=" + socket, "--user=root"}
	query := func(t testing.TB, text string) {
		t.Helper()
		output(t, who, dir, text, client, access...)
	}
	s.launch = func(t testing.TB) func() {
		t.Helper()
		stop := server.start(t, s.Address, syscall.SIGTERM)
		await(func() bool { return answers(client, who, dir, append(access, "--execute=SELECT 1")...) }, time.Minute)
		return stop
	}
	s.Start(t)
	query(t, "CREATE USER sealock@'%' IDENTIFIED BY '"+password+"'; GRANT ALL ON *.* TO sealock@'%'")
	s.create = func(t testing.TB, name string) {
		t.Helper()
		query(t, "CREATE DATABASE "+name)
	}
	return s
}

// answers reports whether a client gets an answer.
func answers(path string, who *syscall.Credential, dir string, args ...string) bool {
	cmd := exec.Command(path, args...) //nolint:gosec,noctx // tests choose the program; it ends by itself
	cmd.Dir, cmd.Env = dir, plain(dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	return cmd.Run() == nil
}

// await asks until the answer is yes or patience ends; what comes next fails then.
func await(ask func() bool, patience time.Duration) {
	for end := time.Now().Add(patience); !ask() && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
}
