package proxy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/proxy"
)

// TestTokensOfAnEarlierProject wants a new token from whoever has one for a project that was deleted and made again: the
// old one was for what another project's members put there.
func TestTokensOfAnEarlierProject(t *testing.T) {
	made := ages{}
	d := open(t, newMint(t), newEmbedded(t), func(c *proxy.Config) { c.Projects = made })
	token := d.token(t, "alice", "repository:team/app:pull,push", 0)
	upload := call{method: "POST", path: "/v2/team/app/blobs/uploads/", token: token}
	if a := d.do(t, upload); a.status != 202 {
		t.Fatalf("an upload = %d %s, want 202", a.status, a.body)
	}
	made["team"] = time.Now().Add(2 * time.Second) // the test's tokens say whole seconds
	a := d.do(t, upload)
	if challenge := a.header.Get("WWW-Authenticate"); a.status != 401 || !strings.Contains(challenge, `error="invalid_token"`) || !strings.Contains(challenge, `scope="repository:team/app:pull,push"`) {
		t.Errorf("an upload with a token from before the project = %d %q, want 401 and a challenge for a new one", a.status, challenge)
	}
	other := d.token(t, "alice", "repository:mine/app:pull,push repository:team/app:pull", 0)
	mount := "/v2/mine/app/blobs/uploads/?mount=sha256:" + strings.Repeat("0", 64) + "&from=team/app"
	if a := d.do(t, call{method: "POST", path: mount, token: other}); a.status != 401 {
		t.Errorf("a mount from a project that is younger than the token = %d, want 401", a.status)
	}
	if a := d.do(t, call{method: "GET", path: "/v2/broken/app/tags/list", token: d.token(t, "alice", "repository:broken/app:pull", 0)}); a.status != 503 {
		t.Errorf("a request where nobody knows the project's age = %d, want 503", a.status)
	}
}
