package userdb

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/sealock/sealock/internal/errs"
)

// MaxName is how long a user name may be, in characters.
const MaxName = 255

// reserved are the characters that no user name holds. Harbor forbids , " ~ # % $; a colon ends the name in Basic
// authentication, @ names a source of users, and the others have a meaning in paths, globs and shells.
const reserved = ",\"~#%$:/\\@*?'`|<>&;"

// CheckName refuses user names that clients, the policy file or people could misread. The error is of the kind Invalid.
//
// A name is 1 to 255 visible characters without spaces and without any of , " ~ # % $ : / \ @ * ? ' ` | < > & ; and
// does not start with "-". Characters that Unicode regards as another way to write a simpler one are refused, as are
// names that mix the letters of alphabets which look alike: "аdmin" with a Cyrillic а is not admin. Case is no
// difference between names: the store sees to that.
func CheckName(name string) error {
	n := utf8.RuneCountInString(name)
	switch {
	case n == 0:
		return badName("is empty")
	case n > MaxName:
		return badName("is longer than 255 characters")
	case !utf8.ValidString(name):
		return badName("is not UTF-8")
	case strings.HasPrefix(name, "-"):
		return badName("starts with -")
	case strings.ContainsAny(name, reserved):
		return badName("holds one of , \" ~ # % $ : / \\ @ * ? ' ` | < > & ;")
	case strings.ContainsFunc(name, invisible):
		return badName("holds a space or an invisible character")
	case !norm.NFKC.IsNormalString(name):
		return badName("holds characters that have a simpler form")
	case mixed(name):
		return badName("mixes alphabets whose letters look alike")
	}
	return nil
}

// CheckSourceUser refuses user names of another source that can't be kept. The rule is that of [CheckName], but they may
// hold an @: many sources call people by their mail addresses.
func CheckSourceUser(name string) error { return CheckName(strings.ReplaceAll(name, "@", ".")) }

func badName(what string) error {
	return errs.New(errs.Invalid, "the user name %s", what).WithHint("use letters, digits and . _ - + for example")
}

func invisible(r rune) bool {
	return !unicode.IsGraphic(r) || unicode.IsSpace(r) ||
		unicode.In(r, unicode.Zs, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// mixed reports whether the name has letters of more than one of the alphabets that share shapes.
func mixed(name string) bool {
	alphabets := []*unicode.RangeTable{unicode.Latin, unicode.Cyrillic, unicode.Greek, unicode.Armenian, unicode.Cherokee, unicode.Coptic}
	var seen *unicode.RangeTable
	for _, r := range name {
		for _, a := range alphabets {
			if !unicode.Is(a, r) {
				continue
			}
			if seen != nil && seen != a {
				return true
			}
			seen = a
		}
	}
	return false
}
