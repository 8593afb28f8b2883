package project

import (
	"context"
	"slices"
	"strings"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// RoleWords is what a policy file says of the roles that it invents.
type RoleWords interface {
	// CustomRoles lists the names of the roles that the policy in force has besides Harbor's.
	CustomRoles() []string
	// RoleRights returns what any rule allows to a role of members, as if each were about all of the project.
	RoleRights(role, project string) auth.Permissions
}

// WithRoles returns a service that gives the roles of a policy file to members, besides Harbor's.
func (s *Service) WithRoles(w RoleWords) *Service {
	with := *s
	with.roles = w
	return &with
}

// RoleInfo is a role that a member can have.
type RoleInfo struct {
	Role   store.Role
	Name   string
	Custom bool // it is not one of Harbor's
	Gone   bool // members have it, and the policy does not any more: it allows nothing
}

// Roles lists the roles that a member can have: Harbor's, the strongest first, and those of the policy file by name. Whoever
// may read the policy hears of those besides that members have and the policy has not.
func (s *Service) Roles(ctx context.Context, c Caller) ([]RoleInfo, error) {
	if c.Anonymous() {
		return nil, signIn("list the roles")
	}
	var list []RoleInfo
	for role, name := range store.RoleNames() {
		list = append(list, RoleInfo{Role: role, Name: name})
	}
	slices.SortFunc(list, func(a, b RoleInfo) int { return store.ByStrength(a.Role, b.Role) })
	custom := s.customRoles()
	for _, name := range custom {
		list = append(list, RoleInfo{Role: store.CustomRole(name), Name: name, Custom: true})
	}
	all, err := s.may(ctx, c, auth.Access{Resource: "policy", Action: "read"})
	if err != nil || !all {
		return list, err
	}
	had, err := s.store.CustomRoles(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range had {
		if !slices.Contains(custom, name) {
			list = append(list, RoleInfo{Role: store.CustomRole(name), Name: name, Custom: true, Gone: true})
		}
	}
	return list, nil
}

// Gone reports whether a member's role is one that the policy has no more: the membership allows nothing.
func (s *Service) Gone(m store.Member) bool {
	return m.Custom != "" && !slices.Contains(s.customRoles(), m.Custom)
}

// customRoles lists the roles of the policy file, in the order of names.
func (s *Service) customRoles() []string {
	if s.roles == nil {
		return nil
	}
	return slices.Sorted(slices.Values(s.roles.CustomRoles()))
}

// roleToGive finds the role that is to be given in a project. A role of the policy file may do what its author likes:
// nobody gives one that may do more than they.
func (s *Service) roleToGive(ctx context.Context, c Caller, p store.Project, r RoleIn) (role store.Role, custom string, err error) {
	role, custom, err = s.findRole(r)
	if err != nil || custom == "" {
		return role, custom, err
	}
	for _, right := range s.roles.RoleRights(custom, p.Name) {
		lacks, err := s.lacks(ctx, c, right)
		if err != nil {
			return 0, "", err
		}
		if lacks != "" {
			return 0, "", errs.New(errs.Denied, "%q can't give the role %s, which has %s", c.Name, clip(custom), lacks).
				WithHint("only who may do it in the whole project can give it: %s", askSystemAdmin)
		}
	}
	return role, custom, nil
}

// findRole finds the role that is meant. Harbor's clients know numbers alone.
func (s *Service) findRole(r RoleIn) (role store.Role, custom string, err error) {
	for id, name := range store.RoleNames() {
		if strings.EqualFold(r.Name, name) || r.Name == "" && r.Role == id {
			role = id
		}
	}
	for _, name := range s.customRoles() {
		if name != r.Name && (r.Name != "" || r.Role != store.CustomRole(name)) {
			continue
		}
		if custom != "" {
			return 0, "", errs.New(errs.Invalid, "the roles %s and %s have the number %d both", clip(custom), clip(name), int(r.Role)).WithHint("give its name as role_name")
		}
		role, custom = store.CustomRole(name), name
	}
	switch {
	case role == 0 && r.Name != "":
		return 0, "", errs.New(errs.Invalid, "there is no role %s", clip(r.Name)).WithHint("use one of %s", strings.Join(s.roleNames(), ", "))
	case role == 0:
		return 0, "", store.CheckRole(r.Role, "")
	case r.Role != 0 && r.Role != role:
		return 0, "", errs.New(errs.Invalid, "%d is not the role %s", int(r.Role), clip(r.Name)).WithHint("give one of the two")
	}
	return role, custom, nil
}

// roleNames lists the names of all roles that can be given.
func (s *Service) roleNames() []string {
	names := slices.SortedFunc(func(yield func(store.Role) bool) {
		for role := range store.RoleNames() {
			if !yield(role) {
				return
			}
		}
	}, store.ByStrength)
	var all []string
	for _, role := range names {
		all = append(all, store.RoleNames()[role])
	}
	return append(all, s.customRoles()...)
}
