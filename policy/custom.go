package policy

import (
	"maps"
	"slices"
	"strings"

	"github.com/sealock/sealock/auth"
)

// CustomRoles lists the roles that the policy in force has besides Harbor's, and that a member can have.
func (e *Engine) CustomRoles() []string {
	var names []string
	for name := range e.current.Load().memberRoles {
		if !slices.Contains(harborRoles(), name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// RoleRights returns what the rules of the policy in force allow to a role of members, each right as if its rule were about
// all of the project and counted always. Each action is named; * is all that there are.
func (e *Engine) RoleRights(role, project string) auth.Permissions {
	words := vocabulary()
	rights := map[string][]string{}
	for _, r := range e.current.Load().list {
		if r.who != role || !r.allow || r.pattern.name == SystemLevel {
			continue
		}
		for resource, word := range words {
			if word.project && (r.resource == "*" || r.resource == resource) {
				rights[resource] = append(rights[resource], r.of(word)...)
			}
		}
	}
	var all auth.Permissions
	for _, resource := range slices.Sorted(maps.Keys(rights)) {
		actions := rights[resource]
		slices.Sort(actions)
		all = append(all, auth.Permission{Project: project, Resource: resource, Actions: slices.Compact(actions)})
	}
	return all
}

// of returns the actions on a resource that the rule is about.
func (r *rule) of(word resourceWord) []string {
	return slices.DeleteFunc(strings.Split(word.actions, "|"), func(action string) bool { return !r.does(action) })
}
