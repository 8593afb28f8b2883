package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/policy"
)

// rulesOf returns a policy of n rules, the one that decides being the last.
func rulesOf(n int) string {
	var b strings.Builder
	for i := range n - 1 {
		fmt.Fprintf(&b, "p, role%d, repository, group%d/**, pull, allow\n", i, i)
	}
	b.WriteString("p, developer, repository, **, pull|push, allow\n")
	return b.String()
}

// BenchmarkAuthorize measures one push scope of a member. "uncached" is casbin's own speed.
func BenchmarkAuthorize(b *testing.B) {
	scope := auth.Scope{{Type: auth.TypeRepository, Name: "team/app", Actions: []auth.Action{auth.ActionPull, auth.ActionPush}}}
	for _, bm := range []struct {
		name, rules string
		opts        []policy.Option
	}{
		{"rules=10/cached", rulesOf(10), nil},
		{"rules=10/uncached", rulesOf(10), []policy.Option{policy.WithCacheSize(0)}},
		{"default/cached", "", nil},
		{"default/uncached", "", []policy.Option{policy.WithCacheSize(0)}},
		{"rules=1000/cached", rulesOf(1000), nil},
	} {
		b.Run(bm.name, func(b *testing.B) {
			w := open(b, bm.rules, bm.opts...)
			b.ReportAllocs()
			for b.Loop() {
				d, err := w.Authorize(b.Context(), subject("alice"), scope)
				if err != nil || len(d.Granted) != 1 {
					b.Fatalf("Authorize(alice, %s) = %v, %v, want it granted", scope, d, err)
				}
			}
		})
	}
}

// BenchmarkDecide measures one question of the REST API.
func BenchmarkDecide(b *testing.B) {
	w := open(b, "")
	b.ReportAllocs()
	for b.Loop() {
		r, err := w.Decide(b.Context(), subject("alice"), auth.Access{Resource: "member", Project: "team", Action: "list"})
		if err != nil || !r.Allowed {
			b.Fatalf("Decide(alice, list members) = %v, %v, want it allowed", r, err)
		}
	}
}

// BenchmarkOpen measures loading a large policy.
func BenchmarkOpen(b *testing.B) {
	w := open(b, rulesOf(100_000))
	for b.Loop() {
		if _, err := w.Reload(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
