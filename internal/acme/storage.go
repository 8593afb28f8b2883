package acme

import (
	"context"
	"errors"
	"sync"

	"github.com/caddyserver/certmagic"
)

// storage is a folder that knows what is under way: whatever gets or renews a certificate holds a lock in it, which also keeps
// the other processes that have the folder from doing the same.
type storage struct {
	*certmagic.FileStorage

	mu     sync.Mutex
	idle   *sync.Cond
	held   int
	closed bool
}

func newStorage(dir string) *storage {
	s := &storage{FileStorage: &certmagic.FileStorage{Path: dir}}
	s.idle = sync.NewCond(&s.mu)
	return s
}

var errClosed = errors.New("the server ends")

// Lock implements [certmagic.Locker].
func (s *storage) Lock(ctx context.Context, name string) error {
	if err := s.enter(); err != nil {
		return err
	}
	err := s.FileStorage.Lock(ctx, name)
	if err != nil {
		s.leave()
	}
	return err
}

// TryLock implements [certmagic.TryLocker].
func (s *storage) TryLock(ctx context.Context, name string) (bool, error) {
	if err := s.enter(); err != nil {
		return false, err
	}
	ok, err := s.FileStorage.TryLock(ctx, name)
	if !ok || err != nil {
		s.leave()
	}
	return ok, err
}

// Unlock implements [certmagic.Locker].
func (s *storage) Unlock(ctx context.Context, name string) error {
	defer s.leave()
	return s.FileStorage.Unlock(ctx, name)
}

func (s *storage) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	s.held++
	return nil
}

func (s *storage) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held--
	s.idle.Broadcast()
}

// close waits until nothing is under way, and lets nothing begin.
func (s *storage) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for s.held > 0 {
		s.idle.Wait()
	}
}
