package sqlstore

import (
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// narrowing is how a list is narrowed by a field. Only what stands in an allow-list ever reaches a WHERE.
type narrowing struct {
	kind store.FieldKind
	sql  string // the column

	written string // the column of names as they are written, where these are equal only then (store.Written)
	never   bool   // of store.Moment: 0 in the column is no time, and earlier than any
	null    any    // what NULL in the column stands for; nil where there is none
	of      string // of what a record can have several of: a SELECT of the ids of records, up to the condition on the column
	widen   func([]store.Span) []store.Span
}

// headFields are what every plain record can be narrowed by, and those of its own.
func headFields(own map[string]narrowing) map[string]narrowing {
	fields := map[string]narrowing{
		"id":            {kind: store.Number, sql: "t.id"},
		"creation_time": {kind: store.Moment, sql: "t.created_at"},
		"update_time":   {kind: store.Moment, sql: "t.updated_at"},
	}
	for name, by := range own {
		fields[name] = by
	}
	return fields
}

// writtenName is a name that is kept as it is written and, besides, as it is found.
func writtenName() narrowing {
	return narrowing{kind: store.Written, sql: "t.name_key", written: "t.name"}
}

// knows refuses conditions on fields that the list does not have, and on values that the field can't have.
func (l listing[R, T]) knows(where []store.Condition) error {
	for _, c := range where {
		by, ok := l.fields[c.Field]
		if !ok {
			return errs.New(errs.Invalid, "%s can't be narrowed by %s", l.table, show(c.Field)).
				WithHint("narrow by one of %s", strings.Join(sortedKeys(l.fields), ", "))
		}
		if !c.Fits(by.kind) {
			return errs.New(errs.Invalid, "%s can't be narrowed by such a value of %s", l.table, c.Field).WithHint("give one of the field's type")
		}
	}
	return nil
}

// where adds the conditions on fields.
func (l listing[R, T]) where(q *bun.SelectQuery, where []store.Condition) *bun.SelectQuery {
	for _, c := range where {
		text, args := l.fields[c.Field].condition(c, lowerOf(q.Dialect().Name()))
		q = q.Where("("+text+")", args...)
	}
	return q
}

// condition returns the SQL of a condition, for a database that writes a column in lower case so. What can't be kept is
// nothing's.
func (n narrowing) condition(c store.Condition, lower string) (string, []any) {
	spans := c.Any
	if n.widen != nil {
		spans = n.widen(spans)
	}
	text, args := n.spans(spans)
	if c.Part != "" && storable(c.Part) {
		more, arg := n.part(c.Part, lower)
		text, args = append(text, more), append(args, arg)
	}
	if n.null != nil && c.Match(n.kind, n.null) {
		text = append(text, n.sql+" IS NULL")
	}
	if len(text) == 0 {
		return "1 = 0", nil
	}
	all := strings.Join(text, " OR ")
	if n.of != "" {
		all = "t.id IN (" + n.of + " (" + all + "))"
	}
	return all, args
}

// spans returns conditions of which one is to hold.
func (n narrowing) spans(spans []store.Span) (text []string, args []any) {
	var some []any
	for _, s := range spans {
		if !keepable(s) {
			continue
		}
		if one, ok := s.One(); ok {
			some = append(some, n.arg(one, n.written != ""))
			continue
		}
		more, ends := n.between(s)
		text, args = append(text, more), append(args, ends...)
	}
	column := n.sql
	if n.written != "" {
		column = n.written
	}
	switch len(some) {
	case 0:
	case 1:
		text, args = append(text, column+" = ?"), append(args, some[0])
	default:
		text, args = append(text, column+" IN (?)"), append(args, bun.List(some))
	}
	return text, args
}

func (n narrowing) between(s store.Span) (string, []any) {
	var text []string
	var args []any
	if s.From != nil {
		from := n.arg(s.From, false)
		if micros, ok := from.(int64); ok && n.never && micros < 1 {
			from = n.first(s.From)
		}
		text, args = append(text, n.sql+" >= ?"), append(args, from)
	}
	if s.To != nil {
		to := n.arg(s.To, false)
		if micros, ok := to.(int64); ok && n.never && micros < 0 {
			to = int64(0) // never is before all times
		}
		text, args = append(text, n.sql+" <= ?"), append(args, to)
	}
	if len(text) == 0 {
		return "1 = 1", nil
	}
	return "(" + strings.Join(text, " AND ") + ")", args
}

// first is the least that a column has which lies at the time or after, where 0 is no time.
func (n narrowing) first(from any) any {
	if t, ok := from.(time.Time); ok && t.IsZero() {
		return int64(0)
	}
	return int64(1)
}

// arg returns a value as the column has it.
func (n narrowing) arg(v any, written bool) any {
	switch v := v.(type) {
	case string:
		if n.kind == store.Text || written {
			return v
		}
		return store.NameKey(v)
	case time.Time:
		if n.never {
			return optionalMicros(v)
		}
		return toMicros(v)
	default:
		return v
	}
}

// part returns a condition that the column holds a text, without regard to case, in which LIKE's own characters mean
// themselves.
func (n narrowing) part(part, lower string) (string, any) {
	if n.kind == store.Text {
		return fmt.Sprintf(lower, n.sql) + " LIKE ? ESCAPE '!'", pattern(strings.ToLower(part))
	}
	return n.sql + " LIKE ? ESCAPE '!'", pattern(store.NameKey(part))
}

// keepable reports whether the ends of a span are such as a database can be asked for.
func keepable(s store.Span) bool {
	for _, end := range []any{s.From, s.To} {
		if text, ok := end.(string); ok && !storable(text) {
			return false
		}
	}
	return true
}
