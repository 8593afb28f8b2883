package policy

import (
	"maps"
	"slices"
	"strings"
)

// doubtCovered warns of rules that change nothing: those that another rule says already, and those that allow what another
// one denies to the same people in any case.
func (s *ruleset) doubtCovered() {
	byWho := map[string]*covering{}
	for _, r := range s.rules {
		if byWho[r.who] == nil {
			byWho[r.who] = &covering{literal: map[string][]*rule{}, below: map[string][]*rule{}}
		}
		byWho[r.who].add(r)
	}
	for _, r := range s.rules {
		own := byWho[r.who]
		if r.allow {
			// What is denied to everybody is denied to each.
			for _, c := range []*covering{own, byWho[whoAnonymous]} {
				if q := c.find(r, false); q != nil {
					s.doubt(r.line, "this never counts: "+place(s.file, q.line)+" denies it", "delete one of them, or make the denial narrower")
					break
				}
			}
		}
		if q := own.find(r, r.allow); q != nil {
			s.doubt(r.line, "this changes nothing: "+place(s.file, q.line)+" says so already", "delete this line, unless you want to keep it as a note")
		}
	}
}

// covering holds the rules of one asker by what names they can be about.
type covering struct {
	literal map[string][]*rule
	below   map[string][]*rule // by the folder of which they match everything; "" is all
	globs   []*rule
}

// mostGlobs bounds how many patterns are tried against each other: to tell everything of a hundred thousand would take
// longer than anybody waits.
const mostGlobs = 100

func (c *covering) add(r *rule) {
	switch r.pattern.kind {
	case literal:
		c.literal[r.pattern.name] = append(c.literal[r.pattern.name], r)
	case everything:
		c.below[""] = append(c.below[""], r)
	case prefixed:
		c.below[r.pattern.stem] = append(c.below[r.pattern.stem], r)
	case globbed:
		c.globs = append(c.globs, r)
	}
}

// find returns another rule with the effect that covers r in any case, or nil.
func (c *covering) find(r *rule, allow bool) *rule {
	if c == nil {
		return nil
	}
	for _, q := range c.candidates(r) {
		if q != r && q.allow == allow && q.covers(r) {
			return q
		}
	}
	return nil
}

// candidates returns the rules whose patterns cover that of r.
func (c *covering) candidates(r *rule) []*rule {
	var all []*rule
	stem := ""
	switch p := r.pattern; {
	case p.name == SystemLevel:
		return c.literal[SystemLevel]
	case p.kind == literal:
		stem, all = p.name, append(all, c.literal[p.name]...)
		for _, g := range c.globs[:min(mostGlobs, len(c.globs))] {
			if g.pattern.match(p.name) {
				all = append(all, g)
			}
		}
	case p.kind == prefixed:
		stem = p.stem
	case p.kind == globbed:
		stem = folderOf(p)
		for _, g := range c.globs[:min(mostGlobs, len(c.globs))] {
			if g.pattern.name == p.name {
				all = append(all, g)
			}
		}
	}
	all = append(all, c.below[""]...)
	for i := range len(stem) {
		if stem[i] == '/' {
			all = append(all, c.below[stem[:i]]...)
		}
	}
	if stem != "" {
		all = append(all, c.below[stem]...)
	}
	return all
}

// covers reports whether the rule says all that r says, given that its pattern covers that of r. Of two that say the same,
// the first one does.
func (q *rule) covers(r *rule) bool {
	if q.pattern.tagged && q.allow != r.allow {
		return false // without a tag, what is allowed for one counts and what is denied for one does not
	}
	if q.resource != r.resource && q.resource != "*" ||
		q.condition != "" && q.condition != r.condition ||
		q.pattern.tagged && (!r.pattern.tagged || q.pattern.tag != r.pattern.tag && q.pattern.tag != "*") {
		return false
	}
	if !slices.Contains(q.list, "*") && slices.ContainsFunc(r.list, func(a string) bool { return !slices.Contains(q.list, a) }) {
		return false
	}
	same := q.resource == r.resource && q.name == r.name && q.condition == r.condition && len(q.list) == len(r.list) && q.allow == r.allow
	return !same || q.line < r.line
}

// Existing is what there is that rules can be about.
type Existing struct {
	Projects     []string
	Repositories []string
	Groups       []string // those that are kept here
	Sources      []string // of users
	Roles        []string // not of Harbor's, that any member of a project has
}

// CheckAgainst is [CheckText], and warns besides of rules and members whose patterns match nothing that there is.
func CheckAgainst(t Text, there Existing) []Finding {
	src := textSource(t)
	findings := check(src)
	if len(faults(findings)) > 0 {
		return findings
	}
	rules := readRules(src.file, src.rules)
	findings = slices.DeleteFunc(findings, func(f Finding) bool {
		return slices.ContainsFunc(there.Roles, func(role string) bool { return f.What == nobodyHolds(role) })
	})
	for _, role := range there.Roles {
		if !rules.named[role] {
			findings = append(findings, Finding{
				File: src.file, What: quote("members of projects have the role %q, and no rule names it: it allows them nothing", role), Warning: true,
				Remedy: didYouMean(role, slices.Collect(maps.Keys(rules.named)), "put its rules back, or give those members another role"),
			})
		}
	}
	all := append(slices.Clone(there.Projects), there.Repositories...)
	for _, r := range rules.rules {
		if r.pattern.name == SystemLevel || r.resource == "registry" || matchesAny(r.pattern, all) {
			continue
		}
		findings = append(findings, Finding{
			File: src.file, Line: r.line, What: quote("the pattern %q matches no project and no repository that there is", r.name), Warning: true,
			Remedy: "correct it, or leave it if what it is for is yet to come",
		})
	}
	for _, g := range rules.grants {
		if f := there.checkGroup(g); f.what != "" {
			findings = append(findings, Finding{File: src.file, Line: g.line, What: f.what, Remedy: f.remedy, Warning: true})
		}
		if g.projects.text != SystemLevel && !matchesAny(g.projects, there.Projects) {
			findings = append(findings, Finding{
				File: src.file, Line: g.line, What: quote("the project pattern %q matches no project that there is", g.projects.text), Warning: true,
				Remedy: "correct it, or leave it if the project is yet to come",
			})
		}
	}
	slices.SortStableFunc(findings, func(a, b Finding) int { return strings.Compare(a.File, b.File)*1_000_000 + a.Line - b.Line })
	return findings
}

// checkGroup returns what is doubtful about a group's line. Which groups a source has, only the source knows.
func (e Existing) checkGroup(g grant) fault {
	switch name := g.group.name; {
	case g.user != "":
	case g.group.source != "" && !slices.Contains(e.Sources, g.group.source):
		return fault{quote("there is no user source %q", g.group.source), didYouMean(g.group.source, e.Sources, "name one of the settings file")}
	case g.group.source == "" && !slices.ContainsFunc(e.Groups, func(g string) bool { return foldName(g) == name }):
		return fault{quote("no group %q is kept here", name), didYouMean(name, e.Groups, "create it, or add @ and the user source that it is of")}
	}
	return fault{}
}

func matchesAny(p pattern, all []string) bool {
	return p.kind == everything || slices.ContainsFunc(all, p.match)
}
