package policy

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sealock/sealock/auth"
)

// asker is a subject during one request, held against one loaded policy.
type asker struct {
	gen     *generation
	members Membership
	sub     auth.Subject
	base    roleSet // what the subject is everywhere
	given   []grant // the "g" lines that are about it

	// The project entered last: a push that mounts blobs names one project several times.
	entered  bool
	project  string
	standing Standing
	who      roleSet // what the subject is in the whole project

	place string // what is asked about: the project, or SystemLevel
	at    moment
}

// enter makes a project the one that is asked about, and reports whether it exists.
func (a *asker) enter(ctx context.Context, project string) (bool, error) {
	if a.entered && a.project == project {
		a.place = cmp.Or(a.standing.Now, project)
		return a.standing.Exists, nil
	}
	s, err := a.members.Standing(ctx, a.sub, project)
	if err != nil {
		return false, fmt.Errorf("asking what %q is to project %q: %w", a.sub.Name, project, err)
	}
	a.entered, a.project, a.standing = true, project, s
	a.place = cmp.Or(s.Now, project)
	a.who = a.base
	if s.Public {
		a.who = a.who.with(rolePublic)
	}
	for _, name := range s.Roles {
		a.who = a.gen.addMember(a.who, name)
	}
	for _, r := range a.sub.Roles {
		if r.Project == a.place {
			a.who = a.gen.addMember(a.who, r.Role)
		}
	}
	a.who = a.gen.addGrants(a.who, a.given, a.place)
	return s.Exists, nil
}

// held returns what the subject is where the question is about: in a repository, also what it is for some.
func (a *asker) held(k key) roleSet {
	who := a.who
	for _, some := range a.standing.Some {
		if _, ok := some.reaches(k, a.place); ok {
			who = a.gen.addMember(who, some.Role)
		}
	}
	return who
}

// reaches reports whether the role is for what is asked about, and by which of its patterns. In the project as a whole it is
// for what leads to its repositories.
func (l Limited) reaches(k key, project string) (pattern string, ok bool) {
	if k.name == project {
		return "", leads(k.resource, k.action)
	}
	return auth.MatchingPattern(l.Only, project, k.name)
}

// leads reports whether a right in a project as a whole is needed by those who are there for some of its repositories, and
// tells nothing of the others: to see that there is the project, to ask for the lists of repositories and artifacts, each of which is
// then asked about, and to find the labels that a repository's artifacts can have.
func leads(resource, action string) bool {
	switch resource + ":" + action {
	case "project:read", "repository:list", "artifact:list", "label:list", "label:read":
		return true
	}
	return false
}

// atSystem returns what the subject is at system level.
func (a *asker) atSystem() roleSet {
	a.place = SystemLevel
	return a.gen.addGrants(a.base, a.given, SystemLevel)
}

// grant returns the actions on one requested resource that the policy allows, and why.
func (a *asker) grant(ctx context.Context, r auth.ResourceActions) ([]auth.Action, string, error) {
	switch r.Type {
	case auth.TypeRepository:
		return a.grantRepository(ctx, r)
	case auth.TypeRegistry:
		if r.Name != auth.CatalogName {
			return nil, "the only name of type registry is catalog", nil
		}
		if !slices.Contains(r.Actions, auth.ActionAll) {
			return nil, "the only action on the catalog is *", nil
		}
		// A permission has Harbor's words for it: to read the catalog.
		return a.allowed(key{who: a.atSystem(), resource: string(auth.TypeRegistry), name: auth.CatalogName}, []auth.Action{auth.ActionAll},
			auth.Question{Resource: "catalog", Action: "read"})
	default:
		return nil, fmt.Sprintf("nothing is granted for type %q", r.Type), nil
	}
}

func (a *asker) grantRepository(ctx context.Context, r auth.ResourceActions) ([]auth.Action, string, error) {
	project, ok := auth.Project(r.Name)
	if !ok || !auth.ValidRepository(r.Name) {
		return nil, fmt.Sprintf("%q does not name a repository in a project", r.Name), nil
	}
	exists, err := a.enter(ctx, project)
	if err != nil {
		return nil, "", err
	}
	if !exists {
		return nil, noSuchProject(project), nil
	}
	var few [3]auth.Action
	wanted, name := tokenActions(few[:0], r.Actions), r.Name
	if a.standing.Now != "" {
		if wanted, name = pulls(wanted), a.place+strings.TrimPrefix(r.Name, project); len(wanted) == 0 {
			return nil, calledNow(project, a.place), nil
		}
	}
	k := key{resource: string(auth.TypeRepository), name: name}
	k.who = a.held(k)
	return a.allowed(k, wanted,
		auth.Question{Project: a.place, Repository: name, Resource: string(auth.TypeRepository)})
}

// pulls returns of the actions what can be done under a project's old name.
func pulls(wanted []auth.Action) []auth.Action {
	return slices.DeleteFunc(wanted, func(a auth.Action) bool { return a != auth.ActionPull })
}

// tokenActions appends to dst which of a registry's actions are asked for. Others are never put into a token, whatever
// the policy says of them: "update" on a repository is a right in the REST API.
func tokenActions(dst, asked []auth.Action) []auth.Action {
	if slices.Contains(asked, auth.ActionAll) {
		return append(dst, auth.ActionPull, auth.ActionPush, auth.ActionDelete)
	}
	for _, action := range asked {
		switch action { //nolint:exhaustive // ActionAll was seen to above
		case auth.ActionPull, auth.ActionPush, auth.ActionDelete:
			if !slices.Contains(dst, action) {
				dst = append(dst, action)
			}
		}
	}
	return dst
}

// allowed asks the policy for each of the actions. The question is the same one in the words of permissions, and needs no
// action where those are the policy's.
func (a *asker) allowed(k key, wanted []auth.Action, q auth.Question) ([]auth.Action, string, error) {
	if len(wanted) == 0 {
		return nil, "no action that a registry knows was asked for", nil
	}
	var reasons [3]string
	granted := make([]auth.Action, 0, len(wanted))
	for i, action := range wanted {
		k.action = string(action)
		asked := q
		if asked.Action == "" {
			asked.Action = k.action
		}
		ruling, err := a.rule(k, asked)
		if err != nil {
			return nil, "", err
		}
		if ruling.Allowed {
			granted = append(granted, action)
		}
		reasons[i] = ruling.Reason
	}
	return granted, joinReasons(wanted, reasons[:len(wanted)]), nil
}

// rule answers one question, with the rule that decided and how the subject came to its role. What no rule is about,
// the subject's own grants may allow; what is allowed, its bounds may take away.
func (a *asker) rule(k key, q auth.Question) (auth.Ruling, error) {
	v, err := a.gen.decide(k, a.at)
	if err != nil {
		return auth.Ruling{}, err
	}
	ruling := auth.Ruling{Allowed: v.allowed, Forbidden: !v.allowed && v.rule != nil, Reason: a.reason(k, v)}
	if !ruling.Allowed && v.rule == nil && a.sub.Grants.Allow(q) {
		ruling = auth.Ruling{Allowed: true, Reason: "permission of " + a.sub.Name}
	}
	if ruling.Allowed && !a.sub.Permitted(q) {
		ruling = auth.Ruling{Reason: "the credential is not good for " + q.Action + " (" + ruling.Reason + ")"}
	}
	return ruling, nil
}

// reason says which rule decided, and for a role in a project how the subject came to it.
func (a *asker) reason(k key, v verdict) string {
	if v.rule == nil {
		return a.gen.unruled(k) + a.elsewhere(k)
	}
	if !v.rule.byMembership {
		return v.rule.reason
	}
	if a.place == SystemLevel || !slices.Contains(a.standing.Roles, v.rule.who) && a.only(k, v.rule.who) == "" {
		for _, g := range a.given {
			if g.role == v.rule.who && g.projects.match(a.place) {
				return v.rule.reason + " (" + g.at + ")"
			}
		}
	}
	return v.rule.reason + " (member of " + a.place + a.only(k, v.rule.who) + ")"
}

// only says for which repositories the subject has a role that it has for some.
func (a *asker) only(k key, role string) string {
	if slices.Contains(a.standing.Roles, role) {
		return ""
	}
	for _, some := range a.standing.Some {
		if pattern, ok := some.reaches(k, a.place); ok && some.Role == role {
			return " for " + cmp.Or(pattern, strings.Join(some.Only, ", "))
		}
	}
	return ""
}

// elsewhere says which roles the subject has in the project for other repositories.
func (a *asker) elsewhere(k key) string {
	if a.place == SystemLevel {
		return ""
	}
	var b strings.Builder
	for _, some := range a.standing.Some {
		if _, ok := some.reaches(k, a.place); !ok {
			b.WriteString("; " + some.Role + " for " + strings.Join(some.Only, ", ") + " alone")
		}
	}
	return b.String()
}

// joinReasons says for each group of actions why; a reason that all of them share is given once and alone.
func joinReasons(actions []auth.Action, reasons []string) string {
	if same(reasons) {
		return reasons[0]
	}
	var b strings.Builder
	for i, reason := range reasons {
		switch {
		case i > 0 && reasons[i-1] == reason: //nolint:gosec // i is above 0
			continue
		case i > 0:
			b.WriteString("; ")
		}
		b.WriteString(string(actions[i]))
		for j := i + 1; j < len(reasons) && reasons[j] == reason; j++ {
			b.WriteString("," + string(actions[j]))
		}
		b.WriteString(": " + reason)
	}
	return b.String()
}

func same(s []string) bool {
	for _, v := range s[1:] {
		if v != s[0] {
			return false
		}
	}
	return true
}
