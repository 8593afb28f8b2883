package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/sealock/sealock/auth"
)

// ruleset is what a policy file says.
type ruleset struct {
	file   string
	rules  []*rule
	grants []grant
	named  map[string]bool // who stands in rules, faulty ones included
	when   map[string]*condition
	faults []Finding // and doubts
}

// readRules reads a policy file, completely, so that all its faults are told at once.
func readRules(file string, data []byte) ruleset {
	lines, findings := parseLines(file, data)
	s := ruleset{file: file, faults: findings, named: map[string]bool{}, when: map[string]*condition{}}
	words := vocabulary()
	for _, l := range lines {
		switch l.fields[0] {
		case "p":
			s.addRule(words, l)
		case "g":
			s.addGrant(l)
		default:
			s.fault(l.number, quote("a line starts with %q", l.fields[0]), "a rule starts with p, a member with g, a comment with #")
		}
	}
	if len(lines) == 0 && len(findings) == 0 {
		s.fault(0, "the file holds no rule", "nobody could do anything: write a rule, or move the file away and start sealock again: it writes the default where a file is missing")
	}
	s.checkRoles()
	s.doubtCovered()
	slices.SortStableFunc(s.faults, func(a, b Finding) int { return a.Line - b.Line })
	return s
}

func (s *ruleset) fault(line int, what, remedy string) {
	s.faults = append(s.faults, Finding{File: s.file, Line: line, What: what, Remedy: remedy})
}

func (s *ruleset) doubt(line int, what, remedy string) {
	s.faults = append(s.faults, Finding{File: s.file, Line: line, What: what, Remedy: remedy, Warning: true})
}

func (s *ruleset) addRule(words map[string]resourceWord, l fieldLine) {
	if len(l.fields) != 6 && len(l.fields) != 7 {
		s.fault(l.number, fmt.Sprintf("a rule has %d fields, not 6 or 7", len(l.fields)), "write p, who, resource, name pattern, actions, allow or deny, and a condition if there is one")
		return
	}
	r := &rule{line: l.number, who: l.fields[1], resource: l.fields[2], name: l.fields[3], actions: l.fields[4], allow: l.fields[5] == "allow"}
	r.list = strings.Split(r.actions, "|")
	r.byMembership = !strings.HasPrefix(r.who, userPrefix) && !slices.Contains(builtinRoles(), r.who)
	r.reason = place(s.file, r.line) + " " + r.who
	if !r.allow {
		r.reason = place(s.file, r.line) + " denies " + r.who
	}
	s.named[r.who] = true
	checks := []fault{checkWho(r.who), checkResource(words, r.resource), r.readPattern(), checkEffect(l.fields[5])}
	if checks[1].what == "" {
		checks = append(checks, checkActions(words, r.resource, r.actions))
	}
	if len(l.fields) == 7 {
		checks = append(checks, s.readCondition(r, l.fields[6]))
	}
	sound := true
	for _, f := range checks {
		if f.what != "" {
			s.fault(l.number, f.what, f.remedy)
			sound = false
		}
	}
	if sound {
		s.rules = append(s.rules, r)
		s.doubtRule(words, r)
	}
}

// readPattern compiles the rule's name pattern and returns what is wrong with it.
func (r *rule) readPattern() fault {
	var valid bool
	r.pattern, valid = newPattern(r.name)
	switch {
	case r.name == "":
		return fault{"a rule has no name pattern", "write ** for all, or " + SystemLevel + " for what is in no project"}
	case !valid:
		return fault{quote("the name pattern %q is not valid", r.name), "close each [ and {, put only letters, digits, and ._- between [ and ], and write several lines in place of more than four {}; what follows a colon is a pattern for tags"}
	case r.pattern.tagged && r.resource != string(auth.TypeRepository):
		return fault{quote("the name pattern %q has a pattern for tags", r.name), "only rules about the resource repository can"}
	}
	return fault{}
}

// readCondition compiles a rule's condition, once for all rules that have it, and returns what is wrong with it.
func (s *ruleset) readCondition(r *rule, text string) fault {
	if text == "" {
		return fault{"a rule ends with an empty condition", "leave the last comma away, or " + conditionRemedy}
	}
	r.condition = text
	if c, known := s.when[text]; known {
		r.when = c
		return fault{}
	}
	c, f := parseCondition(text)
	if f.what == "" {
		r.when, s.when[text] = &c, &c
	}
	return f
}

func (s *ruleset) addGrant(l fieldLine) {
	if len(l.fields) != 4 {
		s.fault(l.number, fmt.Sprintf("a member line has %d fields, not 4", len(l.fields)), "write g, user:name or group:name, role, project; put what holds a comma in quotes")
		return
	}
	user, isUser := strings.CutPrefix(l.fields[1], userPrefix)
	text, isGroup := strings.CutPrefix(l.fields[1], groupPrefix)
	var group groupName
	if isGroup {
		user, group = "", newGroupName(text)
	}
	role := l.fields[2]
	p, valid := newPattern(l.fields[3])
	switch {
	case isGroup && group.name == "":
		s.fault(l.number, quote("%q is not a group", l.fields[1]), "write group:ops for a group that is kept here, group:ops@corp for one of the user source corp")
	case !isGroup && (!isUser || user == ""):
		s.fault(l.number, quote("%q is neither a user nor a group", l.fields[1]), "write user:alice, or group:ops, or group:ops@corp for a group of the user source corp")
	case slices.Contains(builtinRoles(), role):
		s.fault(l.number, quote("role %q can't be given", role), "it follows from what the subject is; give another role, or make the user a system administrator in the user list")
	case checkWho(role).what != "" || strings.HasPrefix(role, userPrefix):
		s.fault(l.number, quote("%q is not a role", role), "write letters, digits, - and _ only")
	case !valid || p.tagged:
		s.fault(l.number, quote("the project pattern %q is not valid", p.text), "write a project's name, a pattern such as team-*, ** or "+SystemLevel)
	default:
		s.grants = append(s.grants, grant{line: l.number, user: user, group: group, role: role, projects: p, at: place(s.file, l.number)})
	}
}

// checkWho returns what is wrong with the first field of a rule.
func checkWho(who string) fault {
	if name, isUser := strings.CutPrefix(who, userPrefix); isUser {
		if name == "" {
			return fault{"user: without a name", "write user:alice, or authenticated for everybody who is signed in"}
		}
		return fault{}
	}
	if who == "" {
		return fault{"a rule is for nobody", "name a role, or user:alice"}
	}
	if strings.HasPrefix(who, groupPrefix) {
		return fault{"a rule can't be for a group", "give the group a role, g, " + who + ", role, project, and write the rule for the role"}
	}
	for _, r := range who {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' && r != '_' {
			return fault{quote("%q is not a role", who), "write letters, digits, - and _ only, or user:alice; for everybody write anonymous or authenticated"}
		}
	}
	return fault{}
}

func checkEffect(effect string) fault {
	if effect != "allow" && effect != "deny" {
		return fault{quote("the effect %q is neither allow nor deny", effect), "write allow or deny; comments have lines of their own"}
	}
	return fault{}
}

func nobodyHolds(role string) string { return quote("nobody holds the role %q", role) }

// checkRoles holds the roles of rules and grants against each other, once all are known.
func (s *ruleset) checkRoles() {
	known := slices.Concat(builtinRoles(), harborRoles())
	given := map[string]bool{}
	for _, name := range known {
		given[name] = true
	}
	for _, g := range s.grants {
		given[g.role] = true
	}
	for _, r := range s.rules {
		if r.byMembership && !given[r.who] {
			s.doubt(r.line, nobodyHolds(r.who), didYouMean(r.who, known, "give it to a member (sealock member add PROJECT NAME --role "+r.who+"), or add a line: g, user:name, "+r.who+", project"))
		}
	}
	for _, g := range s.grants {
		if !s.named[g.role] && !slices.Contains(known, g.role) {
			s.fault(g.line, quote("there is no role %q", g.role), didYouMean(g.role, slices.AppendSeq(known, maps.Keys(s.named)), "add a rule for it: p, "+g.role+", repository, **, pull, allow"))
		}
	}
}

// doubtRule warns of rules that are well formed and can't mean what they say.
func (s *ruleset) doubtRule(words map[string]resourceWord, r *rule) {
	w, system := words[r.resource], r.name == SystemLevel
	switch {
	case r.who == whoAnonymous && !r.allow:
		s.doubt(r.line, "this denies everybody, administrators included", "anonymous is everybody; to keep out those without a login, delete the lines that allow anonymous or public")
	case r.who == userPrefix+"*":
		s.doubt(r.line, "this is about a user whose name is an asterisk", "write authenticated for everybody who is signed in")
	case r.resource == "*":
	case system && !w.system:
		s.doubt(r.line, "this matches nothing: resource "+r.resource+" is always in a project", "write ** or a project's name in place of "+SystemLevel)
	case !system && !w.project && r.resource != "registry":
		s.doubt(r.line, "this matches nothing: resource "+r.resource+" is in no project", "write "+SystemLevel+" in place of "+r.name)
	case r.resource == "repository" && !strings.Contains(r.pattern.name, "/") && !strings.Contains(r.pattern.name, "**") && tokenAction(r.actions):
		s.doubt(r.line, quote("the pattern %q matches no repository", r.name), "repositories have a slash in their names: write "+r.name+"/**")
	}
}

func tokenAction(list string) bool {
	return list == "*" || strings.Contains(list, "pull") || strings.Contains(list, "push")
}
