package workload_test

import (
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/internal/testkit"
	"github.com/sealock/sealock/store/workload"
)

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
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

const audience = "https://registry.example.com"

// world is the three issuers, and a source that trusts them.
type world struct {
	clock                      *clock
	github, gitlab, kubernetes *testkit.Issuer
	source                     *workload.Source
	log                        *strings.Builder
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		clock:  &clock{now: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)},
		github: testkit.NewIssuer(t), gitlab: testkit.NewIssuer(t), kubernetes: testkit.NewIssuer(t),
	}
	w.trust(t, w.rules()...)
	return w
}

// trust replaces the rules.
func (w *world) trust(t *testing.T, rules ...workload.Rule) {
	t.Helper()
	w.log = &strings.Builder{}
	source, err := workload.New(rules, slog.New(slog.NewTextHandler(w.log, nil)), w.clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = source.Close() })
	w.source = source
}

func (w *world) rules() []workload.Rule {
	return []workload.Rule{
		{
			Name: "release", Issuer: w.github.URL, Audience: audience, MaxLife: 15 * time.Minute,
			Conditions: map[string]workload.Values{"repository_owner_id": {"65"}, "repository": {"octo-org/octo-repo"}, "ref": {"refs/tags/v*"}},
			Roles:      []workload.Role{{Project: "team", Role: "maintainer"}},
		},
		{
			Name: "main", Issuer: w.github.URL, Audience: audience, MaxLife: 15 * time.Minute,
			Conditions:   map[string]workload.Values{"sub": {"repo:octo-org/octo-repo:ref:refs/heads/main"}},
			Roles:        []workload.Role{{Project: "team", Role: "developer"}},
			Repositories: []string{"team/octo-*"},
		},
		{
			Name: "gitlab", Issuer: w.gitlab.URL, Audience: audience, MaxLife: 15 * time.Minute,
			Conditions: map[string]workload.Values{"project_id": {"20", "21"}, "ref_protected": {"true"}, "groups_direct": {"mygroup/*"}},
			Roles:      []workload.Role{{Project: "team", Role: "developer"}},
		},
		{
			Name: "pods", Issuer: w.kubernetes.URL, Audience: audience, MaxLife: 15 * time.Minute,
			Conditions: map[string]workload.Values{"/kubernetes.io/namespace": {"build"}, "/kubernetes.io/serviceaccount/name": {"push*"}},
			Roles:      []workload.Role{{Project: "team", Role: "guest"}, {Project: "base", Role: "guest"}},
		},
	}
}

type claims = map[string]any

// with returns the claims with others in their place; nil takes one away.
func with(c, other claims) claims {
	c = maps.Clone(c)
	for name, value := range other {
		if c[name] = value; value == nil {
			delete(c, name)
		}
	}
	return c
}

// times are the claims about time of a JWT that is a minute old.
func (w *world) times(life time.Duration) claims {
	now := w.clock.Now().Add(-time.Minute)
	return claims{"iat": now.Unix(), "nbf": now.Unix() - 5, "exp": now.Add(life).Unix()}
}

// githubClaims are those that GitHub documents for Actions ("Understanding the OIDC token").
func (w *world) githubClaims() claims {
	return with(claims{
		"jti": "01234567-0123-0123-0123-0123456789ab", "sub": "repo:octo-org/octo-repo:ref:refs/heads/main", "aud": audience, "ref": "refs/heads/main",
		"sha": "example-sha", "repository": "octo-org/octo-repo", "repository_owner": "octo-org", "actor_id": "12", "repository_visibility": "private",
		"repository_id": "74", "repository_owner_id": "65", "run_id": "example-run-id", "run_number": "10", "run_attempt": "2",
		"runner_environment": "github-hosted", "actor": "octocat", "workflow": "example-workflow", "head_ref": "", "base_ref": "", "event_name": "push",
		"ref_type": "branch", "job_workflow_ref": "octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main", "iss": w.github.URL,
	}, w.times(6*time.Minute))
}

// gitlabClaims are those that GitLab documents for id_tokens.
func (w *world) gitlabClaims() claims {
	return with(claims{
		"namespace_id": "72", "namespace_path": "my-group", "project_id": "20", "project_path": "my-group/my-project", "user_id": "1",
		"user_login": "sample-user", "user_email": "sample-user@example.com", "user_identities": []any{claims{"provider": "github", "extern_uid": "2435223452345"}},
		"pipeline_id": "574", "pipeline_source": "push", "job_id": "302", "ref": "feature-branch-1", "ref_type": "branch", "ref_path": "refs/heads/feature-branch-1",
		"ref_protected": "true", "groups_direct": []any{"mygroup/mysubgroup", "myothergroup/myothersubgroup"}, "runner_id": 1, "runner_environment": "self-hosted",
		"sha": "714a629c0b401fdce83e847fc9589983fc6f46bc", "project_visibility": "public", "jti": "235b3a54-b797-45c7-ae9a-f72d7bc6ef5b",
		"iss": w.gitlab.URL, "sub": "project_path:my-group/my-project:ref_type:branch:ref:feature-branch-1", "aud": audience,
	}, w.times(time.Hour))
}

// kubernetesClaims are those of a bound service account token.
func (w *world) kubernetesClaims() claims {
	return with(claims{
		"aud": []any{"https://kubernetes.default.svc.cluster.local", audience}, "iss": w.kubernetes.URL, "jti": "7ee52be0-9045-4653-aa5e-0da57b8dccdc",
		"kubernetes.io": claims{
			"namespace": "build", "node": claims{"name": "127.0.0.1", "uid": "58456cb0-dd00-45ed-b797-5578fdceaced"},
			"pod":            claims{"name": "push-69cbfb9798-jv9gn", "uid": "778a530c-b3f4-47c0-9cd5-ab018fb64f33"},
			"serviceaccount": claims{"name": "pusher", "uid": "a087d5a0-e1dd-43ec-93ac-f13d89cd13af"}, "warnafter": w.clock.Now().Unix() + 3607,
		},
		"sub": "system:serviceaccount:build:pusher",
	}, w.times(time.Hour))
}

func (w *world) enter(t *testing.T, name, jwt string) (auth.Subject, error) {
	t.Helper()
	cred := auth.Credential{Name: name, Secret: secret.New(jwt)}
	if !w.source.Recognizes(cred) {
		t.Errorf("Recognizes(%s, JWT) = false, want true: it would become a password", name)
	}
	return w.source.Authenticate(t.Context(), cred)
}
