package project_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/project"
)

// referrer pushes to the registry alone what names the digest as its subject.
func (x *indexed) referrer(repository, artifactType, subject string) project.Manifest {
	body := fmt.Sprintf(`{"schemaVersion":2,"artifactType":%q,"config":%s,"layers":[],"subject":{"mediaType":%q,"digest":%q,"size":1},"annotations":{"a":%q}}`,
		artifactType, desc(configType, "{}"), imageType, subject, artifactType)
	return x.shelf.push(repository, "", imageType, body)
}

func (x *indexed) wantReferrers(what, subject string, want ...project.Manifest) {
	x.t.Helper()
	found, err := x.Referrers(x.t.Context(), "team/app", subject, "", 0, 100)
	x.ok(err)
	var got, digests []string
	for _, r := range found {
		got = append(got, r.Digest)
	}
	for _, m := range want {
		digests = append(digests, m.Digest)
	}
	if !slices.Equal(got, digests) {
		x.t.Errorf("Referrers %s = %q, want %q", what, got, digests)
	}
}

// TestReferrers finds what names a subject, told of before the subject or after it, and what clients list under a tag
// where a registry has no referrers, which nobody told of.
func TestReferrers(t *testing.T) {
	x := newIndexed(t)
	ctx := t.Context()
	image := x.image("team/app", "v1", "one")
	x.wantReferrers("in no repository", image.Digest)
	early := x.referrer("team/app", "application/early", image.Digest)
	x.ok(x.Pushed(ctx, early))
	x.wantReferrers("before the subject", image.Digest, early)
	x.ok(x.Pushed(ctx, image))
	late := x.referrer("team/app", "application/late", image.Digest)
	x.ok(x.Pushed(ctx, late))
	signature := x.shelf.push("team/app", "sha256-"+image.Digest[len("sha256:"):]+".sig", imageType, `{"schemaVersion":2,"config":`+desc(configType, "{}")+`,"layers":[]}`)
	x.ok(x.Pushed(ctx, signature))
	x.wantReferrers("with a signature that a tag alone leads to", image.Digest, early, late)

	listed, gone := x.referrer("team/app", "application/listed", image.Digest), x.referrer("team/app", "application/gone", image.Digest)
	x.index("team/app", "sha256-"+image.Digest[len("sha256:"):], late, listed, gone)
	x.shelf.drop("team/app", gone.Digest)
	x.wantReferrers("with a list that a client keeps", image.Digest, early, late, listed)
	x.shelf.push("team/app", "sha256-"+image.Digest[len("sha256:"):], indexType, "no list")
	x.wantReferrers("with a list that is none", image.Digest, early, late, listed)

	found, err := x.Referrers(ctx, "team/app", image.Digest, "application/late", 0, 100)
	x.ok(err)
	if len(found) != 1 || found[0].Digest != late.Digest || found[0].ArtifactType != "application/late" || found[0].Size != int64(len(late.Body)) ||
		found[0].MediaType != imageType || found[0].Annotations["a"] != "application/late" {
		t.Errorf("Referrers of a type = %+v, want the late one with the size of its manifest, %d", found, len(late.Body))
	}
	x.shelf.drop("team/app", early.Digest)
	x.ok(x.Deleted(ctx, "team/app", early.Digest))
	x.wantReferrers("after a delete", image.Digest, late, listed)
	x.shelf.down = true
	if _, err := x.Referrers(ctx, "team/app", image.Digest, "", 0, 100); !errs.Is(err, errs.Unavailable) {
		t.Errorf("Referrers while the registry is down = %v, want that it is not available: it may know of more", err)
	}
}

// TestLayersWithURLs counts those that are in the registry all the same: naming a URL saves nobody his quota.
func TestLayersWithURLs(t *testing.T) {
	x := newIndexed(t)
	ctx := t.Context()
	x.shelf.blobs[digestOf("here")] = "here"
	layer := func(content string) string {
		d := desc("layer", content)
		return d[:len(d)-1] + `,"urls":["https://example.com/x"]}`
	}
	m := x.shelf.push("team/app", "v1", imageType, `{"schemaVersion":2,"config":`+desc(configType, "{}")+`,"layers":[`+layer("here")+`,`+layer("elsewhere")+`]}`)
	x.ok(x.Pushed(ctx, m))
	r, err := x.store.RepositoryByName(ctx, "team/app")
	x.ok(err)
	a, err := x.store.ArtifactByDigest(ctx, r.ID, m.Digest)
	x.ok(err)
	if want := int64(len(m.Body) + len("{}") + len("here")); a.Size != want {
		t.Errorf("the size of an image with layers elsewhere = %d, want %d", a.Size, want)
	}
	use, err := x.store.Usage(ctx, []int64{r.ProjectID})
	x.ok(err)
	if use[r.ProjectID] != a.Size {
		t.Errorf("Usage = %d, want %d", use[r.ProjectID], a.Size)
	}
}
