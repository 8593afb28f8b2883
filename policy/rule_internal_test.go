package policy

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
)

// FuzzPattern holds the short cuts of pattern.match against the library that says what patterns mean.
func FuzzPattern(f *testing.F) {
	for _, p := range []string{"**", "*", "team", "team/**", "team/*", "te?m/**", "{a,b}/**", "[a-m]*", `t\eam`, "a/**/b", "**/**", "/**", "team/**/", "[!a-c]*/x", `[a\]b]`, "team/*:v*"} {
		for _, name := range []string{"team", "teams", "teams/app", "team/app", "team/a/b", "a", "a/b", "t", ""} {
			f.Add(p, name)
		}
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		if !utf8.ValidString(text) || !utf8.ValidString(name) {
			return // the file's parser lets none through, and no name has any
		}
		p, valid := newPattern(text)
		if !valid {
			return
		}
		repository, _, _ := strings.Cut(text, ":") // the rest is for tags
		want, err := doublestar.Match(repository, name)
		if name == SystemLevel {
			want = repository == SystemLevel
		}
		if got := p.match(name); err != nil || got != want {
			t.Errorf("pattern %q match(%q) = %v, want %v, %v", text, name, got, want, err)
		}
	})
}
