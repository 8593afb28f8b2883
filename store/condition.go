package store

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// FieldKind is what the values of a field are, and how they are compared.
type FieldKind int

// The kinds of fields.
const (
	Text    FieldKind = iota // strings, byte by byte
	Name                     // strings, by NameKey
	Written                  // names that are equal as they are written, and else compared by NameKey
	Number                   // int64s
	Moment                   // time.Times
	Truth                    // bools, which have no order
)

// Condition narrows a list by one field of its records: the field lies in one of the spans, or holds the part.
type Condition struct {
	Field string // by a name that the list knows
	Any   []Span
	Part  string // without regard to case; "" for none
}

// Span is values between two, which belong to it; a nil end is open. The values are of the type that goes with the field.
type Span struct{ From, To any }

// Exactly is the span of one value.
func Exactly(v any) Span { return Span{From: v, To: v} }

// Is is the condition that the field has one of the values.
func Is[T any](field string, values ...T) Condition {
	c := Condition{Field: field}
	for _, v := range values {
		c.Any = append(c.Any, Exactly(v))
	}
	return c
}

// One returns the only value that the condition lets through, if there is only one.
func (c Condition) One() (any, bool) {
	if len(c.Any) != 1 || c.Part != "" {
		return nil, false
	}
	return c.Any[0].One()
}

// One returns the only value of the span, if it has only one.
func (s Span) One() (any, bool) { return s.From, s.From != nil && s.From == s.To }

// Fits reports whether the values are such as the kind has.
func (c Condition) Fits(k FieldKind) bool {
	if c.Part != "" && !k.text() {
		return false
	}
	return !slices.ContainsFunc(c.Any, func(s Span) bool {
		return !k.has(s.From) || !k.has(s.To) || k == Truth && s.From != s.To
	})
}

func (k FieldKind) text() bool { return k == Text || k == Name || k == Written }

func (k FieldKind) has(v any) bool {
	switch v.(type) {
	case nil:
		return true
	case string:
		return k.text()
	case int64:
		return k == Number
	case time.Time:
		return k == Moment
	case bool:
		return k == Truth
	}
	return false
}

// Match reports whether the condition lets a value of the kind through. It is what stores let through, said once more.
func (c Condition) Match(k FieldKind, v any) bool {
	if !k.has(v) || !c.Fits(k) {
		return false
	}
	if text, ok := v.(string); ok && c.Part != "" && strings.Contains(k.fold(text), k.fold(c.Part)) {
		return true
	}
	return slices.ContainsFunc(c.Any, func(s Span) bool {
		if one, ok := s.One(); ok && (k == Written || k == Truth) {
			return one == v
		}
		return (s.From == nil || k.compare(s.From, v) <= 0) && (s.To == nil || k.compare(v, s.To) <= 0)
	})
}

// fold returns a text as parts are looked for in it.
func (k FieldKind) fold(text string) string {
	if k == Text {
		return strings.ToLower(text)
	}
	return NameKey(text)
}

func (k FieldKind) compare(a, b any) int {
	switch a := a.(type) {
	case string:
		b, _ := b.(string)
		if k == Text {
			return strings.Compare(a, b)
		}
		return strings.Compare(NameKey(a), NameKey(b))
	case int64:
		b, _ := b.(int64)
		return cmp.Compare(a, b)
	case time.Time:
		b, _ := b.(time.Time)
		return a.Compare(b)
	}
	return 0
}
