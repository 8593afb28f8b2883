package store

import (
	"strings"
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
	// Folding can leave a string that is no longer in normal form, hence twice.
	return norm.NFKC.String(cases.Fold().String(norm.NFKC.String(name)))
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
