package e2e_test

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/sealock/sealock/e2e/internal/client"
	"github.com/sealock/sealock/e2e/internal/fixture"
	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/wire"
)

// TestClients tries every operation with every client at every registry:
// TestClients/<registry>/<client>/<operation>. MATRIX.md is made from the same table.
// With -short it tries the cells that inShort picks.
func TestClients(t *testing.T) {
	t.Parallel()
	engines := client.StartEngines(t)
	for _, r := range rows() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			s := r.start(t)
			for _, driver := range client.Drivers() {
				t.Run(driver.Name, func(t *testing.T) {
					for _, tool := range driver.Tools {
						need.Tool(t, tool)
					}
					if driver.Engine {
						need.Root(t, driver.Name)
					}
					newCell(t, r, s, driver, engines).run(t)
				})
			}
		})
	}
}

// cell is one client at one registry: what the operations of one column leave behind
// for the next.
type cell struct {
	row     row
	site    *site
	driver  client.Driver
	engines client.Engines
	admin   *wire.Client

	repository string
	content    string // of the image that is pushed first
	digest     string
	alice      *client.Session
}

func newCell(t *testing.T, r row, s *site, driver client.Driver, engines client.Engines) *cell {
	t.Helper()
	c := &cell{
		row: r, site: s, driver: driver, engines: engines,
		admin:      wire.New(s.host, "admin", adminPassword),
		repository: "team/" + driver.Name,
		content:    unique(driver.Name),
	}
	c.alice = c.session(t)
	return c
}

// session is a new one: nobody is logged in.
func (c *cell) session(t *testing.T) *client.Session {
	t.Helper()
	s := client.NewSession(t, c.site.host, c.engines)
	if c.alice != nil {
		s.Keys = c.alice.Keys
	}
	return s
}

// unique returns content that no other image has, so that no store and no registry
// has seen it before.
func unique(what string) string {
	raw := make([]byte, 16)
	_, _ = rand.Read(raw) // never fails
	return what + " " + hex.EncodeToString(raw)
}

func (c *cell) run(t *testing.T) {
	if refuses, ok := c.row.refuses[c.driver.Name]; ok {
		t.Run("refuses", func(t *testing.T) { c.refuses(t, refuses) })
		return
	}
	for _, o := range operations() {
		if c.driver.Cannot[o.name] != "" {
			c.without(t, o.name)
			continue
		}
		if testing.Short() && !inShort(c.row.name, c.driver.Name, o.name) {
			continue
		}
		t.Run(string(o.name), func(t *testing.T) {
			c.alice.T = t
			o.try(t, c)
		})
	}
}

// without does what later operations rely on when an operation is not possible.
func (c *cell) without(t *testing.T, o client.Operation) {
	t.Helper()
	if o == client.Login {
		c.alice.User, c.alice.Pass = alice, alicePassword
	}
}

// refuses proves that a client which is left out refuses by itself.
func (c *cell) refuses(t *testing.T, r refusal) {
	c.alice.T = t
	must(t, c.login(c.alice, alice, alicePassword))
	ref := c.ref(c.repository, "1.0.0")
	c.prepare(t, ref, c.content)
	out := c.driver.Push(c.alice, ref, c.content)
	if out.Err == nil || !strings.Contains(out.Text, r.says) {
		t.Errorf("push: got\n%s\nwant a failure that says %q", out, r.says)
	}
}

func (c *cell) ref(repository, tag string) client.Ref {
	return client.Ref{Host: c.site.host, Repository: repository, Tag: tag}
}

// prepare puts the image there that a client wants to sign.
func (c *cell) prepare(t *testing.T, ref client.Ref, content string) {
	t.Helper()
	if !c.driver.Signs {
		return
	}
	image, err := fixture.NewImage(content)
	if err != nil {
		t.Fatalf("making an image: %v", err)
	}
	if err := c.admin.Push(ref.Repository, ref.Tag, image); err != nil {
		t.Fatalf("pushing what is to be signed: %v", err)
	}
}

// push pushes and proves that the registry has what was pushed.
func (c *cell) push(t *testing.T, s *client.Session, ref client.Ref, content string) string {
	t.Helper()
	c.prepare(t, ref, content)
	must(t, c.driver.Push(s, ref, content))
	return c.stored(t, ref, content)
}

// stored proves that the registry has an image with this content.
func (c *cell) stored(t *testing.T, ref client.Ref, content string) string {
	t.Helper()
	digest, err := c.admin.Check(ref.Repository, ref.Tag, content)
	if err != nil {
		t.Fatalf("what %s pushed: %v", c.driver.Name, err)
	}
	return digest
}

// pull pulls and proves that it is what was pushed.
func (c *cell) pull(t *testing.T, s *client.Session, ref client.Ref, digest, content string) {
	t.Helper()
	pulled, out := c.driver.Pull(s, ref, digest)
	must(t, out)
	if pulled.Digest != digest {
		t.Fatalf("pulling %s: got digest %q, want %q\n%s", ref, pulled.Digest, digest, out)
	}
	if pulled.Dir == "" {
		return
	}
	found, err := fixture.HoldsFile(pulled.Dir, content)
	if err != nil {
		t.Fatal(err)
	}
	if !found {
		t.Fatalf("pulling %s: no file holds %q\n%s", ref, content, out)
	}
}

// login logs in, in the client's own way.
func (c *cell) login(s *client.Session, user, pass string) client.Output {
	if c.driver.Login == nil {
		s.User, s.Pass = user, pass
		return client.Output{}
	}
	return c.driver.Login(s, user, pass)
}

// loggedIn is a new session in which user is logged in.
func (c *cell) loggedIn(t *testing.T, user, pass string) *client.Session {
	t.Helper()
	s := c.session(t)
	must(t, c.login(s, user, pass))
	return s
}

func must(t *testing.T, out client.Output) {
	t.Helper()
	if out.Err != nil {
		t.Fatalf("got\n%s\nwant success", out)
	}
}

// mustFail wants a failure, in which the user sees one of the words.
func mustFail(t *testing.T, out client.Output, words ...string) {
	t.Helper()
	if out.Err == nil {
		t.Fatalf("got\n%s\nwant a failure", out)
	}
	if len(words) == 0 {
		return
	}
	for _, word := range words {
		if strings.Contains(strings.ToLower(out.Text), strings.ToLower(word)) {
			return
		}
	}
	t.Fatalf("got\n%s\nwant a failure that says %s", out, fmt.Sprintf("%q", words))
}
