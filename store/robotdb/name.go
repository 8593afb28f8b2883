package robotdb

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store/userdb"
)

// The prefixes that are accepted whatever is set: Harbor's, and one that shells leave alone.
const (
	DefaultPrefix = "robot~"
	HarborPrefix  = "robot$"
)

// maxPrefix leaves room for the name.
const maxPrefix = 32

// CheckPrefix refuses prefixes that clients can't send or that could begin a user's name. The error is of the kind
// Invalid.
func CheckPrefix(prefix string) error {
	bad := func(what string) error {
		return errs.New(errs.Invalid, "the prefix of robot accounts %s", what).WithHint("use %s or %s for example", DefaultPrefix, HarborPrefix)
	}
	switch {
	case prefix == "" || len(prefix) > maxPrefix:
		return bad("is not 1 to 32 characters long")
	case strings.HasPrefix(prefix, "-"):
		return bad("starts with -")
	case strings.ContainsAny(prefix, ":@+"):
		return bad("holds one of : @ +")
	case strings.ContainsFunc(prefix, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsGraphic(r) || unicode.IsSpace(r) }):
		return bad("holds a space or something else that is no visible ASCII character")
	case !strings.ContainsFunc(prefix, func(r rune) bool { return userdb.CheckName("a"+string(r)) != nil }):
		return bad("could begin the name of a user")
	}
	return nil
}

// Names says how the names of robot accounts are written: a prefix, and after it "team+ci" for the robot ci of the
// project team or "ci" for one at system level.
type Names struct {
	prefix   string
	accepted []string // in lower case, the longest first
}

// NewNames returns names with the prefix, "" for the default.
func NewNames(prefix string) Names {
	prefix = cmp.Or(prefix, DefaultPrefix)
	accepted := []string{strings.ToLower(prefix), DefaultPrefix, HarborPrefix}
	slices.SortFunc(accepted, func(a, b string) int { return len(b) - len(a) })
	return Names{prefix: prefix, accepted: accepted}
}

// Full returns the name that a robot signs in with, and is called by in tokens and in the audit trail.
func (n Names) Full(name string) string { return n.prefix + name }

// Prefix returns the prefix that names are shown with.
func (n Names) Prefix() string { return n.prefix }

// Cut takes the prefix off a name as a client presents it, and reports whether there was one.
func (n Names) Cut(presented string) (name string, ok bool) {
	for _, prefix := range n.accepted {
		if len(presented) >= len(prefix) && strings.EqualFold(presented[:len(prefix)], prefix) {
			return presented[len(prefix):], true
		}
	}
	return "", false
}
