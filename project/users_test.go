package project_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/userdb"
)

func newUser(name string) project.NewUser {
	return project.NewUser{Name: name, Password: secret.New("correct horse"), Profile: project.Profile{Email: name + "@example.com"}}
}

func TestCreateUser(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	u, err := f.CreateUser(ctx, f.as("admin"), newUser("dave"))
	f.ok("CreateUser", err)
	if u.ID == 0 || u.Name != "dave" || u.Email != "dave@example.com" || u.SysAdmin || u.PasswordHash != "" {
		t.Errorf("CreateUser = %+v, want dave without a hash", u)
	}
	f.recorded("CreateUser", "admin|user.create|user:dave|allowed|systemAdmin")
	src := userdb.New("local", f.store, f.hasher)
	if _, err := src.Authenticate(ctx, auth.Credential{Name: "dave", Secret: secret.New("correct horse")}); err != nil {
		t.Errorf("Authenticate as the new user = %v, want no error", err)
	}

	_, err = f.CreateUser(ctx, f.as("admin"), newUser("DAVE"))
	f.kind("CreateUser with a taken name", err, errs.Conflict)
	f.recorded("a conflict", "admin|user.create|user:DAVE|allowed|systemAdmin", "admin|user.create|user:DAVE|refused|user \"DAVE\" exists already")
	for _, bad := range []project.NewUser{
		newUser(""), newUser("a b"), newUser("a:b"), newUser("a@b"),
		{Name: "eve", Password: secret.New("short")},
		{Name: "eve"},
		{Name: "eve", Password: secret.New("correct horse"), Profile: project.Profile{Email: "nonsense"}},
		{Name: "eve", Password: secret.New("correct horse"), Profile: project.Profile{Comment: strings.Repeat("x", 3000)}},
	} {
		_, err := f.CreateUser(ctx, f.as("admin"), bad)
		f.kind("CreateUser with bad data", err, errs.Invalid)
	}
	f.trail.take()
	_, err = f.CreateUser(ctx, f.as("alice"), newUser("eve"))
	f.kind("CreateUser by a user", err, errs.Denied)
	f.recorded("a refusal", "alice|user.create|user:eve|refused|no rule")
	_, err = f.CreateUser(ctx, f.as(""), newUser("eve"))
	f.kind("CreateUser by anonymous", err, errs.Unauthenticated)
	f.recorded("a refusal", "|user.create|user:eve|refused|no rule")
}

// TestCreateUserOfASource makes records of people who have not signed in yet. No password gets into one.
func TestCreateUserOfASource(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	f.Service = f.WithSources([]project.Source{{Name: "sso", Groups: store.GroupOIDC}, {Name: "people"}}, nil)
	for _, name := range []string{"zoe@sso", "Zoe@people", "zoe@example.com@sso"} {
		u, err := f.CreateUser(ctx, f.as("admin"), project.NewUser{Name: name, Profile: project.Profile{RealName: "Zoe"}})
		f.ok("CreateUser "+name, err)
		if kept, err := f.store.User(ctx, u.ID); err != nil || kept.Name != name || kept.PasswordHash != "" || kept.RealName != "Zoe" || kept.SysAdmin {
			t.Errorf("CreateUser(%q) keeps %+v, %v, want the name without a password", name, kept, err)
		}
		f.recorded("CreateUser", "admin|user.create|user:"+name+"|allowed|systemAdmin")
	}
	_, err := f.CreateUser(ctx, f.as("admin"), project.NewUser{Name: "ZOE@sso"})
	f.kind("CreateUser with a taken name", err, errs.Conflict)
	for name, want := range map[string]string{
		"zoe@elsewhere": "sso, people", "zoe@SSO": "sso, people", "zoe@database": "sso, people", "zoe@": "sso, people", "zoe@sso@example.com": "sso, people",
		"@sso": "", "a b@sso": "", "аdmin@sso": "", "a:b@sso": "", "a\x00@sso": "", "-a@sso": "", strings.Repeat("x", 10_000) + "@sso": "",
	} {
		f.trail.take()
		_, err := f.CreateUser(ctx, f.as("admin"), project.NewUser{Name: name})
		f.kind("CreateUser "+clip(name), err, errs.Invalid)
		if hint := errs.As(err).Hint; !strings.Contains(hint, want) {
			t.Errorf("CreateUser(%q) hints %q, want it to name %q", clip(name), hint, want)
		}
		if n := len(f.trail.take()); n != 1 {
			t.Errorf("CreateUser(%q) leaves %d records, want one", clip(name), n)
		}
	}
	with := newUser("yan@sso")
	with.Email = ""
	_, err = f.CreateUser(ctx, f.as("admin"), with)
	f.kind("CreateUser of a source with a password", err, errs.Invalid)
	f.trail.take()
	_, err = f.CreateUser(ctx, f.as("alice"), project.NewUser{Name: "yan@sso"})
	f.kind("CreateUser of a source by a user", err, errs.Denied)
	f.recorded("a refusal", "alice|user.create|user:yan@sso|refused|no rule")
}

func clip(s string) string { return s[:min(len(s), 40)] }

// TestSignOut ends sessions, and what clients hold only if that is asked for.
func TestSignOut(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	now := f.clock.Now()
	for _, name := range []string{"alice", "bob", "admin"} {
		f.ok("CreateSession", f.store.CreateSession(ctx, store.Session{
			ID: name, UserID: f.ids[name], Subject: name, CreatedAt: now, LastSeenAt: now, IdleExpiry: time.Hour, ExpiresAt: now.Add(time.Hour),
		}))
		f.ok("CreateRefreshToken", f.store.CreateRefreshToken(ctx, store.RefreshToken{ID: name, Subject: name, SecretHash: []byte("x"), ExpiresAt: now.Add(time.Hour)}))
	}
	left := func(name string, sessions, tokens int) {
		t.Helper()
		n := 0
		for _, err := range f.store.ListSessions(ctx, store.Filter{MemberID: f.ids[name]}) {
			f.ok("ListSessions", err)
			n++
		}
		refresh, err := f.store.CountRefreshTokens(ctx, store.Filter{Subject: name})
		if f.ok("CountRefreshTokens", err); n != sessions || refresh != tokens {
			t.Errorf("%s has %d sessions and %d refresh tokens, want %d and %d", name, n, refresh, sessions, tokens)
		}
	}
	f.kind("SignOut by a member", f.SignOut(ctx, f.as("bob"), f.ids["alice"], true), errs.Denied)
	f.kind("SignOut of an administrator by the helpdesk", f.SignOut(ctx, f.as("helpdesk"), f.ids["admin"], true), errs.Denied)
	f.kind("SignOut by nobody", f.SignOut(ctx, f.as(""), f.ids["alice"], true), errs.Unauthenticated)
	f.kind("SignOut of nobody", f.SignOut(ctx, f.as("admin"), 1<<40, true), errs.NotFound)
	f.trail.err = errTrail
	f.kind("SignOut that can't be recorded", f.SignOut(ctx, f.as("admin"), f.ids["alice"], true), errs.Unavailable)
	f.trail.err = nil
	left("alice", 1, 1)
	f.trail.take()
	f.ok("SignOut", f.SignOut(ctx, f.as("helpdesk"), f.ids["alice"], false))
	f.recorded("SignOut", "helpdesk|user.sign_out|user:alice|allowed|helpdesk")
	left("alice", 0, 1)
	f.ok("SignOut of oneself", f.SignOut(ctx, f.as("bob"), f.ids["bob"], true))
	f.recorded("SignOut of oneself", "bob|user.sign_out|user:bob|allowed|own account")
	left("bob", 0, 0)
	left("admin", 1, 1)
}

func TestReadUsers(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	l, err := f.ListUsers(ctx, f.as("admin"), project.UserQuery{Paging: project.Paging{Limit: 2, Offset: 1, Sort: "name"}})
	f.ok("ListUsers", err)
	if l.Total != 5 || len(l.Items) != 2 || l.Items[0].Name != "alice" || l.Items[0].PasswordHash != "" {
		t.Errorf("ListUsers = %+v, want two of five without hashes", l)
	}
	_, err = f.ListUsers(ctx, f.as("admin"), project.UserQuery{Paging: project.Paging{Sort: "password_hash"}})
	f.kind("ListUsers sorted by a secret", err, errs.Invalid)
	_, err = f.ListUsers(ctx, f.as("alice"), project.UserQuery{})
	f.kind("ListUsers by a user", err, errs.Denied)
	_, err = f.ListUsers(ctx, f.as(""), project.UserQuery{})
	f.kind("ListUsers by anonymous", err, errs.Unauthenticated)

	u, err := f.User(ctx, f.as("alice"), f.ids["alice"])
	if err != nil || u.Name != "alice" || u.PasswordHash != "" {
		t.Errorf("User of oneself = %+v, %v, want alice without a hash", u, err)
	}
	_, err = f.User(ctx, f.as("admin"), 999)
	f.kind("User of an unknown id", err, errs.NotFound)
	_, denied := f.User(ctx, f.as("alice"), f.ids["bob"])
	_, unknown := f.User(ctx, f.as("alice"), 999)
	f.kind("User of another", denied, errs.Denied)
	if denied.Error() != unknown.Error() {
		t.Errorf("User of another = %v, of nobody = %v, want the same", denied, unknown)
	}
	_, err = f.User(ctx, f.as("ldap-user"), 0)
	f.kind("User of somebody without an id", err, errs.Denied)

	u, err = f.CurrentUser(ctx, f.as("bob"))
	if err != nil || u.ID != f.ids["bob"] || u.PasswordHash != "" {
		t.Errorf("CurrentUser = %+v, %v, want bob without a hash", u, err)
	}
	u, err = f.CurrentUser(ctx, f.as("ldap-user"))
	if err != nil || u.Name != "ldap-user" || u.ID != 0 {
		t.Errorf("CurrentUser of another source = %+v, %v, want the name alone", u, err)
	}
	_, err = f.CurrentUser(ctx, f.as(""))
	f.kind("CurrentUser of anonymous", err, errs.Unauthenticated)
	f.recorded("reading")
}

// TestSearchUsers holds that who there is can't be read out (CVE-2019-3990, CVE-2020-13794).
func TestSearchUsers(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	for _, row := range []struct {
		who, text string
		want      string
	}{
		{"admin", "A", "admin,alice,carol"},
		{"admin", "%", ""},
		{"admin", "_", ""},
		{"alice", "bo", ""},
		{"alice", "BOB", "bob"},
		{"alice", "%", ""},
		{"alice", "b_b", ""},
	} {
		l, err := f.SearchUsers(ctx, f.as(row.who), row.text, project.Paging{})
		f.ok("SearchUsers", err)
		var names []string
		for _, u := range l.Items {
			names = append(names, u.Name)
			if (u != store.User{ID: u.ID, Name: u.Name}) {
				t.Errorf("SearchUsers(%q) by %s tells %+v, want id and name", row.text, row.who, u)
			}
		}
		if got := strings.Join(names, ","); got != row.want || l.Total != len(l.Items) {
			t.Errorf("SearchUsers(%q) by %s = %q of %d, want %q", row.text, row.who, got, l.Total, row.want)
		}
	}
	_, err := f.SearchUsers(ctx, f.as("alice"), "", project.Paging{})
	f.kind("SearchUsers for nothing", err, errs.Invalid)
	_, err = f.SearchUsers(ctx, f.as(""), "bob", project.Paging{})
	f.kind("SearchUsers by anonymous", err, errs.Unauthenticated)
}

func TestUpdateProfile(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	p := project.Profile{Email: "new@example.com", RealName: "New Name", Comment: "hello"}
	f.ok("UpdateProfile of oneself", f.UpdateProfile(ctx, f.as("alice"), f.ids["alice"], p))
	f.recorded("UpdateProfile", "alice|user.update|user:alice|allowed|own account")
	u, err := f.store.User(ctx, f.ids["alice"])
	f.ok("User", err)
	if u.Email != p.Email || u.RealName != p.RealName || u.Comment != p.Comment || u.PasswordHash == "" || u.Name != "alice" {
		t.Errorf("user after UpdateProfile = %+v, want the new profile and nothing else", u)
	}
	f.kind("UpdateProfile with a bad address", f.UpdateProfile(ctx, f.as("alice"), f.ids["alice"], project.Profile{Email: "a b@c"}), errs.Invalid)
	f.kind("UpdateProfile of another (CVE-2019-19023)", f.UpdateProfile(ctx, f.as("alice"), f.ids["bob"], p), errs.Denied)
	f.kind("UpdateProfile of nobody", f.UpdateProfile(ctx, f.as("alice"), 999, p), errs.Denied)
	f.kind("UpdateProfile of nobody", f.UpdateProfile(ctx, f.as("admin"), 999, p), errs.NotFound)
	f.ok("UpdateProfile by an administrator", f.UpdateProfile(ctx, f.as("admin"), f.ids["bob"], p))
	f.ok("UpdateProfile by the help desk", f.UpdateProfile(ctx, f.as("helpdesk"), f.ids["bob"], p))
	f.kind("UpdateProfile of an administrator by the help desk", f.UpdateProfile(ctx, f.as("helpdesk"), f.ids["admin"], p), errs.Denied)
}

func TestSetSysAdmin(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	f.kind("SetSysAdmin of oneself", f.SetSysAdmin(ctx, f.as("alice"), f.ids["alice"], true), errs.Denied)
	f.kind("SetSysAdmin by the help desk", f.SetSysAdmin(ctx, f.as("helpdesk"), f.ids["helpdesk"], true), errs.Denied)
	f.kind("SetSysAdmin of nobody", f.SetSysAdmin(ctx, f.as("admin"), 999, true), errs.NotFound)
	f.kind("SetSysAdmin off for the last one", f.SetSysAdmin(ctx, f.as("admin"), f.ids["admin"], false), errs.Precondition)
	f.trail.take()
	f.ok("SetSysAdmin", f.SetSysAdmin(ctx, f.as("admin"), f.ids["alice"], true))
	f.recorded("SetSysAdmin", "admin|user.sysadmin.grant|user:alice|allowed|systemAdmin")
	f.ok("SetSysAdmin off for one of two", f.SetSysAdmin(ctx, f.as("admin"), f.ids["admin"], false))
	f.recorded("SetSysAdmin", "admin|user.sysadmin.revoke|user:admin|allowed|systemAdmin")
	if u, _ := f.store.User(ctx, f.ids["alice"]); !u.SysAdmin {
		t.Error("alice is no system administrator, want one")
	}
}

func TestSetPassword(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	src := userdb.New("local", f.store, f.hasher)
	login := func(name, password string) error {
		_, err := src.Authenticate(ctx, auth.Credential{Name: name, Secret: secret.New(password)})
		return err
	}
	for _, id := range []string{"one", "two"} {
		f.ok("CreateRefreshToken", f.store.CreateRefreshToken(ctx, refreshToken(id, "alice", f.ids["alice"])))
	}
	old, fresh := secret.New("password-alice"), secret.New("another horse")
	f.kind("SetPassword with a wrong old one", f.SetPassword(ctx, f.as("alice"), f.ids["alice"], secret.New("wrong horse"), fresh), errs.Denied)
	f.recorded("a wrong old password", "alice|user.password|user:alice|refused|the old password is wrong")
	f.kind("SetPassword without the old one", f.SetPassword(ctx, f.as("alice"), f.ids["alice"], secret.Text{}, fresh), errs.Denied)
	f.kind("SetPassword to a short one", f.SetPassword(ctx, f.as("alice"), f.ids["alice"], old, secret.New("short")), errs.Invalid)
	f.kind("SetPassword of another", f.SetPassword(ctx, f.as("alice"), f.ids["bob"], secret.New("password-bob"), fresh), errs.Denied)
	f.kind("SetPassword of oneself as administrator, without the old one", f.SetPassword(ctx, f.as("admin"), f.ids["admin"], secret.Text{}, fresh), errs.Denied)
	f.ok("login after refusals", login("alice", "password-alice"))
	f.trail.take()

	f.ok("SetPassword", f.SetPassword(ctx, f.as("alice"), f.ids["alice"], old, fresh))
	f.recorded("SetPassword", "alice|user.password|user:alice|allowed|own account")
	f.ok("login with the new password", login("alice", "another horse"))
	if login("alice", "password-alice") == nil {
		t.Error("login with the old password works, want it refused")
	}
	if n, err := f.store.CountRefreshTokens(ctx, store.Filter{Subject: "alice"}); n != 0 || err != nil {
		t.Errorf("refresh tokens after SetPassword = %d, %v, want none", n, err)
	}
	f.ok("SetPassword by an administrator", f.SetPassword(ctx, f.as("admin"), f.ids["bob"], secret.Text{}, fresh))
	f.ok("login after a reset", login("bob", "another horse"))
	f.kind("SetPassword of an administrator by the help desk", f.SetPassword(ctx, f.as("helpdesk"), f.ids["admin"], secret.Text{}, fresh), errs.Denied)
	f.ok("SetPassword of a user by the help desk", f.SetPassword(ctx, f.as("helpdesk"), f.ids["carol"], secret.Text{}, fresh))
}

func TestDeleteUser(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	f.kind("DeleteUser by a user", f.DeleteUser(ctx, f.as("alice"), f.ids["bob"]), errs.Denied)
	f.kind("DeleteUser of oneself by a user", f.DeleteUser(ctx, f.as("alice"), f.ids["alice"]), errs.Denied)
	f.kind("DeleteUser of oneself", f.DeleteUser(ctx, f.as("admin"), f.ids["admin"]), errs.Denied)
	f.kind("DeleteUser of an administrator by the help desk", f.DeleteUser(ctx, f.as("helpdesk"), f.ids["admin"]), errs.Denied)
	f.kind("DeleteUser of the last administrator", f.DeleteUser(ctx, f.as("ldap-admin"), f.ids["admin"]), errs.Precondition)
	f.kind("DeleteUser of nobody", f.DeleteUser(ctx, f.as("admin"), 999), errs.NotFound)
	f.trail.take()
	f.ok("DeleteUser", f.DeleteUser(ctx, f.as("admin"), f.ids["bob"]))
	f.recorded("DeleteUser", "admin|user.delete|user:bob|allowed|systemAdmin")
	_, err := f.store.User(ctx, f.ids["bob"])
	f.kind("User after DeleteUser", err, errs.NotFound)
}

// TestNoRecordNoAction lets the audit trail fail: nothing may change, by nobody.
func TestNoRecordNoAction(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	f.ok("CreateRefreshToken", f.store.CreateRefreshToken(ctx, refreshToken("one", "alice", f.ids["alice"])))
	heard := 0
	defer f.store.Subscribe(func(store.Change) { heard++ })()
	f.trail.err = errTrail
	admin, alice, yes := f.as("admin"), f.as("alice"), true
	for what, do := range map[string]func() error{
		"CreateUser":    func() error { _, err := f.CreateUser(ctx, admin, newUser("dave")); return err },
		"UpdateProfile": func() error { return f.UpdateProfile(ctx, alice, alice.ID, project.Profile{RealName: "A"}) },
		"SetSysAdmin":   func() error { return f.SetSysAdmin(ctx, admin, f.ids["bob"], true) },
		"SetPassword": func() error {
			return f.SetPassword(ctx, alice, alice.ID, secret.New("password-alice"), secret.New("another horse"))
		},
		"DeleteUser":    func() error { return f.DeleteUser(ctx, admin, f.ids["bob"]) },
		"CreateProject": func() error { _, err := f.CreateProject(ctx, alice, project.NewProject{Name: "new"}); return err },
		"UpdateProject": func() error { return f.UpdateProject(ctx, alice, named("team"), project.Change{Public: &yes}) },
		"DeleteProject": func() error { return f.DeleteProject(ctx, alice, named("team")) },
		"AddMember": func() error {
			_, err := f.AddMember(ctx, alice, named("team"), project.NewMember{UserName: "carol", Role: store.RoleGuest})
			return err
		},
		"SetMemberRole": func() error {
			return f.SetMemberRole(ctx, alice, named("team"), f.ids["team/bob"], project.RoleIn{Role: store.RoleDeveloper})
		},
		"RemoveMember":       func() error { return f.RemoveMember(ctx, alice, named("team"), f.ids["team/bob"]) },
		"RevokeRefreshToken": func() error { return f.RevokeRefreshToken(ctx, alice, "one") },
		"a refusal":          func() error { return f.DeleteUser(ctx, alice, f.ids["bob"]) },
		"an unseen project":  func() error { return f.DeleteProject(ctx, f.as("carol"), named("team")) },
	} {
		f.kind(what+" that can't be recorded", do(), errs.Unavailable)
	}
	if heard != 0 {
		t.Errorf("%d changes were made without a record, want none", heard)
	}
	if _, err := f.store.RefreshToken(ctx, "one"); err != nil {
		t.Errorf("RefreshToken after a revocation that could not be recorded = %v, want it there", err)
	}
}

// TestSecretsAreNotTold searches all records and errors for passwords and hashes.
func TestSecretsAreNotTold(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	const canary = "canary-in-the-coal-mine"
	var told []string
	note := func(err error) {
		if err != nil {
			told = append(told, err.Error())
		}
	}
	n := newUser("dave")
	n.Password = secret.New(canary)
	_, err := f.CreateUser(ctx, f.as("admin"), n)
	note(err)
	_, err = f.CreateUser(ctx, f.as("admin"), n)
	note(err)
	n.Name, n.Password = "eve", secret.New(canary+strings.Repeat("x", 200))
	_, err = f.CreateUser(ctx, f.as("admin"), n)
	note(err)
	note(f.SetPassword(ctx, f.as("alice"), f.ids["alice"], secret.New(canary), secret.New(canary)))
	_, err = f.store.UpdateUser(ctx, f.ids["bob"], func(u *store.User) error { u.PasswordHash = canary; return nil })
	f.ok("UpdateUser", err)
	note(f.SetPassword(ctx, f.as("bob"), f.ids["bob"], secret.New(canary), secret.New("another horse")))
	told = append(told, f.trail.take()...)
	if len(told) < 6 {
		t.Fatalf("only %d texts to search", len(told))
	}
	for _, text := range told {
		if strings.Contains(text, canary) {
			t.Errorf("a secret is told: %q", text)
		}
	}
}

func refreshToken(id, name string, userID int64) store.RefreshToken {
	at := time.Unix(1_900_000_000, 0)
	return store.RefreshToken{
		ID: id, SecretHash: []byte("hash"), Subject: name, UserID: userID, Service: "registry", CreatedAt: at, LastUsedAt: at,
		IdleExpiry: time.Hour, ExpiresAt: at.Add(time.Hour),
	}
}
