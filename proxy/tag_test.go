package proxy_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sealock/sealock/proxy"
)

// What no token can say about tags, the door holds.
func TestTags(t *testing.T) {
	eachUpstream(t, func(t *testing.T, d *door) {
		token := d.token(t, "alice", "repository:team/app:pull,push,delete", 0)
		first := d.pushImage(t, token, "team/app", "v1")
		manifest := d.do(t, call{method: "GET", path: "/v2/team/app/manifests/v1", token: token, header: map[string]string{"Accept": manifestType}}).want(t, "GET", 200).body
		other := strings.Replace(string(manifest), `{`, `{ `, 1)
		put := func(tag, body string) answer {
			return d.do(t, call{method: "PUT", path: "/v2/team/app/manifests/" + tag, token: token, body: []byte(body), header: map[string]string{"Content-Type": manifestType}})
		}
		refused := func(what string, a answer, want string) {
			t.Helper()
			a.want(t, what, http.StatusForbidden)
			if !strings.HasPrefix(a.text(), "DENIED") || !strings.Contains(a.text(), want) {
				t.Errorf("%s says %q, want DENIED and %q", what, a.text(), want)
			}
		}

		d.policy.tags = []string{"alice push v2", "alice pull v3", "alice delete v1", "alice overwrite *"}
		refused("pushing a tag that is not allowed", put("v2", other), `you may not push to tag "v2" of repository "team/app"`)
		refused("deleting a tag that is not allowed", d.do(t, call{method: "DELETE", path: "/v2/team/app/manifests/v1", token: token}), `you may not delete tag "v1" of repository "team/app"`)
		refused("pulling a tag that is not allowed", d.do(t, call{method: "GET", path: "/v2/team/app/manifests/v3", token: token}), `you may not pull tag "v3" of repository "team/app"`)
		d.do(t, call{method: "HEAD", path: "/v2/team/app/manifests/v3", token: token}).want(t, "HEAD of a tag that is not allowed", http.StatusNotFound)
		if n := strings.Count(strings.Join(done(d.trail.all()), "\n"), " refused"); n != 4 {
			t.Errorf("%d refusals are on record, want 4", n)
		}

		put("v4", other).want(t, "pushing a new tag", http.StatusCreated)
		refused("overwriting a tag", put("v1", other), `tag "v1" of repository "team/app" is there already`)
		put("v1", string(manifest)).want(t, "pushing the same again", http.StatusCreated)
		d.do(t, call{method: "GET", path: "/v2/team/app/manifests/" + first, token: token, header: map[string]string{"Accept": manifestType}}).want(t, "GET by digest", 200)
		put(digestOf([]byte(other)), other).want(t, "pushing by digest", http.StatusCreated)

		// To delete by digest takes every tag of it, and a tag in the query is one that no rule was asked about.
		d.policy.tags = []string{"alice delete *", "alice push v9"}
		refused("deleting by digest", d.do(t, call{method: "DELETE", path: "/v2/team/app/manifests/" + first, token: token}), `you may not delete from repository "team/app" by digest, which takes all tags of it along`)

		d.policy.tags = nil
		put("v1", other).want(t, "overwriting where it is allowed", http.StatusCreated)
	})
}

// An upstream that can't say whether there is such a tag gets no push that could overwrite one.
func TestOverwriteWithoutAnAnswer(t *testing.T) {
	d := open(t, newMint(t), newSeparate(t, newMint(t), "http://127.0.0.1:1"))
	d.policy.tags = []string{"alice overwrite *"}
	token := d.token(t, "alice", "repository:team/app:pull,push", 0)
	body := `{"schemaVersion":2,"mediaType":"` + manifestType + `","config":{"mediaType":"x/y","digest":"` + digestOf(nil) + `","size":0},"layers":[]}`
	d.do(t, call{method: "PUT", path: "/v2/team/app/manifests/v1", token: token, body: []byte(body), header: map[string]string{"Content-Type": manifestType}}).
		want(t, "a push that may not overwrite", http.StatusServiceUnavailable)
}

// wiretap is an upstream that takes everything and remembers what it was asked for.
type wiretap struct {
	proxy.Upstream // nil: any other method panics
	heard          *string
}

func (l wiretap) TakesTokens() bool { return false }

func (l wiretap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	*l.heard = r.RequestURI + " " + r.URL.RawQuery
	w.WriteHeader(http.StatusCreated)
}

// A tag in the query of a push by digest, which newer registries make, is one that no rule was asked about.
func TestTagInQueryStaysAtTheDoor(t *testing.T) {
	var heard string
	d := open(t, newMint(t), wiretap{heard: &heard})
	d.policy.tags = []string{"alice push v9"}
	body := `{"schemaVersion":2,"mediaType":"` + manifestType + `","config":{"mediaType":"x/y","digest":"` + digestOf(nil) + `","size":0},"layers":[]}`
	path := "/v2/team/app/manifests/" + digestOf([]byte(body))
	d.do(t, call{
		method: "PUT", path: path + "?x=y&tag=v9", token: d.token(t, "alice", "repository:team/app:pull,push", 0), body: []byte(body),
		header: map[string]string{"Content-Type": manifestType},
	}).want(t, "a push by digest with a tag in the query", http.StatusCreated)
	if want := path + "?x=y x=y"; heard != want {
		t.Errorf("the registry was asked for %q, want %q", heard, want)
	}
}
