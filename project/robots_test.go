package project_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

// may is a permission in a project on a resource.
func may(project, resource string, actions ...string) auth.Permission {
	return auth.Permission{Project: project, Resource: resource, Actions: actions}
}

func newRobot(in, name string, p ...auth.Permission) project.NewRobot {
	n := project.NewRobot{Name: name, Permissions: p}
	if in != "" {
		n.Project = named(in)
	}
	return n
}

// robotOf makes a robot as admin and returns it.
func (f *fixture) robotOf(n project.NewRobot) store.Robot {
	f.t.Helper()
	r, _, err := f.CreateRobot(f.t.Context(), f.as("admin"), n)
	f.ok("CreateRobot", err)
	f.trail.take()
	return r
}

// robotCaller is a robot that asks for something.
func robotCaller(p ...auth.Permission) project.Caller {
	return project.Caller{Subject: auth.Subject{Name: "robot~team+maker", Kind: auth.KindRobot, Grants: p}, Method: "robot"}
}

func TestCreateRobot(t *testing.T) {
	f := newFixture(t)
	now := time.Unix(1_900_000_000, 0)
	r, key, err := f.CreateRobot(t.Context(), f.as("alice"), newRobot("team", "ci", may("team", "member", "list")))
	f.ok("CreateRobot", err)
	if r.Name != "robot~team+ci" || !auth.RobotSecrets().Recognizes(key) || r.Secret.Hash != "" || !r.ExpiresAt.Equal(now.Add(30*24*time.Hour)) || r.Creator != "alice" {
		t.Errorf("CreateRobot = %+v, want its whole name, a secret, no hash and Harbor's thirty days", r)
	}
	f.recorded("CreateRobot", "alice|robot.create|project:team/robot:ci|allowed|projectAdmin")
	for _, rec := range f.trail.records {
		t.Errorf("left over: %+v", rec)
	}
	for name, bad := range map[string]project.NewRobot{
		"a bad name":              newRobot("team", "C I", may("team", "member", "list")),
		"no name":                 newRobot("team", "", may("team", "member", "list")),
		"a prefix":                newRobot("team", "robot~x", may("team", "member", "list")),
		"no permissions":          newRobot("team", "x"),
		"an unknown resource":     newRobot("team", "x", may("team", "spaceship", "fly")),
		"an unknown action":       newRobot("team", "x", may("team", "member", "fly")),
		"every action":            newRobot("team", "x", may("team", "member", "*")),
		"no action":               newRobot("team", "x", may("team", "member")),
		"a bad pattern":           newRobot("team", "x", auth.Permission{Project: "team", Repositories: []string{"["}, Resource: "repository", Actions: []string{"pull"}}),
		"a pattern for members":   newRobot("team", "x", auth.Permission{Project: "team", Repositories: []string{"a"}, Resource: "member", Actions: []string{"list"}}),
		"days of none":            {Project: named("team"), Name: "x", Days: -2, Permissions: auth.Permissions{may("team", "member", "list")}},
		"too many days":           {Project: named("team"), Name: "x", Days: 1 << 40, Permissions: auth.Permissions{may("team", "member", "list")}},
		"a weak secret":           {Project: named("team"), Name: "x", Secret: secret.New("weak"), Permissions: auth.Permissions{may("team", "member", "list")}},
		"a project's words above": newRobot("", "x", may("", "member", "list")),
	} {
		_, _, err := f.CreateRobot(t.Context(), f.as("admin"), bad)
		f.kind("CreateRobot with "+name, err, errs.Invalid)
	}
	_, _, err = f.CreateRobot(t.Context(), f.as("alice"), newRobot("team", "ci", may("team", "member", "list")))
	f.kind("CreateRobot again", err, errs.Conflict)
	if all, err := f.ListRobots(t.Context(), f.as("alice"), project.RobotQuery{Project: named("team")}); err != nil || all.Total != 1 {
		t.Errorf("ListRobots = %+v, %v, want the one that was made", all, err)
	}
}

// Nobody gives what they have not, and nobody in a project anything outside of it.
func TestWhoMayGiveWhat(t *testing.T) {
	f := newFixture(t)
	own := may("team", "member", "list")
	create := may("team", "robot", "create")
	pattern := auth.Permission{Project: "team", Repositories: []string{"app/**"}, Resource: "repository", Actions: []string{"pull", "push"}}
	bounded := f.as("admin")
	bounded.Subject = bounded.Bound(auth.Permissions{create, own, pattern, may("", "robot", "create")}, time.Time{})
	for name, tt := range map[string]struct {
		who  project.Caller
		make project.NewRobot
		want errs.Kind // Internal is none
	}{
		"a project's administrator":                {f.as("alice"), newRobot("team", "x", own), errs.Internal},
		"but no more than the policy allows":       {f.as("alice"), newRobot("team", "x", may("team", "label", "create")), errs.Denied},
		"and not in another project":               {f.as("alice"), newRobot("team", "x", own, may("open", "member", "list")), errs.Denied},
		"nor in all":                               {f.as("alice"), newRobot("team", "x", may("*", "member", "list")), errs.Denied},
		"nor at system level":                      {f.as("alice"), newRobot("team", "x", may("", "user", "create")), errs.Denied},
		"no robot at system level":                 {f.as("alice"), newRobot("", "x", own), errs.Denied},
		"a guest":                                  {f.as("bob"), newRobot("team", "x", own), errs.Denied},
		"who sees no such project":                 {f.as("carol"), newRobot("team", "x", own), errs.NotFound},
		"nobody":                                   {f.as(""), newRobot("team", "x", own), errs.Unauthenticated},
		"a system administrator":                   {f.as("admin"), newRobot("", "x", own, may("*", "member", "list"), may("", "user", "create")), errs.Internal},
		"not even an administrator, outside":       {f.as("admin"), newRobot("team", "x", may("open", "member", "list")), errs.Denied},
		"a robot, a part of its own":               {robotCaller(create, may("team", "project", "read"), pattern), newRobot("team", "x", auth.Permission{Project: "team", Repositories: []string{"app/**"}, Resource: "repository", Actions: []string{"pull"}}), errs.Internal},
		"a robot, wider patterns":                  {robotCaller(create, may("team", "project", "read"), pattern), newRobot("team", "x", may("team", "repository", "pull")), errs.Denied},
		"a robot, what it has not":                 {robotCaller(create, may("team", "project", "read")), newRobot("team", "x", own), errs.Denied},
		"a robot that makes none":                  {robotCaller(own, may("team", "project", "read")), newRobot("team", "x", own), errs.Denied},
		"a bounded administrator":                  {bounded, newRobot("", "x", own, pattern), errs.Internal},
		"a bounded administrator, out of bounds":   {bounded, newRobot("", "x", may("team", "repository", "pull")), errs.Denied},
		"a bounded administrator, another project": {bounded, newRobot("", "x", may("open", "member", "list")), errs.Denied},
	} {
		t.Run(name, func(t *testing.T) {
			r, _, err := f.CreateRobot(t.Context(), tt.who, tt.make)
			if tt.want != errs.Internal {
				f.kind("CreateRobot", err, tt.want)
				return
			}
			f.ok("CreateRobot", err)
			f.ok("DeleteRobot", f.DeleteRobot(t.Context(), f.as("admin"), project.Ref{}, r.ID))
		})
	}
}

// What is made with a credential does not outlive it.
func TestRobotsDoNotOutliveTheirMaker(t *testing.T) {
	f := newFixture(t)
	ends := time.Unix(1_900_000_000, 0).Add(time.Hour)
	c := f.as("admin")
	c.Subject = c.EndingBy(ends)
	person, _, err := f.CreateRobot(t.Context(), c, newRobot("team", "made-by-hand", may("team", "member", "list")))
	if err != nil || !person.ExpiresAt.After(ends) {
		t.Errorf("CreateRobot by a person whose login ends = %s, %v, want its own days", person.ExpiresAt, err)
	}
	c.Via = "pat:some"
	for _, days := range []int{-1, 0, 30} {
		n := newRobot("team", "short", may("team", "member", "list"))
		n.Days = days
		r, _, err := f.CreateRobot(t.Context(), c, n)
		if err != nil || !r.ExpiresAt.Equal(ends) {
			t.Errorf("CreateRobot for %d days = %s, %v, want %s", days, r.ExpiresAt, err, ends)
		}
		f.ok("UpdateRobot", f.UpdateRobot(t.Context(), c, project.Ref{}, r.ID, project.RobotChange{Days: pointer(36500)}))
		if r, err = f.Robot(t.Context(), c, project.Ref{}, r.ID); err != nil || !r.ExpiresAt.Equal(ends) {
			t.Errorf("ExpiresAt after an update = %s, %v, want %s", r.ExpiresAt, err, ends)
		}
		f.ok("DeleteRobot", f.DeleteRobot(t.Context(), c, project.Ref{}, r.ID))
	}
	long := f.robotOf(newRobot("team", "long", may("team", "member", "list")))
	_, err = f.ReplaceRobotSecret(t.Context(), c, project.Ref{}, long.ID, project.NewRobotSecret{})
	f.kind("ReplaceRobotSecret of a robot that lives longer", err, errs.Denied)
	narrow := f.as("admin")
	narrow.Subject = narrow.Bound(auth.Permissions{may("team", "robot", "read", "update")}, time.Time{})
	_, err = f.ReplaceRobotSecret(t.Context(), narrow, project.Ref{}, long.ID, project.NewRobotSecret{})
	f.kind("ReplaceRobotSecret of a robot that may do more", err, errs.Denied)
}

func pointer[T any](v T) *T { return &v }

// A robot is looked for where it is, not where the caller says that it is.
func TestRobotsOfOtherProjects(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	own := f.robotOf(newRobot("team", "ci", may("team", "member", "list")))
	hidden := f.robotOf(newRobot("hidden", "ci", may("hidden", "member", "list")))
	system := f.robotOf(newRobot("", "ci", may("*", "member", "list")))
	const none = 4711
	for _, who := range []string{"alice", "bob", "carol", ""} {
		for _, within := range []project.Ref{{}, named("team"), named("open"), named("hidden")} {
			for what, do := range map[string]func(id int64) error{
				"Robot": func(id int64) error { _, err := f.Robot(ctx, f.as(who), within, id); return err },
				"UpdateRobot": func(id int64) error {
					return f.UpdateRobot(ctx, f.as(who), within, id, project.RobotChange{Disabled: pointer(true)})
				},
				"DeleteRobot":       func(id int64) error { return f.DeleteRobot(ctx, f.as(who), within, id) },
				"RetireRobotSecret": func(id int64) error { return f.RetireRobotSecret(ctx, f.as(who), within, id) },
				"ReplaceRobotSecret": func(id int64) error {
					_, err := f.ReplaceRobotSecret(ctx, f.as(who), within, id, project.NewRobotSecret{})
					return err
				},
			} {
				unknown := errs.As(do(none))
				for _, id := range []int64{hidden.ID, system.ID} {
					got := do(id)
					if got == nil || errs.KindOf(got) != unknown.Kind || clean(errs.As(got).Public(), id) != clean(unknown.Public(), none) {
						t.Errorf("%s of robot %d by %q in %s = %v, of none = %v, want the same", what, id, who, within, got, unknown)
					}
				}
			}
		}
	}
	f.trail.take()
	f.kind("DeleteRobot by a guest", f.DeleteRobot(ctx, f.as("bob"), project.Ref{}, own.ID), errs.Denied)
	f.recorded("DeleteRobot by a guest", "bob|robot.delete|project:team/robot:robot~team+ci|refused|")
	f.kind("DeleteRobot of a robot that is not visible", f.DeleteRobot(ctx, f.as("bob"), project.Ref{}, system.ID), errs.Denied)
	f.recorded("DeleteRobot of a robot that is not visible", "bob|robot.delete|robot:#")
	f.ok("DeleteRobot", f.DeleteRobot(ctx, f.as("alice"), named("team"), own.ID))
	f.recorded("DeleteRobot", "alice|robot.delete|project:team/robot:robot~team+ci|allowed|projectAdmin")
}

// clean takes the number of a robot out of a text.
func clean(text string, id int64) string {
	return strings.ReplaceAll(text, strconv.FormatInt(id, 10), "N")
}

func TestUpdateRobot(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	r := f.robotOf(newRobot("team", "ci", may("team", "member", "list"), may("team", "label", "create")))
	change := project.RobotChange{
		Name: pointer("robot$team+ci"), Level: pointer("project"), Description: pointer("builds"), Disabled: pointer(true), Days: pointer(-1),
		Permissions: auth.Permissions{may("team", "label", "create")}, // alice has it not herself, but the robot has it
	}
	f.ok("UpdateRobot", f.UpdateRobot(ctx, f.as("alice"), project.Ref{}, r.ID, change))
	f.recorded("UpdateRobot", "alice|robot.update|project:team/robot:robot~team+ci|allowed|projectAdmin")
	got, err := f.Robot(ctx, f.as("alice"), named("team"), r.ID)
	f.ok("Robot", err)
	want := r
	want.Description, want.Disabled, want.Days, want.ExpiresAt, want.Permissions, want.UpdatedAt = "builds", true, -1, time.Time{}, change.Permissions, got.UpdatedAt
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Robot after UpdateRobot (-want +got):\n%s", diff)
	}
	for name, change := range map[string]project.RobotChange{
		"another name":  {Name: pointer("other")},
		"another level": {Level: pointer("system")},
		"bad words":     {Permissions: auth.Permissions{may("team", "member", "fly")}},
		"none at all":   {Permissions: auth.Permissions{}},
		"days of none":  {Days: pointer(-7)},
	} {
		f.kind("UpdateRobot with "+name, f.UpdateRobot(ctx, f.as("alice"), project.Ref{}, r.ID, change), errs.Invalid)
	}
	for name, p := range map[string]auth.Permission{"more than one may do": may("team", "label", "delete"), "another project": may("open", "member", "list")} {
		err := f.UpdateRobot(ctx, f.as("alice"), project.Ref{}, r.ID, project.RobotChange{Permissions: auth.Permissions{p}})
		f.kind("UpdateRobot with "+name, err, errs.Denied)
	}
}

func TestReplaceRobotSecret(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	r := f.robotOf(newRobot("team", "ci", may("team", "member", "list")))
	f.kind("RetireRobotSecret without an old one", f.RetireRobotSecret(ctx, f.as("alice"), project.Ref{}, r.ID), errs.Precondition)
	f.trail.take()
	key, err := f.ReplaceRobotSecret(ctx, f.as("alice"), project.Ref{}, r.ID, project.NewRobotSecret{KeepOld: time.Hour})
	f.ok("ReplaceRobotSecret", err)
	f.recorded("ReplaceRobotSecret", "alice|robot.secret.replace|project:team/robot:robot~team+ci|allowed|projectAdmin")
	got, err := f.Robot(ctx, f.as("alice"), project.Ref{}, r.ID)
	f.ok("Robot", err)
	if parsed, ok := auth.RobotSecrets().Parse(key); !ok || got.Secret.ID != parsed.ID || got.Old.ID != r.Secret.ID || !got.Old.Ends.Equal(time.Unix(1_900_003_600, 0)) {
		t.Errorf("Robot after ReplaceRobotSecret = %+v, want the new secret and the old one for an hour", got)
	}
	f.ok("RetireRobotSecret", f.RetireRobotSecret(ctx, f.as("alice"), project.Ref{}, r.ID))
	key, err = f.ReplaceRobotSecret(ctx, f.as("alice"), project.Ref{}, r.ID, project.NewRobotSecret{Chosen: secret.New("Chosen-by-1")})
	if err != nil || !key.Empty() {
		t.Errorf("ReplaceRobotSecret with a chosen one = %v, %v, want it not to be told", key, err)
	}
	if got, _ := f.Robot(ctx, f.as("alice"), project.Ref{}, r.ID); got.Old.ID != "" {
		t.Errorf("Old = %+v, want none", got.Old)
	}
	_, err = f.ReplaceRobotSecret(ctx, f.as("alice"), project.Ref{}, r.ID, project.NewRobotSecret{KeepOld: project.MaxKeepOld + 1})
	f.kind("ReplaceRobotSecret that keeps the old one too long", err, errs.Invalid)
	_, err = f.ReplaceRobotSecret(ctx, f.as("bob"), project.Ref{}, r.ID, project.NewRobotSecret{})
	f.kind("ReplaceRobotSecret by a guest", err, errs.Denied)
}

// What can't be recorded does not happen.
func TestRobotsWithoutTrail(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	r := f.robotOf(newRobot("team", "ci", may("team", "member", "list")))
	f.trail.err = errTrail
	_, _, err := f.CreateRobot(ctx, f.as("admin"), newRobot("", "x", may("team", "member", "list")))
	f.kind("CreateRobot", err, errs.Unavailable)
	_, err = f.ReplaceRobotSecret(ctx, f.as("admin"), project.Ref{}, r.ID, project.NewRobotSecret{})
	f.kind("ReplaceRobotSecret", err, errs.Unavailable)
	f.kind("DeleteRobot", f.DeleteRobot(ctx, f.as("admin"), project.Ref{}, r.ID), errs.Unavailable)
	got, err := f.Robot(ctx, f.as("admin"), project.Ref{}, r.ID)
	if err != nil || got.Secret.ID != r.Secret.ID {
		t.Errorf("Robot = %+v, %v, want it as it was", got, err)
	}
}

func TestRobotCreatesProject(t *testing.T) {
	f := newFixture(t)
	p, err := f.CreateProject(t.Context(), robotCaller(may("", "project", "create")), project.NewProject{Name: "new"})
	if err != nil || p.OwnerID != 0 {
		t.Errorf("CreateProject by a robot = %+v, %v, want a project without an owner", p, err)
	}
}

// Clients look for what is there before they push.
func TestPushGivesPull(t *testing.T) {
	f := newFixture(t)
	r := f.robotOf(newRobot("team", "ci", may("team", "repository", "push")))
	if want := (auth.Permissions{may("team", "repository", "push", "pull")}); !cmp.Equal(r.Permissions, want) {
		t.Errorf("Permissions = %+v, want %+v", r.Permissions, want)
	}
}
