package policy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/casbin/casbin/v2"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/pki"
)

// The files of a policy.
const (
	ModelFile  = "model.conf"
	PolicyFile = "policy.csv"
)

// maxFileSize is far above a million rules.
const maxFileSize = 128 << 20

// fingerprint tells one content of the two files from another.
type fingerprint [sha256.Size]byte

// String returns as much of it as tells policies apart.
func (f fingerprint) String() string { return hex.EncodeToString(f[:8]) }

// Fingerprint tells the policy from others: it is the same wherever the same texts are in force.
func (t Text) Fingerprint() string { return textSource(t).fingerprint().String() }

// DefaultText returns the policy that a first start writes.
func DefaultText() Text {
	return Text{Model: string(embedded(ModelFile)), Rules: string(embedded(PolicyFile))}
}

// Dir is a folder with the two files of a policy.
type Dir string

// String returns the path.
func (d Dir) String() string { return string(d) }

// Read reads the files.
func (d Dir) Read(context.Context) (Text, error) {
	src, err := readSource(string(d))
	return Text{Model: string(src.model), Rules: string(src.rules)}, err
}

// Write replaces the files whose text is another one, each in one step. Conflict: the folder can't be written, as when it
// is a mounted ConfigMap.
func (d Dir) Write(ctx context.Context, t Text, _ string, _ Edit) error {
	kept, err := d.Read(ctx)
	if err != nil {
		return err
	}
	for _, f := range []struct{ name, old, text string }{{ModelFile, kept.Model, t.Model}, {PolicyFile, kept.Rules, t.Rules}} {
		if f.old == f.text {
			continue
		}
		path := filepath.Join(string(d), f.name)
		if err := pki.WriteFile(path, []byte(f.text), 0o600); err != nil {
			return errs.New(errs.Conflict, "the policy is kept in %s, which can't be written from here", path).
				WithHint("change it where it comes from (a ConfigMap, a repository), or make the folder writable for the user who runs sealock").Because(err)
		}
	}
	return nil
}

// Text is a policy as it stands in its files.
type Text struct {
	Model string // model.conf
	Rules string // policy.csv
}

// source is a policy as it was read.
type source struct {
	model, rules []byte
	file         string // the name of the file with the rules, for findings
}

func (s source) fingerprint() fingerprint {
	h := sha256.New()
	fmt.Fprintf(h, "%d\n", len(s.model)) // a hash takes everything
	h.Write(s.model)
	h.Write(s.rules)
	return fingerprint(h.Sum(nil))
}

// readSource reads the files of a policy in dir.
func readSource(dir string) (source, error) {
	m, err := readFile(filepath.Join(dir, ModelFile))
	if err != nil {
		return source{}, err
	}
	rules, err := readFile(filepath.Join(dir, PolicyFile))
	if err != nil {
		return source{}, err
	}
	return source{model: m, rules: rules, file: PolicyFile}, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator chose the folder
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errs.New(errs.NotFound, "%s does not exist", path).WithHint("put it back, or start sealock again: it writes the default where a file is missing")
	}
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, unreadable(path, err)
	}
	if len(data) > maxFileSize {
		return nil, errs.New(errs.Invalid, "%s is larger than %d MiB", path, maxFileSize>>20).WithHint("give roles to members of projects, in place of a rule for each of them")
	}
	return data, nil
}

func unreadable(path string, err error) error {
	return errs.New(errs.Invalid, "%s can't be read", path).WithHint("make it a file that the user who runs sealock may read").Because(err)
}

// compile makes a policy of its text. The findings say why it can't be, or what is doubtful about it.
func compile(src source) (*generation, []Finding, error) {
	rules := readRules(src.file, src.rules)
	g := number(rules)
	m, findings := parseModel(ModelFile, src.model, g.functions())
	findings = append(findings, rules.faults...)
	if len(faults(findings)) > 0 {
		return nil, findings, nil
	}
	g.enforcer = sync.OnceValues(func() (*casbin.Enforcer, error) { return g.newEnforcer(m) })
	g.overwriting = slices.ContainsFunc(g.list, func(r *rule) bool { return slices.Contains(r.list, actionOverwrite) })
	g.loadedAt, g.text, g.sum = time.Now(), Text{Model: string(src.model), Rules: string(src.rules)}, src.fingerprint()
	if ownMatcher(m) {
		g.index = newIndex(g, g.list)
		return g, findings, nil
	}
	if err := g.probe(); err != nil {
		return g, findings, err
	}
	return g, append(findings, Finding{
		File: ModelFile, Line: lineOf(src.model, "m"), What: "the matcher is another one than sealock's: each decision reads all rules", Warning: true,
		Remedy: "put the default one back, unless you need what it can't do",
	}), nil
}

// probe asks what the first rule is about, so that a matcher that fails does so now and not on the first request.
func (g *generation) probe() error {
	if len(g.list) == 0 {
		return nil // nothing that a matcher could be asked about
	}
	r := g.list[0]
	k := key{who: roleSet{}.with(roleAnonymous), resource: r.resource, name: r.pattern.name, action: r.list[0]}
	if user, ok := strings.CutPrefix(r.who, userPrefix); ok {
		k.who.user = g.users[foldName(user)]
	} else {
		k.who = k.who.with(g.roles[r.who])
	}
	_, err := g.enforce(k, moment{now: g.loadedAt})
	return err
}

// number gives the roles and users of a ruleset their numbers and collects its patterns.
func number(s ruleset) *generation {
	g := &generation{
		rules: make(map[string]*rule, len(s.rules)), grants: map[string][]grant{}, ofGroups: map[groupName][]grant{},
		roles: map[string]roleID{}, memberRoles: map[string]roleID{}, users: map[string]uint32{},
		members: len(s.grants), list: s.rules,
	}
	for _, name := range builtinRoles() {
		g.numberRole(name)
	}
	for _, r := range s.rules {
		g.numberRule(r)
	}
	for _, gr := range s.grants {
		// A role that no rule names would only make keys differ.
		if id, ok := g.memberRoles[gr.role]; ok {
			gr.id = id
			if gr.user != "" {
				key := foldName(gr.user)
				g.grants[key] = append(g.grants[key], gr)
			} else {
				g.ofGroups[gr.group] = append(g.ofGroups[gr.group], gr)
			}
		}
	}
	return g
}

func (g *generation) numberRule(r *rule) {
	g.rules[strconv.Itoa(r.line)] = r
	if user, ok := strings.CutPrefix(r.who, userPrefix); ok {
		user = foldName(user)
		if _, known := g.users[user]; !known {
			g.users[user] = uint32(len(g.users) + 1) //nolint:gosec // a file of maxFileSize has fewer lines
		}
	} else if id := g.numberRole(r.who); r.byMembership {
		g.memberRoles[r.who] = id
	}
	g.anonymous = g.anonymous || r.allow && (r.who == whoAnonymous || r.who == whoPublic)
}

// numberRole returns a role's id, a new one where it has none.
func (g *generation) numberRole(name string) roleID {
	id, ok := g.roles[name]
	if !ok {
		id = roleID(len(g.roleNames)) //nolint:gosec // a file of maxFileSize has fewer lines
		g.roles[name] = id
		g.roleNames = append(g.roleNames, name)
	}
	return id
}

// Check reads a policy and returns all that is wrong with it or doubtful, nothing when it is sound. path is a folder
// with both files, or one of the files.
func Check(path string) []Finding {
	src, err := sourceAt(path)
	if err != nil {
		return []Finding{unread(path, err)}
	}
	return check(src)
}

// CheckText is [Check] for a policy that is in no file. An empty model stands for the default one.
func CheckText(t Text) []Finding { return check(textSource(t)) }

func check(src source) []Finding {
	_, findings, err := compile(src)
	if err != nil {
		findings = append(findings, Finding{File: ModelFile, What: err.Error(), Remedy: defaultRemedy})
	}
	return findings
}

// ReadText reads the policy in a folder, or one file of it with the default of the other.
func ReadText(path string) (Text, error) {
	src, err := sourceAt(path)
	return Text{Model: string(src.model), Rules: string(src.rules)}, err
}

// sourceAt reads the policy in a folder, or one file of it with the default of the other.
func sourceAt(path string) (source, error) {
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		return readSource(path)
	}
	data, err := readFile(path)
	if err != nil {
		return source{}, err
	}
	src := defaultSource()
	if strings.HasSuffix(path, ".conf") {
		src.model = data
	} else {
		src.rules, src.file = data, filepath.Base(path)
	}
	return src, nil
}

func unread(path string, err error) Finding {
	e := errs.As(err)
	return Finding{File: filepath.Base(path), What: e.Message, Remedy: e.Hint}
}
