package project_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

// held is an index with the rules about pulls of its project.
type held struct {
	*indexed
	rules *project.PullRules
}

func newHeld(t *testing.T) *held {
	t.Helper()
	x := newIndexed(t)
	directory := project.NewDirectory(x.store, x.clock)
	t.Cleanup(directory.Close)
	return &held{x, project.NewPullRules(x.store, directory, x.clock)}
}

// tell gives the project these words and no others, as "name=value".
func (h *held) tell(words ...string) {
	h.t.Helper()
	values := map[string]string{}
	for _, w := range words {
		name, value, _ := strings.Cut(w, "=")
		values[name] = value
	}
	h.ok(project.CheckMetadata(values))
	p, err := h.store.ProjectByName(h.t.Context(), "team")
	h.ok(err)
	_, err = h.store.UpdateProject(h.t.Context(), p.ID, func(p *store.Project) error {
		p.Metadata = store.NewMetadata(values)
		return nil
	})
	h.ok(err)
	ruled, err := h.rules.Ruled(h.t.Context(), "team/app")
	if err != nil || ruled != (len(values) > 0) {
		h.t.Errorf("Ruled with %q = %v, %v, want %v", words, ruled, err, len(values) > 0)
	}
}

// pull wants the manifest to be kept back for the words, or with none to be pullable.
func (h *held) pull(what string, m project.Manifest, signs bool, words ...string) {
	h.t.Helper()
	denial, err := h.rules.Unpullable(h.t.Context(), m.Repository, m.Digest, signs)
	h.ok(err)
	if denial == nil {
		if len(words) > 0 {
			h.t.Errorf("%s can be pulled, want it kept back for %q", what, words)
		}
		return
	}
	text := denial.Public()
	for _, w := range words {
		if !strings.Contains(text, w) {
			h.t.Errorf("%s is kept back with %q, want %q in it", what, text, w)
		}
	}
	if len(words) == 0 || denial.Kind != errs.Precondition || denial.Hint == "" {
		h.t.Errorf("%s is kept back with %v %q, want it pullable, or a hint", what, denial.Kind, text)
	}
}

func (h *held) pushed(m project.Manifest) project.Manifest {
	h.t.Helper()
	h.ok(h.Pushed(h.t.Context(), m))
	return m
}

// sign attaches a signature as cosign or notation do where there are referrers.
func (h *held) sign(m project.Manifest, artifactType string) project.Manifest {
	return h.pushed(h.shelf.push(m.Repository, "", imageType,
		`{"schemaVersion":2,"artifactType":"`+artifactType+`","config":`+desc("application/vnd.oci.empty.v1+json", "{}")+`,"layers":[`+desc("x/y", "of "+m.Digest)+`],"subject":`+desc(m.MediaType, string(m.Body))+`}`))
}

const (
	cosignBundle = "application/vnd.dev.sigstore.bundle.v0.3+json"
	notationType = "application/vnd.cncf.notary.signature"
)

func TestSignatureRules(t *testing.T) {
	h := newHeld(t)
	app := h.pushed(h.image("team/app", "v1", "amd64"))
	one, two := h.pushed(h.image("team/app", "", "one")), h.pushed(h.image("team/app", "", "two"))
	all := h.pushed(h.index("team/app", "all", one, two))
	h.pull("an image without rules", app, false)

	h.tell("enable_content_trust_cosign=true")
	h.pull("an image without a signature", app, false, `project "team"`, "no signature of cosign", "enable_content_trust_cosign", "team/app@"+app.Digest)
	h.pull("an image that is about to be signed", app, true)
	h.pull("an image of an index without a signature", one, false, "enable_content_trust_cosign")
	sbom := h.sign(app, "application/spdx+json")
	h.pull("an image with an SBOM alone", app, false, "enable_content_trust_cosign")
	h.pull("an SBOM", sbom, false, "enable_content_trust_cosign")
	notation := h.sign(app, notationType)
	h.pull("an image that is signed by notation alone", app, false, "enable_content_trust_cosign")
	h.pull("a signature of notation", notation, false)
	h.pull("a signature of cosign", h.sign(app, cosignBundle), false)
	h.pull("a signed image", app, false)
	h.sign(all, cosignBundle)
	h.pull("a signed index", all, false)
	h.pull("an image of a signed index", two, false)
	old := h.pushed(h.image("team/app", "old", "386"))
	h.pushed(h.shelf.push("team/app", strings.Replace(old.Digest, ":", "-", 1)+".sig", imageType,
		`{"schemaVersion":2,"config":`+desc(configType, "{}")+`,"layers":[`+desc("application/vnd.dev.cosign.simplesigning.v1+json", "sig")+`]}`))
	h.pull("an image that is signed by a tag", old, false)
	h.pull("what the index does not know", project.Manifest{Repository: "team/app", Digest: digestOf("elsewhere")}, false, "does not know", "reindex")
	h.pull("what the index does not know, in a repository that it does not know", project.Manifest{Repository: "team/none", Digest: digestOf("elsewhere")}, false, "does not know")

	h.tell("enable_content_trust=true")
	h.pull("an image signed by both", app, false)
	h.pull("an image signed by cosign alone", all, false, "no signature of notation", "enable_content_trust")
}

func TestLabelRules(t *testing.T) {
	h := newHeld(t)
	one, two := h.pushed(h.image("team/app", "", "one")), h.pushed(h.image("team/app", "", "two"))
	bad, good := h.pushed(h.index("team/app", "bad", one)), h.pushed(h.index("team/app", "good", two))
	both, many := h.pushed(h.image("team/app", "", "both")), h.pushed(h.image("team/app", "many", "many"))
	h.pushed(h.index("team/app", "bad2", both, one))
	h.pushed(h.index("team/app", "good2", both))
	h.tell("deny_pull_labels=broken, quarantine")
	label := func(name, tag string) {
		t.Helper()
		l, err := h.store.CreateLabel(t.Context(), store.Label{Name: name})
		h.ok(err)
		a, _ := h.artifact("team/app", tag)
		h.ok(h.store.LabelArtifact(t.Context(), a.ID, l.ID))
	}
	h.pull("what has no label", bad, false)
	label("quarantine", "bad")
	label("broken", "bad2")
	label("fine", "good")
	h.pull("what has the label", bad, true, `has the label "quarantine"`, "deny_pull_labels", "team/app@"+bad.Digest)
	h.pull("an image that is in nothing but indexes with labels", one, false, "deny_pull_labels")
	h.pull("what has another label", good, false)
	for n := range 101 {
		label(fmt.Sprintf("more-%d", n), "many")
	}
	label("quarantine-not", "many")
	h.pull("what has many labels", many, false)
	h.tell("deny_pull_labels=quarantine-not")
	h.pull("what has the label behind many others", many, false, `has the label "quarantine-not"`)
	h.tell("deny_pull_labels=broken, quarantine")
	h.pull("an image of that", two, false)
	h.pull("an image that is in an index without a label, too", both, false)
}

func TestAgeRules(t *testing.T) {
	h := newHeld(t)
	app := h.image("team/app", "v1", "amd64")
	app.At = h.clock.Now()
	h.pushed(app)
	signature := h.sign(app, cosignBundle)
	h.tell("deny_pull_younger=36h", "deny_pull_older=90d")
	h.pull("what was pushed just now", app, false, "pushed less than 36h ago", "deny_pull_younger", app.At.Add(36*time.Hour).UTC().Format(time.RFC3339))
	h.pull("a signature that was made just now", signature, false)
	h.clock.Advance(37 * time.Hour)
	h.pull("what is old enough", app, false)
	h.clock.Advance(90 * 24 * time.Hour)
	h.pull("what is too old", app, false, "pushed more than 90d ago", "deny_pull_older")
	h.tell("deny_pull_younger=36h")
	h.pull("what is old where only young ones are kept back", app, false)
}

func TestPullWords(t *testing.T) {
	for _, bad := range []string{
		"deny_pull_older=", "deny_pull_older=0d", "deny_pull_older=-1h", "deny_pull_older=soon", "deny_pull_younger=1w", "deny_pull_older=99999999d",
		"deny_pull_labels=", "deny_pull_labels=a,,b", "deny_pull_labels=" + strings.Repeat("a,", 25) + "a", "enable_content_trust_cosign=yes",
	} {
		name, value, _ := strings.Cut(bad, "=")
		if err := project.CheckMetadata(map[string]string{name: value}); !errs.Is(err, errs.Invalid) {
			t.Errorf("CheckMetadata(%s) = %v, want an Invalid error", bad, err)
		}
	}
}
