package policy_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/policy"
)

// town is a Membership that a test writes down.
type town struct {
	mu       sync.Mutex
	projects map[string]bool                // name → public
	roles    map[string]map[string][]string // project → user → roles
	some     map[string][]policy.Limited    // user → roles in team
	err      error
}

func (w *town) Standing(_ context.Context, sub auth.Subject, project string) (policy.Standing, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	public, exists := w.projects[project]
	s := policy.Standing{Exists: exists, Public: public}
	if !sub.Anonymous() {
		s.Roles = slices.Clone(w.roles[project][sub.Name])
		if project == "team" {
			s.Some = w.some[sub.Name]
		}
	}
	return s, w.err
}

func (w *town) Origins(ctx context.Context, sub auth.Subject, project string) ([]policy.Origin, error) {
	s, err := w.Standing(ctx, sub, project)
	var origins []policy.Origin
	for _, role := range s.Roles {
		origins = append(origins, policy.Origin{Role: role, From: "member list"})
	}
	for _, some := range s.Some {
		origins = append(origins, policy.Origin{Role: some.Role, From: "member list, for some alone"})
	}
	return origins, err
}

func (w *town) set(project, user string, roles ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.roles[project] == nil {
		w.roles[project] = map[string][]string{}
	}
	w.roles[project][user] = roles
}

func newTown() *town {
	w := &town{projects: map[string]bool{"team": false, "other": false, "library": true}, roles: map[string]map[string][]string{}}
	w.set("team", "alice", "developer")
	w.set("team", "gwen", "guest")
	return w
}

// world is an engine and what a test knows about it.
type world struct {
	*policy.Engine
	town *town
	dir  string
}

// open makes an engine of a policy file; "" is the default one.
func open(t testing.TB, rules string, opts ...policy.Option) world {
	t.Helper()
	dir := t.TempDir()
	if rules != "" {
		write(t, dir, policy.PolicyFile, rules)
	}
	if _, err := policy.WriteDefault(dir); err != nil {
		t.Fatalf("WriteDefault(%s) = %v, want no error", dir, err)
	}
	w := world{town: newTown(), dir: dir}
	var err error
	if w.Engine, err = policy.Open(dir, w.town, discard(), opts...); err != nil {
		t.Fatalf("Open(%s) = %v, want no error", dir, err)
	}
	return w
}

func write(t testing.TB, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// subject reads "" as anonymous and "root" as a system administrator.
func subject(name string) auth.Subject { return auth.Subject{Name: name, SysAdmin: name == "root"} }

func (w world) granted(t testing.TB, who, action, repository string) (bool, string) {
	t.Helper()
	scope := auth.Scope{{Type: auth.TypeRepository, Name: repository, Actions: []auth.Action{auth.Action(action)}}}
	d, err := w.Authorize(t.Context(), subject(who), scope)
	if err != nil {
		t.Fatalf("Authorize(%q, %s) = %v, want no error", who, scope, err)
	}
	return d.Granted.Allows(auth.TypeRepository, repository, auth.Action(action)), d.Reason
}

func (w world) allow(t testing.TB, who, action, repository string) {
	t.Helper()
	if ok, why := w.granted(t, who, action, repository); !ok {
		t.Errorf("granted(%q, %s, %q) = false (%s), want true", who, action, repository, why)
	}
}

func (w world) deny(t testing.TB, who, action, repository string) {
	t.Helper()
	if ok, why := w.granted(t, who, action, repository); ok {
		t.Errorf("granted(%q, %s, %q) = true (%s), want false", who, action, repository, why)
	}
}

func TestDefaultPolicy(t *testing.T) {
	w := open(t, "")
	w.allow(t, "alice", "push", "team/app")
	w.allow(t, "alice", "pull", "team/deep/app")
	w.deny(t, "alice", "delete", "team/app")
	w.deny(t, "alice", "pull", "other/app")
	w.allow(t, "gwen", "pull", "team/app")
	w.deny(t, "gwen", "push", "team/app")
	w.allow(t, "", "pull", "library/app")
	w.deny(t, "", "push", "library/app")
	w.deny(t, "", "pull", "team/app")
	w.deny(t, "bob", "pull", "team/app")
	w.allow(t, "bob", "pull", "library/app")
	w.allow(t, "root", "delete", "team/app")
	w.deny(t, "root", "pull", "nowhere/app")
	w.deny(t, "root", "pull", "app")
	w.deny(t, "root", "pull", "team")
	if !w.AnonymousAllowed() {
		t.Errorf("AnonymousAllowed() = false, want true")
	}
}

func TestReasons(t *testing.T) {
	w := open(t, `
p, developer, repository, **, pull|push, allow
p, guest, repository, **, pull, allow
p, user:mallory, *, **, *, deny
g, user:eve, developer, team
g, user:mallory, developer, **
`)
	for _, tt := range []struct{ who, scope, want string }{
		{"alice", "repository:team/app:pull,push", "policy.csv:2 developer (member of team)"},
		{"alice", "repository:team/app:*", "pull,push: policy.csv:2 developer (member of team); delete: no rule allows delete to authenticated, developer"},
		{"eve", "repository:team/app:pull", "policy.csv:2 developer (policy.csv:5)"},
		{"mallory", "repository:team/app:pull", "policy.csv:4 denies user:mallory"},
		{"", "repository:team/app:pull", "no rule allows pull to anonymous"},
		{"", "repository:gone/app:pull", `project "gone" does not exist`},
		{"alice", "repository:app:pull", `"app" does not name a repository in a project`},
		{"alice", "repository:team/app:pull repository:other/app:pull", "repository:team/app: policy.csv:2 developer (member of team); repository:other/app: no rule allows pull to authenticated"},
	} {
		scope, err := auth.ParseScope([]string{tt.scope})
		if err != nil {
			t.Fatal(err)
		}
		d, err := w.Authorize(t.Context(), subject(tt.who), scope)
		if err != nil || d.Reason != tt.want {
			t.Errorf("Authorize(%q, %s).Reason = %q, %v, want %q", tt.who, tt.scope, d.Reason, err, tt.want)
		}
	}
}
