package proxy

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/httpx"
)

// untag removes a tag where the registry has no way to: 2.8 deletes by digest alone, and with a manifest all tags that
// stand for it. The tag is put on an empty index, which is deleted. The manifest and its other tags are there all the
// time (docs/decisions/2026-11-25-referrers.md).
func (i *Inside) untag(ctx context.Context, repository, tag string) error {
	mediaType, body, err := i.Manifest(ctx, repository, tag)
	if errs.Is(err, errs.NotFound) {
		return err
	}
	unable := errs.New(errs.Unsupported, "this registry can't remove a tag and leave what it stands for").
		WithHint("delete the artifact with all its tags, or run a registry 3.0 or later")
	if err != nil {
		return errors.Join(unable, err)
	}
	// First without a tag: a registry that deletes nothing at all must not be left with a tag on an empty index.
	if err := i.decoy(ctx, repository, ""); err != nil {
		return errors.Join(unable, fmt.Errorf("deleting an empty index: %w", err))
	}
	// The client may go now; the tag must not be left on the empty index.
	ctx = context.WithoutCancel(ctx)
	if err := i.decoy(ctx, repository, tag); err != nil {
		return errors.Join(err, i.PutManifest(ctx, repository, tag, mediaType, body))
	}
	return nil
}

// decoy puts an empty index under a tag, or under its digest alone, and deletes it.
func (i *Inside) decoy(ctx context.Context, repository, tag string) error {
	body, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": indexType, "manifests": []string{},
		"annotations": map[string]string{"sealock.untag": rand.Text()}, // no other manifest has this digest
	})
	if err != nil {
		return err
	}
	reference := digest.FromBytes(body).String()
	if tag == "" {
		tag = reference
	}
	if err := i.PutManifest(ctx, repository, tag, indexType, body); err != nil {
		return err
	}
	return i.DeleteManifest(ctx, repository, reference)
}

// deleteTag lets the upstream delete a tag. One that takes the tag for a digest that is none, as 2.8 does, is helped.
func (g *Gate) deleteTag(ctx context.Context, v *visit, w http.ResponseWriter, out *http.Request) {
	rec := &recorder{header: http.Header{}, limit: maxErrorBytes}
	v.to.Upstream.ServeHTTP(rec, out)
	if rec.status != http.StatusBadRequest {
		maps.Copy(w.Header(), rec.header)
		w.WriteHeader(rec.status)
		_, _ = w.Write(rec.body.Bytes()) // a client that hung up needs no answer
		return
	}
	err := v.to.inside.untag(ctx, v.Repository, v.tag())
	switch {
	case errs.Is(err, errs.Unsupported): // in the words of the specification, as registries that can do it say it
		err = errs.New(errs.Invalid, "the registry behind sealock does not delete").
			WithHint("its administrator can set storage.delete.enabled: true in its config.yml").WithCode("UNSUPPORTED").Because(err)
	case errs.Is(err, errs.NotFound):
		err = errs.New(errs.NotFound, "there is no tag %q in repository %q", v.tag(), v.Repository).WithHint("list the repository's tags").WithCode("MANIFEST_UNKNOWN").Because(err)
	}
	if err != nil {
		g.Errors.WriteRegistry(w, v.r, err)
		return
	}
	w.Header().Set(httpx.APIVersionHeader, httpx.APIVersion)
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusAccepted)
}
