package workload_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/internal/testkit"
	"github.com/sealock/sealock/store/workload"
)

const github = "https://token.actions.githubusercontent.com"

func faults(r workload.Rule) []string {
	var keys []string
	r.Check(func(key, _, remedy string) {
		if remedy == "" {
			key += " without a remedy"
		}
		keys = append(keys, key)
	})
	return keys
}

func TestCheck(t *testing.T) {
	ok := workload.Rule{
		Name: "main", Issuer: "https://issuer.example.com", Audience: "a", MaxLife: time.Minute,
		Conditions: map[string]workload.Values{"sub": {"x"}}, Roles: []workload.Role{{Project: "team", Role: "developer"}}, Repositories: []string{"team/app-*", "team/**"},
	}
	if got := faults(ok); got != nil {
		t.Fatalf("Check(%+v) reports %q, want nothing", ok, got)
	}
	for name, tt := range map[string]struct {
		change func(*workload.Rule)
		want   string
	}{
		"no name":                {func(r *workload.Rule) { r.Name = "" }, "name"},
		"large letters":          {func(r *workload.Rule) { r.Name = "Main" }, "name"},
		"a tilde":                {func(r *workload.Rule) { r.Name = "ci~main" }, "name"},
		"jwt":                    {func(r *workload.Rule) { r.Name = "jwt" }, "name"},
		"oidc":                   {func(r *workload.Rule) { r.Name = "oidc" }, "name"},
		"no issuer":              {func(r *workload.Rule) { r.Issuer = "" }, "issuer"},
		"issuer without TLS":     {func(r *workload.Rule) { r.Issuer = "http://issuer.example.com" }, "issuer"},
		"issuer with a password": {func(r *workload.Rule) { r.Issuer = "https://a:b@issuer.example.com" }, "issuer"},
		"looks like loopback":    {func(r *workload.Rule) { r.Issuer = "http://localhost.example.com" }, "issuer"},
		"no audience":            {func(r *workload.Rule) { r.Audience = "" }, "audience"},
		"keys without TLS":       {func(r *workload.Rule) { r.JWKSURL = "http://issuer.example.com/jwks" }, "jwks_url"},
		"keys twice":             {func(r *workload.Rule) { r.JWKSURL, r.JWKSFile = "https://issuer.example.com/jwks", "x" }, "jwks_file"},
		"short life":             {func(r *workload.Rule) { r.MaxLife = time.Second }, "max_life"},
		"long life":              {func(r *workload.Rule) { r.MaxLife = 25 * time.Hour }, "max_life"},
		"no roles":               {func(r *workload.Rule) { r.Roles, r.Repositories = nil, nil }, "roles"},
		"role everywhere":        {func(r *workload.Rule) { r.Roles[0].Project, r.Repositories = "*", nil }, "roles[0]"},
		"no role":                {func(r *workload.Rule) { r.Roles[0].Role = "" }, "roles[0]"},
		"repository elsewhere":   {func(r *workload.Rule) { r.Repositories = []string{"other/app"} }, "repositories[0]"},
		"any repository":         {func(r *workload.Rule) { r.Repositories = []string{"**"} }, "repositories[0]"},
		"bad pattern":            {func(r *workload.Rule) { r.Repositories = []string{"team/[a"} }, "repositories[0]"},
		"no condition":           {func(r *workload.Rule) { r.Conditions = nil }, "conditions"},
		"condition without text": {func(r *workload.Rule) { r.Conditions = map[string]workload.Values{"sub": {}} }, "conditions"},
		"condition of nothing":   {func(r *workload.Rule) { r.Conditions = map[string]workload.Values{"sub": {""}} }, "conditions"},
		"bad path":               {func(r *workload.Rule) { r.Conditions = map[string]workload.Values{"/a//b": {"x"}} }, "conditions"},
		"bad value":              {func(r *workload.Rule) { r.Conditions = map[string]workload.Values{"sub": {"{a,b}*"}} }, "conditions"},
		"any and a condition":    {func(r *workload.Rule) { r.Any = true }, "any"},
	} {
		r := ok
		r.Roles = []workload.Role{ok.Roles[0]}
		tt.change(&r)
		if got := faults(r); len(got) != 1 || got[0] != tt.want {
			t.Errorf("%s: Check() reports %q, want %s alone", name, got, tt.want)
		}
	}
	ok.Conditions, ok.Any = nil, true
	if got := faults(ok); got != nil {
		t.Errorf("Check(any: true) reports %q, want nothing", got)
	}
}

// Everybody can have an account at a public issuer: a rule has to say whose jobs it means.
func TestPublicIssuersNeedAnIdentity(t *testing.T) {
	for _, tt := range []struct {
		claim, value string
		good         bool
	}{
		{"repository_id", "74", true},
		{"repository_owner_id", "65", true},
		{"repository_owner", "octo-org", true},
		{"repository", "octo-org/app", true},
		{"repository", "octo-org/*", true},
		{"sub", "repo:octo-org/app:*", true},
		{"project_id", "20", true},
		{"project_path", "group/**", true},
		{"sub", "project_path:group/app:ref_type:branch:ref:main", true},
		{"repository_id", "7*", false},
		{"repository_owner", "octo*", false},
		{"repository", "octo*/app", false},
		{"repository", "*/app", false},
		{"repository", "**", false},
		{"sub", "repo:octo*", false},
		{"sub", "*:ref:refs/heads/main", false},
		{"ref", "refs/heads/main", false},
		{"actor", "octocat", false},
		{"job_workflow_ref", "octo-org/tools/.github/workflows/push.yml@refs/heads/main", false}, // others may call it
		{"environment", "production", false},
	} {
		for _, issuer := range []string{github, github + "/", "https://gitlab.com"} {
			r := workload.Rule{
				Name: "main", Issuer: issuer, Audience: "a", MaxLife: time.Minute,
				Conditions: map[string]workload.Values{tt.claim: {tt.value}}, Roles: []workload.Role{{Project: "team", Role: "developer"}},
			}
			if got := faults(r); (got == nil) != tt.good {
				t.Errorf("Check(%s, %s: %s) reports %q, want good: %v", issuer, tt.claim, tt.value, got, tt.good)
			}
			r.Conditions[tt.claim] = append(r.Conditions[tt.claim], "*")
			if got := faults(r); got == nil {
				t.Errorf("Check(%s, %s: [%s, *]) reports nothing, want a fault: the list is as wide as its widest", issuer, tt.claim, tt.value)
			}
			r.Conditions, r.Any = nil, true
			if got := faults(r); got == nil {
				t.Errorf("Check(%s, any: true) reports nothing", issuer)
			}
		}
	}
}

func TestConditions(t *testing.T) {
	issuer := testkit.NewIssuer(t)
	const payload = `{"repository":"octo/app","number":12345678901234567890,"float":1.5,"flag":true,"nothing":null,"dotted.name":"x",
		"list":["a","b/c",7],"deep":{"a/b":{"~":"y"},"list":[{"name":"z"}],"text":"t"},"empty":""}`
	var said claims
	d := json.NewDecoder(strings.NewReader(payload))
	d.UseNumber()
	if err := d.Decode(&said); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]any{"iss": issuer.URL, "aud": "a", "exp": time.Now().Add(time.Hour).Unix()} {
		said[name] = value
	}
	jwt := issuer.Sign(said)
	for _, tt := range []struct {
		claim string
		value workload.Values
		want  bool
	}{
		{"repository", workload.Values{"octo/app"}, true},
		{"repository", workload.Values{"x", "octo/*"}, true},
		{"repository", workload.Values{"octo/??p"}, true},
		{"repository", workload.Values{"**"}, true},
		{"repository", workload.Values{"*"}, false}, // stops at /
		{"repository", workload.Values{"octo"}, false},
		{"repository", workload.Values{"octo/app/"}, false},
		{"Repository", workload.Values{"octo/app"}, false},
		{"number", workload.Values{"12345678901234567890"}, true},
		{"number", workload.Values{"12345678901234567891"}, false},
		{"float", workload.Values{"1.5"}, true},
		{"flag", workload.Values{"true"}, true},
		{"nothing", workload.Values{"null", "*", "<nil>"}, false},
		{"missing", workload.Values{"*", "**"}, false},
		{"dotted.name", workload.Values{"x"}, true},
		{"/dotted.name", workload.Values{"x"}, true},
		{"list", workload.Values{"b/c"}, true},
		{"list", workload.Values{"7"}, true},
		{"list", workload.Values{"c"}, false},
		{"/list/0", workload.Values{"a"}, false}, // an element has no name: one of them is enough
		{"deep", workload.Values{"**"}, false},
		{"/deep/text", workload.Values{"t"}, true},
		{"deep/text", workload.Values{"t"}, false},
		{"deep.text", workload.Values{"t"}, false},
		{"/deep/a~1b/~0", workload.Values{"y"}, true},
		{"/deep/list/name", workload.Values{"z"}, false},
		{"/repository/x", workload.Values{"**"}, false},
	} {
		source, err := workload.New([]workload.Rule{{
			Name: "r", Issuer: issuer.URL, Audience: "a", MaxLife: time.Minute, Conditions: map[string]workload.Values{tt.claim: tt.value},
		}}, slog.New(slog.DiscardHandler), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		_, err = source.Authenticate(t.Context(), auth.Credential{Secret: secret.New(jwt)})
		if got := err == nil; got != tt.want || err != nil && !errs.Is(err, errs.Unauthenticated) {
			t.Errorf("condition %s: %q = %v (%v), want %v", tt.claim, tt.value, got, err, tt.want)
		}
		if err := source.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Whatever stands in a condition, the rule is either refused or works, and a claim that is just the value fits.
func FuzzCondition(f *testing.F) {
	for _, seed := range [][2]string{{"sub", "x"}, {"/kubernetes.io/serviceaccount/name", "push*"}, {"/a~1b/~0", "**/?"}, {"/", "{"}, {"//", "["}, {"/~2", `\`}, {"", ""}} {
		f.Add(seed[0], seed[1])
	}
	issuer := testkit.NewIssuer(f)
	key, kid := issuer.Key()
	f.Fuzz(func(t *testing.T, claim, value string) {
		r := workload.Rule{
			Name: "r", Issuer: issuer.URL, Audience: "a", MaxLife: time.Minute,
			Conditions: map[string]workload.Values{claim: {value}}, Roles: []workload.Role{{Project: "team", Role: "developer"}},
		}
		source, err := workload.New([]workload.Rule{r}, slog.New(slog.DiscardHandler), time.Now)
		sound := len(faults(r)) == 0
		if sound && err != nil {
			t.Fatalf("New(%q: %q) = %v, and Check reports nothing", claim, value, err)
		}
		if !sound || strings.HasPrefix(claim, "/") || claim == "iss" || claim == "aud" || claim == "exp" || claim == "nbf" || claim == "iat" || !validJSON(claim) || !validJSON(value) {
			return
		}
		jwt := testkit.SignJWT(t, key, claims{"alg": "RS256", "kid": kid}, claims{"iss": issuer.URL, "aud": "a", "exp": time.Now().Add(time.Hour).Unix(), claim: value})
		_, err = source.Authenticate(t.Context(), auth.Credential{Secret: secret.New(jwt)})
		if err != nil && !strings.EqualFold(claim, "iss") && len(jwt) <= 16<<10 {
			t.Errorf("a claim %q that is %q = %v, want that its own value fits", claim, value, err)
		}
	})
}

// validJSON reports whether a text survives JSON as it is.
func validJSON(s string) bool {
	text, err := json.Marshal(s)
	var back string
	return err == nil && json.Unmarshal(text, &back) == nil && back == s
}

// Whatever is presented, nothing but a JWT that the issuer signed gets in, and what is recognised is refused for good.
func FuzzRecognizer(f *testing.F) {
	issuer := testkit.NewIssuer(f)
	rule := workload.Rule{Name: "r", Issuer: issuer.URL, Audience: "a", MaxLife: time.Minute, Any: true}
	source, err := workload.New([]workload.Rule{rule}, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		f.Fatal(err)
	}
	good := issuer.Sign(claims{"iss": issuer.URL, "aud": "a", "exp": time.Now().Add(100 * time.Hour).Unix()})
	f.Add("jwt", good)
	f.Add("ci~r", "password")
	f.Add("alice", "eyJ.eyJ.x")
	f.Add("jwt", testkit.UnsignedJWT(f, claims{"alg": "none"}, claims{"iss": issuer.URL})+".")
	f.Fuzz(func(t *testing.T, name, text string) {
		cred := auth.Credential{Name: name, Secret: secret.New(text)}
		recognized := source.Recognizes(cred)
		if !recognized && workload.Named(name) {
			t.Errorf("Recognizes(%q) = false, want true", name)
		}
		sub, err := source.Authenticate(t.Context(), cred)
		if err == nil && (text != good || sub.Name != "ci~r") {
			// A signature in base64 has spare bits: the same JWT may be written in another way.
			if i := strings.LastIndexByte(good, '.'); !strings.HasPrefix(text, good[:i]) {
				t.Errorf("Authenticate(%q, %q) = %v, want a refusal", name, text, sub)
			}
		}
		if err == nil && !recognized {
			t.Errorf("Authenticate(%q, %q) lets in what is not recognised", name, text)
		}
		if err != nil && !errs.Is(err, errs.Unauthenticated) && !errs.Is(err, errs.Unavailable) {
			t.Errorf("Authenticate(%q, %q) = %v, want a refusal", name, text, err)
		}
	})
}
