package proxy_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestMount(t *testing.T) {
	eachUpstream(t, func(t *testing.T, d *door) {
		secret, shared := []byte("secret of alice"), []byte("shared by the team")
		alice := d.token(t, "alice", "repository:mine/app:pull,push repository:team/app:pull,push", 0)
		mine := d.pushBlob(t, alice, "mine/app", secret, 0)
		team := d.pushBlob(t, alice, "team/app", shared, 0)
		d.policy.table["bob"]["bobs"] = "pull,push"
		narrow := d.token(t, "bob", "repository:bobs/app:pull,push", 0)
		wide := d.token(t, "bob", "repository:bobs/app:pull,push repository:team/app:pull", 0)
		uploads := func(digest, from string) string {
			return "/v2/bobs/app/blobs/uploads/?mount=" + digest + "&from=" + from
		}

		a := d.do(t, call{method: "POST", path: uploads(team, "team/app"), token: narrow}).want(t, "mount that a wider token would do", 401)
		if got := a.header.Get("WWW-Authenticate"); !strings.Contains(got, `scope="repository:bobs/app:pull,push repository:team/app:pull",error="insufficient_scope"`) {
			t.Errorf("challenge of a mount = %s, want both scopes", got)
		}
		a = d.do(t, call{method: "POST", path: uploads(team, "team/app"), token: wide}).want(t, "mount that is allowed", http.StatusCreated)
		if got, want := a.header.Get("Location"), d.srv.URL+"/v2/bobs/app/blobs/"+team; got != want {
			t.Errorf("Location of a mount = %q, want %q", got, want)
		}
		for name, c := range map[string]call{
			"source that is not visible":  {method: "POST", path: uploads(mine, "mine/app"), token: narrow},
			"source that is not there":    {method: "POST", path: uploads(mine, "gone/app"), token: narrow},
			"source that is in nothing":   {method: "POST", path: uploads(mine, "node"), token: narrow},
			"no source":                   {method: "POST", path: "/v2/bobs/app/blobs/uploads/?mount=" + mine, token: narrow},
			"source in a form":            form(mine, "mine/app", narrow, "application/x-www-form-urlencoded"),
			"source in a form, disguised": form(mine, "mine/app", narrow, "Application/X-WWW-Form-Urlencoded; charset=utf-8"),
		} {
			a := d.do(t, c).want(t, "mount with "+name, http.StatusAccepted)
			if a.header.Get("Location") == "" || strings.Contains(a.header.Get("Location"), "mine") {
				t.Errorf("mount with %s goes on at %q, want an upload of its own", name, a.header.Get("Location"))
			}
		}
		d.do(t, call{method: "GET", path: "/v2/bobs/app/blobs/" + mine, token: narrow}).want(t, "pulling what was not mounted", 404)
		d.pushBlob(t, narrow, "bobs/app", secret, 0) // bob has the bytes, so he may
	})
}

// form puts the mount into a body, where a stock registry looks for it first.
func form(digest, from, token, contentType string) call {
	return call{
		method: "POST", path: "/v2/bobs/app/blobs/uploads/", token: token,
		body: []byte("mount=" + digest + "&from=" + from), header: map[string]string{"Content-Type": contentType},
	}
}

// A handler in front that has parsed the form leaves no mount behind in what it parsed.
func TestMountIsForgottenOnceStripped(t *testing.T) {
	up := &witness{}
	d := open(t, newMint(t), up)
	inner := d.srv.Config.Handler
	d.srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.FormValue("mount")
		inner.ServeHTTP(w, r)
	})
	d.do(t, call{method: "POST", path: "/v2/team/app/blobs/uploads/?mount=" + hexDigest + "&from=gone/app&x=%41", token: d.token(t, "alice", pushToken, 0)}).want(t, "POST", 200)
	if got := up.seen.FormValue("mount") + up.seen.FormValue("from"); got != "" || up.seen.RequestURI != "/v2/team/app/blobs/uploads/?x=%41" {
		t.Errorf("the upstream sees a mount %q at %s, want none and the rest as it was", got, up.seen.RequestURI)
	}
}

// A mount into a repository that is closed to the subject is refused like any push, whatever the source.
func TestMountIntoAClosedRepository(t *testing.T) {
	d := closed(t)
	a := d.do(t, call{
		method: "POST", path: "/v2/team/app/blobs/uploads/?mount=" + hexDigest + "&from=team/other",
		token: d.token(t, "bob", "repository:team/other:pull", 0),
	}).want(t, "mount without push", 403)
	if !strings.HasPrefix(a.text(), `DENIED you may not push to repository "team/app"`) {
		t.Errorf("mount without push says %q, want that pushing is not allowed", a.text())
	}
}
