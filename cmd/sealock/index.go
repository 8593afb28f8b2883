package main

import (
	"context"
	"crypto/rand"
	"net/http"
	"time"

	"github.com/sealock/sealock/internal/clock"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/proxy"
)

// lastPulls bounds how long counting the last pulls may take at the end.
const lastPulls = 5 * time.Second

// openIndex makes what keeps the index: of what the gate sees, of what the registry tells, and of a walk through it.
func (s *system) openIndex(upstream proxy.Upstream) {
	inside := proxy.NewInside(upstream)
	s.inside = inside
	s.indexer = project.NewIndexer(s.store, inside, clock.System{}, s.log)
	s.onClose(func() error { // requests may end later than run
		ctx, cancel := context.WithTimeout(context.Background(), lastPulls)
		defer cancel()
		s.indexer.WritePulls(ctx)
		return nil
	})
	s.reindexer = project.NewReindexer(s.indexer, s.store, inside, s.trail, clock.System{}, s.log, rand.Text())
}

// observer tells the index what the gate sees.
type observer struct{ indexer *project.Indexer }

func (o observer) Pushed(ctx context.Context, p proxy.Pushed) error {
	return o.indexer.Pushed(ctx, project.Manifest{Repository: p.Repository, Tag: p.Tag, MediaType: p.MediaType, Digest: p.Digest, Body: p.Body})
}

func (o observer) Deleted(ctx context.Context, repository, reference string) error {
	return o.indexer.Deleted(ctx, repository, reference)
}

func (o observer) Pulled(repository, tag, digest string) { o.indexer.Pulled(repository, tag, digest) }

// keeper tells the gate what the projects' rules and quotas are.
type keeper struct{ *project.Keeper }

func (k keeper) Room(ctx context.Context, repository string) (proxy.Room, error) {
	limit, used, err := k.Keeper.Room(ctx, repository)
	return proxy.Room{Limit: limit, Used: used}, err
}

// notifications returns what takes a registry's events, or nil where none may tell any. Pulls that come by the gate are
// counted there.
func (s *system) notifications() http.Handler {
	if s.indexer == nil || s.cfg.Registry.Notifications.Secret.Empty() {
		return nil
	}
	return &proxy.Notifications{
		Secret: s.cfg.Registry.Notifications.Secret, Follower: s.indexer, CountPulls: s.cfg.Only == "auth", Errors: s.errors, Now: time.Now,
	}
}

// referrers tells the gate what refers to a digest.
type referrers struct{ indexer *project.Indexer }

func (r referrers) Referrers(ctx context.Context, repository, digest, artifactType string, after int64, most int) ([]proxy.Referrer, error) {
	found, err := r.indexer.Referrers(ctx, repository, digest, artifactType, after, most)
	if err != nil {
		return nil, err
	}
	list := make([]proxy.Referrer, len(found))
	for i, a := range found {
		list[i] = proxy.Referrer{Number: a.ID, MediaType: a.MediaType, Digest: a.Digest, Size: a.Size, ArtifactType: a.ArtifactType, Annotations: a.Annotations}
	}
	return list, nil
}
