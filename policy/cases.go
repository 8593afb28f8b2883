package policy

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
)

// Cases is a table of what a policy must allow and deny, and the people and projects that it speaks of.
type Cases struct {
	// Projects are those that exist, with who has which role in them.
	Projects map[string]CaseProject `yaml:"projects"`
	Admins   []string               `yaml:"admins"` // system administrators
	// Groups are who is in which group, each called as in a "g" line: ops, or ops@corp.
	Groups map[string][]string `yaml:"groups"`
	// Allow and Deny hold one question each: "alice push team/app:v1", "alice pull,push team/app from 10.0.0.1 at
	// 2030-01-07T09:00:00Z", "alice list member in team", "alice create user".
	Allow []string `yaml:"allow"`
	Deny  []string `yaml:"deny"`

	lines map[string]int // where a question stands
}

// CaseProject is a project of the table.
type CaseProject struct {
	Public  bool                `yaml:"public"`
	Members map[string]caseRole `yaml:"members"`
}

// caseRole is one role or a list of them.
type caseRole []string

func (r *caseRole) UnmarshalYAML(n *yaml.Node) error {
	var one string
	if n.Kind == yaml.ScalarNode {
		if err := n.Decode(&one); err != nil {
			return err
		}
		*r = caseRole{one}
		return nil
	}
	return n.Decode((*[]string)(r))
}

// CaseResult is what became of one question.
type CaseResult struct {
	Line   int
	Text   string
	Want   bool
	Got    bool
	Reason string
}

// OK reports whether the policy answers as the table wants.
func (r CaseResult) OK() bool { return r.Want == r.Got }

// ParseCases reads a table. The error, of the kind Invalid, names the line.
func ParseCases(text []byte) (Cases, error) {
	var c Cases
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return Cases{}, errs.New(errs.Invalid, "the table can't be read: %s", strings.TrimPrefix(err.Error(), "yaml: ")).
			WithHint("it has projects, admins, groups, allow and deny, see docs/policy.md")
	}
	if len(c.Allow)+len(c.Deny) == 0 {
		return Cases{}, errs.New(errs.Invalid, "the table has no cases").WithHint("write what must be allowed below allow: and what must not below deny:")
	}
	for name := range c.Projects {
		if !auth.ValidRepository(name) || strings.Contains(name, "/") {
			return Cases{}, errs.New(errs.Invalid, "%q can't be the name of a project", name).WithHint("use small letters and digits")
		}
	}
	c.lines = caseLines(text)
	return c, c.oneSource()
}

// caseLines finds where each question stands.
func caseLines(text []byte) map[string]int {
	found := map[string]int{}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		item, ok := strings.CutPrefix(strings.TrimSpace(string(line)), "-")
		if !ok {
			continue
		}
		item, _, _ = strings.Cut(item, " #")
		if item = strings.Trim(strings.TrimSpace(item), `"'`); found[item] == 0 {
			found[item] = n
		}
	}
	return found
}

// Run asks the draft all questions of the table, now unless a question says when. Errors of the kind Invalid are the
// table's fault.
func (c Cases) Run(ctx context.Context, d *Draft, now time.Time) ([]CaseResult, error) {
	var results []CaseResult
	for _, group := range []struct {
		questions []string
		want      bool
	}{{c.Allow, true}, {c.Deny, false}} {
		for _, text := range group.questions {
			got, err := c.ask(ctx, d, text, now)
			if err != nil {
				return nil, err
			}
			for _, r := range got {
				r.Want = group.want
				results = append(results, r)
			}
		}
	}
	slices.SortStableFunc(results, func(a, b CaseResult) int { return a.Line - b.Line })
	return results, nil
}

// ask answers one line of the table, each of its actions for itself.
func (c Cases) ask(ctx context.Context, d *Draft, text string, now time.Time) ([]CaseResult, error) {
	q, err := parseQuestion(text)
	if err != nil {
		e := errs.As(err)
		return nil, errs.New(errs.Invalid, "line %d: %q: %s", c.lines[text], text, e.Message).WithHint("%s", e.Hint)
	}
	if !q.at.IsZero() {
		now = q.at
	}
	sub := c.subject(q)
	var results []CaseResult
	for _, action := range q.actions {
		access := q.access
		access.Action = action
		ruling, err := d.Decide(ctx, c, sub, access, now)
		if err != nil {
			return nil, err
		}
		one := text
		if len(q.actions) > 1 {
			one = strings.Replace(text, strings.Join(q.actions, ","), action, 1)
		}
		results = append(results, CaseResult{Line: c.lines[text], Text: one, Got: ruling.Allowed, Reason: ruling.Reason})
	}
	return results, nil
}

// subject returns who asks, in the groups of the table.
func (c Cases) subject(q question) auth.Subject {
	sub := auth.Subject{Name: q.who, SysAdmin: slices.Contains(c.Admins, q.who), Remote: q.from}
	for text, members := range c.Groups {
		if q.who == "" || !slices.Contains(members, q.who) {
			continue
		}
		if g := newGroupName(text); g.source == "" {
			sub.LocalGroups = append(sub.LocalGroups, g.name)
		} else {
			sub.Source, sub.Groups = g.source, append(sub.Groups, g.name)
		}
	}
	return sub
}

// oneSource finds somebody in groups of two sources, whom there can't be.
func (c Cases) oneSource() error {
	of := map[string]string{}
	for _, text := range slices.Sorted(maps.Keys(c.Groups)) {
		source := newGroupName(text).source
		for _, who := range c.Groups[text] {
			if other := of[who]; source != "" && other != "" && other != source {
				return errs.New(errs.Invalid, "%q is in groups of the sources %q and %q", who, other, source).WithHint("a user is of one source: give the other one another name")
			}
			of[who] = cmp.Or(source, of[who])
		}
	}
	return nil
}

// Standing implements [Membership] with the table's own projects.
func (c Cases) Standing(_ context.Context, sub auth.Subject, project string) (Standing, error) {
	p, exists := c.Projects[project]
	return Standing{Exists: exists, Public: p.Public, Roles: p.Members[sub.Name]}, nil
}

// Origins implements [Membership].
func (c Cases) Origins(_ context.Context, sub auth.Subject, project string) ([]Origin, error) {
	var origins []Origin
	for _, role := range c.Projects[project].Members[sub.Name] {
		origins = append(origins, Origin{Role: role, From: "member list"})
	}
	return origins, nil
}

// question is one line of a table.
type question struct {
	who     string
	actions []string
	access  auth.Access
	from    string
	at      time.Time
}

const questionForm = `write "alice push team/app:v1", "anonymous pull library/app", "alice list member in team" or "alice create user", and behind it "from 10.0.0.1" or "at 2030-01-07T09:00:00Z"`

// parseQuestion reads who, the actions, what they are done to, and from where and when.
func parseQuestion(text string) (question, error) {
	bad := func(format string, args ...any) error {
		return errs.New(errs.Invalid, format, args...).WithHint(questionForm)
	}
	words := strings.Fields(text)
	if len(words) < 3 {
		return question{}, bad("it has %d words, not who, what and where", len(words))
	}
	q := question{who: words[0], actions: strings.Split(words[1], ",")}
	if q.who == whoAnonymous {
		q.who = ""
	}
	target, rest := words[2], words[3:]
	project := ""
	for len(rest) > 0 {
		if len(rest) == 1 {
			return question{}, bad("nothing follows %q", rest[0])
		}
		value := rest[1]
		switch rest[0] {
		case "in":
			project = value
		case "from":
			if _, err := netip.ParseAddr(value); err != nil {
				return question{}, bad("%q is no address", value)
			}
			q.from = value
		case "at":
			var err error
			if q.at, err = time.Parse(time.RFC3339, value); err != nil {
				return question{}, bad("%q is no time", value)
			}
		default:
			return question{}, bad("%q is not understood", rest[0])
		}
		rest = rest[2:]
	}
	return q, q.aim(target, project, bad)
}

// aim reads what the question is about: a repository, if there is a slash, or a resource of the REST API.
func (q *question) aim(target, project string, bad func(string, ...any) error) error {
	words := vocabulary()
	if repository, tag, _ := strings.Cut(target, ":"); strings.Contains(repository, "/") {
		of, _ := auth.Project(repository)
		q.access = auth.Access{Resource: string(auth.TypeRepository), Project: of, Repository: repository, Tag: tag}
		if project != "" || !auth.ValidRepository(repository) {
			return bad("%q does not name a repository", target)
		}
	} else {
		q.access = auth.Access{Resource: target, Project: project}
		if _, known := words[target]; !known {
			return bad("there is no resource %q, it is one of %s", target, strings.Join(slices.Sorted(maps.Keys(words)), ", "))
		}
	}
	for _, action := range q.actions {
		if !words[q.access.Resource].knows(action) {
			return bad("%s has no action %q, it has %s", q.access.Resource, action, strings.ReplaceAll(words[q.access.Resource].actions, "|", ", "))
		}
	}
	return nil
}

// Table renders results as lines for people: what went wrong first.
func Table(results []CaseResult) [][]string {
	var rows [][]string
	for _, r := range results {
		if r.OK() {
			continue
		}
		want := "denied"
		if r.Want {
			want = "allowed"
		}
		rows = append(rows, []string{fmt.Sprint(r.Line), r.Text, want, r.Reason})
	}
	return rows
}
