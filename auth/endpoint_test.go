package auth_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
)

// tokenAnswer is the body of a good answer.
type tokenAnswer struct {
	Token        string `json:"token"`
	AccessToken  string `json:"access_token"`
	ExpiresIn    int    `json:"expires_in"`
	IssuedAt     string `json:"issued_at"`
	Scope        string `json:"scope"`
	RefreshToken string `json:"refresh_token"`
}

func (a answer) token(t testing.TB) tokenAnswer {
	t.Helper()
	if a.status != http.StatusOK {
		t.Fatalf("status %d, want 200: %s", a.status, a.body)
	}
	var b tokenAnswer
	if err := json.Unmarshal([]byte(a.body), &b); err != nil {
		t.Fatal(err)
	}
	return b
}

// claims reads a token's claims as a registry would see them.
func claims(t testing.TB, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func access(t testing.TB, token string) string {
	t.Helper()
	var list []string
	text, err := json.Marshal(claims(t, token)["access"])
	if err != nil {
		t.Fatal(err)
	}
	var entries []struct {
		Type, Name string
		Actions    []string
	}
	if err := json.Unmarshal(text, &entries); err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, fmt.Sprintf("%s:%s:%s", e.Type, e.Name, strings.Join(e.Actions, ",")))
	}
	return strings.Join(list, " ")
}

// login returns an access token of alice's without a scope.
func (w *world) login(t testing.TB, service string) string {
	t.Helper()
	return w.do(t, "GET", "/service/token?service="+service, "", "Authorization", basic("alice:wonderland")).token(t).Token
}

// refreshToken signs alice in as docker login does.
func (w *world) refreshToken(t testing.TB) string {
	t.Helper()
	a := w.do(t, "GET", "/service/token?account=alice&client_id=docker&offline_token=true&service=svc", "", "Authorization", basic("alice:wonderland")).token(t)
	if a.RefreshToken == "" {
		t.Fatal("no refresh token although offline_token=true")
	}
	return a.RefreshToken
}

func form(pairs ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v.Encode()
}

func TestTokenGrantsRequestedAndAllowed(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct{ name, scope, want string }{
		{"all of it", "repository:team/app:pull,push", "repository:team/app:pull,push"},
		{"less than allowed", "repository:team/app:pull", "repository:team/app:pull"},
		{"narrowed", "repository:team/lib:pull,push", "repository:team/lib:pull"},
		{"nothing", "repository:secret/app:pull", ""},
		{"partly", "repository:team/app:push,pull repository:secret/app:pull", "repository:team/app:pull,push"},
		{"everything", "repository:team/app:*", "repository:team/app:pull,push"},
		{"plugin", "repository(plugin):team/app:pull", "repository:team/app:pull"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			get := w.do(t, "GET", "/service/token?service=svc&scope="+url.QueryEscape(tt.scope), "", "Authorization", basic("alice:wonderland")).token(t)
			post := w.do(t, "POST", "/token", form("grant_type", "password", "service", "svc", "client_id", "containerd-client", "username", "alice", "password", "wonderland", "scope", tt.scope)).token(t)
			for method, a := range map[string]tokenAnswer{"GET": get, "POST": post} {
				if got := access(t, a.Token); got != tt.want {
					t.Errorf("%s grants %q, want %q", method, got, tt.want)
				}
				if a.Token != a.AccessToken || a.ExpiresIn != 300 || a.Scope != tt.want {
					t.Errorf("%s answers %+v, want token and access_token alike, 300 s and scope %q", method, a, tt.want)
				}
			}
		})
	}
}

// Registries up to 2.8 read aud as a string and times as integers only.
func TestTokenClaims(t *testing.T) {
	w := newWorld(t)
	a := w.do(t, "GET", "/service/token?service=svc", "", "Authorization", basic("alice:wonderland")).token(t)
	got := claims(t, a.Token)
	now := float64(w.clock.Now().Unix())
	want := map[string]any{"iss": "test-issuer", "sub": "alice", "aud": "svc", "iat": now, "nbf": now, "exp": now + 300, "access": []any{}, "jti": got["jti"]}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	if jti, ok := got["jti"].(string); !ok || len(jti) != 32 {
		t.Errorf("jti = %v, want 32 hex digits", got["jti"])
	}
	if issued, err := time.Parse(time.RFC3339, a.IssuedAt); err != nil || !issued.Equal(w.clock.Now()) {
		t.Errorf("issued_at = %s (%v), want %s", a.IssuedAt, err, w.clock.Now())
	}
}

func TestTokenHeaders(t *testing.T) {
	w := newWorld(t)
	for service, x5c := range map[string]bool{"svc": true, "other": false} {
		text, err := base64.RawURLEncoding.DecodeString(strings.Split(w.login(t, service), ".")[0])
		if err != nil {
			t.Fatal(err)
		}
		var h map[string]any
		if err := json.Unmarshal(text, &h); err != nil {
			t.Fatal(err)
		}
		current, _ := find(t, w.ring)
		if _, has := h["x5c"]; has != x5c || h["kid"] != current.ID || h["alg"] != "ES256" {
			t.Errorf("header for %s = %v, want x5c %v and kid %s", service, h, x5c, current.ID)
		}
	}
}

func TestWrongCredentialsAreNeverAnonymous(t *testing.T) {
	w := newWorld(t)
	scope := "&scope=repository:public/app:pull"
	for name, a := range map[string]answer{
		"wrong password": w.do(t, "GET", "/token?service=svc"+scope, "", "Authorization", basic("alice:wrong")),
		"unknown user":   w.do(t, "GET", "/token?service=svc"+scope, "", "Authorization", basic("nobody:wrong")),
		"empty":          w.do(t, "GET", "/token?service=svc"+scope, "", "Authorization", basic(":")),
		"not base64":     w.do(t, "GET", "/token?service=svc"+scope, "", "Authorization", "Basic !!!"),
		"other scheme":   w.do(t, "GET", "/token?service=svc"+scope, "", "Authorization", "Bearer x"),
		"POST password":  w.do(t, "POST", "/token", form("grant_type", "password", "service", "svc", "username", "alice", "password", "wrong")),
		"POST no name":   w.do(t, "POST", "/token", form("grant_type", "password", "service", "svc")),
		"POST refresh":   w.do(t, "POST", "/token", form("grant_type", "refresh_token", "service", "svc", "refresh_token", "bogus")),
		"POST none":      w.do(t, "POST", "/token", form("grant_type", "refresh_token", "service", "svc")),
	} {
		if a.status != http.StatusUnauthorized || !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("%s: status %d, %q, want 401 with a Basic challenge", name, a.status, a.header.Get("WWW-Authenticate"))
		}
		checkErrorBody(t, name, a, "UNAUTHORIZED", "invalid_grant")
	}
}

// checkErrorBody wants Docker's list and OAuth's members in one body.
func checkErrorBody(t *testing.T, name string, a answer, code, oauth string) {
	t.Helper()
	var b struct {
		Errors []struct{ Code, Message string } `json:"errors"`
		Error  string                           `json:"error"`
		Text   string                           `json:"error_description"`
	}
	if err := json.Unmarshal([]byte(a.body), &b); err != nil {
		t.Errorf("%s: %v in %s", name, err, a.body)
		return
	}
	if len(b.Errors) != 1 || b.Errors[0].Code != code || b.Errors[0].Message == "" || b.Error != oauth || b.Text == "" {
		t.Errorf("%s: body %s, want errors[] with %s and error %s", name, a.body, code, oauth)
	}
}

func TestUnknownUserAndWrongPasswordLookAlike(t *testing.T) {
	w := newWorld(t)
	unknown := w.do(t, "GET", "/token?service=svc", "", "Authorization", basic("nobody:wrong"))
	wrong := w.do(t, "GET", "/token?service=svc", "", "Authorization", basic("alice:wrong"))
	if unknown.body != wrong.body || unknown.status != wrong.status {
		t.Errorf("unknown user: %d %s, wrong password: %d %s, want the same", unknown.status, unknown.body, wrong.status, wrong.body)
	}
}

func TestBadRequests(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name, method, path, form, code string
		status                         int
	}{
		{"no service", "GET", "/token", "", "invalid_request", 400},
		{"unknown service", "GET", "/token?service=%3Cscript%3E", "", "invalid_request", 400},
		{"bad scope", "GET", "/token?service=svc&scope=repository:A:pull", "", "invalid_scope", 400},
		{"bad escape", "GET", "/token?service=svc&scope=%zz", "", "invalid_request", 400},
		{"twice", "GET", "/token?service=svc&service=other", "", "invalid_request", 400},
		{"no grant", "POST", "/token?grant_type=password", form("service", "svc"), "unsupported_grant_type", 400},
		{"other grant", "POST", "/token", form("service", "svc", "grant_type", "client_credentials"), "unsupported_grant_type", 400},
		{"password in URL", "POST", "/token?username=alice&password=wonderland", form("service", "svc", "grant_type", "password"), "invalid_grant", 401},
		{"huge form", "POST", "/token", "x=" + strings.Repeat("a", 200_000), "invalid_request", 400},
		{"method", "PUT", "/token?service=svc", "", "invalid_request", 405},
		{"revoke by GET", "GET", auth.PathRevoke, "", "invalid_request", 405},
		{"revoke nothing", "POST", auth.PathRevoke, form("x", "y"), "invalid_request", 400},
	} {
		a := w.do(t, tt.method, tt.path, tt.form)
		if a.status != tt.status || !strings.Contains(a.body, `"error":"`+tt.code+`"`) {
			t.Errorf("%s: status %d, body %s, want %d with %s", tt.name, a.status, a.body, tt.status, tt.code)
		}
	}
}

func TestAnonymous(t *testing.T) {
	w := newWorld(t)
	a := w.do(t, "GET", "/token?service=svc&offline_token=true&scope=repository:public/app:pull,push", "").token(t)
	if got := access(t, a.Token); got != "repository:public/app:pull" || claims(t, a.Token)["sub"] != "" || a.RefreshToken != "" {
		t.Errorf("anonymous gets %q as %v with refresh token %q, want pull as nobody and none", got, claims(t, a.Token)["sub"], a.RefreshToken)
	}
	empty := w.do(t, "GET", "/token?service=svc&scope=repository:team/app:pull", "").token(t)
	if got := access(t, empty.Token); got != "" {
		t.Errorf("anonymous gets %q on a private repository, want nothing", got)
	}
	w.rules.anonymous = false
	if got := w.do(t, "GET", "/token?service=svc&scope=repository:public/app:pull", ""); got.status != 401 || !strings.Contains(got.body, "docker login") {
		t.Errorf("anonymous where the policy has no rule for it: %d %s, want 401 that says to log in", got.status, got.body)
	}
}

func TestRefreshToken(t *testing.T) {
	w := newWorld(t)
	refresh := w.refreshToken(t)
	use := func(service string) answer {
		return w.do(t, "POST", "/service/token", form("grant_type", "refresh_token", "service", service, "client_id", "docker", "refresh_token", refresh, "scope", "repository:team/app:push,pull"))
	}
	for range 2 { // not rotated: docker keeps the first one
		if got := access(t, use("svc").token(t).Token); got != "repository:team/app:pull,push" {
			t.Errorf("refresh token grants %q, want pull,push", got)
		}
	}
	if got := use("other"); got.status != 401 || !strings.Contains(got.body, "invalid_grant") {
		t.Errorf("refresh token for another service: %d %s, want invalid_grant", got.status, got.body)
	}
	as := w.do(t, "GET", "/token?service=svc&scope=repository:team/app:pull", "", "Authorization", basic(":"+refresh)).token(t)
	if claims(t, as.Token)["sub"] != "alice" {
		t.Errorf("Basic with an empty name and the refresh token is %v, want alice", claims(t, as.Token)["sub"])
	}
	for id, kept := range w.memory.refresh {
		if strings.Contains(string(kept.SecretHash), refresh) || !strings.Contains(refresh, id) {
			t.Errorf("the store holds the secret of %s in clear", id)
		}
	}
}

// However a refresh token is presented, it never becomes another one that would outlive it.
func TestRefreshTokenBreedsNone(t *testing.T) {
	w := newWorld(t)
	token := w.refreshToken(t)
	for name, a := range map[string]answer{
		"GET":  w.do(t, "GET", "/token?service=svc&offline_token=true", "", "Authorization", basic(":"+token)),
		"POST": w.do(t, "POST", "/token", form("grant_type", "refresh_token", "service", "svc", "refresh_token", token, "access_type", "offline")),
	} {
		if got := a.token(t).RefreshToken; got != token {
			t.Errorf("%s with a refresh token answers the refresh token %q, want the same one", name, got)
		}
	}
	if n := len(w.memory.refresh); n != 1 {
		t.Errorf("there are %d refresh tokens, want 1", n)
	}
	for _, query := range []string{"access_type=offline", "offline_token=true"} {
		if got := w.do(t, "GET", "/token?service=svc&"+query, "", "Authorization", basic("alice:wonderland")).token(t); got.RefreshToken == "" {
			t.Errorf("GET with %s answers no refresh token", query)
		}
		if got := w.do(t, "POST", "/token?x", form("grant_type", "password", "service", "svc", "username", "alice", "password", "wonderland")+"&"+query).token(t); got.RefreshToken == "" {
			t.Errorf("POST with %s answers no refresh token", query)
		}
	}
}

// What is put into the wrong field is not written down.
func TestSecretsInWrongFields(t *testing.T) {
	w := newWorld(t)
	token := w.refreshToken(t)
	w.do(t, "GET", "/token?service=svc", "", "Authorization", basic(token+":x"))
	w.do(t, "GET", "/token?service=svc", "", "Authorization", "canary-scheme")
	w.do(t, "POST", "/token", form("grant_type", "password", "service", "svc", "username", token, "password", "x"))
	w.do(t, "POST", auth.PathIntrospect, form("token", "x"), "Authorization", basic(token+":x"))
	w.do(t, "POST", auth.PathIntrospect, form("token", "x"), "Authorization", basic("alice:guess"))
	if got := w.memory.last(t); got.Operation != "token.introspect" || got.Outcome != audit.Refused || got.Actor != "alice" {
		t.Errorf("record of a guess at the introspection = %+v, want a refusal of alice", got)
	}
	for _, r := range w.memory.records {
		if text := fmt.Sprint(r); strings.Contains(text, token) || strings.Contains(text, "canary") {
			t.Errorf("the trail holds a secret: %s", text)
		}
	}
}

// Two headers are no credential: two readers could choose differently.
func TestTwoAuthorizationHeaders(t *testing.T) {
	w := newWorld(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL+"/token?service=svc", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header["Authorization"] = []string{basic("alice:wonderland"), basic("admin:wrong")}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("two Authorization headers: %d, want 401", resp.StatusCode)
	}
}

// A scope as long as strangers like does not fill the trail.
func TestLongScopesAreClippedInTheTrail(t *testing.T) {
	w := newWorld(t)
	v := url.Values{"service": {"svc"}}
	for i := range 100 {
		v.Add("scope", fmt.Sprintf("repository:%s/x%d:pull", strings.Repeat("a", 100), i))
	}
	w.do(t, "GET", "/token?"+v.Encode(), "").token(t)
	if got := w.memory.last(t).Resource; len(got) > 3000 || !strings.Contains(got, "100 resources") {
		t.Errorf("the trail keeps %d bytes of the scope, want 2 KiB and the number of resources", len(got))
	}
}

func TestSubjectCache(t *testing.T) {
	ctx := context.Background()
	source := &users{passwords: map[string]string{"alice": "x"}}
	cache := auth.NewSubjectCache(source, time.Minute)
	if _, err := cache.Holder(ctx, "alice", ""); err != nil {
		t.Fatal(err)
	}
	delete(source.passwords, "alice")
	if _, err := cache.Holder(ctx, "alice", ""); err != nil {
		t.Errorf("Resolve() from memory = %v, want alice", err)
	}
	cache.Forget(int64(len("alice")))
	if sub, err := cache.Holder(ctx, "alice", ""); err == nil {
		t.Errorf("Resolve() after Forget = %v, want an error", sub)
	}
	source.passwords["alice"] = "x"
	if _, err := cache.Holder(ctx, "alice", ""); err != nil {
		t.Fatal(err)
	}
	delete(source.passwords, "alice")
	cache.ForgetIf(func(sub auth.Subject) bool { return sub.Name == "bob" })
	if _, err := cache.Holder(ctx, "alice", ""); err != nil {
		t.Errorf("Resolve() after ForgetIf of another = %v, want alice", err)
	}
	cache.ForgetIf(func(sub auth.Subject) bool { return sub.Name == "alice" })
	if sub, err := cache.Holder(ctx, "alice", ""); err == nil {
		t.Errorf("Resolve() after ForgetIf = %v, want an error", sub)
	}
}

func TestRefreshTokenEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		end func(w *world, token string)
	}{
		"idle":     {func(w *world, _ string) { w.clock.Advance(25 * time.Hour) }},
		"deleted":  {func(w *world, _ string) { delete(w.users.passwords, "alice") }},
		"tampered": {func(w *world, token string) { clear(w.memory.refresh) }},
		"absolute": {func(w *world, token string) {
			for range 4 {
				w.clock.Advance(20 * time.Hour)
				w.do(t, "POST", "/token", form("grant_type", "refresh_token", "service", "svc", "refresh_token", token))
			}
		}},
		"another user of that name": {func(w *world, _ string) {
			for id, r := range w.memory.refresh {
				r.UserID = 99
				w.memory.refresh[id] = r
			}
		}},
		"revoked": {func(w *world, token string) {
			if a := w.do(t, "POST", auth.PathRevoke, form("token", token)); a.status != 200 {
				t.Errorf("revoking: %d %s", a.status, a.body)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			token := w.refreshToken(t)
			tt.end(w, token)
			a := w.do(t, "POST", "/token", form("grant_type", "refresh_token", "service", "svc", "refresh_token", token))
			if a.status != 401 {
				t.Errorf("status %d, want 401: %s", a.status, a.body)
			}
			checkErrorBody(t, name, a, "UNAUTHORIZED", "invalid_grant")
		})
	}
}

func TestRefreshTokenUseIsNoted(t *testing.T) {
	w := newWorld(t)
	token := w.refreshToken(t)
	for range 5 { // each within the idle time, all together beyond it
		w.clock.Advance(12 * time.Hour)
		w.do(t, "POST", "/token", form("grant_type", "refresh_token", "service", "svc", "refresh_token", token)).token(t)
	}
}

func TestRevokedAccessToken(t *testing.T) {
	w := newWorld(t)
	token := w.login(t, "svc")
	if _, err := w.tokens.Verify(context.Background(), token, "svc"); err != nil {
		t.Fatalf("Verify before: %v", err)
	}
	if a := w.do(t, "POST", auth.PathRevoke, form("token", token)); a.status != 200 {
		t.Fatalf("revoking: %d %s", a.status, a.body)
	}
	if _, err := w.tokens.Verify(context.Background(), token, "svc"); err == nil {
		t.Error("Verify after revocation works, want ErrInvalidToken")
	}
	replica := auth.NewTokens(w.ring, "test-issuer", w.clock.Now)
	if err := replica.SyncRevocations(context.Background(), w.memory); err != nil {
		t.Fatal(err)
	}
	if _, err := replica.Verify(context.Background(), token, "svc"); err == nil {
		t.Error("Verify at another replica works after it took over the revocations")
	}
	if a := w.do(t, "POST", auth.PathRevoke, form("token", "unknown")); a.status != 200 {
		t.Errorf("revoking an unknown token: %d, want 200 (RFC 7009 section 2.2)", a.status)
	}
}

func TestIntrospection(t *testing.T) {
	w := newWorld(t)
	token, refresh := w.login(t, "svc"), w.refreshToken(t)
	for _, tt := range []struct {
		name, token, asker string
		active             bool
	}{
		{"own access token", token, basic("alice:wonderland"), true},
		{"own refresh token", refresh, basic("alice:wonderland"), true},
		{"administrator", token, basic("admin:rootroot"), true},
		{"somebody else", w.do(t, "GET", "/token?service=svc", "", "Authorization", basic("admin:rootroot")).token(t).Token, basic("alice:wonderland"), false},
		{"garbage", "garbage", basic("admin:rootroot"), false},
	} {
		a := w.do(t, "POST", auth.PathIntrospect, form("token", tt.token), "Authorization", tt.asker)
		if a.status != 200 || strings.Contains(a.body, `"active":true`) != tt.active {
			t.Errorf("%s: %d %s, want active %v", tt.name, a.status, a.body, tt.active)
		}
		if !tt.active && strings.TrimSpace(a.body) != `{"active":false}` {
			t.Errorf("%s: %s tells more than that it is dead", tt.name, a.body)
		}
	}
	if a := w.do(t, "POST", auth.PathIntrospect, form("token", token)); a.status != 401 {
		t.Errorf("introspection by nobody: %d, want 401", a.status)
	}
	api := w.do(t, "GET", "/token?service="+auth.APIService, "", "Authorization", basic("alice:wonderland")).token(t).Token
	if a := w.do(t, "POST", auth.PathIntrospect, form("token", token), "Authorization", "Bearer "+api); !strings.Contains(a.body, `"active":true`) {
		t.Errorf("introspection with an API token: %s, want active", a.body)
	}
}

// What opens nothing any more is not active: its holder, or the credential that it came from, is gone.
func TestIntrospectionOfTheGone(t *testing.T) {
	w := newWorld(t)
	token, refresh := w.login(t, "svc"), w.refreshToken(t)
	active := func(what, token string, want bool) {
		t.Helper()
		a := w.do(t, "POST", auth.PathIntrospect, form("token", token), "Authorization", basic("admin:rootroot"))
		if a.status != 200 || strings.Contains(a.body, `"active":true`) != want {
			t.Errorf("introspection of %s: %d %s, want active %v", what, a.status, a.body, want)
		}
	}
	active("an access token", token, true)
	active("a refresh token", refresh, true)
	delete(w.users.passwords, "alice")
	active("the access token of who is gone", token, false)
	active("the refresh token of who is gone", refresh, false)
}

func TestVerifyRefuses(t *testing.T) {
	w := newWorld(t)
	good := w.login(t, "svc")
	parts := strings.Split(good, ".")
	other := newWorld(t)
	none, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"iss": "test-issuer", "aud": "svc", "sub": "admin", "exp": w.clock.Now().Add(time.Hour).Unix()}).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	current, _ := find(t, w.ring)
	forged := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": "test-issuer", "aud": "svc", "exp": w.clock.Now().Add(time.Hour).Unix()})
	forged.Header["kid"] = current.ID
	hmacToken, err := forged.SignedString([]byte("public"))
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"empty": "", "garbage": "a.b.c", "other key": other.login(t, "svc"), "alg none": none, "HMAC": hmacToken,
		"cut": parts[0] + "." + parts[1] + ".", "swapped": parts[0] + "." + strings.Split(w.login(t, "svc"), ".")[1] + "." + parts[2],
		"long": strings.Repeat("a", 10_000), "other service": w.login(t, "other"),
	} {
		if c, err := w.tokens.Verify(context.Background(), token, "svc"); err == nil {
			t.Errorf("Verify(%s) = %v, want an error", name, c)
		}
	}
	w.clock.Advance(5*time.Minute + 11*time.Second)
	if _, err := w.tokens.Verify(context.Background(), good, "svc"); err == nil {
		t.Error("Verify(expired) works, want an error")
	}
}

// A signature is verified once: to read a token again would take memory for all that is in it.
func TestVerifyRemembers(t *testing.T) {
	w := newWorld(t)
	token := w.login(t, "svc")
	verify := func() {
		if _, err := w.tokens.Verify(context.Background(), token, "svc"); err != nil {
			t.Fatal(err)
		}
	}
	verify()
	if n := testing.AllocsPerRun(100, verify); n > 5 {
		t.Errorf("Verify of a token seen before allocates %v times, want 5 at most", n)
	}
}

func TestTokenTooLong(t *testing.T) {
	w := newWorld(t)
	v := url.Values{"service": {"svc"}}
	for i := range 120 {
		name := fmt.Sprintf("team/a-repository-with-a-rather-long-name-%03d", i)
		w.rules.table["alice"][name] = []auth.Action{auth.ActionPull}
		v.Add("scope", "repository:"+name+":pull")
	}
	a := w.do(t, "GET", "/token?"+v.Encode(), "", "Authorization", basic("alice:wonderland"))
	if a.status != 400 || !strings.Contains(a.body, "fewer repositories") {
		t.Errorf("120 repositories: %d %s, want 400 that says to ask for fewer", a.status, a.body)
	}
}

func TestEveryDecisionIsRecorded(t *testing.T) {
	w := newWorld(t)
	a := w.do(t, "GET", "/token?service=svc&scope=repository:team/lib:pull,push", "", "Authorization", basic("alice:wonderland")).token(t)
	got := w.memory.last(t)
	want := audit.Record{
		Time: w.clock.Now(), Actor: "alice", Method: "basic", Remote: "192.0.2.1", Operation: "token",
		Resource: "repository:team/lib:pull,push", Outcome: audit.Narrowed, Reason: "table", JTI: fmt.Sprint(claims(t, a.Token)["jti"]),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	w.do(t, "GET", "/token?service=svc", "", "Authorization", basic("alice:wrong-canary"))
	if got := w.memory.last(t); got.Outcome != audit.Refused || got.Actor != "alice" || strings.Contains(fmt.Sprint(got), "canary") {
		t.Errorf("record of a wrong password = %+v, want a refusal of alice without the secret", got)
	}
	w.memory.full = true
	if a := w.do(t, "GET", "/token?service=svc", "", "Authorization", basic("alice:wonderland")); a.status != 503 || strings.Contains(a.body, "eyJ") {
		t.Errorf("no room for the record: %d %s, want 503 without a token", a.status, a.body)
	}
}

func TestThingsThatAreDown(t *testing.T) {
	w := newWorld(t)
	w.rules.down = true
	if a := w.do(t, "GET", "/token?service=svc&scope=repository:team/app:pull", "", "Authorization", basic("alice:wonderland")); a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("policy down: %d, want 503 with Retry-After", a.status)
	}
	w.users.down = true
	a := w.do(t, "GET", "/token?service=svc", "", "Authorization", basic("alice:wonderland"))
	if a.status != 503 || strings.Contains(a.body, "refused") {
		t.Errorf("user source down: %d %s, want 503 without the cause", a.status, a.body)
	}
}

func TestMetadata(t *testing.T) {
	w := newWorld(t)
	var m map[string]any
	if err := json.Unmarshal([]byte(w.do(t, "GET", auth.PathMetadata, "").body), &m); err != nil {
		t.Fatal(err)
	}
	if m["token_endpoint"] != "http://localhost:8080/service/token" || m["issuer"] != "http://localhost:8080" {
		t.Errorf("metadata = %v", m)
	}
	if a := w.do(t, "GET", auth.PathJWKS, ""); a.status != 200 || !strings.Contains(a.body, `"crv": "P-256"`) {
		t.Errorf("JWKS: %d %s", a.status, a.body)
	}
}

// A name that is given to somebody else does not bring the tokens of its former owner along.
func TestBearerOfAFormerOwner(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	claims, err := w.tokens.Verify(ctx, w.login(t, auth.APIService), auth.APIService)
	if err != nil {
		t.Fatal(err)
	}
	if sub, err := auth.Bearer(ctx, w.users, claims); err != nil || sub.Name != "alice" {
		t.Errorf("Bearer() = %v, %v, want alice", sub, err)
	}
	w.users.since = w.clock.Now().Add(500 * time.Millisecond)
	if _, err := auth.Bearer(ctx, w.users, claims); err != nil {
		t.Errorf("Bearer() of a token from the second of the user's creation = %v, want none: times are whole seconds", err)
	}
	w.users.since = w.clock.Now().Add(time.Second)
	if sub, err := auth.Bearer(ctx, w.users, claims); err == nil {
		t.Errorf("Bearer() = %v for a user made after the token, want an error", sub)
	}
	own := w.do(t, "POST", auth.PathIntrospect, form("token", "x"), "Authorization", "Bearer "+w.login(t, auth.APIService))
	if own.status != 401 {
		t.Errorf("introspection with such a token: %d, want 401", own.status)
	}
}

func TestCredentialCache(t *testing.T) {
	ctx := context.Background()
	source := &users{passwords: map[string]string{"alice": "old"}}
	cache := auth.NewCredentialCache(source, time.Minute)
	for range 3 {
		if _, err := cache.Authenticate(ctx, credential("alice", "old")); err != nil {
			t.Fatal(err)
		}
	}
	if source.asked != 1 {
		t.Errorf("the source was asked %d times for the same secret, want once", source.asked)
	}
	if _, err := cache.Authenticate(ctx, credential("alice", "wrong")); err == nil {
		t.Error("a wrong secret is accepted because a right one was")
	}
	source.passwords["alice"] = "new"
	cache.Forget(int64(len("alice")))
	if _, err := cache.Authenticate(ctx, credential("alice", "old")); err == nil {
		t.Error("the old password is accepted after Forget")
	}
	if _, err := cache.Authenticate(ctx, credential("alice", "new")); err != nil {
		t.Fatal(err)
	}
	asked := source.asked
	cache.Forget(99)
	if _, err := cache.Authenticate(ctx, credential("alice", "new")); err != nil || source.asked != asked {
		t.Errorf("Forget of somebody else: %v, asked %d times more, want none", err, source.asked-asked)
	}
}

// slow is a source that takes its time, and counts.
type slow struct {
	asked   atomic.Int32
	release chan struct{}
}

func (s *slow) Authenticate(ctx context.Context, c auth.Credential) (auth.Subject, error) {
	s.asked.Add(1)
	<-s.release
	if err := ctx.Err(); err != nil {
		return auth.Subject{}, err
	}
	if c.Secret.Reveal() != "right" {
		return auth.Subject{}, auth.ErrBadCredential
	}
	return auth.Subject{Name: c.Name, ID: 1}, nil
}

// Many clients that present the same secret at once cost one password hash; another secret costs its own.
func TestCredentialCacheSharesAQuestion(t *testing.T) {
	source := &slow{release: make(chan struct{})}
	cache := auth.NewCredentialCache(source, time.Minute)
	hungUp, hangUp := context.WithCancel(context.Background())
	first := make(chan error)
	go func() {
		_, err := cache.Authenticate(hungUp, credential("alice", "right"))
		first <- err
	}()
	for source.asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	var wg sync.WaitGroup
	var wrong, bad atomic.Int32
	for i := range 32 {
		wg.Go(func() {
			secret := "right"
			if i%4 == 0 {
				secret = "wrong"
			}
			sub, err := cache.Authenticate(context.Background(), credential("alice", secret))
			if secret == "wrong" && err != nil {
				wrong.Add(1)
			} else if secret == "right" && (err != nil || sub.Name != "alice") {
				bad.Add(1)
			}
		})
	}
	hangUp()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the client that hung up gets %v, want its own cancellation", err)
	}
	time.Sleep(20 * time.Millisecond) // for the others to have asked
	close(source.release)
	wg.Wait()
	if got := source.asked.Load(); got != 2 || wrong.Load() != 8 || bad.Load() != 0 {
		t.Errorf("the source was asked %d times, %d wrong secrets refused, %d right ones too, want 2, 8 and 0", got, wrong.Load(), bad.Load())
	}
}

func TestChainStopsAtASourceThatIsDown(t *testing.T) {
	strong, weak := &users{passwords: map[string]string{}}, &users{passwords: map[string]string{"alice": "weak"}}
	chain := auth.Chain{{Name: "strong", Authenticator: strong}, {Name: "weak", Authenticator: weak}}
	sub, err := chain.Authenticate(context.Background(), credential("alice", "weak"))
	if err != nil || sub.Source != "weak" {
		t.Errorf("Authenticate() = %v, %v, want alice from weak", sub, err)
	}
	strong.passwords["alice"] = "strong"
	if _, err := chain.Authenticate(context.Background(), credential("alice", "weak")); err == nil {
		t.Error("the weak source answers for a name that the strong one knows")
	}
	strong.down, weak.asked = true, 0
	if _, err := chain.Authenticate(context.Background(), credential("alice", "weak")); err == nil || weak.asked != 0 {
		t.Errorf("with the strong source down: %v, weak asked %d times, want an error and 0", err, weak.asked)
	}
}
