package proxy

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"
	"time"
)

// flights let requests that ask the same at the same time have one answer of the upstream. A request never gets an answer
// to a question that was sent before it came: while one is under way, those who come wait for the next
// (docs/decisions/2026-11-26-speed.md). Each flight has a goroutine, which ends with the answer, or when nobody waits for it any more.
type flights struct {
	ask func(*http.Request) answer // returns when the request's context has ended, at the latest

	mu    sync.Mutex
	lanes map[string]*lane // those with anything under way
}

// lane is where flights of one question follow one another.
type lane struct {
	airborne int
	next     *flight // that has not left; nil for none
}

// flight is one question to the upstream. What stands under riders is guarded by flights.mu; the answer is there once done
// is closed, and nobody changes it.
type flight struct {
	r      *http.Request
	cancel context.CancelFunc
	done   chan struct{}
	answer answer

	riders int
	left   bool
	late   *time.Timer // lets it leave when the one before takes too long; nil for the first
}

// answer is what came of a question.
type answer struct {
	status int // 0: it can't be shared, and each has to ask by itself
	header http.Header
	body   []byte
	err    error // the upstream gave no answer
}

// patience is how long the next flight waits for the one that is under way. The upstream may be stuck with that one alone.
const patience = 250 * time.Millisecond

func newFlights(ask func(*http.Request) answer) *flights {
	return &flights{ask: ask, lanes: map[string]*lane{}}
}

// get returns the answer to a request that asks what the key says. It is an error if the client goes away before.
func (s *flights) get(key string, r *http.Request) answer {
	f := s.join(key, r)
	select {
	case <-f.done:
		return f.answer
	case <-r.Context().Done():
		s.leave(key, f)
		return answer{err: context.Cause(r.Context())}
	}
}

// join returns a flight that leaves after this moment.
func (s *flights) join(key string, r *http.Request) *flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lanes[key]
	if l == nil {
		l = &lane{}
		s.lanes[key] = l
	}
	if l.next == nil {
		// Who asks first may go away, and the others still want to know.
		ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
		l.next = &flight{r: r.WithContext(ctx), cancel: cancel, done: make(chan struct{})}
		if l.airborne > 0 {
			f := l.next
			f.late = time.AfterFunc(patience, func() { s.overtake(key, l, f) })
		}
	}
	f := l.next
	f.riders++
	if l.airborne == 0 {
		s.depart(key, l)
	}
	return f
}

// depart sends the next flight of the lane. The lock is held.
func (s *flights) depart(key string, l *lane) {
	f := l.next
	l.next, f.left = nil, true
	l.airborne++
	go s.fly(key, l, f)
}

// overtake sends a flight that has waited too long.
func (s *flights) overtake(key string, l *lane, f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.next == f {
		s.depart(key, l)
	}
}

// fly asks, and lets those who came meanwhile ask next.
func (s *flights) fly(key string, l *lane, f *flight) {
	defer f.cancel()
	defer close(f.done)
	defer s.land(key, l)
	if f.late != nil {
		f.late.Stop()
	}
	defer func() {
		if p := recover(); p != nil { // nobody else would hear of it, and all would wait
			f.answer = answer{err: fmt.Errorf("asking the registry: panic: %v\n%s", p, debug.Stack())}
		}
	}()
	f.answer = s.ask(f.r)
}

func (s *flights) land(key string, l *lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.airborne--
	switch {
	case l.next != nil:
		s.depart(key, l)
	case l.airborne == 0:
		delete(s.lanes, key)
	}
}

// leave is for who waits no longer. With the last one the flight ends, or never leaves.
func (s *flights) leave(key string, f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.riders--; f.riders > 0 {
		return
	}
	f.cancel()
	if f.left {
		return
	}
	if l := s.lanes[key]; l != nil && l.next == f {
		l.next = nil
		f.late.Stop()
	}
}
