package store

import (
	"cmp"
	"hash/fnv"
	"strings"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
)

// firstCustomRole is above all numbers that Harbor may ever give a role.
const firstCustomRole = 1000

// CustomRole returns the number of a role that a policy file invents. It follows from the name alone, so that it is the
// same on every server and nothing has to be kept for it. That two names have one number is unlikely and does no harm:
// what a member may do follows from the name.
func CustomRole(name string) Role {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // a hash takes everything
	return firstCustomRole + Role(h.Sum32()%(1<<30))
}

// MemberRole is what a membership gives.
type MemberRole struct {
	Role   Role
	Custom string   // as in Member
	Only   Patterns // as in Member
}

// Name returns what the role is called in the policy file.
func (r MemberRole) Name() string { return cmp.Or(r.Custom, RoleNames()[r.Role]) }

// ByStrength orders roles, the strongest first, and those for all repositories before those for some.
func (r MemberRole) ByStrength(other MemberRole) int {
	return cmp.Or(ByStrength(r.Role, other.Role), cmp.Compare(r.Custom, other.Custom), cmp.Compare(r.Only, other.Only))
}

// CheckRole returns what is wrong with a member's role. The error is of the kind Invalid.
func CheckRole(role Role, custom string) error {
	if _, harbors := RoleNames()[role]; harbors == (custom == "") && (harbors || role == CustomRole(custom)) {
		return nil
	}
	return errs.New(errs.Invalid, "there is no role %d", int(role)).
		WithHint("use 1 (projectAdmin), 2 (developer), 3 (guest), 4 (maintainer) or 5 (limitedGuest), or the name of a role that the policy file has")
}

// Patterns are patterns of repositories' names without the project, as in [auth.Permission], one a line.
type Patterns string

// MaxPatterns is how many a membership can have.
const MaxPatterns = 32

// NewPatterns returns the patterns. Invalid: one of them is none, or there are too many.
func NewPatterns(list []string) (Patterns, error) {
	if len(list) > MaxPatterns {
		return "", errs.New(errs.Invalid, "a membership has at most %d patterns of repositories", MaxPatterns).WithHint("use patterns such as app/**")
	}
	for _, p := range list {
		if !auth.ValidPattern(p) || strings.ContainsFunc(p, func(r rune) bool { return r < ' ' }) {
			return "", errs.New(errs.Invalid, "a text is no pattern of repositories").
				WithHint("write what follows the project in their names, such as app, app-* or app/**")
		}
	}
	return Patterns(strings.Join(list, "\n")), nil
}

// List returns the patterns one by one; nil is the project with all its repositories.
func (p Patterns) List() []string {
	if p == "" {
		return nil
	}
	return strings.Split(string(p), "\n")
}
