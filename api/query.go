package api

import (
	"maps"
	"slices"
	"strings"

	"github.com/sealock/sealock/internal/errs"
)

// term is one condition of a q parameter.
type term struct {
	field string
	value string
	fuzzy bool // contains the value instead of being it
}

// parseQuery reads a q parameter of Harbor's grammar: k=v is exact and k=~v contains, terms are joined by commas.
// Harbor's ranges and lists ([a~b], {a b}, (a b)) are refused until a list takes them. Fields are checked against an
// allow-list: a filter that was ignored would show more than was asked for, and one on a column that nobody thought of
// can leak it letter by letter.
func parseQuery(q *string, fields ...string) ([]term, error) {
	if q == nil || *q == "" {
		return nil, nil
	}
	var terms []term
	for s := range strings.SplitSeq(*q, ",") {
		field, value, ok := strings.Cut(s, "=")
		if !ok {
			return nil, badQuery("q has %s where field=value is expected", quoted(s))
		}
		if !slices.Contains(fields, field) {
			return nil, errs.New(errs.Invalid, "this list can't be narrowed by %s", quoted(field)).
				WithHint("q takes %s", strings.Join(fields, ", "))
		}
		if slices.ContainsFunc(terms, func(t term) bool { return t.field == field }) {
			return nil, badQuery("q names %s twice", field)
		}
		t := term{field: field, value: value}
		if t.value, t.fuzzy = strings.CutPrefix(value, "~"); t.value == "" || strings.ContainsAny(t.value[:1], "[{(") {
			return nil, badQuery("q has %s for %s", quoted(value), field)
		}
		terms = append(terms, t)
	}
	return terms, nil
}

// cutList takes the term field=(a b), which asks for what has all of these, out of a q parameter.
func cutList(q *string, field string) (rest string, values []string, err error) {
	var others []string
	for s := range strings.SplitSeq(value(q), ",") {
		list, ok := strings.CutPrefix(s, field+"=(")
		if !ok {
			others = append(others, s)
			continue
		}
		inside, closed := strings.CutSuffix(list, ")")
		twice := len(values) > 0
		if values = strings.Fields(inside); twice || !closed || len(values) == 0 {
			return "", nil, errs.New(errs.Invalid, "q has %s for %s", quoted("("+list), field).WithHint("write q=%s=(1 2), once", field)
		}
	}
	return strings.Join(others, ","), values, nil
}

func badQuery(format string, args ...any) error {
	return errs.New(errs.Invalid, format, args...).WithHint("write q=name=value for exactly this one, q=name=~part for all that contain it")
}

// parseSort reads a sort parameter. fields maps the API's names to the store's.
func parseSort(sort *string, fields map[string]string) (string, error) {
	if sort == nil || *sort == "" {
		return "", nil
	}
	name, down := strings.CutPrefix(*sort, "-")
	field, ok := fields[name]
	if !ok {
		return "", errs.New(errs.Invalid, "this list can't be sorted by %s", quoted(name)).
			WithHint("sort takes one of %s", strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
	}
	if down {
		field = "-" + field
	}
	return field, nil
}

// clip shortens what a client sent.
func clip(s string) string {
	const most = 60
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// quoted shortens what a client sent and shows it.
func quoted(s string) string {
	return "\"" + strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '�'
		}
		return r
	}, clip(s)) + "\""
}
