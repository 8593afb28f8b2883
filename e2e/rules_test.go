package e2e_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/e2e/internal/client"
	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
	"github.com/sealock/sealock/e2e/internal/wire"
)

// TestPullsNeedSignatures signs with cosign what nobody could pull before; a label and an age keep it back again.
func TestPullsNeedSignatures(t *testing.T) {
	t.Parallel()
	server := serve(t, "")
	server.AddProject(t, "team")
	d, cosign := newDesk(t, server), driver(t, "cosign")
	must(t, d.login("admin", adminPassword))
	content := unique("team/app")
	must(t, d.crane.Push(d.Session, d.ref("team/app"), content))
	tell := func(method, path, body string, want int) {
		t.Helper()
		if resp := calls(t, server, method, path, body); resp.Status != want {
			t.Fatalf("%s %s = %d %s, want %d", method, path, resp.Status, resp.Body, want)
		}
	}
	must(t, d.pull("team/app"))
	tell("PUT", "/projects/team", `{"metadata":{"enable_content_trust_cosign":"true"}}`, http.StatusOK)
	mustFail(t, d.pull("team/app"), "no signature of cosign (enable_content_trust_cosign)")
	must(t, d.push("team/other")) // pushing is as ever

	need.Tool(t, "cosign")
	must(t, cosign.Login(d.Session, "admin", adminPassword))
	must(t, cosign.Push(d.Session, d.ref("team/app"), content))
	must(t, d.pull("team/app"))
	mustFail(t, d.pull("team/other"), "no signature of cosign (enable_content_trust_cosign)")

	tell("POST", "/projects/team/metadatas", `{"deny_pull_labels":"quarantine"}`, http.StatusOK)
	server.CLI(t, "label", "create", "quarantine", "--project", "team")
	server.CLI(t, "label", "add", "team/app:1.0.0", "quarantine")
	mustFail(t, d.pull("team/app"), "deny_pull_labels")
	server.CLI(t, "label", "remove", "team/app:1.0.0", "quarantine")
	must(t, d.pull("team/app"))
	tell("POST", "/projects/team/metadatas", `{"deny_pull_younger":"1h"}`, http.StatusOK)
	mustFail(t, d.pull("team/app"), "deny_pull_younger")
}

// TestPullLimit pulls until the limit is reached: the client says why it can't go on.
func TestPullLimit(t *testing.T) {
	t.Parallel()
	server := serve(t, "pulls: {per_user: 5, window: 1h}\n")
	server.AddProject(t, "team")
	d := newDesk(t, server)
	must(t, d.login("admin", adminPassword))
	must(t, d.push("team/app"))
	var out client.Output
	for range 8 {
		if out = d.pull("team/app"); out.Err != nil {
			break
		}
	}
	mustFail(t, out, "TOOMANYREQUESTS", "429")
	mustFail(t, out, "admin has pulled 5 images", "429")
}

// TestLongPush pushes a blob with a client that never asks for another token, though its own ends on the way, and with one
// that does.
func TestLongPush(t *testing.T) {
	t.Parallel()
	server := serve(t, "")
	server.AddProject(t, "team")
	w := wire.New(server.Addr, "admin", adminPassword)
	ping, err := w.Send(wire.Request{Method: http.MethodPost, URL: "/v2/team/app/blobs/uploads/"})
	if err != nil {
		t.Fatal(err)
	}
	challenge, err := wire.ParseChallenge(ping.Header.Get("WWW-Authenticate"))
	if err != nil {
		t.Fatal(err)
	}
	issued, _, err := w.Token(challenge, challenge.Scope)
	if err != nil {
		t.Fatal(err)
	}
	ended := server.ResignYoung(t, issued.Token, 20*time.Second)
	send := func(method, target, token, body string, want int) string {
		t.Helper()
		resp, err := w.Send(wire.Request{Method: method, URL: target, Bearer: token, Body: []byte(body), Header: http.Header{"Content-Type": {"application/octet-stream"}}})
		if err != nil || resp.Status != want {
			t.Fatalf("%s %s = %s, %v, want %d", method, target, resp, err, want)
		}
		return resp.Header.Get("Location")
	}
	location := send(http.MethodPost, "/v2/team/app/blobs/uploads/", issued.Token, "", http.StatusAccepted)
	location = send(http.MethodPatch, location, ended, "a long ", http.StatusAccepted)
	server.Restart(t) // nothing of it is in memory
	location = send(http.MethodPatch, location, ended, "push", http.StatusAccepted)
	send(http.MethodPut, location+fmt.Sprintf("&digest=sha256:%x", sha256.Sum256([]byte("a long push"))), ended, "", http.StatusCreated)
	if resp, err := w.Send(wire.Request{Method: http.MethodGet, URL: "/v2/team/app/tags/list", Bearer: ended}); err != nil || resp.Status != http.StatusUnauthorized {
		t.Errorf("anything else with that token = %s, %v, want 401", resp, err)
	}

	d := newDesk(t, server)
	must(t, d.login("admin", adminPassword))
	must(t, d.push("team/app"))
}

// TestUnknownHost asks under a name that external_urls does not list.
func TestUnknownHost(t *testing.T) {
	t.Parallel()
	addr := proc.FreeAddr(t)
	server := serveAt(t, addr, "external_urls: [\"http://"+addr+"\", \"https://registry.example.com\"]\n")
	_, port, _ := strings.Cut(addr, ":")
	other := wire.New("localhost:"+port, "admin", adminPassword)
	resp, err := other.Send(wire.Request{Method: http.MethodGet, URL: "/v2/"})
	if err != nil || resp.Status != http.StatusForbidden || !strings.Contains(resp.Message(), "DENIED: this server is not called") {
		t.Errorf("a name that is not listed = %s, %v, want 403 that says so", resp, err)
	}
	d := newDesk(t, server)
	must(t, d.login("admin", adminPassword))
}
