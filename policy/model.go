package policy

import (
	"bufio"
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/constant"
	"github.com/casbin/casbin/v2/model"
	"github.com/casbin/govaluate"
)

// What model.conf must say, in casbin's own spelling. The rest of sealock fills these fields and builds on the effect;
// the matcher is free.
const (
	modelRequest = "r_who, r_resource, r_name, r_action, r_at"
	modelPolicy  = "p_who, p_resource, p_name, p_actions, p_eft, p_when, p_line"
)

// What the first sealocks wrote into model.conf, before rules had conditions and patterns for tags. Folders with that file
// go on to work: it stands for the default of today.
const (
	firstRequest = "r_who, r_resource, r_name, r_action"
	firstPolicy  = "p_who, p_resource, p_name, p_actions, p_eft, p_line"
	firstMatcher = `(p_resource==r_resource||p_resource=="*")&&holds(r_who,p_who)&&does(r_action,p_actions)&&named(r_name,p_name)`
)

func isFirstDefault(m model.Model) bool {
	r, p, matcher := m["r"]["r"], m["p"]["p"], m["m"]["m"]
	return r != nil && p != nil && matcher != nil && strings.Join(r.Tokens, ", ") == firstRequest &&
		strings.Join(p.Tokens, ", ") == firstPolicy && squeezed(matcher.Value) == firstMatcher
}

// defaultRemedy is for a model that nothing can be said about.
const defaultRemedy = "move model.conf away and start sealock again: it writes the default where a file is missing"

// matcherFuncs are the functions that a matcher can call besides casbin's own.
type matcherFuncs map[string]func(args ...any) (any, error)

// parseModel reads model.conf and says what is wrong with it.
func parseModel(file string, text []byte, funcs matcherFuncs) (model.Model, []Finding) {
	m, err := casbinModel(string(text))
	if err != nil {
		return nil, []Finding{{File: file, What: "the model can't be read: " + err.Error(), Remedy: defaultRemedy}}
	}
	if isFirstDefault(m) {
		if m, err = casbinModel(string(embedded(ModelFile))); err != nil {
			return nil, []Finding{{File: file, What: err.Error(), Remedy: defaultRemedy}}
		}
	}
	var findings []Finding
	add := func(key string, f fault) {
		if f.what != "" {
			findings = append(findings, Finding{File: file, Line: lineOf(text, key), What: f.what, Remedy: f.remedy})
		}
	}
	add("r", checkTokens(m["r"]["r"], modelRequest))
	add("p", checkTokens(m["p"]["p"], modelPolicy))
	add("e", checkModelEffect(m["e"]["e"]))
	add("m", checkMatcher(m["m"]["m"], funcs))
	if len(m["g"]) > 0 {
		add("g", fault{"a role definition is not supported", "delete [role_definition]: members come from projects and from the g lines of policy.csv, and holds(r.who, p.who) asks for them"})
	}
	return m, findings
}

// casbinModel parses a model. casbin's parser is not made for files with mistakes in them.
func casbinModel(text string) (m model.Model, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	return model.NewModelFromString(text)
}

func checkTokens(a *model.Assertion, want string) fault {
	got := ""
	if a != nil {
		got = strings.Join(a.Tokens, ", ")
	}
	if got == want {
		return fault{}
	}
	return fault{"the definition lists other fields than sealock fills", "write " + want[:1] + " = " + strings.ReplaceAll(want, want[:2], "")}
}

func checkModelEffect(a *model.Assertion) fault {
	if a != nil && a.Value == constant.AllowAndDenyEffect {
		return fault{}
	}
	return fault{"the effect is another one than that deny wins", "write e = some(where (p.eft == allow)) && !some(where (p.eft == deny))"}
}

// checkMatcher parses a matcher as casbin will on the first request, when it would be too late to say what is wrong.
func checkMatcher(a *model.Assertion, funcs matcherFuncs) fault {
	if a == nil {
		return fault{"there is no matcher", defaultRemedy}
	}
	all := map[string]govaluate.ExpressionFunction{}
	fm := model.LoadFunctionMap()
	for name, f := range fm.GetFunctions() {
		all[name] = f
	}
	for name, f := range funcs {
		all[name] = f
	}
	e, err := govaluate.NewEvaluableExpressionWithFunctions(a.Value, all)
	if err != nil {
		return fault{"the matcher can't be read: " + err.Error(), "use the functions holds, does, named and meets, or casbin's own except eval and g"}
	}
	known := strings.Split(modelRequest+", "+modelPolicy, ", ")
	for _, v := range e.Vars() {
		if !slices.Contains(known, v) {
			return fault{quote("the matcher names %q, which is nothing", v), "use r. or p. and a field of the definitions above"}
		}
	}
	if !strings.Contains(a.Value, "p_") {
		return fault{"the matcher does not look at the rules", "compare the fields of r with those of p"}
	}
	return fault{}
}

// ownMatcher reports whether the matcher is the one that the index is made for.
func ownMatcher(m model.Model) bool {
	own, err := casbinModel(string(embedded(ModelFile)))
	return err == nil && squeezed(m["m"]["m"].Value) == squeezed(own["m"]["m"].Value)
}

// squeezed drops all that can differ without a difference.
func squeezed(matcher string) string { return strings.Join(strings.Fields(matcher), "") }

// lineOf returns the number of the line that defines a key, or 0.
func lineOf(text []byte, key string) int {
	sc := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; sc.Scan(); n++ {
		name, _, ok := strings.Cut(sc.Text(), "=")
		if ok && strings.TrimSpace(name) == key {
			return n
		}
	}
	return 0
}

// newEnforcer gives a model its rules and functions, and what these look up.
func (g *generation) newEnforcer(m model.Model) (*casbin.Enforcer, error) {
	g.patterns, g.actions, g.conditions = map[string]pattern{}, map[string][]string{}, map[string]*condition{}
	for _, r := range g.list {
		g.patterns[r.name], g.actions[r.actions], g.conditions[r.condition] = r.pattern, r.list, r.when
		if err := m.AddPolicy("p", "p", r.row()); err != nil {
			return nil, fmt.Errorf("adding line %d: %w", r.line, err)
		}
	}
	e, err := casbin.NewEnforcer(m)
	if err != nil {
		return nil, fmt.Errorf("making an enforcer: %w", err)
	}
	for name, f := range g.functions() {
		e.AddFunction(name, f)
	}
	return e, nil
}
