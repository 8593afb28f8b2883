package main

import (
	"testing"
	"time"

	"github.com/sealock/sealock/api/client"
)

func TestParseExpires(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for in, want := range map[string]string{
		"": "default", "never": "never", "30d": "2030-02-01T03:04:05Z", "12h": "2030-01-02T15:04:05Z", "2031-01-31": "2031-01-31T00:00:00Z",
		"2031-01-31T01:02:03Z": "2031-01-31T01:02:03Z",
		"0d":                   "error", "-1d": "error", "1.5d": "error", "99999d": "error", "-1h": "error", "0s": "error", "soon": "error", "Never": "error", "d": "error",
	} {
		end, never, err := parseExpires(in, now)
		got := "default"
		switch {
		case err != nil:
			got = "error"
		case never != nil && *never && end == nil:
			got = "never"
		case end != nil:
			got = end.Format(time.RFC3339)
		}
		if got != want {
			t.Errorf("parseExpires(%q) = %s, %v, want %s", in, got, err, want)
		}
	}
}

func TestScopeText(t *testing.T) {
	t.Parallel()
	for want, scope := range map[string][]client.Permission{
		"all":                  nil,
		"team:pull":            {{Project: pointer("team"), Actions: []string{"pull"}}},
		"*/app-*:pull,push":    {{Project: pointer("*"), Repositories: []string{"app-*"}, Actions: []string{"pull", "push"}}},
		"team/{a,b}:pull":      {{Project: pointer("team"), Repositories: []string{"a", "b"}, Actions: []string{"pull"}}},
		"@system user:list":    {{Resource: pointer("user"), Actions: []string{"list"}}},
		"a:pull b member:list": {{Project: pointer("a"), Actions: []string{"pull"}}, {Project: pointer("b"), Resource: pointer("member"), Actions: []string{"list"}}},
	} {
		if got := scopeText(scope); got != want {
			t.Errorf("scopeText(%+v) = %q, want %q", scope, got, want)
		}
	}
}

func TestShellWord(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"alice": "alice", "bob@corp": "bob@corp", "o'brien": `'o'\''brien'`, "a b": "'a b'", "$(id)": "'$(id)'", "": "''"} {
		if got := shellWord(in); got != want {
			t.Errorf("shellWord(%q) = %s, want %s", in, got, want)
		}
	}
}
