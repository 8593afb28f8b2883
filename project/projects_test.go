package project_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

func TestCreateProject(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	p, err := f.CreateProject(ctx, f.as("carol"), project.NewProject{Name: "fresh", Public: true})
	f.ok("CreateProject", err)
	if p.ID == 0 || p.OwnerID != f.ids["carol"] || p.OwnerName != "carol" || !p.Public {
		t.Errorf("CreateProject = %+v, want one of carol's", p)
	}
	f.recorded("CreateProject", "carol|project.create|project:fresh|allowed|authenticated")
	if role, err := f.store.MemberRole(ctx, p.ID, f.ids["carol"]); role != store.RoleProjectAdmin || err != nil {
		t.Errorf("role of the creator = %v, %v, want projectAdmin", role, err)
	}
	_, err = f.CreateProject(ctx, f.as("alice"), project.NewProject{Name: "hidden"})
	f.kind("CreateProject with a taken name", err, errs.Conflict)
	_, err = f.CreateProject(ctx, f.as(""), project.NewProject{Name: "other"})
	f.kind("CreateProject by anonymous", err, errs.Unauthenticated)
	_, err = f.CreateProject(ctx, f.as("ldap-user"), project.NewProject{Name: "other"})
	f.kind("CreateProject by an account that is kept elsewhere", err, errs.Precondition)
	p, err = f.CreateProject(ctx, f.as("ldap-admin"), project.NewProject{Name: "other"})
	if err != nil || p.OwnerID != 0 {
		t.Errorf("CreateProject by an administrator that is kept elsewhere = %+v, %v, want one without owner", p, err)
	}
}

func TestProjectNames(t *testing.T) {
	for _, good := range []string{"a", "team", "team-1", "a.b", "a_b", "a__b", "a--b", "1", strings.Repeat("a", 255)} {
		if err := project.CheckName(good); err != nil {
			t.Errorf("CheckName(%q) = %v, want no error", good, err)
		}
	}
	for _, bad := range []string{
		"", "Team", "a/b", "/", ".", "..", "a.", ".a", "-a", "a-", "a..b", "a___b", "a b", "ä", "a\x00", "@system", "*", "a:1", strings.Repeat("a", 256),
	} {
		if err := project.CheckName(bad); !errs.Is(err, errs.Invalid) || errs.As(err).Hint == "" {
			t.Errorf("CheckName(%q) = %v, want Invalid with a remedy", bad, err)
		}
	}
	f := newFixture(t)
	_, err := f.CreateProject(t.Context(), f.as("alice"), project.NewProject{Name: "a/b"})
	f.kind("CreateProject with a bad name", err, errs.Invalid)
}

func TestListProjects(t *testing.T) {
	f := newFixture(t)
	yes, no := true, false
	named := func(name string) project.Query {
		return project.Query{Paging: project.Paging{Where: []store.Condition{store.Is("name", name)}}}
	}
	for _, row := range []struct {
		who   string
		query project.Query
		want  string
	}{
		{"admin", project.Query{}, "team,open,hidden"},
		{"admin", project.Query{Public: &no}, "team,hidden"},
		{"alice", project.Query{}, "team,open"},
		{"alice", project.Query{Public: &yes}, "open"},
		{"alice", project.Query{Public: &no}, "team"},
		{"alice", project.Query{Name: "E"}, "team,open"},
		{"alice", project.Query{Name: "hid"}, ""},
		{"alice", named("hidden"), ""},
		{"carol", project.Query{}, "open"},
		{"carol", project.Query{Public: &no}, ""},
		{"", project.Query{}, "open"},
		{"", project.Query{Public: &no}, ""},
		{"", named("team"), ""},
		{"ldap-user", project.Query{}, "open"},
		{"ldap-user", project.Query{Public: &no}, ""},
		{"ldap-admin", project.Query{}, "team,open,hidden"},
	} {
		l, err := f.ListProjects(t.Context(), f.as(row.who), row.query)
		f.ok("ListProjects", err)
		var names []string
		for _, p := range l.Items {
			names = append(names, p.Name)
		}
		if got := strings.Join(names, ","); got != row.want || l.Total != len(names) || l.Items == nil {
			t.Errorf("ListProjects(%+v) by %q = %q of %d, want %q", row.query, row.who, got, l.Total, row.want)
		}
	}
	l, err := f.ListProjects(t.Context(), f.as("admin"), project.Query{Paging: project.Paging{Offset: 1, Limit: 1, Sort: "-name"}})
	if err != nil || l.Total != 3 || len(l.Items) != 1 || l.Items[0].Name != "open" {
		t.Errorf("ListProjects, second page by falling name = %+v, %v, want open of 3", l, err)
	}
}

func TestPagesAreBounded(t *testing.T) {
	f := newFixture(t)
	for i := range 120 {
		f.project("p"+strings.Repeat("x", i+1), true)
	}
	for _, limit := range []int{0, 101, 1 << 40} {
		l, err := f.ListProjects(t.Context(), f.as("alice"), project.Query{Paging: project.Paging{Limit: limit}})
		if err != nil || len(l.Items) != project.MaxPage || l.Total != 122 {
			t.Errorf("ListProjects with limit %d = %d of %d, %v, want %d of 122", limit, len(l.Items), l.Total, err, project.MaxPage)
		}
	}
}

// TestUnseenProjects holds that what exists and may not be seen looks like what does not exist, in every operation.
func TestUnseenProjects(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	yes := true
	operations := map[string]func(c project.Caller, ref project.Ref) error{
		"Project": func(c project.Caller, ref project.Ref) error { _, err := f.Project(ctx, c, ref); return err },
		"UpdateProject": func(c project.Caller, ref project.Ref) error {
			return f.UpdateProject(ctx, c, ref, project.Change{Public: &yes})
		},
		"DeleteProject": func(c project.Caller, ref project.Ref) error { return f.DeleteProject(ctx, c, ref) },
		"ListMembers": func(c project.Caller, ref project.Ref) error {
			_, err := f.ListMembers(ctx, c, ref, project.MemberQuery{})
			return err
		},
		"Member": func(c project.Caller, ref project.Ref) error { _, err := f.Member(ctx, c, ref, 1); return err },
		"AddMember": func(c project.Caller, ref project.Ref) error {
			_, err := f.AddMember(ctx, c, ref, project.NewMember{UserName: "carol", Role: 1})
			return err
		},
		"SetMemberRole": func(c project.Caller, ref project.Ref) error {
			return f.SetMemberRole(ctx, c, ref, 1, project.RoleIn{Role: 1})
		},
		"RemoveMember": func(c project.Caller, ref project.Ref) error { return f.RemoveMember(ctx, c, ref, 1) },
	}
	for what, do := range operations {
		for _, who := range []string{"carol", "", "ldap-user"} {
			want := errs.NotFound
			if who == "" {
				want = errs.Unauthenticated
			}
			var texts []string
			for _, ref := range []project.Ref{named("hidden"), named("nowhere"), {ID: f.ids["project:hidden"]}, {ID: 999}} {
				err := do(f.as(who), ref)
				f.kind(what+" by "+who, err, want)
				text := strings.NewReplacer("nowhere", "hidden", "#999", "#"+idText(f.ids["project:hidden"])).Replace(err.Error())
				texts = append(texts, text)
			}
			if texts[0] != texts[1] || texts[2] != texts[3] {
				t.Errorf("%s by %q says %q, want no difference between hidden and missing", what, who, texts)
			}
		}
	}
	if _, err := f.store.ProjectByName(ctx, "hidden"); err != nil {
		t.Errorf("the hidden project is gone: %v", err)
	}
	f.trail.take()
	_ = f.DeleteProject(ctx, f.as("carol"), named("hidden"))
	f.recorded("an attempt on a hidden project", `carol|project.delete|project:"hidden"|refused|the project does not exist or is not visible`)
}

func idText(n int64) string { return string(rune('0' + n)) }

func TestProject(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	for _, who := range []string{"admin", "alice", "bob"} {
		byName, err := f.Project(ctx, f.as(who), named("team"))
		f.ok("Project by name", err)
		byID, err := f.Project(ctx, f.as(who), project.Ref{ID: byName.ID})
		f.ok("Project by id", err)
		if byID != byName {
			t.Errorf("Project by id = %+v, by name = %+v, want the same", byID, byName)
		}
	}
	for _, who := range []string{"carol", "", "ldap-user"} {
		if _, err := f.Project(ctx, f.as(who), named("open")); err != nil {
			t.Errorf("Project, public, by %q = %v, want no error", who, err)
		}
	}
	for who, want := range map[string][]store.MemberRole{"alice": {{Role: store.RoleProjectAdmin}}, "bob": {{Role: store.RoleGuest}}, "carol": nil, "": nil, "ldap-user": nil} {
		if roles, err := f.RolesIn(ctx, f.as(who), f.ids["project:team"]); !slices.Equal(roles, want) || err != nil {
			t.Errorf("RolesIn by %q = %v, %v, want %v", who, roles, err, want)
		}
	}
}

func TestChangeProject(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	yes := true
	f.kind("UpdateProject by a guest", f.UpdateProject(ctx, f.as("bob"), named("team"), project.Change{Public: &yes}), errs.Denied)
	f.recorded("a refusal", "bob|project.update|project:team|refused|no rule")
	f.kind("DeleteProject by a guest", f.DeleteProject(ctx, f.as("bob"), named("team")), errs.Denied)
	f.kind("UpdateProject, public, by anonymous", f.UpdateProject(ctx, f.as(""), named("open"), project.Change{}), errs.Unauthenticated)
	f.kind("DeleteProject, public, by a stranger", f.DeleteProject(ctx, f.as("carol"), named("open")), errs.Denied)
	f.trail.take()
	f.ok("UpdateProject", f.UpdateProject(ctx, f.as("alice"), named("team"), project.Change{Public: &yes}))
	f.recorded("UpdateProject", "alice|project.update|project:team|allowed|projectAdmin")
	p, err := f.Project(ctx, f.as(""), named("team"))
	if err != nil || !p.Public {
		t.Errorf("Project after UpdateProject = %+v, %v, want it public", p, err)
	}
	f.ok("UpdateProject with nothing", f.UpdateProject(ctx, f.as("alice"), named("team"), project.Change{}))
	f.ok("DeleteProject", f.DeleteProject(ctx, f.as("alice"), project.Ref{ID: p.ID}))
	_, err = f.Project(ctx, f.as("alice"), named("team"))
	f.kind("Project after DeleteProject", err, errs.NotFound)
	f.ok("DeleteProject by an administrator", f.DeleteProject(ctx, f.as("admin"), named("hidden")))
}

func TestMembers(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	team := named("team")
	l, err := f.ListMembers(ctx, f.as("bob"), team, project.MemberQuery{Paging: project.Paging{Sort: "name"}})
	if err != nil || l.Total != 2 || l.Items[0].UserName != "alice" || l.Items[1].Role != store.RoleGuest {
		t.Errorf("ListMembers = %+v, %v, want alice and bob", l, err)
	}
	_, err = f.ListMembers(ctx, f.as("carol"), named("open"), project.MemberQuery{})
	f.kind("ListMembers of a public project by a stranger", err, errs.Denied)

	m, err := f.AddMember(ctx, f.as("alice"), team, project.NewMember{UserName: "CAROL", Role: store.RoleDeveloper})
	f.ok("AddMember by name", err)
	f.recorded("AddMember", "alice|member.create|project:team/member:CAROL|allowed|projectAdmin; becomes developer")
	if m.UserID != f.ids["carol"] || m.UserName != "carol" || m.ProjectName != "team" {
		t.Errorf("AddMember = %+v, want carol in team", m)
	}
	got, err := f.Member(ctx, f.as("carol"), team, m.ID)
	if err != nil || got != m {
		t.Errorf("Member = %+v, %v, want %+v", got, err, m)
	}
	add := func(who string, n project.NewMember) error {
		_, err := f.AddMember(ctx, f.as(who), team, n)
		return err
	}
	f.kind("AddMember again", add("alice", project.NewMember{UserName: "carol", Role: 1}), errs.Conflict)
	f.kind("AddMember by id, which would tell who there is", add("alice", project.NewMember{UserID: f.ids["helpdesk"], Role: 1}), errs.Invalid)
	f.kind("AddMember again by id", add("admin", project.NewMember{UserID: f.ids["carol"], Role: 1}), errs.Conflict)
	f.kind("AddMember of nobody", add("alice", project.NewMember{UserName: "dave", Role: 1}), errs.NotFound)
	f.kind("AddMember of an unknown id", add("admin", project.NewMember{UserID: 999, Role: 1}), errs.NotFound)
	f.kind("AddMember without a role", add("alice", project.NewMember{UserName: "helpdesk"}), errs.Invalid)
	f.kind("AddMember by a guest", add("bob", project.NewMember{UserName: "helpdesk", Role: 1}), errs.Denied)
	f.kind("SetMemberRole of oneself by a developer", f.SetMemberRole(ctx, f.as("carol"), team, m.ID, project.RoleIn{Role: store.RoleProjectAdmin}), errs.Denied)
	f.kind("SetMemberRole to an unknown role", f.SetMemberRole(ctx, f.as("alice"), team, m.ID, project.RoleIn{Role: 9}), errs.Invalid)
	f.trail.take()
	f.ok("SetMemberRole", f.SetMemberRole(ctx, f.as("alice"), team, m.ID, project.RoleIn{Role: store.RoleMaintainer}))
	f.recorded("SetMemberRole", "alice|member.update|project:team/member:carol|allowed|projectAdmin; from developer to maintainer")
	f.ok("SetMemberRole for some", f.SetMemberRole(ctx, f.as("alice"), team, m.ID, project.RoleIn{Role: store.RoleGuest, Only: []string{"app/**", "sealock_pat_x"}}))
	f.recorded("SetMemberRole for some", "alice|member.update|project:team/member:carol|allowed|projectAdmin; from maintainer to guest for app/**, [")
	f.ok("SetMemberRole for the same", f.SetMemberRole(ctx, f.as("alice"), team, m.ID, project.RoleIn{Role: store.RoleMaintainer, Only: []string{"app/**"}}))
	f.trail.take()
	f.ok("RemoveMember", f.RemoveMember(ctx, f.as("alice"), team, m.ID))
	f.recorded("RemoveMember", "alice|member.delete|project:team/member:carol|allowed|projectAdmin; was maintainer for app/**")
	f.kind("RemoveMember again", f.RemoveMember(ctx, f.as("alice"), team, m.ID), errs.NotFound)
}

// TestForeignMembers takes the id of a member of another project (CVE-2022-31667 and its kind).
func TestForeignMembers(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	foreign := f.ids["open/alice"]
	f.kind("SetMemberRole", f.SetMemberRole(ctx, f.as("alice"), named("team"), foreign, project.RoleIn{Role: store.RoleProjectAdmin}), errs.NotFound)
	f.kind("RemoveMember", f.RemoveMember(ctx, f.as("alice"), named("team"), foreign), errs.NotFound)
	_, err := f.Member(ctx, f.as("alice"), named("team"), f.ids["hidden/admin"])
	f.kind("Member", err, errs.NotFound)
	for _, line := range f.trail.take() {
		if strings.Contains(line, "admin|") || strings.Contains(line, "member:alice") {
			t.Errorf("the trail says %q, want no name of another project's member", line)
		}
	}
	if role, _ := f.store.MemberRole(ctx, f.ids["project:open"], f.ids["alice"]); role != store.RoleGuest {
		t.Errorf("role in the other project = %v, want guest as before", role)
	}
}

func TestLastProjectAdmin(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	team, alice := named("team"), f.ids["team/alice"]
	f.kind("RemoveMember of the last administrator", f.RemoveMember(ctx, f.as("alice"), team, alice), errs.Precondition)
	f.kind("SetMemberRole of the last administrator", f.SetMemberRole(ctx, f.as("alice"), team, alice, project.RoleIn{Role: store.RoleGuest}), errs.Precondition)
	f.ok("SetMemberRole to the same role", f.SetMemberRole(ctx, f.as("alice"), team, alice, project.RoleIn{Role: store.RoleProjectAdmin}))
	f.ok("SetMemberRole of another", f.SetMemberRole(ctx, f.as("alice"), team, f.ids["team/bob"], project.RoleIn{Role: store.RoleProjectAdmin}))
	f.ok("SetMemberRole of one of two administrators", f.SetMemberRole(ctx, f.as("alice"), team, alice, project.RoleIn{Role: store.RoleGuest}))
	f.ok("RemoveMember of the last one by a system administrator", f.RemoveMember(ctx, f.as("admin"), team, f.ids["team/bob"]))
}

func TestRefreshTokens(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	for id, name := range map[string]string{"a1": "alice", "a2": "alice", "b1": "bob", "l1": "ldap-user"} {
		f.ok("CreateRefreshToken", f.store.CreateRefreshToken(ctx, refreshToken(id, name, f.ids[name])))
	}
	list := func(who string, q project.TokenQuery) ([]string, error) {
		l, err := f.ListRefreshTokens(ctx, f.as(who), q)
		var ids []string
		for _, tok := range l.Items {
			ids = append(ids, tok.ID)
			if tok.SecretHash != nil {
				t.Error("ListRefreshTokens tells the hash of the secret")
			}
		}
		slices.Sort(ids)
		return ids, err
	}
	for _, row := range []struct {
		who   string
		query project.TokenQuery
		want  string
	}{
		{"alice", project.TokenQuery{}, "a1,a2"},
		{"alice", project.TokenQuery{Subject: "ALICE"}, "a1,a2"},
		{"ldap-user", project.TokenQuery{}, "l1"},
		{"carol", project.TokenQuery{}, ""},
		{"admin", project.TokenQuery{}, ""},
		{"admin", project.TokenQuery{All: true}, "a1,a2,b1,l1"},
		{"admin", project.TokenQuery{Subject: "bob"}, "b1"},
	} {
		got, err := list(row.who, row.query)
		if strings.Join(got, ",") != row.want || err != nil {
			t.Errorf("ListRefreshTokens(%+v) by %s = %q, %v, want %q", row.query, row.who, got, err, row.want)
		}
	}
	_, err := list("alice", project.TokenQuery{Subject: "bob"})
	f.kind("ListRefreshTokens of another", err, errs.Denied)
	_, err = list("alice", project.TokenQuery{All: true})
	f.kind("ListRefreshTokens of all", err, errs.Denied)
	_, err = list("", project.TokenQuery{})
	f.kind("ListRefreshTokens by anonymous", err, errs.Unauthenticated)

	foreign, missing := f.RevokeRefreshToken(ctx, f.as("alice"), "b1"), f.RevokeRefreshToken(ctx, f.as("alice"), "xx")
	f.kind("RevokeRefreshToken of another", foreign, errs.NotFound)
	if strings.Replace(foreign.Error(), "b1", "xx", 1) != missing.Error() {
		t.Errorf("RevokeRefreshToken of another = %v, of none = %v, want no difference", foreign, missing)
	}
	f.kind("RevokeRefreshToken by anonymous", f.RevokeRefreshToken(ctx, f.as(""), "a1"), errs.Unauthenticated)
	f.trail.take()
	f.ok("RevokeRefreshToken", f.RevokeRefreshToken(ctx, f.as("alice"), "a1"))
	f.recorded("RevokeRefreshToken", "alice|refresh_token.delete|refresh_token:a1|allowed|own account")
	f.kind("RevokeRefreshToken again", f.RevokeRefreshToken(ctx, f.as("alice"), "a1"), errs.NotFound)
	f.ok("RevokeRefreshToken by an administrator", f.RevokeRefreshToken(ctx, f.as("admin"), "b1"))
	f.kind("RevokeRefreshToken of none by an administrator", f.RevokeRefreshToken(ctx, f.as("admin"), "b1"), errs.NotFound)
}

// contents is a registry with images in some projects.
type contents map[string]bool

func (c contents) HasRepositories(_ context.Context, project string) (bool, error) {
	_, left := c[project]
	return left, nil
}

func (c contents) DropRepositories(_ context.Context, project string) error {
	delete(c, project)
	return nil
}

func (c contents) RenameRepositories(_ context.Context, from, to string) error {
	if to == "stuck" {
		return errs.New(errs.Unavailable, "disk on fire").WithHint("put it out").WithHint("put it out")
	}
	if tagged, there := c[from]; there {
		delete(c, from)
		c[to] = tagged
	}
	return nil
}

func (c contents) HasContent(_ context.Context, project string) (bool, error) {
	if project == "unreadable" {
		return false, errors.New("disk on fire")
	}
	return c[project], nil
}

// A project with images stays: whoever made one of its name next would own them.
func TestDeleteProjectWithImages(t *testing.T) {
	ctx := t.Context()
	f := newFixture(t)
	svc := f.WithContents(contents{"team": true})
	f.kind("DeleteProject with images", svc.DeleteProject(ctx, f.as("alice"), named("team")), errs.Precondition)
	if _, err := f.store.ProjectByName(ctx, "team"); err != nil {
		t.Errorf("ProjectByName(team) after a refused deletion = %v, want the project", err)
	}
	f.project("unreadable", false, f.member("alice", store.RoleProjectAdmin))
	if err := svc.DeleteProject(ctx, f.as("alice"), named("unreadable")); err == nil {
		t.Error("DeleteProject works although nobody knows whether it has images")
	}
	f.kind("DeleteProject by a guest", svc.DeleteProject(ctx, f.as("bob"), named("team")), errs.Denied)
	untagged := contents{"team": false, "left": false}
	svc = f.WithContents(untagged)
	f.ok("DeleteProject without tags", svc.DeleteProject(ctx, f.as("alice"), named("team")))
	if _, left := untagged["team"]; left {
		t.Error("DeleteProject leaves repositories behind")
	}
	_, err := svc.CreateProject(ctx, f.as("bob"), project.NewProject{Name: "left"})
	f.kind("CreateProject over somebody's repositories", err, errs.Precondition)
	_, err = svc.CreateProject(ctx, f.as("admin"), project.NewProject{Name: "left"})
	f.ok("CreateProject over them by a system administrator", err)
}

// A project can have another name. Its images move, and whatever fails, both stay where they were.
func TestRenameProject(t *testing.T) {
	ctx := t.Context()
	f := newFixture(t)
	images := contents{"team": true, "left": false}
	svc := f.WithContents(images)
	for name, want := range map[string]errs.Kind{"Crew": errs.Invalid, "": errs.Invalid, "left": errs.Precondition, "stuck": errs.Unavailable} {
		_, err := svc.RenameProject(ctx, f.as("alice"), named("team"), name)
		f.kind("RenameProject to "+name, err, want)
	}
	_, err := svc.RenameProject(ctx, f.as("bob"), named("team"), "crew")
	f.kind("RenameProject by a guest", err, errs.Denied)
	_, err = f.RenameProject(ctx, f.as("alice"), named("team"), "crew")
	f.kind("RenameProject where no registry can be looked into", err, errs.Unsupported)
	f.project("other", false, f.member("alice", store.RoleProjectAdmin))
	_, err = svc.RenameProject(ctx, f.as("alice"), named("team"), "other")
	f.kind("RenameProject to another one's name", err, errs.Conflict)

	f.trail.take()
	p, err := svc.RenameProject(ctx, f.as("alice"), named("team"), "crew")
	f.ok("RenameProject", err)
	f.recorded("RenameProject", "alice|project.rename|project:team/name:crew|allowed|projectAdmin")
	if _, moved := images["crew"]; p.Name != "crew" || !moved {
		t.Errorf("RenameProject = %+v with the images %v, want both to be crew", p, images)
	}
	_, err = svc.RenameProject(ctx, f.as("alice"), named("other"), "team")
	f.kind("RenameProject to what another one was called", err, errs.Conflict)
	names, err := svc.FormerNames(ctx, f.as("bob"), named("crew"))
	if err != nil || len(names) != 1 || names[0] != "team" {
		t.Errorf("FormerNames = %v, %v, want team", names, err)
	}
	f.kind("ForgetName by a guest", svc.ForgetName(ctx, f.as("bob"), named("crew"), "team"), errs.Denied)
	f.ok("ForgetName", svc.ForgetName(ctx, f.as("alice"), named("crew"), "team"))
	_, err = svc.RenameProject(ctx, f.as("alice"), named("other"), "team")
	f.ok("RenameProject to a name that was forgotten", err)
}
