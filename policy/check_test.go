package policy_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealock/sealock/policy"
)

func TestCheck(t *testing.T) {
	for _, tt := range []struct{ rules, want string }{
		{"p, developer, repository, **, pull, allow", ""},
		{"\ufeff# BOM\r\np , developer ,repository,\t** , pull ,allow\r\n", ""},
		{`p, developer, repository, "{a,b}/**", pull, allow`, ""},
		{`p, "user:a ""b"", c", repository, **, pull, deny`, ""},
		{"", "policy.csv: the file holds no rule: nobody could do anything"},
		{"\n\np, developer, repository, **, pull", "policy.csv:3: a rule has 5 fields, not 6 or 7: write p, who"},
		{"p, developer, repository, **, pull, allow, ", "policy.csv:1: a rule ends with an empty condition"},
		{"p, developer, repository, **, pull, allow, from=10.0.0.0/8, days=mon", "policy.csv:1: a rule has 8 fields"},
		{"p, developer, repository, **, pull, allow, from=10.0.0.0/8|::1 days=mon-fri time=08:00-18:00|20:00-24:00 zone=Europe/Berlin", ""},
		{"p, developer, repository, **, pull, allow, from=10.0.0.0/33", `the condition from can't be "10.0.0.0/33": write from=`},
		{"p, developer, repository, **, pull, allow, form=10.0.0.0/8", `there is no condition "form"`},
		{"p, developer, repository, **, pull, allow, days=mon-fry", `the condition days can't be "mon-fry"`},
		{"p, developer, repository, **, pull, allow, time=8-18", `the condition time can't be "8-18"`},
		{"p, developer, repository, **, pull, allow, time=08:00-08:00", `the condition time can't be`},
		{"p, developer, repository, **, pull, allow, days=mon zone=Local", `the condition zone can't be "Local"`},
		{"p, developer, repository, **, pull, allow, zone=UTC", "a zone alone says nothing"},
		{"p, developer, repository, **, pull, allow, days=mon days=tue", `the condition "days" stands twice`},
		{"p, developer, repository, **, pull, allow, office", `the condition "office" is not name=value`},
		{"p, developer, repository, team/app:v*, push, allow", ""},
		{"p, developer, repository, **:latest, push, deny", ""},
		{"p, developer, repository, team/app:, push, allow", `the name pattern "team/app:" is not valid`},
		{"p, developer, repository, team/app:[, push, allow", "is not valid"},
		{"p, developer, repository, team:5000/app:v1, push, allow", "is not valid"},
		{"p, developer, tag, team:v*, delete, allow", "only rules about the resource repository can"},
		{"p, developer, repository, **, pull, allow\ng, user:a, developer, team:v1", `the project pattern "team:v1" is not valid`},
		{"p, developer, repository, **, pull, allow # why", `policy.csv:1: the effect "allow # why" is neither allow nor deny: write allow or deny; comments`},
		{"p, developer, repository, **, pull, Allow", `the effect "Allow" is neither`},
		{"p, developer, repositroy, **, pull, allow", `there is no resource "repositroy": did you mean repository?`},
		{"p, developer, spaceship, **, pull, allow", `there is no resource "spaceship": use * or one of access-token, `},
		{"p, developer, repository, **, psuh, allow", `resource repository has no action "psuh": did you mean push?`},
		{"p, developer, tag, **, push, allow", `resource tag has no action "push": use * or one of create, delete, list`},
		{"p, developer, *, **, fly, allow", `any resource has no action "fly"`},
		{"p, developer, repository, **, pull||push, allow", "has an empty part"},
		{"p, developer, repository, **, pull|*, allow", "* stands among other actions"},
		{"p, developer, repository, **, *|pull, allow", "* stands among other actions"},
		{"p, developer, repository, team/[a, pull, allow", `the name pattern "team/[a" is not valid: close each`},
		{"p, developer, repository, team/[a{]*, pull, allow", "is not valid"},
		{`p, developer, repository, team/[a\]b], pull, allow`, "is not valid"},
		{"p, developer, repository, team/[a-], pull, allow", ""},
		{"p, developer, repository, team/[!a-c]*, pull, allow", ""},
		{"p, developer, repository, {a}{b}{c}{d}{e}/**, pull, allow", "is not valid"},
		{"p, developer, repository, " + strings.Repeat("x", 513) + "/**, pull, allow", "is not valid"},
		{"p, developer, repository, team/{a, pull, allow", "is not valid"},
		{"p, developer, repository, , pull, allow", "a rule has no name pattern"},
		{"p, , repository, **, pull, allow", "a rule is for nobody"},
		{"p, user:, repository, **, pull, allow", "user: without a name"},
		{"p, group:devs, repository, **, pull, allow", `a rule can't be for a group: give the group a role, g, group:devs, role, project`},
		{"p, *, repository, **, pull, allow", `"*" is not a role`},
		{"q, developer, repository, **, pull, allow", `a line starts with "q"`},
		{"p2, developer, repository, **, pull, allow", `a line starts with "p2"`},
		{"allow alice everything", `a line starts with "allow alice everything"`},
		{"p, developer, repository, **, pull, allow\ng, user:alice, developer", "policy.csv:2: a member line has 3 fields, not 4"},
		{"g, alice, developer, team", `"alice" is neither a user nor a group: write user:alice`},
		{"g, user:, developer, team", `"user:" is neither a user nor a group`},
		{"g, group:, developer, team", `"group:" is not a group`},
		{"g, group:@corp, developer, team", `"group:@corp" is not a group`},
		{"g, user:alice, develper, team", `there is no role "develper": did you mean developer?`},
		{"g, user:alice, pilot, team", `there is no role "pilot": add a rule for it`},
		{"g, user:alice, systemAdmin, @system", `role "systemAdmin" can't be given`},
		{"g, user:alice, public, team", `role "public" can't be given`},
		{"g, user:alice, user:bob, team", `"user:bob" is not a role`},
		{"g, user:alice, developer, ", `the project pattern "" is not valid`},
		{"g, user:alice, developer, [", `the project pattern "[" is not valid`},
		{`p, "developer, repository, **, pull, allow`, "a quoted field is not closed"},
		{`p, dev"eloper, repository, **, pull, allow`, "a quote stands inside of a field"},
		{`p, "developer" x, repository, **, pull, allow`, "text follows a quoted field"},
		{"p, user:a\u202eb, repository, **, pull, allow", "invisible character U+202E"},
		{"p, user:a\x00b, repository, **, pull, allow", "invisible character U+0000"},
		{"p, user:a\xffb, repository, **, pull, allow", "the line is not UTF-8"},

		{"p, pilot, repository, **, pull, allow", `warning: nobody holds the role "pilot": give it to a member (sealock member add PROJECT NAME --role pilot), or add a line: g, user:name, pilot, project`},
		{"p, Developer, repository, **, pull, allow", `warning: nobody holds the role "Developer": did you mean developer?`},
		{"p, anonymous, repository, **, pull, deny", "warning: this denies everybody, administrators included"},
		{"p, user:*, repository, **, pull, allow", "warning: this is about a user whose name is an asterisk"},
		{"p, developer, repository, team, pull, allow", `warning: the pattern "team" matches no repository: repositories have a slash in their names: write team/**`},
		{"p, developer, user, **, list, allow", "warning: this matches nothing: resource user is in no project"},
		{"p, authenticated, tag, @system, list, allow", "warning: this matches nothing: resource tag is always in a project"},
	} {
		dir := folder(t, tt.rules+"\n")
		got := policy.Check(dir)
		if tt.want == "" && len(got) != 0 || tt.want != "" && (len(got) == 0 || !strings.Contains(got[0].String(), tt.want)) {
			t.Errorf("Check(%q) = %v, want %q", tt.rules, got, tt.want)
		}
		for _, f := range got {
			if f.Remedy == "" {
				t.Errorf("Check(%q) = %v, want a remedy with each", tt.rules, f)
			}
		}
	}
}

// TestCheckTellsAll wants every fault at once, in the file's order.
func TestCheckTellsAll(t *testing.T) {
	dir := folder(t, "p, developer, repository, **, psuh, maybe\ng, user:alice, pilot, team\np, \"\np, pilot2, repository, **, pull, allow\n")
	var at []string
	for _, f := range policy.Check(dir) {
		at = append(at, f.At())
	}
	if got, want := strings.Join(at, " "), "policy.csv:1 policy.csv:1 policy.csv:2 policy.csv:3 policy.csv:4"; got != want {
		t.Errorf("Check() found faults at %q, want %q", got, want)
	}
}

func TestCheckText(t *testing.T) {
	for _, tt := range []struct {
		text policy.Text
		want int
	}{
		{policy.Text{Rules: mayPull}, 0},
		{policy.Text{Rules: broken}, 1},
		{policy.Text{Rules: mayPull, Model: "nothing"}, 1},
	} {
		if got := policy.CheckText(tt.text); len(got) != tt.want {
			t.Errorf("CheckText(%+v) = %v, want %d findings", tt.text, got, tt.want)
		}
	}
}

func TestCheckDefault(t *testing.T) {
	if got := policy.Check(folder(t, mayPull)); len(got) != 0 {
		t.Errorf("Check(default model) = %v, want nothing", got)
	}
	dir := t.TempDir()
	if _, err := policy.WriteDefault(dir); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, policy.PolicyFile), filepath.Join(dir, policy.ModelFile)} {
		if got := policy.Check(path); len(got) != 0 {
			t.Errorf("Check(%s) = %v, want nothing", path, got)
		}
	}
	if got := policy.Check(filepath.Join(dir, "none.csv")); len(got) != 1 || !strings.Contains(got[0].What, "does not exist") {
		t.Errorf("Check(a missing file) = %v, want that it does not exist", got)
	}
}

func TestCheckModel(t *testing.T) {
	dir := t.TempDir()
	if _, err := policy.WriteDefault(dir); err != nil {
		t.Fatal(err)
	}
	const good = `[request_definition]
r = who, resource, name, action, at
[policy_definition]
p = who, resource, name, actions, eft, when, line
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = (p.resource == r.resource || p.resource == "*") && holds(r.who, p.who) && does(r.action, p.actions) && named(r.name, p.name, p.eft) && meets(r.at, p.when, p.eft)
`
	for _, tt := range []struct{ old, new, want string }{
		{"", "", ""},
		{"r = who, resource, name, action, at\n", "r = sub, obj, act\n", "model.conf:2: the definition lists other fields than sealock fills: write r = who, resource, name, action, at"},
		{", line", "", "model.conf:4: the definition lists other fields"},
		{"!some(where (p.eft == deny))", "true", "model.conf:6: the effect is another one"},
		{"named(", "nmaed(", "model.conf:8: the matcher can't be read"},
		{"r.name", "r.nmae", `model.conf:8: the matcher names "r_nmae"`},
		{"holds(r.who, p.who)", "eval(p.who)", "model.conf:8: the matcher can't be read"},
		{"holds(r.who, p.who)", "g(r.who, p.who)", "model.conf:8: the matcher can't be read"},
		{good[strings.Index(good, "m = ")+4 : len(good)-1], "true", "model.conf:8: the matcher does not look at the rules"},
		{"does(r.action, p.actions) && ", "", "model.conf:8: warning: the matcher is another one than sealock's: each decision reads all rules"},
		{"holds(r.who, p.who)", "holds(r.who)", "model.conf: asking the policy"},
		{"named(r.name, p.name, p.eft)", "named(r.name, p.name)", "model.conf: asking the policy"},
		{"[policy_effect]", "[role_definition]\ng = _, _\n[policy_effect]", "model.conf:6: a role definition is not supported"},
		{"[matchers]", "[nothing]", "model.conf: the model can't be read"},
		{"m = ", "", "model.conf: the model can't be read"},
	} {
		write(t, dir, policy.ModelFile, strings.Replace(good, tt.old, tt.new, 1))
		got := policy.Check(dir)
		if tt.want == "" && len(got) != 0 || tt.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0].String(), tt.want)) {
			t.Errorf("Check(model with %q for %q) = %v, want %q", tt.new, tt.old, got, tt.want)
		}
	}
}
