package storetest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealock/sealock/store"
)

// referrers are what names a digest as its subject, in one repository, whether that digest is there or not.
func referrers(t *testing.T, s store.Store) {
	ctx := t.Context()
	p := project(t, s, "team")
	subject := digestOf("subject")
	refer := func(repository, name, artifactType string, named bool) store.Artifact {
		in := image(p, repository, "", name, "layer of "+name)
		in.Artifact.Subject, in.Artifact.Referrer, in.Artifact.ArtifactType = subject, named, artifactType
		in.Artifact.Annotations = map[string]string{"name": name}
		return put(t, s, in)
	}
	list := func(f store.ReferrerFilter) (names []string, last int64) {
		t.Helper()
		if f.Limit == 0 {
			f.Limit = 100
		}
		for _, r := range must[[]store.Referrer](t, "Referrers")(s.Referrers(ctx, f)) {
			names, last = append(names, r.Annotations["name"]), r.ID
		}
		return names, last
	}
	want := func(what string, f store.ReferrerFilter, names ...string) int64 {
		t.Helper()
		got, last := list(f)
		if diff := cmp.Diff(names, got); diff != "" {
			t.Errorf("Referrers %s (-want +got):\n%s", what, diff)
		}
		return last
	}
	first := refer("team/app", "sbom", "application/spdx+json", true)
	in := store.ReferrerFilter{Repository: first.RepositoryID, Subject: subject}
	if !first.Referrer || first.Subject != subject {
		t.Errorf("PutArtifact of a referrer = %+v, want it to be one of the subject", first)
	}
	one := must[[]store.Referrer](t, "Referrers")(s.Referrers(ctx, store.ReferrerFilter{Repository: in.Repository, Subject: subject, Limit: 1}))
	describes := []store.Referrer{{
		ID: first.ID, Digest: first.Digest, MediaType: first.MediaType, ArtifactType: "application/spdx+json", Size: 10, Annotations: map[string]string{"name": "sbom"},
	}}
	if diff := cmp.Diff(describes, one); diff != "" {
		t.Errorf("Referrers, before the subject came (-want +got):\n%s", diff)
	}
	refer("team/app", "tag", "application/x", false)
	refer("team/other", "elsewhere", "application/x", true)
	put(t, s, image(p, "team/app", "v1", "subject"))
	for i := range 4 {
		refer("team/app", fmt.Sprint("signature ", i), []string{"application/x", "application/y"}[i%2], true)
	}
	want("in the order of their coming", in, "sbom", "signature 0", "signature 1", "signature 2", "signature 3")
	byType := in
	byType.Type = "application/y"
	want("of a type", byType, "signature 1", "signature 3")
	byType.Limit = 1
	byType.After = want("of a type, first page", byType, "signature 1")
	byType.After = want("of a type, second page", byType, "signature 3")
	want("of a type, third page", byType)
	page := in
	page.Limit = 3
	page.After = want("first page", page, "sbom", "signature 0", "signature 1")
	want("second page", page, "signature 2", "signature 3")
	ok(t, "DeleteArtifact", s.DeleteArtifact(ctx, first.ID))
	want("after a delete", in, "signature 0", "signature 1", "signature 2", "signature 3")
	byType = in
	byType.Type = "no\x00type"
	want("of a type that nothing can have", byType)
	in.Subject = digestOf("none")
	want("of what nothing refers to", in)
}
