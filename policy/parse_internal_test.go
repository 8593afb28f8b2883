package policy

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// FuzzParseLines wants that no file makes the parser fail, that each finding names a line of the file, and that what
// was read reads the same when it is written in quotes.
func FuzzParseLines(f *testing.F) {
	f.Add(embedded(PolicyFile))
	f.Add([]byte("p, \"a\"\"b\" , {x}\r\n\n # c\n\"open, x\ng,,\n"))
	f.Add([]byte("\ufeffp,\u00a0a\x00\xff\n\"\"\"\""))
	f.Fuzz(func(t *testing.T, data []byte) {
		lines, findings := parseLines("f", data)
		last := bytes.Count(data, []byte("\n")) + 1
		for _, x := range findings {
			if x.Line < 1 || x.Line > last || x.What == "" || x.Remedy == "" {
				t.Errorf("parseLines(%q) found %+v, want a line up to %d, what and remedy", data, x, last)
			}
		}
		for _, l := range lines {
			var quoted []string
			for _, field := range l.fields {
				quoted = append(quoted, `"`+strings.ReplaceAll(field, `"`, `""`)+`"`)
			}
			again, bad := splitFields(strings.Join(quoted, ","))
			if bad.what != "" || !slices.Equal(again, l.fields) {
				t.Errorf("splitFields of %q in quotes = %q, %v, want the same", l.fields, again, bad)
			}
		}
	})
}

// FuzzReadRules wants that whatever passes the check can be loaded and asked.
func FuzzReadRules(f *testing.F) {
	f.Add([]byte("p, developer, repository, team/**, pull|push, allow\ng, user:a, developer, t*\n"))
	f.Add([]byte("p, authenticated, repository, a/b:v*, pull, allow, from=10.0.0.0/8 days=fri-mon time=22:00-06:00 zone=Europe/Berlin\n"))
	f.Add([]byte("p, user:a, *, \"{a,b}/[a-z]?\", *, deny\np, x, registry, catalog, list, allow"))
	f.Fuzz(func(t *testing.T, data []byte) {
		src := defaultSource()
		src.rules = data
		g, findings, err := compile(src)
		if err != nil {
			t.Fatalf("compile(%q) = %v, want no error", data, err)
		}
		if g == nil {
			if len(faults(findings)) == 0 {
				t.Fatalf("compile(%q) gave neither a policy nor a fault", data)
			}
			return
		}
		who := g.roleSet(subjectNamed("a"))
		k := key{who: who, resource: "repository", name: "a/b", action: "pull"}
		got, err := g.decide(k, moment{})
		want, err2 := g.enforce(k, moment{})
		if err != nil || err2 != nil || got.allowed != want.allowed {
			t.Errorf("decide after compile(%q) = %v, %v, want casbin's %v, %v", data, got.allowed, err, want.allowed, err2)
		}
	})
}
