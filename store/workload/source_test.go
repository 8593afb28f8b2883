package workload_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/internal/testkit"
	"github.com/sealock/sealock/store/workload"
)

func TestTheThreeIssuers(t *testing.T) {
	w := newWorld(t)
	now := w.clock.Now()
	for name, tt := range map[string]struct {
		user, jwt string
		want      auth.Subject
	}{
		"github branch": {"jwt", w.github.Sign(w.githubClaims()), auth.Subject{
			Name: "ci~main", Roles: []auth.ProjectRole{{Project: "team", Role: "developer"}}, Until: now.Add(5 * time.Minute),
			Bounds: &auth.Permissions{{Project: "team", Repositories: []string{"octo-*"}, Resource: "*", Actions: []string{"*"}}},
			For:    fmt.Sprintf("%q (issuer %q)", "repo:octo-org/octo-repo:ref:refs/heads/main", w.github.URL),
		}},
		"github tag, by the rule's name": {"ci~release", w.github.Sign(with(w.githubClaims(), claims{"ref": "refs/tags/v1.2", "sub": "repo:octo-org/octo-repo:ref:refs/tags/v1.2"})), auth.Subject{
			Name: "ci~release", Roles: []auth.ProjectRole{{Project: "team", Role: "maintainer"}}, Until: now.Add(5 * time.Minute),
			For: fmt.Sprintf("%q (issuer %q)", "repo:octo-org/octo-repo:ref:refs/tags/v1.2", w.github.URL),
		}},
		"gitlab": {"oidc", w.gitlab.Sign(w.gitlabClaims()), auth.Subject{
			Name: "ci~gitlab", Roles: []auth.ProjectRole{{Project: "team", Role: "developer"}}, Until: now.Add(15 * time.Minute),
			For: fmt.Sprintf("%q (issuer %q)", "project_path:my-group/my-project:ref_type:branch:ref:feature-branch-1", w.gitlab.URL),
		}},
		"kubernetes": {"pods", w.kubernetes.Sign(w.kubernetesClaims()), auth.Subject{
			Name: "ci~pods", Roles: []auth.ProjectRole{{Project: "team", Role: "guest"}, {Project: "base", Role: "guest"}}, Until: now.Add(15 * time.Minute),
			For: fmt.Sprintf("%q (issuer %q)", "system:serviceaccount:build:pusher", w.kubernetes.URL),
		}},
	} {
		got, err := w.enter(t, tt.user, tt.jwt)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		tt.want.Kind, tt.want.How, tt.want.Via = auth.KindWorkload, "jwt", got.Via
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		held, err := w.source.Holder(t.Context(), got.Name, got.Via)
		got.Until, got.For = time.Time{}, ""
		if diff := cmp.Diff(got, held); err != nil || diff != "" {
			t.Errorf("Holder(%s) = %v (-authenticated +held):\n%s", got.Name, err, diff)
		}
	}
}

// TestRefusals has one row for each thing that can be wrong with a JWT. Each is refused with a message that says it, and
// names the workload where there is one, and nothing of the JWT itself.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	good := w.githubClaims()
	key, kid := w.github.Key()
	head := claims{"alg": "RS256", "typ": "JWT", "kid": kid}
	sign := func(header, other claims) string {
		return testkit.SignJWT(t, key, with(head, header), with(good, other))
	}
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	hs := func(secret []byte) string {
		text := testkit.UnsignedJWT(t, with(head, claims{"alg": "HS256"}), good)
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(text))
		return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	own := jose.JSONWebKey{Key: &stranger.PublicKey, KeyID: kid, Algorithm: "RS256"}
	brought, err := json.Marshal(own)
	if err != nil {
		t.Fatal(err)
	}
	now := w.clock.Now()
	parts := strings.Split(sign(nil, nil), ".")
	elsewhere := testkit.NewIssuer(t)
	for name, tt := range map[string]struct{ jwt, want string }{
		"expired":              {sign(nil, claims{"exp": now.Unix()}), "has expired at 2026-11-25T12:00:00Z"},
		"expired long ago":     {sign(nil, claims{"exp": now.Unix() - 86400}), "has expired"},
		"no exp":               {sign(nil, claims{"exp": nil}), "has no end (exp)"},
		"exp as text":          {sign(nil, claims{"exp": "4000000000"}), "has no end (exp)"},
		"exp beyond time":      {sign(nil, claims{"exp": 1e300}), "has no end (exp)"},
		"exp negative":         {sign(nil, claims{"exp": -1}), "has no end (exp)"},
		"not yet":              {sign(nil, claims{"nbf": now.Unix() + 61}), "which is not yet"},
		"from the future":      {sign(nil, claims{"iat": now.Unix() + 61}), "which is not yet"},
		"nbf as text":          {sign(nil, claims{"nbf": "now"}), "has no time in nbf"},
		"wrong audience":       {sign(nil, claims{"aud": "https://other.example.com"}), "is for another audience"},
		"longer audience":      {sign(nil, claims{"aud": audience + "/"}), "is for another audience"},
		"audience list":        {sign(nil, claims{"aud": []any{"a", "b"}}), "is for another audience"},
		"audience object":      {sign(nil, claims{"aud": claims{audience: true}}), "is for another audience"},
		"no audience":          {sign(nil, claims{"aud": nil}), "is for another audience"},
		"another repository":   {sign(nil, claims{"sub": "repo:evil/octo-repo:ref:refs/heads/main", "repository": "evil/octo-repo"}), `no trust rule fits the JWT of "repo:evil/octo-repo:ref:refs/heads/main"`},
		"longer sub":           {sign(nil, claims{"sub": "repo:octo-org/octo-repo:ref:refs/heads/main2"}), "no trust rule fits"},
		"case of sub":          {sign(nil, claims{"sub": "repo:Octo-Org/octo-repo:ref:refs/heads/main"}), "no trust rule fits"},
		"a taken name":         {sign(nil, claims{"ref": "refs/tags/v1", "sub": "x", "repository_owner_id": "66"}), "no trust rule fits"},
		"tag below":            {sign(nil, claims{"ref": "refs/tags/v1/x", "sub": "x"}), "no trust rule fits"},
		"alg none":             {testkit.UnsignedJWT(t, claims{"alg": "none"}, good) + ".", `by the algorithm "none"`},
		"alg None":             {testkit.UnsignedJWT(t, claims{"alg": "None"}, good) + ".", `by the algorithm "None"`},
		"no alg":               {testkit.UnsignedJWT(t, claims{"typ": "JWT"}, good) + ".", `by the algorithm ""`},
		"public key as secret": {hs(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), `by the algorithm "HS256"`},
		"public DER as secret": {hs(der), `by the algorithm "HS256"`},
		"wrong algorithm":      {sign(claims{"alg": "PS256"}, nil), "is not signed by a key of that issuer"},
		"wrong type of key":    {sign(claims{"alg": "ES256"}, nil), "is not signed by a key of that issuer"},
		"wrong key":            {testkit.SignJWT(t, stranger, head, good), "is not signed by a key of that issuer"},
		"kid of a file":        {sign(claims{"kid": "../../../../dev/null"}, nil), "is not signed by a key of that issuer"},
		"kid of a query":       {sign(claims{"kid": "x' UNION SELECT 'key"}, nil), "is not signed by a key of that issuer"},
		"jwk brought along":    {testkit.SignJWT(t, stranger, with(head, claims{"jwk": json.RawMessage(brought)}), good), "is not signed by a key of that issuer"},
		"jku brought along":    {testkit.SignJWT(t, stranger, with(head, claims{"jku": elsewhere.URL + "/jwks", "kid": "key-0"}), good), "is not signed by a key of that issuer"},
		"x5u brought along":    {testkit.SignJWT(t, stranger, with(head, claims{"x5u": elsewhere.URL}), good), "is not signed by a key of that issuer"},
		"x5c brought along":    {testkit.SignJWT(t, stranger, with(head, claims{"x5c": []any{base64.StdEncoding.EncodeToString(der)}}), good), ""},
		"crit":                 {sign(claims{"crit": []any{"b64"}, "b64": true}, nil), "(crit)"},
		"unknown crit":         {sign(claims{"crit": []any{"exp"}}, nil), "(crit)"},
		"another type":         {sign(claims{"typ": "logout+jwt"}, nil), `of the type "logout+jwt"`},
		"issuer of another":    {elsewhere.Sign(with(good, claims{"iss": w.github.URL})), "is not signed by a key of that issuer"},
		"two issuers":          {sign(nil, claims{"iss": elsewhere.URL, "iſs": w.github.URL}), "is of another issuer"},
		"signature cut":        {parts[0] + "." + parts[1] + ".", ""},
		"claims swapped":       {parts[0] + "." + strings.Split(sign(nil, claims{"sub": "x"}), ".")[1] + "." + parts[2], "is not signed by a key of that issuer"},
		"too long":             {sign(nil, claims{"pad": strings.Repeat("x", 16<<10)}), "longer than 16384 bytes"},
		"hostile sub":          {sign(nil, claims{"sub": "a\x00\n\"" + strings.Repeat("b", 10_000)}), "no trust rule fits"},
	} {
		t.Run(name, func(t *testing.T) {
			sub, err := w.enter(t, "jwt", tt.jwt)
			e := errs.As(err)
			if err == nil || e.Kind != errs.Unauthenticated || !strings.Contains(e.Message, tt.want) {
				t.Fatalf("Authenticate() = %v, %v, want a refusal that says %q", sub, err, tt.want)
			}
			if len(e.Message) > 1024 || strings.ContainsAny(e.Message, "\x00\n") || strings.Contains(err.Error(), parts[0]) {
				t.Errorf("the refusal is %q, want a short line without the JWT", err)
			}
			if errors.Is(err, auth.ErrUnknownSubject) {
				t.Error("the refusal lets others answer")
			}
		})
	}
	if elsewhere.Asked() != 0 {
		t.Errorf("what a JWT names was asked for %d times, want never", elsewhere.Asked())
	}
}

// The one who wrote the rules sees in the log what does not hold; whoever sent the JWT does not.
func TestTheLogSaysWhichConditionDoesNotHold(t *testing.T) {
	w := newWorld(t)
	jwt := w.github.Sign(with(w.githubClaims(), claims{"sub": "repo:evil/app:ref:refs/heads/main", "ref": "refs/tags/v1", "repository": "evil/app"}))
	_, err := w.enter(t, "jwt", jwt)
	for _, want := range []string{"rule release: the claim \\\"repository\\\"", "rule main: the claim \\\"sub\\\"", "repo:evil/app"} {
		if !strings.Contains(w.log.String(), want) {
			t.Errorf("the log is %s, want %s in it", w.log, want)
		}
	}
	if e := errs.As(err); strings.Contains(e.Public(), "release") || strings.Contains(w.log.String(), jwt) {
		t.Errorf("the client is told %q, and the log is %s, want no rule in one and no JWT in the other", e.Public(), w.log)
	}
}

func TestClocksMayDiffer(t *testing.T) {
	w := newWorld(t)
	late := w.clock.Now().Unix() + 59
	if sub, err := w.enter(t, "jwt", w.github.Sign(with(w.githubClaims(), claims{"iat": late, "nbf": late}))); err != nil {
		t.Errorf("a JWT of a clock that is 59 s fast = %v, %v, want to be accepted", sub, err)
	}
	last := w.clock.Now().Add(time.Second)
	sub, err := w.enter(t, "jwt", w.github.Sign(with(w.githubClaims(), claims{"exp": last.Unix()})))
	if err != nil || !sub.Until.Equal(last) {
		t.Errorf("a JWT in its last second = until %v, %v, want until %v", sub.Until, err, last)
	}
}

func TestNames(t *testing.T) {
	w := newWorld(t)
	jwt := w.github.Sign(w.githubClaims())
	for name, good := range map[string]bool{
		"": true, "jwt": true, "oidc": true, "main": true, "ci~main": true,
		"release": false, "ci~release": false, "gitlab": false, "alice": false, "ci~": false, "ci~jwt": false, "CI~main": false, "ci~main@database": false, "<token>": false,
	} {
		if sub, err := w.enter(t, name, jwt); (err == nil) != good || good && sub.Name != "ci~main" {
			t.Errorf("Authenticate(%q, a JWT of main) = %v, %v, want accepted: %v", name, sub.Name, err, good)
		}
	}
	for _, cred := range []auth.Credential{
		{Name: "ci~main", Secret: secret.New("password")}, {Name: "ci~nobody", Secret: secret.New("")}, {Name: "ci~", Secret: secret.New("sealock_pat_x")},
	} {
		if !w.source.Recognizes(cred) {
			t.Errorf("Recognizes(%q) = false, want true: nobody else may have the name", cred.Name)
		}
		if sub, err := w.source.Authenticate(t.Context(), cred); !errs.Is(err, errs.Unauthenticated) {
			t.Errorf("Authenticate(%q) = %v, %v, want a refusal", cred.Name, sub, err)
		}
	}
	stranger := testkit.NewIssuer(t)
	for name, text := range map[string]string{
		"password": "hunter2", "dots": "a.b.c", "JWT of another issuer": stranger.Sign(with(w.githubClaims(), claims{"iss": stranger.URL})),
		"longer issuer": stranger.Sign(with(w.githubClaims(), claims{"iss": w.github.URL + "/"})), "no issuer": stranger.Sign(claims{}), "numeric issuer": stranger.Sign(claims{"iss": 1}),
	} {
		if w.source.Recognizes(auth.Credential{Name: "alice", Secret: secret.New(text)}) {
			t.Errorf("Recognizes(alice, %s) = true, want false: it is a password for others", name)
		}
	}
}

// A token ends when its rule is gone, or would let others in.
func TestHoldersOfRulesThatChanged(t *testing.T) {
	w := newWorld(t)
	sub, err := w.enter(t, "jwt", w.github.Sign(w.githubClaims()))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, via string }{{"ci~main", ""}, {"ci~release", sub.Via}, {"ci~nobody", sub.Via}, {"ci~main", "rule:0000000000000000"}} {
		if held, err := w.source.Holder(t.Context(), tt.name, tt.via); !errors.Is(err, auth.ErrUnknownSubject) {
			t.Errorf("Holder(%q, %q) = %v, %v, want ErrUnknownSubject", tt.name, tt.via, held, err)
		}
	}
	rules := w.rules()
	rules[1].Roles[0].Role = "guest"
	w.trust(t, rules...)
	if held, err := w.source.Holder(t.Context(), sub.Name, sub.Via); err != nil || held.Roles[0].Role != "guest" {
		t.Errorf("Holder() after its role changed = %v, %v, want the new role", held.Roles, err)
	}
	rules[1].Conditions["ref"] = workload.Values{"refs/heads/main"}
	w.trust(t, rules...)
	if held, err := w.source.Holder(t.Context(), sub.Name, sub.Via); !errors.Is(err, auth.ErrUnknownSubject) {
		t.Errorf("Holder() after the conditions changed = %v, %v, want ErrUnknownSubject", held, err)
	}
}

func TestKeysRotate(t *testing.T) {
	w := newWorld(t)
	old := w.github.Sign(w.githubClaims())
	w.accept(t, "the first key", old)
	asked := w.github.Asked()
	w.accept(t, "the first key again", old)
	if got := w.github.Asked(); got != asked {
		t.Errorf("the issuer was asked %d times for a key that is known", got-asked)
	}
	w.github.Rotate()
	w.clock.Advance(11 * time.Second)
	w.accept(t, "the second key", w.github.Sign(w.githubClaims()))
	if sub, err := w.enter(t, "jwt", old); !errs.Is(err, errs.Unauthenticated) {
		t.Errorf("a JWT by a key that is gone = %v, %v, want a refusal", sub, err)
	}
}

func (w *world) accept(t *testing.T, what, jwt string) {
	t.Helper()
	if _, err := w.enter(t, "jwt", jwt); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

func (w *world) unavailable(t *testing.T, what, jwt string) {
	t.Helper()
	sub, err := w.enter(t, "jwt", jwt)
	e := errs.As(err)
	if e.Kind != errs.Unavailable || strings.Contains(e.Public(), w.github.URL) || !strings.Contains(err.Error(), w.github.URL) {
		t.Errorf("%s = %v, %v, want Unavailable, with the issuer in the cause alone", what, sub, err)
	}
}

// Strangers who send JWTs with key ids of their own don't make the issuer be asked more often.
func TestAFloodOfUnknownKeys(t *testing.T) {
	w := newWorld(t)
	w.accept(t, "a good one", w.github.Sign(w.githubClaims()))
	key, _ := w.github.Key()
	asked := w.github.Asked()
	w.clock.Advance(11 * time.Second)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			jwt := testkit.SignJWT(t, key, claims{"alg": "RS256", "kid": fmt.Sprint("unknown-", i)}, w.githubClaims())
			if sub, err := w.enter(t, "jwt", jwt); !errs.Is(err, errs.Unauthenticated) {
				t.Errorf("unknown key %d = %v, %v, want a refusal", i, sub, err)
			}
		})
	}
	wg.Wait()
	if got := w.github.Asked() - asked; got != 2 { // the discovery document and the key set
		t.Errorf("the issuer was asked %d times, want 2", got)
	}
}

func TestIssuerIsDown(t *testing.T) {
	w := newWorld(t)
	jwt := func() string { return w.github.Sign(with(w.githubClaims(), w.times(100*time.Hour))) }
	w.github.Down()
	w.unavailable(t, "no key known", jwt())
	w.unavailable(t, "no key known, asked a moment ago", jwt())
	w.github.Instead(nil)
	w.clock.Advance(11 * time.Second)
	w.accept(t, "up again", jwt())
	w.github.Down()
	w.clock.Advance(5 * time.Hour)
	w.accept(t, "a known key while the issuer is down", jwt())
	asked := w.github.Asked()
	w.accept(t, "and again", jwt())
	if got := w.github.Asked() - asked; got != 0 {
		t.Errorf("the issuer that is down was asked %d times more at once, want 0", got)
	}
	key, _ := w.github.Key()
	w.unavailable(t, "an unknown key while the issuer is down", testkit.SignJWT(t, key, claims{"alg": "RS256", "kid": "new"}, with(w.githubClaims(), w.times(time.Hour))))
	w.clock.Advance(time.Hour + time.Second)
	w.unavailable(t, "a known key, too long after", jwt())
	if !strings.Contains(w.log.String(), w.github.URL) || strings.Contains(w.log.String(), "eyJ") {
		t.Errorf("the log says %q, want the issuer and no JWT", w.log)
	}
}

func TestIssuersThatMisbehave(t *testing.T) {
	other := testkit.NewIssuer(t)
	for name, handler := range map[string]http.HandlerFunc{
		"huge": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"keys":["` + strings.Repeat("x", 600<<10) + `"]}`))
		},
		"redirect elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusFound)
		},
		"redirect in circles": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) },
		"another issuer": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, other.URL, other.URL+"/jwks")
		},
		"keys without TLS": func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, `{"issuer":"http://%s","jwks_uri":"http://keys.example.com/jwks"}`, r.Host)
		},
		"keys in a file": func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, `{"issuer":"http://%s","jwks_uri":"file:///etc/passwd"}`, r.Host)
		},
		"no JSON":           func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"no document":       http.NotFound,
		"connection closed": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.github.Instead(handler)
			w.unavailable(t, name, w.github.Sign(w.githubClaims()))
		})
	}
	if other.Asked() != 0 {
		t.Errorf("another server was asked %d times, want never", other.Asked())
	}
}

// An issuer that is slow keeps nobody who has hung up, and one question serves all who wait.
func TestASlowIssuer(t *testing.T) {
	w := newWorld(t)
	release, serve := make(chan struct{}), make(chan struct{}, 10)
	w.github.Instead(func(rw http.ResponseWriter, r *http.Request) {
		serve <- struct{}{}
		<-release
		if r.URL.Path == "/jwks" {
			_ = json.NewEncoder(rw).Encode(w.github.KeySet())
			return
		}
		_ = json.NewEncoder(rw).Encode(claims{"issuer": w.github.URL, "jwks_uri": w.github.URL + "/jwks"})
	})
	cred := auth.Credential{Name: "jwt", Secret: secret.New(w.github.Sign(w.githubClaims()))}
	hungUp, hangUp := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { _, err := w.source.Authenticate(hungUp, cred); first <- err }()
	<-serve
	go func() { _, err := w.source.Authenticate(t.Context(), cred); second <- err }()
	hangUp()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the one who hung up gets %v, want its own cancellation", err)
	}
	close(release)
	if err := <-second; err != nil {
		t.Errorf("the one who waited gets %v, want to be accepted", err)
	}
	if got := w.github.Asked(); got != 2 {
		t.Errorf("the issuer was asked %d times, want 2", got)
	}
}

// A cluster's API server has a certificate of its own CA, wants to see a token, and its keys are not where its name
// says.
func TestKubernetesInsideTheCluster(t *testing.T) {
	w := newWorld(t)
	server, dir := testkit.NewTLSIssuer(t), t.TempDir()
	ca, token := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "token")
	write(t, ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	write(t, token, []byte("pod-token\n"))
	server.Instead(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer pod-token" || r.URL.Path != "/openid/v1/jwks" {
			rw.WriteHeader(http.StatusForbidden)
			return
		}
		_ = json.NewEncoder(rw).Encode(server.KeySet())
	})
	rule := w.rules()[3]
	rule.Issuer, rule.JWKSURL, rule.CAFile, rule.TokenFile = "https://kubernetes.default.svc.cluster.local", server.URL+"/openid/v1/jwks", ca, token
	w.trust(t, rule)
	jwt := server.Sign(with(w.kubernetesClaims(), claims{"iss": rule.Issuer}))
	w.accept(t, "a pod", jwt)
	rule.CAFile = ""
	w.trust(t, rule)
	if sub, err := w.enter(t, "jwt", jwt); !errs.Is(err, errs.Unavailable) {
		t.Errorf("a certificate that nobody vouches for = %v, %v, want Unavailable", sub, err)
	}
}

// The bearer token is for whom the operator named, and not for whom the issuer names.
func TestTheBearerTokenStays(t *testing.T) {
	w := newWorld(t)
	other := testkit.NewIssuer(t)
	seen := make(chan string, 10)
	other.Instead(func(rw http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Get("Authorization")
		_ = json.NewEncoder(rw).Encode(w.kubernetes.KeySet())
	})
	w.kubernetes.Instead(func(rw http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(rw).Encode(claims{"issuer": w.kubernetes.URL, "jwks_uri": other.URL})
	})
	rule := w.rules()[3]
	rule.TokenFile = filepath.Join(t.TempDir(), "token")
	write(t, rule.TokenFile, []byte("pod-token"))
	w.trust(t, rule)
	w.accept(t, "keys elsewhere", w.kubernetes.Sign(w.kubernetesClaims()))
	if got := <-seen; got != "" {
		t.Errorf("the other server got %q, want nothing", got)
	}
}

func TestKeysFromAFile(t *testing.T) {
	w := newWorld(t)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	shared := []byte("0123456789abcdef0123456789abcdef")
	set, err := json.Marshal(claims{"keys": []any{
		jose.JSONWebKey{Key: ec.Public(), KeyID: "ec", Use: "sig"},
		jose.JSONWebKey{Key: ed.Public(), KeyID: "ed"},
		jose.JSONWebKey{Key: short.Public(), KeyID: "short"},
		jose.JSONWebKey{Key: ec.Public(), KeyID: "enc", Use: "enc"},
		jose.JSONWebKey{Key: shared, KeyID: "shared"},
		jose.JSONWebKey{Key: ec, KeyID: "private"},
		claims{"kty": "XYZ", "kid": "of the future"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	rule := w.rules()[1]
	rule.JWKSFile = filepath.Join(t.TempDir(), "jwks.json")
	w.trust(t, rule)
	sign := func(alg jose.SignatureAlgorithm, key any, kid string) string {
		s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(w.githubClaims())
		if err != nil {
			t.Fatal(err)
		}
		signed, err := s.Sign(text)
		if err != nil {
			t.Fatal(err)
		}
		jwt, err := signed.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return jwt
	}
	w.unavailable(t, "no file", sign(jose.ES256, ec, "ec"))
	write(t, rule.JWKSFile, set)
	w.clock.Advance(11 * time.Second)
	w.accept(t, "ES256", sign(jose.ES256, ec, "ec"))
	w.accept(t, "EdDSA", sign(jose.EdDSA, ed, "ed"))
	w.accept(t, "the only key of its kind, without an id", sign(jose.ES256, ec, ""))
	for _, jwt := range []string{
		sign(jose.RS256, short, "short"), sign(jose.ES256, ec, "enc"), sign(jose.HS256, shared, "shared"), sign(jose.ES256, ec, "private"), sign(jose.ES256, ec, "ed"),
	} {
		if sub, err := w.enter(t, "jwt", jwt); !errs.Is(err, errs.Unauthenticated) {
			t.Errorf("Authenticate() by a key that is no good = %v, %v, want a refusal", sub, err)
		}
	}
	if w.github.Asked() != 0 {
		t.Errorf("the issuer was asked although its keys are in a file")
	}
}

func write(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
