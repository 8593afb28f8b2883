package project

import (
	"context"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// old is a registry 2.8: it deletes manifests with their tags, if it deletes at all, and no tag alone.
type old struct {
	Registry
	manifests map[string][]byte
	tags      map[string]string
	deletes   bool
	fails     int // how many deletes work before one fails
}

func (o *old) Manifest(_ context.Context, _, reference string) (string, []byte, error) {
	if d, ok := o.tags[reference]; ok {
		reference = d
	}
	body, ok := o.manifests[reference]
	if !ok {
		return "", nil, errs.New(errs.NotFound, "none")
	}
	return indexType, body, nil
}

func (o *old) PutManifest(_ context.Context, _, reference, _ string, body []byte) error {
	d := digestOf(body)
	o.manifests[d] = body
	if reference != d {
		o.tags[reference] = d
	}
	return nil
}

func (o *old) DeleteTag(context.Context, string, string) error {
	return errs.New(errs.Unsupported, "this registry can't")
}

func (o *old) DeleteManifest(_ context.Context, _, digest string) error {
	if !o.deletes {
		return errs.New(errs.Unsupported, "not allowed")
	}
	if o.fails--; o.fails == 0 {
		return errs.New(errs.Unavailable, "gone away")
	}
	delete(o.manifests, digest)
	for tag, d := range o.tags {
		if d == digest {
			delete(o.tags, tag)
		}
	}
	return nil
}

type noFollower struct{}

func (noFollower) Follow(context.Context, string, string, time.Time) (string, error) { return "", nil }

// TestRemoveTagOfOldRegistry takes a tag away where the registry has no way to: the artifact and its other tags stay.
func TestRemoveTagOfOldRegistry(t *testing.T) {
	body := []byte("the artifact")
	for name, tt := range map[string]struct {
		deletes bool
		fails   int
		kind    errs.Kind
		left    bool // the tag
	}{
		"it deletes":             {deletes: true},
		"it deletes nothing":     {kind: errs.Unsupported, left: true},
		"it fails at the second": {deletes: true, fails: 2, kind: errs.Unavailable, left: true},
	} {
		o := &old{manifests: map[string][]byte{digestOf(body): body}, tags: map[string]string{"v1": digestOf(body), "v2": digestOf(body)}, deletes: tt.deletes, fails: tt.fails}
		s := (&Service{}).WithRegistry(o, noFollower{})
		err := s.removeTag(t.Context(), store.Artifact{RepositoryName: "team/app", Digest: digestOf(body)}, "v1")
		if (tt.kind == 0) != (err == nil) || (tt.kind != 0 && !errs.Is(err, tt.kind)) {
			t.Errorf("%s: removeTag = %v, want an error of the kind %v", name, err, tt.kind)
		}
		if d, left := o.tags["v1"]; left != tt.left || (left && d != digestOf(body)) {
			t.Errorf("%s: the tag stands for %q, want it to be there: %v", name, d, tt.left)
		}
		if o.tags["v2"] != digestOf(body) || o.manifests[digestOf(body)] == nil {
			t.Errorf("%s: the artifact or its other tag is gone", name)
		}
	}
}
