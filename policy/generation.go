package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/casbin/casbin/v2"
	"github.com/maypok86/otter/v2"

	"github.com/sealock/sealock/auth"
)

// generation is one loaded policy. It is never changed, except for its cache, and dropped as a whole.
type generation struct {
	enforcer    *casbin.Enforcer
	rules       map[string]*rule    // by line number, as casbin hands it back
	grants      map[string][]grant  // "g" lines by the user's name
	roles       map[string]roleID   // every role that a rule names, and the built-in ones
	memberRoles map[string]roleID   // those of them that a membership can give
	roleNames   []string            // by id
	users       map[string]uint32   // users whom a rule names, from 1
	patterns    map[string]pattern  // every name pattern
	actions     map[string][]string // every list of actions
	anonymous   bool

	cache *otter.Cache[key, *verdict] // nil: none

	loadedAt time.Time
	members  int
	text     Text
	sum      fingerprint
}

// key is one question. The cache knows nothing else about who asks.
type key struct {
	who                    roleSet
	resource, name, action string
}

// verdict is the answer to a key.
type verdict struct {
	allowed bool
	rule    *rule  // the rule that decided; nil when none did
	reason  string // as if the role, where one is needed, came from the project's member list
}

// roleSet returns what a subject is everywhere.
func (g *generation) roleSet(sub auth.Subject) roleSet {
	s := roleSet{}.with(roleAnonymous)
	if sub.Anonymous() {
		return s
	}
	// Robots and workloads are signed in, but are nobody to whom "everybody who is signed in" is said.
	if sub.Kind == auth.KindUser {
		s = s.with(roleAuthenticated)
	}
	if sub.SysAdmin || sub.BoundedAdmin {
		s = s.with(roleSystemAdmin)
	}
	s.user = g.users[sub.Name]
	return s
}

// addMember adds a role that a membership gives. One that no rule names would only make keys differ.
func (g *generation) addMember(s roleSet, role string) roleSet {
	if id, ok := g.memberRoles[role]; ok {
		return s.with(id)
	}
	return s
}

// addGrants adds the roles that "g" lines give to a user in a project or at system level.
func (g *generation) addGrants(s roleSet, user, project string) roleSet {
	for _, gr := range g.grants[user] {
		if gr.projects.match(project) {
			s = s.with(gr.id)
		}
	}
	return s
}

// decide answers a question from the cache, or else by casbin.
func (g *generation) decide(k key) (*verdict, error) {
	if g.cache == nil {
		return g.enforce(k)
	}
	if v, ok := g.cache.GetIfPresent(k); ok {
		return v, nil
	}
	v, err := g.enforce(k)
	if err != nil {
		return nil, err
	}
	// Names are parts of what a client sent; kept as they are, each would keep the whole request in memory.
	k.resource, k.name, k.action = strings.Clone(k.resource), strings.Clone(k.name), strings.Clone(k.action)
	g.cache.Set(k, v)
	return v, nil
}

// enforce answers a question by casbin.
func (g *generation) enforce(k key) (*verdict, error) {
	ok, row, err := g.enforcer.EnforceEx(k.who, k.resource, k.name, k.action)
	if err != nil {
		return nil, fmt.Errorf("asking the policy for %s on %s %q: %w", k.action, k.resource, k.name, err)
	}
	if len(row) == 0 {
		return &verdict{allowed: ok, reason: g.unruled(k)}, nil
	}
	r := g.rules[row[len(row)-1]]
	v := &verdict{allowed: ok, rule: r, reason: r.reason}
	if r.byMembership {
		project, _ := auth.Project(k.name)
		v.reason += " (member of " + project + ")"
	}
	return v, nil
}

// unruled says that no rule gives an action to any of the roles that were asked for.
func (g *generation) unruled(k key) string {
	return "no rule allows " + k.action + " to " + strings.Join(g.names(k.who), ", ")
}

// names lists the roles in a set, for people: what everybody is goes without saying, unless it is all.
func (g *generation) names(s roleSet) []string {
	var names []string
	for id, name := range g.roleNames {
		if roleID(id) != roleAnonymous && s.has(roleID(id)) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return []string{whoAnonymous}
	}
	return names
}
