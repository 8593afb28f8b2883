package api

import (
	"cmp"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// some are fields of each kind.
func some() fields {
	return fields{
		"name": {name: "name", kind: store.Written}, "tags": {name: "tag", kind: store.Text, many: true}, "id": numberField("id"),
		"at": timeField("time"), "public": {name: "public", kind: store.Truth},
	}
}

func span(from, to any) store.Span { return store.Span{From: from, To: to} }

func TestParseQuery(t *testing.T) {
	day := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	one := func(field string, spans ...store.Span) []store.Condition {
		return []store.Condition{{Field: field, Any: spans}}
	}
	texts := func(field string, values ...string) []store.Condition {
		return []store.Condition{store.Is(field, values...)}
	}
	for _, c := range []struct {
		q    string
		want []store.Condition
	}{
		{"", nil},
		{"name=team", texts("name", "team")},
		{"name=~ea", []store.Condition{{Field: "name", Part: "ea"}}},
		{"name=~ea, public=true", []store.Condition{{Field: "name", Part: "ea"}, store.Is("public", true)}},
		{"name=a=b", texts("name", "a=b")},
		{"name=%", texts("name", "%")},
		{"name=a b", texts("name", "a b")},
		{`name="a,b"`, texts("name", "a,b")},
		{`name="[a]"`, texts("name", "[a]")},
		{`name="a\"b\\"`, texts("name", `a"b\`)},
		{`name=~"a,b"`, []store.Condition{{Field: "name", Part: "a,b"}}},
		{"name={b a}", texts("name", "a", "b")},
		{"name={ a  a }", texts("name", "a")},
		{`name={"a b" "c,}" d,e}`, texts("name", "a b", "c,}", "d,e")},
		{"name=(a)", texts("name", "a")},
		{"name=(a a)", texts("name", "a")},
		{"tags=(a b)", []store.Condition{store.Is("tag", "a"), store.Is("tag", "b")}},
		{"tags={a b},id=1", []store.Condition{store.Is("tag", "a", "b"), store.Is("id", int64(1))}},
		{"name=[a~b]", one("name", span("a", "b"))},
		{"name=[ a b ~ ]", one("name", span("a b", nil))},
		{`name=["a~" ~ "b]"]`, one("name", span("a~", "b]"))},
		{"name=[~b,c]", one("name", span(nil, "b,c"))},
		{"id=[-1~9]", one("id", span(int64(-1), int64(9)))},
		{"id={7 9}", []store.Condition{store.Is("id", int64(7), int64(9))}},
		{"public={true false}", []store.Condition{store.Is("public", false, true)}},
		{"at=2026-01-02", one("time", span(day, day.Add(24*time.Hour-time.Microsecond)))},
		{"at=2026-01-02T00:00:00Z", one("time", span(day, day))},
		{"at=[2026-01-02T02:00:00+02:00~]", one("time", span(day, nil))},
		{`at={2026-01-02 "2026-01-02 00:00:00"}`, one("time", span(day, day.Add(24*time.Hour-time.Microsecond)), span(day, day.Add(time.Second-time.Microsecond)))},
		{"at=[~2026-01-02 00:00:00]", one("time", span(nil, day.Add(time.Second-time.Microsecond)))},
	} {
		got, err := parseQuery(&c.q, some())
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("parseQuery(%q) = %v, %v, want %v", c.q, got, err, c.want)
		}
	}
}

func TestParseQueryRefuses(t *testing.T) {
	for q, what := range map[string]string{
		"name":        "where field=value is expected",
		"name=a,":     "where field=value is expected",
		"name,id=1":   "where field=value is expected",
		"password=~a": "can't be narrowed by",
		"name=":       "q has",
		`name=""`:     "q has",
		"name=~":      "q has",
		"name={}":     "q has",
		"name={ }":    "q has",
		`name={""}`:   "q has",
		"name={a b":   "q has",
		"name={a}b":   "q has",
		`name={"a"b}`: "q has",
		`name="a`:     "q has",
		`name="a\`:    "q has",
		`name="a"b`:   "q has",
		"tags=(a b c d e f g h i j k l m n o p q r s t u)": "name 20 at most",
		"name=(a b)":                 "nothing has 2 values for name",
		"name=[a]":                   "q has",
		"name=[a~b":                  "q has",
		"name=[~]":                   "q has",
		"name=[a~b],name=c":          "names name twice",
		"id=x":                       "id can't be",
		"id=~1":                      "id can't be",
		"id=[1~x]":                   "id can't be",
		"id={1 9999999999999999999}": "id can't be",
		"id={1,2}":                   "id can't be",
		"public=yes":                 "public can't be",
		"public=[true~false]":        "public can't be",
		"at=tomorrow":                "at can't be",
		"at=~2026":                   "at can't be",
		"name={a \x00}":              "name can't be",
		"name=[\xff~]":               "name can't be",
		"id={" + strings.Repeat("7 ", maxValues+1) + "}": "give 100 at most",
	} {
		got, err := parseQuery(&q, some())
		if e := errs.As(err); !errs.Is(err, errs.Invalid) || !strings.Contains(e.Public(), what) {
			t.Errorf("parseQuery(%q) = %v, %v, want an error of the kind Invalid that says %q", q, got, err, what)
		}
	}
}

// written writes terms as parseTerms reads them.
func written(terms []term) string {
	quote := func(s string) string {
		if s == "" {
			return ""
		}
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	}
	var all []string
	for _, t := range terms {
		var values []string
		for _, v := range t.values {
			values = append(values, quote(v))
		}
		text := map[form]string{
			exactly: values[0], part: "~" + values[0], anyOf: "{" + strings.Join(values, " ") + "}", allOf: "(" + strings.Join(values, " ") + ")",
			between: "[" + strings.Join(values, "~") + "]",
		}[t.form]
		all = append(all, t.field+"="+text)
	}
	return strings.Join(all, ",")
}

// FuzzParseQuery holds that what is let through is on the allow-list, once, with values of the field's type, that terms
// which are written anew are read as the same, and that all else is the client's fault in words that can be shown.
func FuzzParseQuery(f *testing.F) {
	for _, q := range []string{
		"name=team", "name=~ea,public=true", "password=~a", "name=[1~2]", "name={a b}", "name=(a b)", ",", "=", "name=~", "name=a,name=b", "\x00=\xff",
		"id=[1~]", "tags=(a b),id={1 2}", `name="a,b",tags={"c d" e}`, `name=["~"~"]"]`, "at=[2026-01-02~2026-01-03 04:05:06]", `name="\"`, "id={1 2", "tags=(",
	} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, q string) {
		if terms, err := parseTerms(q); err == nil {
			again, err := parseTerms(written(terms))
			if err != nil || !reflect.DeepEqual(again, terms) {
				t.Errorf("parseTerms(%q) = %v, %v, want %v as %q has it", written(terms), again, err, terms, q)
			}
		}
		where, err := parseQuery(&q, some())
		if err != nil {
			if !errs.Is(err, errs.Invalid) || len(errs.As(err).Public()) > 500 {
				t.Errorf("parseQuery(%q) = %v, want a short error of the kind Invalid", q, err)
			}
			return
		}
		seen := map[string]bool{}
		for _, c := range where {
			kind := map[string]store.FieldKind{"name": store.Written, "tag": store.Text, "id": store.Number, "time": store.Moment, "public": store.Truth}
			k, ok := kind[c.Field]
			if !ok || !c.Fits(k) || seen[c.Field] && c.Field != "tag" || c.Part == "" && (len(c.Any) == 0 || len(c.Any) > maxValues) {
				t.Errorf("parseQuery(%q) = %v, want each allowed field once, with values of its kind", q, where)
			}
			seen[c.Field] = true
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
			plain := strings.NewReplacer(`\`, "").Replace // quoted values have some more
			if !strings.Contains(plain(q), plain(value)) {
				t.Errorf("auditFilter(%q, %q) narrows by %q, which the query does not say", q, sort, value)
			}
		}
		if !slices.Contains([]string{"", "time", "-time", "id", "-id"}, got.Sort) {
			t.Errorf("auditFilter(%q, %q) = %+v, want an order that a store has", q, sort, got)
		}
		for _, c := range got.Where {
			if name := map[string]string{"time": "op_time", "actor": "username", "verb": "operation", "kind": "resource_type"}[c.Field]; !strings.Contains(q, cmp.Or(name, c.Field)+"=") {
				t.Errorf("auditFilter(%q, %q) narrows by %s, which the query does not say", q, sort, c.Field)
			}
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
