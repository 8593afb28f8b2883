package api

import (
	"net/url"
	"slices"
	"strings"
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

func TestCutList(t *testing.T) {
	for _, c := range []struct {
		q, rest string
		want    []string // nil: no list; {"!"}: refused
	}{
		{"", "", nil},
		{"name=a,tags=v1", "name=a,tags=v1", nil},
		{"labels=(1 2)", "", []string{"1", "2"}},
		{"tags=v1,labels=( 7 ),type=IMAGE", "tags=v1,type=IMAGE", []string{"7"}},
		{"labels=7", "labels=7", nil},
		{"labels={1 2}", "labels={1 2}", nil},
		{"labels=()", "", []string{"!"}},
		{"labels=(1", "", []string{"!"}},
		{"labels=(1,2)", "", []string{"!"}},
		{"labels=(1),labels=(2)", "", []string{"!"}},
	} {
		rest, got, err := cutList(&c.q, "labels")
		if slices.Equal(c.want, []string{"!"}) {
			if !errs.Is(err, errs.Invalid) {
				t.Errorf("cutList(%q) = %q, %q, %v, want an error of the kind Invalid", c.q, rest, got, err)
			}
		} else if err != nil || rest != c.rest || !slices.Equal(got, c.want) {
			t.Errorf("cutList(%q) = %q, %q, %v, want %q, %q", c.q, rest, got, err, c.rest, c.want)
		}
	}
}

// FuzzCutList holds that nothing is lost: what is no list is left as it was, and what is one has values.
func FuzzCutList(f *testing.F) {
	for _, q := range []string{"labels=(1 2)", "a=b,labels=(1),c=d", "labels=(", "labels=()", ",,", "labels=(1,2)", "labels=(\xff)"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, q string) {
		rest, values, err := cutList(&q, "labels")
		switch {
		case err != nil:
			if !errs.Is(err, errs.Invalid) || len(errs.As(err).Public()) > 400 {
				t.Errorf("cutList(%q) = %v, want a short error of the kind Invalid", q, err)
			}
		case values == nil && rest != q:
			t.Errorf("cutList(%q) = %q without a list, want it as it was", q, rest)
		case values != nil && len(rest) >= len(q):
			t.Errorf("cutList(%q) = %q, %q, want the list to be taken out", q, rest, values)
		}
	})
}

// FuzzAuditFilter holds that what narrows the audit trail is what the query says, and that all else is the client's fault.
func FuzzAuditFilter(f *testing.F) {
	for _, q := range []string{
		"op_time=[2026-01-02~2026-01-03],username=alice", "op_time=[~]", "id=[1~2]", "id=[9~1]", "op_time=[2026-01-02 03:04:05~", "resource=~app,operation=create", "op_time=2026-01-02",
		"id=[-1~x]", "op_time=[0000-01-01~9999-12-31]", "password=[a~b]", "resource_type=[a~b]",
	} {
		f.Add(q, "-op_time")
	}
	f.Fuzz(func(t *testing.T, q, sort string) {
		got, err := auditFilter(&q, &sort)
		if err != nil {
			if !errs.Is(err, errs.Invalid) || len(errs.As(err).Public()) > 400 {
				t.Errorf("auditFilter(%q, %q) = %v, want a short error of the kind Invalid", q, sort, err)
			}
			return
		}
		for _, value := range []string{got.Subject, got.Audit.Operation, got.Audit.Kind, got.Audit.Resource, got.Audit.Part} {
			if !strings.Contains(q, value) {
				t.Errorf("auditFilter(%q, %q) narrows by %q, which the query does not say", q, sort, value)
			}
		}
		if !slices.Contains([]string{"", "time", "-time", "id", "-id"}, got.Sort) || got.Audit.From < 0 || got.Audit.To < 0 {
			t.Errorf("auditFilter(%q, %q) = %+v, want an order and numbers that a store has", q, sort, got)
		}
		if bounded := strings.Contains(q, "op_time=["); !bounded && (!got.Audit.Since.IsZero() || !got.Audit.Until.IsZero()) {
			t.Errorf("auditFilter(%q, %q) = %+v, want no time that the query does not say", q, sort, got)
		}
	})
}

// FuzzRepositoryRef holds that a repository's place in the API names this repository, however often its slashes are encoded.
func FuzzRepositoryRef(f *testing.F) {
	for _, name := range []string{"app", "a/b", "a/b/c", "a%2Fb", "a%252Fb", "%", "a b", "../x", "\x00"} {
		f.Add("team", name)
	}
	f.Fuzz(func(t *testing.T, of, name string) {
		ref := repositoryRef(of, name)
		if strings.ContainsAny(of+ref.Name, "%") || of == "" || strings.Contains(of, "/") || ref.Name == "" {
			return // none that there can be
		}
		_, last, _ := strings.Cut(repositoryPath(of+"/"+ref.Name), "/repositories/")
		if strings.Contains(last, "/") {
			t.Errorf("repositoryPath(%q) has %q for its last part, want no slash in it", of+"/"+ref.Name, last)
		}
		once, err := url.PathUnescape(last) // as the router does
		if back := repositoryRef(of, once); err != nil || back != ref {
			t.Errorf("repositoryRef(%q) = %v, %v, want %v", once, back, err, ref)
		}
	})
}
