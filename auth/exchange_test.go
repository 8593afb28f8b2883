package auth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/testkit"
	"github.com/sealock/sealock/store/workload"
)

const (
	exchange   = "urn:ietf:params:oauth:grant-type:token-exchange"
	typeJWT    = "urn:ietf:params:oauth:token-type:jwt"
	typeID     = "urn:ietf:params:oauth:token-type:id_token"
	typeAccess = "urn:ietf:params:oauth:token-type:access_token"
)

// both finds workloads and users.
type both struct {
	users     *users
	workloads *workload.Source
}

func (b both) Holder(ctx context.Context, name, via string) (auth.Subject, error) {
	if workload.Named(name) {
		return b.workloads.Holder(ctx, name, via)
	}
	return b.users.Holder(ctx, name, via)
}

// newWorkloads is a world that trusts the main branch of an issuer's octo/app, and lets it push team/app.
func newWorkloads(t *testing.T) (*world, *testkit.Issuer) {
	t.Helper()
	w, issuer := newWorld(t), testkit.NewIssuer(t)
	source, err := workload.New([]workload.Rule{{
		Name: "main", Issuer: issuer.URL, Audience: "sealock", MaxLife: 2 * time.Minute, Conditions: map[string]workload.Values{"ref": {"refs/heads/main"}},
	}}, slog.New(slog.DiscardHandler), w.clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = source.Close() })
	w.rules.table["ci~main"] = map[string][]auth.Action{"team/app": {auth.ActionPull, auth.ActionPush}}
	w.users.passwords["jwt"] = "wonderland" // somebody who must never be asked about a JWT
	w.change = func(d *auth.IssuerDeps) {
		d.Authenticator = auth.Login{Recognizers: []auth.Recognizer{source}, Passwords: d.Authenticator}
		d.Holders, d.Assertions = both{w.users, source}, source
	}
	w.serve(t)
	return w, issuer
}

// job returns the JWT of a job on a branch, of which three minutes are left.
func (w *world) job(issuer *testkit.Issuer, branch string) string {
	now := w.clock.Now()
	return issuer.Sign(map[string]any{
		"iss": issuer.URL, "sub": "repo:octo/app:ref:refs/heads/" + branch, "aud": "sealock", "ref": "refs/heads/" + branch,
		"iat": now.Unix(), "exp": now.Add(3 * time.Minute).Unix(),
	})
}

func TestExchangeOfAJWT(t *testing.T) {
	w, issuer := newWorkloads(t)
	for _, kind := range []string{typeJWT, typeID, typeAccess} {
		for _, target := range []string{"service", "audience", "resource"} {
			a := w.do(t, "POST", auth.PathToken, form("grant_type", exchange, "subject_token", w.job(issuer, "main"), "subject_token_type", kind,
				"requested_token_type", typeAccess, target, "svc", "scope", "repository:team/app:pull,push repository:team/lib:pull"))
			token := a.token(t)
			var said map[string]any
			if err := json.Unmarshal([]byte(a.body), &said); err != nil {
				t.Fatal(err)
			}
			if said["issued_token_type"] != typeAccess || said["token_type"] != "Bearer" || said["expires_in"] != 120.0 || said["scope"] != "repository:team/app:pull,push" || said["refresh_token"] != nil {
				t.Errorf("exchange of %s for %s = %s, want an access token for two minutes with what is granted", kind, target, a.body)
			}
			got := claims(t, token.Token)
			if got["sub"] != "ci~main" || got["aud"] != "svc" || access(t, token.Token) != "repository:team/app:pull,push" {
				t.Errorf("claims = %v, want ci~main's for svc", got)
			}
			rec := w.memory.last(t)
			if rec.Actor != "ci~main" || rec.Method != "jwt" || rec.Outcome != audit.Narrowed || !strings.Contains(rec.Reason, `; for "repo:octo/app:ref:refs/heads/main" (issuer "`+issuer.URL+`")`) {
				t.Errorf("record = %+v, want the job's name and its issuer", rec)
			}
		}
	}
	w.clock.Advance(61 * time.Second) // the JWT's end comes before the rule's now
	jwt := w.job(issuer, "main")
	w.clock.Advance(2 * time.Minute)
	if got := w.do(t, "POST", auth.PathToken, form("grant_type", exchange, "subject_token", jwt, "subject_token_type", typeJWT, "service", "svc")).token(t); got.ExpiresIn != 60 {
		t.Errorf("expires_in = %d, want 60: the token ends with the JWT", got.ExpiresIn)
	}
}

func TestExchangeRefuses(t *testing.T) {
	w, issuer := newWorkloads(t)
	jwt := w.job(issuer, "main")
	forged := jwt[:len(jwt)-20] + strings.Repeat("A", 20)
	for name, tt := range map[string]struct {
		form       string
		code, want string
		records    int // of the refusal: what can't be read is not recorded
	}{
		"another branch":     {form("subject_token", w.job(issuer, "evil"), "subject_token_type", typeJWT, "service", "svc"), "invalid_request", `no trust rule fits the JWT of "repo:octo/app:ref:refs/heads/evil"`, 1},
		"forged":             {form("subject_token", forged, "subject_token_type", typeJWT, "service", "svc"), "invalid_request", "not signed by a key", 1},
		"a password":         {form("subject_token", "wonderland", "subject_token_type", typeJWT, "service", "svc"), "invalid_request", "is no JWT", 1},
		"unknown service":    {form("subject_token", jwt, "subject_token_type", typeJWT, "audience", "https://elsewhere.example.com"), "invalid_target", "is not one of this server's", 1},
		"no service":         {form("subject_token", jwt, "subject_token_type", typeJWT), "invalid_request", "parameter service is missing", 1},
		"two services":       {form("subject_token", jwt, "subject_token_type", typeJWT, "audience", "svc", "service", "other"), "invalid_target", "different services", 1},
		"no token":           {form("subject_token_type", typeJWT, "service", "svc"), "invalid_request", "subject_token is missing", 1},
		"no type":            {form("subject_token", jwt, "service", "svc"), "invalid_request", "subject_token_type", 1},
		"SAML":               {form("subject_token", jwt, "service", "svc", "subject_token_type", "urn:ietf:params:oauth:token-type:saml2"), "invalid_request", "subject_token_type", 1},
		"wants a SAML":       {form("subject_token", jwt, "service", "svc", "subject_token_type", typeJWT, "requested_token_type", "urn:ietf:params:oauth:token-type:saml2"), "invalid_request", "requested_token_type", 1},
		"actor":              {form("subject_token", jwt, "service", "svc", "subject_token_type", typeJWT, "actor_token", jwt, "actor_token_type", typeJWT), "invalid_request", "actor_token is not supported", 1},
		"scope that is none": {form("subject_token", jwt, "service", "svc", "subject_token_type", typeJWT, "scope", "nonsense"), "invalid_scope", "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(w.memory.records)
			a := w.do(t, "POST", auth.PathToken, form("grant_type", exchange)+"&"+tt.form)
			var said struct {
				Error       string `json:"error"`
				Description string `json:"error_description"`
			}
			if err := json.Unmarshal([]byte(a.body), &said); err != nil || a.status != http.StatusBadRequest || said.Error != tt.code || !strings.Contains(said.Description, tt.want) {
				t.Errorf("answer %d %s, want 400 %s that says %q", a.status, a.body, tt.code, tt.want)
			}
			if got := len(w.memory.records) - before; got != tt.records {
				t.Errorf("%d records, want %d", got, tt.records)
			}
			if tt.records > 0 && (w.memory.last(t).Outcome != audit.Refused || !strings.Contains(w.memory.last(t).Reason, tt.want) || strings.Contains(fmt.Sprint(w.memory.last(t)), "eyJ")) {
				t.Errorf("record = %+v, want a refusal that says %q and not the JWT", w.memory.last(t), tt.want)
			}
		})
	}
	issuer.Down()
	w.clock.Advance(7 * time.Hour)
	a := w.do(t, "POST", auth.PathToken, form("grant_type", exchange, "subject_token", w.job(issuer, "main"), "subject_token_type", typeJWT, "service", "svc"))
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || strings.Contains(a.body, issuer.URL) || w.memory.last(t).Outcome != audit.Failed {
		t.Errorf("with the issuer down: %d %s, want 503 with Retry-After that does not name it, recorded as failed", a.status, a.body)
	}
	if w.users.asked != 0 {
		t.Errorf("the passwords were asked %d times, want never", w.users.asked)
	}
}

func TestJWTAsPassword(t *testing.T) {
	w, issuer := newWorkloads(t)
	a := w.do(t, "GET", "/service/token?service=svc&offline_token=true&scope=repository:team/app:push", "", "Authorization", basic("jwt:"+w.job(issuer, "main"))).token(t)
	if a.ExpiresIn != 120 || access(t, a.Token) != "repository:team/app:push" {
		t.Errorf("answer = %+v, want push for two minutes", a)
	}
	refresh := form("grant_type", "refresh_token", "service", "svc", "scope", "repository:team/app:pull", "refresh_token", a.RefreshToken)
	w.clock.Advance(time.Minute)
	if got := w.do(t, "POST", auth.PathToken, refresh).token(t); got.ExpiresIn != 60 || claims(t, got.Token)["sub"] != "ci~main" {
		t.Errorf("refreshed = %+v, want the minute that is left", got)
	}
	w.clock.Advance(time.Minute)
	if got := w.do(t, "POST", auth.PathToken, refresh); got.status != http.StatusUnauthorized {
		t.Errorf("after the end: %d %s, want 401", got.status, got.body)
	}
	bad := w.do(t, "GET", "/service/token?service=svc", "", "Authorization", basic("jwt:"+w.job(issuer, "evil")))
	if bad.status != http.StatusUnauthorized || !strings.Contains(bad.body, "no trust rule fits the JWT of") || w.memory.last(t).Outcome != audit.Refused {
		t.Errorf("another branch: %d %s, want 401 that says why, recorded", bad.status, bad.body)
	}
	if w.users.asked != 0 {
		t.Errorf("the passwords were asked %d times, want never", w.users.asked)
	}
}

// The flow of Azure's registries: a JWT for a refresh token, and that for access tokens, or as the password of a
// certain name.
func TestRefreshExchange(t *testing.T) {
	w, issuer := newWorkloads(t)
	a := w.do(t, "POST", auth.PathRefreshExchange, form("grant_type", "access_token", "service", "svc", "tenant", "any", "access_token", w.job(issuer, "main")))
	var said map[string]string
	if err := json.Unmarshal([]byte(a.body), &said); err != nil || a.status != http.StatusOK || len(said) != 1 || said["refresh_token"] == "" {
		t.Fatalf("exchange = %d %s, want a refresh token alone", a.status, a.body)
	}
	refresh := said["refresh_token"]
	scope := "repository:team/app:pull"
	got := w.do(t, "POST", auth.PathTokenOAuth2, form("grant_type", "refresh_token", "service", "svc", "scope", scope, "refresh_token", refresh)).token(t)
	if access(t, got.AccessToken) != scope || got.ExpiresIn != 120 {
		t.Errorf("token = %+v, want %s for two minutes", got, scope)
	}
	user := auth.RefreshTokenUser
	basicGet := w.do(t, "GET", "/service/token?service=svc&offline_token=true&scope="+scope, "", "Authorization", basic(user+":"+refresh)).token(t)
	if access(t, basicGet.Token) != scope || basicGet.RefreshToken != refresh {
		t.Errorf("token = %+v, want %s and the same refresh token", basicGet, scope)
	}
	post := w.do(t, "POST", "/token", form("grant_type", "password", "service", "svc", "username", user, "password", refresh, "scope", scope)).token(t)
	if access(t, post.Token) != scope {
		t.Errorf("token = %+v, want %s", post, scope)
	}
	for name, bad := range map[string]answer{
		"another service":     w.do(t, "POST", auth.PathTokenOAuth2, form("grant_type", "refresh_token", "service", "other", "refresh_token", refresh)),
		"no refresh token":    w.do(t, "GET", "/service/token?service=svc", "", "Authorization", basic(user+":wonderland")),
		"unknown service":     w.do(t, "POST", auth.PathRefreshExchange, form("grant_type", "access_token", "service", "x", "access_token", w.job(issuer, "main"))),
		"another grant":       w.do(t, "POST", auth.PathRefreshExchange, form("grant_type", "password", "service", "svc", "access_token", w.job(issuer, "main"))),
		"no token":            w.do(t, "POST", auth.PathRefreshExchange, form("grant_type", "access_token", "service", "svc")),
		"another branch":      w.do(t, "POST", auth.PathRefreshExchange, form("grant_type", "access_token", "service", "svc", "access_token", w.job(issuer, "evil"))),
		"own access token":    w.do(t, "POST", auth.PathRefreshExchange, form("grant_type", "access_token", "service", "svc", "access_token", w.login(t, "svc"))),
		"GET":                 w.do(t, "GET", auth.PathRefreshExchange, ""),
		"secrets in the URL":  w.do(t, "POST", auth.PathRefreshExchange+"?grant_type=access_token&service=svc&access_token="+w.job(issuer, "main"), ""),
		"body that is no end": w.do(t, "POST", auth.PathRefreshExchange, form("grant_type", "access_token", "service", "svc", "access_token", strings.Repeat("x", 200<<10))),
	} {
		if bad.status < 400 || bad.status >= 500 || strings.Contains(bad.body, "sealock_rt_") {
			t.Errorf("%s: %d %s, want a refusal", name, bad.status, bad.body)
		}
	}
	w.clock.Advance(2 * time.Minute)
	if late := w.do(t, "POST", auth.PathTokenOAuth2, form("grant_type", "refresh_token", "service", "svc", "refresh_token", refresh)); late.status != http.StatusUnauthorized {
		t.Errorf("after the end: %d %s, want 401", late.status, late.body)
	}
}

func (w *world) exchangeOwn(t *testing.T, token, service, scope string, more ...string) answer {
	t.Helper()
	return w.do(t, "POST", auth.PathToken, form(append([]string{
		"grant_type", exchange, "subject_token", token, "subject_token_type", typeAccess, "service", service, "scope", scope,
	}, more...)...))
}

// TestExchangeNeverExceeds: whatever is asked for, and whatever the policy allows by then, the new token says no more
// than the old one, is for the same service, and ends no later.
func TestExchangeNeverExceeds(t *testing.T) {
	w := newWorld(t)
	random := rand.New(rand.NewPCG(1, 2))
	names := []string{"team/app", "team/lib", "team/app/sub"}
	actions := []auth.Action{auth.ActionPull, auth.ActionPush, auth.ActionDelete}
	some := func() (s auth.Scope) {
		for _, name := range names {
			var few []auth.Action
			for _, a := range actions {
				if random.IntN(2) == 0 {
					few = append(few, a)
				}
			}
			if random.IntN(8) == 0 {
				few = []auth.Action{auth.ActionAll}
			}
			if len(few) > 0 {
				s = append(s, auth.ResourceActions{Type: auth.TypeRepository, Name: name, Actions: few})
			}
		}
		return s
	}
	policy := func() {
		table := map[string][]auth.Action{}
		for _, r := range some() {
			if table[r.Name] = r.Actions; r.Actions[0] == auth.ActionAll {
				table[r.Name] = actions
			}
		}
		w.rules.table["alice"] = table
	}
	exchanged, granted := 0, 0
	for range 300 {
		policy()
		old := w.do(t, "POST", "/token", form("grant_type", "password", "service", "svc", "username", "alice", "password", "wonderland", "scope", some().String())).token(t).Token
		was, err := w.tokens.Verify(t.Context(), old, "svc")
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // and once more, of what came of it
			policy()
			w.clock.Advance(time.Duration(random.IntN(150)) * time.Second)
			if random.IntN(4) == 0 {
				w.clock.Advance(time.Duration(random.IntN(150)) * time.Second)
			}
			wanted := some()
			a := w.exchangeOwn(t, old, "svc", wanted.String())
			if !w.clock.Now().Before(was.ExpiresAt) {
				if a.status == http.StatusOK {
					t.Fatalf("a token that is over is exchanged: %s", a.body)
				}
				break
			}
			token := a.token(t).Token
			is, err := w.tokens.Verify(t.Context(), token, "svc")
			if err != nil {
				t.Fatal(err)
			}
			exchanged++
			granted += len(is.Access)
			if !was.Access.Covers(is.Access) || !wanted.Covers(is.Access) || is.ExpiresAt.After(was.ExpiresAt) || is.Audience != was.Audience || is.Subject != was.Subject || is.Via != was.Via {
				t.Fatalf("%+v was exchanged for %+v, want no more", was, is)
			}
			for _, r := range is.Access {
				for _, action := range r.Actions {
					if !(auth.Scope{{Type: r.Type, Name: r.Name, Actions: w.rules.table["alice"][r.Name]}}).Allows(r.Type, r.Name, action) {
						t.Fatalf("%s is in the new token, and the policy does not allow it any more", is.Access)
					}
				}
			}
			old, was = token, is
		}
	}
	if exchanged < 200 || granted < 50 {
		t.Fatalf("%d tokens with %d grants were exchanged: too few to show anything", exchanged, granted)
	}
}

func TestExchangeOfOwnTokensRefuses(t *testing.T) {
	w := newWorld(t)
	scope := "repository:team/app:pull,push"
	registry := w.do(t, "GET", "/service/token?service=svc&scope="+scope, "", "Authorization", basic("alice:wonderland")).token(t).Token
	nobody := w.do(t, "GET", "/service/token?service=svc&scope=repository:public/app:pull", "").token(t).Token
	forged := registry[:len(registry)-20] + strings.Repeat("A", 20)
	revoked := w.login(t, "svc")
	w.do(t, "POST", auth.PathRevoke, form("token", revoked))
	if a := w.exchangeOwn(t, w.login(t, auth.APIService), auth.APIService, ""); a.status != http.StatusOK {
		t.Errorf("a token for the API = %d %s, want one for the API", a.status, a.body)
	}
	for name, a := range map[string]answer{
		"another registry":   w.exchangeOwn(t, registry, "other", scope),
		"the API":            w.exchangeOwn(t, registry, auth.APIService, ""),
		"the API's":          w.exchangeOwn(t, w.login(t, auth.APIService), "svc", scope),
		"refresh token":      w.exchangeOwn(t, registry, "svc", scope, "access_type", "offline"),
		"anonymous":          w.exchangeOwn(t, nobody, "svc", "repository:public/app:pull"),
		"forged":             w.exchangeOwn(t, forged, "svc", scope),
		"revoked":            w.exchangeOwn(t, revoked, "svc", scope),
		"of nobody's issuer": w.exchangeOwn(t, newWorld(t).login(t, "svc"), "svc", scope),
	} {
		rec := w.memory.last(t)
		if a.status != http.StatusBadRequest || strings.Contains(a.body, "eyJ") || rec.Outcome == audit.Allowed {
			t.Errorf("%s: %d %s, want 400", name, a.status, a.body)
		}
	}
	delete(w.users.passwords, "alice")
	if a := w.exchangeOwn(t, registry, "svc", scope); a.status != http.StatusBadRequest || w.memory.last(t).Actor != "alice" || w.memory.last(t).Outcome != audit.Refused {
		t.Errorf("of a user who is gone: %d %s, want 400, recorded", a.status, a.body)
	}
}

func TestMetadataListsTheExchange(t *testing.T) {
	w := newWorld(t)
	if a := w.do(t, "GET", auth.PathMetadata, ""); !strings.Contains(a.body, `"`+exchange+`"]`) {
		t.Errorf("metadata = %s, want the grant types with %s", a.body, exchange)
	}
}
