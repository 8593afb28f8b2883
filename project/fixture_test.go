package project_test

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/clock"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/sqlstore"
	"github.com/sealock/sealock/store/sqlstore/sqlstoretest"
	"github.com/sealock/sealock/store/userdb"
)

func open(t testing.TB) *sqlstore.Store {
	t.Helper()
	return sqlstoretest.Open(t)
}

// table is a policy in the manner of Harbor's: who, then resource:actions. A project's role counts in its project.
type table struct {
	dir *project.Directory
}

func rules() map[string][]string {
	return map[string][]string{
		"authenticated": {"@project:create"},
		"helpdesk":      {"@user:create,read,update,delete,list"},
		"public":        {"project:read"},
		"limitedGuest":  {"project:read"},
		"guest":         {"project:read", "member:read,list", "robot:read,list"},
		"developer":     {"project:read", "member:read,list"},
		"maintainer":    {"project:read", "member:read,list"},
		"projectAdmin":  {"project:read,update,delete", "member:create,read,update,delete,list", "robot:create,read,update,delete,list"},
	}
}

func (p table) Decide(ctx context.Context, sub auth.Subject, a auth.Access) (auth.Ruling, error) {
	var roles []string
	if !sub.Anonymous() {
		roles = append(roles, "authenticated")
	}
	if sub.Name == "helpdesk" {
		roles = append(roles, "helpdesk")
	}
	resource := "@" + a.Resource
	if a.Project != "" {
		resource = a.Resource
		standing, err := p.dir.Standing(ctx, sub, a.Project)
		if err != nil || !standing.Exists {
			return auth.Ruling{Reason: "no such project"}, err
		}
		roles = append(roles, standing.Roles...)
		if standing.Public {
			roles = append(roles, "public")
		}
	}
	asked := auth.Question{Project: a.Project, Resource: a.Resource, Action: a.Action}
	switch {
	case !sub.Permitted(asked):
		return auth.Ruling{Reason: "out of bounds"}, nil
	case sub.SysAdmin || sub.BoundedAdmin:
		return auth.Ruling{Allowed: true, Reason: "systemAdmin"}, nil
	case sub.Grants.Allow(asked):
		return auth.Ruling{Allowed: true, Reason: "permission"}, nil
	}
	for _, role := range roles {
		for _, rule := range rules()[role] {
			of, actions, _ := strings.Cut(rule, ":")
			if of == resource && slices.Contains(strings.Split(actions, ","), a.Action) {
				return auth.Ruling{Allowed: true, Reason: role}, nil
			}
		}
	}
	return auth.Ruling{Reason: "no rule"}, nil
}

// trail remembers what was recorded. With err, nothing can be recorded.
type trail struct {
	err     error
	records []audit.Record
}

func (t *trail) Record(_ context.Context, r audit.Record) error {
	if t.err != nil {
		return t.err
	}
	t.records = append(t.records, r)
	return nil
}

// take returns what was recorded since the last time as "operation resource outcome reason".
func (t *trail) take() []string {
	var out []string
	for _, r := range t.records {
		out = append(out, strings.Join([]string{r.Actor, r.Operation, r.Resource, string(r.Outcome), r.Reason}, "|"))
	}
	t.records = nil
	return out
}

var errTrail = errors.New("disk full")

// fixture is a service with some users (their passwords are "password-" and the name) and projects:
//
//	admin     system administrator
//	alice     projectAdmin of team, guest of open
//	bob       guest of team
//	carol     nothing
//	helpdesk  may manage users, by the policy
//	team      private; open is public; hidden is private and of admin
type fixture struct {
	*project.Service
	t      *testing.T
	store  *sqlstore.Store
	trail  *trail
	hasher *userdb.Hasher
	clock  *clock.Manual
	ids    map[string]int64
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{
		t: t, store: open(t), trail: &trail{}, hasher: userdb.NewHasher(0), ids: map[string]int64{},
		clock: clock.NewManual(time.Unix(1_900_000_000, 0)),
	}
	dir := project.NewDirectory(f.store, f.clock)
	t.Cleanup(dir.Close)
	f.Service = project.New(f.store, table{dir}, f.trail, f.hasher, f.clock)
	for _, name := range []string{"admin", "alice", "bob", "carol", "helpdesk"} {
		u, err := f.store.CreateUser(t.Context(), store.User{Name: name, PasswordHash: cheapHash("password-" + name), SysAdmin: name == "admin"})
		f.ok("CreateUser", err)
		f.ids[name] = u.ID
	}
	f.project("team", false, f.member("alice", store.RoleProjectAdmin), f.member("bob", store.RoleGuest))
	f.project("open", true, f.member("admin", store.RoleProjectAdmin), f.member("alice", store.RoleGuest))
	f.project("hidden", false, f.member("admin", store.RoleProjectAdmin))
	return f
}

// member is a first member of a project.
func (f *fixture) member(name string, role store.Role) store.Member {
	return store.Member{UserID: f.ids[name], Role: role}
}

// cheapHash is a hash with the smallest parameters that are read.
func cheapHash(password string) string {
	salt, b64 := []byte("saltsalt"), base64.RawStdEncoding
	key := argon2.IDKey([]byte(password), salt, 1, 8, 1, 16)
	return "$argon2id$v=19$m=8,t=1,p=1$" + b64.EncodeToString(salt) + "$" + b64.EncodeToString(key)
}

// project makes a project with its first members.
func (f *fixture) project(name string, public bool, members ...store.Member) {
	f.t.Helper()
	p, err := f.store.CreateProject(f.t.Context(), store.Project{Name: name, Public: public}, members...)
	f.ok("CreateProject", err)
	f.ids["project:"+name] = p.ID
	for m, err := range f.store.ListMembers(f.t.Context(), p.ID, store.Filter{}) {
		f.ok("ListMembers", err)
		f.ids[name+"/"+m.UserName] = m.ID
	}
}

// as returns a caller; "" is anonymous, and a name with no id here is somebody from another source.
func (f *fixture) as(name string) project.Caller {
	return project.Caller{
		Subject:   auth.Subject{Name: name, ID: f.ids[name], SysAdmin: name == "admin" || name == "ldap-admin"},
		Method:    "password",
		Remote:    "192.0.2.1",
		RequestID: "r1",
	}
}

func named(name string) project.Ref { return project.Ref{Name: name} }

func (f *fixture) ok(what string, err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatalf("%s = %v, want no error", what, err)
	}
}

func (f *fixture) kind(what string, err error, want errs.Kind) {
	f.t.Helper()
	if !errs.Is(err, want) {
		f.t.Errorf("%s = %v, want an error of kind %q", what, err, want)
		return
	}
	if errs.As(err).Hint == "" && want != errs.NotFound {
		f.t.Errorf("%s = %v, want a remedy", what, err)
	}
}

// recorded holds the trail since the last time against lines of "actor|operation|resource|outcome|reason".
func (f *fixture) recorded(what string, want ...string) {
	f.t.Helper()
	got := f.trail.take()
	match := func(got, want string) bool { return strings.HasPrefix(got, want) }
	if !slices.EqualFunc(got, want, match) {
		f.t.Errorf("trail after %s:\n%s\nwant:\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
