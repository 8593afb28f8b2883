package audit

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sealock/sealock/internal/errs"
)

// Appender keeps records: all of them in one transaction, or none.
type Appender interface {
	AppendAudit(ctx context.Context, records []Record) error
}

const (
	// maxBatch is how many records one transaction holds at most, so that nobody waits for a huge one.
	maxBatch = 256
	// busyBatch is the size of a batch from which on the next one is waited for: many small transactions would cost more
	// than the work that they record. gatherTime is how long; it is little beside what so many requests take.
	busyBatch  = 8
	gatherTime = time.Millisecond
	// noteTime is how long notes alone are gathered: nobody waits for them.
	noteTime = 50 * time.Millisecond
	// commitTimeout is how long a transaction may take before everybody in it gives up.
	commitTimeout = 10 * time.Second
)

// Batcher is a [Recorder] that keeps the records of many callers in one transaction: those that come while a
// transaction runs share the next one. When many come, they are waited for a moment; alone, a record is kept at once.
type Batcher struct {
	appender Appender
	queue    chan *waiter
	done     chan struct{}

	mu     sync.RWMutex // guards closed, and the queue from being closed while somebody sends
	closed bool
}

var _ Recorder = (*Batcher)(nil)

// waiter is a record on its way, and who waits for it.
type waiter struct {
	ctx    context.Context //nolint:containedctx // asked only whether somebody still waits
	record Record
	result chan error // holds one, so that nobody blocks the commit by going away; nil for a note
}

// NewBatcher returns a Batcher that lets at most size records wait; more are refused, and what they record does not
// happen. Close ends it.
func NewBatcher(appender Appender, size int) *Batcher {
	b := &Batcher{appender: appender, queue: make(chan *waiter, max(size, 1)), done: make(chan struct{})}
	go b.run()
	return b
}

// Record returns nil when the record is kept. When ctx ends before that, it returns an error, and the record may or may
// not be kept. Unavailable: too many records wait, or the Batcher is closed.
func (b *Batcher) Record(ctx context.Context, r Record) error {
	w := &waiter{ctx: ctx, record: r, result: make(chan error, 1)}
	if err := b.enqueue(w); err != nil {
		return err
	}
	select {
	case err := <-w.result:
		return err
	case <-ctx.Done():
		return fmt.Errorf("waiting for the audit trail: %w", context.Cause(ctx))
	}
}

// Note keeps a record some time soon, and keeps nobody waiting: for what may be missed. It reports whether the record waits.
// Half of the queue is not for it: what may be missed never keeps out what must be kept.
func (b *Batcher) Note(r Record) bool {
	return len(b.queue) <= cap(b.queue)/2 && b.enqueue(&waiter{ctx: context.Background(), record: r}) == nil
}

func (b *Batcher) enqueue(w *waiter) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.closed {
		return errs.New(errs.Unavailable, "the audit trail is closed").WithHint("try again when the server is up")
	}
	select {
	case b.queue <- w:
		return nil
	default:
		return errs.New(errs.Unavailable, "the audit trail can't keep up").WithHint("try again in a moment")
	}
}

// Close keeps what waits, and ends the Batcher. It may be called more than once.
func (b *Batcher) Close() {
	b.mu.Lock()
	if !b.closed {
		b.closed = true
		close(b.queue)
	}
	b.mu.Unlock()
	<-b.done
}

// run commits until the queue is closed and empty.
func (b *Batcher) run() {
	defer close(b.done)
	var batch []*waiter
	var records []Record
	for first := range b.queue {
		if first.result == nil {
			batch = b.gather(append(batch[:0], first))
		} else {
			if len(batch) >= busyBatch {
				time.Sleep(gatherTime)
			}
			batch = b.drain(append(batch[:0], first))
		}
		records = records[:0]
		waiting := batch[:0]
		for _, w := range batch {
			if w.ctx.Err() != nil { // nobody waits for it, and so nothing will be done
				continue
			}
			waiting = append(waiting, w)
			records = append(records, w.record)
		}
		err := b.commit(records)
		for _, w := range waiting {
			if w.result != nil {
				w.result <- err
			}
		}
	}
}

// gather adds notes until there are many, or for a while, and ends at once with a record that somebody waits for.
func (b *Batcher) gather(batch []*waiter) []*waiter {
	enough := time.NewTimer(noteTime)
	defer enough.Stop()
	for len(batch) < maxBatch {
		select {
		case w, ok := <-b.queue:
			if !ok {
				return batch
			}
			if batch = append(batch, w); w.result != nil {
				return b.drain(batch)
			}
		case <-enough.C:
			return batch
		}
	}
	return batch
}

// drain adds what waits by now.
func (b *Batcher) drain(batch []*waiter) []*waiter {
	for len(batch) < maxBatch {
		select {
		case w, ok := <-b.queue:
			if !ok {
				return batch
			}
			batch = append(batch, w)
		default:
			return batch
		}
	}
	return batch
}

func (b *Batcher) commit(records []Record) error {
	if len(records) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	if err := b.appender.AppendAudit(ctx, records); err != nil {
		return fmt.Errorf("appending to the audit trail: %w", err)
	}
	return nil
}
