package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
	"github.com/sealock/sealock/e2e/internal/sealock"
	"github.com/sealock/sealock/e2e/internal/wire"
)

// restarted is what the server prints when another process has taken over.
const restarted = "another process takes new connections"

// TestRestartCutsNoPush restarts a server again and again while clients push: one image after the other with crane, and
// a blob whose upload began at the first of the processes and ends when the third serves.
func TestRestartCutsNoPush(t *testing.T) {
	t.Parallel()
	server := serve(t, "drain:\n  restart: 1m\n")
	server.AddProject(t, "team")
	d := newDesk(t, server)
	must(t, d.login("admin", adminPassword))
	slow := beginUpload(t, server, "team/slow")

	var over atomic.Bool
	pushed := make(chan int, 1)
	go func() {
		n := 0
		for ; !over.Load() && !t.Failed(); n++ {
			name := fmt.Sprintf("team/image%d", n)
			if out := d.push(name); out.Err != nil {
				t.Errorf("a push during a restart: %s", out)
			}
		}
		pushed <- n
	}()
	const restarts = 3
	for n := range restarts {
		server.Signal(t, []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR2}[n%2])
		server.Said(t, restarted, n+1)
		slow.send(t)
	}
	over.Store(true)
	n := <-pushed
	if n < restarts {
		t.Errorf("%d pushes over %d restarts, want one each at least", n, restarts)
	}
	slow.finish(t)
	for i := range n {
		must(t, d.pull(fmt.Sprintf("team/image%d", i)))
	}

	// Settings that can't work change nothing.
	server.Configure(t, "drain:\n  restart: soon\n")
	server.Signal(t, syscall.SIGHUP)
	server.Said(t, "the restart failed", 1)
	must(t, d.push("team/after"))

	// Whoever started the server sees it end.
	server.Signal(t, syscall.SIGTERM)
	if code := server.Ended(); code != 0 {
		t.Errorf("the process that was started ended with %d after its heirs, want 0", code)
	}
}

// TestSocketActivation has systemd's own program open the socket: the server that it starts takes it, and hands it on in a restart.
// A socket that it was not told of stops it, with a word about it.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	program := need.Tool(t, "systemd-socket-activate")
	addr := proc.FreeAddr(t)
	under := func(sockets ...string) []string {
		command := []string{program}
		for _, name := range []string{"SEALOCK_ADMIN_PASSWORD", "HOME", "TMPDIR"} {
			command = append(command, "-E", name)
		}
		for _, s := range sockets {
			command = append(command, "-l", s)
		}
		return command
	}
	server := sealock.Prepare(t, sealock.Options{Addr: addr, Settings: "drain: {restart: 1m}\n", Under: under(addr)})
	server.Start(t)
	server.LogIn(t)
	server.AddProject(t, "team")
	server.Signal(t, syscall.SIGHUP)
	server.Said(t, restarted, 1)
	server.AddProject(t, "after")
	server.Signal(t, syscall.SIGTERM)
	if code := server.Ended(); code != 0 {
		t.Errorf("sealock ended with %d, want 0", code)
	}

	other, over := proc.FreeAddr(t), make(chan struct{})
	go func() { // the first client has it started
		for proc.Dials(other)() != nil {
			select {
			case <-over:
				return
			case <-time.After(25 * time.Millisecond):
			}
		}
	}()
	stranger := proc.Run(proc.Command{
		Args: append(under(other), sealock.Binary(t), "serve", "--listen", addr, "--data-dir", proc.Dir(t)), Env: []string{"HOME=" + proc.Dir(t)},
	})
	close(over)
	mustFail(t, stranger, "systemd hands over a socket on "+other)
}

// TestStopLetsAPushFinish stops a server while a blob is on its way in.
func TestStopLetsAPushFinish(t *testing.T) {
	t.Parallel()
	server := serve(t, "drain:\n  stop: 1m\n")
	server.AddProject(t, "team")
	slow := beginUpload(t, server, "team/slow")
	server.Signal(t, syscall.SIGTERM)
	for refused := false; !refused; { // nobody is let in any more
		_, err := wire.New(server.Addr, "", "").Send(wire.Request{Method: http.MethodGet, URL: "/api/v2.0/ping"})
		refused = err != nil
	}
	slow.send(t)
	slow.end(t)
	if code := server.Ended(); code != 0 {
		t.Errorf("sealock ended with %d, want 0", code)
	}
}

// upload is a blob that is sent in one request, part by part.
type upload struct {
	client   *wire.Client
	token    string
	location string
	sum      []byte
	all      bytes.Buffer
	body     *io.PipeWriter
	answer   chan *http.Response
}

// part is so large that it does not wait in some buffer.
var part = strings.Repeat("0123456789abcdef", 64<<10)

func beginUpload(t *testing.T, server *sealock.Server, repository string) *upload {
	t.Helper()
	c := wire.New(server.Addr, "admin", adminPassword)
	scope := "repository:" + repository + ":pull,push"
	given, _, err := c.Token(wire.Challenge{Realm: server.URL + "/service/token", Service: "sealock", Scope: scope}, scope)
	if err != nil {
		t.Fatal(err)
	}
	token := given.Token
	started, err := c.Send(wire.Request{Method: http.MethodPost, URL: "/v2/" + repository + "/blobs/uploads/", Bearer: token})
	if err != nil || started.Status != http.StatusAccepted {
		t.Fatalf("starting an upload: %s, %v, want 202", started, err)
	}
	u := &upload{client: c, token: token, answer: make(chan *http.Response, 1)}
	body, w := io.Pipe()
	u.body = w
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, started.Header.Get("Location"), body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/octet-stream")
	go func() {
		defer close(u.answer)
		resp, err := http.DefaultTransport.RoundTrip(req) //nolint:bodyclose // who waits for the answer closes it
		if err != nil {
			t.Errorf("an upload over restarts: %v", err)
			_ = body.CloseWithError(err)
			return
		}
		u.answer <- resp
	}()
	u.send(t)
	return u
}

func (u *upload) send(t *testing.T) {
	t.Helper()
	u.all.WriteString(part)
	if _, err := io.WriteString(u.body, part); err != nil {
		t.Fatalf("sending a part of a blob: %v", err)
	}
}

// end waits for the answer to what was sent.
func (u *upload) end(t *testing.T) {
	t.Helper()
	_ = u.body.Close()
	resp, ok := <-u.answer
	if !ok {
		t.Fatal("an upload got no answer")
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("an upload ends with %s, want 202", resp.Status)
	}
	u.location = resp.Header.Get("Location")
	sum := sha256.Sum256(u.all.Bytes())
	u.sum = sum[:]
}

// finish makes a blob of it, which is another request, and reads it back.
func (u *upload) finish(t *testing.T) {
	t.Helper()
	u.end(t)
	digest := "sha256:" + hex.EncodeToString(u.sum)
	done, err := u.client.Send(wire.Request{Method: http.MethodPut, URL: u.location + "&digest=" + digest, Bearer: u.token})
	if err != nil || done.Status != http.StatusCreated {
		t.Fatalf("finishing an upload: %s, %v, want 201", done, err)
	}
	got, err := u.client.Send(wire.Request{Method: http.MethodGet, URL: done.Header.Get("Location"), Bearer: u.token})
	if err != nil || !bytes.Equal(got.Body, u.all.Bytes()) {
		t.Errorf("the blob has %d bytes (%d, %v), want the %d that were sent", len(got.Body), got.Status, err, u.all.Len())
	}
}
