package proxy_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/httpx"
	"github.com/sealock/sealock/proxy"
)

// hourglass is a clock that a test moves.
type hourglass struct{ offset atomic.Int64 }

func (h *hourglass) now() time.Time {
	return time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC).Add(time.Duration(h.offset.Load()))
}

func (h *hourglass) pass(d time.Duration) { h.offset.Add(int64(d)) }

// limited opens a door with limits before a registry that has every manifest.
func limited(t *testing.T, l proxy.Limits) (*door, *hourglass) {
	t.Helper()
	glass := &hourglass{}
	limiter := proxy.NewLimiter(l, glass.now)
	t.Cleanup(limiter.Close)
	proxies, err := httpx.ParseTrustedProxies([]string{"127.0.0.1"})
	must(t, err)
	return open(t, newMint(t), wiretap{heard: new(string)}, func(c *proxy.Config) { c.Limiter, c.Trusted = limiter, proxies }), glass
}

// Who pulls too often is told when to come again, in the words of Docker Hub. A look costs nothing, and what was pulled comes
// back by and by.
func TestPullsAreLimited(t *testing.T) {
	d, glass := limited(t, proxy.Limits{User: 3, Address: 2, Window: 6 * time.Hour, Exempt: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	alice, bob := d.token(t, "alice", "repository:team/app:pull", 0), d.token(t, "bob", "repository:team/app:pull", 0)
	nobody := d.token(t, "", "repository:public/app:pull", 0)
	pull := func(what, method, token, from string, status int, limit, remaining, source string) answer {
		t.Helper()
		repository := map[bool]string{true: "public/app", false: "team/app"}[token == nobody]
		a := d.do(t, call{method: method, path: "/v2/" + repository + "/manifests/v1", token: token, header: map[string]string{"X-Forwarded-For": from}}).want(t, what, status)
		for name, want := range map[string]string{"RateLimit-Limit": limit, "RateLimit-Remaining": remaining, "Docker-RateLimit-Source": source} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s = %q, want %q", what, name, got, want)
			}
		}
		return a
	}
	const home, away = "203.0.113.7", "203.0.113.8"
	for left := 2; left >= 0; left-- {
		pull("a pull", "GET", alice, home, http.StatusCreated, "3;w=21600", fmt.Sprintf("%d;w=21600", left), "alice")
		pull("a look", "HEAD", alice, home, http.StatusCreated, "3;w=21600", fmt.Sprintf("%d;w=21600", left), "alice")
	}
	a := pull("a pull too many", "GET", alice, away, http.StatusTooManyRequests, "3;w=21600", "0;w=21600", "alice")
	a.wantText(t, "a pull too many", http.StatusTooManyRequests, "TOOMANYREQUESTS", "alice has pulled 3 images in 6h0m0s")
	if got := a.header.Get("Retry-After"); got != "7200" {
		t.Errorf("Retry-After = %q, want 7200: a third of the window", got)
	}
	pull("somebody else's pull", "GET", bob, home, http.StatusCreated, "3;w=21600", "2;w=21600", "bob")
	d.do(t, call{method: "GET", path: "/v2/team/app/blobs/" + hexDigest, token: alice}).want(t, "a blob", http.StatusCreated)

	pull("nobody's pull", "GET", nobody, home, http.StatusCreated, "2;w=21600", "1;w=21600", home)
	pull("nobody's pull", "GET", nobody, home, http.StatusCreated, "2;w=21600", "0;w=21600", home)
	pull("nobody's pull too many", "GET", nobody, home, http.StatusTooManyRequests, "2;w=21600", "0;w=21600", home).
		wantText(t, "nobody's pull too many", http.StatusTooManyRequests, "log in")
	pull("from elsewhere", "GET", nobody, away, http.StatusCreated, "2;w=21600", "1;w=21600", away)
	for _, ip := range []string{"2001:db8::1", "2001:db8::2"} {
		d.do(t, call{method: "GET", path: "/v2/public/app/manifests/v1", token: nobody, header: map[string]string{"X-Forwarded-For": ip}}).want(t, ip, http.StatusCreated)
	}
	pull("from the same network", "GET", nobody, "2001:db8::3", http.StatusTooManyRequests, "2;w=21600", "0;w=21600", "2001:db8::/64")
	for range 5 {
		pull("from where nothing is counted", "GET", nobody, "10.1.2.3", http.StatusCreated, "", "", "")
	}

	glass.pass(2 * time.Hour)
	pull("after a while", "GET", alice, home, http.StatusCreated, "3;w=21600", "0;w=21600", "alice")
	pull("once more", "GET", alice, home, http.StatusTooManyRequests, "3;w=21600", "0;w=21600", "alice")
	glass.pass(6 * time.Hour)
	pull("after the window", "GET", alice, home, http.StatusCreated, "3;w=21600", "2;w=21600", "alice")
}

func TestNoLimits(t *testing.T) {
	if l := proxy.NewLimiter(proxy.Limits{Window: time.Hour}, time.Now); l != nil {
		t.Errorf("NewLimiter without limits = %v, want none", l)
	}
}
