package project

import (
	"context"
	"sync"
	"time"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// Pulls are counted in memory and written every few seconds, so that a popular image is no row that all wait for. A crash
// loses the seconds since.
const (
	pullsInterval = 5 * time.Second
	pullsAtEnd    = 10 * time.Second // how long the last ones may take
	maxPullCounts = 50_000           // of different manifests between two times
	pullsBatch    = 500
)

// pulledManifest is what was pulled; the tag may be "".
type pulledManifest struct{ repository, tag, digest string }

type pullCount struct {
	times int64
	at    time.Time
}

// pullCounts counts pulls until they are written.
type pullCounts struct {
	mu     sync.Mutex
	counts map[pulledManifest]pullCount
	lost   int64
}

func newPullCounts() *pullCounts { return &pullCounts{counts: map[pulledManifest]pullCount{}} }

// add counts. When there are too many different ones, those that come new are lost.
func (p *pullCounts) add(m pulledManifest, times int64, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, known := p.counts[m]
	if !known && len(p.counts) >= maxPullCounts {
		p.lost += times
		return
	}
	c.times += times
	if at.After(c.at) {
		c.at = at
	}
	p.counts[m] = c
}

// take returns what was counted, and begins anew.
func (p *pullCounts) take() (counts map[pulledManifest]pullCount, lost int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	counts, lost = p.counts, p.lost
	p.counts, p.lost = map[pulledManifest]pullCount{}, 0
	return counts, lost
}

// Run writes what was pulled, until ctx ends, and then the rest.
func (x *Indexer) Run(ctx context.Context) {
	tick := time.NewTicker(pullsInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), pullsAtEnd)
			defer cancel()
			x.WritePulls(last)
			return
		case <-tick.C:
			x.WritePulls(ctx)
		}
	}
}

// WritePulls writes what was pulled since the last time. What can't be written is tried again the next time.
func (x *Indexer) WritePulls(ctx context.Context) {
	counts, lost := x.pulls.take()
	if lost > 0 {
		x.log.Warn("too many different manifests were pulled at once to count them all", "pulls_lost", lost)
	}
	var batch []store.Pull
	var taken []pulledManifest
	flush := func() {
		if err := x.store.AddPulls(ctx, batch); err != nil {
			x.log.Warn("pulls can't be counted now", "error", err)
			for _, m := range taken {
				x.pulls.add(m, counts[m].times, counts[m].at)
			}
		}
		batch, taken = nil, nil
	}
	repositories := map[string]int64{}
	for m, c := range counts {
		p, err := x.resolve(ctx, m, repositories)
		if errs.Is(err, errs.NotFound) { // gone, or from before the index
			continue
		}
		if err != nil {
			x.log.Warn("a pull can't be counted now", "error", err)
			x.pulls.add(m, c.times, c.at)
			continue
		}
		p.Times, p.At = c.times, c.at
		batch, taken = append(batch, p), append(taken, m)
		if len(batch) == pullsBatch {
			flush()
		}
	}
	flush()
}

// resolve finds what was pulled in the index.
func (x *Indexer) resolve(ctx context.Context, m pulledManifest, repositories map[string]int64) (store.Pull, error) {
	id, known := repositories[m.repository]
	if !known {
		repo, err := x.store.RepositoryByName(ctx, m.repository)
		if err != nil {
			return store.Pull{}, err
		}
		id = repo.ID
		repositories[m.repository] = id
	}
	a, err := x.store.ArtifactByDigest(ctx, id, m.digest)
	if err != nil {
		return store.Pull{}, err
	}
	p := store.Pull{RepositoryID: id, ArtifactID: a.ID}
	if m.tag != "" {
		tag, err := x.store.TagByName(ctx, id, m.tag)
		if absent(err) != nil {
			return store.Pull{}, err
		}
		p.TagID = tag.ID
	}
	return p, nil
}
