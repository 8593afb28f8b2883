package policy

import (
	"encoding/binary"
	"strings"
)

// The built-in roles: what a subject is, and not what somebody made it.
const (
	whoAnonymous     = "anonymous"     // everybody
	whoPublic        = "public"        // everybody, in a public project
	whoAuthenticated = "authenticated" // everybody who presented a credential
	whoSystemAdmin   = "systemAdmin"
	userPrefix       = "user:"
	groupPrefix      = "group:" // only in "g" lines
)

// builtinRoles lists the built-in roles in the order of their ids.
func builtinRoles() []string {
	return []string{whoAnonymous, whoPublic, whoAuthenticated, whoSystemAdmin}
}

// harborRoles lists Harbor's roles of project members, which exist whether or not a rule names them.
func harborRoles() []string {
	return []string{"projectAdmin", "maintainer", "developer", "guest", "limitedGuest"}
}

// roleID is a role's number within one loaded policy.
type roleID uint32

const (
	roleAnonymous roleID = iota
	rolePublic
	roleAuthenticated
	roleSystemAdmin
)

// roleSet is the set of roles that an asker holds, as a part of a cache key: equal sets are equal values. Only roles
// that a rule names are in it. It has no allocation behind it unless a policy has more than 64 roles.
type roleSet struct {
	few  uint64 // roles 0 to 63, a bit each
	more string // the others in ascending order, four bytes each
	user uint32 // the number of a user whom rules name; 0 for all others
}

func (s roleSet) with(id roleID) roleSet {
	if id < 64 {
		s.few |= 1 << id
		return s
	}
	code := id.code()
	i := s.find(code)
	if i < len(s.more) && s.more[i:i+4] == code {
		return s
	}
	s.more = s.more[:i] + code + s.more[i:]
	return s
}

func (s roleSet) has(id roleID) bool {
	if id < 64 {
		return s.few&(1<<id) != 0
	}
	code := id.code()
	i := s.find(code)
	return strings.HasPrefix(s.more[i:], code)
}

// find returns where code stands in s.more, or belongs.
func (s roleSet) find(code string) int {
	i := 0
	for i < len(s.more) && s.more[i:i+4] < code {
		i += 4
	}
	return i
}

// idOf is the inverse of code.
func idOf(code string) roleID { return roleID(binary.BigEndian.Uint32([]byte(code))) }

// code returns the id in four bytes that sort as the number does.
func (id roleID) code() string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(id)))
}
