package proxy_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sealock/sealock/proxy"
)

// While the registry is read-only, what is there can be pulled and nothing else can be done, from one request to the next.
func TestReadOnly(t *testing.T) {
	var readOnly atomic.Bool
	d := open(t, newMint(t), newEmbedded(t), func(c *proxy.Config) { c.ReadOnly = readOnly.Load })
	token := d.token(t, "alice", "repository:team/app:pull,push,delete", 0)
	d.pushImage(t, token, "team/app", "v1")
	readOnly.Store(true)
	for _, c := range []struct{ method, path string }{
		{"POST", "/v2/team/app/blobs/uploads/"},
		{"PUT", "/v2/team/app/manifests/v2"},
		{"DELETE", "/v2/team/app/manifests/v1"},
		{"PATCH", "/v2/team/app/blobs/uploads/x"},
		{"DELETE", "/v2/team/app/blobs/sha256:" + strings.Repeat("a", 64)},
	} {
		a := d.do(t, call{method: c.method, path: c.path, token: token})
		if a.status != http.StatusForbidden || !strings.Contains(string(a.body), "DENIED") || !strings.Contains(string(a.body), "read-only") {
			t.Errorf("%s %s while read-only = %d %s, want 403 DENIED that says so", c.method, c.path, a.status, a.body)
		}
	}
	if a := d.do(t, call{method: "GET", path: "/v2/team/app/tags/list", token: token}); a.status != http.StatusOK {
		t.Errorf("pulling while read-only = %d %s, want 200", a.status, a.body)
	}
	if a := d.do(t, call{method: "POST", path: "/v2/team/app/blobs/uploads/"}); a.status != http.StatusUnauthorized {
		t.Errorf("pushing without a token while read-only = %d, want 401: who asks is asked first", a.status)
	}
	readOnly.Store(false)
	if a := d.do(t, call{method: "POST", path: "/v2/team/app/blobs/uploads/", token: token}); a.status != http.StatusAccepted {
		t.Errorf("pushing after that = %d %s, want 202", a.status, a.body)
	}
}
