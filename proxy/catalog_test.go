package proxy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/proxy"
)

func (d *door) catalog(t *testing.T, token, query string) (names []string, link string) {
	t.Helper()
	a := d.do(t, call{method: "GET", path: "/v2/_catalog" + query, token: token}).want(t, "GET _catalog"+query, 200)
	var page struct{ Repositories []string }
	if err := json.Unmarshal(a.body, &page); err != nil || page.Repositories == nil {
		t.Fatalf("catalog = %s (%v), want a list", a.body, err)
	}
	return page.Repositories, a.header.Get("Link")
}

func TestCatalogShowsWhatMayBePulled(t *testing.T) {
	eachUpstream(t, func(t *testing.T, d *door) {
		empty, link := d.catalog(t, d.token(t, "alice", "", 0), "")
		if len(empty) != 0 || link != "" {
			t.Errorf("catalog of an empty registry = %q %q, want nothing", empty, link)
		}
		for _, repository := range []string{"mine/a", "mine/b", "public/a", "team/a", "team/a/b", "team/a-b", "team/a.b", "team/b"} {
			d.policy.table["root"] = map[string]string{strings.Split(repository, "/")[0]: "pull,push"}
			d.pushImage(t, d.token(t, "root", "repository:"+repository+":pull,push", 0), repository, "v1")
		}
		delete(d.policy.table, "root")
		for _, row := range []struct {
			subject string
			want    []string
		}{
			{"alice", []string{"mine/a", "mine/b", "public/a", "team/a", "team/a-b", "team/a.b", "team/a/b", "team/b"}},
			{"bob", []string{"public/a", "team/a", "team/a-b", "team/a.b", "team/a/b", "team/b"}},
			{"", []string{"public/a"}},
		} {
			token := d.token(t, row.subject, "", 0)
			got, link := d.catalog(t, token, "")
			if slices.Sort(got); !slices.Equal(got, row.want) || link != "" {
				t.Errorf("catalog of %q = %q %q, want %q", row.subject, got, link, row.want)
			}
			for n := 1; n < 5; n++ {
				if got := d.allPages(t, token, n); !slices.Equal(slices.Sorted(slices.Values(got)), row.want) {
					t.Errorf("catalog of %q in pages of %d = %q, want %q", row.subject, n, got, row.want)
				}
			}
		}
		found, more, err := d.config.Upstream.CatalogPage(t.Context(), "", 3)
		if err != nil || len(found) != 3 || !more {
			t.Errorf("CatalogPage(\"\", 3) = %q, %v, %v, want 3 names and more", found, more, err)
		}
	})
}

// allPages follows the Link headers.
func (d *door) allPages(t *testing.T, token string, n int) (all []string) {
	t.Helper()
	query := fmt.Sprintf("?n=%d", n)
	for range 20 {
		names, link := d.catalog(t, token, query)
		if len(names) > n {
			t.Errorf("catalog%s has %d entries, want at most %d", query, len(names), n)
		}
		all = append(all, names...)
		if link == "" {
			return all
		}
		rest, isPath := strings.CutPrefix(link, "</v2/_catalog")
		var isNext bool
		if query, isNext = strings.CutSuffix(rest, `>; rel="next"`); !isPath || !isNext {
			t.Fatalf("Link = %q, want a path and rel=next", link)
		}
	}
	t.Fatal("the Link headers never end")
	return nil
}

func TestCatalogParameters(t *testing.T) {
	d := open(t, newMint(t), list{names: []string{"team/a"}})
	token := d.token(t, "alice", "", 0)
	for _, n := range []string{"0", "-1", "1001", "many", "99999999999999999999", "1.5"} {
		a := d.do(t, call{method: "GET", path: "/v2/_catalog?n=" + n, token: token}).want(t, "n="+n, 400)
		if !strings.HasPrefix(a.text(), "PAGINATION_NUMBER_INVALID") || !strings.Contains(a.text(), "1 to 1000") {
			t.Errorf("n=%s says %q, want PAGINATION_NUMBER_INVALID and the bounds", n, a.text())
		}
	}
	head := d.do(t, call{method: "HEAD", path: "/v2/_catalog?n=1000", token: token}).want(t, "HEAD catalog", 200)
	if len(head.body) != 0 || head.header.Get("Content-Length") != fmt.Sprint(len(`{"repositories":["team/a"]}`)+1) {
		t.Errorf("HEAD catalog = %q %s, want no body and its length", head.body, headerText(head.header))
	}
	d.do(t, call{method: "GET", path: "/v2/_catalog?n=5&n=6", token: token}).want(t, "n twice", 400)
}

// list is a catalog of names in order; endless makes it give the same names under ever new numbers.
type list struct {
	proxy.Upstream
	names   []string
	endless bool
	fail    error
	asked   *int
}

func (l list) DropRepositories(context.Context, string) error { return nil }

func (l list) HasTags(context.Context, string) (bool, error) { return true, nil }

func (l list) TagDigest(context.Context, string, string) (string, error) { return "", nil }

func (l list) CatalogPage(_ context.Context, last string, n int) ([]string, bool, error) {
	if l.asked != nil {
		*l.asked++
	}
	if l.fail != nil {
		return nil, false, l.fail
	}
	if l.endless {
		return []string{fmt.Sprintf("mine/%d", *l.asked)}, true, nil
	}
	i := 0
	for i < len(l.names) && l.names[i] <= last {
		i++
	}
	j := min(i+n, len(l.names))
	return l.names[i:j], j < len(l.names), nil
}

func (l list) TakesTokens() bool { return false }

func manyNames(projects ...string) (names []string) {
	for _, p := range projects {
		for i := range 1500 {
			names = append(names, fmt.Sprintf("%s/%04d", p, i))
		}
	}
	return names
}

func TestCatalogAsksThePolicyInBatches(t *testing.T) {
	d := open(t, newMint(t), list{names: manyNames("mine", "other", "team")})
	got := d.allPages(t, d.token(t, "bob", "", 0), 1000)
	if len(got) != 1500 || got[0] != "team/0000" || got[1499] != "team/1499" {
		t.Errorf("catalog has %d names, want the 1500 of the team in order", len(got))
	}
	if d.policy.asked > 60 {
		t.Errorf("the policy was asked %d times for 4500 names, want batches", d.policy.asked)
	}
}

func TestCatalogIsBounded(t *testing.T) {
	asked := 0
	d := open(t, newMint(t), list{endless: true, asked: &asked})
	a := d.do(t, call{method: "GET", path: "/v2/_catalog", token: d.token(t, "bob", "", 0)}).want(t, "an endless catalog", 503)
	if asked != 100 || strings.Contains(string(a.body), "mine") {
		t.Errorf("an endless catalog took %d pages and said %s, want 100 pages and no name", asked, a.body)
	}
	names, link := d.catalog(t, d.token(t, "alice", "", 0), "?n=1000")
	if last := names[len(names)-1]; len(names) != 100 || !strings.Contains(link, "last="+strings.ReplaceAll(last, "/", "%2F")) {
		t.Errorf("an endless catalog = %d names, Link %q, want 100 and a Link after the last", len(names), link)
	}
}

func TestCatalogFaults(t *testing.T) {
	d := open(t, newMint(t), list{fail: errs.New(errs.Unavailable, "the disk is gone")})
	d.do(t, call{method: "GET", path: "/v2/_catalog", token: d.token(t, "alice", "", 0)}).want(t, "a catalog that can't be read", 503)
	d = open(t, newMint(t), list{names: []string{"team/a"}})
	d.policy.fail = errors.New("policy file is broken")
	d.do(t, call{method: "GET", path: "/v2/_catalog", token: d.token(t, "alice", "", 0)}).want(t, "a catalog that can't be decided", 500)
	d.policy.fail = nil
	d.do(t, call{method: "GET", path: "/v2/_catalog", token: d.token(t, "carol", "", 0)}).want(t, "a catalog for someone who is gone", 401)
}

func TestRepositories(t *testing.T) {
	d := open(t, newMint(t), list{names: []string{"mine/web", "public/web", "team/db", "team/web", "team/webapp", "Bad//name"}})
	gate := proxy.New(d.config)
	for _, row := range []struct {
		subject, contains string
		limit             int
		want              []string
		more              bool
	}{
		{"bob", "", 10, []string{"public/web", "team/db", "team/web", "team/webapp"}, false},
		{"bob", "web", 10, []string{"public/web", "team/web", "team/webapp"}, false},
		{"bob", "web", 2, []string{"public/web", "team/web"}, true},
		{"bob", "m/w", 10, []string{"team/web", "team/webapp"}, false},
		{"", "web", 10, []string{"public/web"}, false},
		{"bob", "nothing", 10, []string{}, false},
	} {
		got, more, err := gate.Repositories(t.Context(), auth.Subject{Name: row.subject}, row.contains, row.limit)
		if err != nil || !slices.Equal(got, row.want) || more != row.more || got == nil {
			t.Errorf("Repositories(%q, %q, %d) = %q, %v, %v, want %q, %v", row.subject, row.contains, row.limit, got, more, err, row.want, row.more)
		}
	}
}

// A project has content as long as one of its repositories has a tag; names that start alike are other projects.
func TestHasContent(t *testing.T) {
	eachUpstream(t, func(t *testing.T, d *door) {
		gate := proxy.New(d.config)
		want := func(project string, want bool) {
			t.Helper()
			if got, err := gate.HasContent(t.Context(), project); err != nil || got != want {
				t.Errorf("HasContent(%s) = %v, %v, want %v", project, got, err, want)
			}
		}
		d.policy.table["alice"]["team-b"] = "pull,push"
		token := d.token(t, "alice", "repository:team/a/b:pull,push,delete repository:team-b/x:pull,push", 0)
		want("team", false)
		d.pushImage(t, token, "team-b/x", "v1")
		want("team", false)
		digest := d.pushImage(t, token, "team/a/b", "v1")
		want("team", true)
		want("tea", false)
		want("team-b", true)
		d.do(t, call{method: "DELETE", path: "/v2/team/a/b/manifests/" + digest, token: token}).want(t, "deleting the manifest", 202)
		d.do(t, call{method: "DELETE", path: "/v2/team/a/b/manifests/v1", token: token})
		want("team", false)
		if err := gate.DropRepositories(t.Context(), "team"); err != nil {
			t.Fatalf("DropRepositories(team) = %v", err)
		}
		left, err := gate.HasRepositories(t.Context(), "team")
		if err != nil || left != d.config.Upstream.TakesTokens() {
			t.Errorf("HasRepositories(team) = %v, %v after DropRepositories, want some at a separate registry only", left, err)
		}
		if other, err := gate.HasRepositories(t.Context(), "team-b"); err != nil || !other {
			t.Errorf("HasRepositories(team-b) = %v, %v, want them untouched", other, err)
		}
	})
}
