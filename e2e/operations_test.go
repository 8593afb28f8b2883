package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/e2e/internal/client"
	"github.com/sealock/sealock/e2e/internal/fixture"
	"github.com/sealock/sealock/e2e/internal/wire"
)

// operation is one column of the table. They are tried in this order, and later ones
// use what earlier ones have pushed.
type operation struct {
	name  client.Operation
	title string
	try   func(t *testing.T, c *cell)
}

func operations() []operation {
	return []operation{
		{client.Login, "log in", tryLogin},
		{client.Push, "push; the registry has every byte", tryPush},
		{client.Pull, "pull; digest and content are what was pushed", tryPull},
		{client.Tags, "list the tags of a repository", tryTags},
		{client.Catalog, "list repositories: through the front proxy those that the user may pull, without it the administrator only", tryCatalog},
		{client.Copy, "copy to another repository, or push the same blobs there (cross-repository mount)", tryCopy},
		{client.MountDenied, "push blobs that lie in a repository which the user may not pull: uploaded instead of mounted", tryMountDenied},
		{client.WrongPassword, "a wrong password is refused, and the screen says so", tryWrongPassword},
		{client.DeniedPush, "a push to a project that does not exist is refused; through the front proxy the screen says why", tryDeniedPush},
		{client.Narrowed, "a guest pulls and can't push; the token that is asked for pull,push holds pull", tryNarrowed},
		{client.Anonymous, "pull from a public project without a login; a push is refused", tryAnonymous},
		{client.Expired, "an access token works while it is good and is refused when it has expired", tryExpired},
		{client.RefreshToken, "push and pull with the refresh token of a docker login; refused once it is revoked", tryRefreshToken},
		{client.Restart, "pull and push after the registry was restarted", tryRestart},
		{client.Rotation, "pull and push after sealock changed its signing key; the registry is not told", tryRotation},
		{client.Delete, "delete", tryDelete},
	}
}

func tryLogin(t *testing.T, c *cell) {
	must(t, c.login(c.alice, alice, alicePassword))
}

func tryPush(t *testing.T, c *cell) {
	c.digest = c.push(t, c.alice, c.ref(c.repository, "1.0.0"), c.content)
}

func tryPull(t *testing.T, c *cell) {
	c.pull(t, c.alice, c.ref(c.repository, "1.0.0"), c.digest, c.content)
}

func tryTags(t *testing.T, c *cell) {
	out := c.driver.Tags(c.alice, c.ref(c.repository, "1.0.0"))
	must(t, out)
	if !strings.Contains(out.Stdout, "1.0.0") {
		t.Errorf("tags: got\n%s\nwant 1.0.0 among them", out)
	}
}

// tryCatalog wants each user to see what he may pull. A registry that is reached
// directly has one catalog for all, which is the administrator's alone.
func tryCatalog(t *testing.T, c *cell) {
	hidden := "vault/" + c.driver.Name
	c.plant(t, hidden)
	if c.row.plugin {
		mustFail(t, c.driver.Catalog(c.alice))
		out := c.driver.Catalog(c.loggedIn(t, "admin", adminPassword))
		must(t, out)
		shows(t, out, c.repository, true)
		shows(t, out, hidden, true)
		return
	}
	out := c.driver.Catalog(c.alice)
	must(t, out)
	shows(t, out, c.repository, true)
	shows(t, out, hidden, false)
}

// plant puts an image there that only the administrator may see.
func (c *cell) plant(t *testing.T, repository string) {
	t.Helper()
	image, err := fixture.NewImage(unique(repository))
	if err != nil {
		t.Fatalf("making an image: %v", err)
	}
	if err := c.admin.Push(repository, "1.0.0", image); err != nil {
		t.Fatalf("pushing as the administrator: %v", err)
	}
}

func shows(t *testing.T, out client.Output, name string, want bool) {
	t.Helper()
	if got := strings.Contains(out.Stdout, name); got != want {
		t.Errorf("%s in the catalog: got %v, want %v\n%s", name, got, want, out)
	}
}

func tryCopy(t *testing.T, c *cell) {
	dst := c.ref("other/"+c.driver.Name, "1.0.0")
	must(t, c.driver.Copy(c.alice, c.ref(c.repository, "1.0.0"), dst))
	c.stored(t, dst, c.content)
}

// tryMountDenied pushes as the administrator, and the same again as a user who may not
// pull from there.
func tryMountDenied(t *testing.T, c *cell) {
	content := unique(c.driver.Name)
	src, dst := c.ref("vault/"+c.driver.Name, "2.0.0"), c.ref("other/"+c.driver.Name, "2.0.0")
	s := c.loggedIn(t, "admin", adminPassword)
	c.push(t, s, src, content)
	must(t, c.login(s, alice, alicePassword))
	must(t, c.driver.Remount(s, src, dst, content))
	c.stored(t, dst, content)
}

func tryWrongPassword(t *testing.T, c *cell) {
	s := c.session(t)
	out := c.login(s, alice, "wrong")
	if c.driver.Login == nil || c.driver.LoginIsOffline {
		must(t, out)
		_, out = c.driver.Pull(s, c.ref(c.repository, "1.0.0"), c.digest)
	}
	mustFail(t, out, c.driver.Shows.WrongPassword)
}

func tryDeniedPush(t *testing.T, c *cell) {
	out := c.driver.Push(c.alice, c.ref("calico/"+c.driver.Name, "1.0.0"), unique(c.driver.Name))
	if c.row.plugin || !c.driver.Shows.Denied {
		mustFail(t, out, refused()...)
		return
	}
	mustFail(t, out, `project "calico" does not exist or is not visible to you`, `project \"calico\" does not exist or is not visible to you`)
}

// refused lists the words of which every client shows one when it may not do a thing.
func refused() []string {
	return []string{"denied", "unauthorized", "insufficient_scope", "authorization failed", "authentication required", "forbidden"}
}

func tryNarrowed(t *testing.T, c *cell) {
	s := c.loggedIn(t, bob, bobPassword)
	c.pull(t, s, c.ref(c.repository, "1.0.0"), c.digest, c.content)
	content := unique(c.driver.Name)
	ref := c.ref(c.repository, "9.9.9")
	c.prepare(t, ref, content)
	out := c.driver.Push(s, ref, content)
	if c.row.plugin || !c.driver.Shows.Denied {
		mustFail(t, out, refused()...)
	} else {
		mustFail(t, out, `you may not push to repository "`+c.repository, `you may not push to repository \"`+c.repository)
	}
	c.narrowedToken(t)
}

func tryAnonymous(t *testing.T, c *cell) {
	ref, content := c.ref("open/"+c.driver.Name, "1.0.0"), unique(c.driver.Name)
	digest := c.push(t, c.alice, ref, content)
	s := c.session(t)
	c.pull(t, s, ref, digest, content)
	denied, content := c.ref(ref.Repository, "2.0.0"), unique(c.driver.Name)
	c.prepare(t, denied, content)
	mustFail(t, c.driver.Push(s, denied, content), refused()...)
}

// narrowedToken asks for more than a guest may have and wants what he may have.
func (c *cell) narrowedToken(t *testing.T) {
	t.Helper()
	token := c.token(t, wire.New(c.site.host, bob, bobPassword), "repository:"+c.repository+":pull,push")
	got, err := token.Granted(c.repository)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(got, ",") != "pull" {
		t.Errorf("token for a guest who asks for pull,push: got %q, want pull", got)
	}
}

func (c *cell) token(t *testing.T, w *wire.Client, scopes ...string) wire.Token {
	t.Helper()
	challenge, err := w.Challenge()
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := w.Token(challenge, scopes...)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func tryExpired(t *testing.T, c *cell) {
	token := c.token(t, wire.New(c.site.host, alice, alicePassword), "repository:"+c.repository+":pull").Token
	ref := c.ref(c.repository, "1.0.0")

	s := c.session(t)
	c.driver.UseToken(s, token)
	c.pull(t, s, ref, c.digest, c.content)

	s = c.session(t)
	c.driver.UseToken(s, c.site.server.Resign(t, token, -time.Minute))
	c.pull(t, s, ref, c.digest, c.content)

	s = c.session(t)
	c.driver.UseToken(s, c.site.server.Resign(t, token, 2*time.Minute))
	_, out := c.driver.Pull(s, ref, c.digest)
	mustFail(t, out, "unauthorized", "401")
}

func tryRefreshToken(t *testing.T, c *cell) {
	s := c.session(t)
	c.logInOffline(t, s)
	ref, content := c.ref(c.repository, "4.0.0"), unique(c.driver.Name)
	digest := c.push(t, s, ref, content)
	c.pull(t, s, ref, digest, content)

	if n := c.site.server.RevokeRefreshTokens(t, alice); n == 0 {
		t.Fatal("the operator's list holds no refresh token of alice")
	}
	_, out := c.driver.Pull(s, ref, digest)
	mustFail(t, out)
	must(t, c.login(c.alice, alice, alicePassword)) // whose token was revoked as well
}

// logInOffline leaves a refresh token in docker's config: docker by its own login,
// the others find one that docker has left there.
func (c *cell) logInOffline(t *testing.T, s *client.Session) {
	t.Helper()
	if c.driver.Name == "docker" {
		must(t, c.login(s, alice, alicePassword))
		token, err := s.StoredRefreshToken()
		if err != nil {
			t.Fatal(err)
		}
		if token == "" {
			t.Fatal("docker login stored no identitytoken, want the refresh token")
		}
		return
	}
	w := wire.New(c.site.host, alice, alicePassword)
	challenge, err := w.Challenge()
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := w.Offline(challenge)
	if err != nil {
		t.Fatal(err)
	}
	if token.RefreshToken == "" {
		t.Fatal("offline_token=true: got no refresh_token")
	}
	s.StoreRefreshToken(alice, token.RefreshToken)
}

func tryRestart(t *testing.T, c *cell) {
	c.site.restart(t)
	c.pull(t, c.alice, c.ref(c.repository, "1.0.0"), c.digest, c.content)
	c.push(t, c.alice, c.ref(c.repository, "2.0.0"), unique(c.driver.Name))
}

func tryRotation(t *testing.T, c *cell) {
	ref, content := c.ref(c.repository, "3.0.0"), unique(c.driver.Name)
	digest := c.push(t, c.alice, ref, content)
	before := c.signedBy(t)
	c.site.server.RotateKeys(t)
	if after := c.signedBy(t); after == before {
		t.Fatalf("after keys rotate: tokens are still signed by %q", after)
	}
	c.pull(t, c.alice, ref, digest, content)
	c.push(t, c.alice, c.ref(c.repository, "3.1.0"), unique(c.driver.Name))
}

// signedBy returns the id of the key that signs tokens now.
func (c *cell) signedBy(t *testing.T) string {
	t.Helper()
	kid, err := c.token(t, c.admin).KeyID()
	if err != nil {
		t.Fatal(err)
	}
	return kid
}

func tryDelete(t *testing.T, c *cell) {
	ref := c.ref(c.repository, "1.0.0")
	tag := ref.Tag
	if c.driver.Deleted != nil {
		tag = c.driver.Deleted(ref, c.digest)
	}
	c.hasTag(t, tag, true)
	must(t, c.driver.Delete(c.alice, ref, c.digest))
	c.hasTag(t, tag, false)
}

func (c *cell) hasTag(t *testing.T, tag string, want bool) {
	t.Helper()
	got, err := c.admin.HasTag(c.repository, tag)
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Fatalf("%s:%s is there: got %v, want %v", c.repository, tag, got, want)
	}
}
