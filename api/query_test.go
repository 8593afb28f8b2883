package api_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/store"
)

// value returns what p points to, or the zero value.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// several makes more of all that is listed.
func (w *world) several() {
	t, ctx := w.t, w.t.Context()
	for i, name := range []string{"alpha", "omega", "Mixed, case"} {
		if i < 2 {
			p, err := w.store.CreateProject(ctx, store.Project{Name: name, Public: i == 0, OwnerID: w.users[alice].ID, StorageLimit: int64(i+1) * 1000})
			must(t, p, err)
			w.pushNow(image(name+"/app", "v2", name, nil))
		}
		r, err := w.store.CreateRegistry(ctx, store.Registry{Name: name, URL: "https://registry.example.com", Type: "docker-registry"})
		must(t, r, err)
		p, err := w.store.CreateReplicationPolicy(ctx, store.ReplicationPolicy{Name: name, SrcRegistryID: r.ID, TriggerType: "manual"})
		must(t, p, err)
		h, err := w.store.CreateWebhookPolicy(ctx, store.WebhookPolicy{ProjectID: w.team.ID, Name: name})
		must(t, h, err)
		rule, err := w.store.CreateImmutableRule(ctx, store.ImmutableRule{ProjectID: w.team.ID, Rule: store.TagRule{Priority: i * 5}}, 15)
		must(t, rule, err)
		l, err := w.store.CreateLabel(ctx, store.Label{Name: name})
		must(t, l, err)
		w.want(w.as(admin, "POST", "/api/v2.0/robots", fmt.Sprintf(`{"name":"r%d","level":"system","duration":-1,"permissions":[{"kind":"project","namespace":"team","access":[{"resource":"repository","action":"pull"}]}]}`, i)), 201, "POST a robot")
		w.want(w.as(alice, "POST", "/api/v2.0/projects/team/robots", fmt.Sprintf(`{"name":"r%d","level":"project","duration":-1,"permissions":[{"kind":"project","namespace":"team","access":[{"resource":"repository","action":"pull"}]}]}`, i)), 201, "POST a robot")
		w.pushNow(image("team/app", fmt.Sprint("w", i), name, nil))
		w.want(w.as(mia, "POST", fmt.Sprintf("/api/v2.0/projects/team/repositories/app/artifacts/w%d/labels", i), fmt.Sprintf(`{"id":%d}`, l.ID)), 200, "labelling")
		w.want(w.as(mia, "POST", teamApp+"/artifacts/v1/tags", fmt.Sprintf(`{"name":"v1.%d"}`, i)), 201, "POST a tag")
		w.want(w.as(mia, "POST", teamApp+"/artifacts/v1/labels", fmt.Sprintf(`{"id":%d}`, l.ID)), 200, "labelling")
	}
	bill := image("team/app", "", "another bill", w.pushed[1].manifest)
	w.pushNow(bill)
	w.trail(
		audit.Record{Actor: "zoe", Operation: "robot.secret.replace", Resource: "project:team/robot:ci"},
		audit.Record{Actor: "max", Operation: "artifact.push", Resource: "artifact:team/app:v1"},
		audit.Record{Actor: "max", Operation: "token", Resource: "repository:team/app:pull", JTI: "j1"},
		audit.Record{Actor: "zoe", Operation: "token", Resource: "repository:team/chart:pull", JTI: "j2"},
	)
}

// narrowed is a list that can be narrowed, as its operation is called.
type narrowed struct {
	w     *world
	op    operation
	path  string
	whole []map[string]any
}

func (n narrowed) get(query string) ([]map[string]any, answer) {
	n.w.t.Helper()
	separator := map[bool]string{true: "&", false: "?"}[strings.Contains(n.path, "?")]
	path := n.path
	if query != "" {
		path += separator + query
	}
	a := n.w.want(n.w.as(admin, "GET", path, ""), 200, "GET %s", path)
	return itemsIn(n.w.t, a.body), a
}

func itemsIn(t testing.TB, body string) (items []map[string]any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&items); err != nil {
		t.Fatalf("list = %s: %v", body, err)
	}
	return items
}

// fields asks for what the list can be narrowed by.
func (n narrowed) fields() []string {
	n.w.t.Helper()
	path := n.path + map[bool]string{true: "&", false: "?"}[strings.Contains(n.path, "?")] + "q=nothing=1"
	a := n.w.want(n.w.as(admin, "GET", path, ""), 400, "GET %s", path)
	found := regexp.MustCompile(`q takes ([^"]*)"`).FindStringSubmatch(a.body)
	if found == nil {
		n.w.t.Fatalf("GET %s = %s, want the fields that q takes", path, a.body)
	}
	return strings.Split(found[1], ", ")
}

// values returns what an item has in a field, as texts.
func values(item map[string]any, field string) (all []string) {
	text := func(v any) {
		if v != nil {
			all = append(all, fmt.Sprint(v))
		}
	}
	of := func(list any, key string) {
		some, _ := list.([]any)
		for _, one := range some {
			text(at(one, key))
		}
	}
	switch field {
	case "tags":
		of(item["tags"], "name")
	case "labels":
		of(item["labels"], "id")
	case "public":
		text(at(item, "metadata", "public"))
	case "hard.storage", "used.storage":
		kind, _, _ := strings.Cut(field, ".")
		text(at(item, kind, "storage"))
	case "resource":
		text(cmp.Or[any](item["resource"], item["scope"]))
	default:
		text(item[field])
	}
	return all
}

// compared returns a text in a form in which texts of the field compare as its values do.
func compared(field, text string) string {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return fmt.Sprintf("%020d", n+1<<40)
	}
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at.UTC().Format("2006-01-02T15:04:05.000000000")
	}
	if field == "name" {
		return strings.ToLower(text)
	}
	return text
}

// kept returns the items of the whole list of which a value is kept.
func (n narrowed) kept(field string, keep func(value string) bool) (items []map[string]any) {
	for _, item := range n.whole {
		of := values(item, field)
		if field == "resource" { // with its kind or without
			for _, v := range of {
				if kind, name, _ := strings.Cut(v, ":"); slices.Contains(audit.Kinds(), kind) {
					of = append(of, name)
				} else {
					of = append(of, fmt.Sprint(item["resource_type"])+":"+v)
				}
			}
		}
		if slices.ContainsFunc(of, keep) {
			items = append(items, item)
		}
	}
	return items
}

// want holds that a query gives the items, in pages of two as well.
func (n narrowed) want(q string, want []map[string]any) {
	t := n.w.t
	t.Helper()
	got, a := n.get("page_size=100&q=" + urlEscape(q))
	if !slices.EqualFunc(got, want, sameItem) {
		t.Errorf("%s with q=%s has %d items, want %d: %s", n.op.OperationID, q, len(got), len(want), a.body)
		return
	}
	if total := a.header.Get("X-Total-Count"); total != strconv.Itoa(len(want)) {
		t.Errorf("%s with q=%s counts %s, want %d", n.op.OperationID, q, total, len(want))
	}
	var paged []map[string]any
	for path := n.path + map[bool]string{true: "&", false: "?"}[strings.Contains(n.path, "?")] + "page_size=2&q=" + urlEscape(q); path != ""; {
		a := n.w.want(n.w.as(admin, "GET", path, ""), 200, "GET %s", path)
		paged = append(paged, itemsIn(t, a.body)...)
		path = next(a.header.Get("Link"))
	}
	if !slices.EqualFunc(paged, want, sameItem) {
		t.Errorf("following Link from %s with q=%s has %d items, want %d", n.op.OperationID, q, len(paged), len(want))
	}
}

func sameItem(a, b map[string]any) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

// TestQueries narrows every list by each of its fields in each form of the grammar, and holds that what comes is what
// whoever reads the whole list would keep, in its order, and counted. The document names each field.
func TestQueries(t *testing.T) {
	w := newOpenWorld(t)
	w.several()
	seen := 0
	for _, op := range operations(t, loadDocument(t)) {
		q := op.Parameters.GetByInAndName("query", "q")
		if op.method != http.MethodGet || q == nil || op.OperationID == "search" || op.OperationID == "listWebhookTasks" { // of an execution that there is none of
			continue
		}
		n := narrowed{w: w, op: op, path: w.path(op)}
		if op.Parameters.GetByInAndName("query", "with_label") != nil {
			n.path += "?with_label=true"
		}
		var a answer
		if n.whole, a = n.get("page_size=100"); a.header.Get("X-Total-Count") != strconv.Itoa(len(n.whole)) {
			t.Fatalf("%s has %s items, want all on one page", op, a.header.Get("X-Total-Count"))
		}
		for _, field := range n.fields() {
			if told := op.Description + *op.Responses.Value("200").Value.Description; !strings.Contains(told, "`"+field+"`") {
				t.Errorf("the document does not say that q of %s takes %s", op, field)
			}
			if field == "Level" || field == "ProjectID" || op.OperationID == "listDecisions" && (field == "operation" || field == "resource_type" || field == "id") {
				continue // not shown, and of one value
			}
			seen += n.narrow(field)
		}
	}
	if seen < 400 {
		t.Errorf("%d queries were compared, want hundreds", seen)
	}
}

// narrow asks in each form for the values of a field, and returns in how many.
func (n narrowed) narrow(field string) (asked int) {
	n.w.t.Helper()
	var all []string
	for _, item := range n.whole {
		all = append(all, values(item, field)...)
	}
	slices.SortFunc(all, func(a, b string) int { return strings.Compare(compared(field, a), compared(field, b)) })
	if all = slices.DeleteFunc(slices.Compact(all), func(v string) bool { return v == "" }); len(all) == 0 {
		return 0
	}
	low, middle, high := all[0], all[len(all)/2], all[len(all)-1]
	quote := func(s string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"` }
	is := func(some ...string) func(string) bool {
		return func(v string) bool { return slices.Contains(some, v) }
	}
	between := func(from, to string) func(string) bool {
		return func(v string) bool {
			c := compared(field, v)
			return (from == "" || compared(field, from) <= c) && (to == "" || c <= compared(field, to))
		}
	}
	ask := func(value string, keep func(string) bool) {
		asked++
		n.want(field+"="+value, n.kept(field, keep))
	}
	ask(quote(middle), is(middle))
	ask("{"+quote(low)+" "+quote(high)+"}", is(low, high))
	ask("("+quote(middle)+")", is(middle))
	if middle == "true" || middle == "false" {
		return asked
	}
	ask("["+quote(low)+"~"+quote(middle)+"]", between(low, middle))
	ask("["+quote(middle)+"~]", between(middle, ""))
	ask("[~"+quote(middle)+"]", between("", middle))
	ask("["+quote(high)+"~"+quote(low)+"]", between(high, low))
	_, number := strconv.ParseInt(middle, 10, 64)
	_, moment := time.Parse(time.RFC3339Nano, middle)
	if number != nil && moment != nil {
		part := middle[len(middle)/3 : len(middle)/3+(len(middle)+1)/2]
		ask("~"+quote(strings.ToUpper(part)), func(v string) bool { return strings.Contains(strings.ToLower(v), strings.ToLower(part)) })
	}
	if field == "tags" || field == "labels" {
		var both []map[string]any
		for _, item := range n.kept(field, is(low)) {
			if slices.Contains(values(item, field), middle) {
				both = append(both, item)
			}
		}
		asked++
		n.want(field+"=("+quote(low)+" "+quote(middle)+")", both)
	}
	return asked
}

// TestProjectsOfAnOwner narrows projects to those of a user, among what the caller may see.
func TestProjectsOfAnOwner(t *testing.T) {
	w := newWorld(t)
	for i, name := range []string{"mine", "shown", "theirs"} {
		who := map[bool]string{true: alice, false: bob}[i < 2]
		w.want(w.as(who, "POST", "/api/v2.0/projects", fmt.Sprintf(`{"project_name":%q,"public":%v}`, name, name == "shown")), 201, "POST a project")
	}
	for _, c := range []struct{ who, query, want string }{
		{admin, "owner=alice", "team mine shown/3"},
		{admin, "owner=ALICE&sort=-name", "team shown mine/3"},
		{alice, "owner=alice", "team mine shown/3"},
		{bob, "owner=alice", "shown/1"},
		{nobody, "owner=alice", "shown/1"},
		{alice, "owner=bob", "/0"},
		{bob, "owner=bob", "theirs/1"},
		{admin, "owner=bob&public=true", "/0"},
		{admin, "owner=alice&q=" + urlEscape("name={mine theirs}"), "mine/1"},
		{admin, "owner=alice&public=true&q=" + urlEscape("public={true false}"), "shown/1"},
		{admin, "owner=alice&page_size=2&page=2", "shown/3"},
		{admin, "owner=no-such-user", "/0"},
		{admin, "owner=%00", "/0"},
		{admin, "owner=&q=" + urlEscape(fmt.Sprintf("owner_id={%d}", w.users[bob].ID)), "theirs/1"},
	} {
		a := w.want(w.as(c.who, "GET", "/api/v2.0/projects?"+c.query, ""), 200, "GET projects?%s", c.query)
		if got := strings.Join(namesIn(t, a.body), " ") + "/" + a.header.Get("X-Total-Count"); got != c.want {
			t.Errorf("projects?%s as %q = %s, want %s", c.query, c.who, got, c.want)
		}
	}
}

// TestProjectsWithoutDetail leaves out what is looked up for each project, and nothing else.
func TestProjectsWithoutDetail(t *testing.T) {
	w := newWorld(t)
	list := func(query string) []map[string]any {
		return itemsIn(t, w.want(w.as(alice, "GET", "/api/v2.0/projects?"+query, ""), 200, "GET projects?%s", query).body)
	}
	detailed, bare := list("sort=name"), list("sort=name&with_detail=false")
	if explicit := list("sort=name&with_detail=true"); !slices.EqualFunc(detailed, explicit, sameItem) || len(detailed) != 2 || len(bare) != 2 {
		t.Fatalf("projects = %v, with_detail=true %v, with_detail=false %v, want two each, the first alike", detailed, explicit, bare)
	}
	for i, p := range detailed {
		for _, field := range []string{"repo_count", "togglable", "current_user_role_id", "current_user_role_ids", "current_user_role_names"} {
			if _, there := p[field]; !there {
				t.Errorf("project = %v, want %s", p, field)
			}
			delete(p, field)
		}
		if !sameItem(p, bare[i]) {
			t.Errorf("project without detail = %v, want %v", bare[i], p)
		}
	}
	w.want(w.as(alice, "GET", "/api/v2.0/projects?with_detail=maybe", ""), 400, "GET with_detail=maybe")
}
