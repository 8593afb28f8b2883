package policy

import (
	"maps"
	"slices"
	"strings"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
)

// resourceWord is what is known of a resource: where it lives and what can be done to it.
type resourceWord struct {
	actions string // joined by |
	system  bool   // asked about at system level, by the name SystemLevel
	project bool   // asked about within projects
}

// knows reports whether an action exists on the resource.
func (w resourceWord) knows(action string) bool {
	return slices.Contains(strings.Split(w.actions, "|"), action)
}

// vocabulary returns the resources that a rule can name: those of tokens and those of the REST API, which are Harbor's
// and a few of our own. A word that is missing here can't be used in a policy file, so this is where a new REST
// resource is added first.
func vocabulary() map[string]resourceWord {
	const crudl = "create|read|update|delete|list"
	return map[string]resourceWord{
		// Tokens and repositories.
		"repository": {actions: "pull|push|overwrite|delete|create|read|update|list|scanner-pull", project: true},
		// The catalog in tokens, and Harbor's registries that are replicated with.
		"registry": {actions: crudl, system: true},

		// Of projects.
		"project":             {actions: crudl, project: true, system: true},
		"member":              {actions: crudl, project: true},
		"metadata":            {actions: crudl, project: true},
		"configuration":       {actions: "read|update", project: true, system: true},
		"log":                 {actions: "list", project: true},
		"label":               {actions: crudl, project: true, system: true},
		"quota":               {actions: "read|list|update", project: true, system: true},
		"artifact":            {actions: "create|read|delete|list", project: true},
		"tag":                 {actions: "create|delete|list", project: true},
		"accessory":           {actions: "list", project: true},
		"artifact-label":      {actions: "create|delete", project: true},
		"artifact-addition":   {actions: "read", project: true},
		"tag-retention":       {actions: crudl + "|operate", project: true},
		"immutable-tag":       {actions: crudl, project: true},
		"robot":               {actions: crudl, project: true, system: true},
		"notification-policy": {actions: crudl, project: true},
		"scan":                {actions: "create|read|stop", project: true},
		"sbom":                {actions: "create|read|stop", project: true},
		"scanner":             {actions: crudl, project: true, system: true},
		"preheat-policy":      {actions: crudl, project: true},
		"export-cve":          {actions: "create|read|list", project: true},

		// Of the system.
		"audit-log":           {actions: "list", system: true},
		"catalog":             {actions: "read", system: true},
		"user":                {actions: crudl, system: true},
		"user-group":          {actions: crudl, system: true},
		"ldap-user":           {actions: "create|list", system: true},
		"replication":         {actions: crudl, system: true},
		"replication-policy":  {actions: crudl, system: true},
		"replication-adapter": {actions: "list", system: true},
		"preheat-instance":    {actions: crudl, system: true},
		"distribution":        {actions: crudl, system: true},
		"garbage-collection":  {actions: crudl + "|stop", system: true},
		"purge-audit":         {actions: crudl + "|stop", system: true},
		"scan-all":            {actions: crudl + "|stop", system: true},
		"system-volumes":      {actions: "read", system: true},
		"jobservice-monitor":  {actions: "read|list|stop", system: true},
		"security-hub":        {actions: "read|list", system: true},

		// sealock's own.
		"policy":        {actions: "read|update|operate", system: true},
		"key":           {actions: "read|list|operate", system: true},
		"refresh-token": {actions: "list|delete", system: true},
		"lockout":       {actions: "list|delete", system: true},
		"access-token":  {actions: "read|delete", system: true},

		"personal-access-token": {actions: "create|list|delete", system: true},
	}
}

// Word is a resource that a rule can name.
type Word struct {
	Resource        string
	Actions         []string
	System, Project bool // where it is asked about
}

// Words lists the resources that a rule can name, in the order of names.
func Words() []Word {
	known := vocabulary()
	list := make([]Word, 0, len(known))
	for _, name := range slices.Sorted(maps.Keys(known)) {
		w := known[name]
		list = append(list, Word{Resource: name, Actions: strings.Split(w.actions, "|"), System: w.system, Project: w.project})
	}
	return list
}

// CheckPermission returns what is wrong with the words of a permission: a resource or an action that there is not, or not
// there. The error is of the kind Invalid.
func CheckPermission(p auth.Permission) error {
	words := vocabulary()
	f := checkResource(words, p.Resource)
	for i := 0; f.what == "" && i < len(p.Actions); i++ {
		switch action := p.Actions[i]; {
		case action == "*":
		case strings.Contains(action, "|"):
			f = fault{quote("%q is not one action", action), "write each action by itself"}
		default:
			f = checkActions(words, p.Resource, action)
		}
	}
	if w := words[p.Resource]; f.what == "" && p.Resource != "*" {
		switch {
		case p.Project == "" && !w.system:
			f = fault{quote("%s is of projects", resourceLabel(p.Resource)), "name a project, or * for all"}
		case p.Project != "" && !w.project:
			f = fault{quote("%s is of no project", resourceLabel(p.Resource)), "leave the project away"}
		}
	}
	if f.what == "" {
		return nil
	}
	return errs.New(errs.Invalid, "%s", f.what).WithHint("%s", f.remedy)
}

// checkResource returns what is wrong with a rule's resource.
func checkResource(words map[string]resourceWord, resource string) fault {
	if _, ok := words[resource]; ok || resource == "*" {
		return fault{}
	}
	known := slices.Sorted(maps.Keys(words))
	return fault{quote("there is no resource %q", resource), didYouMean(resource, known, "use * or one of "+strings.Join(known, ", "))}
}

// checkActions returns what is wrong with a rule's list of actions on a resource.
func checkActions(words map[string]resourceWord, resource, list string) fault {
	for action := range strings.SplitSeq(list, "|") {
		switch {
		case action == "":
			return fault{quote("the list of actions %q has an empty part", list), "write the actions joined by single |, or *"}
		case action == "*" && list != "*":
			return fault{quote("* stands among other actions in %q", list), "write * alone, it is every action"}
		case action == "*":
			return fault{}
		case !knowsAction(words, resource, action):
			has := actionsOf(words, resource)
			return fault{quote("%s has no action %q", resourceLabel(resource), action), didYouMean(action, has, "use * or one of "+strings.Join(has, ", "))}
		}
	}
	return fault{}
}

func resourceLabel(resource string) string {
	if resource == "*" {
		return "any resource"
	}
	return "resource " + resource
}

func knowsAction(words map[string]resourceWord, resource, action string) bool {
	if resource != "*" {
		return words[resource].knows(action)
	}
	return slices.Contains(actionsOf(words, resource), action)
}

// actionsOf lists the actions of a resource, or of all.
func actionsOf(words map[string]resourceWord, resource string) []string {
	if resource != "*" {
		return strings.Split(words[resource].actions, "|")
	}
	var all []string
	for _, w := range words {
		all = append(all, strings.Split(w.actions, "|")...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
