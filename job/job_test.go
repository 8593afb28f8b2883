package job_test

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/job"
	"github.com/sealock/sealock/store"
)

func TestCheckCron(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{
		"0 0 0 * * *": true, "0 30 3 * * 1-5": true, "0 */5 * * * *": true, "0 0 0 29 2 *": true, "0 0 0 ? * MON": true, "0  0 0 1 JAN *": true,
		"": false, "0 0 * * *": false, "0 0 0 * * * *": false, "* 0 0 * * *": false, "*/5 * * * * *": false, "1 0 0 * * *": false,
		"0 60 0 * * *": false, "0 0 24 * * *": false, "0 0 0 30 2 *": false, "0 0 0 31 4,6 *": false, "@daily": false, "TZ=UTC 0 0 * * *": false,
		"@every 1s": false, "CRON_TZ=UTC 0 0 0 * * *": false, "0 0 0 * * x": false, "0 \x00 0 * * *": false, "0\v0 0 * * *": false, "0\v0 0 * * * *": false,
	} {
		err := job.CheckCron(text)
		if (err == nil) != good {
			t.Errorf("CheckCron(%q) = %v, want good: %v", text, err, good)
		}
		if err != nil && (!errs.Is(err, errs.Invalid) || errs.As(err).Hint == "") {
			t.Errorf("CheckCron(%q) = %v, want Invalid with a remedy", text, err)
		}
	}
}

func FuzzCheckCron(f *testing.F) {
	for _, seed := range []string{"0 0 0 * * *", "0 */5 * * * *", "0 0 0 30 2 *", "@every 1s", "0 9-1 0 * * *"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if err := job.CheckCron(text); err == nil && !regexp.MustCompile(`^\s*0(\s+\S+){5}\s*$`).MatchString(text) {
			t.Errorf("CheckCron(%q) = nil, want six fields and the second 0", text)
		}
	})
}

func TestValidPattern(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"**": true, "*": true, "v*": true, "{a,b}": true, "release-[0-9]*": true, "[!a]b": true, "[^a-c]": true, "library/**": true, "v1.?": true, "a_b-c": true,
		"": false, "{a": false, "a}": false, "[a": false, "[]": false, "[{]x": false, "[/]": false, `a\*`: false, "a b": false, "é": false, "a:b": false,
		"{a,b}{a,b}{a,b}{a,b}{a,b}": false, strings.Repeat("a", 513): false, "\x00": false, "[a]]": false, "[z-a]": true,
	} {
		if got := job.ValidPattern(text); got != want {
			t.Errorf("ValidPattern(%q) = %v, want %v", text, got, want)
		}
	}
}

func selectors(pattern string, excludes ...string) []store.Selector {
	list := []store.Selector{{Kind: "doublestar", Decoration: job.TagMatches, Pattern: pattern}}
	for _, e := range excludes {
		list = append(list, store.Selector{Kind: "doublestar", Decoration: job.TagExcludes, Pattern: e})
	}
	return list
}

func TestSelected(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		selectors []store.Selector
		name      string
		want      bool
	}{
		{selectors("**"), "v1", true},
		{selectors("v*"), "v1", true},
		{selectors("v*"), "dev1", false},
		{selectors("{main,v*}"), "main", true},
		{selectors("a/**"), "a/b/c", true},
		{selectors("a/*"), "a/b/c", false},
		{selectors("**", "*-rc*"), "v1-rc1", false},
		{selectors("**", "*-rc*"), "v1", true},
		{selectors("v[0-9]"), "v10", false},
	} {
		if got := job.Selected(c.selectors, c.name); got != c.want {
			t.Errorf("Selected(%+v, %q) = %v, want %v", c.selectors, c.name, got, c.want)
		}
	}
}

// TestPatternsMeanWhatTheySay: a name that is spelled by the alternatives and letters of a pattern matches it, whatever
// pattern was let through, and no pattern that has a letter that the name lacks does.
func TestPatternsMeanWhatTheySay(t *testing.T) {
	t.Parallel()
	letters := "abv01._-"
	r := rand.New(rand.NewPCG(1, 2))
	word := func() (s string) {
		for range 1 + r.IntN(3) {
			s += string(letters[r.IntN(len(letters))])
		}
		return s
	}
	for range 3000 {
		pattern, name := "", ""
		for range 1 + r.IntN(3) {
			one, other := word(), word()
			switch r.IntN(4) {
			case 0:
				pattern, name = pattern+one, name+one
			case 1:
				pattern, name = pattern+"*", name+one
			case 2:
				pattern, name = pattern+"{"+one+","+other+"}", name+[]string{one, other}[r.IntN(2)]
			default:
				pattern, name = pattern+"[a-b0-1]", name+string("ab01"[r.IntN(4)])
			}
		}
		if !job.ValidPattern(pattern) {
			t.Errorf("ValidPattern(%q) = false, want true", pattern)
			continue
		}
		if !job.Selected(selectors(pattern), name) {
			t.Errorf("Selected(%q, %q) = false, want true", pattern, name)
		}
		if job.Selected(selectors(pattern+"Z"), name) || job.Selected(selectors("**", pattern), name) {
			t.Errorf("%q with a Z behind it, or excluded, selects %q: want it not to", pattern, name)
		}
	}
}

func FuzzValidPattern(f *testing.F) {
	for _, seed := range []string{"**", "{a,b}", "[a-z]*", "[{]", "a}", `\`, "{{a,b},c}"} {
		f.Add(seed, "a")
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if !job.ValidPattern(pattern) {
			return
		}
		if _, err := doublestar.Match(pattern, name); err != nil {
			t.Errorf("ValidPattern(%q) = true, and the library says %v", pattern, err)
		}
		_ = job.Selected(selectors(pattern), name) // does not panic
	})
}

func TestSameOrigin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"https://a.example.com", "https://A.example.com:443/v2", true},
		{"http://a.example.com", "http://a.example.com:80", true},
		{"https://a.example.com", "http://a.example.com", false},
		{"https://a.example.com", "https://a.example.com:8443", false},
		{"https://a.example.com", "https://a.example.com@evil.example.com", false},
		{"https://a.example.com", "https://evil.example.com/a.example.com", false},
		{"", "", false},
		{"%", "%", false},
	} {
		if got := job.SameOrigin(c.a, c.b); got != c.want {
			t.Errorf("SameOrigin(%q, %q) = %v, want %v", c.a, c.b, got, c.want)
		}
	}
}
