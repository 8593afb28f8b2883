package workload

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// Values are what a claim may be: literal texts, or patterns with * (which stops at /), ** and ?. One of them has to match.
type Values []string

// condition is one claim and what it may be.
type condition struct {
	claim  string
	path   []string
	values Values
}

// parsePath reads how a condition names a claim: "repository" is the claim of just this name, dots and all, and
// "/kubernetes.io/namespace" a JSON pointer (RFC 6901) to one inside of another.
func parsePath(claim string) ([]string, error) {
	pointer, nested := strings.CutPrefix(claim, "/")
	if claim == "" || len(claim) > maxPath {
		return nil, errors.New("is empty or too long")
	}
	if !nested {
		return []string{claim}, nil
	}
	path := strings.Split(pointer, "/")
	for i, part := range path {
		if strings.Count(part, "~") != strings.Count(part, "~0")+strings.Count(part, "~1") {
			return nil, errors.New("has a ~ that is not ~0 (for ~) or ~1 (for /)")
		}
		path[i] = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
		if path[i] == "" {
			return nil, errors.New("has an empty part")
		}
	}
	return path, nil
}

const (
	maxPath    = 255
	maxPattern = 1024
)

// wild are the characters that make a pattern of a text.
const wild = "*?"

// validValue reports whether a text can be one of Values. Of the patterns that the library knows, those are left out
// that a list says better, and that a reader could take for literal text.
func validValue(text string) bool {
	if text == "" || len(text) > maxPattern {
		return false
	}
	return !strings.ContainsAny(text, wild) || !strings.ContainsAny(text, `[]{}\`) && doublestar.ValidatePattern(text)
}

// literalPrefix returns what stands before the first wildcard, and whether there is one.
func literalPrefix(text string) (prefix string, pattern bool) {
	if i := strings.IndexAny(text, wild); i >= 0 {
		return text[:i], true
	}
	return text, false
}

func (v Values) match(text string) bool {
	for _, want := range v {
		if !strings.ContainsAny(want, wild) {
			if want == text {
				return true
			}
			continue
		}
		if ok, err := doublestar.Match(want, text); err == nil && ok {
			return true
		}
	}
	return false
}

// holds reports whether the claim is there and is, or has in its list, what it may be.
func (c condition) holds(claims map[string]any) bool {
	var found any = claims
	for _, part := range c.path {
		object, ok := found.(map[string]any)
		if !ok {
			return false
		}
		if found, ok = object[part]; !ok {
			return false
		}
	}
	list, ok := found.([]any)
	if !ok {
		list = []any{found}
	}
	for _, one := range list {
		if text, ok := asText(one); ok && c.values.match(text) {
			return true
		}
	}
	return false
}

// asText returns a claim's value as a condition writes it. An object, a list or null has none.
func asText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		if v {
			return "true", true
		}
		return "false", true
	}
	return "", false
}
