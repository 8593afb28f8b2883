package web_test

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/web"
)

func TestSignIn(t *testing.T) {
	t.Parallel()
	for _, tls := range []bool{false, true} {
		w := newWorld(t, tls, nil)
		b := w.browser()
		if a := b.get("/account?x=1"); a.status != http.StatusSeeOther || a.location != "/sign-in?next=%2Faccount%3Fx%3D1" {
			t.Errorf("account of nobody = %d to %q, want the sign-in page and back", a.status, a.location)
		}
		if a := b.get("/sign-in?next=%2Faccount%3Fx%3D1"); a.status != 200 || !strings.Contains(a.body, `name="next" value="/account?x=1"`) {
			t.Errorf("sign-in page = %d %s, want a form that remembers where to go", a.status, a.body)
		}
		a := b.signIn("alice", password, "/account?x=1")
		if a.status != http.StatusSeeOther || a.location != "/account?x=1" || len(a.cookies) != 1 {
			t.Fatalf("sign-in = %d to %q with cookies %v, want /account?x=1 and one", a.status, a.location, a.cookies)
		}
		c, name := a.cookies[0], "sealock"
		if tls {
			name = "__Host-sealock"
		}
		if c.Name != name || !c.HttpOnly || c.Secure != tls || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("cookie = %+v, want %s, HttpOnly, Secure %t, SameSite=Lax, Path=/", c, name, tls)
		}
		if a := b.get("/account"); a.status != 200 || !strings.Contains(a.body, "<h1>alice</h1>") || !strings.Contains(a.body, "this one") {
			t.Errorf("account page = %d %s", a.status, a.body)
		}
		if got := w.trail(); !slices.Equal(got, []string{"login portal alice password allowed"}) {
			t.Errorf("trail = %q, want one login", got)
		}
		if a := b.get("/sign-in?next=/account?x=1"); a.location != "/account?x=1" {
			t.Errorf("sign-in page of somebody signed in leads to %q, want /account?x=1", a.location)
		}
		for s, err := range w.store.ListSessions(t.Context(), store.Filter{}) {
			must(s, err)
			if strings.Contains(c.Value, s.ID) || strings.Contains(s.ID, c.Value) || s.UserID != w.alice.ID || s.Method != "password" {
				t.Errorf("session = %+v, want alice's, and nothing of the cookie %q", s, c.Value)
			}
		}
	}
}

func TestRefusedSignIns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false, nil)
	const canary = "cheshire-canary"
	for _, row := range []struct{ name, password, trail string }{
		{"alice", canary, "login portal alice password refused"},
		{"nobody", canary, "login portal nobody password refused"},
		{"<b>x", canary, "login portal <b>x password refused"},
		{"", canary, ""},
		{"alice", "", ""},
	} {
		a := w.browser().signIn(row.name, row.password, "")
		if a.status != http.StatusForbidden && row.trail != "" || a.status != http.StatusBadRequest && row.trail == "" || len(a.cookies) != 0 {
			t.Errorf("sign-in as %q = %d, cookies %v", row.name, a.status, a.cookies)
		}
		if strings.Contains(a.body, canary) || strings.Contains(a.body, "<b>") || !strings.Contains(a.body, `role="alert"`) {
			t.Errorf("sign-in as %q shows %s, want an alert and nothing unescaped", row.name, a.body)
		}
		if row.trail != "" && w.trail()[0] != row.trail {
			t.Errorf("trail of %q = %q, want %q", row.name, w.trail()[0], row.trail)
		}
	}
	for _, line := range w.trail() {
		if strings.Contains(line, canary) {
			t.Errorf("the trail holds a password: %s", line)
		}
	}
}

// TestProgramsDoNotSignIn holds that what is made for clients opens no pages: its bounds would be lost.
func TestProgramsDoNotSignIn(t *testing.T) {
	t.Parallel()
	until := time.Now().Add(time.Hour)
	for name, sub := range map[string]auth.Subject{
		"token": auth.Subject{Name: "alice", ID: 1, How: "pat", Via: "pat:1"}.Bound(auth.Permissions{}, until),
		"via":   {Name: "alice", ID: 1, Via: "pat:1"},
		"robot": {Name: "robot~x", ID: 1, Kind: auth.KindRobot},
		"no id": {Name: "alice"},
	} {
		w := newWorld(t, false, func(d *web.Deps) { d.Authn = always{sub} })
		b := w.browser()
		if a := b.signIn("alice", "x", ""); a.status != http.StatusForbidden || b.signedIn() {
			t.Errorf("sign-in with %s = %d, want 403 and no session", name, a.status)
		}
		if got := w.trail()[0]; !strings.HasSuffix(got, "refused") {
			t.Errorf("trail of %s = %q, want refused", name, got)
		}
	}
}

type always struct{ sub auth.Subject }

func (a always) Authenticate(context.Context, auth.Credential) (auth.Subject, error) {
	return a.sub, nil
}

func TestSessionsAreNew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false, nil)
	b := w.in()
	before := b.client.Jar.Cookies(must(url.Parse(w.url)))[0].Value
	if a := b.post("/sign-in", "name", "alice", "password", password); a.status != http.StatusSeeOther {
		t.Fatalf("second sign-in = %d %s", a.status, a.body)
	}
	old := w.browser()
	if a := old.send(http.MethodGet, "/account", nil, "Cookie", "sealock="+before); a.status != http.StatusSeeOther {
		t.Errorf("the session from before a sign-in = %d, want none", a.status)
	}
	for _, planted := range []string{strings.Repeat("A", 43), "x", before + "A", "' OR 1=1 --"} {
		c := w.browser()
		a := c.send(http.MethodPost, "/sign-in", url.Values{"name": {"alice"}, "password": {password}}, "Cookie", "sealock="+planted)
		if len(a.cookies) == 0 || slices.ContainsFunc(a.cookies, func(k *http.Cookie) bool { return k.Value == planted }) {
			t.Errorf("sign-in with the planted cookie %q = %v, want another", planted, a.cookies)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestFormsOfOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false, nil)
	b, mallory := w.in(), w.in()
	good := b.token("/account")
	for name, row := range map[string]struct {
		token  string
		header []string
	}{
		"no token":           {"", nil},
		"another's token":    {mallory.token("/account"), nil},
		"another site":       {good, []string{"Origin", "http://evil.example"}},
		"a null origin":      {good, []string{"Origin", "null"}},
		"another port":       {good, []string{"Origin", "http://127.0.0.1:1"}},
		"cross-site fetch":   {good, []string{"Sec-Fetch-Site", "cross-site"}},
		"same-site fetch":    {good, []string{"Sec-Fetch-Site", "same-site"}},
		"token in the query": {"", nil},
	} {
		path := "/sign-out"
		if name == "token in the query" {
			path += "?csrf=" + good
		}
		if a := b.send(http.MethodPost, path, url.Values{"csrf": {row.token}}, row.header...); a.status != http.StatusForbidden || !b.signedIn() {
			t.Errorf("sign-out with %s = %d, want 403 and the session to live", name, a.status)
		}
	}
	for _, header := range [][]string{{"Origin", "http://evil.example"}, {"Sec-Fetch-Site", "cross-site"}} {
		a := w.browser().send(http.MethodPost, "/sign-in", url.Values{"name": {"alice"}, "password": {password}}, header...)
		if a.status != http.StatusForbidden || len(a.cookies) != 0 {
			t.Errorf("sign-in with %q = %d %v, want 403: nobody is signed in as somebody else's choice", header, a.status, a.cookies)
		}
	}
	if a := b.post("/sign-out"); a.location != "/sign-in?said=signed-out" || b.signedIn() {
		t.Errorf("sign-out = %d to %q, want the session to end", a.status, a.location)
	}
	if a := b.get("/sign-in?said=signed-out"); !strings.Contains(a.body, "You are signed out.") {
		t.Errorf("after the sign-out: %s", a.body)
	}
	if a := b.get("/sign-in?said=<b>pwned"); strings.Contains(a.body, "pwned") {
		t.Errorf("a link chooses what the page says: %s", a.body)
	}
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(w *world, b *browser) error{
		"the user is deleted": func(w *world, _ *browser) error { return w.store.DeleteUser(t.Context(), w.alice.ID) },
		"all are revoked": func(w *world, _ *browser) error {
			_, err := w.store.DeleteSessionsOf(t.Context(), w.alice.ID, "")
			return err
		},
		"another has the name": func(w *world, _ *browser) error {
			if err := w.store.DeleteUser(t.Context(), w.alice.ID); err != nil {
				return err
			}
			_, err := w.store.CreateUser(t.Context(), store.User{Name: "alice"})
			return err
		},
		"idle": func(w *world, _ *browser) error { w.later += 61 * time.Minute; return nil },
		"in the end": func(w *world, b *browser) error {
			for range 4 {
				if w.later += 44 * time.Minute; !b.signedIn() {
					t.Errorf("a session that is used ends after %s, want 3h", w.later)
				}
			}
			w.later += 5 * time.Minute
			return nil
		},
	} {
		w := newWorld(t, false, nil)
		b := w.in()
		if !b.signedIn() {
			t.Fatalf("%s: alice is not signed in", name)
		}
		if err := end(w, b); err != nil {
			t.Fatal(err)
		}
		if b.signedIn() {
			t.Errorf("the session lives on when %s", name)
		}
	}
}

func TestOwnSessionsCanBeEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false, nil)
	one, two, three := w.in(), w.in(), w.in()
	id := regexp.MustCompile(`name="id" value="([0-9a-f]{64})"`).FindAllStringSubmatch(one.get("/account").body, -1)
	if len(id) != 2 {
		t.Fatalf("the account page lists %d other sessions, want 2", len(id))
	}
	one.post("/account/sessions/end", "id", id[0][1])
	if !one.signedIn() || two.signedIn() || !three.signedIn() {
		t.Error("ending the second session did not end it alone")
	}
	one.post("/account/sessions/end")
	if !one.signedIn() || three.signedIn() {
		t.Error("ending all others did not do so")
	}
	hash := must(hashOnce())
	must(w.store.CreateUser(t.Context(), store.User{Name: "bob", PasswordHash: hash}))
	bob := w.browser()
	bob.signIn("bob", password, "")
	for s, err := range w.store.ListSessions(t.Context(), store.Filter{MemberID: w.alice.ID}) {
		must(s, err)
		bob.post("/account/sessions/end", "id", s.ID)
	}
	if !one.signedIn() {
		t.Error("bob ended alice's session")
	}
}

// gate is a hurdle that some have to pass.
type gate struct {
	name     string
	required bool
}

func (g gate) Name() string { return g.name }
func (g gate) Path() string { return "/gate" }
func (g gate) Required(context.Context, auth.Subject, string) (bool, error) {
	return g.required, nil
}

func TestHurdles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false, func(d *web.Deps) {
		d.Hurdles = []web.Hurdle{gate{"first", false}, gate{"gate", true}, gate{"last", false}}
		d.Pages = []web.Page{
			{Method: http.MethodGet, Path: "/gate", Hurdle: "gate", Serve: func(_ context.Context, v *web.Visit) (web.Answer, error) {
				return web.Answer{Page: "sign-in", Data: struct{ Name, Links string }{Name: v.Subject.Name}}, nil
			}},
			{Method: http.MethodPost, Path: "/gate", Hurdle: "gate", Serve: func(ctx context.Context, v *web.Visit) (web.Answer, error) {
				return v.Passed(ctx, v.Next())
			}},
			{Method: http.MethodGet, Path: "/open", Open: true, Serve: func(_ context.Context, v *web.Visit) (web.Answer, error) {
				return web.Answer{Page: "problem", Title: "open to " + v.Subject.Name + "."}, nil
			}},
		}
	})
	b := w.browser()
	if a := b.get("/gate"); !strings.HasPrefix(a.location, "/sign-in") {
		t.Errorf("the hurdle's page for nobody leads to %q, want /sign-in", a.location)
	}
	a := b.signIn("alice", password, "/account?x=1")
	if a.location != "/gate?next=%2Faccount%3Fx%3D1" {
		t.Fatalf("sign-in leads to %q, want the hurdle", a.location)
	}
	half := b.client.Jar.Cookies(must(url.Parse(w.url)))[0].Value
	for _, path := range []string{"/account", "/account?x=1"} {
		if got := b.get(path); !strings.HasPrefix(got.location, "/gate") {
			t.Errorf("%s before the hurdle = %d to %q, want the hurdle", path, got.status, got.location)
		}
	}
	if got := b.get("/open"); !strings.Contains(got.body, "open to .") {
		t.Errorf("an open page takes somebody before the hurdle for somebody: %s", got.body)
	}
	token := b.token("/gate")
	if got := b.send(http.MethodPost, "/account/sessions/end", url.Values{"csrf": {token}}); got.location != "/gate" {
		t.Errorf("a change before the hurdle leads to %q, want the hurdle", got.location)
	}
	if got := b.send(http.MethodPost, "/gate", url.Values{"csrf": {token}, "next": {"/account?x=1"}}); got.location != "/account?x=1" || !b.signedIn() {
		t.Errorf("the hurdle leads to %q, want /account?x=1, and a session that counts", got.location)
	}
	old := w.browser()
	if got := old.send(http.MethodGet, "/account", nil, "Cookie", "sealock="+half); !strings.HasPrefix(got.location, "/sign-in") {
		t.Errorf("the session from before the hurdle leads to %q, want /sign-in", got.location)
	}
	if got := b.get("/gate"); got.location != "/account" {
		t.Errorf("the hurdle's page after it leads to %q, want /account", got.location)
	}
	want := []string{"login portal alice password allowed", "login portal alice password narrowed"}
	if got := w.trail(); !slices.Equal(got, want) {
		t.Errorf("trail = %q, want %q", got, want)
	}
	slow := w.browser()
	slow.signIn("alice", password, "")
	w.later += 11 * time.Minute
	if got := slow.get("/gate"); !strings.HasPrefix(got.location, "/sign-in") {
		t.Errorf("a session that waits for 11 minutes leads to %q, want /sign-in", got.location)
	}
}

func TestEveryPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false, nil)
	b := w.in()
	for _, path := range []string{"/", "/sign-in", "/account", "/account/sessions/end", "/account/tokens", "/account/tokens/revoke", "/sign-out"} {
		for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"} {
			a := b.send(method, path, nil)
			postOnly := strings.HasPrefix(path, "/account/") || path == "/sign-out"
			if reads := method == "GET" || method == "HEAD"; reads == postOnly || !reads {
				if a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") == "" {
					t.Errorf("%s %s = %d, Allow %q, want 405", method, path, a.status, a.header.Get("Allow"))
				}
			} else if a.status >= 400 {
				t.Errorf("%s %s = %d", method, path, a.status)
			}
			csp := a.header.Get("Content-Security-Policy")
			if a.header.Get("Cache-Control") != "no-store" || a.header.Get("X-Content-Type-Options") != "nosniff" ||
				!strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") {
				t.Errorf("%s %s has the headers %v", method, path, a.header)
			}
			if method == "HEAD" && a.body != "" {
				t.Errorf("HEAD %s has a body", path)
			}
			if inline := regexp.MustCompile(`(?i)<style|<script|\sstyle=|\son[a-z]+=|javascript:`).FindString(a.body); inline != "" {
				t.Errorf("%s %s holds %q, which the policy forbids", method, path, inline)
			}
		}
	}
	if a := b.get("/accounts"); a.status != http.StatusNotFound {
		t.Errorf("/accounts = %d, want 404", a.status)
	}
}

func TestStaticFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false, nil)
	b := w.browser()
	links := regexp.MustCompile(`(?:href|src)="(/static/[^"]+)"`).FindAllStringSubmatch(b.get("/").body, -1)
	if len(links) < 3 {
		t.Fatalf("the page has %d links to static files", len(links))
	}
	for _, l := range links {
		a := b.get(l[1])
		if a.status != 200 || !strings.Contains(a.header.Get("Cache-Control"), "immutable") || a.header.Get("Etag") == "" || a.header.Get("Content-Type") == "text/plain" {
			t.Errorf("%s = %d %v", l[1], a.status, a.header)
		}
		if again := b.send(http.MethodGet, l[1], nil, "If-None-Match", a.header.Get("Etag")); again.status != http.StatusNotModified {
			t.Errorf("%s again = %d, want 304", l[1], again.status)
		}
		if a := b.send(http.MethodPost, l[1], url.Values{}); a.status != http.StatusMethodNotAllowed {
			t.Errorf("POST %s = %d, want 405", l[1], a.status)
		}
	}
	for _, path := range []string{"/static/", "/static/style.css", "/static/%2e%2e/web.go"} {
		if a := b.get(path); a.status != http.StatusNotFound && a.status != http.StatusMovedPermanently && a.status != http.StatusTemporaryRedirect {
			t.Errorf("%s = %d, want nothing", path, a.status)
		}
	}
}

func TestWideForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false, nil)
	if a := w.browser().signIn("alice", strings.Repeat("x", 1<<20), ""); a.status != http.StatusBadRequest {
		t.Errorf("a form of 1 MiB = %d, want 400", a.status)
	}
}
