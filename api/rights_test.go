package api_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/policy"
)

var update = flag.Bool("update", false, "write docs/rights.md anew")

// Words of x-right that the policy is not asked for.
const (
	rightNone          = "none"
	rightGiven         = "given"         // what the request gives to a robot
	rightAdministrator = "administrator" // to be a system administrator besides
)

// witness remembers what the policy is asked.
type witness struct {
	auth.Decider
	mu    sync.Mutex
	asked []question
}

type question struct{ of, right string }

func (w *witness) Decide(ctx context.Context, sub auth.Subject, access auth.Access) (auth.Ruling, error) {
	w.mu.Lock()
	w.asked = append(w.asked, question{sub.Name, rightOf(access.Resource, access.Action, access.Project)})
	w.mu.Unlock()
	return w.Decider.Decide(ctx, sub, access)
}

// heard returns the rights that somebody was held to since the last call, each once and in order.
func (w *witness) heard(name string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var rights []string
	for _, q := range w.asked {
		if q.of == name {
			rights = append(rights, q.right)
		}
	}
	w.asked = nil
	return sorted(rights)
}

func rightOf(resource, action, project string) string {
	if project == "" {
		action += "@system"
	}
	return resource + ":" + action
}

func sorted(rights []string) []string {
	slices.Sort(rights)
	return slices.Compact(rights)
}

// rights reads an operation's x-right or x-wider.
func (o operation) rights(t testing.TB, extension string) []string {
	t.Helper()
	switch v := o.Extensions[extension].(type) {
	case nil:
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, one := range v {
			s, _ := one.(string)
			out = append(out, s)
		}
		return out
	default:
		t.Errorf("%s of %s is %v, want a right or a list of them", extension, o, v)
	}
	return nil
}

// needs are the rights without which an operation is refused, those that its example gives to a robot among them.
func (o operation) needs(t testing.TB) []string {
	t.Helper()
	var out []string
	for _, right := range o.rights(t, "x-right") {
		switch right {
		case rightNone, rightAdministrator:
		case rightGiven:
			out = append(out, o.gives(t)...)
		default:
			out = append(out, right)
		}
	}
	return out
}

// gives are the rights that the example of an operation's body gives to a robot, or that the robot has whose secret it is
// about.
func (o operation) gives(t testing.TB) []string {
	t.Helper()
	if o.OperationID == "replaceRobotSecret" {
		return []string{"repository:pull"} // world.settle
	}
	var body struct {
		Permissions []struct {
			Kind   string
			Access []struct{ Resource, Action string }
		}
	}
	example, err := json.Marshal(o.RequestBody.Value.Content.Get("application/json").Example)
	must(t, body, json.Unmarshal(must(t, example, err), &body))
	var out []string
	for _, p := range body.Permissions {
		project := "team"
		if p.Kind == "system" {
			project = ""
		}
		for _, a := range p.Access {
			out = append(out, rightOf(a.Resource, a.Action, project))
		}
	}
	if len(out) == 0 {
		t.Errorf("the example of %s gives a robot nothing, want it to: its x-right has %q", o, rightGiven)
	}
	return out
}

// asker is who calls an operation with chosen rights: a stranger with a role of the file's own, or an administrator.
func (o operation) asker(t testing.TB) string {
	t.Helper()
	if slices.Contains(o.rights(t, "x-right"), rightAdministrator) {
		return admin
	}
	if o.who == "own" { // of the user that the path names, see world.path
		return dave
	}
	return bob
}

// whole returns the operation as it tells the most, where a list is one's own without that.
func (o operation) whole() operation {
	if o.Parameters.GetByInAndName("query", "all") != nil {
		o.path += "?all=true"
	}
	return o
}

// hides reports whether what an operation is about is not there to those who lack a right.
func (o operation) hides(right string) bool {
	return right == "project:read" || slices.Contains([]string{"revokeRefreshToken", "revokePersonalAccessToken"}, o.OperationID)
}

// rulesFor writes a policy in which the people of these tests have some rights and no others.
func rulesFor(rights ...string) string {
	var b strings.Builder
	b.WriteString("p, chosen, sbom, library, stop, allow\n") // a role is there once a rule names it
	for _, right := range rights {
		fmt.Fprintf(&b, "p, chosen, %s, allow\np, systemAdmin, %[1]s, allow\n", ruled(right))
	}
	return b.String() + members
}

// rulesBut writes one in which they have all rights but one; "" is none.
func rulesBut(right string) string {
	var b strings.Builder
	for _, who := range []string{"chosen", "systemAdmin"} {
		fmt.Fprintf(&b, "p, %s, *, **, *, allow\np, %[1]s, *, @system, *, allow\n", who)
		if right != "" {
			fmt.Fprintf(&b, "p, %s, %s, deny\n", who, ruled(right))
		}
	}
	return b.String() + members
}

// members make bob, who is none of the project, one by the file alone.
const members = "g, user:bob, chosen, team\ng, user:bob, chosen, @system\n"

// ruled writes a right in the words of a rule.
func ruled(right string) string {
	resource, action, _ := strings.Cut(right, ":")
	action, system := strings.CutSuffix(action, "@system")
	name := "team/**" // the project, and the repositories in it
	if system {
		name = policy.SystemLevel
	}
	return resource + ", " + name + ", " + action
}

// govern puts other rules in force.
func (w *world) govern(rules string) {
	w.t.Helper()
	_, err := w.engine.Replace(w.t.Context(), policy.Text{Model: w.engine.Text().Model, Rules: rules}, policy.Edit{}, "")
	must(w.t, rules, err)
}

// TestRightsAreWords holds the rights in the document against the policy's vocabulary.
func TestRightsAreWords(t *testing.T) {
	for _, op := range operations(t, loadDocument(t)) {
		rights := op.rights(t, "x-right")
		if len(rights) == 0 {
			t.Errorf("%s has no x-right, want what it asks the policy for: a list of resource:action[@system], or none", op)
		}
		for _, right := range append(rights, op.rights(t, "x-wider")...) {
			switch right {
			case rightNone:
				if len(rights) > 1 {
					t.Errorf("x-right of %s is %q, want none to stand alone", op, rights)
				}
			case rightGiven, rightAdministrator:
			default:
				resource, action, _ := strings.Cut(right, ":")
				action, system := strings.CutSuffix(action, "@system")
				p := auth.Permission{Project: "team", Resource: resource, Actions: []string{action}}
				if system {
					p.Project = ""
				}
				if err := policy.CheckPermission(p); err != nil || resource == "*" || action == "*" {
					t.Errorf("the right %q of %s is none of the policy's (%v): see policy/words.go", right, op, err)
				}
			}
		}
	}
}

// TestRightsAreServed looks for the rights in the document that clients get.
func TestRightsAreServed(t *testing.T) {
	w := newWorld(t)
	served, err := openapi3.NewLoader().LoadFromData([]byte(w.as(nobody, "GET", "/api/v2.0/openapi.json", "").body))
	must(t, served, err)
	got := operations(t, served)
	for i, op := range operations(t, loadDocument(t)) {
		if right := got[i].rights(t, "x-right"); !slices.Equal(right, op.rights(t, "x-right")) {
			t.Errorf("x-right of %s is served as %q, want %q", op, right, op.rights(t, "x-right"))
		}
	}
}

// TestOperationsAskForTheirRights lets an administrator call every operation, and wants the policy to be asked for what
// the document says and for nothing else.
func TestOperationsAskForTheirRights(t *testing.T) {
	w := newWorld(t)
	for _, op := range operations(t, loadDocument(t)) {
		if op.OperationID == "getCurrentUserPermissions" { // to ask for everything is what it is for
			continue
		}
		want := append(op.needs(t), op.rights(t, "x-wider")...)
		w.asked.heard(admin)
		got := w.try(op.whole(), admin)
		if heard := w.asked.heard(admin); !slices.Equal(heard, sorted(want)) {
			t.Errorf("%s (%d) asks the policy for %q, want %q as x-right and x-wider say", op, got.status, heard, want)
		}
		if op.method != http.MethodGet {
			w = newWorld(t)
		}
	}
}

// TestRightsAreEnough gives somebody a role of the file's own that has the rights of an operation and no others.
func TestRightsAreEnough(t *testing.T) {
	w := newWorld(t)
	for _, op := range operations(t, loadDocument(t)) {
		w.govern(rulesFor(op.needs(t)...))
		w.wantLetIn(op, "with its rights alone")
		if op.method != http.MethodGet {
			w = newWorld(t)
		}
		if wider := op.rights(t, "x-wider"); len(wider) > 0 {
			w.govern(rulesFor(append(wider, op.needs(t)...)...))
			w.wantLetIn(op.whole(), "with its rights and the wider ones")
			if op.method != http.MethodGet {
				w = newWorld(t)
			}
		}
	}
}

func (w *world) wantLetIn(op operation, how string) {
	w.t.Helper()
	got := w.try(op, op.asker(w.t))
	if slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden}, got.status) || got.status == http.StatusNotFound && !op.undone() || got.status >= 500 && got.status != http.StatusNotImplemented {
		w.t.Errorf("%s by a role %s = %d %s, want it to be served; the policy:\n%s", op, how, got.status, got.body, w.engine.Text().Rules)
	}
}

// TestEachRightIsNeeded takes each of an operation's rights from somebody who has all others.
func TestEachRightIsNeeded(t *testing.T) {
	w := newWorld(t)
	for _, op := range operations(t, loadDocument(t)) {
		for _, right := range op.needs(t) {
			want := http.StatusForbidden
			if op.hides(right) {
				want = http.StatusNotFound
			}
			w.govern(rulesBut(right))
			name := op.asker(t)
			w.want(w.try(op, name), want, "%s as %s with every right but %s", op, name, right)
		}
		if op.asker(t) == admin {
			w.govern(rulesBut(""))
			w.want(w.try(op, bob), http.StatusForbidden, "%s as somebody with every right who is no system administrator", op)
		}
	}
}

// TestRequestsAskForWhatTheySay lists where the right depends on what a request says.
func TestRequestsAskForWhatTheySay(t *testing.T) {
	for _, tt := range []struct {
		name, method, path, body string
		want                     []string
	}{
		{admin, "POST", "/api/v2.0/policy/reload?dry_run=true", "", []string{"policy:read@system"}},
		{dave, "GET", "/api/v2.0/refresh-tokens", "", nil},
		{dave, "GET", "/api/v2.0/refresh-tokens?username=dave", "", nil},
		{dave, "GET", "/api/v2.0/refresh-tokens?username=mia", "", []string{"refresh-token:list@system"}},
		{dave, "DELETE", "/api/v2.0/refresh-tokens/davestoken", "", nil},
		{dave, "GET", "/api/v2.0/personal-access-tokens?username=mia", "", []string{"personal-access-token:list@system"}},
		{dave, "DELETE", "/api/v2.0/personal-access-tokens/davespat", "", nil},
		{dave, "GET", "/api/v2.0/users/{dave}", "", nil},
		{dave, "GET", "/api/v2.0/users/{mia}", "", []string{"user:read@system"}},
		{dave, "POST", "/api/v2.0/users/{dave}/sysadmin", `{"sysadmin_flag":true}`, nil},
		{alice, "POST", "/api/v2.0/projects/team/members", `{"role_id":2,"member_user":{"username":"bob"}}`, []string{"member:create", "project:read"}},
		{alice, "POST", "/api/v2.0/projects/team/members", `{"role_id":2,"member_user":{"user_id":{bob}}}`, []string{"member:create", "project:read", "user:list@system"}},
		{alice, "POST", "/api/v2.0/projects/team/members", `{"role_id":2,"member_group":{"id":1}}`, []string{"member:create", "project:read", "user-group:list@system"}},
		{alice, "GET", "/api/v2.0/projects/nope/members", "", nil},
		{alice, "POST", "/api/v2.0/labels", `{"name":"x","scope":"p","project_id":1}`, []string{"label:create", "project:read"}},
		{alice, "GET", "/api/v2.0/labels?scope=p&project_id=1", "", []string{"label:list", "project:read"}},
		{alice, "GET", "/api/v2.0/robots/{teamrobot}", "", []string{"robot:read"}},
		{alice, "GET", "/api/v2.0/robots/{robot}", "", []string{"robot:read@system"}},
	} {
		w := newWorld(t)
		fill := []string{"{robot}", fmt.Sprint(w.robotID), "{teamrobot}", fmt.Sprint(w.teamRobotID)}
		for name, u := range w.users {
			fill = append(fill, "{"+name+"}", fmt.Sprint(u.ID))
		}
		fills := strings.NewReplacer(fill...)
		got := w.as(tt.name, tt.method, fills.Replace(tt.path), fills.Replace(tt.body))
		if heard := w.asked.heard(tt.name); !slices.Equal(heard, tt.want) {
			t.Errorf("%s %s %s as %s (%d) asks the policy for %q, want %q", tt.method, tt.path, tt.body, tt.name, got.status, heard, tt.want)
		}
	}
}

// TestDocumentedRightsAreCurrent holds docs/rights.md against the document.
func TestDocumentedRightsAreCurrent(t *testing.T) {
	path := filepath.Join("..", "docs", "rights.md")
	want := rightsPage(t)
	if *update {
		must(t, path, os.WriteFile(path, []byte(want), 0o600))
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s is not what openapi.yaml says (%v): run go test ./api -run TestDocumentedRights -update", path, err)
	}
}

func rightsPage(t *testing.T) string {
	t.Helper()
	doc := loadDocument(t)
	var b strings.Builder
	b.WriteString(`# What each operation of the API needs

Written by ` + "`go test ./api -run TestDocumentedRights -update`" + ` from the document of the API, which tests hold against the server.

A right is a resource and an action of the [policy file](policy.md): ` + "`member:create`" + ` is asked for in the project that the
operation is about, ` + "`user:list@system`" + ` at system level. All rights of a row are needed. A role of your own for somebody who
only reads the audit trail is thus two lines:

` + "```text" + `
p, auditor, audit-log, @system, list, allow
g, user:rita, auditor, @system
` + "```" + `

- "nothing": no right. Whether one has to be signed in stands under "who".
- "what it gives": each right that the request gives to a robot, or that the robot has whose secret it replaces. Nobody can give
  what they have not.
- "system administrator": to be one, besides the rights.
- "tells more with": works without, and tells then what is one's own, or what one may see.
- "who": whom the default policy lets in. "self" is whom it is about, and administrators: about oneself no right is asked for,
  here and for one's own tokens.

Who lacks ` + "`project:read`" + ` is told that there is no such project.
`)
	listed := operations(t, doc)
	slices.SortStableFunc(listed, func(a, b operation) int { return strings.Compare(a.path, b.path) })
	for _, tag := range doc.Tags {
		fmt.Fprintf(&b, "\n## %s\n\n| operation | needs | tells more with | who |\n|---|---|---|---|\n", tag.Name)
		for _, op := range listed {
			if op.Tags[0] == tag.Name {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", op, inWords(op.rights(t, "x-right")), inWords(op.rights(t, "x-wider")), strings.ReplaceAll(op.who, "-", " "))
			}
		}
	}
	return b.String()
}

func inWords(rights []string) string {
	words := map[string]string{rightNone: "nothing", rightGiven: "what it gives", rightAdministrator: "system administrator"}
	out := make([]string, len(rights))
	for i, right := range rights {
		if out[i] = words[right]; out[i] == "" {
			out[i] = "`" + right + "`"
		}
	}
	return strings.Join(out, ", ")
}
