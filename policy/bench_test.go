package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sealock/sealock/auth"
)

// rulesOf returns a policy of n rules, the one that decides being the last: half of them for other roles, half for the
// asker's role and other repositories, in all kinds of patterns.
func rulesOf(n int) string {
	var b strings.Builder
	for i := range n - 1 {
		switch i % 4 {
		case 0:
			fmt.Fprintf(&b, "p, role%d, repository, group%d/**, pull, allow\n", i, i)
		case 1:
			fmt.Fprintf(&b, "p, developer, repository, team%d/**, pull, deny\n", i)
		case 2:
			fmt.Fprintf(&b, "p, developer, repository, team/lib-%d-*, push, deny\n", i)
		default:
			fmt.Fprintf(&b, "p, user:user%d, repository, team/app, pull, deny\n", i)
		}
	}
	b.WriteString("p, developer, repository, **, pull|push, allow\n")
	return b.String()
}

// BenchmarkAuthorize measures one push scope of a member.
func BenchmarkAuthorize(b *testing.B) {
	scope := auth.Scope{{Type: auth.TypeRepository, Name: "team/app", Actions: []auth.Action{auth.ActionPull, auth.ActionPush}}}
	for _, bm := range []struct{ name, rules string }{
		{"rules=10", rulesOf(10)},
		{"rules=1000", rulesOf(1000)},
		{"rules=100000", rulesOf(100_000)},
		{"default", ""},
	} {
		b.Run(bm.name, func(b *testing.B) {
			w := open(b, bm.rules)
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
