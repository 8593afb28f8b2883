package proxy_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/proxy"
)

const passKey = "key of the test"

// eachPassed is eachUpstream with passes that live for an hour.
func eachPassed(t *testing.T, test func(t *testing.T, d *door)) {
	passes := func(m *mint) option {
		return func(c *proxy.Config) {
			c.Passes = &proxy.Passes{Verifier: m.tokens.WithLate(time.Hour), Key: secret.New(passKey), Life: time.Hour, Minter: m}
		}
	}
	t.Run("embedded", func(t *testing.T) {
		m := newMint(t)
		test(t, open(t, m, newEmbedded(t), passes(m)))
	})
	t.Run("separate", func(t *testing.T) {
		m := newMint(t)
		test(t, open(t, m, newSeparate(t, m, newStock(t, m).URL), passes(m)))
	})
}

// ended returns a token that has just ended, and where an upload goes on that was begun before.
func ended(t *testing.T, d *door, subject, scope string) (token, location string) {
	t.Helper()
	start := d.do(t, call{method: "POST", path: "/v2/team/app/blobs/uploads/", token: d.token(t, "alice", sealToken, 0)}).want(t, "starting an upload", http.StatusAccepted)
	return d.token(t, subject, scope, -75*time.Second), start.header.Get("Location")
}

func withDigest(location string, blob []byte) string { return location + "&digest=" + digestOf(blob) }

// An upload goes on for a client that never asks for another token, to its end, and nothing else does.
func TestUploadOutlivesItsToken(t *testing.T) {
	eachPassed(t, func(t *testing.T, d *door) {
		token, location := ended(t, d, "alice", sealToken)
		d.do(t, call{method: "POST", path: "/v2/team/app/blobs/uploads/", token: token}).want(t, "another upload with a token that has ended", http.StatusUnauthorized)
		binary := map[string]string{"Content-Type": "application/octet-stream"}
		a := d.do(t, call{method: "PATCH", path: location, token: token, body: []byte("half"), header: binary}).want(t, "a chunk after the token's end", http.StatusAccepted)
		a = d.do(t, call{method: "GET", path: a.header.Get("Location"), token: token}).want(t, "asking how far it is", http.StatusNoContent)
		a = d.do(t, call{method: "PATCH", path: a.header.Get("Location"), token: token, body: []byte("way"), header: binary}).want(t, "another chunk", http.StatusAccepted)
		d.do(t, call{method: "DELETE", path: a.header.Get("Location"), token: token}).want(t, "cancelling with a token that has ended", http.StatusUnauthorized)
		last := a.header.Get("Location")
		d.do(t, call{method: "PUT", path: withDigest(last, []byte("halfway")), token: token, header: binary}).want(t, "the end of the upload", http.StatusCreated)
		d.do(t, call{method: "GET", path: "/v2/team/app/blobs/" + digestOf([]byte("halfway")), token: token}).want(t, "a pull with a token that has ended", http.StatusUnauthorized)
		d.do(t, call{method: "GET", path: "/v2/team/app/blobs/" + digestOf([]byte("halfway")), token: d.token(t, "alice", sealToken, 0)}).want(t, "a pull", http.StatusOK)
	})
}

// A pass is for one upload, one subject and a bounded time, and opens nothing that the policy does not.
func TestUploadPassIsNarrow(t *testing.T) {
	eachPassed(t, func(t *testing.T, d *door) {
		token, location := ended(t, d, "alice", sealToken)
		u, err := url.Parse(location)
		must(t, err)
		pass := u.Query().Get("_sealock")
		if pass == "" {
			t.Fatalf("Location = %q, want a pass in it", location)
		}
		patch := func(what, where, token string, status int) {
			t.Helper()
			d.do(t, call{method: "PATCH", path: where, token: token, body: []byte("x"), header: map[string]string{"Content-Type": "application/octet-stream"}}).want(t, what, status)
		}
		changed := func(value string) string { return strings.Replace(location, pass, value, 1) }
		patch("no pass", changed(""), token, http.StatusUnauthorized)
		patch("another date", changed("zzzzzz"+pass[strings.Index(pass, "."):]), token, http.StatusUnauthorized)
		patch("a forged pass", changed(pass[:len(pass)-1]+"-"), token, http.StatusUnauthorized)
		patch("two passes", location+"&_sealock="+pass, token, http.StatusBadRequest)
		other := d.do(t, call{method: "POST", path: "/v2/team/app/blobs/uploads/", token: d.token(t, "alice", sealToken, 0)}).want(t, "another upload", http.StatusAccepted).header.Get("Location")
		o, err := url.Parse(other)
		must(t, err)
		patch("the pass of another upload", strings.Replace(other, o.Query().Get("_sealock"), pass, 1), token, http.StatusUnauthorized)
		patch("another repository", strings.Replace(location, "/team/app/", "/mine/app/", 1), d.token(t, "alice", "repository:mine/app:pull,push", -75*time.Second), http.StatusUnauthorized)
		patch("another subject", location, d.token(t, "root", sealToken, -75*time.Second), http.StatusUnauthorized)
		patch("a token for less", location, d.token(t, "alice", "repository:team/app:pull", -75*time.Second), http.StatusUnauthorized)
		patch("a token that ended before the upload was begun", location, d.token(t, "alice", sealToken, -10*time.Minute), http.StatusUnauthorized)

		d.policy.table["alice"]["team"] = "pull"
		patch("a right that was taken away", location, token, http.StatusForbidden)
		d.policy.table["alice"]["team"] = "pull,push,delete"
		delete(d.people, "alice")
		patch("an account that is gone", location, token, http.StatusUnauthorized)
		d.people["alice"] = auth.Subject{Name: "alice"}
		patch("as it was", location, token, http.StatusAccepted)
	})
}

// After its time a pass is over, and without passes an upload ends with its token.
func TestUploadPassEnds(t *testing.T) {
	m, glass := newMint(t), &hourglass{}
	d := open(t, m, newEmbedded(t), func(c *proxy.Config) {
		c.Passes = &proxy.Passes{Verifier: m.tokens.WithLate(24 * time.Hour), Key: secret.New(passKey), Life: time.Hour}
		c.Now = func() time.Time { return time.Now().Add(time.Duration(glass.offset.Load())) }
	})
	token, location := ended(t, d, "alice", sealToken)
	ask := call{method: "GET", path: location, token: token}
	d.do(t, ask).want(t, "in time", http.StatusNoContent)
	glass.pass(61 * time.Minute)
	d.do(t, ask).want(t, "after its time", http.StatusUnauthorized)

	none := open(t, newMint(t), newEmbedded(t))
	start := none.do(t, call{method: "POST", path: "/v2/team/app/blobs/uploads/", token: none.token(t, "alice", sealToken, 0)}).want(t, "starting an upload", http.StatusAccepted)
	if where := start.header.Get("Location"); strings.Contains(where, "_sealock") {
		t.Errorf("Location without passes = %q, want none in it", where)
	}
}

// The registry hears nothing of passes.
func TestUploadPassStaysAtTheDoor(t *testing.T) {
	var heard string
	m := newMint(t)
	d := open(t, m, wiretap{heard: &heard}, func(c *proxy.Config) {
		c.Passes = &proxy.Passes{Verifier: m.tokens.WithLate(time.Hour), Key: secret.New(passKey), Life: time.Hour}
	})
	d.do(t, call{method: "PATCH", path: "/v2/team/app/blobs/uploads/x?_state=y&_sealock=z", token: d.token(t, "alice", sealToken, 0)}).want(t, "a chunk", http.StatusCreated)
	if want := "/v2/team/app/blobs/uploads/x?_state=y _state=y"; heard != want {
		t.Errorf("the registry was asked for %q, want %q", heard, want)
	}
}
