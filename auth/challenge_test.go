package auth_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
)

func TestChallengeString(t *testing.T) {
	c := auth.Challenge{
		Realm: "http://localhost:8080/service/token", Service: `a"b\c` + "\r\n",
		Scope: auth.Scope{{Type: auth.TypeRepository, Name: "a/b", Actions: []auth.Action{auth.ActionPull, auth.ActionPush}}},
		Error: "insufficient_scope",
	}
	want := `Bearer realm="http://localhost:8080/service/token",service="a\"b\\c",scope="repository:a/b:pull,push",error="insufficient_scope"`
	if got := c.String(); got != want {
		t.Errorf("String() = %s, want %s", got, want)
	}
}

func TestParseChallenge(t *testing.T) {
	in := `bearer  Realm = "https://h/token" , service=svc, scope="repository:a/b:push,pull repository:c/d:pull",x="y\"z" `
	got, err := auth.ParseChallenge(in)
	if err != nil {
		t.Fatalf("ParseChallenge(%s): %v", in, err)
	}
	want := auth.Challenge{Realm: "https://h/token", Service: "svc", Scope: auth.Scope{
		{Type: auth.TypeRepository, Name: "a/b", Actions: []auth.Action{auth.ActionPush, auth.ActionPull}},
		{Type: auth.TypeRepository, Name: "c/d", Actions: []auth.Action{auth.ActionPull}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ParseChallenge (-want +got):\n%s", diff)
	}
}

func TestParseChallengeRefuses(t *testing.T) {
	for _, in := range []string{
		"", "Bearer", "Basic realm=x", `Bearer realm="x`, `Bearer realm="x\`, `Bearer service=x`, `Bearer realm="x" service=y`,
		`Bearer realm=x,realm=y`, `Bearer realm=x,scope="BAD:x"`, `Bearer realm=`, `Bearer =x`, "Bearer realm=a b",
	} {
		if got, err := auth.ParseChallenge(in); !errs.Is(err, errs.Invalid) {
			t.Errorf("ParseChallenge(%q) = %v, %v, want an error of kind invalid", in, got, err)
		}
	}
}

// What is parsed prints as something that parses to the same.
func FuzzParseChallenge(f *testing.F) {
	for _, s := range []string{`Bearer realm="x",service="y",scope="repository:a/b:pull"`, `Bearer realm=x, error=invalid_token`, `Bearer realm="a\"b"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		first, err := auth.ParseChallenge(in)
		if err != nil {
			return
		}
		for _, r := range first.Realm + first.Service + first.Error {
			if r < ' ' || r == 0x7f {
				return // String drops control characters on purpose
			}
		}
		second, err := auth.ParseChallenge(first.String())
		if err != nil {
			t.Fatalf("ParseChallenge(%s), printed from %q, fails: %v", first, in, err)
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Fatalf("ParseChallenge(%q) does not survive printing (-first +second):\n%s", in, diff)
		}
	})
}
