package project_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/seal"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/job"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

const jobCanary = "canary-81f0"

// pings remembers what was asked, and answers with err.
type pings struct {
	asked []string
	err   error
}

func (p *pings) ping(_ context.Context, r store.Registry, password secret.Text) error {
	p.asked = append(p.asked, r.URL+" "+r.AccessKey+":"+password.Reveal())
	return p.err
}

// withJobs returns a fixture that keeps secrets and asks registries.
func withJobs(t *testing.T) (*fixture, *pings) {
	t.Helper()
	f, p := newFixture(t), &pings{}
	box, err := seal.New(make([]byte, 32))
	f.ok("seal.New", err)
	f.Service = f.WithJobs(box, p.ping)
	return f, p
}

func registryAt(url string) project.RegistryChange {
	name, kind, key, password := "mirror", "docker-registry", "robot", secret.New(jobCanary)
	return project.RegistryChange{Name: &name, URL: &url, Type: &kind, AccessKey: &key, AccessSecret: &password}
}

// TestRegistrySecrets: what is sent where, and what is on record.
func TestRegistrySecrets(t *testing.T) {
	f, p := withJobs(t)
	ctx, admin := t.Context(), f.as("admin")
	sent := func(what string, want ...string) {
		t.Helper()
		if !slices.Equal(p.asked, want) {
			t.Errorf("sent with %s = %q, want %q", what, p.asked, want)
		}
		p.asked = nil
	}
	r, err := f.CreateRegistry(ctx, admin, registryAt("https://r.example.com"))
	f.ok("CreateRegistry", err)
	sent("CreateRegistry", "https://r.example.com robot:"+jobCanary)
	f.recorded("CreateRegistry", "admin|registry.create|registry:mirror|allowed|")
	f.ok("PingRegistry", f.PingRegistry(ctx, admin, r.ID, project.RegistryChange{}))
	sent("PingRegistry", "https://r.example.com robot:"+jobCanary)
	f.recorded("PingRegistry", fmt.Sprintf("admin|registry.ping|registry:#%d|allowed|", r.ID))
	evil, path := "https://evil.example.com", "https://r.example.com/prefix"
	f.kind("PingRegistry elsewhere", f.PingRegistry(ctx, admin, r.ID, project.RegistryChange{URL: &evil}), errs.Invalid)
	f.kind("UpdateRegistry elsewhere", f.UpdateRegistry(ctx, admin, r.ID, project.RegistryChange{URL: &evil}), errs.Invalid)
	sent("refused changes")
	f.ok("UpdateRegistry of the path", f.UpdateRegistry(ctx, admin, r.ID, project.RegistryChange{URL: &path}))
	sent("UpdateRegistry of the path", path+" robot:"+jobCanary)

	// Whoever writes to the database alone moves the registry, and learns nothing.
	_, err = f.store.UpdateRegistry(ctx, r.ID, func(r *store.Registry) error { r.URL = evil; return nil })
	f.ok("the store's UpdateRegistry", err)
	if err := f.PingRegistry(ctx, admin, r.ID, project.RegistryChange{}); err == nil {
		t.Error("PingRegistry of a registry that was moved in the database = nil, want an error")
	}
	sent("a registry that was moved in the database")

	withUser := "https://robot:" + jobCanary + "@r.example.com"
	f.kind("PingRegistry with a password in the URL", f.PingRegistry(ctx, admin, 0, project.RegistryChange{URL: &withUser}), errs.Invalid)
	if got := strings.Join(f.trail.take(), "\n"); strings.Contains(got, jobCanary) {
		t.Errorf("trail = %s, want no secret in it", got)
	}
	p.err = errors.New("refused")
	name := "other"
	down := registryAt("https://down.example.com")
	down.Name = &name
	r, err = f.CreateRegistry(ctx, admin, down)
	if err != nil || r.Status != job.Unhealthy || r.AccessSecret != job.Masked {
		t.Errorf("CreateRegistry of one that is down = %+v, %v, want it to be kept and unhealthy", r, err)
	}
}

// TestJobsAreDecidedAndRecorded: nobody but those whom the policy lets, and nothing without a record.
func TestJobsAreDecidedAndRecorded(t *testing.T) {
	f, p := withJobs(t)
	ctx := t.Context()
	hook := store.WebhookPolicy{Name: "tell", EventTypes: []string{"PUSH_ARTIFACT"}, Targets: []store.WebhookTarget{{Type: "http", Address: "https://h.example.com"}}}
	rule := project.ImmutableChange{TagSelectors: selecting("v*"), ScopeSelectors: map[string][]store.Selector{"repository": selecting("**")}}
	rule.ScopeSelectors["repository"][0].Decoration = job.RepoMatches
	deeds := map[string]func(c project.Caller) error{
		"registry.create|registry:mirror": func(c project.Caller) error {
			_, err := f.CreateRegistry(ctx, c, registryAt("https://r.example.com"))
			return err
		},
		"registry.ping|registry:https://r.example.com:443": func(c project.Caller) error {
			return f.PingRegistry(ctx, c, 0, registryAt("https://r.example.com"))
		},
		"webhook.create|project:team/webhook:tell": func(c project.Caller) error {
			_, err := f.CreateWebhookPolicy(ctx, c, named("team"), hook)
			return err
		},
		"immutable-rule.create|project:team/immutable-rule": func(c project.Caller) error {
			_, err := f.CreateImmutableRule(ctx, c, named("team"), rule)
			return err
		},
		"retention.create|project:team/retention": func(c project.Caller) error {
			_, err := f.CreateRetentionPolicy(ctx, c, store.RetentionPolicy{ProjectID: f.ids["project:team"]})
			return err
		},
		"label.create|project:team/label:stable": func(c project.Caller) error {
			_, err := f.CreateLabel(ctx, c, f.ids["project:team"], project.LabelChange{Name: "stable"})
			return err
		},
		"label.create|label:global": func(c project.Caller) error {
			_, err := f.CreateLabel(ctx, c, 0, project.LabelChange{Name: "global"})
			return err
		},
	}
	for what, do := range deeds {
		f.kind(what+" as a guest", do(f.as("bob")), errs.Denied)
		f.recorded(what+" as a guest", "bob|"+what+"|refused|")
		f.trail.err = errTrail
		f.kind(what+" without a record", do(f.as("admin")), errs.Unavailable)
		f.trail.err = nil
	}
	if registries, err := f.store.CountRegistries(ctx, store.Filter{}); err != nil || registries != 0 || len(p.asked) != 0 {
		t.Errorf("without a record there are %d registries, %v, and were asked %q: want none", registries, err, p.asked)
	}
	for what, do := range deeds {
		f.ok(what, do(f.as("admin")))
		f.recorded(what, "admin|"+what+"|allowed|systemAdmin")
	}
}

// TestStartsAreRecorded: what can't be started yet was tried all the same.
func TestStartsAreRecorded(t *testing.T) {
	f, _ := withJobs(t)
	ctx, admin := t.Context(), f.as("admin")
	r, err := f.CreateRegistry(ctx, admin, registryAt("https://r.example.com"))
	f.ok("CreateRegistry", err)
	p, err := f.CreateReplicationPolicy(ctx, admin, store.ReplicationPolicy{Name: "nightly", SrcRegistryID: r.ID})
	f.ok("CreateReplicationPolicy", err)
	k, err := f.CreateRetentionPolicy(ctx, admin, store.RetentionPolicy{ProjectID: f.ids["project:team"]})
	f.ok("CreateRetentionPolicy", err)
	f.trail.take()
	f.kind("StartReplication", f.StartReplication(ctx, admin, p.ID), errs.Unsupported)
	f.recorded("StartReplication", "admin|replication.start|replication-policy:nightly|refused|this server can't replicate yet")
	f.kind("StartRetention", f.StartRetention(ctx, admin, k.ID), errs.Unsupported)
	f.recorded("StartRetention", "admin|retention.operate|project:team/retention|refused|this server can't run a retention yet")
	f.kind("StartRetention by a stranger", f.StartRetention(ctx, f.as("carol"), k.ID), errs.NotFound)
	f.recorded("StartRetention by a stranger", fmt.Sprintf("carol|retention.operate|retention:#%d|refused|", k.ID))
}

// TestNoKey: without a key no secret is kept, rather than one in clear.
func TestNoKey(t *testing.T) {
	f := newFixture(t)
	_, err := f.CreateRegistry(t.Context(), f.as("admin"), registryAt("https://r.example.com"))
	f.kind("CreateRegistry without a key", err, errs.Unavailable)
	open := registryAt("https://r.example.com")
	open.AccessSecret = nil
	_, err = f.CreateRegistry(t.Context(), f.as("admin"), open)
	f.ok("CreateRegistry without a key and a secret", err)
}

func selecting(patterns ...string) (list []store.Selector) {
	for _, p := range patterns {
		s := store.Selector{Kind: job.Doublestar, Decoration: job.TagMatches, Pattern: p}
		if rest, not := strings.CutPrefix(p, "not "); not {
			s.Decoration, s.Pattern = job.TagExcludes, rest
		}
		list = append(list, s)
	}
	return list
}

// rulesOf reads rules written as "repositories: tags"; "off " before it switches one off.
func rulesOf(lines ...string) (rules []store.ImmutableRule) {
	for _, line := range lines {
		line, disabled := strings.CutPrefix(line, "off ")
		repositories, tags, _ := strings.Cut(line, ": ")
		r := store.TagRule{Disabled: disabled, TagSelectors: selecting(strings.Split(tags, "; ")...)}
		scope := selecting(strings.Split(repositories, "; ")...)
		for i := range scope {
			scope[i].Decoration = map[string]string{job.TagMatches: job.RepoMatches, job.TagExcludes: job.RepoExcludes}[scope[i].Decoration]
		}
		r.ScopeSelectors = map[string][]store.Selector{job.ScopeRepository: scope}
		rules = append(rules, store.ImmutableRule{Rule: r})
	}
	return rules
}

func TestImmutable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rules      []store.ImmutableRule
		repository string
		tag        string
		want       bool
	}{
		{nil, "app", "v1", false},
		{rulesOf("**: **"), "app", "v1", true},
		{rulesOf("**: v*"), "app", "latest", false},
		{rulesOf("app: v*"), "app", "v1", true},
		{rulesOf("app: v*"), "apps", "v1", false},
		{rulesOf("app: v*"), "team/app", "v1", false}, // the project is not part of it
		{rulesOf("app/**: v*"), "app/web/front", "v1", true},
		{rulesOf("app/*: v*"), "app/web/front", "v1", false},
		{rulesOf("{app,web}: {v*,main}"), "web", "main", true},
		{rulesOf("{app,web}: {v*,main}"), "api", "main", false},
		{rulesOf("not test/**: **"), "test/app", "v1", false},
		{rulesOf("not test/**: **"), "app", "v1", true},
		{rulesOf("**: not latest"), "app", "latest", false},
		{rulesOf("**: not latest"), "app", "v1", true},
		{rulesOf("**: v*; not *-rc*"), "app", "v1", true},
		{rulesOf("**: v*; not *-rc*"), "app", "v1-rc1", false},
		{rulesOf("off **: **"), "app", "v1", false},
		{rulesOf("off **: **", "app: v1"), "app", "v1", true},
		{rulesOf("web: **", "app: v*"), "app", "v1", true},
		{rulesOf("**: v1.0"), "app", "v1x0", false}, // a dot is a dot
		{rulesOf("**: v*"), "app", "V1", false},
		{[]store.ImmutableRule{{}}, "app", "v1", false}, // which no rule that was checked is
	} {
		if got := project.Immutable(c.rules, c.repository, c.tag); got != c.want {
			t.Errorf("Immutable(%+v, %q, %q) = %v, want %v", c.rules, c.repository, c.tag, got, c.want)
		}
	}
}
