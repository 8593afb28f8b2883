package policy

import "errors"

var errArguments = errors.New("a matcher calls holds(r.who, p.who), does(r.action, p.actions) or named(r.name, p.name) with something else")

// functions are those of the matcher in model.conf. Whatever stands in a rule was looked up or compiled on loading, so
// that one evaluation costs a map access.
func (g *generation) functions() matcherFuncs {
	return matcherFuncs{"holds": g.holds, "does": g.does, "named": g.named}
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
	return set.user != 0 && len(who) > len(userPrefix) && g.users[who[len(userPrefix):]] == set.user, nil
}

// does reports whether an action is in a rule's list.
func (g *generation) does(args ...any) (any, error) {
	action, list, err := twoStrings(args)
	if err != nil {
		return nil, err
	}
	for _, a := range g.actions[list] {
		if a == action || a == "*" {
			return true, nil
		}
	}
	return false, nil
}

// named reports whether a name matches a rule's pattern.
func (g *generation) named(args ...any) (any, error) {
	name, text, err := twoStrings(args)
	if err != nil {
		return nil, err
	}
	p, ok := g.patterns[text]
	return ok && p.match(name), nil
}

func twoStrings(args []any) (a, b string, err error) {
	if len(args) != 2 {
		return "", "", errArguments
	}
	a, ok1 := args[0].(string)
	b, ok2 := args[1].(string)
	if !ok1 || !ok2 {
		return "", "", errArguments
	}
	return a, b, nil
}
