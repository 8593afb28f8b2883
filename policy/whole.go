package policy

import (
	"context"
	"fmt"
	"strings"

	"github.com/sealock/sealock/auth"
)

// decideWhole answers whether the subject may do something in all that an [auth.Access] with Whole is about, at any time and
// from anywhere. It is asked where a right is given on, to a robot or by a role: the rules that hold the giver back are not
// about the taker. So a denial counts when it could be about any of it, whatever its condition and its tags, and an allowance
// only if it is about all of it and has none. It may say no where a longer look would say yes, and never yes where something
// is denied. It reads all rules: tokens are not decided by it.
func decideWhole(ctx context.Context, a asker, access auth.Access) (auth.Ruling, error) {
	ruling, err := a.decideAll(ctx, access)
	if err != nil || !ruling.Allowed || access.Resource != string(auth.TypeRepository) || access.Action != string(auth.ActionPush) {
		return ruling, err
	}
	access.Action = actionOverwrite // who gives on to push gives on to overwrite, which rules can part
	return a.decideAll(ctx, access)
}

func (a *asker) decideAll(ctx context.Context, access auth.Access) (auth.Ruling, error) {
	w := whole{resource: access.Resource, action: a.gen.meaning(access.Action)}
	switch access.Project {
	case "":
		w.name, w.who = SystemLevel, a.atSystem()
		if access.Resource == "catalog" { // as permissions call what tokens have another name for
			w.resource, w.name, w.action = string(auth.TypeRegistry), auth.CatalogName, string(auth.ActionAll)
		}
	case SystemLevel:
		return auth.Ruling{Reason: noSuchProject(access.Project)}, nil
	case "*":
		w.name, w.all, w.who = "*", true, a.base
	default:
		exists, err := a.enter(ctx, access.Project)
		if err != nil {
			return auth.Ruling{}, err
		}
		if !exists || a.standing.Now != "" {
			return auth.Ruling{Reason: noSuchProject(access.Project)}, nil
		}
		w.name, w.who, w.project = access.Project, a.who, true
	}
	if !w.narrow(access) {
		return auth.Ruling{Reason: fmt.Sprintf("%q is no pattern of repositories in project %q", access.Repository, access.Project)}, nil
	}
	return a.ruleWhole(w, access)
}

// whole is what a question with Whole is about.
type whole struct {
	who              roleSet
	resource, action string
	name             string // of the project, [SystemLevel] or the catalog
	project          bool   // it is about a project and all that is in it
	all              bool   // and that for each project that there is or will be
	pattern          string // of repositories, the project in front; "" for all
}

// narrow takes the pattern of repositories, and reports whether it is one in the project.
func (w *whole) narrow(access auth.Access) bool {
	if access.Repository == "" {
		return true
	}
	inside, ok := strings.CutPrefix(access.Repository, access.Project+"/")
	w.pattern = access.Repository
	return ok && (w.project || w.all) && auth.ValidPattern(inside)
}

// ruleWhole is asker.rule for a whole.
func (a *asker) ruleWhole(w whole, access auth.Access) (auth.Ruling, error) {
	held := a.heldAnywhere(w)
	for _, r := range a.gen.list {
		if !r.allow && a.gen.holdsRule(held, r) && w.about(r) && w.touched(r.pattern) {
			return auth.Ruling{Forbidden: true, Reason: r.reason}, nil
		}
	}
	one := auth.Permission{Project: access.Project, Resource: access.Resource, Actions: []string{permitted(access.Action)}}
	if w.pattern != "" {
		one.Repositories = []string{strings.TrimPrefix(w.pattern, access.Project+"/")}
	}
	if a.sub.Bounds != nil && !a.sub.Bounds.Cover(auth.Permissions{one}) {
		return auth.Ruling{Reason: "the credential is not good for " + access.Action}, nil
	}
	for _, r := range a.gen.list {
		if r.allow && r.when == nil && a.gen.holdsRule(w.who, r) && w.about(r) && w.covered(r.pattern) {
			return a.asMatched(w, r)
		}
	}
	if a.sub.Grants.Cover(auth.Permissions{one}) {
		return auth.Ruling{Allowed: true, Reason: "permission of " + a.sub.Name}, nil
	}
	return auth.Ruling{Reason: a.gen.unruled(key{who: w.who, action: access.Action}) + " in all of it, at any time and from anywhere"}, nil
}

// asMatched allows what a rule allows, if the matcher of model.conf agrees where it is another one than the index is for.
func (a *asker) asMatched(w whole, r *rule) (auth.Ruling, error) {
	if a.gen.index == nil {
		v, err := a.gen.enforce(key{who: w.who, resource: w.resource, name: w.name, action: w.action}, a.at)
		if err != nil || !v.allowed {
			return auth.Ruling{Forbidden: err == nil && v.rule != nil, Reason: "the matcher of " + ModelFile + " says no"}, err
		}
	}
	return auth.Ruling{Allowed: true, Reason: r.reason}, nil
}

// heldAnywhere adds to what the subject is in all of it what it is in a part of it: that can be denied something, too. What
// everybody is denied, the taker is as well.
func (a *asker) heldAnywhere(w whole) roleSet {
	held := w.who
	held.few &^= 1 << roleAnonymous
	if w.all {
		for _, gr := range a.given {
			held = held.with(gr.id)
		}
	}
	if w.project {
		for _, some := range a.standing.Some {
			held = a.gen.addMember(held, some.Role)
		}
	}
	return held
}

// holdsRule reports whether a rule is for somebody who has the roles.
func (g *generation) holdsRule(who roleSet, r *rule) bool {
	if user, ok := strings.CutPrefix(r.who, userPrefix); ok {
		return who.user != 0 && g.users[foldName(user)] == who.user
	}
	return who.has(g.roles[r.who])
}

func (w whole) about(r *rule) bool {
	return (r.resource == w.resource || r.resource == "*") && r.does(w.action)
}

// covered reports whether a pattern matches all of it.
func (w whole) covered(p pattern) bool {
	if p.tagged && p.tag != "*" && p.tag != "**" {
		return false
	}
	switch {
	case !w.project && !w.all:
		return p.match(w.name)
	case p.kind == everything, w.pattern != "" && p.name == w.pattern:
		return true
	case w.all:
		return p.name == "*/**"
	}
	stem, below := strings.CutSuffix(p.name, "/**")
	above, valid := newPattern(stem)
	return below && valid && above.match(w.name)
}

// touched reports whether a pattern could match any of it. Two patterns are told apart by what stands before the first
// special character in each.
func (w whole) touched(p pattern) bool {
	switch {
	case !w.project && !w.all:
		return p.match(w.name)
	case p.name == SystemLevel:
		return false
	case w.all: // of what project the pattern is, is all the same
		return true
	}
	area := w.name + "/"
	if stem := stemOf(w.pattern); len(stem) > len(area) {
		area = stem
	}
	if p.kind == literal {
		return strings.HasPrefix(p.name, area) || w.pattern == "" && p.name == w.name
	}
	stem := stemOf(p.name)
	return strings.HasPrefix(stem, area) || strings.HasPrefix(area, stem)
}
