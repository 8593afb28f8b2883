package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/casbin/casbin/v2"

	"github.com/sealock/sealock/auth"
)

// generation is one loaded policy. It is never changed, and dropped as a whole.
type generation struct {
	list        []*rule            // in the order of the file
	rules       map[string]*rule   // by line number, as casbin hands it back
	grants      map[string][]grant // "g" lines by the user's name
	ofGroups    map[groupName][]grant
	roles       map[string]roleID // every role that a rule names, and the built-in ones
	memberRoles map[string]roleID // those of them that a membership can give
	roleNames   []string          // by id
	users       map[string]uint32 // users whom a rule names, from 1
	anonymous   bool
	overwriting bool // a rule names overwrite

	// index answers in place of casbin. It is nil where model.conf has another matcher than the one that it is made for.
	index *index
	// enforcer is casbin over the same rules: what the index must agree with, and what answers without one.
	enforcer func() (*casbin.Enforcer, error)

	// What casbin's functions look up, by the texts that casbin hands to them: made with the enforcer.
	patterns   map[string]pattern
	actions    map[string][]string
	conditions map[string]*condition

	loadedAt time.Time
	members  int
	text     Text
	sum      fingerprint
}

// meaning returns the action that the rules are asked about. Where none of them parts overwriting from pushing, as in files
// from before it could be, who may push may overwrite.
func (g *generation) meaning(action string) string {
	if !g.overwriting {
		return permitted(action)
	}
	return action
}

// key is one question, whoever asks.
type key struct {
	who                    roleSet
	resource, name, action string
	tag                    string // "" where the question is about no tag
}

// verdict is the answer to a key.
type verdict struct {
	allowed bool
	rule    *rule // the rule that decided; nil when none did
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
	s.user = g.users[foldName(sub.Name)]
	return s
}

// addMember adds a role that a membership gives. One that no rule names would only make keys differ.
func (g *generation) addMember(s roleSet, role string) roleSet {
	if id, ok := g.memberRoles[role]; ok {
		return s.with(id)
	}
	return s
}

// given returns the "g" lines of a subject: its own and those of its groups. Robots and workloads are in no group.
func (g *generation) given(sub auth.Subject) []grant {
	own := g.grants[foldName(sub.Name)]
	if len(g.ofGroups) == 0 || sub.Kind != auth.KindUser || sub.Anonymous() {
		return own
	}
	all := slices.Clip(own)
	for _, name := range sub.LocalGroups {
		all = append(all, g.ofGroups[groupName{name: foldName(name)}]...)
	}
	for _, name := range sub.Groups {
		if sub.Source != "" {
			all = append(all, g.ofGroups[groupName{source: sub.Source, name: name}]...)
		}
	}
	return all
}

// addGrants adds the roles that "g" lines give in a project or at system level.
func (g *generation) addGrants(s roleSet, given []grant, project string) roleSet {
	for _, gr := range given {
		if gr.projects.match(project) {
			s = s.with(gr.id)
		}
	}
	return s
}

// decide answers a question: from the index, or else by casbin.
func (g *generation) decide(k key, at moment) (verdict, error) {
	if g.index == nil {
		return g.enforce(k, at)
	}
	found := g.index.find(k, at)
	if found.deny != nil {
		return verdict{rule: found.deny}, nil
	}
	return verdict{allowed: found.allow != nil, rule: found.allow}, nil
}

// enforce answers a question by casbin, which reads all rules for it.
func (g *generation) enforce(k key, at moment) (verdict, error) {
	e, err := g.enforcer()
	if err != nil {
		return verdict{}, err
	}
	name := k.name
	if k.tag != "" {
		name += ":" + k.tag
	}
	ok, row, err := e.EnforceEx(k.who, k.resource, name, k.action, at)
	if err != nil {
		return verdict{}, fmt.Errorf("asking the policy for %s on %s %q: %w", k.action, k.resource, k.name, err)
	}
	if len(row) == 0 {
		return verdict{allowed: ok}, nil
	}
	return verdict{allowed: ok, rule: g.rules[row[len(row)-1]]}, nil
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
