package api

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

// form is how a term of a q parameter narrows.
type form int

// The forms of Harbor's grammar.
const (
	exactly form = iota // k=v
	part                // k=~v: contains it
	anyOf               // k={a b}
	allOf               // k=(a b)
	between             // k=[a~b]; either end may be left out
)

// term is one condition of a q parameter.
type term struct {
	field  string
	form   form
	values []string // at least one; of a range both ends, "" for an open one
}

// maxValues bounds how many values a term has, so that a query can't be made to ask a database for any number.
const maxValues = 100

// maxAll is the same for values of which something is to have all: each is a question of its own.
const maxAll = 20

// fields are what a list can be narrowed by: the names in q, and what they mean to a store.
type fields map[string]field

type field struct {
	name string
	kind store.FieldKind
	many bool // a record can have several
}

func textField(name string) field   { return field{name: name, kind: store.Text} }
func numberField(name string) field { return field{name: name, kind: store.Number} }
func timeField(name string) field   { return field{name: name, kind: store.Moment} }

// recordFields are what records can be narrowed by that have an id and two times, and those of their own.
func recordFields(own fields) fields {
	all := fields{"id": numberField("id"), "creation_time": timeField("creation_time"), "update_time": timeField("update_time")}
	maps.Copy(all, own)
	return all
}

// parseQuery reads a q parameter of Harbor's grammar. Fields are checked against an allow-list: a filter that was ignored
// would show more than was asked for, and one on a column that nobody thought of can leak it letter by letter.
func parseQuery(q *string, allowed fields) (where []store.Condition, err error) {
	terms, err := parseTerms(value(q))
	if err != nil {
		return nil, err
	}
	for i, t := range terms {
		f, ok := allowed[t.field]
		if !ok {
			return nil, errs.New(errs.Invalid, "this list can't be narrowed by %s", quoted(t.field)).WithHint("q takes %s", strings.Join(slices.Sorted(maps.Keys(allowed)), ", "))
		}
		if slices.ContainsFunc(terms[:i], func(other term) bool { return other.field == t.field }) {
			return nil, errs.New(errs.Invalid, "q names %s twice", t.field).WithHint("say all of it in one: {a b} is any of them, [a~b] what lies between")
		}
		some, err := f.conditions(t)
		if err != nil {
			return nil, err
		}
		where = append(where, some...)
	}
	return where, nil
}

// conditions returns what is to hold for a term.
func (f field) conditions(t term) ([]store.Condition, error) {
	switch t.form {
	case exactly, anyOf, allOf:
		return f.spans(t)
	case part:
		if f.kind != store.Text && f.kind != store.Name && f.kind != store.Written {
			return nil, f.refused(t, t.values[0])
		}
		return []store.Condition{{Field: f.name, Part: t.values[0]}}, nil
	default:
		s, err := f.between(t)
		return []store.Condition{{Field: f.name, Any: []store.Span{s}}}, err
	}
}

// spans returns what is to hold for the values of a term, each of which is to be there or any.
func (f field) spans(t term) ([]store.Condition, error) {
	all := []store.Condition{{Field: f.name}}
	for i, text := range slices.Compact(slices.Sorted(slices.Values(t.values))) {
		s, err := f.span(t, text, text)
		if err != nil {
			return nil, err
		}
		if t.form == allOf && i > 0 {
			all = append(all, store.Condition{Field: f.name})
		}
		last := &all[len(all)-1]
		last.Any = append(last.Any, s)
	}
	if len(all) > maxAll {
		return nil, errs.New(errs.Invalid, "q has %d values for %s", len(all), t.field).WithHint("name %d at most", maxAll)
	}
	if len(all) > 1 && !f.many {
		return nil, errs.New(errs.Invalid, "nothing has %d values for %s", len(all), t.field).WithHint("write q=%s={a b} for what has any of them", t.field)
	}
	return all, nil
}

func (f field) between(t term) (store.Span, error) {
	if f.kind == store.Truth {
		return store.Span{}, f.refused(t, t.values[0]+"~"+t.values[1])
	}
	return f.span(t, t.values[0], t.values[1])
}

// span reads the ends of a span, which may be the same. A time is as much as is written of it: a day is all of the day.
func (f field) span(t term, from, to string) (s store.Span, err error) {
	if s.From, err = f.read(t, from, false); err != nil {
		return s, err
	}
	s.To, err = f.read(t, to, true)
	return s, err
}

// read turns a text into a value of the field; "" is none.
func (f field) read(t term, text string, end bool) (any, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // an open end
	}
	switch f.kind {
	case store.Number:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, nil
		}
	case store.Truth:
		if text == "true" || text == "false" {
			return text == "true", nil
		}
	case store.Moment:
		if at, ok := queryTime(text, end); ok {
			return at, nil
		}
	default:
		if utf8.ValidString(text) && !strings.ContainsRune(text, 0) {
			return text, nil
		}
	}
	return nil, f.refused(t, text)
}

// refused tells what a field takes.
func (f field) refused(t term, text string) error {
	hint := map[store.FieldKind]string{
		store.Number: "it takes whole numbers: 7, {7 9} or [7~9]",
		store.Truth:  "it takes true or false",
		store.Moment: "it takes times like 2026-01-02T03:04:05Z, 2026-01-02 03:04:05 or 2026-01-02, or two of them: [a~b]",
	}[f.kind]
	if hint == "" {
		hint = "it takes text in UTF-8"
	}
	return errs.New(errs.Invalid, "%s can't be %s", t.field, quoted(text)).WithHint("%s", hint)
}

// queryTime reads a time in one of the forms that clients of Harbor send; without a zone it is UTC. The end of a range takes
// in the whole second, or the whole day. Stores know microseconds.
func queryTime(s string, end bool) (time.Time, bool) {
	for _, form := range []struct {
		layout string
		whole  time.Duration
	}{{time.RFC3339Nano, 0}, {time.DateTime, time.Second}, {"2006-01-02T15:04:05", time.Second}, {time.DateOnly, 24 * time.Hour}} {
		t, err := time.Parse(form.layout, s)
		if err != nil || t.Year() < 1 { // no more than a calendar of four digits
			continue
		}
		if end && form.whole > 0 {
			t = t.Add(form.whole - time.Microsecond)
		}
		return t.UTC().Truncate(time.Microsecond), true
	}
	return time.Time{}, false
}

// parseTerms reads the grammar: terms are joined by commas. A value in double quotes, in which \ stands before a quote and
// before itself, can have any character in it; others end at a comma, in lists at a space or the bracket, and in ranges at ~
// and the bracket.
func parseTerms(q string) (terms []term, err error) {
	if q == "" {
		return nil, nil
	}
	for s := (termReader{q}); ; s.rest = s.rest[1:] {
		t, err := s.term()
		if err != nil {
			return nil, err
		}
		if terms = append(terms, t); s.rest == "" {
			return terms, nil
		}
	}
}

// termReader reads what is left of a q parameter.
type termReader struct{ rest string }

// term reads up to a comma or the end.
func (s *termReader) term() (t term, err error) {
	name, after, ok := strings.Cut(s.rest, "=")
	if before, _, more := strings.Cut(s.rest, ","); !ok || more && len(before) < len(name) {
		return t, badQuery("q has %s where field=value is expected", quoted(before))
	}
	t.field, s.rest = strings.TrimSpace(name), after
	switch first(after) {
	case '~':
		s.rest = s.rest[1:]
		t.form = part
		t.values, err = s.one()
	case '{':
		t.form = anyOf
		t.values, err = s.list('}')
	case '(':
		t.form = allOf
		t.values, err = s.list(')')
	case '[':
		t.form = between
		t.values, err = s.ends()
	default:
		t.values, err = s.one()
	}
	if err == nil && (first(s.rest) != ',' && s.rest != "" || slices.Contains(t.values, "") && t.form != between) {
		err = errMalformed
	}
	if errors.Is(err, errMalformed) {
		err = badQuery("q has %s for %s", quoted(after), quoted(t.field))
	}
	if len(t.values) > maxValues {
		err = errs.New(errs.Invalid, "q has %d values for %s", len(t.values), quoted(t.field)).WithHint("give %d at most, and ask again for the others", maxValues)
	}
	return t, err
}

// errMalformed is replaced by one that says where.
var errMalformed = errors.New("not of the grammar")

// one reads the value of a term that has one.
func (s *termReader) one() ([]string, error) {
	text, err := s.text(",")
	return []string{text}, err
}

// text reads a value that is quoted, or ends before one of the characters.
func (s *termReader) text(stops string) (string, error) {
	if first(s.rest) == '"' {
		return s.quote()
	}
	end := strings.IndexAny(s.rest, stops)
	if end < 0 {
		end = len(s.rest)
	}
	text := s.rest[:end]
	s.rest = s.rest[end:]
	return text, nil
}

func (s *termReader) quote() (string, error) {
	var text strings.Builder
	for i := 1; i < len(s.rest); i++ {
		switch c := s.rest[i]; c {
		case '"':
			s.rest = s.rest[i+1:]
			return text.String(), nil
		case '\\':
			if i++; i == len(s.rest) {
				return "", errMalformed
			}
			text.WriteByte(s.rest[i])
		default:
			text.WriteByte(c)
		}
	}
	return "", errMalformed
}

// list reads values that are parted by spaces, up to the bracket that closes.
func (s *termReader) list(closing byte) (values []string, err error) {
	for s.rest = s.rest[1:]; ; {
		before := len(s.rest)
		s.rest = strings.TrimLeft(s.rest, " ")
		switch {
		case first(s.rest) == closing && len(values) > 0:
			s.rest = s.rest[1:]
			return values, nil
		case s.rest == "" || first(s.rest) == closing || len(values) > 0 && len(s.rest) == before:
			return nil, errMalformed
		}
		text, err := s.text(" " + string(closing))
		if err != nil || text == "" {
			return nil, errMalformed
		}
		values = append(values, text)
	}
}

// ends reads both ends of a range, of which one may be left out.
func (s *termReader) ends() ([]string, error) {
	from, err := s.end("~]", '~')
	if err != nil {
		return nil, err
	}
	to, err := s.end("]", ']')
	if err != nil || from == "" && to == "" {
		return nil, errMalformed
	}
	s.rest = s.rest[1:]
	return []string{from, to}, nil
}

// end reads one end of a range, up to what comes after it.
func (s *termReader) end(stops string, next byte) (string, error) {
	s.rest = strings.TrimLeft(s.rest[1:], " ")
	quoted := first(s.rest) == '"'
	text, err := s.text(stops)
	if !quoted {
		text = strings.TrimRight(text, " ")
	}
	if s.rest = strings.TrimLeft(s.rest, " "); err != nil || first(s.rest) != next {
		return "", errMalformed
	}
	return text, nil
}

// first returns the first byte, 0 of nothing.
func first(s string) byte {
	if s == "" {
		return 0
	}
	return s[0]
}

// taken parts the conditions on a field from the others.
func taken(where []store.Condition, field string) (these, others []store.Condition) {
	for _, c := range where {
		if c.Field == field {
			these = append(these, c)
		} else {
			others = append(others, c)
		}
	}
	return these, others
}

func badQuery(format string, args ...any) error {
	return errs.New(errs.Invalid, format, args...).
		WithHint("write q=name=value for exactly this, name=~part for what contains it, name={a b} for any of these, name=[a~b] for what lies between; a value with other characters in it stands in double quotes")
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

// paging reads how a list is narrowed and sorted.
func paging(q, sort *string, allowed fields, sorts map[string]string, w window) (project.Paging, error) {
	where, err := parseQuery(q, allowed)
	if err != nil {
		return project.Paging{}, err
	}
	by, err := parseSort(sort, sorts)
	p := w.paging(by)
	p.Where = where
	return p, err
}

// orderOr returns the order that is asked for, or else the other one.
func orderOr(sort *string, other string) *string {
	if value(sort) == "" {
		return &other
	}
	return sort
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
