package store

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// NameKey returns the form of a name by which stores compare, sort and find it: folded to one case and one Unicode
// form, so that "Alice", "ALICE" and a full-width "ａｌｉｃｅ" are one name.
func NameKey(name string) string {
	if isASCII(name) {
		return strings.ToLower(name)
	}
	key := cases.Fold().String(norm.NFKC.String(name))
	// Folding can leave a string that is no longer in normal form.
	return norm.NFKC.String(strings.Map(oneCase, key))
}

// oneCase returns the same rune for all that differ in case only. Fold alone swaps the cases of Cherokee.
func oneCase(r rune) rune {
	least := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		least = min(least, other)
	}
	return unicode.ToLower(least)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
