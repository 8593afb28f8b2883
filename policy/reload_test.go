package policy_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/policy"
)

const (
	mayPull = "p, developer, repository, **, pull, allow\n"
	mayPush = "p, developer, repository, **, pull|push, allow\n"
	broken  = "p, developer, repository, **, pull|psuh, allow\n"
)

// watched opens an engine on rules and runs its watch until the test ends.
func watched(t *testing.T, dir string, opts ...policy.Option) world {
	t.Helper()
	w := world{town: newTown(), dir: dir}
	var err error
	opts = append([]policy.Option{policy.WithDebounce(10 * time.Millisecond)}, opts...)
	if w.Engine, err = policy.Open(dir, w.town, discard(), opts...); err != nil {
		t.Fatalf("Open(%s) = %v, want no error", dir, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run() = %v, want nil", err)
		}
	})
	return w
}

func folder(t *testing.T, rules string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, policy.PolicyFile, rules)
	if _, err := policy.WriteDefault(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// eventually waits for a condition; how long it may take is no part of what is tested.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if cond() {
			return
		}
	}
	t.Fatalf("%s = false after 20 s, want true", what)
}

func (w world) mayPush(t *testing.T) func() bool {
	return func() bool { ok, _ := w.granted(t, "alice", "push", "team/app"); return ok }
}

func (w world) mayNotPush(t *testing.T) func() bool {
	return func() bool { return !w.mayPush(t)() }
}

// TestWatch changes the policy in all the ways that people and programs change files. Half of the runs hear of it by
// the operating system, half by the slow beat alone.
func TestWatch(t *testing.T) {
	for name, opts := range map[string][]policy.Option{
		"events": {policy.WithPoll(time.Hour)},
		"beat":   {policy.WithPoll(20 * time.Millisecond)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("written in place", func(t *testing.T) {
				w := watched(t, folder(t, mayPull), opts...)
				w.deny(t, "alice", "push", "team/app")
				write(t, w.dir, policy.PolicyFile, mayPush)
				eventually(t, "push allowed", w.mayPush(t))
			})
			t.Run("replaced by an editor", func(t *testing.T) {
				w := watched(t, folder(t, mayPull), opts...)
				for i := range 3 {
					rules, cond := mayPush, w.mayPush(t)
					if i == 1 {
						rules, cond = mayPull, w.mayNotPush(t)
					}
					write(t, w.dir, "policy.csv.swp", rules)
					if err := os.Rename(filepath.Join(w.dir, "policy.csv.swp"), filepath.Join(w.dir, policy.PolicyFile)); err != nil {
						t.Fatal(err)
					}
					eventually(t, "the new rules count", cond)
				}
			})
			t.Run("swapped as a ConfigMap", func(t *testing.T) { swapConfigMap(t, opts) })
			t.Run("refused, then mended", func(t *testing.T) {
				w := watched(t, folder(t, mayPush), opts...)
				write(t, w.dir, policy.PolicyFile, broken)
				eventually(t, "an error in Status", func() bool { return w.Status().LastError != "" })
				w.allow(t, "alice", "push", "team/app")
				write(t, w.dir, policy.PolicyFile, mayPull)
				eventually(t, "push denied", w.mayNotPush(t))
				if got := w.Status().LastError; got != "" {
					t.Errorf("Status().LastError = %q, want none", got)
				}
			})
			t.Run("removed, then back", func(t *testing.T) {
				w := watched(t, folder(t, mayPush), opts...)
				if err := os.Remove(filepath.Join(w.dir, policy.PolicyFile)); err != nil {
					t.Fatal(err)
				}
				eventually(t, "an error in Status", func() bool { return w.Status().LastError != "" })
				w.allow(t, "alice", "push", "team/app")
				write(t, w.dir, policy.PolicyFile, mayPush)
				eventually(t, "no error in Status", func() bool { return w.Status().LastError == "" })
			})
		})
	}
}

// swapConfigMap does what the kubelet does: files are links into a folder behind a link that is replaced.
func swapConfigMap(t *testing.T, opts []policy.Option) {
	dir := t.TempDir()
	version := func(name, rules string) {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), policy.PolicyFile, rules)
		if _, err := policy.WriteDefault(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		link(t, name, filepath.Join(dir, "..data_tmp"))
		if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	version("..2026_01", mayPull)
	for _, name := range []string{policy.PolicyFile, policy.ModelFile} {
		link(t, filepath.Join("..data", name), filepath.Join(dir, name))
	}
	w := watched(t, dir, opts...)
	w.deny(t, "alice", "push", "team/app")
	version("..2026_02", mayPush)
	eventually(t, "push allowed", w.mayPush(t))
	version("..2026_03", mayPull)
	eventually(t, "push denied", w.mayNotPush(t))
}

func link(t *testing.T, to, at string) {
	t.Helper()
	if err := os.Symlink(to, at); err != nil {
		t.Fatal(err)
	}
}

func TestWholeFolderReplaced(t *testing.T) {
	dir := folder(t, mayPull)
	w := watched(t, dir, policy.WithPoll(20*time.Millisecond))
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(folder(t, mayPush), dir); err != nil {
		t.Fatal(err)
	}
	eventually(t, "push allowed", w.mayPush(t))
	write(t, dir, policy.PolicyFile, mayPull)
	eventually(t, "push denied", w.mayNotPush(t))
}

func TestReload(t *testing.T) {
	w := open(t, mayPull)
	if r, err := w.Reload(t.Context()); err != nil || r.Changed || r.Rules != 1 {
		t.Errorf("Reload() = %+v, %v, want 1 rule unchanged", r, err)
	}
	before := w.Status()
	write(t, w.dir, policy.PolicyFile, mayPush+"g, user:bob, developer, team\n")
	if r, err := w.Reload(t.Context()); err != nil || !r.Changed || r.Members != 1 {
		t.Errorf("Reload() = %+v, %v, want 1 member and a change", r, err)
	}
	if after := w.Status(); after.Fingerprint == before.Fingerprint || after.LoadedAt.Before(before.LoadedAt) || after.Dir != w.dir {
		t.Errorf("Status() = %+v, want another fingerprint and time than %+v", after, before)
	}
	for _, bad := range []string{broken, "", "# nothing\n", "x\n"} {
		write(t, w.dir, policy.PolicyFile, bad)
		if r, err := w.Reload(t.Context()); !errs.Is(err, errs.Invalid) || len(r.Findings) == 0 {
			t.Errorf("Reload() of %q = %+v, %v, want findings and kind invalid", bad, r, err)
		}
		w.allow(t, "bob", "push", "team/app")
		if got := w.Text().Rules; !strings.HasPrefix(got, mayPush) {
			t.Errorf("Text() after a refused reload = %q, want the policy in force", got)
		}
	}
	if err := os.Remove(filepath.Join(w.dir, policy.ModelFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Reload(t.Context()); !errs.Is(err, errs.NotFound) {
		t.Errorf("Reload() without a model = %v, want kind not found", err)
	}
	w.allow(t, "bob", "push", "team/app")
}

func TestOpenRefuses(t *testing.T) {
	for name, dir := range map[string]string{"no folder": filepath.Join(t.TempDir(), "none"), "a faulty file": folder(t, broken)} {
		_, err := policy.Open(dir, newTown(), discard())
		if e := errs.As(err); err == nil || e.Kind == errs.Internal || e.Hint == "" {
			t.Errorf("Open(%s) = %v, want an error with a remedy", name, err)
		}
	}
	_, err := policy.Open(folder(t, broken), newTown(), discard())
	if want := `policy.csv:1: resource repository has no action "psuh": did you mean push?`; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("Open() = %v, want it to end in %q", err, want)
	}
}

func TestWriteDefault(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if got, err := policy.WriteDefault(dir); err != nil || len(got) != 2 {
		t.Errorf("WriteDefault() = %v, %v, want two files", got, err)
	}
	write(t, dir, policy.PolicyFile, mayPull)
	if got, err := policy.WriteDefault(dir); err != nil || len(got) != 0 {
		t.Errorf("WriteDefault() again = %v, %v, want nothing written", got, err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, policy.PolicyFile)); err != nil || string(got) != mayPull {
		t.Errorf("policy.csv = %q, %v, want it left alone", got, err)
	}
	write(t, dir, "file", "")
	if _, err := policy.WriteDefault(filepath.Join(dir, "file")); errs.As(err).Hint == "" {
		t.Errorf("WriteDefault() under a file = %v, want an error with a remedy", err)
	}
}

// TestAuthorizeDuringReloads asks while policies change, some of them faulty: push and pull of one request must come
// from one policy, and what every policy allows must never be denied.
func TestAuthorizeDuringReloads(t *testing.T) {
	w := open(t, mayPull)
	scope := auth.Scope{{Type: auth.TypeRepository, Name: "team/app", Actions: []auth.Action{"pull", "push"}}}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				d, err := w.Authorize(context.Background(), subject("alice"), scope)
				if err != nil || !d.Granted.Allows(auth.TypeRepository, "team/app", "pull") {
					t.Errorf("Authorize(alice, %s) = %v, %v, want pull", scope, d, err)
					return
				}
				if _, err := w.Decide(context.Background(), subject(""), auth.Access{Resource: "tag", Project: "library", Action: "list"}); err != nil {
					t.Errorf("Decide(anonymous) = %v, want no error", err)
				}
				_, _ = w.AnonymousAllowed(), w.Status()
				w.town.set("other", fmt.Sprint("user", i), "guest")
			}
		})
	}
	for i := range 60 {
		write(t, w.dir, policy.PolicyFile, []string{mayPush, broken, mayPull}[i%3])
		_, err := w.Reload(t.Context())
		if bad := i%3 == 1; bad != (err != nil) {
			t.Errorf("Reload() number %d = %v, want error %v", i, err, bad)
		}
		ok, _ := w.granted(t, "alice", "push", "team/app")
		if want := i%3 != 2; ok != want {
			t.Errorf("after reload number %d granted(alice, push) = %v, want %v", i, ok, want)
		}
	}
	close(stop)
	wg.Wait()
}
