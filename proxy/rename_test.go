package proxy_test

import (
	"strings"
	"testing"
)

// TestFormerName wants pulls from a project under what it was called, and nothing else.
func TestFormerName(t *testing.T) {
	d := open(t, newMint(t), newEmbedded(t))
	d.policy.table["alice"]["crew"] = "pull" // what the policy says of a former name; see the policy's own tests
	d.pushImage(t, d.token(t, "alice", "repository:team/app:pull,push", 0), "team/app", "v1")
	token := d.token(t, "alice", "repository:crew/app:pull,push,delete", 0)
	for _, path := range []string{"/v2/crew/app/manifests/v1", "/v2/crew/app/tags/list"} {
		a := d.do(t, call{method: "GET", path: path, token: token, header: map[string]string{"Accept": "application/vnd.oci.image.manifest.v1+json"}})
		if a.status != 200 || strings.HasSuffix(path, "list") && !strings.Contains(string(a.body), `"team/app"`) {
			t.Errorf("GET %s = %d %s, want what team has", path, a.status, a.body)
		}
	}
	for _, c := range []call{{method: "POST", path: "/v2/crew/app/blobs/uploads/"}, {method: "DELETE", path: "/v2/crew/app/manifests/v1"}} {
		c.token = token
		if a := d.do(t, c); a.status != 403 || !strings.Contains(string(a.body), `project \"crew\" is called \"team\" now`) {
			t.Errorf("%s %s = %d %s, want 403 and the name of today", c.method, c.path, a.status, a.body)
		}
	}
}
