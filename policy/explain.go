package policy

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
)

// Explanation is a decision with all that led to it.
type Explanation struct {
	Allowed bool
	Reason  string // as the audit trail has it
	Rule    string // where the rule stands that decided: "policy.csv:14"; "" when none did
	Roles   []Origin
	Rules   []Considered
	More    int    // rules that were considered and are not listed
	Change  Change // the smallest change that would make it yes; the zero value when it is yes
}

// Origin is a role that a subject holds, and where it has it from.
type Origin struct {
	Role string
	From string // "member list", "group ops", "policy.csv:80", …
}

// Considered is a rule that is about the question, or about the asker and the resource, and what became of it.
type Considered struct {
	At      string // "policy.csv:14"
	Text    string // the rule as it stands there
	Outcome string
}

// Change is something that would turn a no into a yes. Text says it to people; the rest says it to programs.
type Change struct {
	Text   string
	Role   string // to be given to the subject in the project
	Line   string // to be added to policy.csv
	Remove []int  // lines to be deleted from policy.csv
}

// mostConsidered bounds the list of an explanation.
const mostConsidered = 50

// Explain answers a question as [Engine.Decide] does, and says why: the rule, the roles and where they come from, each
// rule that was considered, and when the answer is no, the smallest change that would make it yes. casbin is asked, too:
// when it does not agree with the index, that is an error of the kind Internal.
func (e *Engine) Explain(ctx context.Context, sub auth.Subject, access auth.Access) (Explanation, error) {
	return explain(ctx, e.asker(sub), access)
}

func explain(ctx context.Context, a asker, access auth.Access) (Explanation, error) {
	if f := checkQuestion(access); f.what != "" {
		return Explanation{}, errs.New(errs.Invalid, "%s", f.what).WithHint("%s", f.remedy)
	}
	ruling, err := decide(ctx, a, access)
	if err != nil {
		return Explanation{}, err
	}
	x := explaining{asker: a, access: access, out: Explanation{Allowed: ruling.Allowed, Reason: ruling.Reason}}
	if err := x.run(ctx); err != nil {
		return Explanation{}, err
	}
	return x.out, nil
}

// checkQuestion returns what is wrong with the words of a question: what is proposed is made of them.
func checkQuestion(access auth.Access) fault {
	words := vocabulary()
	if f := checkResource(words, access.Resource); f.what != "" || access.Resource == "*" {
		return cmp.Or(f, fault{"a question is about one resource", "name it"})
	}
	if !words[access.Resource].knows(access.Action) {
		return checkActions(words, access.Resource, access.Action)
	}
	if strings.Trim(access.Tag, nameCharacters) != "" {
		return fault{quote("%q is no tag", access.Tag), "write letters, digits, and ._-"}
	}
	return fault{}
}

// explaining is one run of Explain.
type explaining struct {
	asker
	access auth.Access
	key    key
	exists bool
	out    Explanation
}

func (x *explaining) run(ctx context.Context) error {
	x.key = key{resource: x.access.Resource, tag: x.access.Tag, action: x.gen.meaning(x.access.Action)}
	if x.access.Project == "" {
		x.key.who, x.key.name, x.exists = x.atSystem(), SystemLevel, true
	} else {
		var err error
		if x.exists, err = x.enter(ctx, x.access.Project); err != nil {
			return err
		}
		x.key.name = x.access.Project
		if x.access.Repository != "" {
			x.key.name = x.access.Repository
		}
		if x.standing.Now != "" {
			x.key.name = x.place + strings.TrimPrefix(x.key.name, x.access.Project)
		}
		x.key.who = x.held(x.key)
	}
	if x.exists && x.wellNamed() {
		if err := x.holdAgainstCasbin(); err != nil {
			return err
		}
	}
	if err := x.roles(ctx); err != nil {
		return err
	}
	x.rules()
	if !x.out.Allowed {
		x.out.Change = x.change()
	}
	return nil
}

// holdAgainstCasbin asks both the index and casbin.
func (x *explaining) holdAgainstCasbin() error {
	v, err := x.gen.decide(x.key, x.at)
	if err != nil {
		return err
	}
	want, err := x.gen.enforce(x.key, x.at)
	if err != nil {
		return err
	}
	if v.allowed != want.allowed {
		return errs.New(errs.Internal, "the policy's index says %v and casbin says %v", v.allowed, want.allowed).
			WithHint("please report this with the policy file")
	}
	if v.rule != nil {
		x.out.Rule = place(PolicyFile, v.rule.line)
	}
	return nil
}

// roles lists what the subject is here, and why.
func (x *explaining) roles(ctx context.Context) error {
	for _, name := range builtinRoles() {
		if id := x.gen.roles[name]; x.key.who.has(id) {
			x.out.Roles = append(x.out.Roles, Origin{Role: name, From: builtinOrigin(name)})
		}
	}
	if x.access.Project != "" && x.exists {
		origins, err := x.members.Origins(ctx, x.sub, x.access.Project)
		if err != nil {
			return fmt.Errorf("asking where the roles of %q in project %q come from: %w", x.sub.Name, x.access.Project, err)
		}
		x.out.Roles = append(x.out.Roles, origins...)
	}
	for _, r := range x.sub.Roles {
		if r.Project == x.access.Project {
			x.out.Roles = append(x.out.Roles, Origin{Role: r.Role, From: "the credential"})
		}
	}
	for _, g := range x.given {
		if g.projects.match(x.place) {
			x.out.Roles = append(x.out.Roles, Origin{Role: g.role, From: g.at})
		}
	}
	return nil
}

func builtinOrigin(role string) string {
	return map[string]string{
		whoAnonymous: "everybody", whoPublic: "the project is public", whoAuthenticated: "signed in", whoSystemAdmin: "system administrator",
	}[role]
}

// rules lists the rules that are about the asker and the resource, or about the name and the action.
func (x *explaining) rules() {
	for _, r := range x.gen.list {
		outcome := x.outcome(r)
		if outcome == "" {
			continue
		}
		if len(x.out.Rules) == mostConsidered {
			x.out.More++
			continue
		}
		x.out.Rules = append(x.out.Rules, Considered{At: place(PolicyFile, r.line), Text: r.text(), Outcome: outcome})
	}
}

// outcome says what became of a rule; "" for one that has nothing to do with the question.
func (x *explaining) outcome(r *rule) string {
	if r.resource != x.key.resource && r.resource != "*" {
		return ""
	}
	held := x.holdsRole(r)
	named := r.pattern.match(x.key.name)
	switch {
	case !held && (!named || !r.does(x.key.action)):
		return ""
	case !held:
		return "is for " + r.who + ", which " + x.subject() + " is not"
	case !named:
		return "is for other names than " + x.key.name
	case !r.pattern.matchTag(x.key, r.allow):
		return "is for other tags"
	case !r.does(x.key.action):
		return "is for other actions than " + x.key.action
	case !r.when.holds(x.at, r.allow):
		return "counts only with " + r.condition
	case place(PolicyFile, r.line) == x.out.Rule:
		return "decides"
	case r.allow && !x.out.Allowed:
		return "would allow, but is overruled"
	}
	return "says the same"
}

func (x *explaining) holdsRole(r *rule) bool {
	held, err := x.gen.holds(x.key.who, r.who)
	return err == nil && held == true
}

func (x *explaining) subject() string {
	if x.sub.Anonymous() {
		return "nobody who is not signed in"
	}
	return x.sub.Name
}

// text returns the rule as it could stand in the file.
func (r *rule) text() string {
	fields := []string{"p", r.who, r.resource, r.name, r.actions, r.effect()}
	if r.condition != "" {
		fields = append(fields, r.condition)
	}
	return joinFields(fields)
}

// joinFields writes a line that splitFields reads as the same fields.
func joinFields(fields []string) string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f
		if strings.ContainsAny(f, `",`) || strings.TrimSpace(f) != f {
			out[i] = `"` + strings.ReplaceAll(f, `"`, `""`) + `"`
		}
	}
	return strings.Join(out, ", ")
}

// change finds the smallest change that would make it yes. Each is tried before it is proposed.
func (x *explaining) change() Change {
	switch {
	case !x.exists:
		return Change{Text: fmt.Sprintf("create project %q", x.access.Project)}
	case x.standing.Now != "" && x.access.Action != string(auth.ActionPull):
		return Change{Text: fmt.Sprintf("call it by its name, %q", x.place)}
	case !x.wellNamed():
		return Change{Text: "name a repository in the project, in small letters"}
	}
	if remove := x.denials(); len(remove) > 0 {
		c := Change{Text: "delete or narrow what denies it: " + lines(remove), Remove: remove}
		if !x.allowedOtherwise() {
			c.Line = x.own()
			c.Text += "; and add this line to " + PolicyFile + ": " + c.Line
		}
		return c
	}
	if v, err := x.gen.decide(x.key, x.at); err == nil && v.allowed {
		return Change{Text: "use a credential that is good for " + x.key.action + ": the policy allows it, this one is not"}
	}
	if r := x.unmet(); r != nil {
		return Change{Text: fmt.Sprintf("ask when %s counts (%s)", place(PolicyFile, r.line), r.condition), Line: x.own()}
	}
	if c := x.widened(); c.Text != "" {
		return c
	}
	if role := x.smallestRole(); role != "" {
		return x.give(role)
	}
	return Change{Text: "add this line to " + PolicyFile + ": " + x.own(), Line: x.own()}
}

func (x *explaining) wellNamed() bool {
	if x.access.Repository == "" {
		return true
	}
	project, ok := auth.Project(x.access.Repository)
	return ok && project == x.access.Project && auth.ValidRepository(x.access.Repository)
}

// denials returns the lines of the rules that deny.
func (x *explaining) denials() []int {
	var all []int
	for _, r := range x.gen.list {
		if !r.allow && x.about(r) && x.holdsRole(r) && r.when.holds(x.at, false) {
			all = append(all, r.line)
		}
	}
	return all
}

// allowedOtherwise reports whether it would be allowed if nothing denied it.
func (x *explaining) allowedOtherwise() bool {
	return slices.ContainsFunc(x.gen.list, func(r *rule) bool {
		return r.allow && x.about(r) && x.holdsRole(r) && r.when.holds(x.at, true)
	})
}

// about reports whether a rule is about the question, whoever asks.
func (x *explaining) about(r *rule) bool {
	return (r.resource == x.key.resource || r.resource == "*") && r.does(x.key.action) && r.pattern.match(x.key.name) && r.pattern.matchTag(x.key, r.allow)
}

// unmet returns a rule that would allow it at another time or from another place.
func (x *explaining) unmet() *rule {
	for _, r := range x.gen.list {
		if r.allow && x.about(r) && x.holdsRole(r) {
			return r
		}
	}
	return nil
}

// widened proposes to let a role that the subject has for some repositories be for this one, too.
func (x *explaining) widened() Change {
	name, inRepository := strings.CutPrefix(x.key.name, x.place+"/")
	if x.access.Project == "" || !inRepository {
		return Change{}
	}
	for _, some := range x.standing.Some {
		k := x.key
		k.who = x.gen.addMember(k.who, some.Role)
		if v, err := x.gen.decide(k, x.at); err == nil && v.allowed {
			return Change{Role: some.Role, Text: fmt.Sprintf("let the membership as %s, which is for %s, be for %s, too: sealock member set-role --repository",
				some.Role, strings.Join(some.Only, ", "), name)}
		}
	}
	return Change{}
}

// smallestRole returns the role of a project's members that would do and that allows the least besides, or "".
func (x *explaining) smallestRole() string {
	best, least := "", 0
	if x.access.Project == "" || x.sub.Anonymous() || x.sub.Kind != auth.KindUser {
		return ""
	}
	rights := x.rights()
	for name, id := range x.gen.memberRoles {
		k := x.key
		k.who = k.who.with(id)
		if v, err := x.gen.decide(k, x.at); err != nil || !v.allowed {
			continue
		}
		if n := rights[name]; best == "" || n < least || n == least && weaker(name, best) {
			best, least = name, n
		}
	}
	return best
}

// weaker orders roles that may do as much: Harbor's by their rank, others before them by name.
func weaker(a, b string) bool {
	rankA, rankB := slices.Index(harborRoles(), a), slices.Index(harborRoles(), b)
	if rankA == rankB {
		return a < b
	}
	return rankA < 0 || rankB >= 0 && rankA > rankB
}

// rights counts what each role may do.
func (x *explaining) rights() map[string]int {
	const everything = 1000
	counts := map[string]int{}
	for _, r := range x.gen.list {
		if !r.allow {
			continue
		}
		n := len(r.list)
		if slices.Contains(r.list, "*") || r.resource == "*" {
			n = everything
		}
		counts[r.who] += n
	}
	return counts
}

// give says how to give a role: members are in the project's list, if the role is one that the list knows.
func (x *explaining) give(role string) Change {
	c := Change{Role: role, Text: fmt.Sprintf("give %s the role %s: sealock member add %s %s --role %s", x.sub.Name, role, x.access.Project, x.sub.Name, role)}
	if !slices.Contains(harborRoles(), role) {
		c.Line = joinFields([]string{"g", userPrefix + x.sub.Name, role, x.access.Project})
		c.Text = "add this line to " + PolicyFile + ": " + c.Line
	}
	return c
}

// own returns a rule that allows just this.
func (x *explaining) own() string {
	who := userPrefix + x.sub.Name
	if x.sub.Anonymous() {
		who = whoAnonymous
	}
	name := x.key.name
	if x.key.tag != "" && x.key.resource == string(auth.TypeRepository) {
		name += ":" + x.key.tag
	}
	r := rule{who: who, resource: x.key.resource, name: name, actions: x.key.action, allow: true}
	return r.text()
}

func lines(numbers []int) string {
	const most = 5
	var out []string
	for _, n := range numbers[:min(most, len(numbers))] {
		out = append(out, place(PolicyFile, n))
	}
	if len(numbers) > most {
		out = append(out, fmt.Sprintf("and %d more", len(numbers)-most))
	}
	return strings.Join(out, ", ")
}
