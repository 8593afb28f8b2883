package policy

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/sealock/sealock/internal/errs"
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
func compile(src source, cacheSize int) (*generation, []Finding, error) {
	rules := readRules(src.file, src.rules)
	g := index(rules)
	m, findings := parseModel(ModelFile, src.model, g.functions())
	findings = append(findings, rules.faults...)
	if len(faults(findings)) > 0 {
		return nil, findings, nil
	}
	var err error
	if g.enforcer, err = newEnforcer(m, rules.rules, g.functions()); err != nil {
		return nil, findings, err
	}
	if cacheSize > 0 {
		if g.cache, err = otter.New(&otter.Options[key, *verdict]{MaximumSize: cacheSize}); err != nil {
			return nil, findings, fmt.Errorf("making the decision cache: %w", err)
		}
	}
	g.loadedAt, g.text, g.sum = time.Now(), Text{Model: string(src.model), Rules: string(src.rules)}, src.fingerprint()
	return g, findings, g.probe()
}

// probe asks one question, so that a matcher that fails does so now and not on the first request.
func (g *generation) probe() error {
	_, err := g.enforce(key{who: roleSet{}.with(roleAnonymous), resource: "repository", name: "project/name", action: "pull"})
	return err
}

// index numbers the roles and users of a ruleset and compiles its patterns.
func index(s ruleset) *generation {
	g := &generation{
		rules: make(map[string]*rule, len(s.rules)), grants: map[string][]grant{},
		roles: map[string]roleID{}, memberRoles: map[string]roleID{}, users: map[string]uint32{},
		patterns: map[string]pattern{}, actions: map[string][]string{}, members: len(s.grants),
	}
	for _, name := range builtinRoles() {
		g.number(name)
	}
	for _, r := range s.rules {
		g.indexRule(r)
	}
	for _, gr := range s.grants {
		// A role that no rule names would only make keys differ.
		if id, ok := g.memberRoles[gr.role]; ok {
			gr.id = id
			g.grants[gr.user] = append(g.grants[gr.user], gr)
		}
	}
	return g
}

func (g *generation) indexRule(r *rule) {
	g.rules[strconv.Itoa(r.line)] = r
	if user, ok := strings.CutPrefix(r.who, userPrefix); ok {
		if _, known := g.users[user]; !known {
			g.users[user] = uint32(len(g.users) + 1) //nolint:gosec // a file of maxFileSize has fewer lines
		}
	} else if id := g.number(r.who); r.byMembership {
		g.memberRoles[r.who] = id
	}
	if _, known := g.patterns[r.name]; !known {
		g.patterns[r.name], _ = newPattern(r.name)
	}
	if _, known := g.actions[r.actions]; !known {
		g.actions[r.actions] = strings.Split(r.actions, "|")
	}
	g.anonymous = g.anonymous || r.allow && (r.who == whoAnonymous || r.who == whoPublic)
}

// number returns a role's id, a new one where it has none.
func (g *generation) number(name string) roleID {
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
func CheckText(t Text) []Finding {
	src := source{model: []byte(t.Model), rules: []byte(t.Rules), file: PolicyFile}
	if t.Model == "" {
		src.model = embedded(ModelFile)
	}
	return check(src)
}

func check(src source) []Finding {
	_, findings, err := compile(src, 0)
	if err != nil {
		findings = append(findings, Finding{File: ModelFile, What: err.Error(), Remedy: defaultRemedy})
	}
	return findings
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
