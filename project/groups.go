package project

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"unicode"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/userdb"
)

// GroupRef names a group: by its id, by what its source calls it, or by its name and type.
type GroupRef struct {
	ID     int64
	Name   string
	Type   store.GroupType
	Source string // "" is the first source of the type
	Key    string // what the source calls it: in a directory, its DN
}

// String returns the reference as people read it.
func (r GroupRef) String() string {
	if name := cmp.Or(r.Key, r.Name); name != "" {
		return name
	}
	return "#" + itoa(r.ID)
}

// Named reports whether any group is named at all.
func (r GroupRef) Named() bool { return r.ID != 0 || r.Name != "" || r.Key != "" }

// normal returns the reference with what follows from what is said: only groups of directories have keys that are not
// their names.
func (r GroupRef) normal() GroupRef {
	if r.Type == store.GroupLocal && r.Key != "" {
		r.Type = store.GroupLDAP
	}
	return r
}

// GroupQuery narrows a list of groups.
type GroupQuery struct {
	Name string // names that contain this
	Key  string // the DN of one in a directory
	Paging
}

// CreateGroup makes a group that is kept here, or records one of a source. Conflict: there is one already. Invalid: the
// name breaks the rule, there is no such source, or the directory has no such group.
func (s *Service) CreateGroup(ctx context.Context, c Caller, r GroupRef) (g store.Group, err error) {
	r.ID = 0
	err = s.perform(ctx, c, deed{
		operation: "group.create", resource: "group:" + clipped(r.String()), what: "create groups", remedy: askSystemAdmin,
		access: auth.Access{Resource: "user-group", Action: "create"},
		check:  func(ctx context.Context) (err error) { g, err = s.newGroup(ctx, r); return err },
		do:     func(ctx context.Context) (err error) { g, err = s.store.CreateGroup(ctx, g); return err },
	})
	return g, err
}

// newGroup makes of a reference the group that is to be recorded.
func (s *Service) newGroup(ctx context.Context, r GroupRef) (store.Group, error) {
	r = r.normal()
	if r.Type == store.GroupLocal {
		return store.Group{Name: r.Name}, checkGroupName(r.Name)
	}
	src, err := s.groupSource(r.Type, r.Source)
	if err != nil {
		return store.Group{}, err
	}
	key := r.Key
	if r.Type != store.GroupLDAP {
		key = cmp.Or(key, r.Name)
	}
	if key, err = src.key(key); err != nil {
		return store.Group{}, err
	}
	g := store.Group{Name: cmp.Or(r.Name, key), Type: r.Type, Source: src.Name, Key: key}
	if src.Directory != nil {
		found, err := src.Directory.DirectoryGroup(ctx, cmp.Or(r.Key, key))
		if errs.Is(err, errs.NotFound) {
			return store.Group{}, errs.New(errs.Invalid, "the source %s has no group %s", src.Name, clip(r.String())).WithHint("check the DN")
		}
		if err != nil {
			return store.Group{}, src.explain(err)
		}
		g.Name = cmp.Or(r.Name, found.Name)
	}
	return g, checkVisible(g.Name)
}

// checkGroupName holds groups that are kept here to the rule for user names: they stand in the same lists.
func checkGroupName(name string) error {
	if err := userdb.CheckName(name); err != nil {
		e := *errs.As(err)
		e.Message = strings.Replace(e.Message, "user name", "group name", 1)
		return &e
	}
	return nil
}

// checkVisible refuses names that lists can't show. Sources may have spaces and the like in theirs.
func checkVisible(name string) error {
	if strings.TrimSpace(name) == "" || strings.ContainsFunc(name, unicode.IsControl) {
		return errs.New(errs.Invalid, "the group name can't be shown").WithHint("give it a name without control characters")
	}
	return nil
}

// ListGroups lists groups.
func (s *Service) ListGroups(ctx context.Context, c Caller, q GroupQuery) (List[store.Group], error) {
	if err := s.require(ctx, c, auth.Access{Resource: "user-group", Action: "list"}, "list groups", askSystemAdmin); err != nil {
		return List[store.Group]{}, err
	}
	f := q.apply(store.Filter{Name: q.Name})
	if q.Key != "" {
		key, err := s.anyKey(q.Key)
		if err != nil {
			return List[store.Group]{}, err
		}
		f.Key = key
	}
	return s.listGroups(ctx, f)
}

// anyKey brings a DN into its form by the first directory there is.
func (s *Service) anyKey(dn string) (string, error) {
	src, err := s.groupSource(store.GroupLDAP, "")
	if err != nil {
		return dn, nil //nolint:nilerr // there is no directory, and so no group of one
	}
	return src.key(dn)
}

func (s *Service) listGroups(ctx context.Context, f store.Filter) (List[store.Group], error) {
	total, err := s.store.CountGroups(ctx, f)
	return collect(s.store.ListGroups(ctx, f), total, err, asIs)
}

// SearchGroups finds groups by name, for somebody who wants to add one as a member. Whoever may list groups finds all
// whose name contains the text; others find those whose name it is.
func (s *Service) SearchGroups(ctx context.Context, c Caller, text string, p Paging) (List[store.Group], error) {
	if c.Anonymous() {
		return List[store.Group]{}, signIn("search groups")
	}
	if text == "" {
		return List[store.Group]{}, errs.New(errs.Invalid, "the search for groups needs a name").WithHint("give a group name")
	}
	f := p.apply(store.Filter{Exact: text})
	all, err := s.may(ctx, c, auth.Access{Resource: "user-group", Action: "list"})
	if err != nil {
		return List[store.Group]{}, err
	}
	if all {
		f.Name, f.Exact = text, ""
	}
	return s.listGroups(ctx, f)
}

// Group returns a group.
func (s *Service) Group(ctx context.Context, c Caller, id int64) (store.Group, error) {
	if err := s.require(ctx, c, auth.Access{Resource: "user-group", Action: "read"}, "see groups", askSystemAdmin); err != nil {
		return store.Group{}, err
	}
	return s.store.Group(ctx, id)
}

// RenameGroup gives a group another name. What its source calls it stays.
func (s *Service) RenameGroup(ctx context.Context, c Caller, id int64, name string) error {
	return s.onGroup(ctx, c, id, "group.update", "update", func(g store.Group) (func(context.Context) error, error) {
		if err := checkVisible(name); err != nil {
			return nil, err
		}
		if g.Local() {
			if err := checkGroupName(name); err != nil {
				return nil, err
			}
		}
		return func(ctx context.Context) error {
			_, err := s.store.UpdateGroup(ctx, id, func(g *store.Group) error { g.Name = name; return nil })
			return err
		}, nil
	})
}

// DeleteGroup removes a group with its memberships in projects.
func (s *Service) DeleteGroup(ctx context.Context, c Caller, id int64) error {
	return s.onGroup(ctx, c, id, "group.delete", "delete", func(store.Group) (func(context.Context) error, error) {
		return func(ctx context.Context) error { return s.store.DeleteGroup(ctx, id) }, nil
	})
}

// ListGroupMembers lists the users in a group that is kept here. Of the users, only id and name are told.
func (s *Service) ListGroupMembers(ctx context.Context, c Caller, id int64, p Paging) (List[store.User], error) {
	g, err := s.Group(ctx, c, id)
	if err != nil {
		return List[store.User]{}, err
	}
	if !g.Local() {
		return List[store.User]{}, errs.New(errs.Invalid, "the source %q says with each login who is in the group %q", g.Source, g.Name).WithHint("look there")
	}
	f := p.apply(store.Filter{})
	total, err := s.store.CountGroupMembers(ctx, id, f)
	return collect(s.store.ListGroupMembers(ctx, id, f), total, err, func(u store.User) store.User { return store.User{ID: u.ID, Name: u.Name} })
}

// AddGroupMember puts a user into a group that is kept here. NotFound: no such group or user. Conflict: it is in it.
func (s *Service) AddGroupMember(ctx context.Context, c Caller, id int64, n NewMember) error {
	return s.onGroup(ctx, c, id, "group.member.create", "update", func(store.Group) (func(context.Context) error, error) {
		u, err := s.memberUser(ctx, c, n)
		return func(ctx context.Context) error { return s.store.AddGroupMember(ctx, id, u.ID) }, err
	}, n.who())
}

// RemoveGroupMember takes a user out of a group that is kept here. NotFound: no such group, or it is not in it.
func (s *Service) RemoveGroupMember(ctx context.Context, c Caller, id, userID int64) error {
	who := "#" + itoa(userID)
	if u, err := s.store.User(ctx, userID); err == nil {
		who = u.Name
	}
	return s.onGroup(ctx, c, id, "group.member.delete", "update", func(store.Group) (func(context.Context) error, error) {
		return func(ctx context.Context) error { return s.store.RemoveGroupMember(ctx, id, userID) }, nil
	}, who)
}

// onGroup performs a deed on a group. Whether there is such a group shows only after the policy has agreed.
func (s *Service) onGroup(ctx context.Context, c Caller, id int64, operation, action string,
	prepare func(store.Group) (func(context.Context) error, error), member ...string,
) error {
	g, missing := s.store.Group(ctx, id)
	if missing != nil && !errs.Is(missing, errs.NotFound) {
		return missing
	}
	d := deed{
		operation: operation, resource: "group:" + cmp.Or(g.Name, "#"+itoa(id)), what: "change groups", remedy: askSystemAdmin,
		access: auth.Access{Resource: "user-group", Action: action},
	}
	for _, m := range member {
		d.resource += "/member:" + m
	}
	var do func(context.Context) error
	d.check = func(context.Context) (err error) {
		if missing != nil {
			return missing
		}
		do, err = prepare(g)
		return err
	}
	d.do = func(ctx context.Context) error { return do(ctx) }
	return s.perform(ctx, c, d)
}

// memberGroup finds the group to add to a project. One of a source that is not known yet comes back without an id. Who
// may not list groups must name it: by counting through the ids, anybody with a project could read out which there are.
func (s *Service) memberGroup(ctx context.Context, c Caller, r GroupRef) (store.Group, error) {
	r = r.normal()
	switch {
	case r.Key != "" || r.Name != "" && (r.Type == store.GroupHTTP || r.Type == store.GroupOIDC):
		return s.sourceGroup(ctx, r)
	case r.Name != "" && r.Type == store.GroupLocal:
		return s.store.GroupByKey(ctx, "", r.Name)
	case r.Name != "":
		return s.groupByName(ctx, r)
	}
	all, err := s.may(ctx, c, auth.Access{Resource: "user-group", Action: "list"})
	if err != nil {
		return store.Group{}, err
	}
	if !all {
		return store.Group{}, errs.New(errs.Invalid, "the member's group is not named").WithHint("give the group_name instead of the id")
	}
	return s.store.Group(ctx, r.ID)
}

// sourceGroup finds a group by what its source calls it.
func (s *Service) sourceGroup(ctx context.Context, r GroupRef) (store.Group, error) {
	src, err := s.groupSource(r.Type, r.Source)
	if err != nil {
		return store.Group{}, err
	}
	key, err := src.key(cmp.Or(r.Key, r.Name))
	if err != nil {
		return store.Group{}, err
	}
	g, err := s.store.GroupByKey(ctx, src.Name, key)
	if errs.Is(err, errs.NotFound) {
		return s.newGroup(ctx, r)
	}
	return g, err
}

// groupByName finds a group of a directory that is recorded.
func (s *Service) groupByName(ctx context.Context, r GroupRef) (store.Group, error) {
	var found []store.Group
	for g, err := range s.store.ListGroups(ctx, store.Filter{Exact: r.Name}) {
		if err != nil {
			return store.Group{}, err
		}
		if g.Type == r.Type && (r.Source == "" || g.Source == r.Source) {
			found = append(found, g)
		}
	}
	switch len(found) {
	case 0:
		return store.Group{}, errs.New(errs.NotFound, "no group %s of the type %d is known", clip(r.Name), int(r.Type)).WithHint("give its ldap_group_dn")
	case 1:
		return found[0], nil
	}
	return store.Group{}, errs.New(errs.Invalid, "%s groups are called %s", strconv.Itoa(len(found)), clip(r.Name)).WithHint("give the ldap_group_dn of the one that you mean")
}

// recordedGroup records a group of a source that is not known yet, as CreateGroup would: whoever may add members may
// name them.
func (s *Service) recordedGroup(ctx context.Context, c Caller, g store.Group) (store.Group, error) {
	if g.ID != 0 {
		return g, nil
	}
	d := deed{operation: "group.create", resource: "group:" + g.Source + ":" + clipped(g.Key)}
	if err := s.record(ctx, c, d, "allowed", "to be a member"); err != nil {
		return store.Group{}, err
	}
	made, err := s.store.CreateGroup(ctx, g)
	if errs.Is(err, errs.Conflict) { // another request was first
		return s.store.GroupByKey(ctx, g.Source, g.Key)
	}
	return made, err
}
