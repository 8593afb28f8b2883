package auth_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
)

// The shapes that clients were seen to send (protocol notes, section 3.1).
func TestParseScope(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   []string
		want string
	}{
		{"none", nil, ""},
		{"empty", []string{""}, ""},
		{"one", []string{"repository:team/app:pull"}, "repository:team/app:pull"},
		{"repeated", []string{"repository:a/b:pull,push", "repository:c/d:pull"}, "repository:a/b:pull,push repository:c/d:pull"},
		{"spaces", []string{"repository:a/b:pull repository:c/d:pull"}, "repository:a/b:pull repository:c/d:pull"},
		{"both", []string{"repository:b/b:pull,push repository:a/a:pull", "repository:b/b:push,pull"}, "repository:b/b:pull,push repository:a/a:pull"},
		{"containerd", []string{"repository:x/y:pull repository:x/y:pull,push repository:z/z:pull"}, "repository:x/y:pull,push repository:z/z:pull"},
		{"all", []string{"repository:sk/img2:*"}, "repository:sk/img2:*"},
		{"catalog", []string{"registry:catalog:*"}, "registry:catalog:*"},
		{"plugin", []string{"repository(plugin):plug/in:pull", "repository:plug/in:pull"}, "repository:plug/in:pull"},
		{"port", []string{"repository:localhost:5000/foo:pull"}, "repository:localhost:5000/foo:pull"},
		{"host", []string{"repository:Hub.example.com:443/a/b:push"}, "repository:Hub.example.com:443/a/b:push"},
		{"no actions", []string{"repository:a/b:"}, "repository:a/b:"},
		{"separators", []string{"repository:a_b/c__d/e.f/g---h:pull"}, "repository:a_b/c__d/e.f/g---h:pull"},
		{"unknown type", []string{"artifact:x:read"}, "artifact:x:read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := auth.ParseScope(tt.in)
			if err != nil {
				t.Fatalf("ParseScope(%q): %v", tt.in, err)
			}
			if got.String() != tt.want {
				t.Errorf("ParseScope(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestParseScopeRefuses(t *testing.T) {
	for _, in := range []string{
		"repository", "repository:a/b", ":a/b:pull", "Repository:a/b:pull", "repository::pull", "repository:A/b:pull",
		"repository:a//b:pull", "repository:/a:pull", "repository:a/:pull", "repository:a/../b:pull", "repository:a b:pull",
		"repository:a/b:Pull", "repository:a/b:pull;push", "repository:a/*:pull", "repository:*:pull", "repository:a/b:**",
		"repository(plugin:a/b:pull", "repository():a/b:pull", "repository:a\x00b:pull", "repository:a/b\n:pull",
		"repository:localhost:5000:pull", "repository:localhost:/foo:pull", "repository:-h:1/foo:pull", "repository:a___b:pull",
		"repository:a..b:pull", "repository:a._b:pull", "repository:.a:pull", "repository:a-:pull", "repository:ünïcode/x:pull",
		"repository:" + strings.Repeat("a", 256) + ":pull",
		"repository:h:123456/foo:pull",
	} {
		got, err := auth.ParseScope([]string{in})
		if !errs.Is(err, errs.Invalid) {
			t.Errorf("ParseScope(%q) = %v, %v, want an error of kind invalid", in, got, err)
		}
	}
}

func TestParseScopeLimits(t *testing.T) {
	many := make([]string, auth.MaxResources+1)
	for i := range many {
		many[i] = "repository:a/b" + strings.Repeat("c", i/26) + string(rune('a'+i%26)) + ":pull"
	}
	if _, err := auth.ParseScope(many); !errs.Is(err, errs.Invalid) {
		t.Errorf("ParseScope(%d resources) = %v, want an error of kind invalid", len(many), err)
	}
	if _, err := auth.ParseScope([]string{strings.Repeat(" ", auth.MaxScopeLength+1)}); !errs.Is(err, errs.Invalid) {
		t.Errorf("ParseScope(%d bytes) = %v, want an error of kind invalid", auth.MaxScopeLength+1, err)
	}
}

func TestScopeAllows(t *testing.T) {
	s, err := auth.ParseScope([]string{"repository:a/b:pull registry:catalog:* repository:c/d:*"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		typ    auth.ResourceType
		name   string
		action auth.Action
		want   bool
	}{
		{auth.TypeRepository, "a/b", auth.ActionPull, true},
		{auth.TypeRepository, "a/b", auth.ActionPush, false},
		{auth.TypeRepository, "a", auth.ActionPull, false},
		{auth.TypeRepository, "c/d", auth.ActionDelete, true},
		{auth.TypeRegistry, auth.CatalogName, auth.ActionAll, true},
		{auth.TypeRegistry, "a/b", auth.ActionPull, false},
	} {
		if got := s.Allows(tt.typ, tt.name, tt.action); got != tt.want {
			t.Errorf("Allows(%s, %s, %s) = %v, want %v", tt.typ, tt.name, tt.action, got, tt.want)
		}
	}
}

func TestProject(t *testing.T) {
	for in, want := range map[string]string{"team/app": "team", "team/a/b": "team"} {
		if got, ok := auth.Project(in); got != want || !ok {
			t.Errorf("Project(%q) = %q, %v, want %q, true", in, got, ok, want)
		}
	}
	if got, ok := auth.Project("app"); ok {
		t.Errorf("Project(app) = %q, true, want false", got)
	}
}

// What is parsed prints as something that parses to the same.
func FuzzParseScope(f *testing.F) {
	for _, s := range []string{"repository:a/b:pull,push", "repository(plugin):a/b:*", "registry:catalog:*", "repository:h:5000/a:pull x:y:z", ":::", "a:b:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		first, err := auth.ParseScope([]string{in})
		if err != nil {
			if !errs.Is(err, errs.Invalid) {
				t.Fatalf("ParseScope(%q) fails with %v, want kind invalid", in, err)
			}
			return
		}
		for _, r := range first {
			if strings.ContainsAny(r.Name, "*\" \t\n\\") || strings.Contains(r.Name, "..") {
				t.Fatalf("ParseScope(%q) lets the name %q through", in, r.Name)
			}
		}
		second, err := auth.ParseScope([]string{first.String()})
		if err != nil {
			t.Fatalf("ParseScope(%q), printed by ParseScope(%q), fails: %v", first, in, err)
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Fatalf("ParseScope(%q) does not survive printing (-first +second):\n%s", in, diff)
		}
	})
}
