package storetest

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// keeper is what a store does with records that are all kept in the same way.
type keeper[T any] struct {
	create func(context.Context, T) (T, error)
	get    func(context.Context, int64) (T, error)
	list   func(context.Context, store.Filter) iter.Seq2[T, error]
	count  func(context.Context, store.Filter) (int, error)
	update func(context.Context, int64, func(*T) error) (T, error)
	remove func(context.Context, int64) error
	id     func(*T) *int64
	name   func(*T) *string // nil: it has none
	stamps func(*T)         // takes the times out
}

// keeps holds that a record comes back as it went in, can be changed and removed, and that what the store sets stays.
func (k keeper[T]) keeps(t *testing.T, record T, change func(*T)) T {
	t.Helper()
	ctx := t.Context()
	made := must[T](t, "create")(k.create(ctx, record))
	id := *k.id(&made)
	if id == 0 {
		t.Fatalf("create = %+v, want an id", made)
	}
	plain := func(v T) T { k.stamps(&v); *k.id(&v) = 0; return v }
	got := must[T](t, "get")(k.get(ctx, id))
	for what, v := range map[string]T{"create": made, "get": got, "list": all(t, "list", k.list(ctx, store.Filter{}))[0]} {
		if diff := cmp.Diff(plain(record), plain(v)); diff != "" {
			t.Errorf("%s differs from what was stored (-want +got):\n%s", what, diff)
		}
	}
	want := got
	change(&want)
	changed := must[T](t, "update")(k.update(ctx, id, func(v *T) error { change(v); *k.id(v) = 4711; return nil }))
	if diff := cmp.Diff(plain(want), plain(changed)); diff != "" || *k.id(&changed) != id {
		t.Errorf("update = id %d (-want +got):\n%s", *k.id(&changed), diff)
	}
	if diff := cmp.Diff(changed, must[T](t, "get")(k.get(ctx, id))); diff != "" {
		t.Errorf("get after a change (-want +got):\n%s", diff)
	}
	still := must[T](t, "update")(k.update(ctx, id, func(*T) error { return nil }))
	if diff := cmp.Diff(changed, still); diff != "" {
		t.Errorf("update without a change (-want +got):\n%s", diff)
	}
	_, err := k.get(ctx, id+900)
	kind(t, "get of none", err, errs.NotFound)
	_, err = k.update(ctx, id+900, func(*T) error { return nil })
	kind(t, "update of none", err, errs.NotFound)
	kind(t, "remove of none", k.remove(ctx, id+900), errs.NotFound)
	if k.name != nil {
		k.named(t, changed)
	}
	return changed
}

// named holds that names are unique and that lists are narrowed, sorted and paged by them.
func (k keeper[T]) named(t *testing.T, first T) {
	t.Helper()
	ctx := t.Context()
	called := func(name string) T { v := first; *k.name(&v) = name; return v }
	*k.name(&first) = "m"
	must[T](t, "update")(k.update(ctx, *k.id(&first), func(v *T) error { *k.name(v) = "m"; return nil }))
	for _, name := range []string{"Zz", "a%b"} {
		must[T](t, "create")(k.create(ctx, called(name)))
	}
	_, err := k.create(ctx, called("m"))
	kind(t, "create with a taken name", err, errs.Conflict)
	_, err = k.update(ctx, *k.id(&first), func(v *T) error { *k.name(v) = "Zz"; return nil })
	kind(t, "update to a taken name", err, errs.Conflict)
	for _, name := range []string{"", "\x00", "\xff", strings.Repeat("x", 300)} {
		_, err = k.create(ctx, called(name))
		kind(t, "create with a bad name", err, errs.Invalid)
	}
	for _, row := range []struct {
		filter store.Filter
		want   []string
	}{
		{store.Filter{Sort: "name"}, []string{"a%b", "m", "Zz"}},
		{store.Filter{Sort: "-name", Limit: 1, Offset: 1}, []string{"m"}},
		{store.Filter{Sort: "name", After: *k.id(&first)}, []string{"Zz"}},
		{store.Filter{After: *k.id(&first)}, []string{"Zz", "a%b"}},
		{store.Filter{Sort: "creation_time"}, []string{"m", "Zz", "a%b"}},
		{store.Filter{Name: "zZ"}, []string{"Zz"}},
		{store.Filter{Name: "%"}, []string{"a%b"}},
		{store.Filter{Exact: "zz"}, nil},
		{store.Filter{Exact: "Zz"}, []string{"Zz"}},
	} {
		var got []string
		for _, v := range all(t, "list", k.list(ctx, row.filter)) {
			got = append(got, *k.name(&v))
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("list(%+v) = %q, want %q", row.filter, got, row.want)
		}
	}
	equal(t, "count", must[int](t, "count")(k.count(ctx, store.Filter{Name: "z", Limit: 1})), 1)
	kind(t, "list in an unknown order", listError(k.list(ctx, store.Filter{Sort: "description"})), errs.Invalid)
}

func newRegistry(name string) store.Registry {
	return store.Registry{
		Name: name, Description: "a mirror", URL: "https://registry.example.com", Type: "docker-registry", CredentialType: "basic", AccessKey: "robot",
		AccessSecret: "sealed", Insecure: true, CACertificate: "-----BEGIN", Status: "healthy",
	}
}

func registryKeeper(s store.Store) keeper[store.Registry] {
	return keeper[store.Registry]{
		s.CreateRegistry, s.Registry, s.ListRegistries, s.CountRegistries, s.UpdateRegistry, s.DeleteRegistry,
		func(r *store.Registry) *int64 { return &r.ID }, func(r *store.Registry) *string { return &r.Name },
		func(r *store.Registry) { r.CreatedAt, r.UpdatedAt = when(0), when(0) },
	}
}

func registries(t *testing.T, s store.Store) {
	r := registryKeeper(s).keeps(t, newRegistry("mirror"), func(r *store.Registry) { r.AccessSecret, r.Insecure, r.Status = "", false, "unhealthy" })
	ok(t, "DeleteRegistry", s.DeleteRegistry(t.Context(), r.ID))
	_, err := s.Registry(t.Context(), r.ID)
	kind(t, "Registry that is gone", err, errs.NotFound)
}

func replicationPolicies(t *testing.T, s store.Store) {
	ctx := t.Context()
	from := must[store.Registry](t, "CreateRegistry")(s.CreateRegistry(ctx, newRegistry("from")))
	to := must[store.Registry](t, "CreateRegistry")(s.CreateRegistry(ctx, newRegistry("to")))
	p := store.ReplicationPolicy{
		Name: "nightly", Description: "all of it", SrcRegistryID: from.ID, DestNamespace: "mirror", DestNamespaceReplaceCount: -1,
		TriggerType: "scheduled", Cron: "0 0 3 * * *", ReplicateDeletion: true, Override: true, Enabled: true, Speed: -1, CopyByChunk: true, SingleActive: true,
		Creator: "alice", Filters: []store.ReplicationFilter{{Type: "name", Value: "library/**"}, {Type: "label", Labels: []string{"a", "b"}, Decoration: "matches"}},
	}
	k := keeper[store.ReplicationPolicy]{
		s.CreateReplicationPolicy, s.ReplicationPolicy, s.ListReplicationPolicies, s.CountReplicationPolicies, s.UpdateReplicationPolicy, s.DeleteReplicationPolicy,
		func(p *store.ReplicationPolicy) *int64 { return &p.ID }, func(p *store.ReplicationPolicy) *string { return &p.Name },
		func(p *store.ReplicationPolicy) { p.CreatedAt, p.UpdatedAt = when(0), when(0) },
	}
	got := k.keeps(t, p, func(p *store.ReplicationPolicy) { p.SrcRegistryID, p.DestRegistryID, p.Filters = 0, to.ID, nil })
	lost := p
	lost.Name, lost.SrcRegistryID = "lost", to.ID+900
	_, err := s.CreateReplicationPolicy(ctx, lost)
	kind(t, "CreateReplicationPolicy from nowhere", err, errs.NotFound)
	_, err = s.UpdateReplicationPolicy(ctx, got.ID, func(p *store.ReplicationPolicy) error { p.DestRegistryID = to.ID + 900; return nil })
	kind(t, "UpdateReplicationPolicy to nowhere", err, errs.NotFound)
	kind(t, "DeleteRegistry in use as a destination", s.DeleteRegistry(ctx, to.ID), errs.Precondition)
	must[store.ReplicationPolicy](t, "UpdateReplicationPolicy")(s.UpdateReplicationPolicy(ctx, got.ID, func(p *store.ReplicationPolicy) error {
		p.SrcRegistryID, p.DestRegistryID = from.ID, 0
		return nil
	}))
	kind(t, "DeleteRegistry in use as a source", s.DeleteRegistry(ctx, from.ID), errs.Precondition)
	for _, p := range all(t, "ListReplicationPolicies", s.ListReplicationPolicies(ctx, store.Filter{})) {
		ok(t, "DeleteReplicationPolicy", s.DeleteReplicationPolicy(ctx, p.ID))
	}
	ok(t, "DeleteRegistry out of use", s.DeleteRegistry(ctx, from.ID))
}

func newWebhook(projectID int64, name string) store.WebhookPolicy {
	return store.WebhookPolicy{
		ProjectID: projectID, Name: name, Description: "tells", Creator: "alice", Enabled: true, EventTypes: []string{"PUSH_ARTIFACT"},
		Targets: []store.WebhookTarget{{Type: "http", Address: "https://hooks.example.com", AuthHeader: "sealed", SkipCertVerify: true, PayloadFormat: "Default"}},
	}
}

func webhookPolicies(t *testing.T, s store.Store) {
	ctx := t.Context()
	team, other := project(t, s, "team"), project(t, s, "other")
	foreign := must[store.WebhookPolicy](t, "CreateWebhookPolicy")(s.CreateWebhookPolicy(ctx, newWebhook(other.ID, "m")))
	k := keeper[store.WebhookPolicy]{
		s.CreateWebhookPolicy,
		func(ctx context.Context, id int64) (store.WebhookPolicy, error) {
			return s.WebhookPolicy(ctx, team.ID, id)
		},
		func(ctx context.Context, f store.Filter) iter.Seq2[store.WebhookPolicy, error] {
			return s.ListWebhookPolicies(ctx, team.ID, f)
		},
		func(ctx context.Context, f store.Filter) (int, error) { return s.CountWebhookPolicies(ctx, team.ID, f) },
		func(ctx context.Context, id int64, fn func(*store.WebhookPolicy) error) (store.WebhookPolicy, error) {
			return s.UpdateWebhookPolicy(ctx, team.ID, id, func(p *store.WebhookPolicy) error {
				p.ProjectID = other.ID
				err := fn(p)
				p.ProjectID = other.ID
				return err
			})
		},
		func(ctx context.Context, id int64) error { return s.DeleteWebhookPolicy(ctx, team.ID, id) },
		func(p *store.WebhookPolicy) *int64 { return &p.ID }, func(p *store.WebhookPolicy) *string { return &p.Name },
		func(p *store.WebhookPolicy) { p.CreatedAt, p.UpdatedAt = when(0), when(0) },
	}
	k.keeps(t, newWebhook(team.ID, "tell"), func(p *store.WebhookPolicy) { p.Enabled, p.EventTypes = false, []string{"QUOTA_EXCEED"} })
	_, err := s.WebhookPolicy(ctx, team.ID, foreign.ID)
	kind(t, "WebhookPolicy of another project", err, errs.NotFound)
	_, err = s.UpdateWebhookPolicy(ctx, team.ID, foreign.ID, func(*store.WebhookPolicy) error { return nil })
	kind(t, "UpdateWebhookPolicy of another project", err, errs.NotFound)
	kind(t, "DeleteWebhookPolicy of another project", s.DeleteWebhookPolicy(ctx, team.ID, foreign.ID), errs.NotFound)
	_, err = s.CreateWebhookPolicy(ctx, newWebhook(other.ID+900, "lost"))
	kind(t, "CreateWebhookPolicy in no project", err, errs.NotFound)
	ok(t, "DeleteWebhookPolicy", s.DeleteWebhookPolicy(ctx, other.ID, foreign.ID))
}

func tagRule() store.TagRule {
	return store.TagRule{
		Priority: 1, Disabled: true, Action: "retain", Template: "latestPushedK", Params: map[string]int64{"latestPushedK": 3},
		TagSelectors:   []store.Selector{{Kind: "doublestar", Decoration: "matches", Pattern: "v*", Extras: `{"untagged":true}`}},
		ScopeSelectors: map[string][]store.Selector{"repository": {{Kind: "doublestar", Decoration: "repoMatches", Pattern: "**"}}},
	}
}

func retentionPolicies(t *testing.T, s store.Store) {
	ctx := t.Context()
	team, other := project(t, s, "team"), project(t, s, "other")
	p := store.RetentionPolicy{ProjectID: team.ID, Algorithm: "or", Rules: []store.TagRule{tagRule()}, TriggerKind: "Schedule", Cron: "0 0 0 * * *"}
	k := keeper[store.RetentionPolicy]{
		create: s.CreateRetentionPolicy, get: s.RetentionPolicy, remove: s.DeleteRetentionPolicy,
		list: func(ctx context.Context, _ store.Filter) iter.Seq2[store.RetentionPolicy, error] {
			return func(yield func(store.RetentionPolicy, error) bool) {
				ids, err := s.RetentionPoliciesOf(ctx, []int64{other.ID, team.ID})
				ok(t, "RetentionPoliciesOf", err)
				equal(t, "RetentionPoliciesOf", len(ids), 1)
				yield(s.RetentionPolicy(ctx, ids[team.ID]))
			}
		},
		update: func(ctx context.Context, id int64, fn func(*store.RetentionPolicy) error) (store.RetentionPolicy, error) {
			return s.UpdateRetentionPolicy(ctx, id, func(p *store.RetentionPolicy) error { err := fn(p); p.ProjectID = other.ID; return err })
		},
		id:     func(p *store.RetentionPolicy) *int64 { return &p.ID },
		stamps: func(p *store.RetentionPolicy) { p.CreatedAt, p.UpdatedAt = when(0), when(0) },
	}
	kept := k.keeps(t, p, func(p *store.RetentionPolicy) { p.Rules, p.Cron = nil, "" })
	_, err := s.CreateRetentionPolicy(ctx, p)
	kind(t, "CreateRetentionPolicy a second time", err, errs.Conflict)
	p.ProjectID = other.ID + 900
	_, err = s.CreateRetentionPolicy(ctx, p)
	kind(t, "CreateRetentionPolicy in no project", err, errs.NotFound)
	ok(t, "DeleteRetentionPolicy", s.DeleteRetentionPolicy(ctx, kept.ID))
	none := must[map[int64]int64](t, "RetentionPoliciesOf")(s.RetentionPoliciesOf(ctx, nil))
	equal(t, "RetentionPoliciesOf nothing", len(none), 0)
}

func immutableRules(t *testing.T, s store.Store) {
	ctx := t.Context()
	team, other := project(t, s, "team"), project(t, s, "other")
	foreign := must[store.ImmutableRule](t, "CreateImmutableRule")(s.CreateImmutableRule(ctx, store.ImmutableRule{ProjectID: other.ID, Rule: tagRule()}, 1))
	k := keeper[store.ImmutableRule]{
		create: func(ctx context.Context, r store.ImmutableRule) (store.ImmutableRule, error) {
			return s.CreateImmutableRule(ctx, r, 15)
		},
		get: func(ctx context.Context, id int64) (store.ImmutableRule, error) {
			return s.ImmutableRule(ctx, team.ID, id)
		},
		list: func(ctx context.Context, f store.Filter) iter.Seq2[store.ImmutableRule, error] {
			return s.ListImmutableRules(ctx, team.ID, f)
		},
		update: func(ctx context.Context, id int64, fn func(*store.ImmutableRule) error) (store.ImmutableRule, error) {
			return s.UpdateImmutableRule(ctx, team.ID, id, func(r *store.ImmutableRule) error { err := fn(r); r.ProjectID = other.ID; return err })
		},
		remove: func(ctx context.Context, id int64) error { return s.DeleteImmutableRule(ctx, team.ID, id) },
		id:     func(r *store.ImmutableRule) *int64 { return &r.ID },
		stamps: func(r *store.ImmutableRule) { r.CreatedAt, r.UpdatedAt, r.Rule.ID = when(0), when(0), 0 },
	}
	r := k.keeps(t, store.ImmutableRule{ProjectID: team.ID, Rule: tagRule()}, func(r *store.ImmutableRule) { r.Rule.Disabled, r.Rule.Priority = false, 7 })
	equal(t, "the rule's id", r.Rule.ID, r.ID)
	equal(t, "CountImmutableRules", must[int](t, "CountImmutableRules")(s.CountImmutableRules(ctx, team.ID, store.Filter{})), 1)
	_, err := s.ImmutableRule(ctx, team.ID, foreign.ID)
	kind(t, "ImmutableRule of another project", err, errs.NotFound)
	_, err = s.UpdateImmutableRule(ctx, team.ID, foreign.ID, func(*store.ImmutableRule) error { return nil })
	kind(t, "UpdateImmutableRule of another project", err, errs.NotFound)
	kind(t, "DeleteImmutableRule of another project", s.DeleteImmutableRule(ctx, team.ID, foreign.ID), errs.NotFound)
	_, err = s.CreateImmutableRule(ctx, store.ImmutableRule{ProjectID: other.ID, Rule: tagRule()}, 1)
	kind(t, "CreateImmutableRule beyond the most", err, errs.Precondition)
	_, err = s.CreateImmutableRule(ctx, store.ImmutableRule{ProjectID: other.ID + 900, Rule: tagRule()}, 1)
	kind(t, "CreateImmutableRule in no project", err, errs.NotFound)
	ok(t, "DeleteImmutableRule", s.DeleteImmutableRule(ctx, team.ID, r.ID))
}

// crowdOfImmutableRules: of several who add rules at once, no more get through than there may be.
func crowdOfImmutableRules(t *testing.T, s store.Store) {
	team := project(t, s, "team")
	var made atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, err := s.CreateImmutableRule(t.Context(), store.ImmutableRule{ProjectID: team.ID, Rule: tagRule()}, 3)
			if err == nil {
				made.Add(1)
			} else if !errs.Is(err, errs.Precondition) {
				t.Errorf("CreateImmutableRule in a crowd = %v, want Precondition at the worst", err)
			}
		})
	}
	wg.Wait()
	equal(t, "rules that were made", made.Load(), 3)
}

func labels(t *testing.T, s store.Store) {
	ctx := t.Context()
	team, other := project(t, s, "team"), project(t, s, "other")
	for _, p := range []store.Project{{}, other} { // the same names elsewhere
		must[store.Label](t, "CreateLabel")(s.CreateLabel(ctx, store.Label{Name: "m", ProjectID: p.ID}))
		_, err := s.CreateLabel(ctx, store.Label{Name: "m", ProjectID: p.ID})
		kind(t, "CreateLabel with a taken name", err, errs.Conflict)
	}
	within := func(f store.Filter) store.Filter { f.Project = team.ID; return f }
	k := keeper[store.Label]{
		s.CreateLabel, s.Label,
		func(ctx context.Context, f store.Filter) iter.Seq2[store.Label, error] {
			return s.ListLabels(ctx, within(f))
		},
		func(ctx context.Context, f store.Filter) (int, error) { return s.CountLabels(ctx, within(f)) },
		func(ctx context.Context, id int64, fn func(*store.Label) error) (store.Label, error) {
			return s.UpdateLabel(ctx, id, func(l *store.Label) error { err := fn(l); l.ProjectID = other.ID; return err })
		},
		s.DeleteLabel,
		func(l *store.Label) *int64 { return &l.ID }, func(l *store.Label) *string { return &l.Name },
		func(l *store.Label) { l.CreatedAt, l.UpdatedAt = when(0), when(0) },
	}
	k.keeps(t, store.Label{Name: "stable", Description: "for all", Color: "#00ff00", ProjectID: team.ID}, func(l *store.Label) { l.Color, l.Description = "", "none" })
	equal(t, "CountLabels of the global ones", must[int](t, "CountLabels")(s.CountLabels(ctx, store.Filter{})), 1)
	_, err := s.CreateLabel(ctx, store.Label{Name: "lost", ProjectID: other.ID + 900})
	kind(t, "CreateLabel in no project", err, errs.NotFound)
	for _, l := range all(t, "ListLabels", s.ListLabels(ctx, store.Filter{})) {
		ok(t, "DeleteLabel", s.DeleteLabel(ctx, l.ID))
	}
	equal(t, "CountLabels of the global ones", must[int](t, "CountLabels")(s.CountLabels(ctx, store.Filter{})), 0)
}

// policiesOfDeletedProjects: what is of a project ends with it, and nothing else does.
func policiesOfDeletedProjects(t *testing.T, s store.Store) {
	ctx := t.Context()
	left := func(p store.Project) (n int) {
		n += len(all(t, "ListWebhookPolicies", s.ListWebhookPolicies(ctx, p.ID, store.Filter{})))
		n += len(all(t, "ListImmutableRules", s.ListImmutableRules(ctx, p.ID, store.Filter{})))
		n += len(all(t, "ListLabels", s.ListLabels(ctx, store.Filter{Project: p.ID})))
		return n + len(must[map[int64]int64](t, "RetentionPoliciesOf")(s.RetentionPoliciesOf(ctx, []int64{p.ID})))
	}
	team, other := project(t, s, "team"), project(t, s, "other")
	for _, p := range []store.Project{team, other} {
		must[store.WebhookPolicy](t, "CreateWebhookPolicy")(s.CreateWebhookPolicy(ctx, newWebhook(p.ID, "tell")))
		must[store.ImmutableRule](t, "CreateImmutableRule")(s.CreateImmutableRule(ctx, store.ImmutableRule{ProjectID: p.ID, Rule: tagRule()}, 15))
		must[store.Label](t, "CreateLabel")(s.CreateLabel(ctx, store.Label{Name: "stable", ProjectID: p.ID}))
		must[store.RetentionPolicy](t, "CreateRetentionPolicy")(s.CreateRetentionPolicy(ctx, store.RetentionPolicy{ProjectID: p.ID, Algorithm: "or"}))
	}
	equal(t, "what is of a project", left(team), 4)
	ok(t, "DeleteProject", s.DeleteProject(ctx, team.ID))
	equal(t, "what is left of a deleted project", left(team), 0)
	equal(t, "what is of another project", left(other), 4)
}
