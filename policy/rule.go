package policy

import (
	"strconv"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// SystemLevel stands in place of a name where a rule is about the whole system. No project can have this name, and no
// pattern but itself matches it: whoever may do everything in all projects is not thereby above them.
const SystemLevel = "@system"

// rule is a "p" line.
type rule struct {
	line         int
	who          string
	resource     string
	name         string
	actions      string
	allow        bool
	byMembership bool   // who is a role that a membership gives
	reason       string // "policy.csv:14 developer"
}

// row returns the rule as casbin gets it: the fields of policy_definition in model.conf.
func (r *rule) row() []string {
	effect := "deny"
	if r.allow {
		effect = "allow"
	}
	return []string{r.who, r.resource, r.name, r.actions, effect, strconv.Itoa(r.line)}
}

// grant is a "g" line.
type grant struct {
	line     int
	user     string
	role     string
	id       roleID
	projects pattern
	at       string // "policy.csv:80"
}

// pattern is a name pattern, sorted on loading by how it can be matched.
type pattern struct {
	text string
	kind patternKind
	stem string // of prefixed: the pattern without the trailing "/**"
}

type patternKind uint8

const (
	literal    patternKind = iota // team
	everything                    // **
	prefixed                      // team/**
	globbed                       // everything else
)

// newPattern sorts a pattern, and reports whether it is a valid one.
func newPattern(text string) (pattern, bool) {
	p := pattern{text: text, kind: globbed}
	stem, below := strings.CutSuffix(text, "/**")
	switch {
	case text == "**":
		p.kind = everything
	case plain(text):
		p.kind = literal
	case below && plain(stem):
		p.kind, p.stem = prefixed, stem
	}
	return p, text != "" && len(text) <= maxPattern && strings.Count(text, "{") <= maxAlternatives && doublestar.ValidatePattern(text) && soundClasses(text)
}

// Limits of a pattern: each {a,b} doubles what a match can cost.
const (
	maxPattern      = 512
	maxAlternatives = 4
)

// soundClasses reports whether each [class] holds only what a name can hold. The library takes more for valid, and
// then loses count of a brace or a bracket within a class: a rule that denies would never match.
func soundClasses(text string) bool {
	for {
		i := strings.IndexAny(text, `[\`)
		if i < 0 {
			return true
		}
		if text[i] == '\\' {
			text = text[min(i+2, len(text)):]
			continue
		}
		class, rest, _ := strings.Cut(text[i+1:], "]")
		if strings.HasPrefix(class, "!") || strings.HasPrefix(class, "^") {
			class = class[1:]
		}
		if strings.Trim(class, nameCharacters) != "" {
			return false
		}
		text = rest
	}
}

// nameCharacters are those of names, without the slash, which no class can match.
const nameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

// plain reports whether no character of s is special in a pattern.
func plain(s string) bool { return s != "" && !strings.ContainsAny(s, `*?[]{}\`) }

// match reports whether a name matches. [SystemLevel] matches itself only.
func (p pattern) match(name string) bool {
	switch {
	case name == SystemLevel || p.kind == literal:
		return p.text == name
	case p.kind == everything:
		return true
	case p.kind == prefixed:
		rest, ok := strings.CutPrefix(name, p.stem)
		return ok && (rest == "" || rest[0] == '/')
	default:
		return doublestar.MatchUnvalidated(p.text, name)
	}
}
