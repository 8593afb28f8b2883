package storetest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

func policyRevisions(t *testing.T, s store.Store) {
	ctx := t.Context()
	_, err := s.LatestPolicyRevision(ctx)
	kind(t, "LatestPolicyRevision of none", err, errs.NotFound)
	keep := func(author, rules string) store.PolicyRevision {
		return must[store.PolicyRevision](t, "AppendPolicyRevision")(s.AppendPolicyRevision(ctx, store.PolicyRevision{
			Author: author, Comment: "why: " + author, Model: "[model]\n", Rules: rules, Fingerprint: "f-" + author,
		}))
	}
	long := strings.Repeat("p, user:ü, repository, **, pull, allow\n", 50_000)
	first, second, third := keep("alice", "one"), keep("", long), keep("bob", "three")
	for _, want := range []store.PolicyRevision{first, second, third} {
		got := must[store.PolicyRevision](t, "PolicyRevision")(s.PolicyRevision(ctx, want.ID))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("PolicyRevision differs from what was kept (-want +got):\n%.500s", diff)
		}
	}
	latest := must[store.PolicyRevision](t, "LatestPolicyRevision")(s.LatestPolicyRevision(ctx))
	equal(t, "LatestPolicyRevision", latest.ID, third.ID)
	_, err = s.PolicyRevision(ctx, third.ID+1)
	kind(t, "PolicyRevision of an unknown id", err, errs.NotFound)

	want := []store.PolicyRevision{third, second, first}
	if diff := cmp.Diff(want, all(t, "ListPolicyRevisions", s.ListPolicyRevisions(ctx, store.Filter{})), cmpopts.IgnoreFields(store.PolicyRevision{}, "Model", "Rules")); diff != "" {
		t.Errorf("ListPolicyRevisions (-want +got):\n%.500s", diff)
	}
	for _, r := range all(t, "ListPolicyRevisions", s.ListPolicyRevisions(ctx, store.Filter{Limit: 2})) {
		if r.Rules != "" || r.Model != "" {
			t.Errorf("the list holds the text of revision %d", r.ID)
		}
	}
	equal(t, "CountPolicyRevisions of bob", must[int](t, "CountPolicyRevisions")(s.CountPolicyRevisions(ctx, store.Filter{Subject: "bob"})), 1)
	_, err = s.AppendPolicyRevision(ctx, store.PolicyRevision{Rules: strings.Repeat("x", store.MaxPolicyText+1)})
	kind(t, "AppendPolicyRevision that is too long", err, errs.Invalid)
	_, err = s.AppendPolicyRevision(ctx, store.PolicyRevision{Rules: "a\x00b"})
	kind(t, "AppendPolicyRevision with NUL", err, errs.Invalid)
}
