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

// LoginKey returns the form of a presented name by which failed logins are counted. It is wider than [NameKey]: sources
// such as directories find a person also without the accents, with blanks more or less, or with characters that don't
// show, and each such spelling would be a new start for whoever guesses.
func LoginKey(name string) string {
	if isASCII(name) && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return NameKey(name)
	}
	key := norm.NFKD.String(NameKey(strings.ToValidUTF8(name, "\uFFFD")))
	bare := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.In(r, unicode.Mn, unicode.Cf, unicode.Cc):
			return -1
		}
		return r
	}, key)
	return strings.Join(strings.Fields(bare), " ")
}
