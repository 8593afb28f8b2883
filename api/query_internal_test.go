package api

import (
	"slices"
	"testing"

	"github.com/sealock/sealock/internal/errs"
)

func TestParseQuery(t *testing.T) {
	for _, c := range []struct {
		q    string
		want []term
	}{
		{"", nil},
		{"name=team", []term{{"name", "team", false}}},
		{"name=~ea", []term{{"name", "ea", true}}},
		{"name=~ea,public=true", []term{{"name", "ea", true}, {"public", "true", false}}},
		{"name=a=b", []term{{"name", "a=b", false}}},
		{"name=%", []term{{"name", "%", false}}},
	} {
		got, err := parseQuery(&c.q, "name", "public")
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("parseQuery(%q) = %v, %v, want %v", c.q, got, err, c.want)
		}
	}
}

// FuzzParseQuery holds that what is let through is on the allow-list, once, with a value, and that all else is the
// client's fault in words that can be shown.
func FuzzParseQuery(f *testing.F) {
	for _, q := range []string{"name=team", "name=~ea,public=true", "password=~a", "name=[1~2]", "name={a b}", "name=(a b)", ",", "=", "name=~", "name=a,name=b", "\x00=\xff"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, q string) {
		terms, err := parseQuery(&q, "name", "public")
		if err != nil {
			if !errs.Is(err, errs.Invalid) || len(errs.As(err).Public()) > 400 {
				t.Errorf("parseQuery(%q) = %v, want a short error of the kind Invalid", q, err)
			}
			return
		}
		seen := map[string]bool{}
		for _, term := range terms {
			if term.value == "" || seen[term.field] || (term.field != "name" && term.field != "public") {
				t.Errorf("parseQuery(%q) = %v, want each allowed field once, with a value", q, terms)
			}
			seen[term.field] = true
		}
	})
}
