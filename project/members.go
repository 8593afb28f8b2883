package project

import (
	"context"
	"strconv"
	"strings"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// NewMember is a user, by name or by id, or a group, and its role.
type NewMember struct {
	UserName string
	UserID   int64     // where UserName is empty
	Group    *GroupRef // instead of a user
	Role     store.Role
	RoleName string   // as RoleIn's Name
	Only     []string // as RoleIn's
}

// RoleIn is a role in a project.
type RoleIn struct {
	Role store.Role // 0 where it is named
	Name string     // as the policy file has it; "" is the one that has the number

	// Only are patterns of the repositories that it is for, as in [auth.Permission]; empty is the whole project. In a change,
	// nil leaves it as it is.
	Only []string
}

// admin reports whether the role is that of a project's administrator.
func admin(role store.Role, only store.Patterns) bool {
	return role == store.RoleProjectAdmin && only == ""
}

// MemberQuery narrows a list of members.
type MemberQuery struct {
	Name string     // names of users and groups that contain this
	Role store.Role // 0 is any
	Paging
}

// ListMembers lists the members of a project.
func (s *Service) ListMembers(ctx context.Context, c Caller, ref Ref, q MemberQuery) (List[store.Member], error) {
	p, err := s.inProject(ctx, c, ref, "member", "list", "list the members of the project")
	if err != nil {
		return List[store.Member]{}, err
	}
	f := q.apply(store.Filter{Name: q.Name, Role: q.Role})
	total, err := s.store.CountMembers(ctx, p.ID, f)
	l, err := collect(s.store.ListMembers(ctx, p.ID, f), total, err, asIs)
	return l.follow(func(m store.Member) int64 { return m.ID }), err
}

// Member returns a member of a project. NotFound: it is none of this project.
func (s *Service) Member(ctx context.Context, c Caller, ref Ref, id int64) (store.Member, error) {
	p, err := s.inProject(ctx, c, ref, "member", "read", "see the members of the project")
	if err != nil {
		return store.Member{}, err
	}
	return s.store.Member(ctx, p.ID, id)
}

// inProject returns a project in which the caller may do something that only reads.
func (s *Service) inProject(ctx context.Context, c Caller, ref Ref, resource, action, what string) (store.Project, error) {
	p, err := s.Project(ctx, c, ref)
	if err != nil {
		return store.Project{}, err
	}
	return p, s.require(ctx, c, auth.Access{Resource: resource, Project: p.Name, Action: action}, what, askProjectAdmin)
}

// MayIn returns an error unless the caller may do something in a project. The errors are those of Project, and Denied.
func (s *Service) MayIn(ctx context.Context, c Caller, ref Ref, resource, action string) error {
	_, err := s.inProject(ctx, c, ref, resource, action, "do this in the project")
	return err
}

// RolesIn returns the caller's own roles in a project, those of its groups among them, the strongest first.
func (s *Service) RolesIn(ctx context.Context, c Caller, projectID int64) ([]store.MemberRole, error) {
	if c.ID == 0 && len(c.GroupIDs) == 0 {
		return nil, nil
	}
	return s.store.MemberRoles(ctx, projectID, c.ID, c.GroupIDs)
}

// AddMember gives a user or a group a role in a project. NotFound: no such user or group. Conflict: it is a member
// already. Invalid: no such role, or no such pattern. Denied: the role may do what the caller may not. A group of a source that nobody has spoken of yet is recorded.
func (s *Service) AddMember(ctx context.Context, c Caller, ref Ref, n NewMember) (added store.Member, err error) {
	err = s.onProject(ctx, c, ref, func(p store.Project) deed {
		m := store.Member{ProjectID: p.ID}
		var group store.Group
		return deed{
			operation: "member.create", resource: "project:" + p.Name + "/member:" + n.who(),
			what:    "add members to project " + strconv.Quote(p.Name),
			access:  auth.Access{Resource: "member", Project: p.Name, Action: "create"},
			becomes: func() string { return "becomes " + trailRole(m) },
			check: func(ctx context.Context) (err error) {
				if m.Role, m.Custom, err = s.roleToGive(ctx, c, p, RoleIn{Role: n.Role, Name: n.RoleName}); err != nil {
					return err
				}
				if m.Only, err = store.NewPatterns(n.Only); err != nil {
					return err
				}
				if n.Group != nil {
					group, err = s.memberGroup(ctx, c, *n.Group)
					return err
				}
				user, err := s.memberUser(ctx, c, n)
				m.UserID = user.ID
				return err
			},
			do: func(ctx context.Context) (err error) {
				if n.Group != nil {
					if group, err = s.recordedGroup(ctx, c, group); err != nil {
						return err
					}
					m.GroupID = group.ID
				}
				added, err = s.store.AddMember(ctx, m)
				return err
			},
		}
	})
	return added, err
}

// who names the member for the audit trail.
func (n NewMember) who() string {
	if n.Group != nil {
		return "group:" + clipped(n.Group.String())
	}
	if n.UserName != "" {
		return clipped(n.UserName)
	}
	return "#" + itoa(n.UserID)
}

// memberUser finds the user to add. Who may not list users must know the name: by counting through the ids, anybody
// with a project could read out who there is.
func (s *Service) memberUser(ctx context.Context, c Caller, n NewMember) (store.User, error) {
	if n.UserName != "" {
		return s.store.UserByName(ctx, n.UserName)
	}
	all, err := s.may(ctx, c, auth.Access{Resource: "user", Action: "list"})
	if err != nil {
		return store.User{}, err
	}
	if !all {
		return store.User{}, errs.New(errs.Invalid, "the member's user is not named").WithHint("give the username instead of the user_id")
	}
	return s.store.User(ctx, n.UserID)
}

// SetMemberRole gives a member another role, or the same one for other repositories. Precondition: it is the last
// administrator of the project, and the caller is no system administrator. The other errors are those of AddMember.
func (s *Service) SetMemberRole(ctx context.Context, c Caller, ref Ref, id int64, to RoleIn) error {
	var change func(*store.Member)
	return s.onMember(ctx, c, ref, id, deed{
		operation: "member.update", what: "change the roles of members",
		access: auth.Access{Resource: "member", Action: "update"},
	}, func(ctx context.Context, p store.Project, m *store.Member) error {
		role, custom, err := s.roleToGive(ctx, c, p, to)
		if err != nil {
			return err
		}
		only, err := store.NewPatterns(to.Only)
		if err != nil {
			return err
		}
		change = func(m *store.Member) {
			m.Role, m.Custom = role, custom
			if to.Only != nil {
				m.Only = only
			}
		}
		change(m)
		return nil
	}, func(ctx context.Context, p store.Project) error {
		_, err := s.store.UpdateMember(ctx, p.ID, id, func(m *store.Member) error {
			change(m)
			return nil
		})
		return err
	})
}

// RemoveMember takes a member's role away. Precondition: as for SetMemberRole.
func (s *Service) RemoveMember(ctx context.Context, c Caller, ref Ref, id int64) error {
	return s.onMember(ctx, c, ref, id, deed{
		operation: "member.delete", what: "remove members",
		access: auth.Access{Resource: "member", Action: "delete"},
	}, func(_ context.Context, _ store.Project, m *store.Member) error {
		*m = store.Member{}
		return nil
	}, func(ctx context.Context, p store.Project) error { return s.store.RemoveMember(ctx, p.ID, id) })
}

// onMember performs a deed on a member. check makes of it what it will be.
func (s *Service) onMember(ctx context.Context, c Caller, ref Ref, id int64, d deed,
	check func(context.Context, store.Project, *store.Member) error, do func(context.Context, store.Project) error,
) error {
	return s.onProject(ctx, c, ref, func(p store.Project) deed {
		d.access.Project = p.Name
		d.resource = "project:" + p.Name + "/member:#" + itoa(id)
		if m, err := s.store.Member(ctx, p.ID, id); err == nil {
			d.resource = "project:" + p.Name + "/member:" + trailName(m)
		}
		var m, after store.Member
		d.becomes = func() string {
			if after.Role == 0 {
				return "was " + trailRole(m)
			}
			return "from " + trailRole(m) + " to " + trailRole(after)
		}
		d.check = func(ctx context.Context) (err error) {
			m, err = s.store.Member(ctx, p.ID, id)
			after = m
			if bad := check(ctx, p, &after); bad != nil {
				return bad
			}
			if err != nil {
				return err
			}
			return s.notLastProjectAdmin(ctx, c, p, m, after)
		}
		d.do = func(ctx context.Context) error { return do(ctx, p) }
		return d
	})
}

// trailName names a member for the audit trail.
func trailName(m store.Member) string {
	if m.GroupID != 0 {
		return "group:" + m.GroupName
	}
	return m.UserName
}

// trailRole writes a member's role for the audit trail, with the repositories that it is for.
func trailRole(m store.Member) string {
	text := store.MemberRole{Role: m.Role, Custom: m.Custom}.Name()
	only := m.Only.List()
	for i, pattern := range only {
		only[i] = clipped(pattern)
	}
	if len(only) > 0 {
		text += " for " + strings.Join(only, ", ")
	}
	return text
}

// notLastProjectAdmin keeps a project from being left to nobody by mistake; a system administrator may do it on purpose.
// Two administrators who remove each other in the same instant get past it: a system administrator can repair that.
func (s *Service) notLastProjectAdmin(ctx context.Context, c Caller, p store.Project, m, after store.Member) error {
	if c.SysAdmin || !admin(m.Role, m.Only) || admin(after.Role, after.Only) {
		return nil
	}
	for other, err := range s.store.ListMembers(ctx, p.ID, store.Filter{Role: store.RoleProjectAdmin}) {
		if err != nil {
			return err
		}
		if other.ID == m.ID || !admin(other.Role, other.Only) {
			continue
		}
		if somebody, err := s.standsForSomebody(ctx, other); err != nil || somebody {
			return err
		}
	}
	return errs.New(errs.Precondition, "%q is the last administrator of project %q", m.Name(), p.Name).
		WithHint("make somebody else a project administrator first")
}

// standsForSomebody reports whether a member is a user or a group with anybody in it. Who is in a source's group, only
// the source knows: whoever made it an administrator did.
func (s *Service) standsForSomebody(ctx context.Context, m store.Member) (bool, error) {
	if m.GroupID == 0 {
		return true, nil
	}
	g, err := s.store.Group(ctx, m.GroupID)
	if errs.Is(err, errs.NotFound) {
		return false, nil // gone in the meantime
	}
	if err != nil || !g.Local() {
		return err == nil, err
	}
	n, err := s.store.CountGroupMembers(ctx, g.ID, store.Filter{})
	return n > 0, err
}
