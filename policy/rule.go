package policy

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/sealock/sealock/auth"
)

// SystemLevel stands in place of a name where a rule is about the whole system. No project can have this name, and no
// pattern but itself matches it: whoever may do everything in all projects is not thereby above them.
const SystemLevel = "@system"

// rule is a "p" line.
type rule struct {
	line         int
	who          string
	resource     string
	name         string // as it stands in the line
	pattern      pattern
	actions      string
	list         []string // actions, parted
	allow        bool
	condition    string
	when         *condition // nil: always
	byMembership bool       // who is a role that a membership gives
	reason       string     // "policy.csv:14 developer"
}

// row returns the rule as casbin gets it: the fields of policy_definition in model.conf.
func (r *rule) row() []string {
	return []string{r.who, r.resource, r.name, r.actions, r.effect(), r.condition, strconv.Itoa(r.line)}
}

func (r *rule) effect() string {
	if r.allow {
		return "allow"
	}
	return "deny"
}

// does reports whether an action is in the rule's list.
func (r *rule) does(action string) bool {
	return slices.ContainsFunc(r.list, func(a string) bool { return a == action || a == "*" })
}

// grant is a "g" line: of a user, or else of a group.
type grant struct {
	line     int
	user     string
	group    groupName
	role     string
	id       roleID
	projects pattern
	at       string // "policy.csv:80"
}

// groupName is a group of a source of users, by what the source calls it, or one that is kept here.
type groupName struct{ source, name string }

// newGroupName reads group:NAME or group:NAME@SOURCE. The name of a group that is kept here holds no @.
func newGroupName(text string) groupName {
	name, source := auth.SplitSource(text)
	if source == "" {
		name = foldName(name)
	}
	return groupName{source: source, name: name}
}

// foldName returns the key of a user's or a local group's name. There are no two whose names differ in case alone.
func foldName(name string) string {
	for i := range len(name) {
		if name[i] >= utf8.RuneSelf {
			return name // only the store knows how others are folded
		}
	}
	return strings.ToLower(name)
}

// pattern is a name pattern, sorted on loading by how it can be matched, and a pattern for tags behind it, if there is one:
// team/app:v*.
type pattern struct {
	text   string // as it stands in the line
	name   string // without the tag
	kind   patternKind
	stem   string // of prefixed: the pattern without the trailing "/**"
	tag    string
	tagged bool
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
	p.name, p.tag, p.tagged = cutTag(text)
	stem, below := strings.CutSuffix(p.name, "/**")
	switch {
	case p.name == "**":
		p.kind = everything
	case plain(p.name):
		p.kind = literal
	case below && plain(stem):
		p.kind, p.stem = prefixed, stem
	}
	return p, len(text) <= maxPattern && sound(p.name) && (!p.tagged || sound(p.tag))
}

// cutTag parts a pattern at its colon, which no name of a repository in a project holds.
func cutTag(text string) (name, tag string, tagged bool) { return strings.Cut(text, ":") }

func sound(text string) bool {
	return text != "" && strings.Count(text, "{") <= maxAlternatives && !strings.Contains(text, ":") &&
		doublestar.ValidatePattern(text) && soundClasses(text)
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
func plain(s string) bool { return s != "" && !strings.ContainsAny(s, specialCharacters) }

const specialCharacters = `*?[]{}\`

// match reports whether a name matches. [SystemLevel] matches itself only.
func (p pattern) match(name string) bool {
	switch {
	case name == SystemLevel || p.kind == literal:
		return p.name == name
	case p.kind == everything:
		return true
	case p.kind == prefixed:
		rest, ok := strings.CutPrefix(name, p.stem)
		return ok && (rest == "" || rest[0] == '/')
	default:
		return doublestar.MatchUnvalidated(p.name, name)
	}
}

// matchTag reports whether a question is about one of the pattern's tags. A question that names no tag, as a token's can't,
// is about some tag: an allowance for some of them answers it, a denial for some does not. One about every tag is the other
// way round.
func (p pattern) matchTag(k key, allow bool) bool {
	switch {
	case !p.tagged:
		return true
	case k.tag == "":
		return allow
	case k.tag == auth.EveryTag:
		return !allow || p.tag == "*" || p.tag == "**"
	default:
		return doublestar.MatchUnvalidated(p.tag, k.tag)
	}
}
