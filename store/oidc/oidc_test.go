package oidc_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/seal"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/oidc"
	"github.com/sealock/sealock/store/sqlstore"
	"github.com/sealock/sealock/store/sqlstore/sqlstoretest"
)

// issuer is a provider that can be told to misbehave.
type issuer struct {
	t    *testing.T
	url  string
	key  *ecdsa.PrivateKey
	mu   sync.Mutex
	info map[string]any // what user info says; nil: there is no such end-point

	challenge string                // of the code that is out; "" when it was used
	nonce     string                // of the request
	claims    func(c jwt.MapClaims) // what is changed in the ID token
	sign      func(c jwt.MapClaims) string
	meta      map[string]any // what is changed in the discovery document
	refresh   string         // the refresh token that is good; "" none is given
	down      bool
	now       func() time.Time
	asked     int // refreshes
}

const clientID, clientSecret, redirect = "sealock-client", "client-canary", "https://registry.example.com/oidc/sso/callback"

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{t: t, key: key, now: time.Now}
	i.sign = i.signed
	srv := httptest.NewServer(i)
	t.Cleanup(srv.Close)
	i.url = srv.URL
	return i
}

func (i *issuer) signed(c jwt.MapClaims) string {
	token := jwt.NewWithClaims(jwt.SigningMethodES256, c)
	token.Header["kid"] = "k"
	text, err := token.SignedString(i.key)
	if err != nil {
		i.t.Error(err)
	}
	return text
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.down {
		http.Error(w, "canary of a body", http.StatusBadGateway)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		doc := map[string]any{
			"issuer": i.url, "authorization_endpoint": i.url + "/auth", "token_endpoint": i.url + "/token", "jwks_uri": i.url + "/keys",
			"id_token_signing_alg_values_supported": []string{"ES256", "HS256", "none"},
		}
		if i.info != nil {
			doc["userinfo_endpoint"] = i.url + "/info"
		}
		for key, value := range i.meta {
			doc[key] = value
		}
		i.answer(w, http.StatusOK, doc)
	case "/keys":
		point, err := i.key.PublicKey.Bytes() // SEC 1: 4, x, y
		if err != nil {
			i.t.Error(err)
		}
		b64 := func(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
		i.answer(w, http.StatusOK, map[string]any{"keys": []any{map[string]any{
			"kty": "EC", "crv": "P-256", "kid": "k", "use": "sig", "alg": "ES256", "x": b64(point[1:33]), "y": b64(point[33:]),
		}}})
	case "/info":
		i.answer(w, http.StatusOK, i.info)
	case "/token":
		i.token(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (i *issuer) answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		i.t.Error(err)
	}
}

func (i *issuer) token(w http.ResponseWriter, r *http.Request) {
	name, password, _ := r.BasicAuth()
	ok := name == clientID && password == clientSecret
	nonce := i.nonce
	switch r.PostFormValue("grant_type") {
	case "authorization_code":
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		ok = ok && i.challenge != "" && base64.RawURLEncoding.EncodeToString(sum[:]) == i.challenge && r.PostFormValue("redirect_uri") == redirect
		i.challenge = ""
	case "refresh_token":
		i.asked++
		ok = ok && i.refresh != "" && r.PostFormValue("refresh_token") == i.refresh
		nonce = ""
		i.refresh += "+"
	}
	if !ok {
		i.answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": "canary"})
		return
	}
	now := i.now()
	c := jwt.MapClaims{
		"iss": i.url, "sub": "4711", "aud": clientID, "exp": now.Add(time.Minute).Unix(), "iat": now.Unix(), "nonce": nonce,
		"preferred_username": "ada", "groups": []string{"dev", "registry-admins"},
	}
	if i.claims != nil {
		i.claims(c)
	}
	body := map[string]any{"access_token": "at", "token_type": "Bearer", "expires_in": 60, "id_token": i.sign(c)}
	if i.refresh != "" {
		body["refresh_token"] = i.refresh
	}
	i.answer(w, http.StatusOK, body)
}

// world is a source of a provider, with a store.
type world struct {
	t      *testing.T
	issuer *issuer
	source *oidc.Source
	store  *sqlstore.Store
	later  time.Duration
}

func newWorld(t *testing.T, change func(*oidc.Config)) *world {
	t.Helper()
	w := &world{t: t, issuer: newIssuer(t)}
	w.issuer.now = func() time.Time { return time.Now().Add(w.later) }
	cfg := oidc.Default()
	cfg.Issuer, cfg.ClientID, cfg.Secret, cfg.Groups, cfg.AdminGroup = w.issuer.url, clientID, secret.New(clientSecret), "groups", "registry-admins"
	if change != nil {
		change(&cfg)
	}
	cfg.Check(func(key, what, _ string) { t.Errorf("Check() reports %s %s", key, what) })
	box, err := seal.New(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	w.store = sqlstoretest.Open(t)
	w.source, err = oidc.Open(cfg, oidc.Deps{
		Name: "sso", Records: w.store, Box: box, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Now().Add(w.later) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.source.Close() })
	return w
}

// begin starts a sign-in and gives the issuer a code to take for it.
func (w *world) begin() (oidc.Started, url.Values) {
	w.t.Helper()
	to, kept, err := w.source.Start(w.t.Context(), redirect)
	if err != nil {
		w.t.Fatalf("Start() = %v", err)
	}
	u, err := url.Parse(to)
	if err != nil {
		w.t.Fatal(err)
	}
	q := u.Query()
	for key, want := range map[string]string{
		"response_type": "code", "client_id": clientID, "redirect_uri": redirect, "code_challenge_method": "S256", "state": kept.State, "nonce": kept.Nonce,
	} {
		if q.Get(key) != want || want == "" {
			w.t.Errorf("the request has %s=%q, want %q", key, q.Get(key), want)
		}
	}
	if strings.Contains(to, clientSecret) || strings.Contains(to, kept.Verifier) {
		w.t.Errorf("the URL %s holds a secret", to)
	}
	w.issuer.challenge, w.issuer.nonce = q.Get("code_challenge"), q.Get("nonce")
	return kept, url.Values{"state": {kept.State}, "code": {"c0de"}}
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *oidc.Config) { c.GroupFilter = "^dev$" })
	kept, answer := w.begin()
	who, err := w.source.Finish(t.Context(), kept, answer)
	if err != nil || who.Name != "ada" || !slices.Equal(who.Groups, []string{"dev"}) || !who.SysAdmin || who.Subject != w.issuer.url+" 4711" {
		t.Errorf("Finish() = %+v, %v, want ada, in dev, an administrator", who, err)
	}
	if _, err := w.source.Finish(t.Context(), kept, answer); !errs.Is(err, errs.Denied) {
		t.Errorf("the same code again = %v, want Denied", err)
	}
	if _, err := w.source.Authenticate(t.Context(), auth.Credential{Name: "ada", Secret: secret.New("x")}); !errors.Is(err, auth.ErrUnknownSubject) {
		t.Errorf("a password = %v, want ErrUnknownSubject", err)
	}
}

func TestBadAnswers(t *testing.T) {
	t.Parallel()
	hs := func(i *issuer) {
		i.sign = func(c jwt.MapClaims) string {
			s, _ := jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString([]byte(clientSecret))
			return s
		}
	}
	none := func(i *issuer) {
		i.sign = func(c jwt.MapClaims) string {
			s, _ := jwt.NewWithClaims(jwt.SigningMethodNone, c).SignedString(jwt.UnsafeAllowNoneSignatureType)
			return s
		}
	}
	stranger := func(i *issuer) {
		i.sign = func(c jwt.MapClaims) string { return newIssuer(i.t).signed(c) }
	}
	claim := func(key string, value any) func(*issuer) {
		return func(i *issuer) { i.claims = func(c jwt.MapClaims) { c[key] = value } }
	}
	for name, row := range map[string]struct {
		issuer func(*issuer)
		answer func(oidc.Started, url.Values)
		want   errs.Kind
	}{
		"no state":         {answer: func(_ oidc.Started, a url.Values) { a.Del("state") }, want: errs.Invalid},
		"another state":    {answer: func(_ oidc.Started, a url.Values) { a.Set("state", "x") }, want: errs.Invalid},
		"no code":          {answer: func(_ oidc.Started, a url.Values) { a.Del("code") }, want: errs.Invalid},
		"another issuer":   {answer: func(_ oidc.Started, a url.Values) { a.Set("iss", "https://evil.example") }, want: errs.Invalid},
		"two issuers":      {answer: func(_ oidc.Started, a url.Values) { a["iss"] = []string{a.Get("state"), "https://evil.example"} }, want: errs.Invalid},
		"the promised iss": {issuer: func(i *issuer) { i.meta = map[string]any{"authorization_response_iss_parameter_supported": true} }, want: errs.Invalid},
		"provider's error": {answer: func(_ oidc.Started, a url.Values) {
			a.Set("error", "access_denied<b>")
			a.Set("error_description", "c\nd")
		}, want: errs.Denied},
		"another nonce":       {issuer: claim("nonce", "x"), want: errs.Denied},
		"no nonce":            {issuer: claim("nonce", nil), want: errs.Denied},
		"expired":             {issuer: claim("exp", time.Now().Add(-time.Hour).Unix()), want: errs.Denied},
		"another audience":    {issuer: claim("aud", "other"), want: errs.Denied},
		"two audiences":       {issuer: claim("aud", []string{clientID, "other"}), want: errs.Denied},
		"another iss claim":   {issuer: claim("iss", "https://evil.example"), want: errs.Denied},
		"another at_hash":     {issuer: claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), want: errs.Denied},
		"no name":             {issuer: claim("preferred_username", ""), want: errs.Denied},
		"alg none":            {issuer: none, want: errs.Denied},
		"alg HS256":           {issuer: hs, want: errs.Denied},
		"a stranger's key":    {issuer: stranger, want: errs.Denied},
		"no ID token":         {issuer: func(i *issuer) { i.sign = func(jwt.MapClaims) string { return "" } }, want: errs.Denied},
		"rubbish for a token": {issuer: func(i *issuer) { i.sign = func(jwt.MapClaims) string { return "a.b.c" } }, want: errs.Denied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			if row.issuer != nil {
				row.issuer(w.issuer)
			}
			kept, answer := w.begin()
			if row.answer != nil {
				row.answer(kept, answer)
			}
			who, err := w.source.Finish(t.Context(), kept, answer)
			if !errs.Is(err, row.want) {
				t.Fatalf("Finish() = %+v, %v, want %s", who, err, row.want)
			}
			for _, canary := range []string{clientSecret, kept.Verifier, "<b>", "\n"} {
				if strings.Contains(err.Error(), canary) && canary != "<b>" {
					t.Errorf("the error %q holds %q", err, canary)
				}
			}
		})
	}
}

// TestVerifierIsBound holds that a code that another browser began is no good here: PKCE.
func TestVerifierIsBound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	mine, _ := w.begin()
	theirs, answer := w.begin()
	w.issuer.nonce = mine.Nonce
	mine.State = theirs.State
	if who, err := w.source.Finish(t.Context(), mine, answer); !errs.Is(err, errs.Denied) {
		t.Errorf("Finish() with another's code = %+v, %v, want Denied", who, err)
	}
}

func TestUserInfo(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		info map[string]any
		ok   bool
	}{
		"what is missing":  {map[string]any{"sub": "4711", "preferred_username": "bert", "roles": map[string]any{"of": []string{"x"}}}, true},
		"another's":        {map[string]any{"sub": "4712", "preferred_username": "bert"}, false},
		"nothing besides":  {map[string]any{"sub": "4711"}, false},
		"a name that is 7": {map[string]any{"sub": "4711", "preferred_username": 7}, false},
	} {
		w := newWorld(t, func(c *oidc.Config) { c.Groups, c.AdminGroup = "roles.of", "x" })
		w.issuer.info = row.info
		w.issuer.claims = func(c jwt.MapClaims) { delete(c, "preferred_username") }
		kept, answer := w.begin()
		who, err := w.source.Finish(t.Context(), kept, answer)
		if row.ok && (err != nil || who.Name != "bert" || !who.SysAdmin) || !row.ok && !errs.Is(err, errs.Denied) {
			t.Errorf("user info with %s = %+v, %v", name, who, err)
		}
	}
}

func TestUnverifiedMail(t *testing.T) {
	t.Parallel()
	for _, verified := range []any{false, "false", true, nil} {
		w := newWorld(t, func(c *oidc.Config) { c.Username = "email" })
		w.issuer.claims = func(c jwt.MapClaims) {
			c["email"] = "ada@example.com"
			if verified != nil {
				c["email_verified"] = verified
			}
		}
		kept, answer := w.begin()
		who, err := w.source.Finish(t.Context(), kept, answer)
		if want := verified == true || verified == nil; (err == nil) != want {
			t.Errorf("Finish() with email_verified %v = %+v, %v, want a person: %t", verified, who, err, want)
		}
	}
}

// settled is a person who signed in.
func (w *world) settled() store.User {
	w.t.Helper()
	kept, answer := w.begin()
	who, err := w.source.Finish(w.t.Context(), kept, answer)
	if err != nil {
		w.t.Fatal(err)
	}
	u, err := w.store.UserByName(w.t.Context(), "ada@sso")
	if errs.Is(err, errs.NotFound) {
		u, err = w.store.CreateUser(w.t.Context(), store.User{Name: "ada@sso"})
	}
	if err == nil {
		err = w.source.Keep(w.t.Context(), u.ID, who)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

func (w *world) resolve(want string) auth.Subject {
	w.t.Helper()
	sub, err := w.source.Resolve(context.WithoutCancel(w.t.Context()), "ada")
	got := "here"
	switch {
	case errors.Is(err, auth.ErrUnknownSubject):
		got = "gone"
	case err != nil:
		got = "down"
	}
	if got != want {
		w.t.Errorf("after %s, Resolve() = %+v, %v, want %s", w.later, sub, err, want)
	}
	return sub
}

// TestWithoutRenewal holds that a sign-in is believed for so long, and that what it said last counts.
func TestWithoutRenewal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *oidc.Config) { c.LoginValid = time.Hour })
	w.resolve("gone")
	w.settled()
	if sub := w.resolve("here"); !sub.SysAdmin || !slices.Equal(sub.Groups, []string{"dev", "registry-admins"}) {
		t.Errorf("Resolve() = %+v, want an administrator", sub)
	}
	w.issuer.claims = func(c jwt.MapClaims) { c["groups"] = []string{"dev"} }
	w.settled()
	if sub := w.resolve("here"); sub.SysAdmin || !slices.Equal(sub.Groups, []string{"dev"}) {
		t.Errorf("Resolve() after a sign-in without the group = %+v, want no administrator", sub)
	}
	w.later += 59 * time.Minute
	w.resolve("here")
	w.later += time.Minute
	w.resolve("gone")
	w.settled()
	w.resolve("here")
}

// TestRenewal holds that the provider's word is asked for anew, and taken back at once.
func TestRenewal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *oidc.Config) { c.Scopes = append(c.Scopes, "offline_access") })
	w.issuer.refresh = "refresh-canary"
	u := w.settled()
	kept, err := w.store.IdentityOf(t.Context(), u.ID)
	if err != nil || len(kept.Renewal) == 0 || strings.Contains(string(kept.Renewal), "canary") {
		t.Fatalf("IdentityOf() = %+v, %v, want a sealed refresh token", kept, err)
	}
	w.resolve("here")
	if w.issuer.asked != 0 {
		t.Errorf("the provider was asked %d times at once, want 0", w.issuer.asked)
	}
	w.later += 6 * time.Minute
	w.issuer.claims = func(c jwt.MapClaims) { c["groups"] = []string{"ops"} }
	if sub := w.resolve("here"); sub.SysAdmin || !slices.Equal(sub.Groups, []string{"ops"}) || w.issuer.asked != 1 {
		t.Errorf("Resolve() = %+v after %d questions, want ops and no administrator after 1", sub, w.issuer.asked)
	}
	w.later += 6 * time.Minute
	w.issuer.down = true
	w.resolve("down")
	w.issuer.down = false
	w.resolve("here") // with the token that came back the last time
	w.later += 6 * time.Minute
	w.issuer.refresh = "another"
	w.resolve("gone")
	w.resolve("gone")
	if w.issuer.asked != 3 {
		t.Errorf("the provider was asked %d times, want 3: who is gone is not asked for", w.issuer.asked)
	}
	w.settled()
	w.resolve("here")
}

func TestStartWhileDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.issuer.down = true
	_, _, err := w.source.Start(t.Context(), redirect)
	if !errs.Is(err, errs.Unavailable) || strings.Contains(errs.As(err).Public(), "canary") {
		t.Errorf("Start() while the provider is down = %v, want Unavailable", err)
	}
	w.issuer.down = false
	if _, _, err := w.source.Start(t.Context(), redirect); err != nil {
		t.Errorf("Start() once it is up = %v", err)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	good := func() oidc.Config {
		c := oidc.Default()
		c.Issuer, c.ClientID = "https://id.example.com/x", "c"
		return c
	}
	for key, change := range map[string]func(*oidc.Config){
		"":               func(*oidc.Config) {},
		"issuer":         func(c *oidc.Config) { c.Issuer = "http://id.example.com" },
		"client_id":      func(c *oidc.Config) { c.ClientID = "" },
		"scopes":         func(c *oidc.Config) { c.Scopes = []string{"email"} },
		"username_claim": func(c *oidc.Config) { c.Username = "" },
		"group_filter":   func(c *oidc.Config) { c.Groups, c.GroupFilter = "groups", "(" },
		"groups_claim":   func(c *oidc.Config) { c.AdminGroup = "x" },
		"extra_params":   func(c *oidc.Config) { c.Extra = map[string]string{"state": "x"} },
		"login_valid":    func(c *oidc.Config) { c.LoginValid = 0 },
		"recheck":        func(c *oidc.Config) { c.Recheck = 0 },
		"timeout":        func(c *oidc.Config) { c.Timeout = 0 },
	} {
		c, got := good(), ""
		change(&c)
		c.Check(func(k, _, _ string) { got = k })
		if got != key {
			t.Errorf("Check() reports %q, want %q", got, key)
		}
	}
}

func TestPing(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	if err := oidc.Ping(t.Context(), i.url, true); err != nil {
		t.Errorf("Ping() = %v, want a provider", err)
	}
	for _, bad := range []string{
		"", i.url + "/x", i.url + "/", "http://id.example.com", "https://169.254.169.254", "https://[fe80::1]", "https://0.0.0.0:1", "ftp://localhost", "file:///etc/passwd",
		"https://user:pw@localhost",
	} {
		if err := oidc.Ping(t.Context(), bad, false); err == nil {
			t.Errorf("Ping(%q) = no error", bad)
		}
	}
}
