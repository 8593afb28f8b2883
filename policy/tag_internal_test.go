package policy

import (
	"testing"

	"github.com/sealock/sealock/auth"
)

// Who may delete some tags may not delete all, and who may not delete some may not delete all either.
func TestEveryTag(t *testing.T) {
	t.Parallel()
	for rules, want := range map[string]bool{
		"p, user:a, repository, team/app, delete, allow\n":                                                   true,
		"p, user:a, repository, team/app:*, delete, allow\n":                                                 true,
		"p, user:a, repository, team/app:tmp*, delete, allow\n":                                              false,
		"p, user:a, repository, team/app, delete, allow\np, user:a, repository, team/app:v*, delete, deny\n": false,
	} {
		src := defaultSource()
		src.rules = []byte(rules)
		g, findings, err := compile(src)
		if err != nil || g == nil {
			t.Fatalf("compile(%q) = %v, %v", rules, findings, err)
		}
		k := key{who: g.roleSet(subjectNamed("a")), resource: "repository", name: "team/app", action: "delete", tag: auth.EveryTag}
		got, err := g.decide(k, moment{})
		plain, err2 := g.enforce(k, moment{})
		if err != nil || err2 != nil || got.allowed != want || plain.allowed != want {
			t.Errorf("%q: decide = %v, %v, casbin %v, %v, want %v", rules, got.allowed, err, plain.allowed, err2, want)
		}
	}
}

func TestConditionsThatNeverOrAlwaysHeld(t *testing.T) {
	t.Parallel()
	c, bad := parseCondition("from=::ffff:10.0.0.0/104")
	if bad.what != "" || !c.holds(moment{addr: addressOf("::ffff:10.1.2.3")}, false) {
		t.Errorf("from=::ffff:10.0.0.0/104 with 10.1.2.3 = %v, want it to hold", bad)
	}
	if _, bad := parseCondition("time=8:00-08:00"); bad.what == "" {
		t.Error("time=8:00-08:00 is no part of a day, and was read as all of it")
	}
}

func TestProposedLineReadsBack(t *testing.T) {
	t.Parallel()
	want := []string{"g", `user:b, "c" `, "developer", "team"}
	got, bad := splitFields(joinFields(want))
	if bad.what != "" || len(got) != len(want) || got[1] != want[1] {
		t.Errorf("splitFields(joinFields(%q)) = %q, %v, want the same", want, got, bad)
	}
}
