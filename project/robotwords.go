package project

import (
	"slices"
	"strings"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
)

// Word is a resource and what a robot may be allowed to do with it.
type Word struct {
	Resource string
	Actions  []string
}

// Dictionary is what robots may be given, in Harbor's words.
type Dictionary struct {
	System  []Word // at system level, to robots at system level
	Project []Word // in projects
}

// RobotDictionary returns what robots may be given.
func RobotDictionary() Dictionary {
	const crudl = "create read update delete list"
	return Dictionary{
		System: words(
			"audit-log list", "preheat-instance "+crudl, "project create list", "replication-policy "+crudl, "replication create read list",
			"replication-adapter list", "registry "+crudl, "scan-all create read update stop", "system-volumes read",
			"garbage-collection "+crudl+" stop", "purge-audit "+crudl+" stop", "jobservice-monitor list stop", "scanner "+crudl,
			"label create read update delete", "security-hub read list", "catalog read", "quota read list update",
			"robot create read list delete", "user "+crudl, "ldap-user create list", "user-group "+crudl,
		),
		Project: words(
			"log list", "project read update delete", "metadata "+crudl, "repository read update delete list pull push",
			"artifact create read list delete", "scan create read stop", "sbom create read stop", "tag create list delete", "accessory list",
			"artifact-addition read", "artifact-label create delete", "scanner create read", "preheat-policy "+crudl,
			"immutable-tag create update delete list", "notification-policy "+crudl, "tag-retention "+crudl, "label "+crudl, "quota read",
			"robot create read list delete", "export-cve create read", "member "+crudl,
		),
	}
}

func words(lines ...string) []Word {
	list := make([]Word, len(lines))
	for i, line := range lines {
		fields := strings.Fields(line)
		list[i] = Word{fields[0], fields[1:]}
	}
	return list
}

// inRepositories are the resources that are of a repository, so that patterns of repositories can narrow them.
func inRepositories() []string {
	return []string{"repository", "artifact", "tag", "accessory", "artifact-addition", "artifact-label", "scan", "sbom"}
}

// Bounds of a list of permissions.
const (
	maxRobotPermissions = 2000
	maxRobotPatterns    = 100 // of one permission
)

// wellFormed returns permissions as they are kept, or says what is wrong with them. Invalid: a word that is not in the
// dictionary, a pattern that is none.
func wellFormed(list auth.Permissions) (auth.Permissions, error) {
	if len(list) == 0 {
		return nil, errs.New(errs.Invalid, "the robot has no permissions").WithHint("say what it may do, such as pull on the resource repository")
	}
	if len(list) > maxRobotPermissions {
		return nil, errs.New(errs.Invalid, "there are more than %d permissions", maxRobotPermissions).WithHint("make several robots, or use * for the project")
	}
	dictionary := RobotDictionary()
	kept := make(auth.Permissions, len(list))
	for i, p := range list {
		known, where := dictionary.Project, "in a project"
		if p.Project == "" {
			known, where = dictionary.System, "at system level"
		}
		if err := checkWords(p, known, where); err != nil {
			return nil, err
		}
		if err := checkPatterns(p); err != nil {
			return nil, err
		}
		kept[i] = withPull(p)
	}
	return kept, nil
}

func checkWords(p auth.Permission, known []Word, where string) error {
	const hint = "GET /api/v2.0/permissions lists what there is"
	i := slices.IndexFunc(known, func(w Word) bool { return w.Resource == p.Resource })
	if i < 0 {
		return errs.New(errs.Invalid, "a robot can't have permissions on the resource %s %s", clip(p.Resource), where).WithHint(hint)
	}
	if len(p.Actions) == 0 {
		return errs.New(errs.Invalid, "the permission on %s has no action", p.Resource).WithHint(hint)
	}
	for _, action := range p.Actions {
		if !slices.Contains(known[i].Actions, action) {
			return errs.New(errs.Invalid, "a robot can't have the action %s on %s %s", clip(action), p.Resource, where).
				WithHint("it is one of %s", strings.Join(known[i].Actions, ", "))
		}
	}
	return nil
}

func checkPatterns(p auth.Permission) error {
	if len(p.Repositories) == 0 {
		return nil
	}
	if p.Project == "" || !slices.Contains(inRepositories(), p.Resource) {
		return errs.New(errs.Invalid, "repositories can't narrow a permission on %s", p.Resource).
			WithHint("they narrow %s", strings.Join(inRepositories(), ", "))
	}
	if len(p.Repositories) > maxRobotPatterns {
		return errs.New(errs.Invalid, "a permission has more than %d patterns of repositories", maxRobotPatterns).WithHint("use wider ones, such as app/**")
	}
	for _, pattern := range p.Repositories {
		if !auth.ValidPattern(pattern) {
			return errs.New(errs.Invalid, "%s is no pattern of repositories", clip(pattern)).WithHint("write app, app-* or app/** for what follows the project's name")
		}
	}
	return nil
}

// withPull lets who may push also pull: clients look for what is there before they push.
func withPull(p auth.Permission) auth.Permission {
	p.Actions = slices.Clone(p.Actions)
	if p.Resource == "repository" && slices.Contains(p.Actions, "push") && !slices.Contains(p.Actions, "pull") {
		p.Actions = append(p.Actions, "pull")
	}
	return p
}
