package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/seal"
	"github.com/sealock/sealock/store"
)

// auditKeys are what the chains of audit records are made with.
func auditKeys(box seal.Box) audit.Keys {
	var keys audit.Keys
	for _, k := range box.Derive("audit chain") {
		keys = append(keys, audit.Key{ID: k.ID, Bytes: k.Key})
	}
	return keys
}

// openTrail puts together what records go through: the store, a copy for the syslog server, and what gathers them.
func (s *system) openTrail() error {
	var keeper audit.Appender = s.store
	if s.cfg.Audit.Syslog != "" {
		var err error
		if s.forwarder, err = audit.NewForwarder(s.store, s.cfg.Audit.Syslog, nil, s.log); err != nil {
			return err
		}
		keeper = s.forwarder
	}
	s.trail = audit.NewBatcher(keeper, auditQueue)
	s.onClose(func() error { s.trail.Close(); return nil })
	return nil
}

// pulls takes note of one pull in so many.
type pulls struct {
	trail  *audit.Batcher
	every  int
	missed atomic.Int64
}

// note is what the front door calls; nil where no pulls are recorded.
func (p *pulls) note() func(audit.Record) {
	if p.every == 0 {
		return nil
	}
	return func(r audit.Record) {
		if p.every > 1 && rand.IntN(p.every) != 0 { //nolint:gosec // a sample, no secret
			return
		}
		if !p.trail.Note(r) {
			p.missed.Add(1)
		}
	}
}

// tell logs how many pulls could not be noted.
func (p *pulls) tell(log *slog.Logger) {
	if n := p.missed.Swap(0); n > 0 {
		log.Warn("the audit trail does not keep up: pulls are missing in it", "missed", n)
	}
}

// dropOldRecords forgets records that are older than the setting says. That it does so is on record first.
func (s *system) dropOldRecords(ctx context.Context, now time.Time) error {
	if s.cfg.Audit.Keep == 0 {
		return nil
	}
	before := now.Add(-s.cfg.Audit.Keep)
	for oldest, err := range s.store.ListAudit(ctx, store.Filter{Sort: "id", Limit: 1}) {
		if err != nil || !oldest.Time.Before(before) {
			return err
		}
		err := s.trail.Record(ctx, audit.Record{
			Time: now, Method: "system", Operation: "audit.drop", Resource: "audit:before " + before.UTC().Format(time.RFC3339), Outcome: audit.Allowed,
			Reason: fmt.Sprintf("audit.keep is %s", s.cfg.Audit.Keep),
		})
		if err != nil {
			return err
		}
		n, err := s.store.DropAudit(ctx, before)
		s.log.Info("dropped audit records for their age", "records", n, "before", before.UTC())
		return err
	}
	return nil
}
