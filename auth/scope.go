package auth

import (
	"slices"
	"strings"

	"github.com/sealock/sealock/internal/errs"
)

// ResourceType is the type of a resource in a scope.
type ResourceType string

// The resource types of the registry token specification that sealock grants. Others are parsed and never granted.
const (
	TypeRepository ResourceType = "repository"
	TypeRegistry   ResourceType = "registry"
)

// CatalogName is the only name of type registry: the list of all repositories.
const CatalogName = "catalog"

// Action is what may be done to a resource.
type Action string

// The actions that a registry asks for. ActionAll in a request stands for all that the subject may do.
const (
	ActionPull   Action = "pull"
	ActionPush   Action = "push"
	ActionDelete Action = "delete"
	ActionAll    Action = "*"
)

// Limits of a scope, far above what any client sends (protocol.md 3.1) and low enough that no request is expensive.
const (
	MaxScopeLength = 64 << 10 // bytes over all scope parameters
	MaxResources   = 256      // resources in one request, after merging
	maxNameLength  = 255      // distribution's limit for a repository name
)

// ResourceActions is one resource and what may be done to it: an entry of a token's access claim
// (distribution token specification, "Token Claims").
type ResourceActions struct {
	Type    ResourceType `json:"type"`
	Name    string       `json:"name"`
	Actions []Action     `json:"actions"`
}

// String returns the entry in the scope grammar.
func (r ResourceActions) String() string { return string(r.appendTo(nil)) }

func (r ResourceActions) appendTo(b []byte) []byte {
	b = append(append(b, r.Type...), ':')
	b = append(append(b, r.Name...), ':')
	for i, a := range r.Actions {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, a...)
	}
	return b
}

// Allows reports whether the entry holds the action, by name or by "*".
func (r ResourceActions) Allows(a Action) bool {
	return slices.Contains(r.Actions, a) || slices.Contains(r.Actions, ActionAll)
}

// Scope is a set of resources and actions, one entry a resource, sorted by nothing but the order of first mention.
type Scope []ResourceActions

// ParseScope reads scope parameters as clients send them: each value may hold several resource scopes separated by
// spaces, the same resource may stand in several of them. The result is merged and free of duplicates; a resource
// class ("repository(plugin)") is dropped, as registries ignore it. A value that breaks the grammar gives an
// [errs.Invalid] error with the code invalid_scope (RFC 6749 section 5.2); nothing is ever guessed.
func ParseScope(values []string) (Scope, error) {
	total := 0
	var s Scope
	for _, v := range values {
		if total += len(v); total > MaxScopeLength {
			return nil, badScope("scope is longer than %d bytes", MaxScopeLength)
		}
		for part := range strings.SplitSeq(v, " ") {
			if part == "" {
				continue
			}
			r, err := parseResourceActions(part)
			if err != nil {
				return nil, err
			}
			if s = s.add(r); len(s) > MaxResources {
				return nil, badScope("scope names more than %d resources", MaxResources)
			}
		}
	}
	return s, nil
}

// parseResourceActions reads type:name:action[,action]*. The type ends at the first colon and the actions start after
// the last one, because a name may hold a port.
func parseResourceActions(s string) (ResourceActions, error) {
	typ, rest, ok := strings.Cut(s, ":")
	i := strings.LastIndexByte(rest, ':')
	if !ok || i < 0 {
		return ResourceActions{}, badScope("scope %q is not type:name:actions", clip(s))
	}
	name, list := rest[:i], rest[i+1:]
	typ, err := resourceType(typ)
	if err != nil {
		return ResourceActions{}, err
	}
	if !validName(name) {
		return ResourceActions{}, badScope("scope %q has a name that is no repository name", clip(s))
	}
	r := ResourceActions{Type: ResourceType(typ), Name: name}
	for a := range strings.SplitSeq(list, ",") {
		if !validAction(a) {
			return ResourceActions{}, badScope("scope %q has an action that is not lower-case letters or *", clip(s))
		}
		if a != "" && !slices.Contains(r.Actions, Action(a)) {
			r.Actions = append(r.Actions, Action(a))
		}
	}
	return r, nil
}

// resourceType checks a type and drops its class.
func resourceType(s string) (string, error) {
	typ, class, hasClass := strings.Cut(s, "(")
	if hasClass {
		inner, closed := strings.CutSuffix(class, ")")
		if !closed || !lowerAlnum(inner) {
			return "", badScope("resource type %q has a malformed class", clip(s))
		}
	}
	if !lowerAlnum(typ) {
		return "", badScope("resource type %q is not lower-case letters and digits", clip(s))
	}
	return typ, nil
}

func lowerAlnum(s string) bool {
	for i := range len(s) {
		if !alnum(s[i]) {
			return false
		}
	}
	return s != ""
}

// validAction accepts /[a-z]*/ of the grammar and the literal "*" that skopeo and catalog requests use.
func validAction(s string) bool {
	if s == string(ActionAll) {
		return true
	}
	for i := range len(s) {
		if s[i] < 'a' || s[i] > 'z' {
			return false
		}
	}
	return len(s) <= 64
}

// validName checks [host[:port]/]component[/component]*. The first component may be a host, with upper-case letters
// and a port, but only if another one follows; a host without a port reads as a component.
func validName(s string) bool {
	if s == "" || len(s) > maxNameLength {
		return false
	}
	host, rest, more := strings.Cut(s, "/")
	if name, port, hasPort := strings.Cut(host, ":"); hasPort {
		return more && validHost(name) && validPort(port) && ValidRepository(rest)
	}
	return ValidRepository(s)
}

func validHost(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != '.' && c != '-' {
			return false
		}
	}
	return s != "" && s[0] != '-' && s[0] != '.'
}

func validPort(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != "" && len(s) <= 5
}

// ValidRepository reports whether s is a repository name of the OCI distribution specification: components of
// lower-case letters and digits, parted by single '.', one or two '_' or any number of '-', joined by '/'.
func ValidRepository(s string) bool {
	if s == "" || len(s) > maxNameLength {
		return false
	}
	for c := range strings.SplitSeq(s, "/") {
		if !validComponent(c) {
			return false
		}
	}
	return true
}

func validComponent(s string) bool {
	for i := 0; i < len(s); {
		if alnum(s[i]) {
			i++
			continue
		}
		n := separator(s[i:])
		if n == 0 || i == 0 || i+n == len(s) || !alnum(s[i+n]) {
			return false
		}
		i += n
	}
	return s != ""
}

func alnum(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

// separator returns the length of the separator that s starts with: ".", "_", "__" or a run of "-".
func separator(s string) int {
	run := len(s) - len(strings.TrimLeft(s, s[:1]))
	switch {
	case s[0] == '.' && run == 1, s[0] == '_' && run <= 2, s[0] == '-':
		return run
	}
	return 0
}

// add merges r into the scope.
func (s Scope) add(r ResourceActions) Scope {
	for i := range s {
		if s[i].Type != r.Type || s[i].Name != r.Name {
			continue
		}
		for _, a := range r.Actions {
			if !slices.Contains(s[i].Actions, a) {
				s[i].Actions = append(s[i].Actions, a)
			}
		}
		return s
	}
	return append(s, r)
}

// Allows reports whether the scope holds the action on the resource. A name in a scope is never a pattern.
func (s Scope) Allows(t ResourceType, name string, a Action) bool {
	for i := range s {
		if s[i].Type == t && s[i].Name == name && s[i].Allows(a) {
			return true
		}
	}
	return false
}

// Covers reports whether the scope holds all of want.
func (s Scope) Covers(want Scope) bool {
	for _, r := range want {
		for _, a := range r.Actions {
			if !s.Allows(r.Type, r.Name, a) {
				return false
			}
		}
	}
	return true
}

// String returns the scope in the grammar, resources separated by spaces.
func (s Scope) String() string { return string(s.appendTo(nil)) }

func (s Scope) appendTo(b []byte) []byte {
	for i, r := range s {
		if i > 0 {
			b = append(b, ' ')
		}
		b = r.appendTo(b)
	}
	return b
}

// Project returns the project of a repository name, its first path component, and whether the name has one: a name
// without a slash belongs to no project.
func Project(repository string) (string, bool) {
	project, _, ok := strings.Cut(repository, "/")
	return project, ok
}

func badScope(format string, args ...any) error {
	return errs.New(errs.Invalid, format, args...).WithCode("invalid_scope").
		WithHint("a scope reads repository:project/name:pull,push")
}

// clip shortens what a client sent before it is quoted in an error.
func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…" // no half a character
	}
	return s
}
