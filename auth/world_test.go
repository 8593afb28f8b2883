package auth_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
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
)

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock {
	// Whole seconds of a moment near the present: certificates and parsers of other libraries look at the real time.
	return &clock{now: time.Now().UTC().Truncate(time.Second)}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// users is a user source with a table of passwords.
type users struct {
	passwords map[string]string
	admins    []string
	down      bool
	asked     int
	since     time.Time
	asOf      time.Time
}

func (u *users) Authenticate(ctx context.Context, c auth.Credential) (auth.Subject, error) {
	u.asked++
	switch password, ok := u.passwords[c.Name]; {
	case u.down:
		return auth.Subject{}, errors.New("connection refused")
	case !ok:
		return auth.Subject{}, auth.ErrUnknownSubject
	case password != c.Secret.Reveal():
		return auth.Subject{}, auth.ErrBadCredential
	}
	return u.Resolve(ctx, c.Name)
}

func (u *users) Resolve(_ context.Context, name string) (auth.Subject, error) {
	if _, ok := u.passwords[name]; !ok {
		return auth.Subject{}, auth.ErrUnknownSubject
	}
	return auth.Subject{Name: name, ID: int64(len(name)), SysAdmin: slices.Contains(u.admins, name), Since: u.since, AsOf: u.asOf}, nil
}

func (u *users) Holder(ctx context.Context, name, _ string) (auth.Subject, error) {
	return u.Resolve(ctx, name)
}

// rules is a policy: subject → repository → actions.
type rules struct {
	table     map[string]map[string][]auth.Action
	anonymous bool
	down      bool
}

func (p *rules) Authorize(_ context.Context, sub auth.Subject, requested auth.Scope) (auth.Decision, error) {
	if p.down {
		return auth.Decision{}, errors.New("no policy")
	}
	var d auth.Decision
	for _, r := range requested {
		var granted []auth.Action
		for _, a := range p.table[sub.Name][r.Name] {
			if r.Allows(a) {
				granted = append(granted, a)
			}
		}
		if granted != nil {
			d.Granted = append(d.Granted, auth.ResourceActions{Type: r.Type, Name: r.Name, Actions: granted})
		}
	}
	d.Reason = "table"
	return d, nil
}

func (p *rules) AnonymousAllowed() bool { return p.anonymous }

// memory keeps tokens and the audit trail.
type memory struct {
	mu      sync.Mutex
	refresh map[string]auth.RefreshToken
	revoked map[string]auth.RevokedToken
	devices map[string]auth.DeviceCode
	records []audit.Record
	full    bool
}

func (m *memory) CreateRefreshToken(_ context.Context, t auth.RefreshToken) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refresh[t.ID] = t
	return nil
}

func (m *memory) RefreshToken(_ context.Context, id string) (auth.RefreshToken, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.refresh[id]
	if !ok {
		return t, errs.New(errs.NotFound, "no refresh token %q", id)
	}
	return t, nil
}

func (m *memory) TouchRefreshToken(_ context.Context, id string, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.refresh[id]
	t.LastUsedAt = at
	m.refresh[id] = t
	return nil
}

func (m *memory) DeleteRefreshToken(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.refresh, id)
	return nil
}

func (m *memory) CreateDeviceCode(_ context.Context, c auth.DeviceCode, limits auth.DeviceLimits) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	here := 0
	for _, other := range m.devices {
		if other.UserCode == c.UserCode {
			return errs.New(errs.Conflict, "taken")
		}
		if other.Remote == c.Remote {
			here++
		}
	}
	if here >= limits.PerRemote || len(m.devices) >= limits.All {
		return errs.New(errs.TooMany, "full")
	}
	m.devices[c.ID] = c
	return nil
}

func (m *memory) DeviceCode(_ context.Context, id string) (auth.DeviceCode, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.devices[id]
	if !ok {
		return c, errs.New(errs.NotFound, "no device code")
	}
	return c, nil
}

func (m *memory) DeviceCodeByUserCode(_ context.Context, userCode string) (auth.DeviceCode, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.devices {
		if c.UserCode == userCode {
			return c, nil
		}
	}
	return auth.DeviceCode{}, errs.New(errs.NotFound, "no device code")
}

func (m *memory) UpdateDeviceCode(_ context.Context, id string, fn func(*auth.DeviceCode) error) (auth.DeviceCode, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.devices[id]
	if !ok {
		return c, errs.New(errs.NotFound, "no device code")
	}
	if err := fn(&c); err != nil {
		return auth.DeviceCode{}, err
	}
	m.devices[id] = c
	return c, nil
}

func (m *memory) RevokeToken(_ context.Context, t auth.RevokedToken) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.revoked[t.JTI] = t
	return nil
}

func (m *memory) RevokedTokens(_ context.Context, now time.Time) iter.Seq2[auth.RevokedToken, error] {
	m.mu.Lock()
	all := slices.Collect(maps.Values(m.revoked))
	m.mu.Unlock()
	return func(yield func(auth.RevokedToken, error) bool) {
		for _, t := range all {
			if t.ExpiresAt.After(now) && !yield(t, nil) {
				return
			}
		}
	}
}

func (m *memory) Record(_ context.Context, r audit.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.full {
		return errors.New("disk full")
	}
	m.records = append(m.records, r)
	return nil
}

func (m *memory) last(t *testing.T) audit.Record {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.records) == 0 {
		t.Fatal("the audit trail is empty")
	}
	return m.records[len(m.records)-1]
}

// world is a whole token server in memory.
type world struct {
	clock  *clock
	users  *users
	rules  *rules
	memory *memory
	root   *pki.Root
	ring   *auth.KeyRing
	tokens *auth.Tokens
	device *auth.Devices
	server *httptest.Server

	change func(*auth.IssuerDeps) // what is different about the issuer, if anything
}

func ringConfig(c *clock, algorithm string) auth.KeyRingConfig {
	return auth.KeyRingConfig{
		Algorithm: algorithm, CertLife: 90 * 24 * time.Hour, RotateEvery: 30 * 24 * time.Hour, KeepRetired: 10 * time.Minute,
		Now: c.Now, Log: slog.New(slog.DiscardHandler),
	}
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{
		clock: newClock(),
		users: &users{passwords: map[string]string{"alice": "wonderland", "admin": "rootroot"}, admins: []string{"admin"}},
		rules: &rules{anonymous: true, table: map[string]map[string][]auth.Action{
			"alice": {"team/app": {auth.ActionPull, auth.ActionPush}, "team/lib": {auth.ActionPull}},
			"":      {"public/app": {auth.ActionPull}},
		}},
		memory: &memory{refresh: map[string]auth.RefreshToken{}, revoked: map[string]auth.RevokedToken{}, devices: map[string]auth.DeviceCode{}},
	}
	var err error
	if w.root, err = pki.NewRoot("test root", w.clock.Now(), 365*24*time.Hour); err != nil {
		t.Fatal(err)
	}
	w.ring, err = auth.OpenKeyRing(w.root, auth.KeyFile{Path: t.TempDir() + "/keys.json"}, ringConfig(w.clock, auth.ES256))
	if err != nil {
		t.Fatal(err)
	}
	w.tokens = auth.NewTokens(w.ring, "test-issuer", w.clock.Now)
	w.serve(t)
	return w
}

func (w *world) serve(t testing.TB) {
	deps := auth.IssuerDeps{
		Authenticator: auth.Chain{{Name: "table", Authenticator: w.users}}, Holders: w.users, Authorizer: w.rules,
		Signer: w.tokens, RefreshTokens: w.memory, Trail: w.memory, Now: w.clock.Now, Verifier: w.tokens,
	}
	if w.change != nil {
		w.change(&deps)
	}
	issuer := auth.NewIssuer(auth.IssuerConfig{
		Issuer: "test-issuer", Life: 5 * time.Minute, RefreshIdle: 24 * time.Hour, RefreshAbsolute: 72 * time.Hour,
		Services: []auth.Service{{Name: "svc", Header: auth.HeaderX5C}, {Name: "other", Header: auth.HeaderKeyID}, {Name: auth.APIService, Header: auth.HeaderKeyID}},
	}, deps)
	origins, err := httpx.NewOrigins([]string{"http://localhost:8080"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.device = auth.NewDevices(issuer, w.memory)
	endpoint := &auth.Endpoint{
		Issuer: issuer, Devices: w.device, Tokens: w.tokens, Revocations: w.memory, Origins: origins,
		Errors:   httpx.Errors{Log: slog.New(slog.DiscardHandler)},
		ClientIP: func(*http.Request) string { return "192.0.2.1" },
	}
	mux := http.NewServeMux()
	for path, handler := range endpoint.Routes() {
		mux.Handle(path, handler)
	}
	w.server = httptest.NewServer(mux)
	t.Cleanup(w.server.Close)
}

// answer is an HTTP answer, read to the end.
type answer struct {
	status int
	header http.Header
	body   string
}

func (w *world) do(t testing.TB, method, path, form string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.server.URL+path, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	if form != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

func credential(name, password string) auth.Credential {
	return auth.Credential{Name: name, Secret: secret.New(password)}
}
