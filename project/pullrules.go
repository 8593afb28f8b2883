package project

import (
	"context"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/clock"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// What a project is told to keep pulls back. The first two are Harbor's words; Harbor has none for the others.
const (
	metaNotation = "enable_content_trust"
	metaCosign   = "enable_content_trust_cosign"
	metaLabels   = "deny_pull_labels"
	metaYounger  = "deny_pull_younger"
	metaOlder    = "deny_pull_older"
)

// pullRules is what a project lets nobody pull.
type pullRules struct {
	signatures []signatureRule
	labels     []string // what has one of them
	younger    time.Duration
	older      time.Duration
}

// signatureRule asks for a signature of a kind.
type signatureRule struct{ word, kind, client string }

// pullRulesOf reads the rules among what a project is told; nil for none.
func pullRulesOf(m store.Metadata) *pullRules {
	if m == "" {
		return nil
	}
	values, r := m.Map(), pullRules{}
	for _, s := range []signatureRule{{metaCosign, kindCosign, "cosign"}, {metaNotation, kindNotation, "notation"}} {
		if values[s.word] == "true" {
			r.signatures = append(r.signatures, s)
		}
	}
	r.labels, _ = labelList(values[metaLabels])
	r.younger, _ = age(values[metaYounger])
	r.older, _ = age(values[metaOlder])
	if len(r.signatures) == 0 && len(r.labels) == 0 && r.younger == 0 && r.older == 0 {
		return nil
	}
	return &r
}

// age reads a time such as 36h or 90d.
func age(text string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err == nil && n > 0
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d > 0
}

// mostPullLabels is how many labels a project can have that keep pulls back.
const mostPullLabels = 20

// labelList reads names that are parted by commas.
func labelList(text string) ([]string, bool) {
	if text == "" {
		return nil, false
	}
	names := strings.Split(text, ",")
	for i := range names {
		if names[i] = strings.TrimSpace(names[i]); names[i] == "" {
			return nil, false
		}
	}
	return names, len(names) <= mostPullLabels && len(text) <= maxTypeText
}

// pullMetaRules says what the values of the words about pulls may be.
func pullMetaRules() map[string]metaRule {
	ages := metaRule{func(v string) bool { _, ok := age(v); return ok }, "write a time such as 36h or 90d; to lift the rule, delete the metadata"}
	labels := metaRule{func(v string) bool { _, ok := labelList(v); return ok }, "write at most 20 names of labels, with commas between them"}
	return map[string]metaRule{metaLabels: labels, metaYounger: ages, metaOlder: ages}
}

// PullStore is what PullRules reads. All of it is look-ups by an index.
type PullStore interface {
	RepositoryByName(ctx context.Context, name string) (store.Repository, error)
	ArtifactByDigest(ctx context.Context, repositoryID int64, digest string) (store.Artifact, error)
	ListArtifacts(ctx context.Context, f store.IndexFilter) iter.Seq2[store.Artifact, error]
	LabelsOf(ctx context.Context, artifactIDs []int64, most int) (map[int64][]store.Label, error)
}

// PullRules tells the front door what can't be pulled. Whether a project has a rule at all comes from memory.
type PullRules struct {
	store     PullStore
	directory *Directory
	clock     clock.Clock
}

// NewPullRules returns the rules of the projects that the directory knows.
func NewPullRules(st PullStore, d *Directory, c clock.Clock) *PullRules { return &PullRules{st, d, c} }

func (p *PullRules) of(ctx context.Context, repository string) (rules *pullRules, project string, err error) {
	project, _ = auth.Project(repository)
	standing, err := p.directory.Standing(ctx, auth.Subject{}, project)
	return standing.pulls, project, err
}

// Ruled reports whether the project of the repository has any rule about what can be pulled.
func (p *PullRules) Ruled(ctx context.Context, repository string) (bool, error) {
	rules, _, err := p.of(ctx, repository)
	return rules != nil, err
}

// Unpullable says which rule keeps a manifest of the repository from being pulled; nil for none. signs: it is pulled to be
// signed. What the index of images does not know is kept back: nobody can tell whether a rule is about it.
func (p *PullRules) Unpullable(ctx context.Context, repository, digest string, signs bool) (*errs.Error, error) {
	rules, project, err := p.of(ctx, repository)
	if err != nil || rules == nil {
		return nil, err
	}
	q := pull{PullRules: p, rules: rules, project: project, name: repository + "@" + digest}
	a, err := p.artifact(ctx, repository, digest)
	if errs.Is(err, errs.NotFound) {
		return q.denial("has rules about what can be pulled, and the index of images does not know %s", q.name).
			WithHint("push it again, or ask an administrator of this server to run sealock reindex"), nil
	}
	if err != nil {
		return nil, err
	}
	denial, err := q.byLabel(ctx, a, 0)
	if denial != nil || err != nil || isSignature(a) {
		return denial, err // who checks a signature has to get it
	}
	if denial := q.byAge(a); denial != nil {
		return denial, nil
	}
	if signs {
		return nil, nil //nolint:nilnil // as documented: no rule keeps it back
	}
	return q.bySignature(ctx, a)
}

func (p *PullRules) artifact(ctx context.Context, repository, digest string) (store.Artifact, error) {
	repo, err := p.store.RepositoryByName(ctx, repository)
	if err != nil {
		return store.Artifact{}, err
	}
	return p.store.ArtifactByDigest(ctx, repo.ID, digest)
}

// isSignature reports whether an artifact is a signature of another one, or the list of what is about it.
func isSignature(a store.Artifact) bool {
	return a.Subject != "" && (a.Kind == kindCosign || a.Kind == kindNotation || a.Kind == kindReferrers)
}

// pull is a pull that rules are about.
type pull struct {
	*PullRules

	rules         *pullRules
	project, name string
}

// denial names the project and the rule.
func (q pull) denial(format string, args ...any) *errs.Error {
	return errs.New(errs.Precondition, "project %q "+format, append([]any{q.project}, args...)...)
}

// askAdministrator is what else can be done about a rule.
const askAdministrator = "ask an administrator of the project to change its rule %s"

// byLabel keeps back what has a label of the rule, and what is in nothing but indexes that have one.
func (q pull) byLabel(ctx context.Context, a store.Artifact, depth int) (*errs.Error, error) {
	if len(q.rules.labels) == 0 {
		return nil, nil //nolint:nilnil // no rule
	}
	// All of them: the rule counts however many others somebody has put there before.
	labels, err := q.store.LabelsOf(ctx, []int64{a.ID}, math.MaxInt32)
	if err != nil {
		return nil, err
	}
	for _, l := range labels[a.ID] {
		if slices.Contains(q.rules.labels, l.Name) {
			return q.denial("lets nobody pull what has the label %q (%s), and %s has it", l.Name, metaLabels, a.RepositoryName+"@"+a.Digest).
				WithHint("use another image, or "+askAdministrator, metaLabels), nil
		}
	}
	var denial *errs.Error
	for index, err := range q.indexesOf(ctx, a, depth) {
		if err == nil {
			denial, err = q.byLabel(ctx, index, depth+1)
		}
		if err != nil || denial == nil {
			return nil, err
		}
	}
	return denial, nil
}

// indexesOf yields the indexes that list an artifact, as deep as they are followed.
func (q pull) indexesOf(ctx context.Context, a store.Artifact, depth int) iter.Seq2[store.Artifact, error] {
	if depth >= maxNesting {
		return func(func(store.Artifact, error) bool) {}
	}
	return q.store.ListArtifacts(ctx, store.IndexFilter{Repository: a.RepositoryID, Holds: a.Digest})
}

// byAge keeps back what was pushed too short or too long ago.
func (q pull) byAge(a store.Artifact) *errs.Error {
	now := q.clock.Now()
	switch since := now.Sub(a.PushedAt); {
	case q.rules.younger > 0 && since < q.rules.younger:
		return q.denial("lets nobody pull what was pushed less than %s ago (%s), and %s was pushed %s", ageText(q.rules.younger), metaYounger, q.name, moment(a.PushedAt)).
			WithHint("pull it after %s, or "+askAdministrator, moment(a.PushedAt.Add(q.rules.younger)), metaYounger)
	case q.rules.older > 0 && since > q.rules.older:
		return q.denial("lets nobody pull what was pushed more than %s ago (%s), and %s was pushed %s", ageText(q.rules.older), metaOlder, q.name, moment(a.PushedAt)).
			WithHint("use a newer image or push it again, or "+askAdministrator, metaOlder)
	}
	return nil
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func ageText(d time.Duration) string {
	if days := d / (24 * time.Hour); d%(24*time.Hour) == 0 {
		return strconv.Itoa(int(days)) + "d"
	}
	return strings.TrimSuffix(strings.TrimSuffix(d.String(), "0s"), "0m")
}

// bySignature keeps back what has no signature, nor is in an index that has one. Whose signature it is, only the client
// can know.
func (q pull) bySignature(ctx context.Context, a store.Artifact) (*errs.Error, error) {
	for _, want := range q.rules.signatures {
		signed, err := q.signed(ctx, a, want.kind, 0)
		if err != nil {
			return nil, err
		}
		if !signed {
			return q.denial("lets nobody pull what has no signature of %s (%s), and %s has none", want.client, want.word, q.name).
				WithHint("sign it with %s, or "+askAdministrator, want.client, want.word), nil
		}
	}
	return nil, nil //nolint:nilnil // no rule keeps it back
}

func (q pull) signed(ctx context.Context, a store.Artifact, kind string, depth int) (bool, error) {
	about := store.IndexFilter{Repository: a.RepositoryID, Subject: a.Digest, Where: []store.Condition{store.Is("kind", kind)}, Limit: 1}
	for _, err := range q.store.ListArtifacts(ctx, about) {
		return err == nil, err
	}
	for index, err := range q.indexesOf(ctx, a, depth) {
		signed := false
		if err == nil {
			signed, err = q.signed(ctx, index, kind, depth+1)
		}
		if signed || err != nil {
			return signed, err
		}
	}
	return false, nil
}
