package proxy_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/proxy"
)

// kept are rules about pulls as a table: by digest, what keeps it from being pulled.
type kept struct {
	rules map[string]string
	fail  error
}

func (k *kept) Ruled(context.Context, string) (bool, error) { return k.rules != nil, k.fail }

func (k *kept) Unpullable(_ context.Context, _, digest string, signs bool) (*errs.Error, error) {
	if rule := k.rules[digest]; rule != "" && !signs {
		return errs.New(errs.Precondition, "rule %s keeps it back", rule).WithHint("use another"), nil
	}
	return nil, k.fail
}

// What rules of the project keep back can't be pulled, by tag or by digest, and the client reads which rule it is. What is
// asked for with HEAD, or is not there, is as without rules.
func TestPullRules(t *testing.T) {
	for _, up := range []string{"embedded", "separate"} {
		t.Run(up, func(t *testing.T) {
			m, k := newMint(t), &kept{}
			var upstream proxy.Upstream = newEmbedded(t)
			if up == "separate" {
				upstream = newSeparate(t, m, newStock(t, m).URL)
			}
			d := open(t, m, upstream, func(c *proxy.Config) { c.PullRules = k })
			token := d.token(t, "alice", "repository:team/app:pull,push,delete", 0)
			digest := d.pushImage(t, token, "team/app", "v1")
			get := func(reference string, agent ...string) answer {
				header := map[string]string{"Accept": manifestType}
				if agent != nil {
					header["User-Agent"] = agent[0]
				}
				return d.do(t, call{method: "GET", path: "/v2/team/app/manifests/" + reference, token: token, header: header})
			}
			get("v1").want(t, "a pull without rules", http.StatusOK)

			k.rules = map[string]string{digest: "of-the-test"}
			for _, reference := range []string{"v1", digest} {
				a := get(reference)
				a.wantText(t, "a pull that a rule keeps back", http.StatusPreconditionFailed, "DENIED", "of-the-test", "use another")
				if strings.Contains(string(a.body), "schemaVersion") || a.header.Get("Docker-Content-Digest") != "" {
					t.Errorf("a pull that a rule keeps back = %s %s, want nothing of the manifest", a.body, headerText(a.header))
				}
			}
			if n := strings.Count(strings.Join(done(d.trail.all()), "\n"), " refused"); n != 2 {
				t.Errorf("%d refusals are on record, want 2", n)
			}
			d.do(t, call{method: "HEAD", path: "/v2/team/app/manifests/v1", token: token, header: map[string]string{"Accept": manifestType}}).want(t, "HEAD", http.StatusOK)
			get("v2").wantText(t, "a pull of what is not there", http.StatusNotFound, "MANIFEST_UNKNOWN")
			get("v1", "cosign/v3.1.3 (linux; amd64)").want(t, "a pull by who signs", http.StatusOK)
			d.policy.table["alice"]["team"] = "pull,delete"
			get("v1", "cosign/v3.1.3 (linux; amd64)").want(t, "a pull by who can't push a signature", http.StatusPreconditionFailed)
			d.policy.table["alice"]["team"] = "pull,push,delete"

			k.rules = map[string]string{}
			get("v1").want(t, "a pull that no rule is about", http.StatusOK)
			k.fail = errs.New(errs.Unavailable, "nobody knows")
			get("v1").want(t, "a pull where nobody knows the rules", http.StatusServiceUnavailable)
		})
	}
}

// A pull that is kept back is not counted as one.
func TestPullRulesAndCounting(t *testing.T) {
	k, seen := &kept{rules: map[string]string{}}, &counting{}
	d := open(t, newMint(t), newEmbedded(t), func(c *proxy.Config) { c.PullRules, c.Observer = k, seen })
	token := d.token(t, "alice", "repository:team/app:pull,push", 0)
	digest := d.pushImage(t, token, "team/app", "v1")
	pull := call{method: "GET", path: "/v2/team/app/manifests/v1", token: token, header: map[string]string{"Accept": manifestType}}
	d.do(t, pull).want(t, "a pull", http.StatusOK)
	k.rules[digest] = "of-the-test"
	d.do(t, pull).want(t, "a pull that is kept back", http.StatusPreconditionFailed)
	if want := []string{"team/app v1 " + digest}; !slices.Equal(seen.pulls, want) {
		t.Errorf("counted %q, want %q", seen.pulls, want)
	}
}

// counting is an observer that counts pulls.
type counting struct{ pulls []string }

func (*counting) Pushed(context.Context, proxy.Pushed) error    { return nil }
func (*counting) Deleted(context.Context, string, string) error { return nil }
func (c *counting) Pulled(repository, tag, digest string) {
	c.pulls = append(c.pulls, repository+" "+tag+" "+digest)
}
