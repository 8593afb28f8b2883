package auth

import (
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// Permission is something that may be done: actions on resources of a kind, in the words of the policy file. It is what
// robot accounts are given and what personal access tokens are narrowed to.
type Permission struct {
	// Project is where it holds: the project of that name, "*" for each one that there is or will be, "" at system level.
	Project string `json:"project"`
	// Repositories are patterns (as in the policy file) for what follows the project in a repository's name: "app" and
	// "app/**" for team/app and what is below it. None stands for all, and for what is in the project and in no repository.
	Repositories []string `json:"repositories,omitempty"`
	Resource     string   `json:"resource"` // "repository", "member", "robot", …; "*" is any
	Actions      []string `json:"actions"`  // "pull", "create", …; "*" is any
}

// Permissions is a list of what may be done. What stands in none of them may not.
type Permissions []Permission

// Question is what a [Permissions] is asked: may the action be done to the resource? Repository is a whole name, or ""
// for what is in no repository.
type Question struct {
	Project    string // "" at system level
	Repository string
	Resource   string
	Action     string
}

// Allow reports whether one of the permissions allows what is asked for. Names are never patterns.
func (p Permissions) Allow(q Question) bool {
	return slices.ContainsFunc(p, func(one Permission) bool { return one.allows(q) })
}

func (p Permission) allows(q Question) bool {
	switch {
	case !holds(p.Actions, q.Action), p.Resource != q.Resource && p.Resource != "*":
		return false
	case q.Project == "": // nothing that is about projects reaches above them
		return p.Project == "" && len(p.Repositories) == 0
	case p.Project != q.Project && p.Project != "*":
		return false
	case len(p.Repositories) == 0:
		return true
	}
	_, ok := MatchingPattern(p.Repositories, q.Project, q.Repository)
	return ok
}

// MatchingPattern returns which of the patterns, if any, matches what follows the project in a repository's name.
func MatchingPattern(patterns []string, project, repository string) (string, bool) {
	name, ok := strings.CutPrefix(repository, project+"/")
	if !ok {
		return "", false
	}
	for _, pattern := range patterns {
		if match, err := doublestar.Match(pattern, name); err == nil && match {
			return pattern, true
		}
	}
	return "", false
}

func holds(actions []string, action string) bool {
	return slices.Contains(actions, action) || slices.Contains(actions, "*")
}

// Cover reports whether all that other allows is allowed here, too. It may say no where the patterns of repositories
// are different ones that mean the same, and never yes where something is not.
func (p Permissions) Cover(other Permissions) bool {
	for _, want := range other {
		for _, action := range want.Actions {
			if !slices.ContainsFunc(p, func(one Permission) bool { return one.covers(want, action) }) {
				return false
			}
		}
	}
	return true
}

func (p Permission) covers(want Permission, action string) bool {
	switch {
	case !holds(p.Actions, action), p.Resource != want.Resource && p.Resource != "*":
		return false
	case p.Project != want.Project && (p.Project != "*" || want.Project == ""):
		return false
	case len(p.Repositories) == 0:
		return true
	case len(want.Repositories) == 0:
		return false
	}
	for _, pattern := range want.Repositories {
		if !slices.Contains(p.Repositories, pattern) && !slices.Contains(p.Repositories, "**") {
			return false
		}
	}
	return true
}

// ValidPattern reports whether a text can be one of a permission's Repositories.
func ValidPattern(pattern string) bool {
	const most = 255 // as a repository's name
	return pattern != "" && len(pattern) <= most && strings.Count(pattern, "{") <= 4 && doublestar.ValidatePattern(pattern) &&
		!strings.HasPrefix(pattern, "/")
}
