package audit_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
)

// shelf keeps records in memory. While gate is open (nil) it keeps them at once, else for each receive from it.
type shelf struct {
	gate    chan struct{}
	entered chan struct{} // gets a value when a commit has begun
	err     error

	mu      sync.Mutex
	kept    []audit.Record
	commits int
}

func (s *shelf) AppendAudit(ctx context.Context, records []audit.Record) error {
	if s.entered != nil {
		s.entered <- struct{}{}
	}
	if s.gate != nil {
		select {
		case <-s.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commits++
	if s.err != nil {
		return s.err
	}
	s.kept = append(s.kept, records...)
	return nil
}

func (s *shelf) count() (records, commits int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.kept), s.commits
}

func (s *shelf) has(operation string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.kept {
		if r.Operation == operation {
			return true
		}
	}
	return false
}

func TestRecordIsKeptWhenItReturns(t *testing.T) {
	s := &shelf{}
	b := audit.NewBatcher(s, 1000)
	defer b.Close()
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			op := fmt.Sprint("op", i)
			if err := b.Record(t.Context(), audit.Record{Operation: op}); err != nil {
				t.Errorf("Record = %v, want no error", err)
			} else if !s.has(op) {
				t.Errorf("Record(%q) returned before the record was kept", op)
			}
		})
	}
	wg.Wait()
	if n, _ := s.count(); n != 200 {
		t.Errorf("%d records are kept, want 200", n)
	}
}

// TestCompanyShares holds one commit up: all that come meanwhile are in the next one.
func TestCompanyShares(t *testing.T) {
	s := &shelf{gate: make(chan struct{}), entered: make(chan struct{}, 10)}
	b := audit.NewBatcher(s, 100)
	defer b.Close()
	results := make(chan error, 51)
	go func() { results <- b.Record(t.Context(), audit.Record{Operation: "first"}) }()
	<-s.entered
	for range 50 {
		go func() { results <- b.Record(t.Context(), audit.Record{}) }()
	}
	waitQueued(t, b, 50)
	s.gate <- struct{}{}
	<-s.entered
	s.gate <- struct{}{}
	for range 51 {
		if err := <-results; err != nil {
			t.Errorf("Record = %v, want no error", err)
		}
	}
	if records, commits := s.count(); records != 51 || commits != 2 {
		t.Errorf("%d records in %d commits, want 51 in 2", records, commits)
	}
}

func waitQueued(t *testing.T, b *audit.Batcher, n int) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); b.Queued() != n; {
		if time.Now().After(deadline) {
			t.Fatalf("%d records wait, want %d", b.Queued(), n)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestFailureReachesEverybody(t *testing.T) {
	full := errors.New("disk full")
	s := &shelf{gate: make(chan struct{}), entered: make(chan struct{}, 10), err: full}
	b := audit.NewBatcher(s, 100)
	defer b.Close()
	results := make(chan error, 6)
	for range 6 {
		go func() { results <- b.Record(t.Context(), audit.Record{}) }()
	}
	<-s.entered
	close(s.gate)
	for range 6 {
		if err := <-results; !errors.Is(err, full) {
			t.Errorf("Record with a failing appender = %v, want its error", err)
		}
	}
}

func TestFullQueueRefuses(t *testing.T) {
	s := &shelf{gate: make(chan struct{}), entered: make(chan struct{}, 10)}
	b := audit.NewBatcher(s, 2)
	results := make(chan error, 3)
	record := func() { results <- b.Record(t.Context(), audit.Record{}) }
	go record()
	<-s.entered
	go record()
	go record()
	waitQueued(t, b, 2)
	if err := b.Record(t.Context(), audit.Record{}); !errs.Is(err, errs.Unavailable) {
		t.Errorf("Record with a full queue = %v, want Unavailable", err)
	}
	close(s.gate)
	for range 3 {
		if err := <-results; err != nil {
			t.Errorf("Record = %v, want no error", err)
		}
	}
	b.Close()
}

func TestCancelled(t *testing.T) {
	s := &shelf{gate: make(chan struct{}), entered: make(chan struct{}, 10)}
	b := audit.NewBatcher(s, 10)
	first := make(chan error, 1)
	go func() { first <- b.Record(t.Context(), audit.Record{Operation: "first"}) }()
	<-s.entered
	ctx, cancel := context.WithCancel(t.Context())
	second := make(chan error, 1)
	go func() { second <- b.Record(ctx, audit.Record{Operation: "second"}) }()
	waitQueued(t, b, 1)
	cancel()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Errorf("Record that is cancelled = %v, want context.Canceled", err)
	}
	close(s.gate)
	if err := <-first; err != nil {
		t.Errorf("Record beside a cancelled one = %v, want no error", err)
	}
	b.Close()
	if s.has("second") {
		t.Error("a record for which nobody waits any more is kept, want it left out")
	}
}

func TestCloseKeepsWhatWaits(t *testing.T) {
	s := &shelf{gate: make(chan struct{}), entered: make(chan struct{}, 10)}
	b := audit.NewBatcher(s, 10)
	results := make(chan error, 4)
	record := func() { results <- b.Record(t.Context(), audit.Record{}) }
	go record()
	<-s.entered
	for range 3 {
		go record()
	}
	waitQueued(t, b, 3)
	go close(s.gate)
	b.Close()
	b.Close() // twice is no error
	for range 4 {
		if err := <-results; err != nil {
			t.Errorf("Record before Close = %v, want no error", err)
		}
	}
	if n, _ := s.count(); n != 4 {
		t.Errorf("%d records are kept after Close, want 4", n)
	}
	if err := b.Record(t.Context(), audit.Record{}); !errs.Is(err, errs.Unavailable) {
		t.Errorf("Record after Close = %v, want Unavailable", err)
	}
}

// BenchmarkRecord tells what the batcher itself costs, alone and with many at once.
func BenchmarkRecord(b *testing.B) {
	for _, many := range []int{1, 64} {
		b.Run(fmt.Sprint(many), func(b *testing.B) {
			s := &shelf{}
			batcher := audit.NewBatcher(s, 1000)
			defer batcher.Close()
			b.SetParallelism(many)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := batcher.Record(b.Context(), audit.Record{Operation: "token"}); err != nil {
						b.Error(err)
					}
				}
			})
			records, commits := s.count()
			b.ReportMetric(float64(records)/float64(commits), "records/commit")
		})
	}
}

// What may be missed leaves half of the queue to what must be kept.
func TestNotesKeepNoRecordOut(t *testing.T) {
	s := &shelf{gate: make(chan struct{}), entered: make(chan struct{}, 10)}
	b := audit.NewBatcher(s, 10)
	if !b.Note(audit.Record{Operation: "first"}) {
		t.Fatal("Note in an empty queue = false, want true")
	}
	<-s.entered // the first one is on its way and stays there
	noted := 0
	for range 20 {
		if b.Note(audit.Record{Operation: "pull"}) {
			noted++
		}
	}
	if noted != 6 {
		t.Errorf("%d notes wait in a queue of 10, want 6", noted)
	}
	kept := make(chan error, 1)
	go func() { kept <- b.Record(t.Context(), audit.Record{Operation: "push"}) }()
	close(s.gate)
	if err := <-kept; err != nil {
		t.Errorf("Record while notes wait = %v, want nil", err)
	}
	b.Close()
}

// TestNotesShare sends notes one by one: they are gathered, nobody who waits for a record waits for that, and the end keeps
// them all.
func TestNotesShare(t *testing.T) {
	s := &shelf{}
	b := audit.NewBatcher(s, 100)
	defer b.Close()
	for i := range 20 {
		if !b.Note(audit.Record{Operation: fmt.Sprint("note", i)}) {
			t.Fatalf("note %d was not taken", i)
		}
		waitQueued(t, b, 0)
	}
	if err := b.Record(t.Context(), audit.Record{Operation: "push"}); err != nil {
		t.Fatalf("Record = %v, want no error", err)
	}
	records, commits := s.count()
	if records != 21 || commits > 10 {
		t.Errorf("%d records in %d commits, want all 21 in fewer than half as many", records, commits)
	}
	for i := range 300 { // more than a commit holds
		for !b.Note(audit.Record{Operation: fmt.Sprint("last", i)}) {
			time.Sleep(time.Millisecond)
		}
	}
	b.Close()
	if records, _ := s.count(); records != 321 {
		t.Errorf("%d records are kept at the end, want 321", records)
	}
}
