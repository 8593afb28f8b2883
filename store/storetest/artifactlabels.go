package storetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// labelNames returns the names of the labels on an artifact.
func labelNames(t *testing.T, s store.Store, a store.Artifact) string {
	t.Helper()
	var names []string
	for _, l := range must[map[int64][]store.Label](t, "LabelsOf")(s.LabelsOf(t.Context(), []int64{a.ID}, 10))[a.ID] {
		names = append(names, l.Name)
	}
	return strings.Join(names, " ")
}

// artifactLabels are global ones and those of the artifact's project. They go with the label and with the artifact.
func artifactLabels(t *testing.T, s store.Store) {
	ctx := t.Context()
	team, other := project(t, s, "team"), project(t, s, "other")
	label := func(name string, p store.Project) store.Label {
		return must[store.Label](t, "CreateLabel")(s.CreateLabel(ctx, store.Label{Name: name, Color: "#00ff00", ProjectID: p.ID}))
	}
	stable, fast, theirs := label("stable", store.Project{}), label("fast", team), label("theirs", other)
	one, two := put(t, s, image(team, "team/app", "v1", "one")), put(t, s, image(team, "team/app", "v2", "two"))
	tool, far := put(t, s, image(team, "team/tool", "v1", "one")), put(t, s, image(other, "other/app", "v1", "one"))

	for a, labels := range map[*store.Artifact][]store.Label{&one: {stable, fast}, &two: {fast}, &tool: {stable}, &far: {theirs, stable}} {
		for _, l := range labels {
			ok(t, "LabelArtifact", s.LabelArtifact(ctx, a.ID, l.ID))
			kind(t, "LabelArtifact again", s.LabelArtifact(ctx, a.ID, l.ID), errs.Conflict)
		}
	}
	kind(t, "LabelArtifact with another project's label", s.LabelArtifact(ctx, one.ID, theirs.ID), errs.NotFound)
	kind(t, "LabelArtifact with no label", s.LabelArtifact(ctx, one.ID, theirs.ID+900), errs.NotFound)
	kind(t, "LabelArtifact of no artifact", s.LabelArtifact(ctx, far.ID+900, stable.ID), errs.NotFound)
	kind(t, "UnlabelArtifact of what it has not got", s.UnlabelArtifact(ctx, two.ID, stable.ID), errs.NotFound)
	equal(t, "labels of the first", labelNames(t, s, one), "stable fast")
	equal(t, "labels of another project's", labelNames(t, s, far), "theirs stable")
	some := must[map[int64][]store.Label](t, "LabelsOf")(s.LabelsOf(ctx, []int64{one.ID, two.ID}, 1))
	if diff := cmp.Diff(map[int64][]store.Label{one.ID: {stable}, two.ID: {fast}}, some); diff != "" {
		t.Errorf("LabelsOf two, one of each (-want +got):\n%s", diff)
	}

	for _, row := range []struct {
		f    store.IndexFilter
		want []int64
	}{
		{store.IndexFilter{Repository: one.RepositoryID, Labels: []int64{stable.ID}}, []int64{one.ID}},
		{store.IndexFilter{Repository: one.RepositoryID, Top: true, Labels: []int64{fast.ID}, Sort: "-id"}, []int64{two.ID, one.ID}},
		{store.IndexFilter{Repository: one.RepositoryID, Top: true, Labels: []int64{fast.ID}, After: one.ID}, []int64{two.ID}},
		{store.IndexFilter{Repository: one.RepositoryID, Top: true, Labels: []int64{fast.ID, stable.ID}}, []int64{one.ID}},
		{store.IndexFilter{Repository: one.RepositoryID, Labels: []int64{fast.ID, fast.ID}, Exact: "v2"}, []int64{two.ID}},
		{store.IndexFilter{Repository: one.RepositoryID, Labels: []int64{theirs.ID}}, nil},
		{store.IndexFilter{Repository: one.RepositoryID, Labels: []int64{0}}, nil},
		{store.IndexFilter{Projects: []int64{team.ID}, Labels: []int64{stable.ID}}, []int64{one.ID, tool.ID}},
		{store.IndexFilter{Labels: []int64{stable.ID}}, []int64{one.ID, tool.ID, far.ID}},
	} {
		var got []int64
		for _, a := range all(t, "ListArtifacts", s.ListArtifacts(ctx, row.f)) {
			got = append(got, a.ID)
		}
		equal(t, fmt.Sprintf("ListArtifacts(%+v)", row.f), fmt.Sprint(got), fmt.Sprint(row.want))
		if row.f.After == 0 {
			equal(t, fmt.Sprintf("CountArtifacts(%+v)", row.f), must[int](t, "CountArtifacts")(s.CountArtifacts(ctx, row.f)), len(row.want))
		}
	}

	put(t, s, image(team, "team/app", "v9", "one")) // another tag, the same artifact
	equal(t, "labels after a push of the same", labelNames(t, s, one), "stable fast")
	ok(t, "UnlabelArtifact", s.UnlabelArtifact(ctx, one.ID, stable.ID))
	equal(t, "labels after one was taken", labelNames(t, s, one), "fast")
	ok(t, "DeleteLabel", s.DeleteLabel(ctx, fast.ID))
	equal(t, "labels after one was deleted", labelNames(t, s, one), "")
	ok(t, "DeleteArtifact", s.DeleteArtifact(ctx, tool.ID))
	equal(t, "labels of a deleted artifact", labelNames(t, s, tool), "")
	ok(t, "DeleteProject", s.DeleteProject(ctx, other.ID))
	equal(t, "labels in a deleted project", labelNames(t, s, far), "")
	again := put(t, s, image(team, "team/tool", "v1", "one"))
	equal(t, "labels of what was pushed anew", labelNames(t, s, again), "")
}
