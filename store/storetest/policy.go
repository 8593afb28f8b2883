package storetest

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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
		}, ""))
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

	_, err = s.AppendPolicyRevision(ctx, store.PolicyRevision{Rules: "four"}, second.Fingerprint)
	kind(t, "AppendPolicyRevision over one that is not the newest", err, errs.Precondition)

	at := must[store.PolicyRevision](t, "PolicyRevisionAt")(s.PolicyRevisionAt(ctx, third.Time))
	equal(t, "PolicyRevisionAt", at.ID, third.ID)
	_, err = s.PolicyRevisionAt(ctx, first.Time.Add(-time.Second))
	kind(t, "PolicyRevisionAt a time before all", err, errs.NotFound)

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
	_, err = s.AppendPolicyRevision(ctx, store.PolicyRevision{Rules: strings.Repeat("x", store.MaxPolicyText+1)}, "")
	kind(t, "AppendPolicyRevision that is too long", err, errs.Invalid)
	_, err = s.AppendPolicyRevision(ctx, store.PolicyRevision{Rules: "a\x00b"}, "")
	kind(t, "AppendPolicyRevision with NUL", err, errs.Invalid)
}

// policyRace has several write over the same revision: one of them does.
func policyRace(t *testing.T, s store.Store) {
	ctx := t.Context()
	keep := func(by, over string) error {
		_, err := s.AppendPolicyRevision(ctx, store.PolicyRevision{Author: by, Rules: by, Fingerprint: "f-" + by}, over)
		return err
	}
	ok(t, "AppendPolicyRevision", keep("alice", ""))
	var wg sync.WaitGroup
	var won atomic.Int32
	for i := range 8 {
		wg.Go(func() {
			if err := keep(fmt.Sprint("bob", i), "f-alice"); err == nil {
				won.Add(1)
			} else {
				kind(t, "AppendPolicyRevision over a revision that another one follows", err, errs.Precondition)
			}
		})
	}
	wg.Wait()
	equal(t, "AppendPolicyRevision over the same revision, how many did", won.Load(), 1)
	for i := range 8 {
		wg.Go(func() { ok(t, "AppendPolicyRevision over whatever is there", keep(fmt.Sprint("eve", i), "")) })
	}
	wg.Wait()
	equal(t, "CountPolicyRevisions", must[int](t, "CountPolicyRevisions")(s.CountPolicyRevisions(ctx, store.Filter{})), 10)
}
