package policy_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/policy"
)

func TestReplace(t *testing.T) {
	t.Parallel()
	w := open(t, mayPull)
	seen := w.Status().Fingerprint
	if _, err := w.Replace(t.Context(), policy.Text{Rules: "p, developer, repository, **, psuh, allow"}, policy.Edit{}, seen); !errs.Is(err, errs.Invalid) {
		t.Errorf("Replace() with a fault = %v, want Invalid", err)
	}
	if kept, _ := os.ReadFile(filepath.Join(w.dir, policy.PolicyFile)); string(kept) != mayPull || w.Status().Fingerprint != seen {
		t.Error("a policy with a fault was written or put in force")
	}
	w.deny(t, "alice", "push", "team/app")
	const mayPush = "p, developer, repository, **, pull|push, allow\n"
	if _, err := w.Replace(t.Context(), policy.Text{Rules: mayPush}, policy.Edit{}, seen); err != nil {
		t.Fatalf("Replace() = %v, want no error", err)
	}
	w.allow(t, "alice", "push", "team/app")
	if kept, _ := os.ReadFile(filepath.Join(w.dir, policy.PolicyFile)); string(kept) != mayPush {
		t.Errorf("the file holds %q, want what was put in force", kept)
	}
	if _, err := w.Replace(t.Context(), policy.Text{Rules: mayPull}, policy.Edit{}, seen); !errs.Is(err, errs.Precondition) {
		t.Errorf("Replace() of what is no longer there = %v, want Precondition", err)
	}
	// Somebody edits the file, and the API's next change must not undo it unseen.
	seen = w.Status().Fingerprint
	write(t, w.dir, policy.PolicyFile, mayPull+"# by hand\n")
	if _, err := w.Replace(t.Context(), policy.Text{Rules: mayPush}, policy.Edit{}, seen); !errs.Is(err, errs.Precondition) {
		t.Errorf("Replace() over an edit that is not loaded yet = %v, want Precondition", err)
	}
}

// A reload that is only tried says what it would find.
func TestTry(t *testing.T) {
	t.Parallel()
	w := open(t, mayPull)
	if r, err := w.Try(t.Context()); err != nil || r.Changed || r.Rules != 1 {
		t.Errorf("Try() without a change = %+v, %v, want nothing new", r, err)
	}
	write(t, w.dir, policy.PolicyFile, mayPull+"p, guest, repository, **, pull, allow\n")
	if r, err := w.Try(t.Context()); err != nil || !r.Changed || r.Rules != 2 {
		t.Errorf("Try() = %+v, %v, want a change to 2 rules", r, err)
	}
	write(t, w.dir, policy.PolicyFile, "nonsense\n")
	if r, err := w.Try(t.Context()); !errs.Is(err, errs.Invalid) || len(r.Findings) == 0 {
		t.Errorf("Try() of a bad file = %+v, %v, want Invalid and the findings", r, err)
	}
	if w.Status().Rules != 1 || w.Status().LastError != "" {
		t.Errorf("Try() changed the status to %+v", w.Status())
	}
}

// shelf is a source that is no folder, and can be shut.
type shelf struct {
	mu   sync.Mutex
	text policy.Text
	shut bool
}

func (s *shelf) String() string { return "a shelf" }

func (s *shelf) Read(context.Context) (policy.Text, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text, nil
}

func (s *shelf) Write(_ context.Context, t policy.Text, _ string, _ policy.Edit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		return errs.New(errs.Conflict, "shut")
	}
	s.text = t
	return nil
}

// Two engines share a source: what one writes, the other puts in force on its next look.
func TestSharedSource(t *testing.T) {
	t.Parallel()
	s := &shelf{text: policy.Text{Rules: mayPull}}
	model, err := os.ReadFile(filepath.Join("default", policy.ModelFile))
	if err != nil {
		t.Fatal(err)
	}
	s.text.Model = string(model)
	one, err := policy.OpenSource(t.Context(), s, newTown(), discard())
	if err != nil {
		t.Fatal(err)
	}
	two, err := policy.OpenSource(t.Context(), s, newTown(), discard(), policy.WithPoll(20*time.Millisecond), policy.WithDebounce(20*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = two.Run(ctx) }()
	defer func() { stop(); <-done }()
	if _, err := one.Replace(t.Context(), policy.Text{Rules: "p, developer, repository, **, pull|push, allow\n"}, policy.Edit{Author: "alice"}, one.Status().Fingerprint); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other engine has the policy", func() bool { return two.Status().Fingerprint == one.Status().Fingerprint })
	s.shut = true
	if _, err := one.Replace(t.Context(), policy.Text{Rules: mayPull}, policy.Edit{}, ""); !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "shut") {
		t.Errorf("Replace() in a source that is shut = %v, want its Conflict", err)
	}
}
