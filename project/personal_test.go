package project_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/policy"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

// start is when the fixture's clock stands.
var start = time.Unix(1_900_000_000, 0).UTC()

const day = 24 * time.Hour

func repositories(project string, patterns []string, actions ...string) auth.Permission {
	return auth.Permission{Project: project, Repositories: patterns, Resource: "repository", Actions: actions}
}

func TestPersonalTokens(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	scope := auth.Permissions{repositories("team", []string{"app-*"}, "push")}
	made, err := f.CreatePersonalToken(ctx, f.as("bob"), project.NewPersonalToken{Name: " laptop ", Scope: &scope})
	f.ok("CreatePersonalToken", err)
	f.recorded("CreatePersonalToken", "bob|personal_access_token.create|personal_access_token:"+made.ID+"|allowed|own account")
	if made.Name != "laptop" || made.UserName != "bob" || !made.ExpiresAt.Equal(start.Add(90*day)) || len(made.SecretHash) != 0 {
		t.Errorf("CreatePersonalToken = %+v, want laptop of bob's for 90 days", made)
	}
	if got := fmt.Sprint((*made.Scope)[0].Actions); got != "[pull push]" {
		t.Errorf("who may push may %s, want pull and push", got)
	}
	presented, ok := auth.PersonalAccessTokens().Parse(made.Secret)
	kept, err := f.store.PersonalAccessToken(ctx, made.ID)
	f.ok("PersonalAccessToken", err)
	if !ok || presented.ID != made.ID || !presented.Matches(kept.SecretHash) {
		t.Errorf("the secret that was told is not the one that is kept")
	}
	never, err := f.CreatePersonalToken(ctx, f.as("bob"), project.NewPersonalToken{Name: "ci", Never: true})
	f.ok("CreatePersonalToken without an end", err)
	if !never.ExpiresAt.IsZero() || never.Scope != nil {
		t.Errorf("a token that never ends and has no scope = %+v", never)
	}
	_, err = f.CreatePersonalToken(ctx, f.as("bob"), project.NewPersonalToken{Name: "CI"})
	f.kind("CreatePersonalToken with a taken name", err, errs.Conflict)
	_, err = f.CreatePersonalToken(ctx, f.as("carol"), project.NewPersonalToken{Name: "ci"})
	f.ok("CreatePersonalToken of another user with that name", err)
}

func TestBadPersonalTokens(t *testing.T) {
	f := newFixture(t)
	f.Service = f.WithPersonalTokens(project.PersonalTokenRules{Words: policy.CheckPermission})
	long := make([]string, 40)
	for i := range long {
		long[i] = fmt.Sprint("r", i)
	}
	scope := func(p ...auth.Permission) *auth.Permissions { return (*auth.Permissions)(&p) }
	for name, n := range map[string]project.NewPersonalToken{
		"no name":              {Name: " "},
		"a long name":          {Name: strings.Repeat("x", 65)},
		"a hidden name":        {Name: "a\u202eb"},
		"a line break":         {Name: "a\nb"},
		"a secret for a name":  {Name: auth.PersonalAccessTokens().New().Text.Reveal()},
		"an end that is over":  {Name: "x", ExpiresAt: start},
		"an end and none":      {Name: "x", ExpiresAt: start.Add(day), Never: true},
		"an empty scope":       {Name: "x", Scope: scope()},
		"no actions":           {Name: "x", Scope: scope(repositories("team", nil))},
		"an unknown action":    {Name: "x", Scope: scope(repositories("team", nil, "pul"))},
		"an unknown resource":  {Name: "x", Scope: scope(auth.Permission{Project: "team", Resource: "repo", Actions: []string{"pull"}})},
		"no resource":          {Name: "x", Scope: scope(auth.Permission{Project: "team", Actions: []string{"pull"}})},
		"a bad project":        {Name: "x", Scope: scope(repositories("te am", nil, "pull"))},
		"a pattern of project": {Name: "x", Scope: scope(repositories("te*", nil, "pull"))},
		"a bad pattern":        {Name: "x", Scope: scope(repositories("team", []string{"a["}, "pull"))},
		"an empty pattern":     {Name: "x", Scope: scope(repositories("team", []string{""}, "pull"))},
		"too many patterns":    {Name: "x", Scope: scope(repositories("team", long, "pull"))},
		"patterns of nothing":  {Name: "x", Scope: scope(repositories("", []string{"a"}, "pull"))},
		"no project":           {Name: "x", Scope: scope(repositories("", nil, "pull"))},
		"a system's resource":  {Name: "x", Scope: scope(auth.Permission{Project: "team", Resource: "user", Actions: []string{"list"}})},
	} {
		_, err := f.CreatePersonalToken(t.Context(), f.as("bob"), n)
		f.kind("CreatePersonalToken with "+name, err, errs.Invalid)
	}
	for _, line := range f.trail.take() {
		if !strings.Contains(line, "|refused|") || strings.Contains(line, "sealock_pat_") {
			t.Errorf("the trail says %q, want refusals without a secret", line)
		}
	}
	_, err := f.CreatePersonalToken(t.Context(), f.as(""), project.NewPersonalToken{Name: "x"})
	f.kind("CreatePersonalToken by anonymous", err, errs.Unauthenticated)
	_, err = f.CreatePersonalToken(t.Context(), f.as("ldap-admin"), project.NewPersonalToken{Name: "x"})
	f.kind("CreatePersonalToken by an account that is not kept", err, errs.Precondition)
	robot := f.as("bob")
	robot.Kind = auth.KindRobot
	_, err = f.CreatePersonalToken(t.Context(), robot, project.NewPersonalToken{Name: "x"})
	f.kind("CreatePersonalToken by a robot", err, errs.Precondition)
	f.trail.err = errTrail
	_, err = f.CreatePersonalToken(t.Context(), f.as("bob"), project.NewPersonalToken{Name: "x"})
	f.kind("CreatePersonalToken that can't be recorded", err, errs.Unavailable)
	f.trail.err = nil
	if n, err := f.store.CountPersonalAccessTokens(t.Context(), store.Filter{}); n != 0 || err != nil {
		t.Errorf("%d tokens came to be, %v, want none", n, err)
	}
}

func TestLifeOfPersonalTokens(t *testing.T) {
	for _, row := range []struct {
		max  time.Duration
		ask  project.NewPersonalToken
		want time.Duration // 0: never; below: refused
	}{
		{0, project.NewPersonalToken{}, 90 * day},
		{0, project.NewPersonalToken{Never: true}, 0},
		{0, project.NewPersonalToken{ExpiresAt: start.Add(5000 * day)}, 5000 * day},
		{30 * day, project.NewPersonalToken{}, 30 * day},
		{365 * day, project.NewPersonalToken{}, 90 * day},
		{30 * day, project.NewPersonalToken{ExpiresAt: start.Add(30 * day)}, 30 * day},
		{30 * day, project.NewPersonalToken{ExpiresAt: start.Add(30*day + time.Second)}, -1},
		{30 * day, project.NewPersonalToken{Never: true}, -1},
	} {
		f := newFixture(t)
		row.ask.Name = "x"
		made, err := f.WithPersonalTokens(project.PersonalTokenRules{MaxLife: row.max}).CreatePersonalToken(t.Context(), f.as("bob"), row.ask)
		got := made.ExpiresAt.Sub(start)
		switch {
		case row.want < 0:
			f.kind(fmt.Sprintf("CreatePersonalToken(%+v) with at most %s", row.ask, row.max), err, errs.Invalid)
		case err != nil, row.want == 0 && !made.ExpiresAt.IsZero(), row.want > 0 && got != row.want:
			t.Errorf("CreatePersonalToken(%+v) with at most %s lives for %s, %v, want %s", row.ask, row.max, got, err, row.want)
		}
	}
}

func TestSoManyPersonalTokens(t *testing.T) {
	f := newFixture(t)
	for i := range project.MaxPersonalTokens {
		_, err := f.CreatePersonalToken(t.Context(), f.as("bob"), project.NewPersonalToken{Name: fmt.Sprint(i)})
		f.ok("CreatePersonalToken", err)
	}
	f.trail.take()
	_, err := f.CreatePersonalToken(t.Context(), f.as("bob"), project.NewPersonalToken{Name: "more"})
	f.kind("CreatePersonalToken beyond the most", err, errs.Precondition)
	if got := f.trail.take(); len(got) != 2 || !strings.Contains(got[1], "|refused|") {
		t.Errorf("the trail says %q, want that it failed", got)
	}
}

// questions are what a token could be used for, in words of which each permission of the property test is made.
func questions() (all []auth.Question) {
	for _, project := range []string{"", "team", "open", "new"} {
		for _, action := range []string{"pull", "push", "delete", "list", "create"} {
			for _, resource := range []string{"repository", "member", "personal-access-token"} {
				all = append(all, auth.Question{Project: project, Resource: resource, Action: action})
				if project != "" && resource == "repository" {
					for _, name := range []string{"app", "app-1", "lib/a", "lib/a/b"} {
						all = append(all, auth.Question{Project: project, Repository: project + "/" + name, Resource: resource, Action: action})
					}
				}
			}
		}
	}
	return all
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func randomScope(r *rand.Rand) *auth.Permissions {
	if r.IntN(4) == 0 {
		return nil
	}
	scope := auth.Permissions{{Resource: "personal-access-token", Actions: []string{"create"}}}
	for range 1 + r.IntN(3) {
		p := auth.Permission{Project: pick(r, "team", "open", "*", ""), Resource: pick(r, "repository", "member", "*")}
		for range 1 + r.IntN(3) {
			p.Actions = append(p.Actions, pick(r, "pull", "push", "delete", "list", "*"))
		}
		for range r.IntN(3) {
			if p.Project != "" {
				p.Repositories = append(p.Repositories, pick(r, "app", "app-*", "lib/**", "**", "{app,lib/*}"))
			}
		}
		scope = append(scope, p)
	}
	return &scope
}

// TestNothingExceedsWhatMadeIt makes tokens as random callers with random bounds: whatever comes to be is good for nothing
// that its maker was not good for, and ends no later.
func TestNothingExceedsWhatMadeIt(t *testing.T) {
	f := newFixture(t)
	r := rand.New(rand.NewPCG(3, 5))
	all := questions()
	made, refused := 0, 0
	for i := range 3000 {
		c := f.as("bob")
		c.Bounds = randomScope(r)
		if r.IntN(3) == 0 {
			c.Until = start.Add(time.Duration(1+r.IntN(100)) * day)
		}
		c.Via = pick(r, "", "", "", "pat:other")
		ask := project.NewPersonalToken{Name: fmt.Sprint(i), Scope: randomScope(r)}
		switch r.IntN(3) {
		case 0:
			ask.Never = true
		case 1:
			ask.ExpiresAt = start.Add(time.Duration(1+r.IntN(100)) * day)
		}
		got, err := f.CreatePersonalToken(t.Context(), c, ask)
		if err != nil {
			if !errs.Is(err, errs.Denied) {
				t.Fatalf("CreatePersonalToken(%+v) as one bounded by %v = %v, want a token or Denied", ask, c.Bounds, err)
			}
			refused++
			continue
		}
		made++
		f.ok("RevokePersonalToken", f.RevokePersonalToken(t.Context(), f.as("bob"), got.ID))
		if c.Via != "" {
			t.Fatalf("who acts by %q made a token that does not end with it", c.Via)
		}
		if !c.Until.IsZero() && (got.ExpiresAt.IsZero() || got.ExpiresAt.After(c.Until)) {
			t.Fatalf("the token ends at %s, and what made it at %s", got.ExpiresAt, c.Until)
		}
		holder := auth.Subject{Name: "bob"}
		if got.Scope != nil {
			holder = holder.Bound(*got.Scope, got.ExpiresAt)
		}
		for _, q := range all {
			if holder.Permitted(q) && !c.Permitted(q) {
				t.Fatalf("a token with the scope %v is good for %+v, and what made it, bounded by %v, is not", got.Scope, q, c.Bounds)
			}
		}
	}
	if made < 100 || refused < 100 {
		t.Errorf("%d tokens were made and %d refused, want enough of both", made, refused)
	}
}

func TestListPersonalTokens(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	for _, name := range []string{"alice", "bob", "bob"} {
		_, err := f.CreatePersonalToken(ctx, f.as(name), project.NewPersonalToken{Name: fmt.Sprint("t", len(f.trail.records))})
		f.ok("CreatePersonalToken", err)
	}
	bounded := f.as("bob")
	bounded.Subject = bounded.Bound(auth.Permissions{repositories("team", nil, "pull")}, time.Time{})
	for _, row := range []struct {
		c     project.Caller
		q     project.PersonalTokenQuery
		total int
		want  errs.Kind // where total is below 0
	}{
		{f.as("bob"), project.PersonalTokenQuery{}, 2, 0},
		{f.as("bob"), project.PersonalTokenQuery{Subject: "BOB"}, 2, 0},
		{f.as("bob"), project.PersonalTokenQuery{Subject: "alice"}, -1, errs.Denied},
		{f.as("bob"), project.PersonalTokenQuery{All: true}, -1, errs.Denied},
		{bounded, project.PersonalTokenQuery{}, -1, errs.Denied},
		{f.as("ldap-user"), project.PersonalTokenQuery{}, 0, 0},
		{f.as(""), project.PersonalTokenQuery{}, -1, errs.Unauthenticated},
		{f.as("admin"), project.PersonalTokenQuery{}, 0, 0},
		{f.as("admin"), project.PersonalTokenQuery{All: true}, 3, 0},
		{f.as("admin"), project.PersonalTokenQuery{Subject: "alice"}, 1, 0},
	} {
		l, err := f.ListPersonalTokens(ctx, row.c, row.q)
		if row.total < 0 {
			f.kind(fmt.Sprintf("ListPersonalTokens(%+v) as %q", row.q, row.c.Name), err, row.want)
			continue
		}
		if err != nil || l.Total != row.total || len(l.Items) != row.total {
			t.Errorf("ListPersonalTokens(%+v) as %q = %d of %d, %v, want %d", row.q, row.c.Name, len(l.Items), l.Total, err, row.total)
		}
		for _, item := range l.Items {
			if item.SecretHash != nil {
				t.Errorf("a list tells the hash of a secret")
			}
		}
	}
}

func TestRevokePersonalToken(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	made, err := f.CreatePersonalToken(ctx, f.as("bob"), project.NewPersonalToken{Name: "x"})
	f.ok("CreatePersonalToken", err)
	f.trail.take()
	f.kind("RevokePersonalToken by anonymous", f.RevokePersonalToken(ctx, f.as(""), made.ID), errs.Unauthenticated)
	f.kind("RevokePersonalToken of another", f.RevokePersonalToken(ctx, f.as("alice"), made.ID), errs.NotFound)
	f.recorded("a refusal", "alice|personal_access_token.delete|personal_access_token:"+made.ID+"|refused|no rule")
	bounded := f.as("bob")
	bounded.Subject = bounded.Bound(auth.Permissions{repositories("team", nil, "pull")}, time.Time{})
	f.kind("RevokePersonalToken by a bounded credential", f.RevokePersonalToken(ctx, bounded, made.ID), errs.Denied)
	f.trail.take()
	f.ok("RevokePersonalToken by the whole token", f.RevokePersonalToken(ctx, f.as("bob"), made.Secret.Reveal()))
	f.recorded("RevokePersonalToken", "bob|personal_access_token.delete|personal_access_token:"+made.ID+"|allowed|own account")
	f.kind("RevokePersonalToken again", f.RevokePersonalToken(ctx, f.as("admin"), made.Secret.Reveal()), errs.NotFound)
	for _, line := range f.trail.take() {
		if strings.Contains(line, made.Secret.Reveal()) {
			t.Errorf("the trail holds the secret: %s", line)
		}
	}
	other, err := f.CreatePersonalToken(ctx, f.as("bob"), project.NewPersonalToken{Name: "x"})
	f.ok("CreatePersonalToken", err)
	f.ok("RevokePersonalToken by an administrator", f.RevokePersonalToken(ctx, f.as("admin"), other.ID))
	if _, err := f.store.PersonalAccessToken(ctx, other.ID); !errs.Is(err, errs.NotFound) {
		t.Errorf("PersonalAccessToken after it was revoked = %v, want NotFound", err)
	}
}

// TestBoundedCredentialsKeepTheirHandsOff holds that who acts by a narrowed credential can't change the own account.
func TestBoundedCredentialsKeepTheirHandsOff(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	c := f.as("bob")
	c.Subject = c.Bound(auth.Permissions{{Project: "*", Resource: "*", Actions: []string{"*"}}}, time.Time{})
	id := f.ids["bob"]
	for what, err := range map[string]error{
		"SetPassword":         f.SetPassword(ctx, c, id, secret.New("password-bob"), secret.New("correct horse")),
		"UpdateProfile":       f.UpdateProfile(ctx, c, id, project.Profile{RealName: "Mallory"}),
		"CreatePersonalToken": func() error { _, err := f.CreatePersonalToken(ctx, c, project.NewPersonalToken{Name: "x"}); return err }(),
	} {
		f.kind(what+" with a bounded credential", err, errs.Denied)
	}
	whole := f.as("bob")
	whole.Via = "pat:other"
	f.kind("SetPassword with a token and without the old password", f.SetPassword(ctx, whole, id, secret.New("guess"), secret.New("correct horse")), errs.Denied)
}
