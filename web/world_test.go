package web_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/clock"
	"github.com/sealock/sealock/internal/httpx"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/sqlstore"
	"github.com/sealock/sealock/store/sqlstore/sqlstoretest"
	"github.com/sealock/sealock/store/userdb"
	"github.com/sealock/sealock/web"
)

const password = "wonderland-1"

// world is the pages on a real store and the real source of users in it.
type world struct {
	t     *testing.T
	url   string
	wire  http.RoundTripper
	store *sqlstore.Store
	alice store.User
	now   func() time.Time
	later time.Duration // how far the clock was put forward
}

var hashOnce = sync.OnceValues(func() (string, error) {
	return userdb.NewHasher(1).Hash(context.Background(), secret.New(password))
})

// newWorld starts a server; change may add pages and hurdles. With tls, browsers reach it by https.
func newWorld(t *testing.T, tls bool, change func(*web.Deps)) *world {
	t.Helper()
	w := &world{t: t}
	w.now = func() time.Time { return time.Now().Add(w.later) }
	var err error
	w.store = sqlstoretest.Open(t)
	hash, err := hashOnce()
	if err != nil {
		t.Fatal(err)
	}
	if w.alice, err = w.store.CreateUser(t.Context(), store.User{Name: "alice", PasswordHash: hash}); err != nil {
		t.Fatal(err)
	}
	trail := audit.NewBatcher(w.store, 64)
	t.Cleanup(trail.Close)
	var portal *web.Portal
	handler := httpx.RequestIDs(strings.NewReader(strings.Repeat("id", 1<<20)), http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !portal.Serves(r) {
			http.NotFound(rw, r)
			return
		}
		portal.ServeHTTP(rw, r)
	}))
	srv := httptest.NewUnstartedServer(handler)
	scheme := "http"
	if srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0); tls {
		scheme = "https"
	}
	w.url = scheme + "://" + srv.Listener.Addr().String()
	origins, err := httpx.NewOrigins([]string{w.url}, nil)
	if err != nil {
		t.Fatal(err)
	}
	source := userdb.New("database", w.store, userdb.NewHasher(1))
	deps := web.Deps{
		Authn: auth.Chain{{Name: "database", Authenticator: source}}, Holders: holders{source}, Sessions: w.store, Trail: trail,
		Tokens:  project.New(w.store, nil, trail, userdb.NewHasher(1), clock.System{}),
		Origins: origins, Log: slog.New(slog.DiscardHandler), Now: w.now, SessionIdle: func() time.Duration { return time.Hour }, SessionAbsolute: 3 * time.Hour,
	}
	if change != nil {
		change(&deps)
	}
	if portal, err = web.New(deps); err != nil {
		t.Fatal(err)
	}
	if tls {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	w.wire = srv.Client().Transport // it trusts the server's certificate
	return w
}

// holders asks the source each time: nothing is remembered.
type holders struct{ users auth.Resolver }

func (h holders) Holder(ctx context.Context, name, _ string) (auth.Subject, error) {
	return h.users.Resolve(ctx, name)
}

// browser keeps cookies and does not follow redirects.
type browser struct {
	w      *world
	client *http.Client
	origin string // what it sends as Origin with forms
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &browser{w: w, origin: w.url, client: &http.Client{
		Jar: jar, Transport: w.wire, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// answer is what came back.
type answer struct {
	status   int
	header   http.Header
	body     string
	location string
	cookies  []*http.Cookie
}

func (b *browser) send(method, path string, form url.Values, header ...string) answer {
	b.w.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(b.w.t.Context(), method, b.w.url+path, body)
	if err != nil {
		b.w.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", b.origin)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := b.client.Do(r)
	if err != nil {
		b.w.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.w.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text), resp.Header.Get("Location"), resp.Cookies()}
}

func (b *browser) get(path string) answer { b.w.t.Helper(); return b.send(http.MethodGet, path, nil) }

var tokenField = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// token is what the forms of the page carry.
func (b *browser) token(path string) string {
	b.w.t.Helper()
	m := tokenField.FindStringSubmatch(b.get(path).body)
	if m == nil {
		b.w.t.Fatalf("%s has no form with a token", path)
	}
	return m[1]
}

// post sends a form with the session's token.
func (b *browser) post(path string, fields ...string) answer {
	b.w.t.Helper()
	form := url.Values{"csrf": {b.token("/account")}}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return b.send(http.MethodPost, path, form)
}

func (b *browser) signIn(name, password, next string) answer {
	b.w.t.Helper()
	return b.send(http.MethodPost, "/sign-in", url.Values{"name": {name}, "password": {password}, "next": {next}})
}

// signedIn reports whether the account page opens.
func (b *browser) signedIn() bool { b.w.t.Helper(); return b.get("/account").status == http.StatusOK }

// in is a browser in which alice is signed in.
func (w *world) in() *browser {
	w.t.Helper()
	b := w.browser()
	if a := b.signIn("alice", password, ""); a.status != http.StatusSeeOther {
		w.t.Fatalf("sign-in = %d %s, want 303", a.status, a.body)
	}
	return b
}

// trail is the audit trail, the newest first, as "operation actor method outcome".
func (w *world) trail() (lines []string) {
	w.t.Helper()
	for r, err := range w.store.ListAudit(w.t.Context(), store.Filter{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		lines = append(lines, strings.Join([]string{r.Operation, r.Resource, r.Actor, r.Method, string(r.Outcome)}, " "))
	}
	return lines
}
