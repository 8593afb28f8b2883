package policy

import "errors"

var errArguments = errors.New("a matcher calls holds(r.who, p.who), does(r.action, p.actions), named(r.name, p.name, p.eft) or meets(r.at, p.when, p.eft) with something else")

// functions are those of the matcher in model.conf, as casbin calls them. Whatever stands in a rule was looked up or
// compiled on loading, so that one evaluation costs a map access.
func (g *generation) functions() matcherFuncs {
	return matcherFuncs{"holds": g.holds, "does": g.does, "named": g.named, "meets": g.meets}
}

// holds reports whether the asker has a rule's role, or is its user.
func (g *generation) holds(args ...any) (any, error) {
	if len(args) != 2 {
		return nil, errArguments
	}
	set, ok1 := args[0].(roleSet)
	who, ok2 := args[1].(string)
	if !ok1 || !ok2 {
		return nil, errArguments
	}
	if id, ok := g.roles[who]; ok {
		return set.has(id), nil
	}
	return set.user != 0 && len(who) > len(userPrefix) && g.users[foldName(who[len(userPrefix):])] == set.user, nil
}

// does reports whether an action is in a rule's list.
func (g *generation) does(args ...any) (any, error) {
	s, ok := stringArgs(args, 2)
	if !ok {
		return nil, errArguments
	}
	r := rule{list: g.actions[s[1]]}
	return r.does(s[0]), nil
}

// named reports whether a name, with a tag or without, matches a rule's pattern.
func (g *generation) named(args ...any) (any, error) {
	s, ok := stringArgs(args, 3)
	if !ok {
		return nil, errArguments
	}
	p, known := g.patterns[s[1]]
	var k key
	k.name, k.tag, _ = cutTag(s[0])
	return known && p.match(k.name) && p.matchTag(k, s[2] == "allow"), nil
}

// meets reports whether a rule's condition is met.
func (g *generation) meets(args ...any) (any, error) {
	if len(args) != 3 {
		return nil, errArguments
	}
	at, isMoment := args[0].(moment)
	s, ok := stringArgs(args[1:], 2)
	if !isMoment || !ok {
		return nil, errArguments
	}
	c, known := g.conditions[s[0]]
	return known && c.holds(at, s[1] == "allow"), nil
}

func stringArgs(args []any, n int) (out []string, ok bool) {
	for _, a := range args {
		s, isString := a.(string)
		if !isString {
			return nil, false
		}
		out = append(out, s)
	}
	return out, len(out) == n
}
