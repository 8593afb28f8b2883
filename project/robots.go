package project

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/robotdb"
)

// RobotConfig is how robot accounts are named and for how long they live when nobody says.
type RobotConfig struct {
	Names robotdb.Names
	Days  int // -1 is for ever
}

// defaultRobotDays is Harbor's.
const defaultRobotDays = 30

// WithRobots returns a service with another configuration of robot accounts.
func (s *Service) WithRobots(c RobotConfig) *Service {
	with := *s
	with.robots = c
	return &with
}

// RobotPrefix returns what the names of robots begin with.
func (s *Service) RobotPrefix() string { return s.robots.Names.Prefix() }

// NewRobot is what a robot account is made of.
type NewRobot struct {
	Project     Ref // the zero value: at system level
	Name        string
	Description string
	Disabled    bool
	Days        int // -1 is for ever; 0 is as configured
	Permissions auth.Permissions
	Secret      secret.Text // empty: one is made
}

// RobotChange is what can be changed about a robot; what is nil stays.
type RobotChange struct {
	Name        *string // must be the name that it has, as Level must be its level: clients of Harbor send them
	Level       *string // system or project
	Description *string
	Disabled    *bool
	Days        *int // counted from when the robot was made; -1 is for ever
	Permissions auth.Permissions
}

// NewRobotSecret says how a secret is replaced.
type NewRobotSecret struct {
	Chosen  secret.Text   // empty: one is made
	KeepOld time.Duration // how long the one before may be used besides
}

// RobotQuery narrows a list of robots.
type RobotQuery struct {
	Project Ref // the zero value: those at system level
	Paging      // names are with the prefix or without and, in a project, with its name before them or without
}

// MaxKeepOld is how long an old secret may live beside the new one.
const MaxKeepOld = 90 * 24 * time.Hour

// maxRobotDays is what a time in the store's numbers can hold, and nobody's plan.
const maxRobotDays = 36500

// CreateRobot makes a robot account, and returns its secret for the only time (empty when it was chosen). Invalid: the
// name, the days or a permission break a rule. Denied: a permission is outside of the project or exceeds the caller's.
// Conflict: the name is taken.
func (s *Service) CreateRobot(ctx context.Context, c Caller, n NewRobot) (r store.Robot, key secret.Text, err error) {
	making := func(p store.Project) deed {
		return deed{
			operation: "robot.create", resource: robotResource(p.Name, n.Name), what: "create robots" + inProjectNamed(p.Name),
			access: auth.Access{Resource: "robot", Project: p.Name, Action: "create"}, remedy: askSystemAdmin,
			check: func(ctx context.Context) (err error) {
				r, key, err = s.newRobot(ctx, c, p, n)
				return err
			},
			do: func(ctx context.Context) (err error) {
				r, err = s.store.CreateRobot(ctx, r)
				return s.robotConflict(n, err)
			},
		}
	}
	if n.Project == (Ref{}) {
		err = s.perform(ctx, c, making(store.Project{}))
	} else {
		err = s.onProject(ctx, c, n.Project, making)
	}
	if err != nil {
		return store.Robot{}, secret.Text{}, err
	}
	return s.shown(r), key, nil
}

// robotConflict says with the name that the caller gave that it is taken.
func (s *Service) robotConflict(n NewRobot, err error) error {
	if errs.Is(err, errs.Conflict) {
		return errs.New(errs.Conflict, "there is a robot %s already", clip(n.Name)).WithHint("choose another name, or replace its secret").Because(err)
	}
	return err
}

func robotResource(project, name string) string {
	if project == "" {
		return "robot:" + clipped(name)
	}
	return "project:" + project + "/robot:" + clipped(name)
}

func inProjectNamed(project string) string {
	if project == "" {
		return ""
	}
	return " in project " + strconv.Quote(project)
}

// robotDays is for how long robots live when nobody says.
func (s *Service) robotDays() int {
	if s.rules != nil {
		return s.rules.RobotDays()
	}
	return s.robots.Days
}

// newRobot checks what a robot is to be made of, and makes its secret.
func (s *Service) newRobot(ctx context.Context, c Caller, p store.Project, n NewRobot) (r store.Robot, key secret.Text, err error) {
	if !isName(n.Name) {
		return r, key, errs.New(errs.Invalid, "%s can't be the name of a robot", clip(n.Name)).
			WithHint("use 1 to 255 lower-case letters and digits, parted by single . or _, by __ or by -; the prefix and the project are added to it")
	}
	r = store.Robot{Name: n.Name, ProjectID: p.ID, Description: n.Description, Disabled: n.Disabled, Creator: c.Name}
	if p.Name != "" {
		r.Name = p.Name + "+" + n.Name
	}
	r.Days = cmp.Or(n.Days, s.robotDays())
	if r.ExpiresAt, err = s.robotEnd(c, s.clock.Now(), r.Days); err != nil {
		return r, key, err
	}
	if r.Permissions, err = s.givable(ctx, c, p.Name, n.Permissions); err != nil {
		return r, key, err
	}
	r.Secret, key, err = s.robotSecret(ctx, n.Secret)
	return r, key, err
}

// robotSecret returns what is kept of a secret, and the secret if it was made here.
func (s *Service) robotSecret(ctx context.Context, chosen secret.Text) (store.RobotSecret, secret.Text, error) {
	if chosen.Empty() {
		kept, made := robotdb.NewSecret()
		return kept, made, nil
	}
	kept, err := robotdb.ChosenSecret(ctx, s.hasher, chosen)
	return kept, secret.Text{}, err
}

// robotEnd returns when a robot ends that lives for so many days from a time on, and not longer than who makes it.
func (s *Service) robotEnd(c Caller, from time.Time, days int) (end time.Time, err error) {
	switch {
	case days == -1:
	case days < 1 || days > maxRobotDays:
		return end, errs.New(errs.Invalid, "a robot can't live for %d days", days).WithHint("give 1 to %d days, or -1 for one that does not end", maxRobotDays)
	default:
		end = from.Add(time.Duration(days) * 24 * time.Hour)
	}
	if now := s.clock.Now(); !end.IsZero() && !end.After(now) {
		return end, errs.New(errs.Invalid, "%d days after it was made are over", days).WithHint("the days of a robot count from when it was made: give more")
	}
	if last := lastsUntil(c); !last.IsZero() && (end.IsZero() || last.Before(end)) {
		end = last // what is made with a credential does not outlive it
	}
	return end, nil
}

// lastsUntil returns when the credential ends that a caller acts by, and with it what is made; zero for people who are
// signed in as themselves: that their login ends is no reason why what they decided should.
func lastsUntil(c Caller) time.Time {
	if c.Via == "" && c.Bounds == nil && c.Kind == auth.KindUser {
		return time.Time{}
	}
	return c.Until
}

// givable returns permissions that are well formed, in the robot's project, and the caller's to give.
func (s *Service) givable(ctx context.Context, c Caller, project string, list auth.Permissions) (auth.Permissions, error) {
	for _, p := range list {
		if project != "" && p.Project != project {
			return nil, errs.New(errs.Denied, "a robot of project %q can't have permissions outside of it", project).
				WithHint("leave them out, or ask a system administrator for a robot at system level")
		}
	}
	list, err := wellFormed(list)
	if err != nil {
		return nil, err
	}
	for _, p := range list {
		lacks, err := s.lacks(ctx, c, p)
		if err != nil {
			return nil, err
		}
		if lacks != "" {
			return nil, errs.New(errs.Denied, "%q can't give a robot %s, for want of that right", c.Name, lacks).
				WithHint("leave it out, or ask somebody who may do it in all of that, at any time and from anywhere")
		}
	}
	return list, nil
}

// lacks returns what the caller may not do of all that a permission allows, for people; "" for nothing. What a pattern of the
// caller's own would have to be compared with counts only as far as [auth.Permissions.Cover] is sure.
func (s *Service) lacks(ctx context.Context, c Caller, p auth.Permission) (string, error) {
	bounds := c.Bounds
	c.Bounds = nil // they are seen to here for the words of permissions; the policy has others for some
	for _, action := range p.Actions {
		one := p
		one.Actions = []string{action}
		if bounds != nil && !bounds.Cover(auth.Permissions{one}) {
			return inWords(one), nil
		}
		lacks, err := s.lacksOne(ctx, c, one)
		if err != nil || lacks != "" {
			return lacks, err
		}
	}
	return "", nil
}

// lacksOne is lacks for a permission with one action. The right is asked for in the project as a whole, and where it is not
// there, for each pattern of repositories.
func (s *Service) lacksOne(ctx context.Context, c Caller, p auth.Permission) (string, error) {
	ok, err := s.mayGive(ctx, c, p, "")
	if err != nil || ok {
		return "", err
	}
	for _, pattern := range p.Repositories {
		if ok, err := s.mayGive(ctx, c, p, p.Project+"/"+pattern); err != nil || !ok {
			p.Repositories = []string{pattern}
			return inWords(p), err
		}
	}
	if len(p.Repositories) > 0 {
		return "", nil
	}
	return inWords(p), nil
}

// mayGive reports whether the caller has the one right of a permission wherever it would hold.
func (s *Service) mayGive(ctx context.Context, c Caller, p auth.Permission, repositories string) (bool, error) {
	access := auth.Access{Resource: p.Resource, Project: p.Project, Repository: repositories, Action: p.Actions[0], Whole: true}
	ruling, err := s.policy.Decide(ctx, c.Subject, access)
	if err != nil {
		return false, fmt.Errorf("asking the policy: %w", err)
	}
	if !ruling.Allowed && !ruling.Forbidden && access.Resource == "metadata" && access.Action == "list" {
		access.Action = "read" // no role has a right of its own to list them
		return s.may(ctx, c, access)
	}
	return ruling.Allowed, nil
}

// inWords says to people what a permission allows, and where.
func inWords(p auth.Permission) string {
	text := strings.Join(p.Actions, ", ") + " on " + p.Resource
	if len(p.Repositories) > 0 {
		text += " " + clip(strings.Join(p.Repositories, ", "))
	}
	switch p.Project {
	case "":
		return text + " at system level"
	case "*":
		return text + " in all projects"
	}
	return text + inProjectNamed(p.Project)
}

// ListRobots lists the robots of a project, or those at system level.
func (s *Service) ListRobots(ctx context.Context, c Caller, q RobotQuery) (List[store.Robot], error) {
	f := q.apply(store.Filter{})
	of := ""
	if q.Project == (Ref{}) {
		f.System = true
		if err := s.require(ctx, c, auth.Access{Resource: "robot", Action: "list"}, "list robots at system level", askSystemAdmin); err != nil {
			return List[store.Robot]{}, err
		}
	} else {
		p, err := s.inProject(ctx, c, q.Project, "robot", "list", "list the robots of the project")
		if err != nil {
			return List[store.Robot]{}, err
		}
		f.Project, of = p.ID, p.Name
	}
	f.Where = s.robotNames(f.Where, of)
	total, err := s.store.CountRobots(ctx, f)
	return collect(s.store.ListRobots(ctx, f), total, err, s.shown)
}

// robotNames turns the names in conditions into those that are kept, of the robots of a project or of none ("").
func (s *Service) robotNames(where []store.Condition, of string) []store.Condition {
	kept := func(end any) any {
		name, ok := end.(string)
		if !ok {
			return end
		}
		if name = s.robotName(name); of != "" && !strings.Contains(name, "+") {
			name = of + "+" + name
		}
		return name
	}
	all := slices.Clone(where)
	for i, c := range all {
		if c.Field != "name" {
			continue
		}
		all[i].Any = nil
		if c.Part != "" {
			all[i].Any = s.beginnings(c.Part)
		}
		for _, span := range c.Any {
			all[i].Any = append(all[i].Any, store.Span{From: kept(span.From), To: kept(span.To)})
		}
	}
	return all
}

// beginnings are what the names that are kept begin with where the part is one of the names with their prefix and reaches
// into that.
func (s *Service) beginnings(part string) (spans []store.Span) {
	begin := func(rest string) {
		if rest == "" {
			spans = append(spans, store.Span{})
			return
		}
		spans = append(spans, store.Span{From: rest, To: rest + string(utf8.MaxRune)})
	}
	if rest, ok := s.robots.Names.Cut(part); ok {
		begin(rest)
	}
	prefix, part := strings.ToLower(s.robots.Names.Prefix()), store.NameKey(part)
	if strings.Contains(prefix, part) {
		begin("")
	}
	for i := 1; i < len(prefix); i++ {
		if rest, ok := strings.CutPrefix(part, prefix[i:]); ok {
			begin(rest)
		}
	}
	return spans
}

// robotName returns a name without the prefix, if it has one.
func (s *Service) robotName(name string) string {
	if short, ok := s.robots.Names.Cut(name); ok {
		return short
	}
	return name
}

// shown returns a robot with its full name and without what never leaves the server. That it has an old secret, and
// until when, may be seen.
func (s *Service) shown(r store.Robot) store.Robot {
	r.Name = s.robots.Names.Full(r.Name)
	r.Secret.Hash, r.Old.Hash = "", ""
	if r.Old.ID != "" && !s.clock.Now().Before(r.Old.Ends) {
		r.Old = store.RobotSecret{}
	}
	return r
}

// Robot returns a robot. A robot that the caller may not see is answered like one that does not exist: with within, a
// project that the caller named, as not found, and else as refused.
func (s *Service) Robot(ctx context.Context, c Caller, within Ref, id int64) (store.Robot, error) {
	r, err := s.visibleRobot(ctx, c, within, id)
	if err != nil {
		return store.Robot{}, err
	}
	return s.shown(r), nil
}

// visibleRobot returns a robot that the caller may read.
func (s *Service) visibleRobot(ctx context.Context, c Caller, within Ref, id int64) (store.Robot, error) {
	const what = "see this robot"
	if within != (Ref{}) {
		p, err := s.inProject(ctx, c, within, "robot", "read", "see the robots of the project")
		if err != nil {
			return store.Robot{}, err
		}
		r, err := s.store.Robot(ctx, id)
		if errs.Is(err, errs.NotFound) || err == nil && r.ProjectID != p.ID {
			return store.Robot{}, noRobot(id)
		}
		return r, err
	}
	r, err := s.store.Robot(ctx, id)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return store.Robot{}, err
	}
	// Of a robot that does not exist, the project is "": it is there for those to miss who may see all of them.
	ok, refused := s.may(ctx, c, auth.Access{Resource: "robot", Project: r.ProjectName, Action: "read"})
	switch {
	case refused != nil:
		return store.Robot{}, refused
	case !ok:
		return store.Robot{}, refusal(c, what, "check its number, or ask somebody who manages it")
	case err != nil:
		return store.Robot{}, noRobot(id)
	}
	return r, nil
}

func noRobot(id int64) error { return errs.New(errs.NotFound, "there is no robot %d", id) }

// UpdateRobot changes a robot. The errors are those of CreateRobot and Robot.
func (s *Service) UpdateRobot(ctx context.Context, c Caller, within Ref, id int64, change RobotChange) error {
	return s.onRobot(ctx, c, within, id, "update", func(r store.Robot) deed {
		return deed{
			operation: "robot.update", what: "change robots",
			check: func(ctx context.Context) error { return s.checkRobotChange(ctx, c, r, &change) },
			do: func(ctx context.Context) error {
				_, err := s.store.UpdateRobot(ctx, id, func(r *store.Robot) error { return s.applyRobotChange(c, r, change) })
				return err
			},
		}
	})
}

func (s *Service) checkRobotChange(ctx context.Context, c Caller, r store.Robot, change *RobotChange) error {
	if change.Name != nil && !s.calls(r, *change.Name) {
		return errs.New(errs.Invalid, "the name of a robot can't be changed").WithHint("make another robot")
	}
	if change.Level != nil && (*change.Level == "project") != (r.ProjectID != 0) {
		return errs.New(errs.Invalid, "the level of a robot can't be changed").WithHint("make another robot")
	}
	if change.Permissions == nil {
		return nil
	}
	list, err := wellFormed(change.Permissions)
	if err != nil {
		return err
	}
	if r.Permissions.Cover(list) { // nothing is given that the robot has not
		change.Permissions = list
		return nil
	}
	change.Permissions, err = s.givable(ctx, c, r.ProjectName, change.Permissions)
	return err
}

// calls reports whether a name is the robot's, in any way that it may be written.
func (s *Service) calls(r store.Robot, name string) bool {
	name = s.robotName(name)
	return name == r.Name || r.ProjectName != "" && r.ProjectName+"+"+name == r.Name
}

func (s *Service) applyRobotChange(c Caller, r *store.Robot, change RobotChange) (err error) {
	if change.Description != nil {
		r.Description = *change.Description
	}
	if change.Disabled != nil {
		r.Disabled = *change.Disabled
	}
	if change.Permissions != nil {
		r.Permissions = change.Permissions
	}
	if change.Days != nil && *change.Days != r.Days {
		r.Days = *change.Days
		r.ExpiresAt, err = s.robotEnd(c, r.CreatedAt, r.Days)
	}
	return err
}

// ReplaceRobotSecret gives a robot another secret and returns it for the only time, or nothing when it was chosen. The
// one before may be used for as long as is said, and one that was old already no more. Denied: the robot may do more,
// or lives longer, than the caller.
func (s *Service) ReplaceRobotSecret(ctx context.Context, c Caller, within Ref, id int64, n NewRobotSecret) (key secret.Text, err error) {
	var fresh store.RobotSecret
	err = s.onRobot(ctx, c, within, id, "update", func(r store.Robot) deed {
		return deed{
			operation: "robot.secret.replace", what: "replace the secrets of robots",
			check: func(ctx context.Context) (err error) {
				if n.KeepOld < 0 || n.KeepOld > MaxKeepOld {
					return errs.New(errs.Invalid, "the old secret can't be kept for %s", n.KeepOld).WithHint("keep it for at most %s", MaxKeepOld)
				}
				if err := s.checkHolder(ctx, c, r); err != nil {
					return err
				}
				fresh, key, err = s.robotSecret(ctx, n.Chosen)
				return err
			},
			do: func(ctx context.Context) error {
				_, err := s.store.UpdateRobot(ctx, id, func(r *store.Robot) error {
					r.Old = store.RobotSecret{}
					if n.KeepOld > 0 {
						r.Old = r.Secret
						r.Old.Ends = s.clock.Now().Add(n.KeepOld)
					}
					r.Secret = fresh
					return nil
				})
				return err
			},
		}
	})
	if err != nil {
		return secret.Text{}, err
	}
	return key, nil
}

// checkHolder refuses to hand a robot's secret to a caller who may do less, or whose credential ends earlier: a role that
// may change robots would otherwise be a way to all that any of them may do.
func (s *Service) checkHolder(ctx context.Context, c Caller, r store.Robot) error {
	if last := lastsUntil(c); !last.IsZero() && (r.ExpiresAt.IsZero() || r.ExpiresAt.After(last)) {
		return errs.New(errs.Denied, "the robot lives longer than the credential that asks for its secret").WithHint("sign in with one that ends later")
	}
	for _, p := range r.Permissions {
		lacks, err := s.lacks(ctx, c, p)
		if err != nil {
			return err
		}
		if lacks != "" {
			return errs.New(errs.Denied, "the robot may do more than %q may do: %s", c.Name, lacks).WithHint("ask somebody who may do as much, or sign in with a credential that is good for it")
		}
	}
	return nil
}

// RetireRobotSecret ends the old secret of a robot now, with all that was made with it. Precondition: it has none.
func (s *Service) RetireRobotSecret(ctx context.Context, c Caller, within Ref, id int64) error {
	return s.onRobot(ctx, c, within, id, "update", func(store.Robot) deed {
		return deed{
			operation: "robot.secret.retire", what: "replace the secrets of robots",
			do: func(ctx context.Context) error {
				_, err := s.store.UpdateRobot(ctx, id, func(r *store.Robot) error {
					if s.shown(*r).Old.ID == "" {
						return errs.New(errs.Precondition, "the robot has no old secret that could be used").WithHint("replace the secret to end the one in force")
					}
					r.Old = store.RobotSecret{}
					return nil
				})
				return err
			},
		}
	})
}

// DeleteRobot removes a robot account with its refresh tokens.
func (s *Service) DeleteRobot(ctx context.Context, c Caller, within Ref, id int64) error {
	return s.onRobot(ctx, c, within, id, "delete", func(r store.Robot) deed {
		return deed{
			operation: "robot.delete", what: "delete robots",
			do: func(ctx context.Context) error {
				if err := s.store.DeleteRobot(ctx, id); err != nil {
					return err
				}
				// Nobody can use them any more: they are only in the way of those who look through the list.
				_, err := s.store.DeleteRefreshTokensOf(ctx, s.robots.Names.Full(r.Name))
				return err
			},
		}
	})
}

// onRobot performs a deed on a robot. The right to it is asked for where the robot is, not where the caller says.
func (s *Service) onRobot(ctx context.Context, c Caller, within Ref, id int64, action string, of func(store.Robot) deed) error {
	r, err := s.visibleRobot(ctx, c, within, id)
	d := of(r)
	d.resource, d.remedy = robotResource(r.ProjectName, s.robots.Names.Full(r.Name)), askSystemAdmin
	if err != nil {
		switch errs.KindOf(err) { //nolint:exhaustive // the others are no refusals
		case errs.NotFound, errs.Denied, errs.Unauthenticated:
			d.resource = "robot:#" + itoa(id)
			if recorded := s.record(ctx, c, d, audit.Refused, "the robot does not exist or is not visible"); recorded != nil {
				return recorded
			}
		}
		return err
	}
	if r.ProjectName != "" {
		d.remedy = askProjectAdmin
	}
	d.access = auth.Access{Resource: "robot", Project: r.ProjectName, Action: action}
	return s.perform(ctx, c, d)
}
