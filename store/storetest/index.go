package storetest

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

func digestOf(text string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text))) }

// image returns a push of an image that has a manifest of its own and the layers that are named, each of 100 bytes.
func image(p store.Project, repository, tag, manifest string, layers ...string) store.Push {
	push := store.Push{
		ProjectID: p.ID, Repository: repository, Tag: tag,
		Artifact: store.Artifact{Digest: digestOf(manifest), MediaType: "application/vnd.oci.image.manifest.v1+json", Kind: "IMAGE", Size: 10},
		Blobs:    []store.Blob{{Digest: digestOf(manifest), Size: 10}},
	}
	for _, layer := range layers {
		push.Artifact.Size += 100
		push.Blobs = append(push.Blobs, store.Blob{Digest: digestOf(layer), Size: 100})
	}
	return push
}

func put(t *testing.T, s store.Store, p store.Push) store.Artifact {
	t.Helper()
	return must[store.Artifact](t, "PutArtifact")(s.PutArtifact(t.Context(), p))
}

func repository(t *testing.T, s store.Store, name string) store.Repository {
	t.Helper()
	return must[store.Repository](t, "RepositoryByName")(s.RepositoryByName(t.Context(), name))
}

func usage(t *testing.T, s store.Store, p store.Project) int64 {
	t.Helper()
	return must[map[int64]int64](t, "Usage")(s.Usage(t.Context(), []int64{p.ID}))[p.ID]
}

// pushes keeps what was pushed as it was told, and tags where they point to now.
func pushes(t *testing.T, s store.Store) {
	ctx := t.Context()
	p := project(t, s, "team")
	_, err := s.RepositoryByName(ctx, "team/app")
	kind(t, "RepositoryByName of none", err, errs.NotFound)
	in := image(p, "team/app", "v1", "one", "base", "app")
	in.At = when(1)
	in.Artifact.ArtifactType, in.Artifact.ConfigType, in.Artifact.Annotations = "application/x", "application/y", map[string]string{"ö": "ü\n"}
	in.Artifact.Extra = json.RawMessage(`{"os": "linux"}`)
	one := put(t, s, in)
	want := in.Artifact
	want.ID, want.ProjectID, want.RepositoryID, want.RepositoryName, want.PushedAt = one.ID, p.ID, one.RepositoryID, "team/app", when(1)
	if diff := cmp.Diff(want, one); diff != "" || one.ID == 0 {
		t.Errorf("PutArtifact differs from what was pushed (-want +got):\n%s", diff)
	}
	for what, got := range map[string]store.Artifact{
		"Artifact":         must[store.Artifact](t, "Artifact")(s.Artifact(ctx, one.ID)),
		"ArtifactByDigest": must[store.Artifact](t, "ArtifactByDigest")(s.ArtifactByDigest(ctx, one.RepositoryID, one.Digest)),
		"ArtifactByTag":    must[store.Artifact](t, "ArtifactByTag")(s.ArtifactByTag(ctx, one.RepositoryID, "v1")),
	} {
		if diff := cmp.Diff(one, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}

	// The same again changes the time alone; another one takes the tag.
	in.At = when(2)
	again := put(t, s, in)
	one.PushedAt = when(2)
	if diff := cmp.Diff(one, again); diff != "" {
		t.Errorf("PutArtifact again (-want +got):\n%s", diff)
	}
	two := put(t, s, image(p, "team/app", "v1", "two", "base"))
	equal(t, "ArtifactByTag after another push", must[store.Artifact](t, "ArtifactByTag")(s.ArtifactByTag(ctx, one.RepositoryID, "v1")).ID, two.ID)
	put(t, s, image(p, "team/app", "latest", "two", "base"))
	tags := must[map[int64][]store.Tag](t, "TagsOf")(s.TagsOf(ctx, []int64{one.ID, two.ID}, 10))
	if len(tags[one.ID]) != 0 || len(tags[two.ID]) != 2 || tags[two.ID][0].Name != "latest" || tags[two.ID][1].Name != "v1" {
		t.Errorf("TagsOf = %+v, want latest and v1 of the second", tags)
	}
	some := must[map[int64][]store.Tag](t, "TagsOf")(s.TagsOf(ctx, []int64{two.ID}, 1))
	equal(t, "TagsOf, one of each", len(some[two.ID]), 1)
	r := repository(t, s, "team/app")
	if r.Artifacts != 2 || r.ProjectID != p.ID || r.UpdatedAt.Before(when(2)) {
		t.Errorf("RepositoryByName = %+v, want two artifacts", r)
	}

	_, err = s.PutArtifact(ctx, image(store.Project{ID: p.ID + 99}, "gone/app", "v1", "x"))
	kind(t, "PutArtifact into no project", err, errs.NotFound)
	_, err = s.PutArtifact(ctx, image(store.Project{ID: p.ID + 99}, "team/app", "v1", "x"))
	kind(t, "PutArtifact into another one's repository", err, errs.NotFound)
	for what, bad := range map[string]store.Push{
		"no digest": {ProjectID: p.ID, Repository: "team/app"}, "no repository": {ProjectID: p.ID, Artifact: store.Artifact{Digest: digestOf("x")}},
		"a NUL": image(p, "team/app", "v\x00", "x"), "a long tag": image(p, "team/app", strings.Repeat("v", 129), "x"),
	} {
		_, err := s.PutArtifact(ctx, bad)
		kind(t, "PutArtifact with "+what, err, errs.Invalid)
	}
}

// indexes are of several manifests, which don't stand for themselves then; nor does what is about another one.
func indexes(t *testing.T, s store.Store) {
	ctx := t.Context()
	p := project(t, s, "team")
	amd, arm := put(t, s, image(p, "team/app", "", "amd", "base")), put(t, s, image(p, "team/app", "arm", "arm", "base"))
	equal(t, "Artifacts before the index", repository(t, s, "team/app").Artifacts, 2)
	in := image(p, "team/app", "v1", "index")
	in.Artifact.Kind = "INDEX"
	in.Artifact.Children = []store.Child{
		{Digest: amd.Digest, Platform: json.RawMessage(`{"os":"linux"}`), Annotations: map[string]string{"a": "b"}}, {Digest: arm.Digest}, {Digest: digestOf("elsewhere")},
	}
	index := put(t, s, in)
	if diff := cmp.Diff(in.Artifact.Children, index.Children); diff != "" {
		t.Errorf("PutArtifact of an index, its children (-want +got):\n%s", diff)
	}
	sbom := image(p, "team/app", "", "sbom")
	sbom.Artifact.Subject = amd.Digest
	about := put(t, s, sbom)

	tops := func(want ...int64) {
		t.Helper()
		f := store.IndexFilter{Repository: index.RepositoryID, Top: true}
		var got []int64
		for _, a := range all(t, "ListArtifacts", s.ListArtifacts(ctx, f)) {
			got = append(got, a.ID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ListArtifacts that stand for themselves (-want +got):\n%s", diff)
		}
		equal(t, "CountArtifacts that do", must[int](t, "CountArtifacts")(s.CountArtifacts(ctx, f)), len(want))
		equal(t, "CountArtifacts that do, by counting", must[int](t, "CountArtifacts")(s.CountArtifacts(ctx, store.IndexFilter{Projects: []int64{p.ID}, Top: true})), len(want))
	}
	tops(arm.ID, index.ID)                           // arm has a tag of its own
	put(t, s, image(p, "team/app", "", "elsewhere")) // it is in the index
	tops(arm.ID, index.ID)
	for what, tt := range map[string]struct {
		f    store.IndexFilter
		want []int64
	}{
		"that hold another":             {store.IndexFilter{Holds: amd.Digest}, []int64{index.ID}},
		"that hold one that is in none": {store.IndexFilter{Holds: index.Digest}, nil},
		"with a part of a tag":          {store.IndexFilter{Where: []store.Condition{{Field: "tag", Part: "r"}}}, []int64{arm.ID}},
		"of all, with a part of a tag":  {store.IndexFilter{Projects: []int64{p.ID}, Where: []store.Condition{{Field: "tag", Part: "1"}}}, []int64{index.ID}},
		"of some digests":               {store.IndexFilter{Digests: []string{arm.Digest, about.Digest, digestOf("nothing")}}, []int64{arm.ID, about.ID}},
	} {
		if tt.f.Projects == nil {
			tt.f.Repository = index.RepositoryID
		}
		var got []int64
		for _, a := range all(t, "ListArtifacts "+what, s.ListArtifacts(ctx, tt.f)) {
			got = append(got, a.ID)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("ListArtifacts %s (-want +got):\n%s", what, diff)
		}
		equal(t, "CountArtifacts "+what, must[int](t, "CountArtifacts")(s.CountArtifacts(ctx, tt.f)), len(tt.want))
	}
	public := true
	for visible, want := range map[*store.Filter]int{nil: 1, {}: 1, {Public: &public}: 0} {
		f := store.IndexFilter{Visible: visible}
		equal(t, "ListRepositories that are visible", len(all(t, "ListRepositories", s.ListRepositories(ctx, f))), want)
		equal(t, "CountRepositories that are visible", must[int](t, "CountRepositories")(s.CountRepositories(ctx, f)), want)
	}
	for _, a := range all(t, "ListArtifacts about another", s.ListArtifacts(ctx, store.IndexFilter{Repository: index.RepositoryID, Subject: amd.Digest})) {
		equal(t, "ListArtifacts about another", a.ID, about.ID)
	}
	ok(t, "DeleteTag", s.DeleteTag(ctx, index.RepositoryID, "arm"))
	tops(index.ID)
	kind(t, "DeleteTag again", s.DeleteTag(ctx, index.RepositoryID, "arm"), errs.NotFound)
	ok(t, "DeleteArtifact", s.DeleteArtifact(ctx, index.ID))
	kind(t, "DeleteArtifact again", s.DeleteArtifact(ctx, index.ID), errs.NotFound)
	elsewhere := must[store.Artifact](t, "ArtifactByDigest")(s.ArtifactByDigest(ctx, index.RepositoryID, digestOf("elsewhere")))
	tops(amd.ID, arm.ID, elsewhere.ID)
	_, err := s.TagByName(ctx, index.RepositoryID, "v1")
	kind(t, "TagByName of a tag that went with its artifact", err, errs.NotFound)
}

// sharedBlobs are counted once for each project, as long as anything refers to them.
func sharedBlobs(t *testing.T, s store.Store) {
	ctx := t.Context()
	p, other := project(t, s, "team"), project(t, s, "other")
	one := put(t, s, image(p, "team/app", "v1", "one", "base", "app", "app"))
	equal(t, "Usage of one", usage(t, s, p), 210)
	put(t, s, image(p, "team/app", "v1", "one", "base", "app"))
	equal(t, "Usage of the same again", usage(t, s, p), 210)
	two := put(t, s, image(p, "team/tool", "v1", "two", "base", "tool"))
	put(t, s, image(other, "other/app", "v1", "one", "base", "app"))
	equal(t, "Usage of two with one layer in common", usage(t, s, p), 320)
	equal(t, "Usage of another project", usage(t, s, other), 210)
	fresh := must[int64](t, "NewBytes")(s.NewBytes(ctx, p.ID, []store.Blob{{Digest: digestOf("base"), Size: 100}, {Digest: digestOf("new"), Size: 7}, {Digest: digestOf("new"), Size: 7}}))
	equal(t, "NewBytes", fresh, 7)
	ok(t, "DeleteArtifact", s.DeleteArtifact(ctx, one.ID))
	equal(t, "Usage without the first", usage(t, s, p), 210)
	ok(t, "DeleteRepository", s.DeleteRepository(ctx, two.RepositoryID))
	kind(t, "DeleteRepository again", s.DeleteRepository(ctx, two.RepositoryID), errs.NotFound)
	equal(t, "Usage without any", usage(t, s, p), 0)
	equal(t, "Usage of another project", usage(t, s, other), 210)
	_, err := s.Artifact(ctx, two.ID)
	kind(t, "Artifact of a deleted repository", err, errs.NotFound)
	st := must[store.Statistics](t, "Statistics")(s.Statistics(ctx, store.Filter{}))
	equal(t, "Statistics", st, store.Statistics{PrivateProjects: 2, PrivateRepositories: 2, Bytes: 210})
	ok(t, "DeleteProject", s.DeleteProject(ctx, other.ID))
	_, err = s.RepositoryByName(ctx, "other/app")
	kind(t, "RepositoryByName in a deleted project", err, errs.NotFound)
	equal(t, "Usage of a deleted project", usage(t, s, other), 0)
	again := project(t, s, "other")
	put(t, s, image(again, "other/app", "v1", "one"))
}

// memberRepositories pages through what a member of no, some and many projects sees, in each order, as whoever sorts all of
// it would.
func memberRepositories(t *testing.T, s store.Store) {
	ctx := t.Context()
	nobody, some, many := user(t, s, "nobody"), user(t, s, "some"), user(t, s, "many")
	group := must[store.Group](t, "CreateGroup")(s.CreateGroup(ctx, store.Group{Name: "crew"}))
	seen := map[int64][]store.Repository{}
	for i := range 40 {
		p := must[store.Project](t, "CreateProject")(s.CreateProject(ctx, store.Project{Name: fmt.Sprint("p", i), Public: i%10 == 0}))
		member(t, s, p, many, store.RoleGuest)
		in := image(p, fmt.Sprintf("p%d/app", i), "v1", fmt.Sprint("of", i))
		in.At = when(i * 7 % 5) // some at the same time
		put(t, s, in)
		r := repository(t, s, in.Repository)
		seen[many.ID] = append(seen[many.ID], r)
		if i%10 == 0 || i%13 == 1 {
			seen[some.ID] = append(seen[some.ID], r)
		}
		if i%13 == 1 {
			_, err := s.AddMember(ctx, store.Member{ProjectID: p.ID, GroupID: group.ID, Role: store.RoleGuest})
			ok(t, "AddMember", err)
			member(t, s, p, some, store.RoleDeveloper) // by both
		}
		if i%10 == 0 {
			seen[nobody.ID] = append(seen[nobody.ID], r)
		}
	}
	orders := map[string]func(a, b store.Repository) int{
		"":              func(a, b store.Repository) int { return int(a.ID - b.ID) },
		"name":          func(a, b store.Repository) int { return strings.Compare(a.Name, b.Name) },
		"creation_time": func(a, b store.Repository) int { return a.CreatedAt.Compare(b.CreatedAt) },
		"update_time":   func(a, b store.Repository) int { return a.UpdatedAt.Compare(b.UpdatedAt) },
	}
	for _, u := range []store.User{nobody, some, many} {
		for sort, compare := range orders {
			want := slices.SortedStableFunc(slices.Values(seen[u.ID]), compare) // made by rising ids
			visible := &store.Filter{MemberID: u.ID}
			if u.ID == some.ID {
				visible.GroupIDs = []int64{group.ID}
			}
			for _, down := range []bool{false, true} {
				if down {
					if sort == "" {
						continue
					}
					sort = "-" + sort
					slices.Reverse(want)
				}
				f := store.IndexFilter{Visible: visible, Sort: sort}
				equal(t, "CountRepositories of a member", must[int](t, "CountRepositories")(s.CountRepositories(ctx, f)), len(want))
				var byNumber, byKey []store.Repository
				for f.Limit = 7; len(byNumber) < len(want); f.Offset += 7 {
					page := all(t, "ListRepositories", s.ListRepositories(ctx, f))
					if byNumber = append(byNumber, page...); len(page) < 7 {
						break
					}
				}
				for f.Offset = 0; len(byKey) < len(want); f.After = byKey[len(byKey)-1].ID {
					page := all(t, "ListRepositories", s.ListRepositories(ctx, f))
					if byKey = append(byKey, page...); len(page) < 7 {
						break
					}
				}
				what := fmt.Sprintf("repositories that %s sees by %q", u.Name, sort)
				equal(t, what+", by number", namesOf(byNumber), namesOf(want))
				equal(t, what+", by key", namesOf(byKey), namesOf(want))
			}
		}
	}
}

func namesOf(repositories []store.Repository) string {
	var names []string
	for _, r := range repositories {
		names = append(names, r.Name)
	}
	return strings.Join(names, " ")
}

// indexLists narrows, sorts and pages repositories, artifacts and tags.
func indexLists(t *testing.T, s store.Store) {
	ctx := t.Context()
	p, other := project(t, s, "team"), project(t, s, "other")
	for i := range 12 {
		in := image(p, fmt.Sprintf("team/app%d", i%3), fmt.Sprintf("v%d", i), fmt.Sprint("m", i), strings.Split("abcdefghijkl"[:i+1], "")...)
		in.At = when(20 - i)
		put(t, s, in)
	}
	put(t, s, image(other, "other/app_x", "v1", "z"))
	for _, row := range []struct {
		f    store.IndexFilter
		want string
	}{
		{store.IndexFilter{}, "team/app0 team/app1 team/app2 other/app_x"},
		{store.IndexFilter{Sort: "-name"}, "team/app2 team/app1 team/app0 other/app_x"},
		{store.IndexFilter{Projects: []int64{p.ID}, Sort: "name", Limit: 2, Offset: 1}, "team/app1 team/app2"},
		{store.IndexFilter{Projects: []int64{p.ID, other.ID}, Name: "app_"}, "other/app_x"},
		{store.IndexFilter{Projects: []int64{}}, ""},
		{store.IndexFilter{Exact: "team/app1"}, "team/app1"},
		{store.IndexFilter{Name: "\x00"}, ""},
	} {
		var got []string
		for _, r := range all(t, "ListRepositories", s.ListRepositories(ctx, row.f)) {
			got = append(got, r.Name)
		}
		equal(t, fmt.Sprintf("ListRepositories(%+v)", row.f), strings.Join(got, " "), row.want)
		if row.f.Limit == 0 {
			equal(t, fmt.Sprintf("CountRepositories(%+v)", row.f), must[int](t, "CountRepositories")(s.CountRepositories(ctx, row.f)), len(got))
		}
	}
	in := must[map[int64]int64](t, "RepositoriesIn")(s.RepositoriesIn(ctx, []int64{p.ID, other.ID, other.ID + 900}))
	equal(t, "RepositoriesIn two projects and none", fmt.Sprint(in), fmt.Sprint(map[int64]int64{p.ID: 3, other.ID: 1}))
	app := repository(t, s, "team/app0")
	yes, no := true, false
	for _, row := range []struct {
		f    store.IndexFilter
		want string
	}{
		{store.IndexFilter{Repository: app.ID}, "v0 v3 v6 v9"},
		{store.IndexFilter{Repository: app.ID, Sort: "push_time", Top: true}, "v9 v6 v3 v0"},
		{store.IndexFilter{Repository: app.ID, Sort: "-size", Limit: 1}, "v9"},
		{store.IndexFilter{Repository: app.ID, Exact: "v3"}, "v3"},
		{store.IndexFilter{Repository: app.ID, Digest: digestOf("m6")}, "v6"},
		{store.IndexFilter{Repository: app.ID, Digest: digestOf("m1")}, ""},
		{store.IndexFilter{Repository: app.ID, Tagged: &yes, Where: []store.Condition{store.Is("kind", "IMAGE")}}, "v0 v3 v6 v9"},
		{store.IndexFilter{Repository: app.ID, Tagged: &no}, ""},
		{store.IndexFilter{Repository: app.ID, Where: []store.Condition{store.Is("kind", "CHART")}}, ""},
		{store.IndexFilter{Projects: []int64{p.ID}, Latest: true, Sort: "push_time"}, "v2 v1 v0"},
	} {
		var got []string
		for _, a := range all(t, "ListArtifacts", s.ListArtifacts(ctx, row.f)) {
			got = append(got, must[map[int64][]store.Tag](t, "TagsOf")(s.TagsOf(ctx, []int64{a.ID}, 1))[a.ID][0].Name)
		}
		equal(t, fmt.Sprintf("ListArtifacts(%+v)", row.f), strings.Join(got, " "), row.want)
		if row.f.Limit == 0 {
			equal(t, fmt.Sprintf("CountArtifacts(%+v)", row.f), must[int](t, "CountArtifacts")(s.CountArtifacts(ctx, row.f)), len(got))
		}
	}
	tags := all(t, "ListTags", s.ListTags(ctx, store.IndexFilter{Repository: app.ID, Sort: "-name", Limit: 3}))
	if len(tags) != 3 || tags[0].Name != "v9" || tags[2].Name != "v3" {
		t.Errorf("ListTags = %+v, want v9, v6, v3", tags)
	}
	next := all(t, "ListTags", s.ListTags(ctx, store.IndexFilter{Repository: app.ID, Sort: "-name", After: tags[2].ID}))
	if len(next) != 1 || next[0].Name != "v0" {
		t.Errorf("ListTags after v3 = %+v, want v0", next)
	}
	equal(t, "CountTags", must[int](t, "CountTags")(s.CountTags(ctx, store.IndexFilter{Repository: app.ID, Name: "v"})), 4)

	changed := must[store.Repository](t, "UpdateRepository")(s.UpdateRepository(ctx, app.ID, func(r *store.Repository) error {
		r.Description, r.Name, r.Pulls = "what it is for", "stolen", 99
		return nil
	}))
	got := repository(t, s, "team/app0")
	if got.Description != "what it is for" || got.Pulls != 0 || changed.Description != got.Description {
		t.Errorf("UpdateRepository = %+v, then %+v, want another description alone", changed, got)
	}
	_, err := s.UpdateRepository(ctx, app.ID+99, func(*store.Repository) error { return nil })
	kind(t, "UpdateRepository of none", err, errs.NotFound)
}

// pullCounts add up, and times are the latest ones, whatever comes first; what is gone is left out.
func pullCounts(t *testing.T, s store.Store) {
	ctx := t.Context()
	p := project(t, s, "team")
	a := put(t, s, image(p, "team/app", "v1", "one"))
	tag := must[store.Tag](t, "TagByName")(s.TagByName(ctx, a.RepositoryID, "v1"))
	ok(t, "AddPulls of nothing", s.AddPulls(ctx, nil))
	ok(t, "AddPulls", s.AddPulls(ctx, []store.Pull{
		{RepositoryID: a.RepositoryID, ArtifactID: a.ID, TagID: tag.ID, Times: 2, At: when(9)},
		{RepositoryID: a.RepositoryID, ArtifactID: a.ID, Times: 3, At: when(4)},
		{RepositoryID: a.RepositoryID + 99, ArtifactID: a.ID + 99, TagID: tag.ID + 99, Times: 1, At: when(4)},
	}))
	ok(t, "AddPulls", s.AddPulls(ctx, []store.Pull{{RepositoryID: a.RepositoryID, ArtifactID: a.ID, TagID: tag.ID, Times: 1, At: when(1)}}))
	equal(t, "Pulls", repository(t, s, "team/app").Pulls, 6)
	equal(t, "PulledAt of the artifact", must[store.Artifact](t, "Artifact")(s.Artifact(ctx, a.ID)).PulledAt, when(9))
	equal(t, "PulledAt of the tag", must[store.Tag](t, "TagByName")(s.TagByName(ctx, a.RepositoryID, "v1")).PulledAt, when(9))
}

// pushesAtOnce come from many clients, to one repository and to several of a project, and some are deleted meanwhile: in
// the end the counts are right.
func pushesAtOnce(t *testing.T, s store.Store) {
	ctx := t.Context()
	p := project(t, s, "team")
	layers := []string{"a", "b", "c", "d", "e"}
	together(12, func(i int) {
		r := rand.New(rand.NewPCG(uint64(i), 1)) //nolint:gosec // a test that can be repeated
		for range 6 {
			n := r.IntN(5)
			in := image(p, fmt.Sprintf("team/app%d", r.IntN(3)), pickTag(r), fmt.Sprint("m", n), layers[:n]...)
			a, err := s.PutArtifact(ctx, in)
			if err != nil {
				t.Errorf("PutArtifact at once with others = %v, want no error", err)
				return
			}
			if r.IntN(3) == 0 {
				if err := s.DeleteArtifact(ctx, a.ID); err != nil && !errs.Is(err, errs.NotFound) {
					t.Errorf("DeleteArtifact at once with others = %v, want no error", err)
				}
			}
		}
	})
	held := map[string]int64{}
	for _, r := range all(t, "ListRepositories", s.ListRepositories(ctx, store.IndexFilter{})) {
		found := all(t, "ListArtifacts", s.ListArtifacts(ctx, store.IndexFilter{Repository: r.ID}))
		tops := must[int](t, "CountArtifacts")(s.CountArtifacts(ctx, store.IndexFilter{Projects: []int64{p.ID}, Repository: r.ID, Top: true}))
		if r.Artifacts != len(found) || tops != len(found) {
			t.Errorf("repository %s says %d artifacts, and %d of %d stand for themselves: want all", r.Name, r.Artifacts, tops, len(found))
		}
		for _, a := range found {
			held[a.Digest] = 10
			for _, layer := range layers[:(a.Size-10)/100] {
				held[layer] = 100
			}
		}
	}
	var want int64
	for _, size := range held {
		want += size
	}
	equal(t, "Usage after all", usage(t, s, p), want)
}

func pickTag(r *rand.Rand) string { return []string{"v1", "v2", "latest", ""}[r.IntN(4)] }

// projectRenames take the repositories along. The name that was stays taken, until it is forgotten or the project is gone.
func projectRenames(t *testing.T, s store.Store) {
	ctx := t.Context()
	alice, p, other := user(t, s, "alice"), project(t, s, "team"), project(t, s, "other")
	member(t, s, p, alice, store.RoleDeveloper)
	a := put(t, s, image(p, "team/app", "v1", "one"))
	put(t, s, image(p, "team/team/app", "v1", "one"))
	put(t, s, image(other, "other/team", "v1", "one"))
	got := must[store.Project](t, "RenameProject")(s.RenameProject(ctx, p.ID, "crew"))
	if got.Name != "crew" || got.ID != p.ID || !got.CreatedAt.Equal(p.CreatedAt) {
		t.Errorf("RenameProject = %+v, want the same project of another name", got)
	}
	equal(t, "RepositoryName after RenameProject", must[store.Artifact](t, "Artifact")(s.Artifact(ctx, a.ID)).RepositoryName, "crew/app")
	repository(t, s, "crew/team/app")
	repository(t, s, "other/team")
	equal(t, "MemberRole after RenameProject", must[store.Role](t, "MemberRole")(s.MemberRole(ctx, p.ID, alice.ID)), store.RoleDeveloper)
	_, err := s.ProjectByName(ctx, "team")
	kind(t, "ProjectByName of what it was called", err, errs.NotFound)
	equal(t, "ProjectByFormerName", must[store.Project](t, "ProjectByFormerName")(s.ProjectByFormerName(ctx, "team")).Name, "crew")
	for _, name := range []string{"crew", "nobody", "x\x00"} {
		_, err = s.ProjectByFormerName(ctx, name)
		kind(t, "ProjectByFormerName of "+name, err, errs.NotFound)
	}
	_, err = s.CreateProject(ctx, store.Project{Name: "team"})
	kind(t, "CreateProject with a name that was another one's", err, errs.Conflict)
	_, err = s.RenameProject(ctx, other.ID, "team")
	kind(t, "RenameProject to a name that was another one's", err, errs.Conflict)
	_, err = s.RenameProject(ctx, other.ID, "crew")
	kind(t, "RenameProject to another one's name", err, errs.Conflict)
	_, err = s.RenameProject(ctx, other.ID+99, "new")
	kind(t, "RenameProject of none", err, errs.NotFound)
	equal(t, "a project after renames that failed", must[store.Project](t, "Project")(s.Project(ctx, other.ID)).Name, "other")

	must[store.Project](t, "RenameProject")(s.RenameProject(ctx, p.ID, "ship"))
	must[store.Project](t, "RenameProject to the same")(s.RenameProject(ctx, p.ID, "ship"))
	equal(t, "FormerNames", fmt.Sprint(must[[]string](t, "FormerNames")(s.FormerNames(ctx, p.ID))), "[team crew]")
	must[store.Project](t, "RenameProject back")(s.RenameProject(ctx, p.ID, "team"))
	equal(t, "FormerNames after the way back", fmt.Sprint(must[[]string](t, "FormerNames")(s.FormerNames(ctx, p.ID))), "[crew ship]")
	ok(t, "ForgetName", s.ForgetName(ctx, p.ID, "crew"))
	kind(t, "ForgetName again", s.ForgetName(ctx, p.ID, "crew"), errs.NotFound)
	kind(t, "ForgetName of another project's", s.ForgetName(ctx, other.ID, "ship"), errs.NotFound)
	project(t, s, "crew")
	ok(t, "DeleteProject", s.DeleteProject(ctx, p.ID))
	project(t, s, "ship")
}
