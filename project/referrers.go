package project

import (
	"context"
	"strings"
	"time"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// Referrers returns up to most artifacts of the repository whose manifests name the digest as their subject, after the one
// with the id, in the order in which they came. artifactType narrows them; "" is any.
//
// Clients keep a list of referrers under a tag where a registry has none for them. What is listed there and came past the
// front door, or before it, is noted first: once, for a list that is known costs one look at the registry.
func (x *Indexer) Referrers(ctx context.Context, repository, subject, artifactType string, after int64, most int) ([]store.Referrer, error) {
	if after == 0 {
		if err := x.followList(ctx, repository, subject); err != nil {
			return nil, err
		}
	}
	repo, err := x.store.RepositoryByName(ctx, repository)
	if err != nil {
		return nil, absent(err)
	}
	return x.store.Referrers(ctx, store.ReferrerFilter{Repository: repo.ID, Subject: subject, Type: artifactType, After: after, Limit: most})
}

// followList notes the list of referrers that clients keep for a digest, with what is in it. One that is no list is none.
func (x *Indexer) followList(ctx context.Context, repository, subject string) error {
	tag := strings.Replace(subject, ":", "-", 1)
	if about, list := subjectOfTag(tag); about != subject || !list {
		return nil
	}
	_, err := x.Follow(ctx, repository, tag, time.Time{})
	if errs.Is(err, errs.Invalid) {
		x.log.Info("the list of referrers that clients keep can't be read", "repository", repository, "tag", tag, "error", err)
		return nil
	}
	return err
}
