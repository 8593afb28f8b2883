package e2e_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/e2e/internal/sealock"
	"github.com/sealock/sealock/e2e/internal/wire"
)

// serveAlice starts a server where alice, a developer of team and other, is logged in with the command line.
func serveAlice(t *testing.T) *sealock.Server {
	t.Helper()
	server := serve(t, "log: {level: debug}\n")
	server.AddUser(t, "alice", alicePassword)
	server.AddProject(t, "team", "alice:developer")
	server.AddProject(t, "other", "alice:developer")
	server.CLIWith(t, alicePassword+"\n", "login", server.URL, "--username", "alice", "--password-stdin")
	return server
}

// makePAT makes a personal access token of alice's.
func makePAT(t *testing.T, server *sealock.Server, args ...string) string {
	t.Helper()
	return strings.TrimSpace(server.CLIWith(t, alicePassword+"\n", append([]string{"pat", "create", "--password-stdin"}, args...)...))
}

// TestPersonalAccessTokens logs in with docker and a token, and pushes and pulls what it is good for.
func TestPersonalAccessTokens(t *testing.T) {
	t.Parallel()
	server := serveAlice(t)
	push := makePAT(t, server, "laptop", "--project", "team", "--repository", "app-*", "--action", "push", "--expires", "30d")
	pull := makePAT(t, server, "reader", "--project", "team", "--action", "pull", "--expires", "never")

	laptop := newDesk(t, server)
	mustFail(t, laptop.login("admin", push), "unknown user or wrong password")
	mustFail(t, laptop.login("alice", push+"x"), "unknown user or wrong password")
	must(t, laptop.login("alice", push))
	must(t, laptop.push("team/app-1"))
	must(t, laptop.pull("team/app-1"))
	mustFail(t, laptop.push("team/lib"), "denied")
	mustFail(t, laptop.push("other/app-1"), "denied")

	reader := newDesk(t, server)
	must(t, reader.login("ALICE", pull))
	must(t, reader.pull("team/app-1"))
	mustFail(t, reader.push("team/app-1"), "denied")

	// What was got with a token is refused at the door with the next request after it was revoked.
	access := accessToken(t, server, push)
	tags := func() int {
		t.Helper()
		resp, err := wire.New(server.Addr, "", "").Send(wire.Request{Method: http.MethodGet, URL: "/v2/team/app-1/tags/list", Bearer: access})
		if err != nil {
			t.Fatal(err)
		}
		return resp.Status
	}
	if got := tags(); got != http.StatusOK {
		t.Fatalf("the door says %d to the access token, want 200", got)
	}
	server.CLI(t, "pat", "revoke", "laptop")
	if got := tags(); got != http.StatusUnauthorized {
		t.Errorf("the door says %d after the token was revoked, want 401", got)
	}
	mustFail(t, laptop.pull("team/app-1"), "unauthorized", "unknown user or wrong password")
	mustFail(t, laptop.login("alice", push), "unknown user or wrong password")
	must(t, reader.pull("team/app-1"))

	list := server.CLI(t, "pat", "list")
	if !strings.Contains(list, "reader") || strings.Contains(list, "laptop") || !strings.Contains(list, "127.0.0.1") {
		t.Errorf("the list says\n%s\nwant the reader alone, used from 127.0.0.1", list)
	}
	for _, secret := range []string{push, pull} {
		nowhere(t, server, secret)
	}
}

// accessToken returns an access token for team/app-1 that a personal access token gets.
func accessToken(t *testing.T, server *sealock.Server, pat string) string {
	t.Helper()
	c := wire.New(server.Addr, "alice", pat)
	token, resp, err := c.Token(wire.Challenge{Realm: server.URL + "/service/token", Service: "sealock"}, "repository:team/app-1:pull")
	if err != nil || token.Token == "" {
		t.Fatalf("an access token: got %s, %v, want one", resp, err)
	}
	return token.Token
}

// TestPersonalAccessTokenEnds shows that a token works until its end and not after it.
func TestPersonalAccessTokenEnds(t *testing.T) {
	t.Parallel()
	server := serveAlice(t)
	d := newDesk(t, server)
	end := time.Now().Add(20 * time.Second)
	secret := makePAT(t, server, "short", "--expires", end.UTC().Format(time.RFC3339))
	must(t, d.login("alice", secret))
	time.Sleep(time.Until(end))
	mustFail(t, d.push("team/app"), "unauthorized", "unknown user or wrong password")
	mustFail(t, d.login("alice", secret), "unknown user or wrong password")
}

// nowhere fails the test where the secret part of a token is found: in the log, in the audit trail, in any file.
func nowhere(t *testing.T, server *sealock.Server, token string) {
	t.Helper()
	secret := token[len(token)-49 : len(token)-6]
	log, err := server.Output()
	if err != nil || strings.Contains(log, secret) {
		t.Errorf("the log holds a secret, or can't be read: %v", err)
	}
	resp, err := wire.New(server.Addr, "admin", adminPassword).Send(wire.Request{Method: http.MethodGet, URL: "/api/v2.0/audit-logs?page_size=100", Basic: true})
	if err != nil || resp.Status != http.StatusOK || bytes.Contains(resp.Body, []byte(secret)) {
		t.Errorf("the audit trail holds a secret, or can't be read: %d, %v", resp.Status, err)
	}
	if !bytes.Contains(resp.Body, []byte(`"resource_type":"personal_access_token"`)) {
		t.Error("the audit trail says nothing of the token")
	}
	err = filepath.WalkDir(server.DataDir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil && bytes.Contains(text, []byte(secret)) {
			err = fmt.Errorf("%s holds a secret", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
