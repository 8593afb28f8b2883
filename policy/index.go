package policy

import (
	"math/bits"
	"slices"
	"strings"
)

// index finds the rules that can be about a question, without looking at the others: by who asks, by the resource, and by
// the folder that a name pattern begins with. What it costs follows from how many roles the asker has and how deep the
// name is, and not from how many rules there are.
type index struct {
	byRole []map[string]*names // by the role's id, then by resource
	byUser []map[string]*names // by the user's number
}

// names holds the rules of one asker about one resource.
type names struct {
	literal map[string][]*rule
	below   map[string]*folder // patterns with something special in them, by the folder that they begin with
}

// folder holds the patterns that begin with the same folder. A few are tried one by one; many are told apart by what
// stands before their first special character.
type folder struct {
	rules   []*rule
	byStem  map[string][]*rule
	lengths []int // of the stems, ascending
}

// fewRules is up to how many patterns of a folder are tried one by one.
const fewRules = 8

func newIndex(g *generation, rules []*rule) *index {
	x := &index{byRole: make([]map[string]*names, len(g.roleNames)), byUser: make([]map[string]*names, len(g.users)+1)}
	for _, r := range rules {
		place := &x.byRole
		n := int(g.roles[r.who])
		if user, ok := strings.CutPrefix(r.who, userPrefix); ok {
			place, n = &x.byUser, int(g.users[foldName(user)])
		}
		byResource := (*place)[n]
		if byResource == nil {
			byResource = map[string]*names{}
			(*place)[n] = byResource
		}
		if byResource[r.resource] == nil {
			byResource[r.resource] = &names{literal: map[string][]*rule{}, below: map[string]*folder{}}
		}
		byResource[r.resource].add(r)
	}
	x.split()
	return x
}

func (n *names) add(r *rule) {
	if r.pattern.kind == literal {
		n.literal[r.pattern.name] = append(n.literal[r.pattern.name], r)
		return
	}
	dir := folderOf(r.pattern)
	if n.below[dir] == nil {
		n.below[dir] = &folder{}
	}
	n.below[dir].rules = append(n.below[dir].rules, r)
}

// folderOf returns the components of a pattern before the one that holds the first special character.
func folderOf(p pattern) string {
	if p.kind == prefixed {
		return p.stem
	}
	stem := p.name[:strings.IndexAny(p.name+"*", specialCharacters)]
	return stem[:max(strings.LastIndexByte(stem, '/'), 0)]
}

// stemOf returns what stands before the first special character of a pattern.
func stemOf(text string) string {
	if i := strings.IndexAny(text, specialCharacters); i >= 0 {
		text = text[:i]
	}
	return strings.TrimSuffix(text, "/") // a/**/** matches a, too
}

// split prepares the folders with many patterns.
func (x *index) split() {
	for _, who := range slices.Concat(x.byRole, x.byUser) {
		for _, n := range who {
			for _, f := range n.below {
				f.split()
			}
		}
	}
}

func (f *folder) split() {
	if len(f.rules) <= fewRules {
		return
	}
	f.byStem = map[string][]*rule{}
	for _, r := range f.rules {
		stem := stemOf(r.pattern.name)
		if r.pattern.kind == prefixed {
			stem = r.pattern.stem
		}
		f.byStem[stem] = append(f.byStem[stem], r)
		if !slices.Contains(f.lengths, len(stem)) {
			f.lengths = append(f.lengths, len(stem))
		}
	}
	slices.Sort(f.lengths)
}

// search is one question on its way through the index.
type search struct {
	key
	at    moment
	allow *rule // the first rule that allows
	deny  *rule // the first rule that denies
}

// find looks for the rules that decide.
func (x *index) find(k key, at moment) search {
	s := search{key: k, at: at}
	for few := k.who.few; few != 0; few &= few - 1 {
		s.in(x.byRole, bits.TrailingZeros64(few))
	}
	for more := k.who.more; more != ""; more = more[4:] {
		s.in(x.byRole, int(idOf(more[:4])))
	}
	if k.who.user != 0 {
		s.in(x.byUser, int(k.who.user))
	}
	return s
}

func (s *search) in(place []map[string]*names, n int) {
	if n >= len(place) || place[n] == nil {
		return
	}
	if found := place[n][s.resource]; found != nil {
		s.named(found)
	}
	if found := place[n]["*"]; found != nil {
		s.named(found)
	}
}

// named goes through the rules whose patterns can match the name: those that are the name, and those that begin with one
// of the folders that it is in, or with itself.
func (s *search) named(n *names) {
	for _, r := range n.literal[s.name] {
		s.look(r)
	}
	if s.name == SystemLevel || len(n.below) == 0 {
		return
	}
	s.folder(n.below[""])
	for i := range len(s.name) {
		if s.name[i] == '/' {
			s.folder(n.below[s.name[:i]])
		}
	}
	s.folder(n.below[s.name])
}

func (s *search) folder(f *folder) {
	if f == nil {
		return
	}
	if f.byStem == nil {
		for _, r := range f.rules {
			s.look(r)
		}
		return
	}
	for _, n := range f.lengths {
		if n > len(s.name) {
			return
		}
		for _, r := range f.byStem[s.name[:n]] {
			s.look(r)
		}
	}
}

// look keeps a rule if it is about the question and stands before what was found.
func (s *search) look(r *rule) {
	best := &s.deny
	if r.allow {
		best = &s.allow
	}
	if *best != nil && (*best).line < r.line {
		return
	}
	if r.does(s.action) && r.pattern.match(s.name) && r.pattern.matchTag(s.key, r.allow) && r.when.holds(s.at, r.allow) {
		*best = r
	}
}
