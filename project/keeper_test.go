package project_test

import (
	"fmt"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

// TestKeptTagOverIndexes finds the immutable tag of an index over what it lists, and does not say of what lies too deep that no
// tag needs it.
func TestKeptTagOverIndexes(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	p, err := s.CreateProject(ctx, store.Project{Name: "team"})
	if err != nil {
		t.Fatal(err)
	}
	rule := store.TagRule{
		Action: "immutable", Template: "immutable_template",
		TagSelectors:   []store.Selector{{Kind: "doublestar", Decoration: "matches", Pattern: "kept"}},
		ScopeSelectors: map[string][]store.Selector{"repository": {{Kind: "doublestar", Decoration: "repoMatches", Pattern: "**"}}},
	}
	if _, err := s.CreateImmutableRule(ctx, store.ImmutableRule{ProjectID: p.ID, Rule: rule}, 1); err != nil {
		t.Fatal(err)
	}
	nested := func(n int) digest.Digest { return digest.FromString(fmt.Sprint("nested ", n)) }
	const deep = 8 // indexes in indexes; the outermost has the tag
	for n := range deep {
		a := store.Artifact{Digest: nested(n).String(), MediaType: "application/vnd.oci.image.index.v1+json", Kind: "IMAGE", Size: 10}
		push := store.Push{ProjectID: p.ID, Repository: "team/app", Artifact: a, Blobs: []store.Blob{{Digest: a.Digest, Size: 10}}}
		if n > 0 {
			push.Artifact.Children = []store.Child{{Digest: nested(n - 1).String()}}
		}
		if n == deep-1 {
			push.Tag = "kept"
		}
		if _, err := s.PutArtifact(ctx, push); err != nil {
			t.Fatal(err)
		}
	}
	k := project.NewKeeper(s, func() bool { return false })
	for _, c := range []struct {
		name  string
		of    digest.Digest
		tag   string
		known bool
	}{
		{"the index itself", nested(deep - 1), "kept", true},
		{"what it lists", nested(deep - 2), "kept", true},
		{"what lies in what it lists", nested(deep - 4), "kept", true},
		{"what lies too deep to be looked at", nested(0), "", false},
		{"what is not known", digest.FromString("nothing"), "", false},
	} {
		tag, known, err := k.KeptTag(ctx, "team/app", c.of.String())
		if err != nil || tag != c.tag || known != c.known {
			t.Errorf("KeptTag(%s) = %q, %v, %v, want %q, %v", c.name, tag, known, err, c.tag, c.known)
		}
	}
}
