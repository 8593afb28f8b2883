package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sealock/sealock/cmd/internal/credhelper"
	"github.com/sealock/sealock/internal/testkit"
)

// TestMain makes this test binary the program itself when a script runs sealock.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"sealock":       func() { os.Exit(mainCode()) },
		credhelper.Name: func() { os.Exit(credhelper.OfProcess("test").Run(context.Background(), os.Args[1:])) },
	})
}

// TestScripts runs the shell sessions in testdata/script. Besides testscript's own commands they have:
//
//	serve [FLAG...]  start sealock serve on a free port with its data in $WORK/data; $SERVER is its URL then
//	servetls         the same with TLS by a CA of its own, in data/keys/tls-root.pem
//	stop             stop it; what still runs is stopped at the end of the script
//	guess USER N     try N wrong passwords for the account
//	accesstoken VARIABLE USER PASSWORD  set a variable to an access token for the REST API
func TestScripts(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "script", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(name string) bool { return filepath.Base(name) == databaseScript })
	runScripts(t, files, nil)
}

// databaseScript needs a database server, of which it has a URL in $DATABASE and one with a wrong password in
// $WRONG_PASSWORD.
const databaseScript = "db.txtar"

func TestDatabaseScript(t *testing.T) {
	server := testkit.Postgres(t)
	database := server.Database(t)
	runScripts(t, []string{filepath.Join("testdata", "script", databaseScript)}, map[string]string{
		"DATABASE":       database,
		"DATABASE_HOST":  server.Address,
		"OTHER_DATABASE": server.Database(t),
		"WRONG_PASSWORD": server.URLAs(server.User, "canary", "sealock_1"),
		"NO_DATABASE":    server.URL("elsewhere"),
	})
}

func runScripts(t *testing.T, files []string, variables map[string]string) {
	t.Helper()
	testscript.Run(t, testscript.Params{
		Files:               files,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
			env.Setenv("SEALOCK_ADMIN_PASSWORD", "administrators-secret")
			for name, value := range variables {
				env.Setenv(name, value)
			}
			env.Values[serverKey{}] = &server{}
			return nil
		},
		Cmds: scriptCommands(),
	})
}

func scriptCommands() map[string]func(*testscript.TestScript, bool, []string) {
	all := map[string]func(*testscript.TestScript, bool, []string){
		"serve": serveCmd, "servetls": serveTLSCmd, "stop": stopCmd, "accesstoken": accessTokenCmd, "guess": guessCmd,
		"appendfile": appendFileCmd,
	}
	maps.Copy(all, helperCommands())
	return all
}

// appendFileCmd is cat FROM >>TO.
func appendFileCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: appendfile TO FROM")
	}
	content := ts.ReadFile(args[0]) + ts.ReadFile(args[1])
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(content), 0o600))
}

// server is a sealock that a script started.
type server struct {
	cmd *exec.Cmd
	log string // the file that holds what it says
}

type serverKey struct{}

func serveCmd(ts *testscript.TestScript, neg bool, args []string) {
	s, _ := ts.Value(serverKey{}).(*server)
	if neg || s.cmd != nil {
		ts.Fatalf("usage: serve [FLAG...], once until stop")
	}
	address := ts.Getenv("ADDRESS")
	if address == "" {
		address = freeAddress(ts)
		ts.Setenv("ADDRESS", address)
		ts.Setenv("SERVER", "http://"+address)
	}
	s.start(ts, append([]string{"serve", "--data-dir", ts.MkAbs("data"), "--listen", address}, args...))
	ts.Defer(func() { s.stop(ts) })
	if err := await(http.DefaultClient, ts.Getenv("SERVER")+"/api/v2.0/ping", 30*time.Second); err != nil {
		ts.Fatalf("sealock serve does not get ready: %v", err)
	}
}

func serveTLSCmd(ts *testscript.TestScript, neg bool, args []string) {
	s, _ := ts.Value(serverKey{}).(*server)
	if neg || s.cmd != nil || len(args) > 0 {
		ts.Fatalf("usage: servetls")
	}
	address := freeAddress(ts)
	ts.Setenv("ADDRESS", address)
	s.start(ts, []string{"serve", "--data-dir", ts.MkAbs("data"), "--listen", address, "--tls-self-signed"})
	ts.Defer(func() { s.stop(ts) })
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(ts.ReadFile("data/keys/tls-root.pem")))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	if err := await(client, "https://"+address+"/api/v2.0/ping", 30*time.Second); err != nil {
		ts.Fatalf("sealock serve does not get ready: %v", err)
	}
}

func freeAddress(ts *testscript.TestScript) string {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	ts.Check(err)
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// start runs the program with the script's environment; what it says goes into a file that a failing test shows.
func (s *server) start(ts *testscript.TestScript, args []string) {
	program, err := exec.LookPath("sealock") // the scripts' PATH is this process's
	ts.Check(err)
	s.log = ts.MkAbs("serve.log") // the script may go elsewhere
	log, err := os.Create(s.log)
	ts.Check(err)
	s.cmd = exec.CommandContext(context.Background(), program, args...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = ts.MkAbs("."), log, log
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "SEALOCK_ADMIN_PASSWORD", "SEALOCK_STORE_URL", "SEALOCK_STORE_URL_FILE", "GOCOVERDIR"} {
		s.cmd.Env = append(s.cmd.Env, name+"="+ts.Getenv(name))
	}
	ts.Check(s.cmd.Start())
}

func stopCmd(ts *testscript.TestScript, _ bool, _ []string) {
	s, _ := ts.Value(serverKey{}).(*server)
	s.stop(ts)
}

// stop ends the server as a service manager does.
func (s *server) stop(ts *testscript.TestScript) {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	ended := make(chan error, 1)
	go func() { ended <- s.cmd.Wait() }()
	select {
	case err := <-ended:
		ts.Logf("sealock serve ended: %v\n%s", err, s.said())
	case <-time.After(20 * time.Second):
		_ = s.cmd.Process.Kill()
		ts.Logf("sealock serve did not end by itself\n%s", s.said())
	}
	s.cmd = nil
}

func accessTokenCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: accesstoken VARIABLE USER PASSWORD")
	}
	env := &environment{Getenv: ts.Getenv}
	t, err := askToken(context.Background(), env, login{URL: ts.Getenv("SERVER")}, url.Values{
		"grant_type": {"password"}, "username": {args[1]}, "password": {args[2]},
	})
	ts.Check(err)
	ts.Setenv(args[0], t.AccessToken)
}

func (s *server) said() []byte {
	b, _ := os.ReadFile(s.log) // nothing, then
	return b
}

// await asks a URL until it answers 200.
func await(client *http.Client, url string, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		err := ask(ctx, client, url)
		if err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func ask(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return nil
}

func guessCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: guess USER N")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	for i := range n {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, ts.Getenv("SERVER")+"/service/token?service=sealock", nil)
		ts.Check(err)
		req.SetBasicAuth(args[0], fmt.Sprint("guess", i))
		resp, err := http.DefaultClient.Do(req)
		ts.Check(err)
		ts.Check(resp.Body.Close())
		if resp.StatusCode != http.StatusUnauthorized {
			ts.Fatalf("guess %d for %s: %s, want 401", i, args[0], resp.Status)
		}
	}
}
