package policy_test

import (
	"context"
	"testing"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/policy"
)

// heldUp is a source that says when it is read, and then waits to be let go.
type heldUp struct {
	policy.Dir
	reading, goOn chan struct{}
}

func (s *heldUp) Read(ctx context.Context) (policy.Text, error) {
	s.reading <- struct{}{}
	<-s.goOn
	return s.Dir.Read(ctx)
}

// Whoever asks during a load of 100,000 lines does not wait for it: while the source is read the policy before answers, and
// the new one as soon as it is in force, before the load has returned.
func TestLoadStallsNobody(t *testing.T) {
	t.Parallel()
	src := &heldUp{Dir: policy.Dir(folder(t, mayPush)), reading: make(chan struct{}), goOn: make(chan struct{})}
	loaded, letGo := make(chan struct{}), make(chan struct{})
	first := true
	step := func(context.Context, policy.Text, policy.Edit) {
		if !first {
			close(loaded)
			<-letGo
		}
		first = false
	}
	go func() { <-src.reading; src.goOn <- struct{}{} }()
	e, err := policy.OpenSource(t.Context(), src, newTown(), discard(), policy.WithLoaded(step))
	if err != nil {
		t.Fatal(err)
	}
	w := world{Engine: e}
	write(t, string(src.Dir), policy.PolicyFile, rulesOf(100_000)+"p, developer, repository, team/**, push, deny\n")
	done := make(chan error, 1)
	go func() { _, err := w.Reload(t.Context()); done <- err }()
	<-src.reading
	w.allow(t, "alice", "push", "team/app")
	if r, err := w.Decide(t.Context(), subject("alice"), auth.Access{Resource: "repository", Project: "team", Repository: "team/app", Action: "push"}); err != nil || !r.Allowed {
		t.Errorf("Decide(alice, push) while the source is read = %v, %v, want it allowed by the old policy", r, err)
	}
	src.goOn <- struct{}{}
	<-loaded
	w.deny(t, "alice", "push", "team/app")
	close(letGo)
	if err := <-done; err != nil {
		t.Errorf("Reload() = %v, want no error", err)
	}
}
