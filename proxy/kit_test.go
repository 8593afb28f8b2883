package proxy_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/httpx"
	"github.com/sealock/sealock/internal/pki"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/proxy"
	"github.com/sealock/sealock/proxy/embedded"
	"github.com/sealock/sealock/proxy/embedded/stocktest"
)

const service = "sealock-registry"

// rights is a policy as a table: subject → project → actions. The subject "" is everybody. What a system administrator
// may is under "*".
type rights map[string]map[string]string

// policy answers from the table; fail makes it answer with an error.
type policy struct {
	mu    sync.Mutex
	table rights
	tags  []string // what is refused about tags: "alice push v1", or * for any tag
	fail  error
	asked int
}

func (p *policy) Authorize(_ context.Context, sub auth.Subject, requested auth.Scope) (auth.Decision, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		return auth.Decision{}, p.fail
	}
	p.asked++
	if len(requested) > auth.MaxResources {
		return auth.Decision{}, fmt.Errorf("asked for %d resources at once", len(requested))
	}
	d := auth.Decision{Reason: "table"}
	for _, r := range slices.Backward(requested) { // any order will do
		if g := p.granted(sub, r); len(g.Actions) > 0 {
			d.Granted = append(d.Granted, g)
		}
	}
	return d, nil
}

func (p *policy) granted(sub auth.Subject, r auth.ResourceActions) auth.ResourceActions {
	project, ok := auth.Project(r.Name)
	if r.Type != auth.TypeRepository || !ok {
		return auth.ResourceActions{}
	}
	list := p.table[sub.Name][project] + "," + p.table[""][project]
	if sub.SysAdmin {
		list += "," + p.table["*"][project]
	}
	may := map[auth.Action]bool{}
	for a := range strings.SplitSeq(list, ",") {
		may[auth.Action(a)] = a != ""
	}
	g := auth.ResourceActions{Type: r.Type, Name: r.Name}
	for _, a := range []auth.Action{auth.ActionPull, auth.ActionPush, auth.ActionDelete} {
		if may[a] && r.Allows(a) {
			g.Actions = append(g.Actions, a)
		}
	}
	return g
}

// Decide refuses what stands in tags.
func (p *policy) Decide(_ context.Context, sub auth.Subject, a auth.Access) (auth.Ruling, error) {
	refused := slices.Contains(p.tags, sub.Name+" "+a.Action+" "+a.Tag) || slices.Contains(p.tags, sub.Name+" "+a.Action+" *")
	return auth.Ruling{Allowed: !refused, Reason: "table"}, p.fail
}

func (p *policy) AnonymousAllowed() bool { return len(p.table[""]) > 0 }

// people resolves names from a table.
type people map[string]auth.Subject

func (p people) Holder(_ context.Context, name, _ string) (auth.Subject, error) {
	s, ok := p[name]
	if !ok {
		return auth.Subject{}, auth.ErrUnknownSubject
	}
	return s, nil
}

// trail keeps audit records; fail makes it refuse them.
type trail struct {
	mu      sync.Mutex
	records []audit.Record
	fail    error
}

func (a *trail) Record(_ context.Context, r audit.Record) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fail != nil {
		return a.fail
	}
	a.records = append(a.records, r)
	return nil
}

func (a *trail) all() []audit.Record {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.records)
}

// mint makes real tokens with a key ring of its own.
type mint struct {
	tokens *auth.Tokens
	root   *pki.Root
}

func newMint(tb testing.TB) *mint {
	tb.Helper()
	root, err := pki.NewRoot("test root", time.Now(), 24*time.Hour)
	must(tb, err)
	ring, err := auth.OpenKeyRing(root, auth.KeyFile{Path: filepath.Join(tb.TempDir(), "keys.json")}, auth.KeyRingConfig{
		Algorithm: "ES256", CertLife: time.Hour, KeepRetired: time.Hour, Now: time.Now, Log: quiet(),
	})
	must(tb, err)
	return &mint{auth.NewTokens(ring, "sealock", time.Now), root}
}

// token signs a token for the subject with the scope, good for a minute from the offset on.
func (m *mint) token(tb testing.TB, subject, scope string, offset time.Duration) string {
	tb.Helper()
	access, err := auth.ParseScope([]string{scope})
	must(tb, err)
	start := time.Now().Add(offset)
	token, err := m.tokens.Sign(tb.Context(), auth.ClaimSet{
		Issuer: "sealock", Subject: subject, Audience: service, JTI: "jti-of-" + subject,
		NotBefore: start, IssuedAt: start, ExpiresAt: start.Add(time.Minute), Access: access,
	}, auth.HeaderX5C)
	must(tb, err)
	return token
}

// Mint implements auth.Minter.
func (m *mint) Mint(ctx context.Context, access auth.Scope) (string, error) {
	now := time.Now()
	return m.tokens.Sign(ctx, auth.ClaimSet{
		Issuer: "sealock", Subject: "", Audience: service, JTI: "own",
		NotBefore: now, IssuedAt: now, ExpiresAt: now.Add(time.Minute), Access: access,
	}, auth.HeaderX5C)
}

// door is a gate with everything that it needs, served on loopback.
type door struct {
	*mint
	policy *policy
	people people
	trail  *trail
	srv    *httptest.Server
	config proxy.Config
}

// projects is the table that most tests use.
func projects() rights {
	return rights{
		"":      {"public": "pull"},
		"alice": {"team": "pull,push,delete", "mine": "pull,push,delete"},
		"bob":   {"team": "pull"},
		"*":     {"team": "pull,push,delete", "public": "pull,push,delete"},
	}
}

type option func(*proxy.Config)

func open(tb testing.TB, m *mint, up proxy.Upstream, options ...option) *door {
	tb.Helper()
	d := &door{
		mint: m, policy: &policy{table: projects()}, trail: &trail{},
		people: people{"alice": {Name: "alice"}, "bob": {Name: "bob"}, "root": {Name: "root", SysAdmin: true}},
	}
	d.srv = httptest.NewUnstartedServer(nil)
	origins, err := httpx.NewOrigins([]string{"http://" + d.srv.Listener.Addr().String()}, nil)
	must(tb, err)
	d.config = proxy.Config{
		Service: service, Origins: origins, Verifier: m.tokens, Holders: d.people, Authorizer: d.policy, Decider: d.policy, Recorder: d.trail, Projects: ages{},
		Upstream: up, Errors: httpx.Errors{Log: quiet()}, Now: time.Now,
	}
	for _, o := range options {
		o(&d.config)
	}
	var n counter
	d.srv.Config.Handler = httpx.RequestIDs(&n, proxy.New(d.config))
	d.srv.Start()
	plain, ok := d.srv.Client().Transport.(*http.Transport)
	if !ok {
		tb.Fatalf("transport is %T", d.srv.Client().Transport)
	}
	plain.DisableCompression = true // so that what is sent is what a test says
	tb.Cleanup(d.srv.Close)
	return d
}

// ages says when projects were made; those that are not named, long ago. The project team was called crew.
type ages map[string]time.Time

func (a ages) Known(_ context.Context, project string) (string, time.Time, error) {
	switch project {
	case "broken":
		return "", time.Time{}, errs.New(errs.Unavailable, "nobody knows")
	case "crew":
		return "team", a["team"], nil
	}
	return project, a[project], nil
}

// counter is a random source that is not random.
type counter struct {
	mu sync.Mutex
	n  byte
}

func (c *counter) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	for i := range p {
		p[i] = c.n
	}
	return len(p), nil
}

// newEmbedded opens an embedded registry in a folder of its own.
func newEmbedded(tb testing.TB) *embedded.Registry {
	tb.Helper()
	reg, err := embedded.New(context.Background(), embedded.Config{Root: tb.TempDir(), HTTPSecret: secret.New("s3cret"), Log: quiet()})
	must(tb, err)
	tb.Cleanup(func() { must(tb, reg.Shutdown()) })
	return reg
}

// newStock starts a stock registry with token authentication, as another process would run it.
func newStock(tb testing.TB, m *mint) *httptest.Server {
	tb.Helper()
	return newStockOf(tb, m, stocktest.Config{Service: service})
}

// newStockOf starts a stock registry with a folder of its own, unless the configuration names one.
func newStockOf(tb testing.TB, m *mint, c stocktest.Config) *httptest.Server {
	tb.Helper()
	bundle := filepath.Join(tb.TempDir(), "bundle.pem")
	must(tb, os.WriteFile(bundle, m.root.PEM(), 0o600))
	c.Realm, c.Issuer, c.RootCertBundle = "http://realm.invalid/token", "sealock", bundle
	if c.Root == "" {
		c.Root = tb.TempDir()
	}
	registry, shutdown, err := stocktest.New(context.Background(), c)
	must(tb, err)
	srv := httptest.NewServer(registry)
	tb.Cleanup(func() { srv.Close(); must(tb, shutdown()) })
	return srv
}

func newSeparate(tb testing.TB, m *mint, url string) *proxy.Separate {
	tb.Helper()
	up, err := proxy.NewSeparate(proxy.SeparateConfig{URL: url, Minter: m, Log: quiet()})
	must(tb, err)
	tb.Cleanup(up.Close)
	return up
}

// eachUpstream runs the test before the embedded registry and before a separate one.
func eachUpstream(t *testing.T, test func(t *testing.T, d *door)) {
	t.Run("embedded", func(t *testing.T) { test(t, open(t, newMint(t), newEmbedded(t))) })
	t.Run("separate", func(t *testing.T) {
		m := newMint(t)
		test(t, open(t, m, newSeparate(t, m, newStock(t, m).URL)))
	})
}

// call is a request to a door.
type call struct {
	method, path string
	token        string
	header       map[string]string
	body         []byte
}

// answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// text returns the first message of a registry error.
func (a answer) text() string {
	var e struct {
		Errors []struct{ Code, Message string } `json:"errors"`
	}
	if json.Unmarshal(a.body, &e) != nil || len(e.Errors) != 1 {
		return "not a registry error: " + string(a.body)
	}
	return e.Errors[0].Code + " " + e.Errors[0].Message
}

// do sends a request with exactly this path; redirects are not followed.
func (d *door) do(tb testing.TB, c call) answer {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), c.method, d.srv.URL, bytes.NewReader(c.body))
	must(tb, err)
	req.URL.Path, req.URL.RawQuery, _ = strings.Cut(c.path, "?")
	if strings.HasPrefix(c.path, "http") { // a Location
		req.URL, err = req.URL.Parse(c.path)
		must(tb, err)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for name, value := range c.header {
		req.Header.Set(name, value)
		if name == "Host" {
			req.Host = value
		}
	}
	resp, err := d.srv.Client().Transport.RoundTrip(req)
	must(tb, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(tb, err)
	return answer{resp.StatusCode, resp.Header, body}
}

// want fails unless the answer has the status.
func (a answer) want(tb testing.TB, what string, status int) answer {
	tb.Helper()
	if a.status != status {
		tb.Fatalf("%s = %d %s %s, want %d", what, a.status, a.body, headerText(a.header), status)
	}
	return a
}

func headerText(h http.Header) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(h)) {
		fmt.Fprintf(&b, "%s=%q ", k, h[k])
	}
	return b.String()
}

func digestOf(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// dial opens a connection to the door.
func (d *door) dial(tb testing.TB) net.Conn {
	tb.Helper()
	c, err := (&net.Dialer{}).DialContext(tb.Context(), "tcp", d.srv.Listener.Addr().String())
	must(tb, err)
	return c
}

// flush sends what a handler has written so far.
func flush(w http.ResponseWriter) {
	if err := http.NewResponseController(w).Flush(); err != nil {
		panic(http.ErrAbortHandler)
	}
}
